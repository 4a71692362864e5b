//! PostgreSQL: a look-up by key, or one with an audit row that a quorum has on disk before the answer leaves.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use futures::{SinkExt, future::try_join_all};
use tokio_postgres::{Client, Config, Statement, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{drive::Desk, people, tls::Papers};

/// The user that the client's certificate names.
const USER: &str = "bench";

/// How long a connection may take; hundreds are made at once.
const CONNECT_MAX: Duration = Duration::from_secs(20);

const LOOK_UP: &str = "SELECT v FROM person WHERE id = $1";
const AUDITED: &str = "WITH entry AS (INSERT INTO audit (id, what) VALUES ($1, $2)) SELECT v FROM person WHERE id = $1";

/// Bytes of rows sent at once while loading.
const LOAD_BYTES: usize = 1 << 20;

/// A connection.
pub(crate) struct Postgres {
    client: Client,
    statement: Statement,
    audited: bool,
    text: String,
}

impl Postgres {
    /// Connects and prepares what will be asked.
    ///
    /// # Errors
    /// If nobody listens, either side does not believe the other, or there are no tables yet.
    pub(crate) async fn connect(papers: &Papers, address: SocketAddr, audited: bool) -> anyhow::Result<Self> {
        let client = client(papers, address).await?;
        let statement = client.prepare(if audited { AUDITED } else { LOOK_UP }).await?;
        Ok(Self { client, statement, audited, text: String::from_utf8(people::audit().to_vec())? })
    }

    async fn one(&self, person: u32) -> anyhow::Result<bool> {
        let number = i64::try_from(people::number(person))?;
        let row = if self.audited {
            self.client.query_opt(&self.statement, &[&number, &self.text]).await?
        } else {
            self.client.query_opt(&self.statement, &[&number]).await?
        };
        let value: Option<&str> = row.as_ref().map(|row| row.try_get(0)).transpose()?;
        Ok(value.is_some_and(|value| people::is_value_of(person, value.as_bytes())))
    }
}

impl Desk for Postgres {
    async fn ask(&mut self, asked: &[u32]) -> anyhow::Result<usize> {
        if let [person] = asked {
            return Ok(usize::from(!self.one(*person).await?));
        }
        // Statements travel behind each other; each is a transaction of its own.
        let right = try_join_all(asked.iter().map(|person| self.one(*person))).await?;
        Ok(right.into_iter().filter(|right| !right).count())
    }
}

/// Writes everybody's record, unless they are there; empties the audit table, and reads all pages once.
///
/// # Errors
/// If the server refuses, or the connection breaks.
pub(crate) async fn load(papers: &Papers, address: SocketAddr, count: u32) -> anyhow::Result<()> {
    let client = client(papers, address).await?;
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS person (id bigint PRIMARY KEY, v text NOT NULL);
             CREATE TABLE IF NOT EXISTS audit (seq bigserial PRIMARY KEY, id bigint NOT NULL,
                 at timestamptz NOT NULL DEFAULT now(), what text NOT NULL);
             TRUNCATE audit;",
        )
        .await?;
    let present: i64 = client.query_one("SELECT count(*) FROM person", &[]).await?.get(0);
    if present < i64::from(count) {
        client.batch_execute("TRUNCATE person").await?;
        let sink = client.copy_in("COPY person FROM STDIN").await?;
        let mut sink = std::pin::pin!(sink);
        let mut rows = Vec::with_capacity(LOAD_BYTES + people::VALUE_BYTES * 2);
        for person in 0..count {
            rows.extend_from_slice(format!("{}\t", people::number(person)).as_bytes());
            rows.extend_from_slice(&people::value(person));
            rows.push(b'\n');
            if rows.len() >= LOAD_BYTES {
                sink.send(Bytes::from(std::mem::take(&mut rows))).await?;
            }
        }
        sink.send(Bytes::from(rows)).await?;
        sink.finish().await?;
        client.batch_execute("VACUUM (ANALYZE) person").await?;
    }
    client.batch_execute("CHECKPOINT; SELECT sum(length(v)) FROM person").await?;
    Ok(())
}

async fn client(papers: &Papers, address: SocketAddr) -> anyhow::Result<Client> {
    let mut config = Config::new();
    config.host(address.ip().to_string()).port(address.port()).user(USER).dbname("postgres");
    config.ssl_mode(SslMode::Require).connect_timeout(CONNECT_MAX);
    let tls = MakeRustlsConnect::new(papers.config(None)?);
    let (client, connection) = config.connect(tls).await.with_context(|| format!("{address}"))?;
    // Its end is told by the questions that fail.
    tokio::spawn(connection);
    Ok(client)
}
