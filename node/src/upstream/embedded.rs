//! The authority in a SQLite file, opened read-only.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use xacminh_core::question::PersonKeys;
use xacminh_core::record::Record;
use xacminh_proto::schema::{self, PERSON_COLUMNS};
use xacminh_proto::vocab::PersonNumber;

use super::row::{self, Cells, RELATIVES, RELATIVES_MAX, Relatives};
use super::{Authority, AuthorityError, Change, EmbeddedConfig, Fetched, StartError};

/// Statements kept prepared by each connection: two ways to find a person, three kinds of relatives, changes, health.
const STATEMENTS_MAX: usize = 16;

/// A SQLite population database.
pub struct Embedded {
    pool: Arc<Pool>,
}

/// Connections that nobody is using; as many permits as connections.
struct Pool {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Embedded {
    /// Opens the file and reads through its structure once.
    ///
    /// # Errors
    /// [`StartError::Open`], [`StartError::Corrupt`], [`StartError::SchemaVersion`] or [`StartError::Zero`].
    pub async fn open(config: &EmbeddedConfig) -> Result<Self, StartError> {
        if config.connections == 0 {
            return Err(StartError::Zero("authority.embedded.connections"));
        }
        let (path, connections) = (config.path.clone(), config.connections);
        let opened = tokio::task::spawn_blocking(move || open_pool(&path, connections)).await;
        let pool = Arc::new(opened.map_err(|_| StartError::Pool)??);
        Ok(Self { pool })
    }

    /// Runs a query on a thread that may block. Past the deadline nobody waits for it; it ends by itself.
    async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        query: impl FnOnce(&Connection) -> Result<T, AuthorityError> + Send + 'static,
    ) -> Result<T, AuthorityError> {
        let pool = Arc::clone(&self.pool);
        let asked = async move {
            let permit = Arc::clone(&pool.permits).acquire_owned().await.map_err(|_| AuthorityError::Unavailable)?;
            let answer = tokio::task::spawn_blocking(move || {
                let connection = pool.take().ok_or(AuthorityError::Unavailable)?;
                let answer = query(&connection);
                pool.give_back(connection);
                drop(permit);
                answer
            });
            answer.await.map_err(|_| AuthorityError::Unavailable)?
        };
        timeout_at(deadline, asked).await.map_err(|_| AuthorityError::Deadline)?
    }
}

impl Authority for Embedded {
    fn fetch<'a>(&'a self, keys: &'a PersonKeys, deadline: Instant) -> BoxFuture<'a, Result<Fetched, AuthorityError>> {
        let number = keys.number;
        Box::pin(self.run(deadline, move |connection| fetch(connection, number)))
    }

    fn changes(&self, after: u64, limit: u32, deadline: Instant) -> BoxFuture<'_, Result<Vec<Change>, AuthorityError>> {
        Box::pin(self.run(deadline, move |connection| changes(connection, after, limit)))
    }

    fn health(&self, deadline: Instant) -> BoxFuture<'_, Result<(), AuthorityError>> {
        Box::pin(self.run(deadline, |connection| {
            let version =
                connection.prepare_cached(schema::SELECT_VERSION).map_err(failed)?.query_row([], |row| row.get(0));
            if version.map_err(failed)? == Some(schema::VERSION) { Ok(()) } else { Err(AuthorityError::Damaged) }
        }))
    }
}

impl Pool {
    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

fn open_pool(path: &Path, connections: usize) -> Result<Pool, StartError> {
    let first = open_one(path)?;
    check(&first, path)?;
    let mut idle = vec![first];
    while idle.len() < connections {
        idle.push(open_one(path)?);
    }
    Ok(Pool { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(connections)) })
}

fn open_one(path: &Path) -> Result<Connection, StartError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags);
    let connection = opened.map_err(|source| StartError::Open { path: path.into(), source })?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// A file that is damaged anywhere is refused before the first question, not at the first unlucky one.
