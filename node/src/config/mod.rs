//! The node's configuration: TOML in, checked types out.
//!
//! ```text
//! sections   every knob: unit, default, cost of getting it wrong
//! authority  the section that has two shapes
//! nearest    "did you mean"
//! log_server the log as others see it, and its witnesses
//! limits     what no single field can know of itself
//! check      what `check-config` looks at beyond the file: other files, ports, quorum
//! ```
//!
//! Unknown keys stop the start: a knob that is silently ignored is worse than none.
//! Relative paths are relative to the configuration file.

mod authority;
mod check;
mod limits;
mod log_server;
mod nearest;
mod sections;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use authority::{Authority, AuthoritySource, Remember};
pub use check::{Report, check};
pub use log_server::{ClientCertificates, Cosigning, LogServer, WebLimits, WebTlsFiles, Witness};
pub use sections::{
    Admin, Bootstrap, Client, ClientLimits, Cluster, Keyring, Log, LogFormat, Member, Node, Peer, Raft, TlsFiles,
};

/// Bytes a configuration file may have; one with a thousand members would still fit.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A node's configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which cluster.
    pub cluster: Cluster,
    /// Which member.
    pub node: Node,
    /// The first membership.
    pub members: Vec<Member>,
    /// The door for portals.
    pub client: Client,
    /// The door for members.
    pub peer: Peer,
    /// The population database.
    pub authority: Authority,
    /// The keys at rest.
    pub keyring: Keyring,
    /// Replication.
    #[serde(default)]
    pub raft: Raft,
    /// Metrics and health.
    #[serde(default)]
    pub admin: Admin,
    /// Logs.
    #[serde(default)]
    pub log: Log,
    /// What an empty cluster starts with.
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// The log's files over HTTPS; not served without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_server: Option<LogServer>,
    /// Who cosigns the log.
    #[serde(default, rename = "witness", skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Witness>,
    /// How they are asked.
    #[serde(default)]
    pub cosigning: Cosigning,
}

/// Why a configuration cannot be used; the operator's fault, said in one line with the place to look at.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot read the configuration: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A key that no section knows.
    #[error("{}:{line}: unknown key `{key}`{}", file.display(), did_you_mean(near.as_deref()))]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// Line of the key.
        line: usize,
        /// The key as written.
        key: String,
        /// The known key that looks most like it.
        near: Option<String>,
    },
    /// The text is no TOML, a key is missing or a value has the wrong type.
    #[error("{}:{line}: {message}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Line of the trouble.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A value that cannot work.
    #[error("{}:{line}: {key}: {message}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// Line of the key, or of its section when the key is not written.
        line: usize,
        /// The key with its section.
        key: String,
        /// What is wrong and what would do.
        message: String,
    },
}

/// Reads, checks and resolves a configuration file.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = read(path)?;
    parse(path, &text)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |reason: String| ConfigError::Unreadable { file: path.to_owned(), reason };
    let size_bytes = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size_bytes > FILE_BYTES_MAX {
        return Err(unreadable(format!("it has {size_bytes} bytes, more than {FILE_BYTES_MAX}")));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let mut config: Config = toml::from_str(text).map_err(|error| syntax(path, text, &error))?;
    config.resolve(path.parent().unwrap_or(Path::new("")));
    match limits::first_problem(&config) {
        None => Ok(config),
        Some(problem) => Err(ConfigError::Value {
            file: path.to_owned(),
            line: line_of_key(text, &problem.key),
            key: problem.key,
            message: problem.message,
        }),
    }
}

fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(1, |span| line_of_offset(text, span.start));
    let file = path.to_owned();
    match nearest::unknown_key(error.message()) {
        Some((key, near)) => ConfigError::UnknownKey { file, line, key, near },
        // One line for the operator, whatever the parser says.
        None => ConfigError::Syntax { file, line, message: error.message().replace('\n', "; ") },
    }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

