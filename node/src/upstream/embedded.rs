//! The authority in a SQLite file, opened read-only.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use xacminh_core::question::PersonKeys;
use xacminh_core::record::Record;
use xacminh_proto::schema::{self, PERSON_COLUMNS};
use xacminh_proto::vocab::CitizenNumber;

use super::page::{self, Page};
use super::row::{self, Cells, RELATIVES, RELATIVES_MAX, Relatives};
use super::{Authority, AuthorityError, Change, EmbeddedConfig, Fetched, StartError, soundness};

/// Statements kept prepared by each connection: two ways to find a person, three kinds of relatives, a page in
/// six steps, changes, health.
const STATEMENTS_MAX: usize = 16;

/// A SQLite population database.
pub struct Embedded {
    pool: Arc<Pool>,
}

/// Connections that nobody is using; as many permits as connections.
struct Pool {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    /// Damage was found by the reading through that goes on behind.
    damaged: Arc<AtomicBool>,
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
                if pool.damaged.load(Ordering::Acquire) {
                    return Err(AuthorityError::Damaged);
                }
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
        let keys = keys.clone();
        Box::pin(self.run(deadline, move |connection| fetch(connection, &keys)))
    }

    fn changes(&self, after: u64, limit: u32, deadline: Instant) -> BoxFuture<'_, Result<Vec<Change>, AuthorityError>> {
        Box::pin(self.run(deadline, move |connection| changes(connection, after, limit)))
    }

    fn page(
        &self,
        after: Option<CitizenNumber>,
        limit: u32,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Page, AuthorityError>> {
        let after = page::start_of(after);
        Box::pin(self.run(deadline, move |connection| page::of_sqlite(connection, after, limit)))
    }

    fn health(&self, deadline: Instant) -> BoxFuture<'_, Result<(), AuthorityError>> {
        Box::pin(self.run(deadline, |connection| {
            let mut statement = connection.prepare_cached(schema::SELECT_VERSION).map_err(failed)?;
            let version: Option<i32> = statement.query_row([], |row| row.get(0)).map_err(failed)?;
            if version == Some(schema::VERSION) { Ok(()) } else { Err(AuthorityError::Damaged) }
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
    let damaged = soundness::check(&first, path, soundness::PATIENCE)?;
    let mut idle = vec![first];
    while idle.len() < connections {
        idle.push(open_one(path)?);
    }
    Ok(Pool { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(connections)), damaged })
}

pub(super) fn open_one(path: &Path) -> Result<Connection, StartError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags);
    let connection = opened.map_err(|source| StartError::Open { path: path.into(), source })?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Without it every number bound to a statement has its plan made anew, because of the partial indexes.
    let stable = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
    stable.map_err(|source| StartError::Open { path: path.into(), source })?;
    Ok(connection)
}

