//! Faults after which nobody knows what is on the disk: the process stops, and recovers when it starts again.
//!
//! A failed fsync is never tried again: the kernel may have marked the pages clean, so that the second one succeeds and
//! the bytes are gone all the same.

use std::sync::Arc;

/// Why the node must stop at once.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fatal {
    /// The log could not be made durable.
    #[error("the log cannot be made durable: {0}; check the disk, then start again")]
    LogSync(String),
    /// The log could not be written.
    #[error("the log cannot be written: {0}; check the disk and its free space, then start again")]
    LogWrite(String),
    /// The state could not be read, written or flushed.
    #[error("the state cannot be read or written: {0}; check the disk and its free space, then start again")]
    State(String),
    /// A committed entry contradicts the state.
    #[error("committed entry {index} contradicts the state: {problem}; keep the data directory and report this")]
    Contradiction {
        /// Its place in the log.
        index: u64,
        /// What is wrong.
        problem: String,
    },
}

/// Called once with the first fatal fault; in the node it ends the process, in tests it takes notes.
pub type FatalHook = Arc<dyn Fn(Fatal) + Send + Sync>;
