//! `[authority]`: which population database is asked, and how patiently.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

const POOL_SIZE: u32 = 8;
const CONNECT_TIMEOUT_MS: u64 = 1_000;

/// The authority and the patience we have with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct Authority {
    /// `kind` and what belongs to it.
    pub source: AuthoritySource,
    /// Milliseconds one question waits for the authority; default 1500.
    /// Lower answers `undetermined` more often, higher makes clerks wait when the authority is ill.
    pub deadline_ms: u64,
    /// Fetches under way at once; default 32. Higher can overload the authority, lower queues misses.
    pub concurrency_max: u32,
    /// Failures in a row that open the breaker; default 5. Open means: do not ask, say so at once.
    pub breaker_failures: u32,
    /// Milliseconds the breaker stays open before one fetch may try again; default 5000.
    pub breaker_open_ms: u64,
    /// Whose records are remembered; default `"asked"`.
    pub remember: Remember,
    /// Hours after the beginning of a sweep when the next one begins; default 24. Longer than procedures let a record be
    /// old, and questions ask the authority again; shorter, and it is read more often than it needs.
    pub sweep_every_hours: u32,
    /// Records a sweep reads in a second at the most; default 5000, 0 for as fast as it goes. Higher loads the authority
    /// and the cluster, lower takes longer: a million people take three minutes at 5000.
    pub sweep_records_per_second: u32,
}

/// Whose records are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remember {
    /// `"asked"`: of people somebody asked about.
    #[default]
    Asked,
    /// `"everybody"`: of all people the authority holds; the leader sweeps through them now and then.
    Everybody,
}

/// Where the records come from.
#[derive(Clone, PartialEq, Eq)]
pub enum AuthoritySource {
    /// `kind = "embedded"`: a SQLite file on this node.
    Embedded {
        /// The file, as `xacminh population generate` writes it.
        path: PathBuf,
    },
    /// `kind = "postgres"`: a PostgreSQL server.
    Postgres {
        /// `postgres://user@host:port/database`; put the password in `password_file`.
        url: String,
        /// PEM of the authority of the server's certificate; default none, which means no TLS.
        ca_file: Option<PathBuf>,
        /// File with the password; default none.
        password_file: Option<PathBuf>,
        /// Connections kept; default 8. Fewer than `concurrency_max` makes fetches wait for each other.
        pool_size: u32,
        /// Milliseconds to connect; default 1000.
        connect_timeout_ms: u64,
    },
}

/// The section as it stands in the file.
///
/// One flat table instead of a tagged enum: only so does an unknown key still know its line.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_timeout_ms: Option<u64>,
    deadline_ms: Option<u64>,
    concurrency_max: Option<u32>,
    breaker_failures: Option<u32>,
    breaker_open_ms: Option<u64>,
    remember: Option<Remember>,
    sweep_every_hours: Option<u32>,
    sweep_records_per_second: Option<u32>,
}

impl Authority {
    /// An authority with the default patience.
    #[must_use]
    pub fn new(source: AuthoritySource) -> Self {
        Self {
            source,
            deadline_ms: 1_500,
            concurrency_max: 32,
            breaker_failures: 5,
            breaker_open_ms: 5_000,
            remember: Remember::Asked,
            sweep_every_hours: 24,
            sweep_records_per_second: 5_000,
        }
    }
}

impl AuthoritySource {
    /// A server at `url` with the defaults of everything else.
    #[must_use]
    pub fn postgres(url: String) -> Self {
        Self::Postgres {
            url,
            ca_file: None,
            password_file: None,
            pool_size: POOL_SIZE,
            connect_timeout_ms: CONNECT_TIMEOUT_MS,
        }
    }
}

