//! Salted commitments: they hide values of low entropy, and open one by one.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Hash, merkle};

/// 32 random bytes, fresh for every commitment: without them twelve digits are found by trying (promise P5).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salt(pub [u8; 32]);

/// What opens one commitment: its name, salt and value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// What is committed to, e.g. `claim/0/age_at_least` or `attribute/full_name`.
    pub name: String,
    /// The salt.
    pub salt: Salt,
    /// The value's canonical bytes.
    pub value: Vec<u8>,
}

/// SHA-256("idv/attr/v1" ‖ len(name) ‖ name ‖ salt ‖ len(value) ‖ value), lengths as u32 big-endian.
#[must_use]
pub fn attribute_commitment(name: &str, salt: &Salt, value: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"idv/attr/v1");
    put_sized(&mut hasher, name.as_bytes());
    hasher.update(salt.0);
    put_sized(&mut hasher, value);
    hasher.finalize().into()
}

/// RFC 6962 root over the commitments in ascending order, so that the order tells nothing.
#[must_use]
pub fn attributes_root(commitments: &mut [Hash]) -> Hash {
    commitments.sort_unstable();
    merkle::root_of_leaf_hashes(&commitments.iter().map(|hash| merkle::leaf_hash(hash)).collect::<Vec<_>>())
}

/// SHA-256("idv/subj/v1" ‖ salt ‖ number in ASCII digits).
#[must_use]
pub fn subject_commitment(salt: &Salt, number: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"idv/subj/v1");
    hasher.update(salt.0);
    hasher.update(number);
    hasher.finalize().into()
}

fn put_sized(hasher: &mut Sha256, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("names and values are far under 4 GiB");
    hasher.update(length.to_be_bytes());
    hasher.update(bytes);
}

impl Opening {
    /// The commitment this opens.
    #[must_use]
    pub fn commitment(&self) -> Hash {
        attribute_commitment(&self.name, &self.salt, &self.value)
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening(…)")
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}
