//! RFC 6962 §2.1 tree hashing (SHA-256).

use sha2::{Digest, Sha256};

use super::Hash;

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

/// The root over leaf hashes in order; SHA-256 of nothing for an empty tree. Recursion is as deep as the tree is high.
#[must_use]
pub fn root_of_leaf_hashes(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
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

    fn hex(hash: &Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
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
            assert_eq!(hex(&root(&entries[..size])), expected, "{size} entries");
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
