//! The state as others read it: a cheap handle that follows the generation in force.

use std::{
    fmt, fs, io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use rocksdb::{Cache, FlushOptions, IteratorMode, ReadOptions};
use xacminh_core::{
    apply::{BudgetKey, Meta, Seen, Shard, Trail},
    command::{RecordKey, RequestKey, TreeHead},
};
use xacminh_proto::transparency::{
    Hash, LeafBytes,
    trail::{Chain, TrailId},
};

use super::{
    disk::DataDir,
    encoding::{LogIdOf, malformed},
    entries::Mark,
    fatal::{Fatal, FatalHook},
    floor::FlushedFloor,
    generation::Generation,
    hashes::TreeReader,
    log::Cleared,
    mirror, rocks,
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

/// A leaf with what only the state knows of what it is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// The leaf.
    pub leaf: LeafBytes,
    /// The dossier's mark; none for administrative entries.
    pub dossier: Option<[u8; 16]>,
}

pub(super) struct Shared {
    pub(super) directory: Arc<DataDir>,
    pub(super) generation: ArcSwap<Generation>,
    pub(super) block_cache: Cache,
    pub(super) floor: FlushedFloor,
    pub(super) fatal: FatalHook,
    /// The newest snapshot that can be sent.
    pub(super) newest: Mutex<Option<SnapshotDir>>,
    /// How often the tables that it links to had been scrubbed when it was made.
    pub(super) newest_scrubs: AtomicU64,
    /// Held while files of a snapshot are made, so that two builds do not meet.
    pub(super) building: Mutex<()>,
    flushing: Mutex<()>,
    /// Bytes written since the last flush, about.
    pub(super) unflushed_bytes: AtomicU64,
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

    /// Raft index of the newest erasure that may have been of this person, as far as this process knows; 0 if none was.
    #[must_use]
    pub fn newest_erasure_of(&self, person: &RecordKey) -> u64 {
        self.generation().erasures.newest_of(person)
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
        self.generation().read(tables::RECORDS, tables::record_key(key), |row| {
            tables::record_of(row).map(|(version, sealed)| (version, sealed.to_vec()))
        })
    }

    /// The register document in force, from memory.
    #[must_use]
    pub fn document(&self) -> Arc<Document> {
        self.generation().register.load_full()
    }

    /// The register document of a revision, in force or not; none if there never was one.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn document_of(&self, revision: u64) -> io::Result<Option<String>> {
        let found = self.generation().get(tables::REGISTER, &revision.to_be_bytes())?;
        found.map(|bytes| tables::document_of(&bytes)).transpose()
    }

    /// Where the sweep under way goes on, sealed; none before the first.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn sweep_cursor(&self) -> io::Result<Option<Vec<u8>>> {
        let found = self.generation().get(tables::META, tables::CURSOR)?;
        found.map(|bytes| tables::cursor_of(&bytes).map(<[u8]>::to_vec)).transpose()
    }

    /// Takes what was erased off the state's files: written out, and its tables compacted. Blocks for as long as that
    /// takes, which is to read and write every record and trail once. Gives the generation whose tables they are.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn scrub(&self) -> io::Result<u64> {
        self.shared.flush()?;
        let generation = self.shared.generation.load_full();
        for name in tables::PERSONAL {
            rocks::scrub(&generation.db, name, None)?;
        }
        generation.scrubs.fetch_add(1, Ordering::AcqRel);
        Ok(generation.number)
    }

    /// Raft index of the newest erasure that has not left the files yet, or has come back with the tables of another node's
    /// snapshot; none if there is nothing to clear.
    #[must_use]
    pub fn uncleared(&self, cleared: Cleared) -> Option<u64> {
        let generation = self.generation();
        let erased = generation.head.load().meta.erased;
        let is_cleared = erased == 0 || (erased <= cleared.index && generation.number == cleared.generation);
        (!is_cleared).then_some(erased)
    }

    /// Whether the only snapshot kept was made at or after an entry of the log and after [`Self::scrub`]: one that was made
    /// before keeps the tables as they were, whichever entry it stands at.
    ///
    /// # Errors
    /// If the disk cannot be read, or a snapshot came into force whose tables were not scrubbed yet.
    pub fn snapshot_is_clear(&self, index: u64) -> io::Result<bool> {
        // The one before is there until the last who sends it has finished.
        Ok(self.snapshot_is_new(index)? && fs::read_dir(self.shared.directory.snapshots())?.count() == 1)
    }

    /// Whether the newest snapshot was made at or after an entry of the log and after [`Self::scrub`].
    ///
    /// # Errors
    /// If a snapshot came into force whose tables were not scrubbed yet.
    pub fn snapshot_is_new(&self, index: u64) -> io::Result<bool> {
        let scrubs = self.generation().scrubs.load(Ordering::Acquire);
        if scrubs == 0 {
            return Err(io::Error::other("the state in force was not scrubbed"));
        }
        let stands = self.shared.newest().and_then(|newest| newest.manifest().log_id);
        let is_new = self.shared.newest_scrubs.load(Ordering::Acquire) == scrubs;
        Ok(is_new && stands.is_some_and(|log_id| log_id.index >= index))
    }

    /// The leaf at a position.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn leaf(&self, position: u64) -> io::Result<Option<LeafBytes>> {
        self.generation().leaf(position)
    }

    /// Leaves from a position on, at most `limit`; none of a position before [`Self::pruned`].
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn leaves(&self, from: u64, limit: usize) -> io::Result<Vec<LeafBytes>> {
        self.generation().leaves(from, limit)
    }

    /// The sealed addendum of the leaf at a position.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn addendum(&self, position: u64) -> io::Result<Option<Vec<u8>>> {
        self.generation().addendum(position)
    }

    /// What only the state knows of the leaf at a position; none where there is none.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn mark(&self, position: u64) -> io::Result<Option<Mark>> {
        self.generation().mark(position)
    }

    /// Entries before this position are no longer kept: of their leaves only marks and hashes are.
    #[must_use]
    pub fn pruned(&self) -> u64 {
        self.generation().head.load().pruned
    }

    /// The hash of the leaf at a position, also of one that is no longer kept; none beyond the log.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn leaf_hash(&self, position: u64) -> io::Result<Option<Hash>> {
        self.generation().leaf_hash(position)
    }

    /// The first position stamped at a time, Unix milliseconds, or later; the number of leaves if none is.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn position_at(&self, at_ms: u64) -> io::Result<u64> {
        self.generation().position_at(at_ms)
    }

    /// A person's own key: the index that made it, where their trail begins, the key sealed. None if nobody asked about
    /// them, or they were erased.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn person(&self, key: &RecordKey) -> io::Result<Option<(u64, Chain, Vec<u8>)>> {
        self.generation().read(tables::PEOPLE, key, tables::person_of)
    }

    /// The person whose trail bears this name; none if there never was one, or they were erased.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn owner(&self, trail: &TrailId) -> io::Result<Option<RecordKey>> {
        let found = self.generation().get(tables::OWNERS, trail)?;
        found.map(|bytes| bytes.try_into().map_err(|_| malformed("owner"))).transpose()
    }

    /// What the leaves about a person sum up to.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn trail(&self, key: &RecordKey) -> io::Result<Option<Trail>> {
        self.generation().read(tables::TRAILS, key, tables::trail_of)
    }

    /// Positions of all leaves of a trail, ascending.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn accesses(&self, trail: &Trail) -> io::Result<Vec<u64>> {
        self.generation().accesses(trail)
    }

    /// Leaves from a position on with what they are found by, at most `limit`, for the auditor's index.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn indexed(&self, from: u64, limit: usize) -> io::Result<Vec<Indexed>> {
        self.generation().indexed(from, limit)
    }

    /// The tree as it is now.
    #[must_use]
    pub fn tree(&self) -> TreeHead {
        self.generation().head.load().tree()
    }

    /// Every shard so far, the oldest first.
    #[must_use]
    pub fn shards(&self) -> Arc<Vec<Shard>> {
        self.generation().shards.load_full()
    }

    /// The shard whose tree a log of so many leaves ends in; none for an empty log.
    #[must_use]
    pub fn shard_at(&self, leaves: u64) -> Option<Shard> {
        self.generation().shard_at(leaves)
    }

    /// Hashes of a shard's tree, to make proofs from.
    #[must_use]
    pub fn hashes(&self, shard: Shard) -> TreeReader {
        TreeReader::new(Arc::clone(&self.generation()), shard)
    }

    /// How many leaves there were after the entry that brought the leaf at a position, and the entry's stamp.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn batch_of(&self, position: u64) -> io::Result<Option<(u64, u64)>> {
        self.generation().batch_of(position)
    }

    /// Whether a request has its leaf, and where.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn seen(&self, request: &RequestKey) -> io::Result<Option<Seen>> {
        self.generation().read(tables::SEEN, &request.bytes(), tables::seen_of)
    }

    /// Points counted against budgets, in the order of their keys, which ascend.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn points(&self, budgets: &[BudgetKey]) -> io::Result<Vec<u32>> {
        mirror::points(&self.generation(), budgets)
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
            // Also where the newest rows are hashed.
            options.set_total_order_seek(true);
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
        generation: Arc<Generation>,
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
            generation: ArcSwap::new(generation),
            block_cache,
            floor: floor.clone(),
            fatal,
            newest: Mutex::new(newest),
            newest_scrubs: AtomicU64::new(0),
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

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("applied", &self.applied()).field("meta", &self.meta()).finish()
    }
}
