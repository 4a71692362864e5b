//! The addendum: what the leaf must not say, sealed beside it.
//!
//! The plaintext ([`Addendum`]) never enters Raft; the [`Envelope`] does, and the leaf holds its SHA-256.
//!
//! ```text
//! envelope = version u8 (1) | wraps u8 | { kind u8 | key id u32 | nonce 12 | wrapped key 48 } … | nonce 12 | ciphertext
//! ```
//!
//! The data key is fresh for every leaf and wrapped once or more (audit key, later the subject's own key), so that
//! destroying a wrapping key makes addenda unreadable without touching the tree.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    codec::{self, CodecError},
    vocab::{Attribute, CLAIMS_MAX, Claim, Outcome},
};

use super::{Hash, Salt};

/// Largest addendum in plaintext, its version byte apart: the largest outcome with the largest claims stays under five sixths of it.
pub const ADDENDUM_BYTES_MAX: usize = 16 * 1024;

const ADDENDUM_VERSION: u8 = 1;
const ENVELOPE_VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const WRAPPED_BYTES: usize = 48;
const WRAP_BYTES: usize = 1 + 4 + NONCE_BYTES + WRAPPED_BYTES;

const TAG_BYTES: usize = 16;

/// Wraps an envelope may carry: audit key, subject key, and room for a rotation of both.
const WRAPS_MAX: usize = 4;

/// Salts an addendum may carry: one for every statement of the largest outcome.
const SALTS_MAX: usize = 1 + CLAIMS_MAX + Attribute::ALL.len();

/// Largest envelope: the largest addendum with its version byte, sealed under every wrap.
pub const ENVELOPE_BYTES_MAX: usize = 2 + WRAPS_MAX * WRAP_BYTES + NONCE_BYTES + 1 + ADDENDUM_BYTES_MAX + TAG_BYTES;

/// What an auditor may read about one leaf.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addendum {
    /// The number the question named, in ASCII digits.
    pub number: String,
    /// The official who asked.
    pub official: String,
    /// The dossier.
    pub dossier: String,
    /// The procedure's code.
    pub procedure: String,
    /// When the node decided, Unix milliseconds.
    pub decided_at_ms: u64,
    /// When the record was read from the authority, Unix milliseconds; 0 if none was.
    pub as_of_ms: u64,
    /// Salt of the subject commitment.
    pub subject_salt: Salt,
    /// Salts of the commitments under the attributes root, in the order of [`statements`](super::statements).
    #[serde(deserialize_with = "crate::bounds::list::<_, _, SALTS_MAX>")]
    pub salts: Vec<Salt>,
    /// What was claimed, arguments included: with it the receipt can be made again, byte by byte.
    #[serde(deserialize_with = "crate::bounds::list::<_, _, CLAIMS_MAX>")]
    pub claims: Vec<Claim>,
    /// What was answered: a retry of the request gets exactly this again. None for administrative entries.
    pub outcome: Option<Outcome>,
}

/// The sealed form that travels and is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The data key under each wrapping key: one to four.
    pub wraps: Vec<Wrap>,
    /// Nonce of the ciphertext.
    pub nonce: [u8; NONCE_BYTES],
    /// AES-256-GCM ciphertext and tag.
    pub ciphertext: Vec<u8>,
}

/// The data key of an envelope, wrapped under one key.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrap {
    /// Which kind of key wraps it.
    pub kind: WrapKind,
    /// Which key of that kind.
    pub key_id: u32,
    /// Nonce of the wrap.
    pub nonce: [u8; NONCE_BYTES],
    /// The wrapped key and its tag.
    pub wrapped: [u8; WRAPPED_BYTES],
}

/// Kinds of wrapping keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WrapKind {
    /// The audit key of the keyring.
    Audit = 1,
    /// The subject's own key.
    Subject = 2,
}

/// Why bytes are not an addendum or an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddendumError {
    /// Another version.
    #[error("addendum version {0} is not known here")]
    Version(u8),
    /// The bytes end early, or a count is out of bounds.
    #[error("malformed addendum")]
    Malformed,
    /// The plaintext is no addendum.
    #[error("addendum: {0}")]
    Codec(#[from] CodecError),
}

