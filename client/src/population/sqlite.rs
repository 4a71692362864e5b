//! A population in a SQLite file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use rusqlite::{Connection, OpenFlags, Statement, ToSql, params};
use xacminh_proto::schema::{self, CHANGE_COLUMNS, Migration, PERSON_COLUMNS};

use super::PopulationError;
use super::load::{Batches, Loaded, Tally};
use super::person::{Cell, Person};

/// Writes the people into a new file beside `path` and puts it in place when it is whole.
pub(super) fn write(people: Batches, path: &Path, replace: bool, bar: &ProgressBar) -> Result<Loaded, PopulationError> {
    if path.exists() && !replace {
        return Err(PopulationError::Exists);
    }
    let partial = partial(path);
    remove_if_there(&partial)?;
    let loaded = fill(people, &partial, bar).inspect_err(|_| {
        // A file that is not whole is of no use to anybody; if it cannot be removed, the next load tries again.
        let _ = fs::remove_file(&partial);
    })?;
    let io = |source| PopulationError::File { path: path.into(), source };
    File::open(&partial).and_then(|file| file.sync_all()).map_err(io)?;
    // If we crash here, `path` is as it was, and the next load removes the partial file.
    fs::rename(&partial, path).map_err(io)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(loaded)
}

/// Opens a population to read it.
pub(super) fn open(path: &Path) -> Result<Connection, PopulationError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(PopulationError::Sqlite)?;
    let version = connection.query_row(schema::SELECT_VERSION, [], |row| row.get::<_, Option<i32>>(0));
    match version.map_err(PopulationError::Sqlite)? {
        Some(schema::VERSION) => Ok(connection),
        found => Err(PopulationError::SchemaVersion { found: found.unwrap_or(0) }),
    }
}

fn fill(mut people: Batches, path: &Path, bar: &ProgressBar) -> Result<Loaded, PopulationError> {
    let connection = Connection::open(path).map_err(PopulationError::Sqlite)?;
    // Nobody reads the file before it is whole, so nothing need survive a crash.
    let fast = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -262144;";
    connection.execute_batch(fast).map_err(PopulationError::Sqlite)?;
    let mut tally = Tally::default();
    connection.execute_batch("BEGIN").map_err(PopulationError::Sqlite)?;
    migrate(&connection, &schema::TABLES)?;
    {
        let mut insert = insert_into(&connection, schema::PERSONS, &PERSON_COLUMNS)?;
        while let Some(batch) = people.blocking_recv() {
            for person in &batch {
                insert_person(&mut insert, person).map_err(PopulationError::Sqlite)?;
                tally.count(person);
            }
            bar.set_position(tally.loaded.citizens);
        }
        let mut insert = insert_into(&connection, schema::CHANGES, &CHANGE_COLUMNS)?;
        for change in &tally.changes {
            let row = params![change.position, change.number, change.kind, change.version];
            insert.execute(row).map_err(PopulationError::Sqlite)?;
        }
    }
    bar.set_message("indexing");
    migrate(&connection, &schema::INDEXES)?;
    connection.execute_batch("COMMIT; ANALYZE;").map_err(PopulationError::Sqlite)?;
    connection.close().map_err(|(_, error)| PopulationError::Sqlite(error))?;
    Ok(tally.loaded)
}

fn migrate(connection: &Connection, migration: &Migration) -> Result<(), PopulationError> {
    connection.execute_batch(migration.sql).map_err(PopulationError::Sqlite)?;
    let record = "INSERT INTO schema_migrations (version, name) VALUES (?1, ?2)";
    connection.execute(record, params![migration.version, migration.name]).map_err(PopulationError::Sqlite)?;
    Ok(())
}

fn insert_into<'a>(
    connection: &'a Connection,
    table: &str,
    columns: &[(&str, schema::Kind)],
) -> Result<Statement<'a>, PopulationError> {
    let marks = vec!["?"; columns.len()].join(", ");
    let text = format!("INSERT INTO {table} ({}) VALUES ({marks})", schema::column_list(columns));
    connection.prepare(&text).map_err(PopulationError::Sqlite)
}

fn insert_person(insert: &mut Statement<'_>, person: &Person) -> rusqlite::Result<()> {
    let mut bound = Ok(());
    let mut column = 0;
    person.cells(&mut |cell| {
        column += 1;
        if bound.is_ok() {
            let value: &dyn ToSql = match &cell {
                Cell::Small(value) => value,
                Cell::Int(value) => value,
                Cell::Big(value) => value,
                Cell::Text(value) => value,
            };
            bound = insert.raw_bind_parameter(column, value);
        }
    });
    bound?;
    insert.raw_execute()?;
    Ok(())
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn remove_if_there(path: &Path) -> Result<(), PopulationError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(PopulationError::File { path: path.into(), source })
        }
        _ => Ok(()),
    }
}
