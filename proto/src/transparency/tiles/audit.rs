//! The walk over a whole log: every entry against its hash, every tile against the one below, all against the root.

use super::{
    BundleError, Hash, Layer, TILE_HEIGHT, TILE_WIDTH, Tile, TileError, TileSource, decode_bundle, decode_hashes,
};
use crate::transparency::merkle::{Frontier, Subtree, leaf_hash};

/// What is wrong with a log. Its publisher is to blame, or whoever carried its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditError<E> {
    /// A tile has another length than its name says.
    #[error("tile {0}: {1}")]
    Tile(Tile, TileError),
    /// A bundle is none.
    #[error("bundle {0}: {1}")]
    Bundle(Tile, BundleError),
    /// An entry is not the one whose hash stands in the tree.
    #[error("entry {0} is not the one in the tree")]
    Entry(u64),
    /// A tile is not what the one below it hashes to.
    #[error("tile {0} is not what lies below it")]
    Hash(Tile),
    /// The entries lead to another root than the checkpoint's.
    #[error("the tree has another root")]
    Root,
    /// A tile could not be read.
    #[error("reading tile {0}")]
    Source(Tile, #[source] E),
}

/// Recomputes the tree of `size` leaves from a log's files and compares it with the root of a checkpoint.
/// With `entries`, the leaf hashes are those of the bundles; without, those of the lowest tiles are taken at their word
/// (a log whose entries were pruned still has its tree).
///
/// # Errors
/// [`AuditError`]: the first thing that is wrong.
pub fn audit<S: TileSource>(
    source: &mut S,
    size: u64,
    root: &Hash,
    entries: bool,
) -> Result<Frontier, AuditError<S::Error>> {
    let mut walk = Walk { source, size, levels: Vec::new() };
    let mut frontier = Frontier::new();
    for index in 0..size.div_ceil(u64::from(TILE_WIDTH)) {
        for hash in walk.leaf_hashes(index, entries)? {
            let mut completed = Vec::new();
            frontier.append_with(hash, |subtree, hash| completed.push((subtree, *hash)));
            completed.into_iter().try_for_each(|(subtree, hash)| walk.add(subtree, hash))?;
        }
    }
    for level in 0..walk.levels.len() {
        walk.compare(level)?;
    }
    if frontier.root() == *root { Ok(frontier) } else { Err(AuditError::Root) }
}

struct Walk<'a, S> {
    source: &'a mut S,
    size: u64,
    /// For each level of tiles: tiles compared already, and the hashes computed for the next one.
    levels: Vec<(u64, Vec<Hash>)>,
}

