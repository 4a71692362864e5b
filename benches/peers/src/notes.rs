//! What a run writes down as it goes, one JSON object a line: a system that fails later takes nothing of it away.

use std::{fs::OpenOptions, io::Write, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Note {
    /// A measurement.
    Row(Row),
    /// Something that could not be measured.
    Failure {
        /// Which system.
        system: String,
        /// Which question and shape, as far as it got.
        case: String,
        /// What went wrong.
        why: String,
    },
    /// What a sync of the disk cost at some moment of the run.
    Sync(Sync),
    /// Something the reader should know: the machine, a version, the date.
    Fact {
        /// What it is about.
        name: String,
        /// What there is to say.
        value: String,
    },
}

/// Which case of which system.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Label {
    /// The system.
    pub(crate) system: String,
    /// What it is asked.
    pub(crate) question: String,
    /// Connections, and questions under way on each.
    pub(crate) shape: String,
}

/// How fast it is asked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pace {
    /// As fast as it answers.
    Saturation,
    /// A quarter of that, whether it answers or not.
    Quarter,
    /// So many a second.
    Paced(f64),
}

/// A measurement.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    /// Of what.
    pub(crate) label: Label,
    /// How fast it was asked.
    pub(crate) pace: Pace,
    /// Round of the run.
    pub(crate) round: u32,
    /// Questions a second that were due; none at saturation.
    pub(crate) rate_per_s: Option<f64>,
    /// What came of it.
    pub(crate) measured: Measured,
}

/// What came of a measurement.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Measured {
    /// Right answers a second.
    pub(crate) answers_per_s: f64,
    /// Half came sooner, milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 of a hundred came sooner, milliseconds.
    pub(crate) p99_ms: f64,
    /// Processor time of the load program for each answer, microseconds.
    pub(crate) client_us: f64,
    /// Processor time of all the system's processes for each answer, microseconds.
    pub(crate) server_us: f64,
    /// Processors that others used.
    pub(crate) others: f64,
    /// Others used more than a measurement bears.
    pub(crate) contended: bool,
    /// Questions without an answer.
    pub(crate) errors: u64,
    /// Answers that were not what was asked for.
    pub(crate) wrong: u64,
}

/// What a sync of the disk cost.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Sync {
    /// Half took less, microseconds.
    pub(crate) p50_us: f64,
    /// 99 of a hundred took less, microseconds.
    pub(crate) p99_us: f64,
    /// Syncs a second, one after the other.
    pub(crate) per_s: f64,
}

/// Appends a line.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn append(file: &Path, note: &Note) -> anyhow::Result<()> {
    let mut open = OpenOptions::new().create(true).append(true).open(file)?;
    Ok(writeln!(open, "{}", serde_json::to_string(note)?)?)
}

/// Reads all lines.
///
/// # Errors
/// If the file is not there, or is no such file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<Note>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Counts and microseconds are far below what a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
