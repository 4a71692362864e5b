//! (laid out next)
