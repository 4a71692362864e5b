//! The state as others read it: a cheap handle that follows the generation in force.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use rocksdb::{Cache, DB, Direction, FlushOptions, IteratorMode, ReadOptions};
use xacminh_core::{
    apply::{BudgetKey, Meta, Seen},
    command::{RecordKey, RequestKey},
};
use xacminh_proto::transparency::LeafBytes;

use super::{
    disk::DataDir,
    encoding::{LogIdOf, malformed},
    fatal::{Fatal, FatalHook},
    floor::FlushedFloor,
    rocks,
    snapshot::SnapshotDir,
    tables::{self, Head},
};

/// What a node remembers: read by everybody, changed by apply only.
#[derive(Clone)]
pub struct State {
    pub(super) shared: Arc<Shared>,
}

/// The register document in force.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Document {
    /// Its revision; 0 before the first.
    pub revision: u64,
    /// The text.
    pub text: String,
}

pub(super) struct Shared {
    pub(super) directory: Arc<DataDir>,
    pub(super) generation: ArcSwap<Generation>,
    pub(super) block_cache: Cache,
    pub(super) floor: FlushedFloor,
    pub(super) fatal: FatalHook,
    /// The newest snapshot that can be sent.
    pub(super) newest: Mutex<Option<SnapshotDir>>,
    /// Held while files of a snapshot are made, so that two builds do not meet.
    pub(super) building: Mutex<()>,
    flushing: Mutex<()>,
    /// Bytes written since the last flush, about.
    pub(super) unflushed_bytes: AtomicU64,
}

/// One life of the state; another begins when a snapshot is installed.
pub(super) struct Generation {
    pub(super) number: u64,
    head: ArcSwap<Head>,
    register: ArcSwap<Document>,
    // The database is closed before its folder is removed: fields are dropped in this order.
    pub(super) db: DB,
    folder: Folder,
}

/// Removes itself once nobody reads it and another generation is in force.
struct Folder {
    path: PathBuf,
    discarded: AtomicBool,
}

impl State {
    /// What the state says about itself.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        self.generation().head.load_full()
    }

    /// Leaves, last stamp, register revision.
    #[must_use]
    pub fn meta(&self) -> Meta {
        self.generation().head.load().meta
    }

    /// Log id of the last applied entry.
    #[must_use]
    pub fn applied(&self) -> Option<LogIdOf> {
        self.generation().head.load().applied
    }

    /// First log index whose effect would be lost by a crash now; the Raft log brings it back.
    #[must_use]
    pub fn flushed_next(&self) -> u64 {
        self.shared.floor.next()
    }

    /// A record's version and sealed value.
    ///
    /// # Errors
    /// If the disk cannot be read or what is on it is damaged.
    pub fn record(&self, key: &RecordKey) -> io::Result<Option<(u64, Vec<u8>)>> {
        let generation = self.generation();
        let Some(bytes) = generation.get(tables::RECORDS, tables::record_key(key))? else { return Ok(None) };
        let (version, sealed) = tables::record_of(&bytes)?;
        Ok(Some((version, sealed.to_vec())))
    }

    /// The register document in force, from memory.
    #[must_use]
    pub fn document(&self) -> Arc<Document> {
        self.generation().register.load_full()
    }

    /// The leaf at a position.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn leaf(&self, position: u64) -> io::Result<Option<LeafBytes>> {
        self.generation().get(tables::LEAVES, &position.to_be_bytes())?.map(|bytes| leaf_of(&bytes)).transpose()
    }

    /// Leaves from a position on, at most `limit`.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn leaves(&self, from: u64, limit: usize) -> io::Result<Vec<LeafBytes>> {
        let generation = self.generation();
        let start = from.to_be_bytes();
        let mode = IteratorMode::From(&start, Direction::Forward);
        let leaves = generation.db.iterator_cf(rocks::family(&generation.db, tables::LEAVES), mode);
        let leaves = leaves.take(limit).zip(from..).map(|(pair, position)| {
            let (key, bytes) = pair.map_err(rocks::io_error)?;
            if key.as_ref() == position.to_be_bytes() { leaf_of(&bytes) } else { Err(malformed("a leaf is missing")) }
        });
        leaves.collect()
    }

    /// The sealed addendum of the leaf at a position.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn addendum(&self, position: u64) -> io::Result<Option<Vec<u8>>> {
        self.generation().get(tables::ADDENDA, &position.to_be_bytes())
    }

    /// Whether a request has its leaf, and where.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn seen(&self, request: &RequestKey) -> io::Result<Option<Seen>> {
        self.generation().get(tables::SEEN, &request.bytes())?.map(|bytes| tables::seen_of(&bytes)).transpose()
    }

    /// Misses counted against a budget.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn misses(&self, key: &BudgetKey) -> io::Result<u32> {
        let counted = self.generation().get(tables::BUDGETS, &tables::budget_key(key))?;
        counted.map_or(Ok(0), |bytes| tables::budget_of(&bytes))
    }

    /// BLAKE3 over every key and value, with the head it belongs to: replicas at one log id must agree (invariant I8).
    /// Reads everything; for tests and inspection.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn digest(&self) -> io::Result<(Option<LogIdOf>, blake3::Hash)> {
        let generation = self.generation();
        let snapshot = generation.db.snapshot();
        let mut hasher = blake3::Hasher::new();
        for name in tables::FAMILIES {
            hasher.update(name.as_bytes());
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            let family = rocks::family(&generation.db, name);
            for pair in snapshot.iterator_cf_opt(family, options, IteratorMode::Start) {
                let (key, value) = pair.map_err(rocks::io_error)?;
                for part in [&key, &value] {
                    let length = u64::try_from(part.len()).expect("lengths fit 64 bits");
                    hasher.update(&length.to_be_bytes());
                    hasher.update(part);
                }
            }
        }
        let applied = snapshot.get_cf(rocks::family(&generation.db, tables::META), tables::APPLIED);
        let applied = applied.map_err(rocks::io_error)?.map(|bytes| super::encoding::log_id_of(&bytes)).transpose()?;
        Ok((applied, hasher.finalize()))
    }

    /// Makes everything applied so far durable.
    ///
    /// # Errors
    /// If the disk refuses; the node has then been told to stop.
    pub fn flush(&self) -> io::Result<()> {
        self.shared.flush()
    }

    fn generation(&self) -> arc_swap::Guard<Arc<Generation>> {
        self.shared.generation.load()
    }
}

