//! What both RocksDB instances have in common.

use std::{collections::BTreeSet, io};

use rocksdb::{BottommostLevelCompaction, ColumnFamily, CompactOptions, DB, ErrorKind, InfoLogger, LogLevel, Options};

/// RocksDB's own log goes into ours, instead of files of its own in the data directory.
pub(super) fn quiet(options: &mut Options, instance: &'static str) {
    options.set_log_level(LogLevel::Warn);
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, move |level, line| {
        // RocksDB names files, numbers and sizes, never keys or values.
        let line = line.trim_end();
        match level {
            LogLevel::Error | LogLevel::Fatal => tracing::error!(instance, "rocksdb: {line}"),
            LogLevel::Warn => tracing::warn!(instance, "rocksdb: {line}"),
            LogLevel::Debug | LogLevel::Info | LogLevel::Header => tracing::debug!(instance, "rocksdb: {line}"),
        }
    }));
}

pub(super) fn family<'a>(db: &'a DB, name: &str) -> &'a ColumnFamily {
    db.cf_handle(name).expect("the database was opened with its column families")
}

/// Damage is told from a disk that refuses, so that neither is taken for absence.
pub(super) fn io_error(error: rocksdb::Error) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::Corruption => io::ErrorKind::InvalidData,
        ErrorKind::NotFound => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Rewrites a family up to a key, or all of it, so that what was deleted is on no table any more.
///
/// RocksDB's C interface does not tell how a compaction ended. A forced one leaves none of the tables it began with, so that
/// one that is still there afterwards was not rewritten.
///
/// # Errors
/// If a table was not rewritten, e.g. because the disk is full or the table is damaged.
pub(super) fn scrub(db: &DB, name: &str, end: Option<&[u8]>) -> io::Result<()> {
    let before = tables_up_to(db, name, end)?;
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    db.compact_range_cf_opt(family(db, name), None::<&[u8]>, end, &options);
    let left = tables_up_to(db, name, end)?.intersection(&before).count();
    if left == 0 {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{left} tables of `{name}` could not be rewritten; RocksDB's line in the log says why"
    )))
}

/// Names of a family's tables that hold keys up to this one, or of all.
fn tables_up_to(db: &DB, name: &str, end: Option<&[u8]>) -> io::Result<BTreeSet<String>> {
    let files = db.live_files().map_err(io_error)?.into_iter().filter(|file| file.column_family_name == name);
    let is_within = |start: Option<&[u8]>| end.is_none_or(|end| start.is_none_or(|start| start <= end));
    Ok(files.filter(|file| is_within(file.start_key.as_deref())).map(|file| file.name).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Found by a review: an erasure was noted as done although the rows were still in the tables.
    #[test]
    fn a_rewriting_that_failed_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = DB::open_cf(&options, folder.path(), ["rows"]).expect("opened");
        let write = |byte: u8| {
            db.put_cf(family(&db, "rows"), [byte], [byte; 4_096]).expect("written");
            db.flush_cf(family(&db, "rows")).expect("flushed");
        };
        (0..3).for_each(write);
        scrub(&db, "rows", None).expect("rewritten");
        scrub(&db, "rows", Some(&[1])).expect("rewritten again");
        write(9);
        let newest = db.live_files().expect("listed").into_iter().map(|file| file.name).max().expect("a table");
        let path = folder.path().join(newest.trim_start_matches('/'));
        let mut bytes = fs::read(&path).expect("read");
        bytes.fill(0xa5);
        fs::write(&path, bytes).expect("damaged");
        let error = scrub(&db, "rows", None).expect_err("the table cannot be read");
        assert!(error.to_string().contains("`rows`"), "{error}");
    }
}
