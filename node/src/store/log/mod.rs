//! The Raft log: entries, vote and how far they are committed, in one RocksDB whose write-ahead log is their order.
//!
//! ```text
//! append ── write (no sync) ── readable ──┐
//! append ── write (no sync) ── readable ──┼─ one thread: one fsync for all that wait ── callbacks
//! vote ──── write (no sync) ──────────────┘
//! ```
//!
//! Column families: `log` (index, big-endian → entry) and `meta` (`vote`, `committed`, `purged`, `cleared`).
//!
//! **A torn tail and a damaged middle are different things.** After a power cut the last records may be torn: they were
//! never acknowledged, and recovery stops before them (RocksDB's point-in-time mode). A record damaged *below* what was
//! acknowledged would look the same to that mode, and the node would vote with a shortened log. So the sync thread notes
//! after each fsync how far RocksDB's sequence numbers had come (`SYNCED`), and a log that comes back with fewer is refused.
//! The stricter modes are no substitute: they refuse torn tails too, so that one power cut could keep every node down,
//! and they forbid recycling log files, which takes 40 % off the price of an fsync.

mod cache;
mod end;
mod reader;
mod storage;
mod sync;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, IteratorMode, Options, WriteOptions,
};

use super::{
    encoding::{self, LogIdOf, VoteOf, malformed},
    fatal::{Fatal, FatalHook},
    floor::FlushedFloor,
    rocks,
};
use cache::Cache;
pub(super) use cache::cost;
pub use end::{Growth, LogEnd, Waiters};
use sync::{SyncThread, Synced};

const LOG: &str = "log";
const META: &str = "meta";
const VOTE: &[u8] = b"vote";
const COMMITTED: &[u8] = b"committed";
const PURGED: &[u8] = b"purged";
const CLEARED: &[u8] = b"cleared";

/// Memory for writes: most entries are purged before it is full, and then never reach a table.
const MEMTABLE_BYTES: usize = 128 * 1024 * 1024;

/// Size of write-ahead log files at which memory is flushed: bounds the time a start takes to read them.
const WAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Write-ahead log files kept for use again: writing over an old file spares the file system's own journal.
const WAL_RECYCLED_FILES: usize = 4;

/// The log of one node.
#[derive(Clone)]
pub struct LogStore {
    inner: Arc<Inner>,
}

struct Inner {
    db: Arc<DB>,
    index: Mutex<Index>,
    end: Arc<LogEnd>,
    /// Room to encode one entry at a time in, kept: fresh memory for every batch would be cleared by the kernel first.
    encoded: Mutex<Vec<u8>>,
    sync: SyncThread,
    floor: FlushedFloor,
    fatal: FatalHook,
}

/// What was erased and has left a node's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Raft index of the newest erasure that has.
    pub index: u64,
    /// The tables that were rewritten, counted by the snapshots installed before them: those of a snapshot that is installed
    /// afterwards are another node's, and may be of before its own were rewritten.
    pub generation: u64,
}

/// What is known of the log without reading it.
#[derive(Default)]
struct Index {
    purged: Option<LogIdOf>,
    /// Index of the first entry present, if there is any.
    first: u64,
    last: Option<LogIdOf>,
    vote: Option<VoteOf>,
    committed: Option<LogIdOf>,
    /// Whether `committed` waits to travel with the next write: it may be lost, so it is never worth one of its own.
    committed_unsaved: bool,
    cache: Cache,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Acknowledged entries or votes are gone.
    #[error(
        "the log at {path} lost writes that were acknowledged (sequence {found}, {expected} were durable): \
         this node must not vote again; remove its data directory and join it anew with a new id"
    )]
    Shortened {
        /// The log.
        path: String,
        /// Sequence number that was durable.
        expected: u64,
        /// Sequence number found.
        found: u64,
    },
    /// Entries are missing between others.
    #[error("the log at {path} has no entry {index}, but later ones: join this node anew with a new id")]
    Hole {
        /// The log.
        path: String,
        /// First missing index.
        index: u64,
    },
    /// The disk, or what is on it.
    #[error("the log at {path}: {source}")]
    Io {
        /// The log.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
}

