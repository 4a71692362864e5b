//! The hashes of the log's trees: the newest in memory, where the proofs of answers are made from, all others in tiles.
//!
//! ```text
//! apply ── completed subtrees ──▶ Edge ── tiles that changed ──▶ the entry's write batch
//!                              └▶ Recent                          once the batch is written
//! proofs ◀── TreeReader ◀── Recent, else tiles, else the leaves of the unfilled tile
//! ```
//!
//! A tile holds the hashes of one level in eight; those between are hashed again when a proof of an old leaf needs them.
//! Tiles of level 0 are written once they are full, or the shard has ended: until then the leaves say the same. Higher ones are written as they
//! grow, which is at most once in 256 leaves.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, RwLock},
};

use rocksdb::WriteBatch;
use xacminh_core::apply::Shard;
use xacminh_proto::transparency::{
    Hash,
    merkle::{HashReader, Subtree, leaf_hash, node_hash},
    tiles::{TILE_HEIGHT, TILE_WIDTH, encode_hashes},
};

use super::{encoding::malformed, generation::Generation, rocks, tables};

/// Leaves whose proofs need no disk: more than are ever between an entry's apply and the proofs of its answers.
const RECENT_LEAVES: usize = 32 * 1024;

/// Hashes kept of every level, however high: a proof needs the newest two.
const RECENT_HASHES_MIN: usize = 64;

/// Leaves of a tile of level 0.
pub(super) const WIDTH: u64 = TILE_WIDTH as u64;
const WIDTH_USIZE: usize = TILE_WIDTH as usize;

/// The newest hashes of the shard in force, by level.
#[derive(Default)]
pub(super) struct Recent(RwLock<Rings>);

#[derive(Default)]
struct Rings {
    shard: Shard,
    levels: Vec<Ring>,
}

#[derive(Default)]
struct Ring {
    /// Index of the oldest.
    from: u64,
    hashes: VecDeque<Hash>,
}

impl Recent {
    /// Keeps what an entry completed, after it was written.
    pub(super) fn add(&self, shard: Shard, completed: &[(Subtree, Hash)]) {
        let mut rings = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if rings.shard != shard {
            *rings = Rings { shard, levels: Vec::new() };
        }
        for (subtree, hash) in completed {
            let level = usize::from(subtree.level);
            if rings.levels.len() <= level {
                rings.levels.resize_with(level + 1, Ring::default);
            }
            rings.levels[level].push(subtree.index, *hash, (RECENT_LEAVES >> level).max(RECENT_HASHES_MIN));
        }
    }

    fn get(&self, shard: Shard, subtree: Subtree) -> Option<Hash> {
        let rings = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ring = rings.levels.get(usize::from(subtree.level)).filter(|_| rings.shard == shard)?;
        let at = usize::try_from(subtree.index.checked_sub(ring.from)?).ok()?;
        ring.hashes.get(at).copied()
    }
}

impl Ring {
    fn push(&mut self, index: u64, hash: Hash, hashes_max: usize) {
        if self.from + self.len() != index {
            // The first since the node started.
            (self.from, self.hashes) = (index, VecDeque::new());
        }
        self.hashes.push_back(hash);
        if self.hashes.len() > hashes_max {
            self.hashes.pop_front();
            self.from += 1;
        }
    }

    fn len(&self) -> u64 {
        u64::try_from(self.hashes.len()).expect("a ring is short")
    }
}

/// The tiles that are not full, lowest first; only apply has them.
#[derive(Default)]
pub(super) struct Edge {
    tiles: Vec<Vec<Hash>>,
}

impl Edge {
    /// Reads what the tree of this size has at its edge.
    pub(super) fn load(generation: &Generation, shard: Shard, size: u64) -> io::Result<Self> {
        let mut edge = Self::default();
        let mut hashes = size;
        for level in 0_u8.. {
            if hashes == 0 {
                break;
            }
            let mut tile = read_tile(generation, shard, level, hashes / WIDTH)?;
            let width = usize::try_from(hashes % WIDTH).expect("a tile is narrow");
            if tile.len() < width {
                return Err(malformed("a tile lacks hashes"));
            }
            tile.truncate(width);
            edge.tiles.push(tile);
            hashes /= WIDTH;
        }
        Ok(edge)
    }