impl TryFrom<Table> for Authority {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let source = match table.kind.as_str() {
            "embedded" => embedded(&table)?,
            "postgres" => postgres(&table)?,
            "" => return Err("kind is missing: \"embedded\" or \"postgres\"".to_owned()),
            other => return Err(format!("kind is \"embedded\" or \"postgres\", not \"{}\"", other.escape_debug())),
        };
        let defaults = Self::new(source);
        Ok(Self {
            deadline_ms: table.deadline_ms.unwrap_or(defaults.deadline_ms),
            concurrency_max: table.concurrency_max.unwrap_or(defaults.concurrency_max),
            breaker_failures: table.breaker_failures.unwrap_or(defaults.breaker_failures),
            breaker_open_ms: table.breaker_open_ms.unwrap_or(defaults.breaker_open_ms),
            remember: table.remember.unwrap_or(defaults.remember),
            sweep_every_hours: table.sweep_every_hours.unwrap_or(defaults.sweep_every_hours),
            sweep_records_per_second: table.sweep_records_per_second.unwrap_or(defaults.sweep_records_per_second),
            source: defaults.source,
        })
    }
}

fn embedded(table: &Table) -> Result<AuthoritySource, String> {
    let foreign = [
        ("url", table.url.is_some()),
        ("ca_file", table.ca_file.is_some()),
        ("password_file", table.password_file.is_some()),
        ("pool_size", table.pool_size.is_some()),
        ("connect_timeout_ms", table.connect_timeout_ms.is_some()),
    ];
    if let Some((key, _)) = foreign.into_iter().find(|(_, given)| *given) {
        return Err(format!("`{key}` belongs to kind \"postgres\", not to \"embedded\""));
    }
    let path = table.path.clone().ok_or("path is missing: the SQLite file of kind \"embedded\"")?;
    Ok(AuthoritySource::Embedded { path })
}

fn postgres(table: &Table) -> Result<AuthoritySource, String> {
    if table.path.is_some() {
        return Err("`path` belongs to kind \"embedded\", not to \"postgres\"".to_owned());
    }
    let url = table.url.clone().ok_or("url is missing: the server of kind \"postgres\"")?;
    Ok(AuthoritySource::Postgres {
        url,
        ca_file: table.ca_file.clone(),
        password_file: table.password_file.clone(),
        pool_size: table.pool_size.unwrap_or(POOL_SIZE),
        connect_timeout_ms: table.connect_timeout_ms.unwrap_or(CONNECT_TIMEOUT_MS),
    })
}

impl From<Authority> for Table {
    fn from(authority: Authority) -> Self {
        let patience = Self {
            deadline_ms: Some(authority.deadline_ms),
            concurrency_max: Some(authority.concurrency_max),
            breaker_failures: Some(authority.breaker_failures),
            breaker_open_ms: Some(authority.breaker_open_ms),
            remember: Some(authority.remember),
            sweep_every_hours: Some(authority.sweep_every_hours),
            sweep_records_per_second: Some(authority.sweep_records_per_second),
            ..Self::default()
        };
        match authority.source {
            AuthoritySource::Embedded { path } => Self { kind: "embedded".to_owned(), path: Some(path), ..patience },
            AuthoritySource::Postgres { url, ca_file, password_file, pool_size, connect_timeout_ms } => Self {
                kind: "postgres".to_owned(),
                url: Some(url),
                ca_file,
                password_file,
                pool_size: Some(pool_size),
                connect_timeout_ms: Some(connect_timeout_ms),
                ..patience
            },
        }
    }
}

/// A URL may carry a password, so debug output shows the kind and never the URL.
impl std::fmt::Debug for AuthoritySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded { path } => f.debug_struct("Embedded").field("path", path).finish(),
            Self::Postgres { ca_file, password_file, pool_size, connect_timeout_ms, .. } => f
                .debug_struct("Postgres")
                .field("url", &"…")
                .field("ca_file", ca_file)
                .field("password_file", password_file)
                .field("pool_size", pool_size)
                .field("connect_timeout_ms", connect_timeout_ms)
                .finish(),
        }
    }
}
