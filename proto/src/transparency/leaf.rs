//! The leaf: 201 fixed bytes, no personal data, partition keys in clear.
//!
//! ```text
//! offset  bytes  field
//!      0      1  version (1)
//!      1      1  kind
//!      2      8  time, Unix milliseconds, big-endian; stamped by the leader
//!     10     16  request id
//!     26      4  portal ("office" of the design), big-endian as all that follow
//!     30     16  official: keyed pseudonym
//!     46      2  purpose
//!     48      4  procedure (its number in the register)
//!     52      4  register revision decided under
//!     56      8  fields: attributes in bits 0–31, claim kinds in bits 32–63
//!     64      1  verdict
//!     65     32  subject commitment
//!     97     32  attributes root
//!    129     32  addendum digest
//!    161      8  record version (0 where none may be told)
//!    169     32  previous: link to the person's leaf before this one, written at apply; see [`trail`](super::trail)
//! ```

use crate::vocab::{PortalId, RequestId};

use super::Hash;

/// Bytes of a leaf of version 1.
pub const LEAF_BYTES: usize = 201;

/// Bytes no leaf of any version will exceed, so that readers can bound what they take.
pub const LEAF_BYTES_MAX: usize = 300;

/// A leaf as it travels in the Raft entry and is hashed: verbatim, never encoded again.
pub type LeafBytes = [u8; LEAF_BYTES];

const VERSION: u8 = 1;
const TIME_OFFSET: usize = 2;
const PREVIOUS_OFFSET: usize = 169;

/// A leaf's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// What happened.
    pub kind: LeafKind,
    /// When the leader stamped it, Unix milliseconds; 0 in a draft.
    pub time_ms: u64,
    /// The request it answers.
    pub request_id: RequestId,
    /// The portal that asked; 0 for none.
    pub portal: PortalId,
    /// Pseudonym of the official, under an epoch key.
    pub official: [u8; 16],
    /// Purpose of the procedure, from the register.
    pub purpose: u16,
    /// The procedure's number in the register; 0 if unknown.
    pub procedure: u32,
    /// Register revision the decision was made under.
    pub register_revision: u32,
    /// Attributes asked for in bits 0–31, claim kinds in bits 32–63.
    pub fields: u64,
    /// What was decided.
    pub verdict: LeafVerdict,
    /// Salted commitment to the person asked about.
    pub subject: Hash,
    /// Root over the salted commitments to everything answered.
    pub attributes_root: Hash,
    /// SHA-256 of the sealed addendum.
    pub addendum_digest: Hash,
    /// Version of the record the decision read; 0 where telling it would tell whether the person is known.
    pub record_version: u64,
    /// Link to the person's leaf before this one; zero in a draft, and in leaves that answer nothing about a person.
    pub previous: Hash,
}

/// What a leaf records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LeafKind {
    /// A decided question.
    Disclosed = 1,
    /// A refused question.
    Refused = 2,
    /// An administrative act.
    Admin = 3,
    /// A change of keys or of the register.
    Policy = 4,
    /// An erasure.
    Erased = 5,
    /// First leaf of a year's shard.
    ShardOpen = 6,
    /// A probe that the log can be written.
    Canary = 7,
}

/// The verdict as the log tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LeafVerdict {
    /// Nothing was decided about a person.
    None = 0,
    /// Confirmed, and every claim matched.
    Match = 1,
    /// Not confirmed, or some claim did not match.
    NoMatch = 2,
    /// It cannot be told.
    Undetermined = 3,
    /// Refused.
    Refused = 4,
}

/// Why bytes are not a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Another number of bytes.
    #[error("a leaf has {LEAF_BYTES} bytes, {0} were given")]
    Length(usize),
    /// Another version.
    #[error("leaf version {0} is not known here")]
    Version(u8),
    /// A field has a value this version does not know.
    #[error("leaf field `{0}` has an unknown value")]
    Field(&'static str),
}

