//! One life of the state: its tables, and what of them is kept in memory. Another begins when a snapshot is installed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use rocksdb::{Cache, DB, Direction, IteratorMode, ReadOptions, WriteBatch};
use xacminh_core::apply::{Growth, Meta, Shard, Trail};
use xacminh_proto::transparency::{
    Hash, LeafBytes,
    merkle::{self, Frontier, HashReader, Subtree, empty_root},
};

use super::{
    encoding::malformed,
    entries::{self, Mark, RecentLeaves},
    erasures::Erasures,
    hashes::{Edge, Recent, TreeReader, WIDTH},
    mirror::Budgets,
    rocks,
    state::{Document, Indexed},
    tables::{self, Head},
};

/// The tables in force, and what everybody reads without them.
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) head: ArcSwap<Head>,
    pub(super) register: ArcSwap<Document>,
    /// The oldest first.
    pub(super) shards: ArcSwap<Vec<Shard>>,
    pub(super) recent: Recent,
    recent_leaves: RwLock<RecentLeaves>,
    pub(super) budgets: Budgets,
    pub(super) erasures: Erasures,
    edge: Mutex<Edge>,
    /// How often its tables were scrubbed, in this process.
    pub(super) scrubs: AtomicU64,
    /// How single rows are read; made once, since RocksDB's take memory.
    reads: ReadOptions,
    // The database is closed before its folder is removed: fields are dropped in this order.
    pub(super) db: DB,
    folder: Folder,
}

/// Removes itself once nobody reads it and another generation is in force.
struct Folder {
    path: PathBuf,
    discarded: AtomicBool,
}

impl Generation {
    pub(super) fn open(number: u64, path: &Path, block_cache: &Cache) -> io::Result<Arc<Self>> {
        let db = tables::open(path, block_cache).map_err(rocks::io_error)?;
        let head = Head::load(&db)?;
        let erasures = Erasures::after(head.meta.erased);
        let shards = rocks::family(&db, tables::SHARDS);
        let shards = db.iterator_cf(shards, IteratorMode::Start).map(|pair| {
            let (key, value) = pair.map_err(rocks::io_error)?;
            tables::shard_of(&key, &value)
        });
        let shards = shards.collect::<io::Result<Vec<_>>>()?;
        let generation = Self {
            number,
            head: ArcSwap::from_pointee(head),
            register: ArcSwap::default(),
            shards: ArcSwap::from_pointee(shards),
            recent: Recent::default(),
            recent_leaves: RwLock::default(),
            budgets: Budgets::default(),
            erasures,
            reads: ReadOptions::default(),
            edge: Mutex::default(),
            scrubs: AtomicU64::new(0),
            db,
            folder: Folder { path: path.to_owned(), discarded: AtomicBool::new(false) },
        };
        let revision = generation.head.load().meta.register_revision;
        if revision > 0 {
            let text = generation.get(tables::REGISTER, &revision.to_be_bytes())?;
            let text = tables::document_of(&text.ok_or_else(|| malformed("the register in force is missing"))?)?;
            generation.register.store(Arc::new(Document { revision, text }));
        }
        let generation = Arc::new(generation);
        generation.open_tree()?;
        Ok(generation)
    }

    /// Reads the edge of the tree, and sees that tiles and leaves are those of the frontier: after a start or a snapshot
    /// nothing is signed or proved from a tree that does not fit together.
    fn open_tree(self: &Arc<Self>) -> io::Result<()> {
        let head = self.head.load_full();
        let (shard, size) = (head.meta.shard, head.frontier.size());
        if shard.first.checked_add(size) != Some(head.meta.leaves) {
            return Err(malformed("the frontier has another size than the shard"));
        }
        *self.edge() = Edge::load(self, shard, size)?;
        let read = Frontier::read(&mut TreeReader::new(Arc::clone(self), shard), size)?;
        if read == head.frontier { Ok(()) } else { Err(malformed("the tiles are not those of the frontier")) }
    }

    pub(super) fn head(&self) -> Arc<Head> {
        self.head.load_full()
    }

