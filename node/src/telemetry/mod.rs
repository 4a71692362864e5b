//! Metrics and logs: what the node tells its operator, never a word about a citizen (promise P5).
//!
//! ```text
//! alarms      alarms and budgets, as counted
//! metrics     every metric, typed; labels are enums, so no caller can put personal data into one
//! stopwatch   where the time of one question went
//! sweeps      sweeps of the population, as counted
//! context     which question a line belongs to
//! logs        structured lines
//! redact      the last net under the logs: nothing that looks like a citizen number gets through
//! exit        exit codes, and what a panic does
//! ```

mod alarms;
mod context;
mod dumps;
mod exit;
mod labels;
mod logs;
mod metrics;
mod redact;
mod stopwatch;
mod sweeps;
mod witnesses;

pub use alarms::AlarmMetrics;
pub use context::QuestionContext;
pub use dumps::forbid_core_dumps;
pub use exit::{ExitCode, exit, install_panic_hook};
pub use labels::{AlarmKind, CacheResult, HandshakeFailure, QuestionOutcome, Role, Stage, UpstreamOutcome};
pub use logs::{install_logs, log_question};
pub use metrics::{Counted, Metrics, RaftGauges};
pub use stopwatch::Stopwatch;
pub use sweeps::SweepMetrics;
pub use witnesses::WitnessMetrics;
