//! The authority upstream: the national population database.
