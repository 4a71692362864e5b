//! The leaf of the transparency log, its commitments and the sealed addendum.
//!
//! ```text
//! attr_j    = SHA-256("idv/attr/v1" ‖ len ‖ name_j ‖ salt_j ‖ len ‖ value_j), names and values from [`statements`]
//! attrs     = RFC 6962 root over the sorted attr_j
//! subject   = SHA-256("idv/subj/v1" ‖ salt_s ‖ number)
//! addendum  = sealed bytes; the leaf holds their SHA-256
//! leaf      = 169 fixed bytes, see [`Leaf`]
//! ```

mod addendum;
mod canonical;
mod commitment;
mod leaf;
pub mod merkle;

pub use addendum::{ADDENDUM_BYTES_MAX, Addendum, AddendumError, ENVELOPE_BYTES_MAX, Envelope, Wrap, WrapKind};
pub use canonical::statements;
pub use commitment::{Opening, Salt, attribute_commitment, attributes_root, subject_commitment};
pub use leaf::{LEAF_BYTES, LEAF_BYTES_MAX, Leaf, LeafBytes, LeafError, LeafKind, LeafVerdict};

/// A SHA-256 hash.
pub type Hash = [u8; 32];
