//! `check-config`: what an operator wants to know before a start, beyond the file itself.

use std::fmt;
use std::path::Path;

use xacminh_core::register::Register;

use super::{AuthoritySource, ClientCertificates, Config, ConfigError, line_of_key, parse, read};

/// What `check-config` found in a configuration that loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Things that would stop the start, one line each.
    pub problems: Vec<String>,
    /// Things that work and are probably not meant, one line each.
    pub warnings: Vec<String>,
    /// One line about the node: who it is and where it listens.
    pub summary: String,
}

impl Report {
    /// Whether a start can succeed as far as files can tell.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary)?;
        for problem in &self.problems {
            writeln!(f, "error: {problem}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        match (self.problems.len(), self.warnings.len()) {
            (0, 0) => write!(f, "ok"),
            (0, warnings) => write!(f, "ok, {warnings} warning(s)"),
            (problems, _) => write!(f, "not ok, {problems} error(s)"),
        }
    }
}

/// Loads a configuration and looks at the files and numbers it names.
pub fn check(path: &Path) -> Result<Report, ConfigError> {
    let text = read(path)?;
    let config = parse(path, &text)?;
    let place = |key: &str| format!("{}:{}: {key}", path.display(), line_of_key(&text, key));
    let mut problems: Vec<String> =
        missing_files(&config).map(|(key, reason)| format!("{}: {reason}", place(key))).collect();
    problems.extend(register_problem(&config));
    Ok(Report {
        problems,
        warnings: doubts(&config).into_iter().map(|(key, doubt)| format!("{}: {doubt}", place(key))).collect(),
        summary: summary(&config),
    })
}

fn missing_files(config: &Config) -> impl Iterator<Item = (&'static str, String)> {
    config.files().into_iter().filter_map(|(key, file)| {
        // Opening tells more than looking: a key that root alone may read is as bad as none.
        let reason = match std::fs::File::open(file).and_then(|file| file.metadata()) {
            Ok(meta) if meta.is_file() => return None,
            Ok(_) => "it is not a file".to_owned(),
            Err(error) => error.to_string(),
        };
        Some((key, format!("cannot use {}: {reason}", file.display())))
    })
}

/// What is wrong inside the register, with the register's own file and line. A missing one was told already.
fn register_problem(config: &Config) -> Option<String> {
    let file = config.bootstrap.register.as_ref()?;
    let text = std::fs::read_to_string(file).ok()?;
    Register::parse(&text).err().map(|error| format!("{}: {error}", file.display()))
}

fn doubts(config: &Config) -> Vec<(&'static str, String)> {
    let mut doubts = Vec::new();
    let voters = config.members.len();
    if voters.is_multiple_of(2) {
        doubts.push(("members", format!("{voters} members survive no more failures than {} would", voters - 1)));
    }
    if voters == 1 {
        doubts.push(("members", "a single member survives no failure".to_owned()));
    }
    if !config.admin.listen.ip().is_loopback() {
        doubts.push(("admin.listen", "admin HTTP has no authentication and is not on loopback".to_owned()));
    }
    if let Some(server) = &config.log_server
        && server.client_certificates == ClientCertificates::None
    {
        // Loopback does not help: a proxy in front of it reaches further. The register is not here to be looked at.
        let doubt = "everybody who reaches the port, also through a proxy, reads every entry of the log, and finds those \
                     that trails withhold: procedures with `visibility = \"delayed\"` are not delayed";
        doubts.push(("log_server.client_certificates", doubt.to_owned()));
    }
    let keyring = &config.keyring;
    if keyring.encryption_key_env.is_none() && keyring.encryption_key_file.is_none() {
        doubts.push(("keyring.file", "the keyring is in clear: no key-encryption key is configured".to_owned()));
    }
    if config.bootstrap.register.is_none() {
        doubts.push(("bootstrap.register", "an empty cluster will refuse every question".to_owned()));
    }
    if let AuthoritySource::Postgres { ca_file: None, .. } = config.authority.source {
        doubts.push(("authority.ca_file", "the database is reached without TLS".to_owned()));
    }
    if let Some(member) = config.own_member() {
        let advertised = [
            ("client.listen", config.client.listen.port(), &member.client_addr),
            ("peer.listen", config.peer.listen.port(), &member.peer_addr),
        ];
        for (key, port, address) in advertised {
            if !address.ends_with(&format!(":{port}")) {
                doubts.push((key, format!("listens on port {port} while others are told {address}")));
            }
        }
    }
    doubts
}

fn summary(config: &Config) -> String {
    format!(
        "node {} of cluster {} (province {}, {} member(s)): clients {}, peers {}, admin {}",
        config.node.id,
        config.cluster.name,
        config.cluster.province,
        config.members.len(),
        config.client.listen,
        config.peer.listen,
        config.admin.listen,
    )
}
