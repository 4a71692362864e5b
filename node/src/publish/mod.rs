//! The log as everybody else sees it: its files over HTTPS, and its checkpoints with the cosignatures of witnesses.
//!
//! ```text
//! notary ── signed heads ──▶ witnesses (the leader alone) ── cosigned, on disk ──┐
//!    └───────────────────────────────────────────────────────────────────────────▼
//! reader ──▶ door (TLS, bounds) ──▶ paths (path → what) ──▶ shelf (checkpoint, tiles, entries)
//! ```
//!
//! Nothing of this is on the way of an answer: a reader or a witness that hangs, lies or floods costs the log server
//! its places and nobody a question.

mod cosigned;
mod door;
mod paths;
mod shelf;
mod witnesses;

pub use cosigned::Cosigned;
pub use door::{Bounds, Door};
pub use shelf::{Missing, Shelf};
pub use witnesses::{Witness, WitnessError, Witnesses};
