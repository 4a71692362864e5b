//! Subtree hashes out of tiles, so that proofs can be made from files.

use super::{Hash, Layer, TILE_HEIGHT, TILE_WIDTH, Tile, TileError, decode_hashes};
use crate::transparency::merkle::{HashReader, Subtree, root_of_leaf_hashes};

/// Where tiles come from: a directory, a web server, a store.
pub trait TileSource {
    /// Why a tile could not be read.
    type Error;

    /// The bytes of a tile.
    ///
    /// # Errors
    /// Whatever the source says.
    fn tile(&mut self, tile: Tile) -> Result<Vec<u8>, Self::Error>;
}

/// The hashes of a tree of a given size, read from its tiles.
///
/// What tiles say is not checked against a root here: check the proof that is made from them, or [`audit`](super::audit())
/// the whole tree.
#[derive(Debug)]
pub struct TileHashes<S> {
    source: S,
    size: u64,
    /// The tile read last: the hashes of a proof lie close together.
    last: Option<(Tile, Vec<u8>)>,
}

/// Why a hash could not be read from tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileReadError<E> {
    /// The subtree is not complete in a tree of this size: the caller's mistake.
    #[error("the tree has no such complete subtree")]
    NoSuchSubtree,
    /// The source served bytes of another length.
    #[error("tile {0}: {1}")]
    Tile(Tile, TileError),
    /// The source failed.
    #[error("reading a tile")]
    Source(#[source] E),
}

impl<S: TileSource> TileHashes<S> {
    /// A reader of the tree of `size` leaves.
    pub const fn new(source: S, size: u64) -> Self {
        Self { source, size, last: None }
    }
}

impl<S: TileSource> HashReader for TileHashes<S> {
    type Error = TileReadError<S::Error>;

    fn hash(&mut self, subtree: Subtree) -> Result<Hash, Self::Error> {
        let (tile, from, count) = place(subtree, self.size).ok_or(TileReadError::NoSuchSubtree)?;
        let bytes = match self.last.take() {
            Some((last, bytes)) if last == tile => bytes,
            _ => self.source.tile(tile).map_err(TileReadError::Source)?,
        };
        let hashes = decode_hashes(&bytes, tile.width()).map_err(|error| TileReadError::Tile(tile, error))?;
        let hash = root_of_leaf_hashes(hashes.get(from..from + count).ok_or(TileReadError::NoSuchSubtree)?);
        self.last = Some((tile, bytes));
        Ok(hash)
    }
}

/// The tile that holds the hashes under a subtree, the first of them and how many.
fn place(subtree: Subtree, size: u64) -> Option<(Tile, usize, usize)> {
    let end = subtree.index.checked_add(1).filter(|_| subtree.level < 64)?;
    if end > size >> subtree.level {
        return None;
    }
    let within = subtree.level % TILE_HEIGHT;
    // Complete subtrees end within the tree, so this cannot overflow: it is at most `size`.
    let first = subtree.index << within;
    let width = u64::from(TILE_WIDTH);
    let tile = Tile::of_tree(Layer::Hashes(subtree.level / TILE_HEIGHT), first / width, size)?;
    Some((tile, usize::try_from(first % width).expect("less than 256"), 1 << within))
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap};

    use super::*;
    use crate::transparency::{
        merkle::{self, Frontier, leaf_hash, prove_consistency, prove_inclusion},
        tiles::{encode_hashes, tiles_of},
    };

    pub(super) struct Files(pub(super) BTreeMap<Tile, Vec<u8>>, pub(super) Cell<usize>);

    impl TileSource for &mut Files {
        type Error = Tile;
        fn tile(&mut self, tile: Tile) -> Result<Vec<u8>, Tile> {
            self.1.set(self.1.get() + 1);
            self.0.get(&tile).cloned().ok_or(tile)
        }
    }

    fn files(size: u64) -> (Files, Vec<Hash>) {
        let leaves: Vec<Hash> = (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect();
        let mut levels: Vec<Vec<Hash>> = vec![leaves.clone()];
        while levels[levels.len() - 1].len() >= 256 {
            let (full, _) = levels[levels.len() - 1].as_chunks::<256>();
            levels.push(full.iter().map(|tile| root_of_leaf_hashes(tile)).collect());
        }
        let bytes = |tile: Tile| match tile.layer() {
            Layer::Entries => vec![],
            Layer::Hashes(level) => {
                let from = usize::try_from(tile.index()).expect("small") * 256;
                encode_hashes(&levels[usize::from(level)][from..from + usize::from(tile.width())])
            }
        };
        (Files(tiles_of(size).map(|tile| (tile, bytes(tile))).collect(), Cell::new(0)), leaves)
    }

    #[test]
    fn proofs_from_tiles_are_those_of_the_tree() {
        for size in [1, 255, 256, 257, 600, 70_000] {
            let (mut files, leaves) = files(size);
            let root = root_of_leaf_hashes(&leaves);
            let mut tiles = TileHashes::new(&mut files, size);
            assert_eq!(merkle::root(&mut tiles, size), Ok(root), "{size} leaves");
            let frontier = Frontier::read(&mut tiles, size).expect("all tiles are there");
            assert_eq!(frontier.root(), root);
            for index in [0, size / 3, size / 2, size - 1] {
                let leaf = leaves[usize::try_from(index).expect("small")];
                let path = prove_inclusion(&mut tiles, index, size).expect("all tiles are there");
                assert_eq!(merkle::check_inclusion(&leaf, index, size, &path, &root), Ok(()));
                let old_root = root_of_leaf_hashes(&leaves[..usize::try_from(index).expect("small")]);
                let proof = prove_consistency(&mut tiles, index, size).expect("all tiles are there");
                assert_eq!(merkle::check_consistency((index, &old_root), (size, &root), &proof), Ok(()));
            }
        }
    }

    #[test]
    fn a_proof_reads_each_tile_once() {
        let (mut files, _) = files(70_000);
        prove_inclusion(&mut TileHashes::new(&mut files, 70_000), 69_999, 70_000).expect("all tiles are there");
        assert!(files.1.get() <= 6, "{} tiles were read", files.1.get());
    }

    #[test]
    fn what_is_not_there_or_too_short_is_an_error() {
        let (mut files, _) = files(300);
        let first = *files.0.keys().find(|tile| tile.layer() == Layer::Hashes(0)).expect("a tile");
        let mut tiles = TileHashes::new(&mut files, 300);
        for (level, index) in [(0, 300), (1, 150), (8, 1), (9, 0), (63, 0), (64, 0), (255, 0), (3, u64::MAX)] {
            assert_eq!(tiles.hash(Subtree { level, index }), Err(TileReadError::NoSuchSubtree), "{level} {index}");
        }
        files.0.insert(first, vec![0; 31]);
        let short = TileHashes::new(&mut files, 300).hash(Subtree { level: 0, index: 0 });
        assert_eq!(short, Err(TileReadError::Tile(first, TileError::Length { width: 256, bytes: 31 })));
        files.0.remove(&first);
        let missing = TileHashes::new(&mut files, 300).hash(Subtree { level: 0, index: 0 });
        assert_eq!(missing, Err(TileReadError::Source(first)));
    }
}