    /// Writes what the tree grew by into an entry's batch.
    pub(super) fn grow(&self, batch: &mut WriteBatch, meta: Meta, growth: &Growth) {
        let mut edge = self.edge();
        if let Some(shard) = growth.opened {
            if let Some(ended) = self.shards.load().last() {
                edge.close(self, batch, *ended);
            }
            let shards = rocks::family(&self.db, tables::SHARDS);
            batch.put_cf(shards, shard.first.to_be_bytes(), tables::shard_bytes(shard));
        }
        edge.add(self, batch, meta.shard, &growth.completed);
    }

    /// Shows what has just been written.
    pub(super) fn publish(&self, head: Head, document: Option<String>, growth: Option<&Growth>) {
        if let Some(text) = document {
            self.register.store(Arc::new(Document { revision: head.meta.register_revision, text }));
        }
        if let Some(growth) = growth {
            if let Some(shard) = growth.opened {
                let shards = self.shards.load().iter().copied().chain([shard]).collect();
                self.shards.store(Arc::new(shards));
            }
            self.recent.add(head.meta.shard, &growth.completed);
            let first = head.meta.leaves - u64::try_from(growth.leaves.len()).expect("a batch's length fits 64 bits");
            self.recent_leaves.write().unwrap_or_else(PoisonError::into_inner).add(first, &growth.leaves);
        }
        self.head.store(Arc::new(head));
    }

    /// The shard whose tree a log of so many leaves ends in.
    pub(super) fn shard_at(&self, leaves: u64) -> Option<Shard> {
        self.shards.load().iter().rev().find(|shard| shard.first < leaves).copied()
    }

    /// The shard that follows, if there is one.
    pub(super) fn shard_after(&self, shard: Shard) -> Option<Shard> {
        self.shards.load().iter().find(|other| other.first > shard.first).copied()
    }

    /// The root of the tree as it was when the log had so many leaves; none if it never had.
    pub(super) fn root_at(self: &Arc<Self>, head: &Head, leaves: u64) -> io::Result<Option<Hash>> {
        if leaves == head.meta.leaves {
            return Ok(Some(head.root));
        }
        if leaves > head.meta.leaves {
            return Ok(None);
        }
        let Some(shard) = self.shard_at(leaves) else { return Ok(Some(empty_root())) };
        merkle::root(&mut TreeReader::new(Arc::clone(self), shard), leaves - shard.first).map(Some)
    }

    pub(super) fn leaf(&self, position: u64) -> io::Result<Option<LeafBytes>> {
        if position < self.head.load().pruned {
            return Ok(None);
        }
        let recent = self.recent_leaves.read().unwrap_or_else(PoisonError::into_inner).get(position);
        if recent.is_some() { Ok(recent) } else { entries::leaf(&self.db, position) }
    }

    /// Leaves from a position on, at most `limit`; none of a position whose entry is no longer kept.
    pub(super) fn leaves(&self, from: u64, limit: usize) -> io::Result<Vec<LeafBytes>> {
        self.none_missing(from, limit, |limit| entries::leaves(&self.db, from, limit, true))
    }

    /// Leaves and what they are found by, read without displacing what questions need from the cache.
    pub(super) fn indexed(&self, from: u64, limit: usize) -> io::Result<Vec<Indexed>> {
        let leaves = self.none_missing(from, limit, |limit| entries::leaves(&self.db, from, limit, false))?;
        let marks = self.none_missing(from, leaves.len(), |limit| entries::marks(&self.db, from, limit))?;
        let indexed = leaves.into_iter().zip(marks);
        Ok(indexed.map(|(leaf, mark)| Indexed { leaf, dossier: mark.dossier }).collect())
    }

    /// Sees that what was read is all that was there when the reading began.
    fn none_missing<T>(
        &self,
        from: u64,
        limit: usize,
        read: impl FnOnce(usize) -> io::Result<Vec<T>>,
    ) -> io::Result<Vec<T>> {
        let there = self.head.load().meta.leaves.saturating_sub(from);
        let expected = limit.min(usize::try_from(there).unwrap_or(usize::MAX));
        let found = read(expected)?;
        match found.len() == expected {
            true => Ok(found),
            false if from < self.head.load().pruned => Ok(Vec::new()),
            false => Err(malformed("a leaf is missing")),
        }
    }

