//! Exit codes, and the errors that lead to them.

use std::io;

use xacminh_proto::{
    transparency::{ReceiptError, trail::TrailError},
    vocab::{ErrorNumber, Fault},
};

use super::receipt::UpgradeError;
use crate::{Breach, CertificateError, ClientError};

/// Shown under `--help`; in docs/OPERATING.md and docs/FORMATS.md too.
pub const EXIT_CODES: &str = "\
Exit codes:
  0   confirmed, and every claim matches
  1   not confirmed, or some claim does not match; or there is no such request or entry, or no longer
  2   usage: the command line or the question is wrong
  3   it cannot be told (undetermined)
  4   refused: the rules do not allow the question
  5   the cluster cannot be reached, or the outcome is unknown: run again with the same --request-id
  6   an input file or database cannot be used, or has bad rows
  7   certificate, key or TLS
  8   the receipt, the trail or the log does not verify
  70  a defect of the program or of the cluster";

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// 0
    Good = 0,
    /// 1
    NoMatch = 1,
    /// 2
    Usage = 2,
    /// 3
    Undetermined = 3,
    /// 4
    Refused = 4,
    /// 5
    Unreached = 5,
    /// 6
    BadFile = 6,
    /// 7
    Certificate = 7,
    /// 8
    Unproven = 8,
    /// 70, as `EX_SOFTWARE` of sysexits.h
    Internal = 70,
}

/// Why a command ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written, or holds something wrong. Never tells a row's content.
    #[error("{path}{}: {why}", .line.map(|line| format!(" line {line}")).unwrap_or_default())]
    File {
        /// Its path.
        path: String,
        /// Where in it.
        line: Option<u64>,
        /// What is wrong.
        why: String,
    },
    /// A population database cannot be used.
    #[error("{0}")]
    Database(String),
    /// The client could not get an answer.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// A receipt is none, or does not verify.
    #[error("{path}: {fault}")]
    Receipt {
        /// Where it was read from.
        path: String,
        /// What is wrong with it.
        fault: ReceiptError,
    },
    /// A trail is none, or does not verify.
    #[error("{path}: {fault}")]
    Trail {
        /// Where it was read from.
        path: String,
        /// What is wrong with it.
        fault: TrailError,
    },
    /// The log, or something said of it, does not verify; tells where.
    #[error("{0}")]
    Log(String),
    /// What was asked for is not there, and will not be.
    #[error("{0}")]
    Absent(String),
    /// What was asked for is not there yet; tells what is missing.
    #[error("{0}: try again later")]
    NotYet(String),
    /// A certificate could not be made or used.
    #[error("{0}")]
    Certificate(String),
    /// A receipt could not be upgraded.
    #[error("{0}")]
    Upgrade(#[from] UpgradeError),
    /// Writing the output failed.
    #[error("writing the output: {0}")]
    Output(#[from] io::Error),
    /// A defect of ours.
    #[error("{0}")]
    Internal(String),
}

impl CliError {
    #[expect(clippy::needless_pass_by_value, reason = "errors and texts are handed over where they are made")]
    pub(super) fn file(path: &std::path::Path, why: impl ToString) -> Self {
        Self::File { path: path.display().to_string(), line: None, why: why.to_string() }
    }

    /// Whether nobody reads what we write any more.
    pub(super) fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::File { .. } | Self::Database(_) => Exit::BadFile,
            Self::Client(error) => client_exit(error),
            Self::Certificate(_) => Exit::Certificate,
            Self::Receipt { .. } | Self::Trail { .. } | Self::Log(_) => Exit::Unproven,
            Self::Absent(_) => Exit::NoMatch,
            Self::NotYet(_) => Exit::Undetermined,
            Self::Upgrade(error) => error.exit(),
            // A reader that left (`xacminh … | head`) is nobody's defect.
            Self::Output(_) if self.is_reader_gone() => Exit::Good,
            Self::Output(_) | Self::Internal(_) => Exit::Internal,
        }
    }

    /// A stable word for machines.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::File { .. } => "file",
            Self::Database(_) => "database",
            Self::Certificate(_) => "certificate",
            Self::Receipt { .. } => "receipt",
            Self::Trail { .. } => "trail",
            Self::Log(_) => "log",
            Self::Absent(_) => "absent",
            Self::NotYet(_) => "not_yet",
            Self::Upgrade(error) => error.kind(),
            Self::Output(_) | Self::Internal(_) => "internal",
            Self::Client(error) => match error {
                ClientError::NoEndpoint | ClientError::Question(_) => "usage",
                ClientError::Certificate(_) | ClientError::CallerRefused { .. } | ClientError::Server { .. } => {
                    "certificate"
                }
                ClientError::Rejected { .. } => "rejected",
                ClientError::Protocol { breach: Breach::Receipt, .. } => "receipt",
                ClientError::Protocol { breach: Breach::Checkpoint, .. } => "log",
                ClientError::Protocol { .. } | ClientError::NodeDefect { .. } => "internal",
                ClientError::Unreachable { .. } => "unreachable",
                ClientError::Unknown { .. } => "unknown",
            },
        }
    }

    /// The error number, if a node gave one.
    #[must_use]
    pub fn number(&self) -> Option<ErrorNumber> {
        match self {
            Self::Client(ClientError::Rejected { number, .. }) => Some(*number),
            Self::Client(ClientError::NodeDefect { .. }) => Some(ErrorNumber::Internal),
            _ => None,
        }
    }
}