fn check(connection: &Connection, path: &Path) -> Result<(), StartError> {
    let sound = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    if !sound.is_ok_and(|sound| sound == "ok") {
        return Err(StartError::Corrupt { path: PathBuf::from(path) });
    }
    let version = connection.query_row(schema::SELECT_VERSION, [], |row| row.get::<_, Option<i32>>(0));
    match version.unwrap_or(None) {
        Some(schema::VERSION) => Ok(()),
        found => Err(StartError::SchemaVersion { found: found.unwrap_or(0) }),
    }
}

/// One read transaction, so that a person and the relatives are of the same moment.
fn fetch(connection: &Connection, number: PersonNumber) -> Result<Fetched, AuthorityError> {
    let moment = connection.unchecked_transaction().map_err(failed)?;
    let (condition, value) = row::condition(number);
    let text = format!("SELECT {}, p.citizen_number FROM persons p WHERE {condition}", row::person_columns());
    let mut person = moment.prepare_cached(&text).map_err(failed)?;
    let mut rows = person.query([value]).map_err(failed)?;
    let mut people: Vec<Record> = Vec::new();
    while let Some(found) = rows.next().map_err(failed)? {
        let citizen: i64 = found.get(PERSON_COLUMNS.len()).map_err(failed)?;
        let relatives = relatives(&moment, citizen)?;
        people.push(row::record(found, relatives)?);
    }
    Ok(Fetched::of(row::in_force(people)))
}

fn relatives(connection: &Connection, citizen: i64) -> Result<Relatives, AuthorityError> {
    let mut kinds = RELATIVES.into_iter().map(|condition| {
        let text = format!(
            "SELECT r.citizen_number FROM persons p, persons r WHERE p.citizen_number = $1 AND {condition} \
             AND r.number_status = 1 ORDER BY 1 LIMIT {RELATIVES_MAX}"
        );
        let mut statement = connection.prepare_cached(&text).map_err(failed)?;
        let numbers = statement.query_map([citizen], |row| row.get::<_, i64>(0)).map_err(failed)?;
        numbers.map(|number| number.map_err(failed).and_then(row::relative)).collect::<Result<Vec<_>, _>>()
    });
    let mut next = || kinds.next().unwrap_or(Ok(Vec::new()));
    Ok(Relatives { children: next()?, wards: next()?, members: next()? })
}

fn changes(connection: &Connection, after: u64, limit: u32) -> Result<Vec<Change>, AuthorityError> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(row::CHANGES).map_err(failed)?;
    let mut rows = statement.query((after, limit)).map_err(failed)?;
    let mut changes = Vec::new();
    while let Some(found) = rows.next().map_err(failed)? {
        let get = |index| found.get::<_, i64>(index).map_err(failed);
        let kind = i16::try_from(get(2)?).map_err(|_| AuthorityError::Malformed { column: "kind" })?;
        changes.push(row::change(get(0)?, get(1)?, kind, get(3)?)?);
    }
    Ok(changes)
}

impl Cells for Row<'_> {
    fn number(&self, index: usize) -> Result<Option<i64>, AuthorityError> {
        match self.get_ref(index) {
            Ok(ValueRef::Integer(number)) => Ok(Some(number)),
            Ok(ValueRef::Null) => Ok(None),
            _ => Err(AuthorityError::Malformed { column: PERSON_COLUMNS[index].0 }),
        }
    }

    fn text(&self, index: usize) -> Result<Option<&str>, AuthorityError> {
        let malformed = AuthorityError::Malformed { column: PERSON_COLUMNS[index].0 };
        match self.get_ref(index) {
            Ok(ValueRef::Text(text)) => std::str::from_utf8(text).map(Some).map_err(|_| malformed),
            Ok(ValueRef::Null) => Ok(None),
            _ => Err(malformed),
        }
    }
}

/// SQLite's texts may quote a statement; only its kind of error goes on.
#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn failed(error: rusqlite::Error) -> AuthorityError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => AuthorityError::Damaged,
        Some(_) => AuthorityError::Unavailable,
    }
}
