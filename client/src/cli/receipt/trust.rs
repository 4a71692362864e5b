//! Which logs are believed: one key, or a policy file.

use std::path::PathBuf;

use clap::Args;
use xacminh_proto::transparency::{Policy, note::VerifierKey, policy::POLICY_BYTES_MAX};

use crate::cli::{config::GlobalArgs, exit::CliError};

use super::source;

/// Whom to believe, beside the global `--key`.
#[derive(Debug, Args)]
pub(super) struct TrustArgs {
    /// Policy file (C2SP tlog-policy): keys of logs and witnesses, and how many must have cosigned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl TrustArgs {
    /// The policy. There is no default: whoever verifies must know whom they trust.
    pub(super) fn policy(&self, global: &GlobalArgs) -> Result<Policy, CliError> {
        match (&global.key, &self.policy) {
            (Some(_), Some(_)) => Err(CliError::Usage("--key or --policy, not both".into())),
            (None, None) => Err(CliError::Usage(
                "whom to believe? give --key VKEY, the public key of the province's log, or --policy FILE".into(),
            )),
            (Some(key), None) => {
                let wrong = |why: &dyn std::fmt::Display| {
                    CliError::Usage(format!("--key is not the public key of a log, NAME+ID+KEY: {why}"))
                };
                let key = VerifierKey::parse(&key.to_string_lossy()).map_err(|error| wrong(&error))?;
                Policy::of_log(key).map_err(|fault| wrong(&fault))
            }
            (None, Some(file)) => {
                let bytes = source::bytes(file, POLICY_BYTES_MAX)?;
                Policy::parse(&bytes).map_err(|error| CliError::File {
                    path: source::name_of(file),
                    line: u64::try_from(error.line).ok(),
                    why: error.fault.to_string(),
                })
            }
        }
    }
}
