//! The frontier: what must be remembered of a tree to append to it.
//!
//! ```text
//! encoded  version u8 (1) ‖ size u64 big-endian ‖ one hash for each bit of the size, the largest subtree first
//! ```

use super::{Hash, HashReader, Subtree, empty_root, node_hash};

/// Bytes of the largest frontier: 64 subtrees.
pub const FRONTIER_BYTES_MAX: usize = HEADER_BYTES + 64 * HASH_BYTES;

const VERSION: u8 = 1;
const HASH_BYTES: usize = 32;
const HEADER_BYTES: usize = 1 + 8;

/// The roots of the complete subtrees of a tree, the largest first: at most 64 hashes, whatever the size.
///
/// Appending costs one hash on average and 64 at most; the root costs as many as there are subtrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// Why bytes are not a frontier: they come from our own disk or from a peer's snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// Another version.
    #[error("frontier version {0} is not known here")]
    Version(u8),
    /// Not one hash for each bit of the size.
    #[error("malformed frontier")]
    Malformed,
}

impl Frontier {
    /// The frontier of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// The frontier of the first `size` leaves of a tree whose hashes are kept elsewhere.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn read<R: HashReader>(reader: &mut R, size: u64) -> Result<Self, R::Error> {
        let mut peaks = Vec::with_capacity(size.count_ones() as usize);
        for level in (0..64_u8).rev().filter(|level| size >> level & 1 == 1) {
            // Leaves to the left of this subtree are those of the higher bits: its index at its own level is even.
            peaks.push(reader.hash(Subtree { level, index: (size >> level) - 1 })?);
        }
        Ok(Self { size, peaks })
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, the largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf by its hash.
    pub fn append(&mut self, leaf_hash: Hash) {
        self.append_with(leaf_hash, |_, _| {});
    }

    /// Appends a leaf by its hash and hands out every subtree that becomes complete, the leaf itself first: exactly
    /// what a store of tiles or of a [`HashReader`] must keep.
    ///
    /// # Panics
    /// When the tree has 2^64 - 1 leaves.
    pub fn append_with(&mut self, leaf_hash: Hash, mut completed: impl FnMut(Subtree, &Hash)) {
        let after = self.size.checked_add(1).expect("no log has 2^64 leaves");
        let (mut hash, mut level) = (leaf_hash, 0_u8);
        completed(Subtree { level, index: self.size }, &hash);
        while self.size >> level & 1 == 1 {
            let left = self.peaks.pop().expect("there is a peak for each bit of the size");
            hash = node_hash(&left, &hash);
            level += 1;
            completed(Subtree { level, index: self.size >> level }, &hash);
        }
        self.peaks.push(hash);
        self.size = after;
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |joined, peak| node_hash(peak, &joined))
    }

    /// The bytes to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.peaks.len() * HASH_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend(self.peaks.iter().flatten());
        bytes
    }

    /// Reads stored bytes. Whether they are those of a tree, only its root can tell.
    ///
    /// # Errors
    /// [`FrontierError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FrontierError> {
        let (&version, rest) = bytes.split_first().ok_or(FrontierError::Malformed)?;
        if version != VERSION {
            return Err(FrontierError::Version(version));
        }
        let (size, rest) = rest.split_first_chunk().ok_or(FrontierError::Malformed)?;
        let size = u64::from_be_bytes(*size);
        let (peaks, left_over) = rest.as_chunks::<HASH_BYTES>();
        if !left_over.is_empty() || peaks.len() != size.count_ones() as usize {
            return Err(FrontierError::Malformed);
        }
        Ok(Self { size, peaks: peaks.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::transparency::merkle::{leaf_hash, root, root_of_leaf_hashes};

    struct Kept(HashMap<Subtree, Hash>);

    impl HashReader for Kept {
        type Error = Subtree;
        fn hash(&mut self, subtree: Subtree) -> Result<Hash, Subtree> {
            self.0.get(&subtree).copied().ok_or(subtree)
        }
    }

    fn grown(size: u64) -> (Frontier, Kept, Vec<Hash>) {
        let (mut frontier, mut kept, mut leaves) = (Frontier::new(), HashMap::new(), Vec::new());
        for index in 0..size {
            leaves.push(leaf_hash(&index.to_be_bytes()));
            frontier.append_with(leaf_hash(&index.to_be_bytes()), |subtree, hash| {
                assert_eq!(kept.insert(subtree, *hash), None, "{subtree:?} is complete once");
            });
        }
        (frontier, Kept(kept), leaves)
    }

    #[test]
    fn every_size_has_the_specified_root() {
        let (_, mut kept, leaves) = grown(140);
        let mut frontier = Frontier::new();
        for (index, leaf) in leaves.iter().enumerate() {
            let size = frontier.size();
            assert_eq!(size, index as u64);
            assert_eq!(frontier.root(), root_of_leaf_hashes(&leaves[..index]), "{size} leaves");
            assert_eq!(root(&mut kept, size), Ok(frontier.root()), "{size} leaves, read");
            assert_eq!(Frontier::read(&mut kept, size), Ok(frontier.clone()), "{size} leaves, read");
            assert_eq!(Frontier::decode(&frontier.encode()), Ok(frontier.clone()));
            assert!(frontier.peaks().len() <= 64);
            frontier.append(*leaf);
        }
    }

    #[test]
    fn every_complete_subtree_is_handed_out_once_with_its_own_root() {
        let (_, kept, leaves) = grown(300);
        // One hash for each node of the tree: twice the leaves less one for each peak.
        assert_eq!(kept.0.len(), 600 - 300_u64.count_ones() as usize);
        for (subtree, hash) in kept.0 {
            let (from, count) = (usize::try_from(subtree.index << subtree.level).expect("small"), 1 << subtree.level);
            assert_eq!(hash, root_of_leaf_hashes(&leaves[from..from + count]), "{subtree:?}");
        }
    }

    #[test]
    fn other_bytes_are_no_frontier() {
        let encoded = grown(11).0.encode();
        for end in 0..encoded.len() {
            assert!(Frontier::decode(&encoded[..end]).is_err(), "cut to {end}");
        }
        assert_eq!(Frontier::decode(&[encoded.as_slice(), &[0]].concat()), Err(FrontierError::Malformed));
        assert_eq!(Frontier::decode(&[encoded.as_slice(), &[0; 32]].concat()), Err(FrontierError::Malformed));
        let newer = [&[2], &encoded[1..]].concat();
        assert_eq!(Frontier::decode(&newer), Err(FrontierError::Version(2)));
        let full = [&[1][..], &[0xff; 8], &[7; 64 * 32]].concat();
        assert_eq!(full.len(), FRONTIER_BYTES_MAX);
        assert_eq!(Frontier::decode(&full).map(|frontier| frontier.size()), Ok(u64::MAX));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_size_has_the_specified_root(size in 141_u64..5_000) {
            let (frontier, mut kept, leaves) = grown(size);
            prop_assert_eq!(frontier.root(), root_of_leaf_hashes(&leaves));
            prop_assert_eq!(root(&mut kept, size), Ok(frontier.root()));
            prop_assert_eq!(Frontier::read(&mut kept, size), Ok(frontier));
        }
    }
}