impl Leaf {
    /// The bytes that are hashed into the tree.
    #[must_use]
    pub fn encode(&self) -> LeafBytes {
        let mut writer = Writer { bytes: [0; LEAF_BYTES], at: 0 };
        writer.put(&[VERSION, self.kind as u8]);
        writer.put(&self.time_ms.to_be_bytes());
        writer.put(self.request_id.bytes());
        writer.put(&self.portal.0.to_be_bytes());
        writer.put(&self.official);
        writer.put(&self.purpose.to_be_bytes());
        writer.put(&self.procedure.to_be_bytes());
        writer.put(&self.register_revision.to_be_bytes());
        writer.put(&self.fields.to_be_bytes());
        writer.put(&[self.verdict as u8]);
        writer.put(&self.subject);
        writer.put(&self.attributes_root);
        writer.put(&self.addendum_digest);
        writer.put(&self.record_version.to_be_bytes());
        writer.put(&self.previous);
        assert_eq!(writer.at, LEAF_BYTES, "the layout above fills the leaf exactly");
        writer.bytes
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// [`LeafError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() != LEAF_BYTES {
            return Err(LeafError::Length(bytes.len()));
        }
        let mut reader = Reader { bytes };
        let [version] = reader.take();
        if version != VERSION {
            return Err(LeafError::Version(version));
        }
        Ok(Self {
            kind: LeafKind::of(reader.take::<1>()[0])?,
            time_ms: u64::from_be_bytes(reader.take()),
            request_id: RequestId::try_from(reader.take::<16>()).map_err(|_| LeafError::Field("request_id"))?,
            portal: PortalId(u32::from_be_bytes(reader.take())),
            official: reader.take(),
            purpose: u16::from_be_bytes(reader.take()),
            procedure: u32::from_be_bytes(reader.take()),
            register_revision: u32::from_be_bytes(reader.take()),
            fields: u64::from_be_bytes(reader.take()),
            verdict: LeafVerdict::of(reader.take::<1>()[0])?,
            subject: reader.take(),
            attributes_root: reader.take(),
            addendum_digest: reader.take(),
            record_version: u64::from_be_bytes(reader.take()),
            previous: reader.take(),
        })
    }

    /// Stamps the leader's time into a draft.
    pub fn stamp(bytes: &mut LeafBytes, time_ms: u64) {
        bytes[TIME_OFFSET..TIME_OFFSET + 8].copy_from_slice(&time_ms.to_be_bytes());
    }

    /// Writes the link to the person's leaf before this one into a stamped draft.
    pub fn link(bytes: &mut LeafBytes, previous: &Hash) {
        bytes[PREVIOUS_OFFSET..].copy_from_slice(previous);
    }

    /// The time in a leaf's bytes.
    #[must_use]
    pub fn stamped_ms(bytes: &LeafBytes) -> u64 {
        u64::from_be_bytes(bytes[TIME_OFFSET..TIME_OFFSET + 8].try_into().expect("eight bytes of a fixed layout"))
    }
}

impl LeafKind {
    fn of(byte: u8) -> Result<Self, LeafError> {
        Ok(match byte {
            1 => Self::Disclosed,
            2 => Self::Refused,
            3 => Self::Admin,
            4 => Self::Policy,
            5 => Self::Erased,
            6 => Self::ShardOpen,
            7 => Self::Canary,
            _ => return Err(LeafError::Field("kind")),
        })
    }
}

impl LeafVerdict {
    fn of(byte: u8) -> Result<Self, LeafError> {
        Ok(match byte {
            0 => Self::None,
            1 => Self::Match,
            2 => Self::NoMatch,
            3 => Self::Undetermined,
            4 => Self::Refused,
            _ => return Err(LeafError::Field("verdict")),
        })
    }
}

struct Writer {
    bytes: LeafBytes,
    at: usize,
}

impl Writer {
    fn put(&mut self, field: &[u8]) {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.bytes.split_first_chunk().expect("the length was checked against the layout");
        self.bytes = rest;
        *field
    }
}
