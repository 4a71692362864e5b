//! The settings of a witness: TOML in, checked types out. Unknown keys stop the start; paths are relative to the file.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use xacminh_proto::transparency::note::{KeyKind, VerifierKey};

/// Logs a witness may watch: every head is written anew with each cosignature.
const LOGS_MAX: usize = 256;

/// Connections at once; each costs a few kilobytes and a file.
const CONNECTIONS_MAX: usize = 1024;

/// Longest that a caller may take for anything, seconds.
const TIME_MAX_S: u64 = 600;

/// What a witness runs with.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) listen: SocketAddr,
    pub(super) name: String,
    pub(super) key_file: PathBuf,
    pub(super) state_dir: PathBuf,
    pub(super) logs: Vec<VerifierKey>,
    pub(super) limits: Limits,
}

/// Bounds on callers, none of whom is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections_max: usize,
    pub(super) request_timeout: Duration,
    pub(super) idle_timeout: Duration,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub(super) struct ConfigError {
    path: String,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    listen: SocketAddr,
    name: String,
    key_file: PathBuf,
    state_dir: PathBuf,
    logs: Vec<String>,
    #[serde(default)]
    limits: LimitsFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsFile {
    connections_max: usize,
    request_timeout_s: u64,
    idle_timeout_s: u64,
}

impl Default for LimitsFile {
    fn default() -> Self {
        Self { connections_max: 64, request_timeout_s: 10, idle_timeout_s: 60 }
    }
}

impl Config {
    pub(super) fn load(path: &Path) -> Result<Self, ConfigError> {
        let bad = |why: String| ConfigError { path: path.display().to_string(), why };
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        // toml's text names the line and shows the key that is not known.
        let file: ConfigFile = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        file.check(folder).map_err(bad)
    }
}

impl ConfigFile {
    fn check(self, folder: &Path) -> Result<Config, String> {
        let Self { listen, name, key_file, state_dir, logs, limits } = self;
        Ok(Config {
            listen,
            name,
            key_file: folder.join(key_file),
            state_dir: folder.join(state_dir),
            logs: keys(&logs)?,
            limits: limits.check()?,
        })
    }
}

fn keys(lines: &[String]) -> Result<Vec<VerifierKey>, String> {
    if !(1..=LOGS_MAX).contains(&lines.len()) {
        return Err(format!("logs: name 1 to {LOGS_MAX} keys of logs"));
    }
    let mut keys: Vec<VerifierKey> = Vec::with_capacity(lines.len());
    for line in lines {
        let key = VerifierKey::parse(line).map_err(|error| format!("logs: `{line}`: {error}"))?;
        if key.kind() != KeyKind::Ed25519 {
            return Err(format!("logs: `{line}`: this is a cosigner's key, not a log's"));
        }
        if keys.contains(&key) {
            return Err(format!("logs: `{line}` stands there twice"));
        }
        keys.push(key);
    }
    Ok(keys)
}

impl LimitsFile {
    fn check(self) -> Result<Limits, String> {
        let within = |key: &str, value: u64, max: u64| match value {
            value if (1..=max).contains(&value) => Ok(value),
            _ => Err(format!("limits.{key}: choose 1 to {max}")),
        };
        let seconds = |key: &str, value: u64| within(key, value, TIME_MAX_S).map(Duration::from_secs);
        if !(1..=CONNECTIONS_MAX).contains(&self.connections_max) {
            return Err(format!("limits.connections_max: choose 1 to {CONNECTIONS_MAX}"));
        }
        Ok(Limits {
            connections_max: self.connections_max,
            request_timeout: seconds("request_timeout_s", self.request_timeout_s)?,
            idle_timeout: seconds("idle_timeout_s", self.idle_timeout_s)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../cluster-configs/witness/witness.toml");

    fn load(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_is_a_configuration() {
        let config = load(EXAMPLE).unwrap();
        assert_eq!(config.logs[0].name(), "log.da-nang.example.vn/48/2027");
        assert!(config.state_dir.is_absolute() && config.key_file.ends_with("witness.key"));
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        let key = EXAMPLE.lines().find_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\",")).unwrap();
        for (from, to, said) in [
            ("listen =", "listn =", "listn"),
            ("[limits]", "[limit]", "limit"),
            ("connections_max = 64", "connections_max = 0", "connections_max"),
            ("request_timeout_s = 10", "request_timeout_s = 0", "request_timeout_s"),
            ("idle_timeout_s = 60", "idle_timeout_s = 601", "idle_timeout_s"),
            ("2027+", "2028+", "another id"),
            (&format!("\"{key}\","), &format!("\"{key}\",\n\"{key}\","), "twice"),
            (&format!("\"{key}\","), "", "logs"),
        ] {
            let changed = EXAMPLE.replace(from, to);
            assert_ne!(changed, EXAMPLE, "{from}");
            let error = load(&changed).unwrap_err();
            assert!(error.contains(said) && error.contains("witness.toml"), "{error}");
        }
    }
}
