//! C2SP tlog-tiles: the tree as files that any static web server can serve.
//!
//! ```text
//! tile/<L>/<N>[.p/<W>]         W hashes of level L; 256 without `.p/<W>`
//! tile/entries/<N>[.p/<W>]     W entries, each behind its length (u16 big-endian)
//! ```
//!
//! A hash of level L is the root of a complete subtree of 256^L leaves, so a full tile is hashed into one hash of the
//! tile above it and a partial one into none. Files never change: a tile that grows gets another name.

mod audit;
mod bundle;
mod reader;

use std::fmt;

use super::Hash;

pub use audit::{AuditError, audit};
pub use bundle::{BundleError, ENTRY_BYTES_MAX, decode_bundle, encode_bundle};
pub use reader::{TileHashes, TileReadError, TileSource};

/// Hashes, or entries, in a full tile.
pub const TILE_WIDTH: u16 = 256;

/// Bytes of a full tile of hashes.
pub const TILE_BYTES: usize = TILE_WIDTH as usize * HASH_BYTES;

/// Levels of the tree that one level of tiles spans.
pub const TILE_HEIGHT: u8 = 8;

/// Where the checkpoint is served, beside the tiles.
pub const CHECKPOINT_PATH: &str = "checkpoint";

/// "`<L>` is a decimal ASCII number between 0 and 63".
const LEVEL_MAX: u8 = 63;

/// Longest path there is: seven elements of an index of 64 bits, level and width.
const PATH_BYTES_MAX: usize = 64;

const HASH_BYTES: usize = 32;

/// Coordinates of a tile: the file's name, one to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    layer: Layer,
    index: u64,
    width: u16,
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The entries themselves.
    Entries,
    /// Hashes of complete subtrees of 256^L leaves.
    Hashes(u8),
}

/// Why a path or bytes are not those of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The path is none, or not the one spelling of its tile.
    #[error("not the path of a tile")]
    Path,
    /// A level beyond 63 or a width beyond 256.
    #[error("there is no such tile")]
    NoSuchTile,
    /// A tile of this width has another number of bytes.
    #[error("a tile of {width} hashes has {bytes} bytes")]
    Length {
        /// Hashes it should have.
        width: u16,
        /// Bytes it has.
        bytes: usize,
    },
}

impl Tile {
    /// A tile by its coordinates; `width` is 256 for a full one.
    ///
    /// # Errors
    /// [`TileError::NoSuchTile`].
    pub const fn new(layer: Layer, index: u64, width: u16) -> Result<Self, TileError> {
        let is_known = match layer {
            Layer::Entries => true,
            Layer::Hashes(level) => level <= LEVEL_MAX,
        };
        if is_known && width >= 1 && width <= TILE_WIDTH {
            Ok(Self { layer, index, width })
        } else {
            Err(TileError::NoSuchTile)
        }
    }

    /// The tile of this layer and index in a tree of `size` leaves, if the tree reaches it.
    #[must_use]
    pub fn of_tree(layer: Layer, index: u64, size: u64) -> Option<Self> {
        let begin = index.checked_mul(u64::from(TILE_WIDTH))?;
        let left_over = hashes_of_level(layer, size).checked_sub(begin)?;
        let width = u16::try_from(left_over.min(u64::from(TILE_WIDTH))).expect("at most 256");
        Self::new(layer, index, width).ok()
    }

    /// What it holds.
    #[must_use]
    pub const fn layer(&self) -> Layer {
        self.layer
    }