    pub(super) fn mark(&self, position: u64) -> io::Result<Option<Mark>> {
        entries::mark(&self.db, position)
    }

    pub(super) fn addendum(&self, position: u64) -> io::Result<Option<Vec<u8>>> {
        entries::addendum(&self.db, position)
    }

    /// Positions of a trail's leaves, ascending, walked back from its end.
    pub(super) fn accesses(&self, trail: &Trail) -> io::Result<Vec<u64>> {
        let mut positions = Vec::new();
        let mut at = (trail.count > 0).then_some(trail.last);
        while let Some(position) = at {
            let mark = self.mark(position)?.filter(|mark| mark.trail == Some(trail.id));
            let previous = mark.ok_or_else(|| malformed("a leaf of a trail is another's"))?.previous;
            if previous.is_some_and(|previous| previous >= position) {
                return Err(malformed("a trail does not lead back"));
            }
            positions.push(position);
            at = previous;
        }
        positions.reverse();
        let all = u64::try_from(positions.len()) == Ok(trail.count);
        if all { Ok(positions) } else { Err(malformed("a trail has another number of leaves than it counts")) }
    }

    /// The hash of the leaf at a position, from the tree: also of a leaf that is no longer kept.
    pub(super) fn leaf_hash(self: &Arc<Self>, position: u64) -> io::Result<Option<Hash>> {
        if position >= self.head.load().meta.leaves {
            return Ok(None);
        }
        let Some(shard) = self.shard_at(position + 1) else { return Ok(None) };
        let leaf = Subtree { level: 0, index: position - shard.first };
        TreeReader::new(Arc::clone(self), shard).hash(leaf).map(Some)
    }

    /// The largest position up to this one before which every leaf's hash is in a stored tile.
    pub(super) fn tiled_before(&self, position: u64) -> u64 {
        let Some(shard) = self.shard_at(position + 1) else { return 0 };
        position - (position - shard.first) % WIDTH
    }

    /// The first position stamped at a time or later; the number of leaves if none is.
    ///
    /// Stamps never go back, so that halving finds it with as many reads as the number of leaves has bits.
    pub(super) fn position_at(&self, at_ms: u64) -> io::Result<u64> {
        let (mut from, mut until) = (0, self.head.load().meta.leaves);
        while from < until {
            let middle = from + (until - from) / 2;
            let (end, stamp) = self.batch_of(middle)?.ok_or_else(|| malformed("a batch is missing"))?;
            if stamp < at_ms {
                from = end;
            } else {
                until = middle;
            }
        }
        Ok(from)
    }

    pub(super) fn batch_of(&self, position: u64) -> io::Result<Option<(u64, u64)>> {
        let Some(after) = position.checked_add(1) else { return Ok(None) };
        let after = after.to_be_bytes();
        let mode = IteratorMode::From(&after, Direction::Forward);
        let mut batches = self.db.iterator_cf(rocks::family(&self.db, tables::BATCHES), mode);
        let Some(pair) = batches.next() else { return Ok(None) };
        let (key, value) = pair.map_err(rocks::io_error)?;
        let leaves = key.as_ref().try_into().map_err(|_| malformed("batch"))?;
        Ok(Some((u64::from_be_bytes(leaves), tables::counted(&value, "batch")?)))
    }

    /// Removes the folder once the last reader has gone.
    pub(super) fn discard(&self) {
        self.folder.discarded.store(true, Ordering::Release);
    }

    /// What a row says, read where RocksDB has it.
    pub(super) fn read<T>(
        &self,
        family: &str,
        key: &[u8],
        value_of: impl FnOnce(&[u8]) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let row = self.db.get_pinned_cf_opt(rocks::family(&self.db, family), key, &self.reads);
        row.map_err(rocks::io_error)?.map(|row| value_of(&row)).transpose()
    }

    pub(super) fn get(&self, family: &str, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.read(family, key, |row| Ok(row.to_vec()))
    }

    fn edge(&self) -> std::sync::MutexGuard<'_, Edge> {
        self.edge.lock().unwrap_or_else(PoisonError::into_inner)
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
