//! Whether the file of an embedded authority is sound.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use xacminh_proto::schema;

use super::{StartError, embedded};

/// How long a start waits for the reading through: for a gigabyte in memory, or a million people on a disk.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// A file that is damaged anywhere is refused before the first question, not at the first unlucky one; of one so large that
/// reading through it takes long, the rest is read while the node runs, and nothing more is told once damage is found.
pub(super) fn check(connection: &Connection, path: &Path, patience: Duration) -> Result<Arc<AtomicBool>, StartError> {
    let version = connection.query_row(schema::SELECT_VERSION, [], |row| row.get::<_, Option<i32>>(0));
    match version {
        Ok(Some(schema::VERSION)) => {}
        Ok(found) => return Err(StartError::SchemaVersion { found: found.unwrap_or(0) }),
        // A damaged file may say so here already.
        Err(_) if !is_sound(connection) => return Err(StartError::Corrupt { path: path.into() }),
        Err(source) if is_locked(&source) => return Err(StartError::Open { path: path.into(), source }),
        Err(_) => return Err(StartError::SchemaVersion { found: 0 }),
    }
    let damaged = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let (reader, found) = (embedded::open_one(path)?, Arc::clone(&damaged));
    thread::spawn(move || {
        let sound = is_sound(&reader);
        found.store(!sound, Ordering::Release);
        // Nobody waits for it any more: the flag is there.
        if tell.send(sound).is_err() && !sound {
            tracing::error!("the population database is corrupt: nothing of it is told any more; restore it");
        }
    });
    match told.recv_timeout(patience) {
        Ok(false) => Err(StartError::Corrupt { path: path.into() }),
        Ok(true) | Err(_) => Ok(damaged),
    }
}

/// Damage is what the file says of itself: one that somebody has locked, or that cannot be read just now, says nothing.
fn is_sound(connection: &Connection) -> bool {
    match connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(said) => said == "ok",
        Err(error) => {
            let damaged =
                matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase));
            if !damaged {
                tracing::warn!(%error, "the population database could not be read through");
            }
            !damaged
        }
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use xacminh_proto::schema::MIGRATIONS;

    use super::*;

    /// A file of some pages, the last of them overwritten.
    fn damaged_file(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("people.db");
        let connection = Connection::open(&path).expect("opened");
        for migration in MIGRATIONS {
            connection.execute_batch(migration.sql).expect("migrated");
            let record = "INSERT INTO schema_migrations VALUES (?1, ?2)";
            connection.execute(record, (migration.version, migration.name)).expect("recorded");
        }
        drop(connection);
        let mut bytes = fs::read(&path).expect("read");
        let length = bytes.len();
        bytes[length - 4_096..].fill(0xa5);
        fs::write(&path, bytes).expect("written");
        path
    }

    #[test]
    fn a_file_that_somebody_has_locked_is_not_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = damaged_file(folder.path());
        let other = Connection::open(&path).expect("opened");
        other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
        let connection = embedded::open_one(&path).expect("opened");
        connection.busy_timeout(Duration::ZERO).expect("set");
        assert!(is_sound(&connection), "nothing was read");
        assert!(matches!(check(&connection, &path, Duration::ZERO), Err(StartError::Open { .. })));
        other.execute_batch("ROLLBACK").expect("unlocked");
        assert!(!is_sound(&connection), "now it was");
    }

    #[test]
    fn damage_is_found_at_the_start_or_behind_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = damaged_file(folder.path());
        let connection = embedded::open_one(&path).expect("opened");
        let long = Duration::from_secs(30);
        assert!(matches!(check(&connection, &path, long), Err(StartError::Corrupt { .. })));
        // A start that does not wait goes on, and is told later; now and then the other thread is faster.
        let hurried = (0..100).find_map(|_| check(&connection, &path, Duration::ZERO).ok());
        let damaged = hurried.expect("a start that did not wait");
        for _ in 0..3_000 {
            if damaged.load(Ordering::Acquire) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the damage was not found");
    }
}
