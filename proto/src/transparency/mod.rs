//! The transparency log: leaf and commitments, tree and proofs, checkpoint and receipt.
//!
//! ```text
//! attr_j    = SHA-256("idv/attr/v1" ‖ len ‖ name_j ‖ salt_j ‖ len ‖ value_j), names and values from [`statements`]
//! attrs     = RFC 6962 root over the sorted attr_j
//! subject   = SHA-256("idv/subj/v1" ‖ salt_s ‖ number)
//! addendum  = sealed bytes; the leaf holds their SHA-256
//! leaf      = 201 fixed bytes, see [`Leaf`]
//! tree      = RFC 6962, see [`merkle`]; published as C2SP [`tiles`]
//! head      = C2SP [`Checkpoint`] in a signed [`note`], cosigned by witnesses ([`witness`])
//! receipt   = C2SP tlog-proof with leaf and openings, see [`Receipt`]; believed by a [`Policy`]
//! ```

mod addendum;
mod canonical;
mod checkpoint;
mod commitment;
mod disclosure;
mod encoding;
mod leaf;
pub mod merkle;
pub mod note;
mod packed;
pub mod policy;
mod receipt;
mod statement;
pub mod tiles;
pub mod trail;
mod verified;
pub mod witness;

pub use addendum::{ADDENDUM_BYTES_MAX, Addendum, AddendumError, ENVELOPE_BYTES_MAX, Envelope, Wrap, WrapKind};
pub use canonical::statements;
pub use checkpoint::{Checkpoint, CheckpointError};
pub use commitment::{Opening, Salt, attribute_commitment, attributes_root, subject_commitment};
pub use disclosure::{DISCLOSURE_BYTES_MAX, Disclosure, DisclosureError, STATEMENTS_MAX};
pub use leaf::{LEAF_BYTES, LEAF_BYTES_MAX, Leaf, LeafBytes, LeafError, LeafKind, LeafVerdict};
pub use packed::{PACKED_BYTES_MAX, PACKED_PREFIX};
pub use policy::Policy;
pub use receipt::{RECEIPT_BYTES_MAX, RECEIPT_HEADER, Receipt, ReceiptError};
pub use statement::{Stated, Statement, StatementError, StatementName};
pub use verified::{Contradiction, Verified};

/// A SHA-256 hash.
pub type Hash = [u8; 32];
