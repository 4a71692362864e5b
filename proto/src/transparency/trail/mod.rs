//! The trail: what ties the leaves about one person together, and tells nobody else that they belong together.
//!
//! ```text
//! chain_0 = 32 random bytes, made with the person's first leaf
//! link_n  = SHA-256("xacminh/trail-link/v1" ‖ chain_n)                    in leaf n, as `previous`
//! chain_n = SHA-256("xacminh/trail-chain/v1" ‖ chain_(n-1) ‖ leaf hash of leaf n-1)
//! ```
//!
//! Whoever is given `chain_0` and a person's leaves computes every link: a leaf that was left out, added or moved shows
//! in the next one. Without it a link is 32 random bytes. What was appended after the last leaf shown cannot show in it;
//! the log says how many there were, under its signature ([`TrailEnd`]).
//!
//! A [`TrailProof`] is all of it in one file. After an erasure a person's row begins anew with another `chain_0`: a trail
//! tells of what happened since, and nothing ties it to what was before.

mod end;
mod proof;

pub use end::{Promises, TrailEnd};
pub use proof::{
    Access, Place, TRAIL_BYTES_MAX, TRAIL_ENTRIES_MAX, TRAIL_HEADER, TRAIL_SHARDS_MAX, TrailEntry, TrailError,
    TrailProof, VerifiedTrail, head,
};

use sha2::{Digest, Sha256};

use super::Hash;

/// The chain of one person's leaves, at its newest end.
pub type Chain = Hash;

/// The name of a trail inside a node, from its `chain_0`: it tells leaves of one trail together, not whose trail it is.
pub type TrailId = [u8; 16];

/// SHA-256("xacminh/trail-id/v1" ‖ `chain_0`), its first half.
#[must_use]
pub fn id(first: &Chain) -> TrailId {
    let hash: Hash = Sha256::new().chain_update(b"xacminh/trail-id/v1").chain_update(first).finalize().into();
    *hash.first_chunk().expect("32 bytes begin with 16")
}

/// What the next leaf says of those before it.
#[must_use]
pub fn link(chain: &Chain) -> Hash {
    Sha256::new().chain_update(b"xacminh/trail-link/v1").chain_update(chain).finalize().into()
}

/// The chain after a leaf.
#[must_use]
pub fn extend(chain: &Chain, leaf_hash: &Hash) -> Chain {
    Sha256::new().chain_update(b"xacminh/trail-chain/v1").chain_update(chain).chain_update(leaf_hash).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    /// Kept in receipts and leaves for ever: these bytes do not change.
    #[test]
    fn chain_and_link_are_what_they_were() {
        let seed = [7; 32];
        let next = extend(&seed, &[9; 32]);
        assert_eq!(hex::text(&link(&seed)), "ca9bdb37e044002a92a4f861e11d7c10fe0af86cedab4687f0387b2cfc3561a7");
        assert_eq!(hex::text(&next), "fff4c5b7d13caea5a1e5e9458c803b27e10f01c8d094df97c3cc3bd314f4c4d5");
        assert_ne!(link(&seed), link(&next));
        assert_ne!(extend(&seed, &[8; 32]), next);
    }
}
