//! The tree of RFC 6962 §2.1 (SHA-256): hashing, the frontier that grows it, and proofs over it.
//!
//! Whatever stores hashes implements [`HashReader`]; nothing here knows where they are kept.

mod frontier;
mod proof;

use sha2::{Digest, Sha256};

use super::Hash;

pub use frontier::{FRONTIER_BYTES_MAX, Frontier, FrontierError};
pub use proof::{
    PROOF_HASHES_MAX, ProofError, ProveError, check_consistency, check_inclusion, prove_consistency, prove_inclusion,
    root_of_inclusion,
};

/// A complete subtree: `1 << level` leaves from leaf `index << level` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtree {
    /// Height above the leaves; 0 is a leaf.
    pub level: u8,
    /// Place among the subtrees of this level, from 0.
    pub index: u64,
}

/// Where the hashes of complete subtrees come from.
pub trait HashReader {
    /// Why a hash could not be read.
    type Error;

    /// The hash of a complete subtree of the tree that is being read.
    ///
    /// # Errors
    /// Whatever the store says; the proof being made fails with it.
    fn hash(&mut self, subtree: Subtree) -> Result<Hash, Self::Error>;
}

/// SHA-256(0x00 ‖ entry).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// SHA-256(0x01 ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of the empty tree: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root of the first `size` leaves.
///
/// # Errors
/// Those of the reader.
pub fn root<R: HashReader>(reader: &mut R, size: u64) -> Result<Hash, R::Error> {
    root_of_range(reader, 0, size)
}

/// The Merkle tree hash of the leaves from `begin` up to `end`, where `begin` is a multiple of a power of two that is
/// not less than their count: every range that RFC 6962 §2.1 ever splits off.
fn root_of_range<R: HashReader>(reader: &mut R, begin: u64, end: u64) -> Result<Hash, R::Error> {
    // Splitting at the largest power of two again and again leaves one complete subtree for each bit of the length,
    // the largest first. They are joined from the right.
    let (mut right, mut left_over) = (end, end - begin);
    let mut root = None;
    while left_over != 0 {
        let level = trailing_zeros(left_over);
        right -= 1 << level;
        let hash = reader.hash(Subtree { level, index: right >> level })?;
        root = Some(root.map_or(hash, |joined| node_hash(&hash, &joined)));
        left_over &= left_over - 1;
    }
    Ok(root.unwrap_or_else(empty_root))
}

fn trailing_zeros(number: u64) -> u8 {
    u8::try_from(number.trailing_zeros()).expect("a u64 has 64 bits")
}

/// The root over leaf hashes in order; SHA-256 of nothing for an empty tree. Recursion is as deep as the tree is high.
#[must_use]
pub fn root_of_leaf_hashes(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [only] => *only,
        _ => {
            // "k be the largest power of two smaller than n (i.e., k < n <= 2k)": the first power of two from n/2 on.
            let split = (leaves.len().div_ceil(2)).next_power_of_two();
            let (left, right) = leaves.split_at(split);
            node_hash(&root_of_leaf_hashes(left), &root_of_leaf_hashes(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hex;

    /// RFC 6962 §2.1, word by word.
    fn specified(entries: &[Vec<u8>]) -> Hash {
        let n = entries.len();
        match n {
            0 => Sha256::digest(b"").into(),
            1 => Sha256::digest([&[0x00], entries[0].as_slice()].concat()).into(),
            _ => {
                let k = (0..).map(|power| 1_usize << power).take_while(|k| *k < n).last().expect("1 is smaller than 2");
                assert!(k < n && n <= 2 * k);
                let (left, right) = (specified(&entries[..k]), specified(&entries[k..]));
                Sha256::digest([&[0x01], left.as_slice(), right.as_slice()].concat()).into()
            }
        }
    }

    fn root(entries: &[Vec<u8>]) -> Hash {
        root_of_leaf_hashes(&entries.iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>())
    }

    #[test]
    fn the_roots_of_certificate_transparency() {
        // The eight entries and the roots that the reference implementation of RFC 6962 tests itself with.
        let entries: Vec<Vec<u8>> = [
            &[][..],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        ]
        .map(<[u8]>::to_vec)
        .to_vec();
        for (size, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(hex::text(&root(&entries[..size])), expected, "{size} entries");
        }
    }

    #[test]
    fn every_small_tree_is_the_specified_one() {
        let entries: Vec<Vec<u8>> = (0_u8..140).map(|entry| vec![entry; usize::from(entry % 5)]).collect();
        for size in 0..=entries.len() {
            assert_eq!(root(&entries[..size]), specified(&entries[..size]), "{size} entries");
        }
    }

    proptest! {
        #[test]
        fn any_tree_is_the_specified_one(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..70)) {
            prop_assert_eq!(root(&entries), specified(&entries));
        }
    }
}