impl Addendum {
    /// The plaintext to seal: version byte, then bincode.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] beyond [`ADDENDUM_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        // What few addenda exceed, their tags included: a vector that grows to it moves four times.
        const USUAL_BYTES: usize = 512;
        // More salts than statements would be read by nobody.
        if self.salts.len() > SALTS_MAX || self.claims.len() > CLAIMS_MAX {
            return Err(CodecError::OutOfBounds);
        }
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        bytes.push(ADDENDUM_VERSION);
        codec::encode_into::<ADDENDUM_BYTES_MAX, _>(self, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads an opened addendum.
    ///
    /// # Errors
    /// [`AddendumError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, AddendumError> {
        match bytes.split_first() {
            Some((&ADDENDUM_VERSION, body)) => Ok(codec::decode::<ADDENDUM_BYTES_MAX, _>(body)?),
            Some((version, _)) => Err(AddendumError::Version(*version)),
            None => Err(AddendumError::Malformed),
        }
    }
}

impl Envelope {
    /// The bytes that travel in the Raft entry.
    ///
    /// # Panics
    /// When the envelope has no wrap, more than four, or a ciphertext beyond [`ENVELOPE_BYTES_MAX`]: the sealer made a
    /// mistake, and what nobody can open must not enter the log.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        assert!((1..=WRAPS_MAX).contains(&self.wraps.len()), "an envelope has one to {WRAPS_MAX} wraps");
        assert!(self.ciphertext.len() >= TAG_BYTES, "a ciphertext ends with its tag");
        let mut bytes = Vec::with_capacity(2 + self.wraps.len() * WRAP_BYTES + NONCE_BYTES + self.ciphertext.len());
        let wraps = u8::try_from(self.wraps.len()).expect("an envelope has a handful of wraps");
        bytes.extend_from_slice(&[ENVELOPE_VERSION, wraps]);
        for wrap in &self.wraps {
            bytes.push(wrap.kind as u8);
            bytes.extend_from_slice(&wrap.key_id.to_be_bytes());
            bytes.extend_from_slice(&wrap.nonce);
            bytes.extend_from_slice(&wrap.wrapped);
        }
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.ciphertext);
        assert!(bytes.len() <= ENVELOPE_BYTES_MAX, "an addendum is bounded before it is sealed");
        bytes
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// [`AddendumError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, AddendumError> {
        let (&version, rest) = bytes.split_first().ok_or(AddendumError::Malformed)?;
        if version != ENVELOPE_VERSION {
            return Err(AddendumError::Version(version));
        }
        let (&count, mut rest) = rest.split_first().ok_or(AddendumError::Malformed)?;
        if !(1..=WRAPS_MAX).contains(&usize::from(count)) || bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(AddendumError::Malformed);
        }
        let mut wraps = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let (wrap, after) = rest.split_first_chunk::<WRAP_BYTES>().ok_or(AddendumError::Malformed)?;
            wraps.push(Wrap::decode(wrap)?);
            rest = after;
        }
        let (nonce, ciphertext) = rest.split_first_chunk().ok_or(AddendumError::Malformed)?;
        if ciphertext.len() < TAG_BYTES {
            return Err(AddendumError::Malformed);
        }
        Ok(Self { wraps, nonce: *nonce, ciphertext: ciphertext.to_vec() })
    }

    /// SHA-256 of the encoded envelope, as the leaf holds it.
    #[must_use]
    pub fn digest(encoded: &[u8]) -> Hash {
        Sha256::digest(encoded).into()
    }
}

impl Wrap {
    fn decode(bytes: &[u8; WRAP_BYTES]) -> Result<Self, AddendumError> {
        let kind = match bytes[0] {
            1 => WrapKind::Audit,
            2 => WrapKind::Subject,
            _ => return Err(AddendumError::Malformed),
        };
        let part = |from: usize, to: usize| bytes.get(from..to).ok_or(AddendumError::Malformed);
        let fixed = |_| AddendumError::Malformed;
        Ok(Self {
            kind,
            key_id: u32::from_be_bytes(part(1, 5)?.try_into().map_err(fixed)?),
            nonce: part(5, 17)?.try_into().map_err(fixed)?,
            wrapped: part(17, WRAP_BYTES)?.try_into().map_err(fixed)?,
        })
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({:?}, {} bytes)", self.wraps, self.ciphertext.len())
    }
}

impl fmt::Debug for Wrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} key {}", self.kind, self.key_id)
    }
}

impl fmt::Debug for Addendum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Addendum(…)")
    }
}
