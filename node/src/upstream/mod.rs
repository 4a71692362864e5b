//! The authority upstream: the national population database.
//!
//! ```text
//! verify ── flight ──► trait Authority ─┬─ embedded   a SQLite file
//!           one per person,             └─ postgres   a PostgreSQL server
//!           bounded, breaker            (tests: scripted, which delays, errs and lies)
//! ```
//!
//! A person the authority does not hold ([`Fetched::Missing`]) and an authority that does not answer
//! ([`AuthorityError`]) are different outcomes; what a caller sees of them is decided in `verify`.
//!
//! Trust: the authority is believed about people, and about nothing else. What it says is parsed into a [`Record`]
//! field by field; a value that is not understood is an error, never a guess.

pub mod embedded;
pub mod flight;
mod page;
pub mod postgres;
mod row;
#[cfg(test)]
pub(crate) mod scripted;
mod soundness;

pub use flight::{FlightLimits, Moment, Said, Upstream};
pub use page::Page;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::time::Instant;
use xacminh_core::question::PersonKeys;
use xacminh_core::record::Record;
use xacminh_proto::vocab::CitizenNumber;

/// A source of records.
pub trait Authority: Send + Sync {
    /// What is held under the number of these keys.
    ///
    /// The two databases look at the number alone; the national service wants all three keys. Whether name and birth
    /// date agree is for the rules to decide, not for the authority.
    fn fetch<'a>(&'a self, keys: &'a PersonKeys, deadline: Instant) -> BoxFuture<'a, Result<Fetched, AuthorityError>>;

    /// Up to `limit` changes after position `after`, oldest first.
    fn changes(&self, after: u64, limit: u32, deadline: Instant) -> BoxFuture<'_, Result<Vec<Change>, AuthorityError>>;

    /// Up to `limit` people whose numbers come after `after`, in the order of their numbers; from the first one on if none.
    fn page(
        &self,
        after: Option<CitizenNumber>,
        limit: u32,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Page, AuthorityError>>;

    /// Whether the authority answers now.
    fn health(&self, deadline: Instant) -> BoxFuture<'_, Result<(), AuthorityError>>;
}

/// What the authority holds under a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// One person.
    Found(Box<Record>),
    /// Nobody.
    Missing,
    /// Several people: old numbers were given twice.
    Ambiguous(Vec<Record>),
}

/// A row of the change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands in the feed.
    pub position: u64,
    /// Whose record changed.
    pub number: CitizenNumber,
    /// How.
    pub kind: ChangeKind,
    /// The record's version after it.
    pub version: u64,
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Recorded for the first time, or changed.
    Recorded,
    /// The number was cancelled.
    Cancelled,
}

/// Why the authority gave no answer, by whose fault. Neither numbers, names nor values are ever part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The authority cannot be reached, or stopped in the middle of an answer.
    #[error("the authority is not reachable")]
    Unavailable,
    /// The authority did not answer in time.
    #[error("the authority did not answer in time")]
    Deadline,
    /// The authority holds something that is not understood.
    #[error("the authority's column {column} holds a value that is not understood")]
    Malformed {
        /// Which column.
        column: &'static str,
    },
    /// The authority's file or answer is damaged.
    #[error("the authority's database is damaged or has another schema")]
    Damaged,
    /// Too many fetches are waiting here already.
    #[error("too many fetches are waiting for the authority")]
    Busy,
    /// The authority failed so often that it is left alone for a while.
    #[error("the authority failed repeatedly and is left alone for a while")]
    BreakerOpen,
}

/// Why an authority cannot be used at all; the node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file cannot be opened.
    #[error("{path}: the population database cannot be opened")]
    Open {
        /// Which file.
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is damaged.
    #[error("{path}: the population database is corrupt; restore it, or generate it anew")]
    Corrupt {
        /// Which file.
        path: PathBuf,
    },
    /// Another schema, or a load that did not finish.
    #[error(
        "the population database has schema version {found}, this node reads version {}: migrate it, or finish its load",
        xacminh_proto::schema::VERSION
    )]
    SchemaVersion {
        /// The version found; 0 if none is recorded.
        found: i32,
    },
    /// A URL that PostgreSQL does not take.
    #[error("authority.postgres.url is not a PostgreSQL URL")]
    Url,
    /// No certificates in the file.
    #[error("{path}: not a PEM file of CA certificates")]
    CaFile {
        /// Which file.
        path: PathBuf,
    },
    /// No password can be read.
    #[error("{0}: the password of the authority cannot be read")]
    PasswordFile(PathBuf),
    /// People's data would travel in clear.
    #[error(
        "authority.postgres.url names another machine: set authority.postgres.ca_file, so that TLS protects the data"
    )]
    Plaintext,
    /// A limit of zero.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// The pool cannot be built: a defect.
    #[error("the connection pool cannot be built")]
    Pool,
}