    /// Its place among the tiles of its layer, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Hashes or entries in it, 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it will never grow.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The path below the log's prefix; the same as [`fmt::Display`].
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }

    /// Reads a path below the log's prefix.
    ///
    /// # Errors
    /// [`TileError::Path`] unless it is the one spelling of a tile.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        if path.len() > PATH_BYTES_MAX {
            return Err(TileError::Path);
        }
        let (layer, rest) = path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(TileError::Path)?;
        let layer = match layer {
            "entries" => Layer::Entries,
            level => Layer::Hashes(level.parse().map_err(|_| TileError::Path)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().map_err(|_| TileError::Path)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index = 0_u64;
        for element in number.split('/') {
            let digits = element.strip_prefix('x').unwrap_or(element);
            let group: u16 = digits.parse().map_err(|_| TileError::Path)?;
            index =
                index.checked_mul(1000).and_then(|index| index.checked_add(u64::from(group))).ok_or(TileError::Path)?;
        }
        let tile = Self::new(layer, index, width).map_err(|_| TileError::Path)?;
        // Whatever was read loosely above is held to the one spelling here.
        if tile.path() == path { Ok(tile) } else { Err(TileError::Path) }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Layer::Entries => f.write_str("tile/entries/")?,
            Layer::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let digits = self.index.to_string();
        let padded = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        let elements = padded.len() / 3;
        for element in 0..elements {
            let is_last = element + 1 == elements;
            let group = padded.get(element * 3..element * 3 + 3).expect("a multiple of three digits");
            write!(f, "{}{group}{}", if is_last { "" } else { "x" }, if is_last { "" } else { "/" })?;
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Every tile of a tree: of each layer the full ones and, where some hashes are left over, the partial one.
pub fn tiles_of(size: u64) -> impl Iterator<Item = Tile> {
    tiles_changed(0, size)
}

/// The tiles that a tree of `to` leaves has and that of `from` has not: what is to be written when it grows.
/// Entries come first and levels in order, so that whoever writes them in this order never leaves a hash without what
/// it is the hash of.
pub fn tiles_changed(from: u64, to: u64) -> impl Iterator<Item = Tile> {
    let levels = (0..=u8::try_from(u64::BITS / u32::from(TILE_HEIGHT)).expect("eight")).map(Layer::Hashes);
    std::iter::once(Layer::Entries).chain(levels).flat_map(move |layer| {
        let (before, after) = (hashes_of_level(layer, from), hashes_of_level(layer, to));
        let width = u64::from(TILE_WIDTH);
        let indexes = if after > before { before / width..after.div_ceil(width) } else { 0..0 };
        indexes.filter_map(move |index| Tile::of_tree(layer, index, to))
    })
}

/// Hashes, or entries, that a layer has in a tree of `size` leaves.
fn hashes_of_level(layer: Layer, size: u64) -> u64 {
    match layer {
        Layer::Entries => size,
        Layer::Hashes(level) => size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0),
    }
}

/// The bytes of a tile of hashes.
#[must_use]
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// The hashes of a tile.
///
/// # Errors
/// [`TileError::Length`].
pub fn decode_hashes(bytes: &[u8], width: u16) -> Result<&[Hash], TileError> {
    match bytes.as_chunks::<HASH_BYTES>() {
        (hashes, []) if hashes.len() == usize::from(width) => Ok(hashes),
        _ => Err(TileError::Length { width, bytes: bytes.len() }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn paths(tiles: impl Iterator<Item = Tile>) -> Vec<String> {
        tiles.map(|tile| tile.path()).collect()
    }

    fn count(size: u64, layer: Layer) -> (usize, Option<u16>) {
        let tiles: Vec<Tile> = tiles_of(size).filter(|tile| tile.layer == layer).collect();
        let partial: Vec<u16> = tiles.iter().filter(|tile| !tile.is_full()).map(|tile| tile.width).collect();
        assert!(partial.len() <= 1);
        (tiles.len() - partial.len(), partial.first().copied())
    }

    #[test]
    fn an_index_is_written_in_elements_of_three_digits() {
        for (index, path) in [
            (0, "tile/0/000"),
            (7, "tile/0/007"),
            (999, "tile/0/999"),
            (1_000, "tile/0/x001/000"),
            (1_234_067, "tile/0/x001/x234/067"),
            (u64::MAX, "tile/0/x018/x446/x744/x073/x709/x551/615"),
        ] {
            let tile = Tile::new(Layer::Hashes(0), index, TILE_WIDTH).expect("a tile");
            assert_eq!(tile.path(), path);
            assert_eq!(Tile::parse(path), Ok(tile));
        }
        let partial = Tile::new(Layer::Entries, 1_234_067, 8).expect("a tile");
        assert_eq!(partial.path(), "tile/entries/x001/x234/067.p/8");
        assert_eq!(Tile::parse("tile/entries/x001/x234/067.p/8"), Ok(partial));
    }

    #[test]
    fn other_spellings_are_no_paths() {
        for path in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/000/",
            "tile/0//000",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/+1/000",
            "tile/-1/000",
            "tile/data/000",
            "tile/0/x000/000",
            "tile/0/x001",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/X001/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/+00",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
            "checkpoint",
            "tile/0/x001/../000",
            "tile/0/٠٠٠",
            "tile/0/000 ",
        ] {
            assert_eq!(Tile::parse(path), Err(TileError::Path), "{path}");
        }
    }

    #[test]
    fn the_examples_of_the_specification() {
        // "Size 256: a full level 0 tile and a partial level 1 tile of width 1."
        assert_eq!(paths(tiles_of(256)), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(
            paths(tiles_of(600)),
            [
                "tile/entries/000",
                "tile/entries/001",
                "tile/entries/002.p/88",
                "tile/0/000",
                "tile/0/001",
                "tile/0/002.p/88",
                "tile/1/000.p/2",
            ]
        );
        // "70,000: 256 full and one partial of width 112; level 1 one full and one partial of width 17; level 2 width 1."
        assert_eq!(count(70_000, Layer::Entries), (273, Some(112)));
        assert_eq!(count(70_000, Layer::Hashes(0)), (273, Some(112)));
        assert_eq!(count(70_000, Layer::Hashes(1)), (1, Some(17)));
        assert_eq!(count(70_000, Layer::Hashes(2)), (0, Some(1)));
        assert_eq!(count(70_000, Layer::Hashes(3)), (0, None));
        assert_eq!(tiles_of(0).count(), 0);
    }

    #[test]
    fn what_changes_is_what_the_larger_tree_has_and_the_smaller_has_not() {
        for (from, to) in [(0, 1), (1, 1), (255, 256), (256, 257), (250, 70_000), (65_535, 65_536), (600, 600), (9, 3)]
        {
            let before: BTreeSet<Tile> = tiles_of(from).collect();
            let after: BTreeSet<Tile> = tiles_of(to).collect();
            let changed: BTreeSet<Tile> = tiles_changed(from, to).collect();
            let expected: BTreeSet<Tile> =
                if to >= from { after.difference(&before).copied().collect() } else { BTreeSet::new() };
            assert_eq!(changed, expected, "from {from} to {to}");
        }
    }

    #[test]
    fn the_largest_tree_has_eight_levels() {
        assert!(Tile::of_tree(Layer::Hashes(7), 0, u64::MAX).is_some());
        assert!(Tile::of_tree(Layer::Hashes(8), 0, u64::MAX).is_none());
        assert!(Tile::of_tree(Layer::Hashes(0), u64::MAX, u64::MAX).is_none());
        let newest: Vec<Tile> = tiles_changed(u64::MAX - 1, u64::MAX).collect();
        assert_eq!(newest.len(), 2, "an entry and its hash");
    }

    #[test]
    fn hashes_are_read_as_written() {
        let hashes = [[1; 32], [2; 32]];
        assert_eq!(decode_hashes(&encode_hashes(&hashes), 2), Ok(&hashes[..]));
        for (width, bytes) in [(1, 64), (3, 64), (2, 63), (2, 65), (0, 64)] {
            assert!(decode_hashes(&vec![0; bytes], width).is_err(), "{width} {bytes}");
        }
    }

    proptest! {
        #[test]
        fn every_tile_has_one_path(layer in prop_oneof![Just(Layer::Entries), (0_u8..=63).prop_map(Layer::Hashes)],
                                   index: u64, width in 1_u16..=256) {
            let tile = Tile::new(layer, index, width).expect("a tile");
            prop_assert!(tile.path().len() <= PATH_BYTES_MAX);
            prop_assert_eq!(Tile::parse(&tile.path()), Ok(tile));
        }
    }
}
