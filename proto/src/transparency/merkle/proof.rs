//! Inclusion and consistency proofs: made as RFC 6962 §2.1.1 and §2.1.2 define them, checked as RFC 9162 §2.1.3.2 and
//! §2.1.4.2 lay down.

use super::{Hash, HashReader, empty_root, node_hash, root_of_range};

/// Hashes a proof may have: the height of the highest tree.
pub const PROOF_HASHES_MAX: usize = 64;

/// Why a proof proves nothing. It comes from outside, so nobody here is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf lies beyond the tree, or the older tree is larger than the newer one.
    #[error("position or size {position} lies beyond {size}")]
    Beyond {
        /// The leaf's index, or the older size.
        position: u64,
        /// The size it should be within.
        size: u64,
    },
    /// A proof for this position and size has another number of hashes.
    #[error("the proof has a wrong number of hashes")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Why a proof was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// What is asked for lies beyond the tree: the caller's mistake.
    #[error("position or size {position} lies beyond {size}")]
    Beyond {
        /// The leaf's index, or the older size.
        position: u64,
        /// The size it should be within.
        size: u64,
    },
    /// A hash could not be read.
    #[error("reading a hash of the tree")]
    Read(#[source] E),
}

/// The audit path of leaf `index` in the tree of `size` leaves, the leaf's sibling first.
///
/// # Errors
/// [`ProveError`].
pub fn prove_inclusion<R: HashReader>(
    reader: &mut R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    if index >= size {
        return Err(ProveError::Beyond { position: index, size });
    }
    // "PATH(m, D[n]) = PATH(m, D[0:k]) : MTH(D[k:n]) for m < k; and PATH(m - k, D[k:n]) : MTH(D[0:k]) for m >= k"
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        let sibling = if index < middle {
            let sibling = root_of_range(reader, middle, end);
            end = middle;
            sibling
        } else {
            let sibling = root_of_range(reader, begin, middle);
            begin = middle;
            sibling
        };
        path.push(sibling.map_err(ProveError::Read)?);
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `old` leaves is a prefix of that of `new` leaves.
///
/// Empty when either nothing came before or nothing was added: there is nothing to prove, only roots to compare.
///
/// # Errors
/// [`ProveError`].
pub fn prove_consistency<R: HashReader>(reader: &mut R, old: u64, new: u64) -> Result<Vec<Hash>, ProveError<R::Error>> {
    if old > new {
        return Err(ProveError::Beyond { position: old, size: new });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    // "SUBPROOF(m, D[n], b) = SUBPROOF(m, D[0:k], b) : MTH(D[k:n]) for m <= k; and
    //  SUBPROOF(m - k, D[k:n], false) : MTH(D[0:k]) for m > k", down to "SUBPROOF(m, D[m], ..)".
    let (mut begin, mut end) = (0, new);
    let mut is_whole_old_tree = true;
    let mut proof = Vec::new();
    while end != old {
        let middle = begin + split(end - begin);
        let other = if old <= middle {
            let other = root_of_range(reader, middle, end);
            end = middle;
            other
        } else {
            let other = root_of_range(reader, begin, middle);
            begin = middle;
            is_whole_old_tree = false;
            other
        };
        proof.push(other.map_err(ProveError::Read)?);
    }
    if !is_whole_old_tree {
        proof.push(root_of_range(reader, begin, end).map_err(ProveError::Read)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root that a leaf hash and its audit path lead to; to be compared with a root one trusts.
///
/// # Errors
/// [`ProofError::Beyond`] and [`ProofError::Length`].
pub fn root_of_inclusion(leaf_hash: &Hash, index: u64, size: u64, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::Beyond { position: index, size });
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = *leaf_hash;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            // On the right edge, levels at which the node has no sibling are skipped.
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(hash) } else { Err(ProofError::Length) }
}

/// Checks that a leaf hash stands at `index` in the tree of this size and root.
///
/// # Errors
/// [`ProofError`].
pub fn check_inclusion(leaf_hash: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if root_of_inclusion(leaf_hash, index, size, proof)? == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree `old` (size and root) is a prefix of the tree `new`.
///
/// # Errors
/// [`ProofError`].
pub fn check_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), ProofError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return Err(ProofError::Beyond { position: old_size, size: new_size });
    }
    if old_size == 0 || old_size == new_size {
        // Without leaves there is one root; and the same leaves have the same root.
        let expected = if old_size == 0 { empty_root() } else { *new_root };
        return match (proof.is_empty(), *old_root == expected && (new_size != 0 || *new_root == expected)) {
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::Root),
            (false, _) => Err(ProofError::Length),
        };
    }
    let (mut place, mut last) = (old_size - 1, new_size - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    // A complete old tree is a node of the new one; its own root is then left out of the proof.
    let (first, rest) =
        if old_size.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(ProofError::Length)? };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if place & 1 == 1 || place == last {
            old_hash = node_hash(hash, &old_hash);
            new_hash = node_hash(hash, &new_hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

/// "Let k be the largest power of two smaller than n"; n is at least 2.
const fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::transparency::merkle::{Subtree, leaf_hash, root_of_leaf_hashes};

    /// A tree that hashes its leaves anew whenever it is asked: slow and beyond doubt.
    struct Leaves(Vec<Hash>);

    impl HashReader for Leaves {
        type Error = Infallible;
        fn hash(&mut self, subtree: Subtree) -> Result<Hash, Infallible> {
            let (from, count) = (usize::try_from(subtree.index << subtree.level).expect("small"), 1 << subtree.level);
            Ok(root_of_leaf_hashes(&self.0[from..from + count]))
        }
    }

    fn leaves(count: u64) -> Leaves {
        Leaves((0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect())
    }

    /// RFC 6962 §2.1.1, word by word.
    fn specified_path(m: usize, d: &[Hash]) -> Vec<Hash> {
        let n = d.len();
        if n == 1 {
            return vec![];
        }
        let k = largest_power_below(n);
        if m < k {
            [specified_path(m, &d[..k]), vec![root_of_leaf_hashes(&d[k..])]].concat()
        } else {
            [specified_path(m - k, &d[k..]), vec![root_of_leaf_hashes(&d[..k])]].concat()
        }
    }

    /// RFC 6962 §2.1.2, word by word.
    fn specified_subproof(m: usize, d: &[Hash], b: bool) -> Vec<Hash> {
        let n = d.len();
        if m == n {
            return if b { vec![] } else { vec![root_of_leaf_hashes(d)] };
        }
        let k = largest_power_below(n);
        if m <= k {
            [specified_subproof(m, &d[..k], b), vec![root_of_leaf_hashes(&d[k..])]].concat()
        } else {
            [specified_subproof(m - k, &d[k..], false), vec![root_of_leaf_hashes(&d[..k])]].concat()
        }
    }

    fn largest_power_below(n: usize) -> usize {
        (0..).map(|power| 1 << power).take_while(|k| *k < n).last().expect("1 is smaller than n")
    }

    fn check_both_proofs(tree: &mut Leaves, old: usize, new: usize) {
        let wide = |number: usize| u64::try_from(number).expect("small");
        let root = root_of_leaf_hashes(&tree.0[..new]);
        let old_root = root_of_leaf_hashes(&tree.0[..old]);
        if old < new {
            let leaf = tree.0[old];
            let path = prove_inclusion(tree, wide(old), wide(new)).expect("within the tree");
            assert_eq!(path, specified_path(old, &tree.0[..new]), "path of {old} in {new}");
            assert_eq!(check_inclusion(&leaf, wide(old), wide(new), &path, &root), Ok(()), "{old} in {new}");
            damage(&path, |path| check_inclusion(&leaf, wide(old), wide(new), path, &root));
            assert!(check_inclusion(&leaf_hash(b"x"), wide(old), wide(new), &path, &root).is_err());
            if new > 1 {
                let other = (old + 1) % new;
                assert!(check_inclusion(&leaf, wide(other), wide(new), &path, &root).is_err(), "{old} at {other}");
            }
        }
        let proof = prove_consistency(tree, wide(old), wide(new)).expect("old comes first");
        if old > 0 {
            assert_eq!(proof, specified_subproof(old, &tree.0[..new], true), "from {old} to {new}");
        }
        let check = |proof: &[Hash]| check_consistency((wide(old), &old_root), (wide(new), &root), proof);
        assert_eq!(check(&proof), Ok(()), "from {old} to {new}");
        damage(&proof, check);
        let wrong = leaf_hash(b"another tree");
        assert!(check_consistency((wide(old), &wrong), (wide(new), &root), &proof).is_err(), "from {old} to {new}");
        if old > 0 {
            assert!(check_consistency((wide(old), &old_root), (wide(new), &wrong), &proof).is_err());
        }
    }

    /// Any hash changed, left out, doubled or added makes a proof worthless.
    fn damage(proof: &[Hash], check: impl Fn(&[Hash]) -> Result<(), ProofError>) {
        for at in 0..proof.len() {
            let mut changed = proof.to_vec();
            changed[at][at % 32] ^= 1;
            assert_eq!(check(&changed), Err(ProofError::Root));
            let mut shorter = proof.to_vec();
            shorter.remove(at);
            assert!(check(&shorter).is_err());
            let mut longer = proof.to_vec();
            longer.insert(at, proof[at]);
            assert!(check(&longer).is_err());
        }
        let longer = [proof, &[[0; 32]]].concat();
        assert_eq!(check(&longer), Err(ProofError::Length));
    }

    #[test]
    fn every_proof_of_every_small_tree_is_the_specified_one() {
        let mut tree = leaves(130);
        for new in 0..=130 {
            // All of the smaller half, then those around the places where trees change their shape.
            for old in (0..=new).filter(|old| new <= 40 || old % 7 == new % 7 || (old & (old - 1.min(*old))) == 0) {
                check_both_proofs(&mut tree, old, new);
            }
        }
    }

    #[test]
    fn what_lies_beyond_is_an_error() {
        let mut tree = leaves(5);
        assert_eq!(prove_inclusion(&mut tree, 5, 5), Err(ProveError::Beyond { position: 5, size: 5 }));
        assert_eq!(prove_consistency(&mut tree, 5, 4), Err(ProveError::Beyond { position: 5, size: 4 }));
        let hash = [0; 32];
        assert_eq!(root_of_inclusion(&hash, 0, 0, &[]), Err(ProofError::Beyond { position: 0, size: 0 }));
        assert_eq!(check_consistency((5, &hash), (4, &hash), &[]), Err(ProofError::Beyond { position: 5, size: 4 }));
        assert_eq!(root_of_inclusion(&hash, u64::MAX - 1, u64::MAX, &[hash; 70]), Err(ProofError::Length));
    }

    #[test]
    fn nothing_before_nothing_needs_the_empty_root() {
        let (empty, other) = (empty_root(), [1; 32]);
        assert_eq!(check_consistency((0, &empty), (0, &empty), &[]), Ok(()));
        assert_eq!(check_consistency((0, &empty), (7, &other), &[]), Ok(()));
        assert_eq!(check_consistency((0, &other), (7, &other), &[]), Err(ProofError::Root));
        assert_eq!(check_consistency((0, &other), (0, &other), &[]), Err(ProofError::Root));
        assert_eq!(check_consistency((7, &other), (7, &other), &[]), Ok(()));
        assert_eq!(check_consistency((7, &empty), (7, &other), &[]), Err(ProofError::Root));
        assert_eq!(check_consistency((0, &empty), (7, &other), &[other]), Err(ProofError::Length));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn any_proof_is_the_specified_one(sizes in (0_usize..1_500, 131_usize..1_500)) {
            let (old, new) = (sizes.0.min(sizes.1), sizes.0.max(sizes.1));
            check_both_proofs(&mut leaves(1_500), old, new);
        }

        #[test]
        fn no_hashes_make_the_checkers_panic(
            (position, size) in any::<(u64, u64)>(),
            proof in prop::collection::vec(any::<Hash>(), 0..70),
            hash in any::<Hash>(),
        ) {
            prop_assert!(check_inclusion(&hash, position, size, &proof, &hash).is_err() || proof.is_empty());
            let _ = check_consistency((position, &hash), (size, &hash), &proof);
        }
    }
}
