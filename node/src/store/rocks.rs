//! What both RocksDB instances have in common.

use std::io;

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
pub(super) fn scrub(db: &DB, family: &ColumnFamily, end: Option<&[u8]>) {
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    db.compact_range_cf_opt(family, None::<&[u8]>, end, &options);
}
