//! The authority in PostgreSQL: a pool of connections, prepared statements, TLS.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures::future::BoxFuture;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;
use xacminh_core::question::PersonKeys;
use xacminh_core::record::Record;
use xacminh_proto::schema::{self, PERSON_COLUMNS};
use xacminh_proto::vocab::{CitizenNumber, PersonNumber};

use super::page::{self, Page};
use super::row::{self, Cells, RELATIVES, RELATIVES_MAX, Relatives};
use super::{Authority, AuthorityError, Change, Fetched, PostgresConfig, StartError};

/// Attempts at one read: a pooled connection may have died unseen while nobody used it, and reading twice is harmless.
const ATTEMPTS_MAX: usize = 2;

/// A PostgreSQL population database.
pub struct Postgres {
    pool: Pool,
    /// Whether the schema version was seen; a server that is away when the node starts is checked at its first answer.
    schema_seen: AtomicBool,
}

impl Postgres {
    /// Builds the pool and looks at the schema if the server answers.
    ///
    /// # Errors
    /// [`StartError::Url`], [`StartError::CaFile`], [`StartError::Plaintext`], [`StartError::Zero`] or
    /// [`StartError::SchemaVersion`].
    pub async fn open(config: &PostgresConfig) -> Result<Self, StartError> {
        if config.pool_size == 0 {
            return Err(StartError::Zero("authority.postgres.pool_size"));
        }
        let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let mut server: Config = config.url.parse().map_err(|_| StartError::Url)?;
        if let Some(path) = &config.password_file {
            let password = std::fs::read_to_string(path).map_err(|_| StartError::PasswordFile(path.clone()))?;
            server.password(password.trim_end_matches(['\r', '\n']));
        }
        let connect = Duration::from_millis(config.connect_ms_max);
        server.connect_timeout(connect).application_name("xacminh");
        server.options(format!("-c statement_timeout={} -c default_transaction_read_only=on", config.statement_ms_max));
        let manager = match &config.ca_file {
            Some(path) => {
                server.ssl_mode(SslMode::Require);
                Manager::from_config(server, tls(path)?, settings)
            }
            None if is_this_machine(&server) && server.get_ssl_mode() != SslMode::Require => {
                Manager::from_config(server, NoTls, settings)
            }
            None => return Err(StartError::Plaintext),
        };
        let pool =
            Pool::builder(manager).max_size(config.pool_size).create_timeout(Some(connect)).runtime(Runtime::Tokio1);
        let authority = Self { pool: pool.build().map_err(|_| StartError::Pool)?, schema_seen: AtomicBool::new(false) };
        authority.refuse_another_schema(connect).await?;
        Ok(authority)
    }

    async fn refuse_another_schema(&self, within: Duration) -> Result<(), StartError> {
        match self.run(Instant::now() + within, |client| Box::pin(version(client))).await {
            Ok(schema::VERSION) => {
                self.schema_seen.store(true, Ordering::Relaxed);
                Ok(())
            }
            Ok(found) => Err(StartError::SchemaVersion { found }),
            Err(AuthorityError::Damaged) => Err(StartError::SchemaVersion { found: 0 }),
            Err(_) => {
                tracing::warn!("the authority is not reachable; its schema will be checked when it is");
                Ok(())
            }
        }
    }

