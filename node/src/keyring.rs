//! Keys at rest: sealing, opening and row keys.
