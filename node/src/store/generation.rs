//! One life of the state: its tables, and what of them is kept in memory. Another begins when a snapshot is installed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use rocksdb::{Cache, DB, Direction, IteratorMode, ReadOptions, WriteBatch};
use xacminh_core::apply::{Growth, Meta, Shard};
use xacminh_proto::transparency::{
    Hash, LeafBytes,
    merkle::{self, Frontier, empty_root},
    trail::TrailId,
};

use super::{
    encoding::malformed,
    hashes::{Edge, Recent, TreeReader},
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
    edge: Mutex<Edge>,
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
            edge: Mutex::default(),
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
            edge.clear();
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
        self.get(tables::LEAVES, &position.to_be_bytes())?.map(|bytes| leaf_of(&bytes)).transpose()
    }

    pub(super) fn leaves(&self, from: u64, limit: usize) -> io::Result<Vec<LeafBytes>> {
        let start = from.to_be_bytes();
        let mode = IteratorMode::From(&start, Direction::Forward);
        let leaves = self.db.iterator_cf(rocks::family(&self.db, tables::LEAVES), mode);
        let leaves = leaves.take(limit).zip(from..).map(|(pair, position)| {
            let (key, bytes) = pair.map_err(rocks::io_error)?;
            if key.as_ref() == position.to_be_bytes() { leaf_of(&bytes) } else { Err(malformed("a leaf is missing")) }
        });
        leaves.collect()
    }

    /// Leaves and what they are found by, read without displacing what questions need from the cache.
    pub(super) fn indexed(&self, from: u64, limit: usize) -> io::Result<Vec<Indexed>> {
        let start = from.to_be_bytes();
        let rows = |name: &str| {
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            let mode = IteratorMode::From(&start, Direction::Forward);
            self.db.iterator_cf_opt(rocks::family(&self.db, name), options, mode).take(limit)
        };
        let found = rows(tables::LEAVES).zip(rows(tables::MARKS)).zip(from..).map(|((leaf, mark), position)| {
            let ((leaf_key, leaf), (mark_key, mark)) = (leaf.map_err(rocks::io_error)?, mark.map_err(rocks::io_error)?);
            let key = position.to_be_bytes();
            if leaf_key.as_ref() != key || mark_key.as_ref() != key {
                return Err(malformed("a leaf is missing"));
            }
            Ok(Indexed { leaf: leaf_of(&leaf)?, dossier: tables::mark_of(&mark)?.1 })
        });
        found.collect()
    }

    pub(super) fn accesses(&self, trail: &TrailId, from: u64, limit: usize) -> io::Result<Vec<u64>> {
        let start = tables::access_key(trail, from);
        let mode = IteratorMode::From(&start, Direction::Forward);
        let mut found = Vec::new();
        for pair in self.db.iterator_cf(rocks::family(&self.db, tables::ACCESSES), mode).take(limit) {
            let (key, _) = pair.map_err(rocks::io_error)?;
            let Some(position) = key.strip_prefix(trail) else { break };
            found.push(u64::from_be_bytes(position.try_into().map_err(|_| malformed("access"))?));
        }
        Ok(found)
    }

    pub(super) fn access_before(&self, trail: &TrailId, position: u64) -> io::Result<Option<u64>> {
        let start = tables::access_key(trail, position);
        let mode = IteratorMode::From(&start, Direction::Reverse);
        let Some(pair) = self.db.iterator_cf(rocks::family(&self.db, tables::ACCESSES), mode).next() else {
            return Ok(None);
        };
        let (key, _) = pair.map_err(rocks::io_error)?;
        let Some(position) = key.strip_prefix(trail) else { return Ok(None) };
        Ok(Some(u64::from_be_bytes(position.try_into().map_err(|_| malformed("access"))?)))
    }

    pub(super) fn batch_of(&self, position: u64) -> io::Result<Option<(u64, u64)>> {
        let Some(after) = position.checked_add(1) else { return Ok(None) };
        let after = after.to_be_bytes();
        let mode = IteratorMode::From(&after, Direction::Forward);
        let mut batches = self.db.iterator_cf(rocks::family(&self.db, tables::BATCHES), mode);
        let Some(pair) = batches.next() else { return Ok(None) };
        let (key, value) = pair.map_err(rocks::io_error)?;
        let leaves = key.as_ref().try_into().map_err(|_| malformed("batch"))?;
        Ok(Some((u64::from_be_bytes(leaves), tables::batch_of(&value)?)))
    }

    /// Removes the folder once the last reader has gone.
    pub(super) fn discard(&self) {
        self.folder.discarded.store(true, Ordering::Release);
    }

    pub(super) fn get(&self, family: &str, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.db.get_cf(rocks::family(&self.db, family), key).map_err(rocks::io_error)
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

fn leaf_of(bytes: &[u8]) -> io::Result<LeafBytes> {
    bytes.try_into().map_err(|_| malformed("leaf"))
}