    /// Runs a read with a connection of the pool, within the deadline.
    async fn run<T, F>(&self, deadline: Instant, read: F) -> Result<T, AuthorityError>
    where
        F: for<'c> Fn(&'c Object) -> BoxFuture<'c, Result<T, tokio_postgres::Error>>,
    {
        for attempt in 1.. {
            let pooled = timeout_at(deadline, self.pool.get()).await.map_err(|_| AuthorityError::Deadline)?;
            let client = pooled.map_err(|_| AuthorityError::Unavailable)?;
            match timeout_at(deadline, read(&client)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(_)) if client.is_closed() && attempt < ATTEMPTS_MAX => drop(Object::take(client)),
                Ok(Err(error)) => return Err(failed(&error, client)),
                Err(_) => {
                    // The query may still run; whoever took this connection next would wait behind it.
                    drop(Object::take(client));
                    return Err(AuthorityError::Deadline);
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn checked<T, F>(&self, deadline: Instant, read: F) -> Result<T, AuthorityError>
    where
        F: for<'c> Fn(&'c Object) -> BoxFuture<'c, Result<T, tokio_postgres::Error>>,
    {
        if !self.schema_seen.load(Ordering::Relaxed) {
            if self.run(deadline, |client| Box::pin(version(client))).await? != schema::VERSION {
                return Err(AuthorityError::Damaged);
            }
            self.schema_seen.store(true, Ordering::Relaxed);
        }
        self.run(deadline, read).await
    }
}

impl Authority for Postgres {
    fn fetch<'a>(&'a self, keys: &'a PersonKeys, deadline: Instant) -> BoxFuture<'a, Result<Fetched, AuthorityError>> {
        let number = keys.number;
        Box::pin(async move {
            let rows = self.checked(deadline, move |client| Box::pin(rows(client, number))).await?;
            let people = rows.iter().filter_map(|row| record(keys, row).transpose());
            let people: Vec<Record> = people.collect::<Result<_, _>>()?;
            Ok(Fetched::of(row::in_force(people)))
        })
    }

    fn changes(&self, after: u64, limit: u32, deadline: Instant) -> BoxFuture<'_, Result<Vec<Change>, AuthorityError>> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        Box::pin(async move {
            let rows = self.checked(deadline, move |client| Box::pin(changes(client, after, i64::from(limit)))).await?;
            rows.iter().map(change).collect()
        })
    }

    fn page(
        &self,
        after: Option<CitizenNumber>,
        limit: u32,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Page, AuthorityError>> {
        let after = page::start_of(after);
        Box::pin(async move {
            let rows = self.checked(deadline, move |client| Box::pin(page(client, after, i64::from(limit)))).await?;
            page::of_postgres(&rows)
        })
    }

    fn health(&self, deadline: Instant) -> BoxFuture<'_, Result<(), AuthorityError>> {
        Box::pin(async move {
            let found = self.run(deadline, |client| Box::pin(version(client))).await?;
            if found == schema::VERSION { Ok(()) } else { Err(AuthorityError::Damaged) }
        })
    }
}

async fn version(client: &Object) -> Result<i32, tokio_postgres::Error> {
    let row = client.query_one(schema::SELECT_VERSION, &[]).await?;
    Ok(row.try_get::<_, Option<i32>>(0)?.unwrap_or(0))
}

/// One statement reads a person and the relatives, so they are of the same moment.
async fn rows(client: &Object, number: PersonNumber) -> Result<Vec<Row>, tokio_postgres::Error> {
    let (condition, value) = row::condition(number);
    let relatives = RELATIVES.map(|related| {
        format!("ARRAY(SELECT r.citizen_number FROM persons r WHERE {related} AND r.number_status = 1 ORDER BY 1 LIMIT {RELATIVES_MAX})")
    });
    let text = format!("SELECT {}, {} FROM persons p WHERE {condition}", row::person_columns(), relatives.join(", "));
    let statement = client.prepare_cached(&text).await?;
    client.query(&statement, &[&value]).await
}

async fn changes(client: &Object, after: i64, limit: i64) -> Result<Vec<Row>, tokio_postgres::Error> {
    let statement = client.prepare_cached(row::CHANGES).await?;
    client.query(&statement, &[&after, &limit]).await
}

async fn page(client: &Object, after: i64, limit: i64) -> Result<Vec<Row>, tokio_postgres::Error> {
    let statement = client.prepare_cached(&page::postgres_text()).await?;
    client.query(&statement, &[&after, &limit]).await
}

fn record(keys: &PersonKeys, found: &Row) -> Result<Option<Record>, AuthorityError> {
    row::record_for(keys, found, relatives(found, PERSON_COLUMNS.len()))
}

