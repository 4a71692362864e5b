//! Whose logs are believed: one way to say it, for every verb that verifies something.

use std::path::{Path, PathBuf};

use clap::Args;
use xacminh_proto::transparency::{Policy, note::VerifierKey, policy::POLICY_BYTES_MAX};

use super::exit::CliError;

/// Whose logs are believed. There is no default: whoever verifies must know whom they trust.
#[derive(Debug, Default, Args)]
pub(crate) struct LogArgs {
    /// Public key of the province's log, NAME+ID+KEY; repeated, or several lines in one, for several keys and years
    /// [default: `log_key` or `log_policy` of the configuration file]
    #[arg(long = "log-key", global = true, value_name = "VKEY")]
    keys: Vec<String>,
    /// Policy file (C2SP tlog-policy): keys of logs and witnesses, and how many must have cosigned
    #[arg(long = "log-policy", global = true, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl LogArgs {
    /// The policy that the command line gives, if it gives one.
    pub(super) fn policy(&self) -> Result<Option<Policy>, CliError> {
        match (self.keys.as_slice(), &self.policy) {
            ([], None) => Ok(None),
            ([_, ..], Some(_)) => Err(CliError::Usage("--log-key or --log-policy, not both".into())),
            (keys, None) => of_keys("--log-key", keys).map(Some),
            ([], Some(file)) => of_file(file).map(Some),
        }
    }
}

/// The policy of logs with these keys and no witnesses; each text may hold several keys, as `vkey` prints them.
pub(super) fn of_keys(named: &str, texts: &[String]) -> Result<Policy, CliError> {
    let wrong = |why: &dyn std::fmt::Display| {
        CliError::Usage(format!("{named} is not the public key of a log, NAME+ID+KEY: {why}"))
    };
    let mut policy = String::new();
    for text in texts.iter().flat_map(|text| text.split_whitespace()) {
        let key = VerifierKey::parse(text).map_err(|error| wrong(&error))?;
        policy.push_str(&format!("log {key}\n"));
    }
    if policy.is_empty() {
        return Err(wrong(&"there is none in it"));
    }
    policy.push_str("quorum none\n");
    Policy::parse(policy.as_bytes()).map_err(|error| wrong(&error.fault))
}

/// The policy in a file; `-` is standard input.
pub(super) fn of_file(file: &Path) -> Result<Policy, CliError> {
    let bytes = super::receipt::bytes(file, POLICY_BYTES_MAX)?;
    Policy::parse(&bytes).map_err(|error| CliError::File {
        path: super::receipt::name_of(file),
        line: u64::try_from(error.line).ok(),
        why: error.fault.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use xacminh_proto::transparency::note::KeyKind;

    use super::*;

    const KEYS: [&str; 2] = [
        "witness.thanh-tra.example.vn/w1+97cb5b2c+BF9mxzWVqIrwRNLV/+4y5+BQFA8qd9IL1R5f7tb/5+oC",
        "log.da-nang.example.vn/48/2027+912c23de+Af7bxCn8Pm7FYGgZXjxX0rwc+Gf3kGLGmPcj+UXJaJUd",
    ];

    #[test]
    fn several_keys_may_come_in_one_text_and_none_is_none() {
        let other = "xacminh.example/da-nang/2027";
        let other = VerifierKey::new(other, KeyKind::Ed25519, VerifierKey::parse(KEYS[0]).unwrap().public()).unwrap();
        let keys =
            |texts: &[&str]| of_keys("--log-key", &texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(keys(&[&format!("{}\n{other}\n", KEYS[1])]).unwrap().logs().len(), 2);
        assert_eq!(keys(&[KEYS[1], &other.to_string()]).unwrap().logs().len(), 2);
        for wrong in [&[""][..], &["\n"], &["x"], &[KEYS[0]], &[KEYS[1], KEYS[1]], &[&format!("{} x", KEYS[1])]] {
            let error = keys(wrong).unwrap_err();
            assert!(error.to_string().starts_with("--log-key is not the public key of a log"), "{error}");
        }
    }
}