/// One read transaction, so that a person and the relatives are of the same moment.
fn fetch(connection: &Connection, keys: &PersonKeys) -> Result<Fetched, AuthorityError> {
    let moment = connection.unchecked_transaction().map_err(failed)?;
    let (condition, value) = row::condition(keys.number);
    let text = format!("SELECT {}, p.citizen_number FROM persons p WHERE {condition}", row::person_columns());
    let mut person = moment.prepare_cached(&text).map_err(failed)?;
    let mut rows = person.query([value]).map_err(failed)?;
    let mut people: Vec<Record> = Vec::new();
    while let Some(found) = rows.next().map_err(failed)? {
        let citizen: i64 = found.get(PERSON_COLUMNS.len()).map_err(failed)?;
        people.extend(row::record_for(keys, found, relatives(&moment, citizen))?);
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
pub(super) fn failed(error: rusqlite::Error) -> AuthorityError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => AuthorityError::Damaged,
        Some(_) => AuthorityError::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::types::Value;
    use tempfile::TempDir;
    use xacminh_core::record::NumberStatus;
    use xacminh_proto::schema::{MIGRATIONS, TABLES, VERSION};
    use xacminh_proto::vocab::{BirthDate, Date, FullName, Living, Marital, OldNumber, PersonNumber, Sex};

    use super::super::ChangeKind;
    use super::*;

    struct Database {
        folder: TempDir,
        connection: Connection,
    }

    impl Database {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let connection = Connection::open(folder.path().join("people.db")).expect("opened");
            for migration in MIGRATIONS {
                connection.execute_batch(migration.sql).expect("migrated");
                let record = "INSERT INTO schema_migrations VALUES (?1, ?2)";
                connection.execute(record, (migration.version, migration.name)).expect("recorded");
            }
            Self { folder, connection }
        }

        /// A person with these columns set, and the plainest values in those that must be.
        fn person(&self, number: i64, columns: &[(&str, Value)]) {
            let mut row: Vec<(&str, Value)> = vec![
                ("citizen_number", number.into()),
                ("number_status", 1.into()),
                ("full_name", "Lê Thị Thử".to_owned().into()),
                ("birth_year", 1990.into()),
                ("sex", 2.into()),
                ("nationality", "VN".to_owned().into()),
                ("marital", 1.into()),
                ("living", 1.into()),
                ("under_correction", 0.into()),
                ("version", 1.into()),
            ];
            row.retain(|(name, _)| columns.iter().all(|(other, _)| other != name));
            row.extend_from_slice(columns);
            let names = row.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let marks = vec!["?"; row.len()].join(", ");
            let text = format!("INSERT INTO persons ({names}) VALUES ({marks})");
            let values = rusqlite::params_from_iter(row.into_iter().map(|(_, value)| value));
            self.connection.execute(&text, values).expect("inserted");
        }

        fn config(&self) -> EmbeddedConfig {
            EmbeddedConfig { path: self.folder.path().join("people.db"), connections: 2 }
        }

        async fn fetch(&self, number: &str) -> Result<Fetched, AuthorityError> {
            self.ask(&keys(number)).await
        }

        async fn ask(&self, keys: &PersonKeys) -> Result<Fetched, AuthorityError> {
            let authority = Embedded::open(&self.config()).await.expect("opened");
            authority.fetch(keys, soon()).await
        }
    }

    fn keys(number: &str) -> PersonKeys {
        PersonKeys {
            number: PersonNumber::parse(number).expect("a number"),
            name: FullName::parse("Lê Thị Thử").expect("a name"),
            birth: BirthDate::of_year(1990).expect("a year"),
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn citizen(number: u64) -> CitizenNumber {
        CitizenNumber::try_from(number).expect("twelve digits")
    }

    /// Found by a review: the page failed as a whole, and the sweep never ended.
    #[tokio::test]
    async fn a_key_that_is_no_citizen_number_stops_no_sweep() {
        let database = Database::new();
        database.person(48_090_000_001, &[]);
        database.person(5_000_000_000_000, &[]);
        let authority = Embedded::open(&database.config()).await.expect("opened");
        let page = authority.page(None, 10, soon()).await.expect("read");
        assert_eq!(page.people.len(), 1);
        let end = authority.page(page.last, 10, soon()).await.expect("read");
        assert!(end.last.is_none(), "the sweep ends");
        assert_eq!((page.malformed, end.malformed), (0, 1), "and says whom it left out");
    }

    #[tokio::test]
    async fn nothing_is_told_once_damage_is_found() {
        let database = Database::new();
        database.person(48_090_000_001, &[]);
        let authority = Embedded::open(&database.config()).await.expect("opened");
        assert!(authority.page(None, 10, soon()).await.is_ok_and(|page| page.people.len() == 1));
        authority.pool.damaged.store(true, Ordering::Release);
        assert_eq!(authority.page(None, 10, soon()).await, Err(AuthorityError::Damaged));
        assert_eq!(authority.health(soon()).await, Err(AuthorityError::Damaged));
    }

    #[tokio::test]
    async fn a_person_is_read_with_the_family() {
        let database = Database::new();
        database.person(
            48_190_000_001,
            &[
                ("old_number", 12_345_678.into()),
                ("birth_month", 2.into()),
                ("birth_day", 28.into()),
                ("marital", 2.into()),
                ("permanent_province", 48.into()),
                ("permanent_commune", 20_194.into()),
                ("permanent_detail", "12 Lê Lợi".to_owned().into()),
                ("permanent_old_code_set", 1.into()),
                ("permanent_old_province", 48.into()),
                ("permanent_old_district", 490.into()),
                ("permanent_old_commune", 20_195.into()),
                ("household_id", 7.into()),
                ("head_number", 48_090_000_002_i64.into()),
                ("relation_to_head", 2.into()),
                ("spouse_number", 48_090_000_002_i64.into()),
                ("card_issued_on", 20_220_301.into()),
                ("card_expires_on", 20_300_228.into()),
                ("version", 3.into()),
            ],
        );
        database.person(48_090_000_002, &[("sex", 1.into()), ("household_id", 7.into())]);
        database.person(48_315_000_003, &[("mother_number", 48_190_000_001_i64.into()), ("household_id", 7.into())]);
        database.person(48_315_000_004, &[("guardian_number", 48_190_000_001_i64.into())]);
        let Ok(Fetched::Found(record)) = database.fetch("048190000001").await else { panic!("one person") };
        assert_eq!(record.birth, BirthDate::Day(Date::new(1990, 2, 28).expect("a day")));
        assert_eq!(
            (record.sex, record.marital, record.living, record.version),
            (Sex::Female, Marital::Married, Living::Alive, 3)
        );
        assert_eq!(record.old_number, OldNumber::parse("012345678").ok());
        let permanent = record.permanent.as_ref().expect("an address");
        assert_eq!(
            (permanent.place.province, permanent.place.commune, permanent.commune_before_2025),
            (48, Some(20_194), Some(20_195))
        );
        assert_eq!(record.children, [citizen(48_315_000_003)]);
        assert_eq!(record.wards, [citizen(48_315_000_004)]);
        let household = record.household.as_ref().expect("a household");
        assert_eq!(household.members, [citizen(48_090_000_002), citizen(48_315_000_003)]);
        assert_eq!((household.head, household.relation.as_str()), (Some(citizen(48_090_000_002)), "Vợ/chồng"));
        assert_eq!(record.card.expect("a card").expires, Date::new(2030, 2, 28).ok());
    }

    #[tokio::test]
    async fn an_old_number_may_be_nobodys_ones_or_two_peoples() {
        let database = Database::new();
        for (number, old) in
            [(48_190_000_001, 201_000_001), (48_190_000_002, 201_000_002), (48_190_000_003, 201_000_002)]
        {
            database.person(number, &[("old_number", i64::from(old).into())]);
        }
        // The same person under a cancelled number is no second person.
        let cancelled = [
            ("old_number", 201_000_001.into()),
            ("number_status", 2.into()),
            ("replaced_by", 48_190_000_001_i64.into()),
        ];
        database.person(48_190_000_009, &cancelled);
        assert_eq!(database.fetch("201000000").await, Ok(Fetched::Missing));
        assert!(
            matches!(database.fetch("201000001").await, Ok(Fetched::Found(record)) if record.number == citizen(48_190_000_001))
        );
        assert!(matches!(database.fetch("201000002").await, Ok(Fetched::Ambiguous(people)) if people.len() == 2));
        let Ok(Fetched::Found(record)) = database.fetch("048190000009").await else {
            panic!("the cancelled number is known")
        };
        assert_eq!(record.status, NumberStatus::Cancelled { replaced_by: Some(citizen(48_190_000_001)) });
    }

    /// Of a row that is not understood: who names the person learns that nothing can be told, everybody else what is told
    /// of a number that nobody has.
    #[tokio::test]
    async fn a_value_that_is_not_understood_names_its_column_to_who_names_the_person_and_is_nobodys_to_others() {
        let database = Database::new();
        for (index, (column, value)) in [
            ("birth_month", Value::from(13)),
            ("sex", 7.into()),
            ("full_name", "N4m".to_owned().into()),
            ("nationality", "VNM".to_owned().into()),
            ("version", (-1).into()),
            ("marital", "x".to_owned().into()),
            ("father_number", 1_000_000_000_000_i64.into()),
        ]
        .into_iter()
        .enumerate()
        {
            let number = 48_190_000_001 + i64::try_from(index).expect("small");
            database.person(number, &[(column, value)]);
            let right = keys(&format!("{number:012}"));
            let unsigned = PersonKeys { name: FullName::parse("LE THI THU").expect("a name"), ..right.clone() };
            for keys in [&right, &unsigned] {
                let told = database.ask(keys).await;
                if column == "full_name" {
                    assert_eq!(told, Ok(Fetched::Missing), "a row without a name is nobody's");
                    continue;
                }
                let error = told.expect_err(column);
                assert!(matches!(error, AuthorityError::Malformed { .. }), "{column}");
                assert!(!error.to_string().contains("190000"), "{error}");
            }
            let name = FullName::parse("Lê Thị Thư").expect("a name");
            let birth = BirthDate::of_year(1991).expect("a year");
            assert_eq!(database.ask(&PersonKeys { name, ..right.clone() }).await, Ok(Fetched::Missing), "{column}");
            let told = database.ask(&PersonKeys { birth, ..right }).await;
            // Of a date that cannot be read nobody can say that it is another.
            assert_eq!(told == Ok(Fetched::Missing), column != "birth_month", "{column}: {told:?}");
        }
    }

    /// Two people of one old number: a row that is not understood stands in the way of its own person alone.
    #[tokio::test]
    async fn a_row_that_is_not_understood_hides_nobody_else() {
        let database = Database::new();
        let old = ("old_number", Value::from(201_000_001));
        database.person(48_190_000_001, &[old.clone(), ("sex", 7.into())]);
        database.person(48_190_000_002, &[old, ("full_name", "Trần Văn Khác".to_owned().into())]);
        let khac = PersonKeys { name: FullName::parse("Trần Văn Khác").expect("a name"), ..keys("201000001") };
        assert!(matches!(database.ask(&khac).await, Ok(Fetched::Found(found)) if found.name == khac.name));
        assert!(matches!(database.fetch("201000001").await, Err(AuthorityError::Malformed { column: "sex" })));
    }

    #[tokio::test]
    async fn changes_come_after_a_position_and_no_more_than_asked() {
        let database = Database::new();
        for position in 1..=5 {
            let row = (position, 48_190_000_000_i64 + position, 1 + position % 2, position);
            database.connection.execute("INSERT INTO changes VALUES (?1, ?2, ?3, ?4)", row).expect("inserted");
        }
        let authority = Embedded::open(&database.config()).await.expect("opened");
        let changes = authority.changes(2, 2, soon()).await.expect("read");
        assert_eq!(changes.iter().map(|change| change.position).collect::<Vec<_>>(), [3, 4]);
        assert_eq!((changes[0].kind, changes[1].kind), (ChangeKind::Cancelled, ChangeKind::Recorded));
        assert_eq!(authority.changes(5, 10, soon()).await, Ok(vec![]));
        assert_eq!(authority.health(soon()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_refused_at_the_start() {
        let database = Database::new();
        let refused = |config: EmbeddedConfig| async move { Embedded::open(&config).await.err().expect("refused") };
        let lost = EmbeddedConfig { path: database.folder.path().join("lost.db"), connections: 1 };
        assert!(matches!(refused(lost).await, StartError::Open { .. }));
        let none = EmbeddedConfig { connections: 0, ..database.config() };
        assert!(matches!(refused(none).await, StartError::Zero(_)));
        let noise = EmbeddedConfig { path: database.folder.path().join("noise.db"), connections: 1 };
        std::fs::write(&noise.path, [0x5a; 9_000]).expect("written");
        assert!(matches!(refused(noise).await, StartError::Corrupt { .. }));
        let half = EmbeddedConfig { path: database.folder.path().join("half.db"), connections: 1 };
        let connection = Connection::open(&half.path).expect("opened");
        connection.execute_batch(TABLES.sql).expect("tables");
        connection.execute("INSERT INTO schema_migrations VALUES (1, 'tables')", []).expect("recorded");
        assert!(matches!(refused(half).await, StartError::SchemaVersion { found: 1 }));
        database
            .connection
            .execute("UPDATE schema_migrations SET version = ?1 WHERE version = ?2", (VERSION + 1, VERSION))
            .expect("set");
        assert!(matches!(refused(database.config()).await, StartError::SchemaVersion { found: 3 }));
    }

    /// Damage far from the header, as a bad sector leaves it.
    #[tokio::test]
    async fn a_file_damaged_in_the_middle_is_refused_at_the_start() {
        let database = Database::new();
        database.connection.execute_batch("BEGIN").expect("begun");
        for number in 0..2_000 {
            database.person(48_190_000_000 + number, &[("permanent_detail", "x".repeat(200).into())]);
        }
        database.connection.execute_batch("COMMIT").expect("committed");
        let path = database.config().path;
        let mut bytes = std::fs::read(&path).expect("readable");
        let middle = bytes.len() / 2 / 4_096 * 4_096;
        bytes[middle..middle + 4_096].fill(0xee);
        std::fs::write(&path, bytes).expect("written");
        assert!(matches!(Embedded::open(&database.config()).await, Err(StartError::Corrupt { .. })));
    }
}
