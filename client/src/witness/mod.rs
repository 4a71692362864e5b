//! A witness (C2SP tlog-witness): another organisation's program that has seen a province's log grow and never shrink.
//!
//! It needs nothing of a node, knows no person and reads no entry: it is sent checkpoints with consistency proofs, and
//! puts its name under those that continue what it has seen. See docs/WITNESS.md.
//!
//! ```text
//! commands   the command line: keygen, show, run
//! config     the file of settings
//! key        the cosigner's key and its file
//! memory     the newest head of each log, on disk before a cosignature leaves
//! desk       what is judged, remembered and cosigned, in one step
//! door       HTTP with bounds
//! ```

mod commands;
mod config;
mod desk;
mod door;
mod key;
mod memory;

pub use commands::run;
