//! The keys of the log: what checkpoints are signed with, each within its time.
//!
//! Two keys may overlap: a checkpoint stamped inside both is signed by both, so that verifiers with either key believe
//! it while the new one is being spread. Which keys sign depends on the stamp and on nothing else: every node signs the
//! same head with the same bytes, today and in ten years.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::{KeyringError, SECRET_BYTES};

/// One key of the log.
pub struct LogKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
    from_ms: u64,
    until_ms: u64,
}

impl LogKey {
    /// A key from its seed, valid for stamps from `from_ms` up to but without `until_ms`.
    ///
    /// # Errors
    /// [`KeyringError::Malformed`] if the library refuses the seed.
    pub fn new(seed: &[u8; SECRET_BYTES], from_ms: u64, until_ms: u64) -> Result<Self, KeyringError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyringError::Malformed)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyringError::Malformed)?;
        Ok(Self { pair, public, from_ms, until_ms })
    }

    /// The public key, for verifiers.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether it signs heads of this stamp.
    #[must_use]
    pub const fn signs_at(&self, at_ms: u64) -> bool {
        self.from_ms <= at_ms && at_ms < self.until_ms
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey(from {} until {})", self.from_ms, self.until_ms)
    }
}