/// The three arrays of relatives that begin at a column.
pub(super) fn relatives(found: &Row, first: usize) -> Result<Relatives, AuthorityError> {
    let numbers = |kind: usize| -> Result<Vec<CitizenNumber>, AuthorityError> {
        let numbers: Vec<i64> = found.try_get(first + kind).map_err(|_| AuthorityError::Damaged)?;
        numbers.into_iter().map(row::relative).collect()
    };
    Ok(Relatives { children: numbers(0)?, wards: numbers(1)?, members: numbers(2)? })
}

fn change(found: &Row) -> Result<Change, AuthorityError> {
    let damaged = |_| AuthorityError::Damaged;
    let (position, number) = (found.try_get(0).map_err(damaged)?, found.try_get(1).map_err(damaged)?);
    row::change(position, number, found.try_get(2).map_err(damaged)?, found.try_get(3).map_err(damaged)?)
}

impl Cells for Row {
    fn number(&self, index: usize) -> Result<Option<i64>, AuthorityError> {
        let kind = self.columns()[index].type_();
        if *kind == Type::INT2 {
            get::<i16>(self, index).map(|value| value.map(i64::from))
        } else if *kind == Type::INT4 {
            get::<i32>(self, index).map(|value| value.map(i64::from))
        } else {
            get::<i64>(self, index)
        }
    }

    fn text(&self, index: usize) -> Result<Option<&str>, AuthorityError> {
        get::<&str>(self, index)
    }
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<Option<T>, AuthorityError> {
    row.try_get(index).map_err(|_| AuthorityError::Malformed { column: PERSON_COLUMNS[index].0 })
}

/// What a failed read means; the server's text may quote values, so only its kind goes on.
fn failed(error: &tokio_postgres::Error, client: Object) -> AuthorityError {
    let Some(state) = error.code() else {
        drop(Object::take(client));
        return AuthorityError::Unavailable;
    };
    match &state.code()[..2] {
        // Syntax error or access rule violation: no such table or column, or no right to read it.
        "42" => AuthorityError::Damaged,
        // Data corrupted, index corrupted.
        "XX" => AuthorityError::Damaged,
        // Query cancelled by the statement's own time limit comes as operator intervention, too.
        _ if state.code() == "57014" => AuthorityError::Deadline,
        _ => AuthorityError::Unavailable,
    }
}

/// Whether every host of the URL is this machine.
fn is_this_machine(server: &Config) -> bool {
    let addresses = server.get_hostaddrs().iter().all(IpAddr::is_loopback);
    addresses
        && server.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
            Host::Unix(_) => true,
        })
}

fn tls(ca_file: &Path) -> Result<MakeRustlsConnect, StartError> {
    let unusable = || StartError::CaFile { path: ca_file.into() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).map_err(|_| unusable())? {
        roots.add(certificate.map_err(|_| unusable())?).map_err(|_| unusable())?;
    }
    // An empty file would make a verifier that trusts nobody, found out at the first question only.
    if roots.is_empty() {
        return Err(unusable());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(|_| unusable())?.with_root_certificates(roots).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> PostgresConfig {
        let url = url.to_owned();
        PostgresConfig {
            url,
            ca_file: None,
            password_file: None,
            pool_size: 1,
            connect_ms_max: 200,
            statement_ms_max: 200,
        }
    }

    #[tokio::test]
    async fn another_machine_is_refused_without_tls() {
        for url in [
            "postgres://reader@db.example/people",
            "postgres://reader@192.0.2.1/people",
            "postgres://reader@127.0.0.1/people?sslmode=require",
        ] {
            assert!(matches!(Postgres::open(&config(url)).await, Err(StartError::Plaintext)), "{url}");
        }
        assert!(matches!(Postgres::open(&config("127.0.0.1/people")).await, Err(StartError::Url)));
    }

    #[tokio::test]
    async fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let config =
            PostgresConfig { ca_file: Some(file.path().into()), ..config("postgres://reader@db.example/people") };
        assert!(matches!(Postgres::open(&config).await, Err(StartError::CaFile { .. })));
    }
}