impl LogStore {
    /// Opens the log at `path`, making it if it does not exist. `fatal` is told of faults that must stop the node.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(path: &Path, floor: FlushedFloor, fatal: FatalHook) -> Result<Self, LogError> {
        let failed = |source| LogError::Io { path: path.display().to_string(), source };
        super::disk::make_folder(path).map_err(|error| failed(io::Error::other(error)))?;
        let (synced, expected) = Synced::open(path).map_err(failed)?;
        let families = [LOG, META].map(|name| ColumnFamilyDescriptor::new(name, family_options()));
        let db = DB::open_cf_descriptors(&options(), path, families).map_err(|error| failed(rocks::io_error(error)))?;
        let found = db.latest_sequence_number();
        if found < expected {
            return Err(LogError::Shortened { path: path.display().to_string(), expected, found });
        }
        let index = Index::load(&db, path)?;
        let end = Arc::new(LogEnd::default());
        end.set(index.last.map_or(0, |last| last.index));
        let (db, index, encoded) = (Arc::new(db), Mutex::new(index), Mutex::default());
        let sync = SyncThread::start(Arc::clone(&db), synced, Arc::clone(&fatal)).map_err(failed)?;
        Ok(Self { inner: Arc::new(Inner { db, index, end, encoded, sync, floor, fatal }) })
    }

    /// Where the log ends.
    #[must_use]
    pub fn end(&self) -> Arc<LogEnd> {
        Arc::clone(&self.inner.end)
    }

    /// The ids that bound the log, for people: last purged, last present, last known as committed.
    #[must_use]
    pub fn bounds(&self) -> [Option<LogIdOf>; 3] {
        let index = self.inner.index();
        [index.purged, index.last, index.committed]
    }

    /// Takes purged entries off the log's tables. Blocks for as long as that takes. Write-ahead files that were used
    /// before keep what was in them until they are written over. If we stop here, nothing says that it was done.
    ///
    /// # Errors
    /// If the disk refuses to write, and the node has then been told to stop; or if a table could not be rewritten.
    pub fn scrub(&self) -> io::Result<()> {
        let Some(purged) = self.inner.index().purged else { return Ok(()) };
        let log = self.inner.family(LOG);
        self.inner.db.flush_cf(log).map_err(|error| self.inner.fail(error))?;
        rocks::scrub(&self.inner.db, LOG, Some(&(purged.index + 1).to_be_bytes()))
    }

    /// What has left all files of this node, as [`Self::note_cleared`] was told; of index 0 if nothing has. That the log was
    /// purged so far does not say it: an ordinary purge rewrites nothing.
    ///
    /// # Errors
    /// If the disk cannot be read, or what is on it is damaged.
    pub fn cleared(&self) -> io::Result<Cleared> {
        let meta = self.inner.family(META);
        let Some(bytes) = self.inner.db.get_cf(meta, CLEARED).map_err(rocks::io_error)? else {
            return Ok(Cleared::default());
        };
        let (index, generation) = bytes.split_first_chunk().ok_or_else(|| malformed("what was cleared"))?;
        let generation = generation.try_into().map_err(|_| malformed("what was cleared"))?;
        Ok(Cleared { index: u64::from_be_bytes(*index), generation: u64::from_be_bytes(generation) })
    }

    /// Notes, durably, that what an entry erased has left all files of this node, and of which tables that is true. It is kept
    /// beside the log and not in the state, which another node's snapshot may replace.
    ///
    /// # Errors
    /// If the disk refuses; the node has then been told to stop.
    pub fn note_cleared(&self, cleared: Cleared) -> io::Result<()> {
        let mut durably = WriteOptions::default();
        durably.set_sync(true);
        let meta = self.inner.family(META);
        let bytes = [cleared.index.to_be_bytes(), cleared.generation.to_be_bytes()].concat();
        let written = self.inner.db.put_cf_opt(meta, CLEARED, bytes, &durably);
        written.map_err(|error| self.inner.fail(error))
    }
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        // The index is changed by plain assignments after the disk agreed, so a panicking holder left it whole.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        rocks::family(&self.db, name)
    }

    /// Tells the node that it must stop, and gives the error that openraft is told.
    fn fail(&self, error: rocksdb::Error) -> io::Error {
        let error = rocks::io_error(error);
        (self.fatal)(Fatal::LogWrite(error.to_string()));
        error
    }
}

impl Index {
    /// Reads what bounds the log, checks that nothing is missing in between, and fills the cache with its end.
    fn load(db: &DB, path: &Path) -> Result<Self, LogError> {
        let failed = |source| LogError::Io { path: path.display().to_string(), source };
        let meta = rocks::family(db, META);
        let get = |key| db.get_cf(meta, key).map_err(|error| failed(rocks::io_error(error)));
        let log_id = |key| get(key)?.map(|bytes| encoding::log_id_of(&bytes)).transpose().map_err(failed);
        let mut index = Self {
            purged: log_id(PURGED)?,
            vote: get(VOTE)?.map(|bytes| encoding::vote_of(&bytes)).transpose().map_err(failed)?,
            committed: log_id(COMMITTED)?,
            ..Self::default()
        };
        index.last = index.purged;
        index.first = index.purged.map_or(0, |purged| purged.index + 1);
        let from = index.first.to_be_bytes();
        let entries = db.iterator_cf(rocks::family(db, LOG), IteratorMode::From(&from, rocksdb::Direction::Forward));
        for (expected, pair) in (index.first..).zip(entries) {
            let (key, value) = pair.map_err(|error| failed(rocks::io_error(error)))?;
            let entry = encoding::entry_of(&Bytes::from(value)).map_err(failed)?;
            if key.as_ref() != entry.log_id.index.to_be_bytes() {
                return Err(failed(malformed("an entry under another's index")));
            }
            if entry.log_id.index != expected {
                return Err(LogError::Hole { path: path.display().to_string(), index: expected });
            }
            index.last = Some(entry.log_id);
            index.cache.push(entry);
        }
        // A snapshot may be committed and not yet installed when we crash: what is committed beyond the log is found
        // out again from the others.
        index.committed = index.committed.min(index.last);
        Ok(index)
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_recycle_log_file_num(WAL_RECYCLED_FILES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_paranoid_checks(true);
    options.set_max_background_jobs(2);
    rocks::quiet(&mut options, "log");
    options
}

fn family_options() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(MEMTABLE_BYTES);
    // Sealed bytes do not compress.
    options.set_compression_type(DBCompressionType::None);
    options
}

#[cfg(test)]
mod tests;
