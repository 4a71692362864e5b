//! The door: bytes become questions here and nowhere else.
