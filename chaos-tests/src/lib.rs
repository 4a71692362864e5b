//! Real-process fault tests: what they share.

pub mod postgres;