impl Shared {
    pub(super) fn new(
        directory: Arc<DataDir>,
        generation: Generation,
        block_cache: Cache,
        newest: Option<SnapshotDir>,
        fatal: FatalHook,
    ) -> Arc<Self> {
        let floor = FlushedFloor::default();
        // What is read at a start is on the disk.
        if let Some(applied) = generation.head.load().applied {
            floor.advance(applied.index);
        }
        let shared = Arc::new(Self {
            directory,
            generation: ArcSwap::from_pointee(generation),
            block_cache,
            floor: floor.clone(),
            fatal,
            newest: Mutex::new(newest),
            building: Mutex::new(()),
            flushing: Mutex::new(()),
            unflushed_bytes: AtomicU64::new(0),
        });
        let weak: Weak<Self> = Arc::downgrade(&shared);
        floor.on_demand(Box::new(move || weak.upgrade().map_or(Ok(()), |shared| shared.flush())));
        shared
    }

    /// Flushes every table together with the applied log id, and lets the log forget that much.
    pub(super) fn flush(&self) -> io::Result<()> {
        let _one_at_a_time = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.generation.load_full();
        let Some(applied) = generation.head.load().applied else { return Ok(()) };
        if self.floor.covers(applied.index) {
            return Ok(());
        }
        self.unflushed_bytes.store(0, Ordering::Relaxed);
        let families = tables::FAMILIES.map(|name| rocks::family(&generation.db, name));
        let families: Vec<_> = families.iter().collect();
        let mut options = FlushOptions::default();
        options.set_wait(true);
        generation.db.flush_cfs_opt(&families, &options).map_err(|error| self.fail(error))?;
        // If we crash here, the log still has entries that the state no longer needs; applying starts after them.
        self.floor.advance(applied.index);
        Ok(())
    }

    pub(super) fn fail(&self, error: rocksdb::Error) -> io::Error {
        self.stop(rocks::io_error(error))
    }

    /// Tells the node that it must stop, and gives the error that openraft is told.
    pub(super) fn stop(&self, error: io::Error) -> io::Error {
        (self.fatal)(Fatal::State(error.to_string()));
        error
    }
}

impl Generation {
    pub(super) fn open(number: u64, path: &Path, block_cache: &Cache) -> io::Result<Self> {
        let db = tables::open(path, block_cache).map_err(rocks::io_error)?;
        let head = Head::load(&db)?;
        let generation = Self {
            number,
            head: ArcSwap::from_pointee(head),
            register: ArcSwap::default(),
            db,
            folder: Folder { path: path.to_owned(), discarded: AtomicBool::new(false) },
        };
        let revision = generation.head.load().meta.register_revision;
        if revision > 0 {
            let text = generation.get(tables::REGISTER, &revision.to_be_bytes())?;
            let text = tables::document_of(&text.ok_or_else(|| malformed("the register in force is missing"))?)?;
            generation.register.store(Arc::new(Document { revision, text }));
        }
        Ok(generation)
    }

    pub(super) fn head(&self) -> Arc<Head> {
        self.head.load_full()
    }

    /// Shows what has just been written.
    pub(super) fn publish(&self, head: Head, document: Option<String>) {
        if let Some(text) = document {
            self.register.store(Arc::new(Document { revision: head.meta.register_revision, text }));
        }
        self.head.store(Arc::new(head));
    }

    /// Removes the folder once the last reader has gone.
    pub(super) fn discard(&self) {
        self.folder.discarded.store(true, Ordering::Release);
    }

    fn get(&self, family: &str, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.db.get_cf(rocks::family(&self.db, family), key).map_err(rocks::io_error)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.discarded.load(Ordering::Acquire)
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            // The next start removes it.
            tracing::warn!(path = %self.path.display(), %error, "an old state could not be removed");
        }
    }
}

fn leaf_of(bytes: &[u8]) -> io::Result<LeafBytes> {
    bytes.try_into().map_err(|_| malformed("leaf"))
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("applied", &self.applied()).field("meta", &self.meta()).finish()
    }
}