impl CliError {
    /// What exactly a node found wrong, if it said more than the number's advice does.
    pub(super) fn detail(&self) -> Option<&str> {
        match self {
            Self::Client(ClientError::Rejected { detail, .. } | ClientError::NodeDefect { detail }) => {
                Some(detail.as_str()).filter(|detail| !detail.is_empty())
            }
            _ => None,
        }
    }
}

impl From<CertificateError> for CliError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error.to_string())
    }
}

/// An error's text with its causes: an access error is of no use without the system's word.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn client_exit(error: &ClientError) -> Exit {
    match error {
        ClientError::NoEndpoint | ClientError::Question(_) => Exit::Usage,
        ClientError::Certificate(_) | ClientError::CallerRefused { .. } | ClientError::Server { .. } => {
            Exit::Certificate
        }
        ClientError::Rejected { number, .. } => rejected_exit(*number),
        // What a node says of itself does not hold: that is for whoever inspects it, not a defect to be reported.
        ClientError::Protocol { breach: Breach::Receipt | Breach::Checkpoint, .. } => Exit::Unproven,
        ClientError::Protocol { .. } | ClientError::NodeDefect { .. } => Exit::Internal,
        ClientError::Unreachable { .. } | ClientError::Unknown { .. } => Exit::Unreached,
    }
}

/// What the rules forbid is a refusal, what is not there is a no, what the question got wrong is usage.
fn rejected_exit(number: ErrorNumber) -> Exit {
    match (number, number.fault()) {
        (ErrorNumber::RoleNotAllowed, _) | (_, Fault::Policy) => Exit::Refused,
        // Nothing was asked wrongly: it is not there.
        (ErrorNumber::RequestUnknown | ErrorNumber::NoLongerKept | ErrorNumber::Erased, _) => Exit::NoMatch,
        (_, Fault::Caller) => Exit::Usage,
        (_, Fault::Authority) => Exit::Undetermined,
        (_, Fault::Us) => Exit::Unreached,
    }
}

#[cfg(test)]
mod tests {
    use super::EXIT_CODES;

    #[test]
    fn the_documents_have_the_codes_of_the_help() {
        let documents = [include_str!("../../../docs/OPERATING.md"), include_str!("../../../docs/FORMATS.md")]
            .map(|text| text.replace('`', ""));
        let codes: Vec<(&str, &str)> =
            EXIT_CODES.lines().filter_map(|line| line.trim().split_once(' ')).skip(1).collect();
        assert_eq!(codes.len(), 10);
        for (number, meaning) in codes {
            let row = format!("| {number} | {}", meaning.trim());
            assert!(documents.iter().all(|text| text.contains(&row)), "{row}");
        }
    }
}