/// Which authority to ask.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorityConfig {
    /// A SQLite file: demo and tests, or a province without its own line to the national database.
    Embedded(EmbeddedConfig),
    /// A PostgreSQL server.
    Postgres(PostgresConfig),
}

/// `[authority.embedded]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// The file, as `xacminh population generate --to sqlite:FILE` writes it. It is opened read-only.
    pub path: PathBuf,
    /// Connections kept open. More than there are cores only costs memory. Default 4.
    #[serde(default = "connections_default")]
    pub connections: usize,
}

/// `[authority.postgres]`
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgres://user@host/database`. A password in it is never printed; a role that may only read is enough.
    pub url: String,
    /// Certificate authority (PEM) of the server. With it TLS is required and the host's name is checked;
    /// without it only this machine may be named.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// File with the password, whose last line end does not count. Default none: the URL's, or the server asks for none.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Connections kept open. Each is a process on the server; fewer than `fetches_max` make fetches wait. Default 16.
    #[serde(default = "pool_size_default")]
    pub pool_size: usize,
    /// Milliseconds until a connection attempt is given up. Default 1,000.
    #[serde(default = "connect_ms_default")]
    pub connect_ms_max: u64,
    /// Milliseconds after which the server itself stops a query: a bound for queries nobody waits for any more.
    /// Default 2,000.
    #[serde(default = "statement_ms_default")]
    pub statement_ms_max: u64,
}

fn connections_default() -> usize {
    4
}

fn pool_size_default() -> usize {
    16
}

fn connect_ms_default() -> u64 {
    1_000
}

fn statement_ms_default() -> u64 {
    2_000
}

/// Opens the authority. A database that cannot be read for certain is refused here; one that is merely away is not,
/// because a node answers from what it remembers while the authority is down.
///
/// # Errors
/// [`StartError`].
pub async fn open(config: &AuthorityConfig) -> Result<Arc<dyn Authority>, StartError> {
    match config {
        AuthorityConfig::Embedded(config) => Ok(Arc::new(embedded::Embedded::open(config).await?)),
        AuthorityConfig::Postgres(config) => Ok(Arc::new(postgres::Postgres::open(config).await?)),
    }
}

impl Fetched {
    /// The people found: nobody, one, or several.
    #[must_use]
    pub fn people(&self) -> &[Record] {
        match self {
            Self::Found(record) => std::slice::from_ref(record),
            Self::Missing => &[],
            Self::Ambiguous(records) => records,
        }
    }

    fn of(mut people: Vec<Record>) -> Self {
        match people.len() {
            0 => Self::Missing,
            1 => Self::Found(Box::new(people.remove(0))),
            _ => Self::Ambiguous(people),
        }
    }
}

impl AuthorityError {
    /// Whether the authority itself failed: what the breaker counts.
    #[must_use]
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Unavailable | Self::Deadline)
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("url", &"…")
            .field("ca_file", &self.ca_file)
            .field("pool_size", &self.pool_size)
            .field("connect_ms_max", &self.connect_ms_max)
            .field("statement_ms_max", &self.statement_ms_max)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        authority: AuthorityConfig,
    }

    #[test]
    fn the_config_is_read_and_hides_the_url() {
        let text = "[authority.postgres]\nurl = \"postgres://reader:secret@127.0.0.1/people\"\npool_size = 3\n";
        let config = toml::from_str::<File>(text).expect("read").authority;
        assert!(!format!("{config:?}").contains("secret"));
        let AuthorityConfig::Postgres(config) = config else { panic!("the PostgreSQL body was named") };
        assert_eq!((config.pool_size, config.statement_ms_max), (3, 2_000));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let text = "[authority.embedded]\npath = \"people.db\"\nconections = 3\n";
        let error = toml::from_str::<File>(text).err().expect("refused").to_string();
        assert!(error.contains("line 3") && error.contains("conections"), "{error}");
    }
}