    /// Takes what an entry completed, and writes the tiles that are to be written.
    pub(super) fn add(
        &mut self,
        generation: &Generation,
        batch: &mut WriteBatch,
        shard: Shard,
        completed: &[(Subtree, Hash)],
    ) {
        let family = rocks::family(&generation.db, tables::TILES);
        let mut grown = [None; 8];
        for (subtree, hash) in completed.iter().filter(|(subtree, _)| subtree.level % TILE_HEIGHT == 0) {
            let level = subtree.level / TILE_HEIGHT;
            let at = usize::from(level);
            if self.tiles.len() <= at {
                self.tiles.resize_with(at + 1, Vec::new);
            }
            self.tiles[at].push(*hash);
            grown[at] = Some(subtree.index / WIDTH);
            if self.tiles[at].len() == WIDTH_USIZE {
                let key = tables::tile_key(shard, level, subtree.index / WIDTH);
                batch.put_cf(family, key, encode_hashes(&self.tiles[at]));
                self.tiles[at].clear();
                grown[at] = None;
            }
        }
        // The leaves stand for the unfilled tile of level 0.
        for (level, index) in (0_u8..).zip(grown).skip(1) {
            if let Some(index) = index {
                let hashes = encode_hashes(&self.tiles[usize::from(level)]);
                batch.put_cf(family, tables::tile_key(shard, level, index), hashes);
            }
        }
    }

    /// Ends the tree of a shard. Its last tile of level 0 is written as it is: its leaves may not be kept as long.
    pub(super) fn close(&mut self, generation: &Generation, batch: &mut WriteBatch, shard: Shard) {
        if let Some(tile) = self.tiles.first().filter(|tile| !tile.is_empty()) {
            let size = generation.head().frontier.size();
            let family = rocks::family(&generation.db, tables::TILES);
            batch.put_cf(family, tables::tile_key(shard, 0, size / WIDTH), encode_hashes(tile));
        }
        self.tiles.clear();
    }
}

/// Reads the hashes of one shard's tree, as far as it has been applied.
pub struct TreeReader {
    generation: Arc<Generation>,
    shard: Shard,
    /// The tile read last: neighbours in a proof are often in one tile.
    tile: Option<(u8, u64, Vec<Hash>)>,
}

impl TreeReader {
    pub(super) const fn new(generation: Arc<Generation>, shard: Shard) -> Self {
        Self { generation, shard, tile: None }
    }

    /// The hashes of a tile of this tree, as many as there are now.
    ///
    /// # Errors
    /// If the disk cannot be read or what is on it is damaged.
    pub fn tile(&mut self, level: u8, index: u64) -> io::Result<&[Hash]> {
        if self.tile.as_ref().is_none_or(|(at, which, _)| (*at, *which) != (level, index)) {
            self.tile = Some((level, index, read_tile(&self.generation, self.shard, level, index)?));
        }
        Ok(self.tile.as_ref().map_or(&[], |(_, _, hashes)| hashes))
    }
}

impl HashReader for TreeReader {
    type Error = io::Error;

    fn hash(&mut self, subtree: Subtree) -> io::Result<Hash> {
        if let Some(hash) = self.generation.recent.get(self.shard, subtree) {
            return Ok(hash);
        }
        let (level, above) = (subtree.level / TILE_HEIGHT, subtree.level % TILE_HEIGHT);
        let first = subtree.index << above;
        let tile = self.tile(level, first / WIDTH)?;
        let from = usize::try_from(first % WIDTH).expect("a tile is narrow");
        let hashes = tile.get(from..from + (1 << above)).ok_or_else(|| malformed("a tile lacks hashes"))?;
        Ok(joined(hashes))
    }
}

/// The root over a power of two of hashes.
fn joined(hashes: &[Hash]) -> Hash {
    match hashes {
        [hash] => *hash,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&joined(left), &joined(right))
        }
    }
}

fn read_tile(generation: &Generation, shard: Shard, level: u8, index: u64) -> io::Result<Vec<Hash>> {
    let stored = generation.get(tables::TILES, &tables::tile_key(shard, level, index))?;
    match stored {
        Some(bytes) => {
            let (hashes, left_over) = bytes.as_chunks();
            if left_over.is_empty() { Ok(hashes.to_vec()) } else { Err(malformed("a tile")) }
        }
        None if level == 0 => {
            let first = shard.first + index * WIDTH;
            let next = generation.shard_after(shard).map_or(u64::MAX, |next| next.first);
            let leaves =
                generation.leaves(first, WIDTH_USIZE.min(usize::try_from(next - first).unwrap_or(WIDTH_USIZE)))?;
            Ok(leaves.iter().map(|leaf| leaf_hash(leaf)).collect())
        }
        None => Ok(Vec::new()),
    }
}