impl<S: TileSource> Walk<'_, S> {
    fn leaf_hashes(&mut self, index: u64, entries: bool) -> Result<Vec<Hash>, AuditError<S::Error>> {
        let tile = Tile::of_tree(Layer::Hashes(0), index, self.size).expect("the tree reaches this tile");
        let bytes = self.read(tile)?;
        let hashes = decode_hashes(&bytes, tile.width()).map_err(|error| AuditError::Tile(tile, error))?.to_vec();
        if entries {
            let tile = Tile::of_tree(Layer::Entries, index, self.size).expect("as many entries as hashes");
            let bytes = self.read(tile)?;
            let entries = decode_bundle(&bytes, tile.width()).map_err(|error| AuditError::Bundle(tile, error))?;
            let first = index * u64::from(TILE_WIDTH);
            for ((place, entry), hash) in (first..).zip(entries).zip(&hashes) {
                if leaf_hash(entry) != *hash {
                    return Err(AuditError::Entry(place));
                }
            }
        }
        Ok(hashes)
    }

    /// Takes the hash of a complete subtree, and compares the tile that it fills.
    fn add(&mut self, subtree: Subtree, hash: Hash) -> Result<(), AuditError<S::Error>> {
        // The lowest tiles are where the hashes came from.
        if subtree.level == 0 || !subtree.level.is_multiple_of(TILE_HEIGHT) {
            return Ok(());
        }
        let level = usize::from(subtree.level / TILE_HEIGHT) - 1;
        if self.levels.len() == level {
            self.levels.push((0, Vec::new()));
        }
        let (_, hashes) = self.levels.get_mut(level).expect("levels are filled from the lowest on");
        hashes.push(hash);
        if hashes.len() == usize::from(TILE_WIDTH) { self.compare(level) } else { Ok(()) }
    }

    fn compare(&mut self, level: usize) -> Result<(), AuditError<S::Error>> {
        let (index, hashes) = self.levels.get_mut(level).expect("a level that has hashes");
        if hashes.is_empty() {
            return Ok(());
        }
        let layer = Layer::Hashes(u8::try_from(level + 1).expect("eight levels at most"));
        let tile = Tile::of_tree(layer, *index, self.size).expect("the tree reaches this tile");
        *index += 1;
        let computed = std::mem::take(hashes);
        let bytes = self.read(tile)?;
        let found = decode_hashes(&bytes, tile.width()).map_err(|error| AuditError::Tile(tile, error))?;
        if found == computed { Ok(()) } else { Err(AuditError::Hash(tile)) }
    }

    fn read(&mut self, tile: Tile) -> Result<Vec<u8>, AuditError<S::Error>> {
        self.source.tile(tile).map_err(|error| AuditError::Source(tile, error))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::transparency::{
        merkle::root_of_leaf_hashes,
        tiles::{encode_bundle, encode_hashes, tiles_of},
    };

    struct Files(BTreeMap<Tile, Vec<u8>>);

    impl TileSource for Files {
        type Error = ();
        fn tile(&mut self, tile: Tile) -> Result<Vec<u8>, ()> {
            self.0.get(&tile).cloned().ok_or(())
        }
    }

    fn published(size: u64) -> (Files, Hash) {
        let entries: Vec<Vec<u8>> = (0..size).map(|index| index.to_be_bytes().to_vec()).collect();
        let mut levels: Vec<Vec<Hash>> = vec![entries.iter().map(|entry| leaf_hash(entry)).collect()];
        let root = root_of_leaf_hashes(&levels[0]);
        while levels[levels.len() - 1].len() >= 256 {
            let (full, _) = levels[levels.len() - 1].as_chunks::<256>();
            levels.push(full.iter().map(|tile| root_of_leaf_hashes(tile)).collect());
        }
        let bytes = |tile: Tile| {
            let from = usize::try_from(tile.index()).expect("small") * 256;
            let range = from..from + usize::from(tile.width());
            match tile.layer() {
                Layer::Entries => encode_bundle(&entries[range]).expect("a bundle"),
                Layer::Hashes(level) => encode_hashes(&levels[usize::from(level)][range]),
            }
        };
        (Files(tiles_of(size).map(|tile| (tile, bytes(tile))).collect()), root)
    }

    #[test]
    fn a_sound_log_passes() {
        for size in [0, 1, 255, 256, 257, 600, 65_536, 66_000] {
            let (mut files, root) = published(size);
            let frontier = audit(&mut files, size, &root, true).expect("a sound log");
            assert_eq!((frontier.size(), frontier.root()), (size, root));
        }
    }

    #[test]
    fn a_log_without_its_entries_still_has_its_tree() {
        let (mut files, root) = published(600);
        files.0.retain(|tile, _| tile.layer() != Layer::Entries);
        assert!(audit(&mut files, 600, &root, false).is_ok());
        assert!(matches!(audit(&mut files, 600, &root, true), Err(AuditError::Source(..))));
    }

    #[test]
    fn any_changed_bit_in_any_file_is_found() {
        let (sound, root) = published(66_000);
        let chosen = sound.0.keys().copied().filter(|tile| !tile.is_full() || tile.index() % 97 == 0);
        for tile in chosen.collect::<Vec<_>>() {
            for at in [0, sound.0[&tile].len() - 1] {
                let mut files = Files(sound.0.clone());
                files.0.get_mut(&tile).expect("a tile")[at] ^= 1;
                assert!(audit(&mut files, 66_000, &root, true).is_err(), "{tile} at {at}");
            }
        }
    }

    #[test]
    fn the_error_says_where() {
        let (mut files, root) = published(600);
        assert_eq!(audit(&mut files, 600, &[0; 32], true), Err(AuditError::Root));
        let bundle = Tile::parse("tile/entries/001").expect("a path");
        files.0.get_mut(&bundle).expect("a bundle")[2 + 7] ^= 1;
        assert_eq!(audit(&mut files, 600, &root, true), Err(AuditError::Entry(256)));
        let (mut files, root) = published(600);
        let above = Tile::parse("tile/1/000.p/2").expect("a path");
        files.0.get_mut(&above).expect("a tile")[40] ^= 1;
        assert_eq!(audit(&mut files, 600, &root, true), Err(AuditError::Hash(above)));
        files.0.get_mut(&above).expect("a tile").pop();
        let length = TileError::Length { width: 2, bytes: 63 };
        assert_eq!(audit(&mut files, 600, &root, true), Err(AuditError::Tile(above, length)));
    }
}