fn line_of_offset(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The line of `section.key` or `section.N.key`; of the deepest part that is written when the rest is a default.
fn line_of_key(text: &str, key: &str) -> usize {
    let Ok(document) = toml::de::DeTable::parse(text) else { return 1 };
    let mut offset = 0;
    let mut here: Option<&toml::de::DeValue<'_>> = None;
    for part in key.split('.') {
        let next = match here {
            None => document.get_ref().get(part),
            Some(value) => part.parse::<usize>().map_or_else(|_| value.get(part), |at| value.get(at)),
        };
        let Some(next) = next else { break };
        offset = next.span().start;
        here = Some(next.get_ref());
    }
    line_of_offset(text, offset)
}

impl Config {
    /// The member this process is; `load` has made sure that there is one.
    #[must_use]
    pub fn own_member(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.id == self.node.id)
    }

    /// Every file the configuration names and that must exist before the start, by its key.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        let mut files = vec![
            ("client.tls.cert", self.client.tls.cert.as_path()),
            ("client.tls.key", &self.client.tls.key),
            ("client.tls.ca", &self.client.tls.ca),
            ("peer.tls.cert", &self.peer.tls.cert),
            ("peer.tls.key", &self.peer.tls.key),
            ("peer.tls.ca", &self.peer.tls.ca),
            ("keyring.file", &self.keyring.file),
        ];
        let optional = [
            ("client.tls.crl", self.client.tls.crl.as_ref()),
            ("peer.tls.crl", self.peer.tls.crl.as_ref()),
            ("keyring.encryption_key_file", self.keyring.encryption_key_file.as_ref()),
            ("bootstrap.register", self.bootstrap.register.as_ref()),
            ("cosigning.ca", self.cosigning.ca.as_ref()),
        ];
        files.extend(optional.into_iter().filter_map(|(key, path)| path.map(|path| (key, path.as_path()))));
        if let Some(LogServer { tls, .. }) = &self.log_server {
            files.extend([("log_server.tls.cert", tls.cert.as_path()), ("log_server.tls.key", &tls.key)]);
            let optional = [("log_server.tls.ca", &tls.ca), ("log_server.tls.crl", &tls.crl)];
            files.extend(optional.into_iter().filter_map(|(key, path)| path.as_deref().map(|path| (key, path))));
        }
        match &self.authority.source {
            AuthoritySource::Embedded { path } => files.push(("authority.path", path)),
            AuthoritySource::Postgres { ca_file, password_file, .. } => {
                let named = [("authority.ca_file", ca_file), ("authority.password_file", password_file)];
                files.extend(named.into_iter().filter_map(|(key, path)| path.as_deref().map(|path| (key, path))));
            }
        }
        files
    }

    /// Makes every relative path relative to the directory of the configuration file.
    fn resolve(&mut self, base: &Path) {
        let mut paths = vec![
            &mut self.node.data_dir,
            &mut self.client.tls.cert,
            &mut self.client.tls.key,
            &mut self.client.tls.ca,
            &mut self.peer.tls.cert,
            &mut self.peer.tls.key,
            &mut self.peer.tls.ca,
            &mut self.keyring.file,
        ];
        paths.extend(self.client.tls.crl.as_mut());
        paths.extend(self.peer.tls.crl.as_mut());
        paths.extend(self.keyring.encryption_key_file.as_mut());
        paths.extend(self.bootstrap.register.as_mut());
        paths.extend(self.cosigning.ca.as_mut());
        if let Some(LogServer { tls, .. }) = &mut self.log_server {
            paths.extend([&mut tls.cert, &mut tls.key]);
            paths.extend(tls.ca.as_mut());
            paths.extend(tls.crl.as_mut());
        }
        match &mut self.authority.source {
            AuthoritySource::Embedded { path } => paths.push(path),
            AuthoritySource::Postgres { ca_file, password_file, .. } => {
                paths.extend(ca_file.as_mut());
                paths.extend(password_file.as_mut());
            }
        }
        for path in paths {
            // `join` keeps an absolute path as it is.
            *path = base.join(path.as_path());
        }
    }
}

#[cfg(test)]
mod tests;
