//! Keys at rest: sealing, opening, row keys and pseudonyms.
//!
//! Every secret of the keyring file is expanded into subkeys, one for each purpose, so that bytes sealed for one purpose
//! never open for another:
//!
//! ```text
//! key N  ── sealing of records and of people's own keys, audit wrapping key N        replaced by rotation
//! index  ── row keys of citizen numbers, of old numbers, digests of questions and dossiers   never replaced: rows are found by them
//! official ── pseudonyms of officials                         replaced only with the epoch it belongs to
//! signing  ── checkpoints of the log                          replaced with an overlap, see [`LogKey`]
//! ```
//!
//! Trust: whoever holds the keyring reads every record. Whoever can write the sealed bytes but lacks the keyring can
//! delete or put back older bytes, but not change or move them: the row key is authenticated with the value.

mod addendum;
mod file;
mod marks;
mod signing;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};
use xacminh_proto::{
    transparency::AddendumError,
    vocab::{OfficialId, PersonNumber, PortalId},
};
use zeroize::{Zeroize, Zeroizing};

pub use addendum::PersonKey;
pub use file::{KekSource, KeyringFile};
pub use signing::LogKey;

/// Messages one process may seal under one key: NIST SP 800-38D §8.3 allows 2^32 random nonces for a key in all its
/// lives, and a key is shared by a handful of nodes and outlives some restarts of each.
const SEALS_MAX: u64 = 1 << 28;

const SEALED_VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 4 + NONCE_LEN;
const TAG_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// The keys of a node.
pub struct Keyring {
    /// In ascending order of ids.
    keys: Vec<Key>,
    /// Where in `keys` the one that seals is.
    current: usize,
    citizen_rows: Subkey,
    old_rows: Subkey,
    questions: Subkey,
    dossiers: Subkey,
    officials: Subkey,
    /// The oldest first.
    signing: Vec<LogKey>,
}

/// What sealed bytes are for; bytes sealed for one purpose do not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What is remembered of a person.
    Record,
    /// A person's own key.
    Person,
    /// Small values of the node's own, such as a feed's cursor.
    Local,
}

/// What is wrong with a keyring, or with bytes it should open.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Sealed bytes name a key that the keyring lacks.
    #[error("key {id} is missing from the keyring: add it back before its values can be read")]
    KeyMissing {
        /// The missing key.
        id: u32,
    },
    /// The keyring is another cluster's.
    #[error("data directory {path} was sealed under another keyring: bring back the keyring of this cluster")]
    Foreign {
        /// The directory.
        path: String,
    },
    /// The keyring names a current key that it lacks.
    #[error("the keyring says that key {id} is current, but does not contain it")]
    CurrentMissing {
        /// The missing key.
        id: u32,
    },
    /// Sealed bytes were changed, moved, cut off or sealed for another purpose.
    #[error("sealed bytes do not open with key {id}: they were changed, or belong elsewhere")]
    Rejected {
        /// The key they name.
        id: u32,
    },
    /// Bytes are not in the sealed form at all.
    #[error("not in the sealed form of this version")]
    Malformed,
    /// The person's own key was destroyed: nobody reads the addendum any more.
    #[error("the person was erased, and what was sealed under their key with them")]
    Erased,
    /// An addendum does not fit, or cannot be read.
    #[error("addendum: {0}")]
    Addendum(#[from] AddendumError),
    /// The current key has sealed all it may.
    #[error("key {id} has sealed all it may: add a new key and make it current")]
    Exhausted {
        /// The spent key.
        id: u32,
    },
    /// The keyring file cannot be read or written.
    #[error("keyring {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The keyring file is readable by everybody.
    #[error("keyring {path} is open to all users: chmod 600 it, and rotate its keys if others could read it")]
    Exposed {
        /// The file.
        path: String,
    },
    /// The keyring file's content is wrong; the content itself is never part of the error.
    #[error("keyring {path}: {problem}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The key-encryption key is needed and not there, or is not one.
    #[error("key-encryption key: {0}")]
    Kek(&'static str),
    /// The system's random generator failed.
    #[error("the system gives no random numbers")]
    Random,
}

/// A 32-byte key that wipes itself.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
struct Subkey([u8; SECRET_BYTES]);

struct Key {
    id: u32,
    /// Ready-made ciphers: setting one up costs as much as sealing a record.
    record: LessSafeKey,
    person: LessSafeKey,
    local: LessSafeKey,
    audit: Subkey,
    seals: AtomicU64,
}

impl Keyring {
    /// Expands a parsed keyring file.
    ///
    /// # Errors
    /// [`KeyringError::CurrentMissing`].
    pub fn from_file(file: &KeyringFile) -> Result<Self, KeyringError> {
        let mut keys: Vec<Key> = file.keys.iter().map(|(id, secret)| Key::new(*id, secret)).collect();
        keys.sort_by_key(|key| key.id);
        let current = keys
            .binary_search_by_key(&file.current, |key| key.id)
            .map_err(|_| KeyringError::CurrentMissing { id: file.current })?;
        let signing = file.signing.iter();
        let signing = signing.map(|key| LogKey::new(&key.secret, key.from_ms, key.until_ms.unwrap_or(u64::MAX)));
        Ok(Self {
            signing: signing.collect::<Result<_, _>>()?,
            keys,
            current,
            citizen_rows: Subkey::derive("xacminh 2026 row keys of citizen numbers v1", &file.index),
            old_rows: Subkey::derive("xacminh 2026 row keys of old numbers v1", &file.index),
            questions: Subkey::derive("xacminh 2026 question digests v1", &file.index),
            dossiers: Subkey::derive("xacminh 2026 dossier marks v1", &file.index),
            officials: Subkey::derive("xacminh 2026 pseudonyms of officials v1", &file.official),
        })
    }

    /// The keys of the log, the oldest first.
    #[must_use]
    pub fn log_keys(&self) -> &[LogKey] {
        &self.signing
    }

    /// The id of the key that seals now.
    #[must_use]
    pub fn current_id(&self) -> u32 {
        self.keys[self.current].id
    }

    /// Seals `plaintext`; `aad` (a row key, say) must be given again to open it.
    ///
    /// `version u8 | key id u32 | nonce 12 | ciphertext | tag 16`
    ///
    /// # Errors
    /// [`KeyringError::Exhausted`] or [`KeyringError::Random`].
    pub fn seal(&self, purpose: Purpose, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let key = &self.keys[self.current];
        key.count_seal()?;
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plaintext.len() + TAG_BYTES);
        sealed.push(SEALED_VERSION);
        sealed.extend_from_slice(&key.id.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = key
            .cipher(purpose)
            .seal_in_place_separate_tag(nonce_of(nonce), Aad::from(aad), &mut sealed[HEADER_BYTES..])
            .map_err(|_| KeyringError::Malformed)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] sealed.
    ///
    /// # Errors
    /// [`KeyringError::KeyMissing`], [`KeyringError::Rejected`] or [`KeyringError::Malformed`].
    pub fn open(&self, purpose: Purpose, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let (header, body) = sealed.split_first_chunk::<HEADER_BYTES>().ok_or(KeyringError::Malformed)?;
        let [version, a, b, c, d, nonce @ ..] = *header;
        if version != SEALED_VERSION {
            return Err(KeyringError::Malformed);
        }
        let key = self.key(u32::from_be_bytes([a, b, c, d]))?;
        open_in(key.cipher(purpose), nonce, aad, body).ok_or(KeyringError::Rejected { id: key.id })
    }

    /// Seals what is remembered of a person; it opens under the same row key only.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_record(&self, row_key: &[u8; 32], plaintext: &[u8]) -> Result<Vec<u8>, KeyringError> {
        self.seal(Purpose::Record, row_key, plaintext)
    }

    /// Opens what [`Self::seal_record`] sealed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_record(&self, row_key: &[u8; 32], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        self.open(Purpose::Record, row_key, sealed)
    }

    /// The key under which sealed bytes were sealed: re-sealing looks for those of retired keys.
    #[must_use]
    pub fn key_id_of(sealed: &[u8]) -> Option<u32> {
        let [version, a, b, c, d] = *sealed.first_chunk()?;
        (version == SEALED_VERSION).then_some(u32::from_be_bytes([a, b, c, d]))
    }

    /// The row key of a person: twelve digits must not be found by trying them (promise P5).
    #[must_use]
    pub fn row_key(&self, number: PersonNumber) -> [u8; 32] {
        match number {
            PersonNumber::Citizen(number) => *self.citizen_rows.hash(&[&number.digits()]).as_bytes(),
            PersonNumber::Old(number) => *self.old_rows.hash(&[&number.digits()]).as_bytes(),
        }
    }

    /// The name an official has in leaves: the same person at another portal has another.
    #[must_use]
    pub fn official_pseudonym(&self, portal: PortalId, official: &OfficialId) -> [u8; 16] {
        first_half(&self.officials.hash(&[&portal.0.to_be_bytes(), official.as_str().as_bytes()]))
    }

    /// Tells whether a repeated request asks the same question, without keeping the question.
    #[must_use]
    pub fn question_digest(&self, question: &[u8]) -> [u8; 16] {
        first_half(&self.questions.hash(&[question]))
    }

    fn key(&self, id: u32) -> Result<&Key, KeyringError> {
        match self.keys.binary_search_by_key(&id, |key| key.id) {
            Ok(at) => Ok(&self.keys[at]),
            Err(_) => Err(KeyringError::KeyMissing { id }),
        }
    }
}

impl Key {
    fn new(id: u32, secret: &[u8; SECRET_BYTES]) -> Self {
        let ready = |context| cipher(&Subkey::derive(context, secret).0);
        Self {
            id,
            record: ready("xacminh 2026 record sealing v1"),
            person: ready("xacminh 2026 person key sealing v1"),
            local: ready("xacminh 2026 local sealing v1"),
            audit: Subkey::derive("xacminh 2026 audit wrapping v1", secret),
            seals: AtomicU64::new(0),
        }
    }

    fn cipher(&self, purpose: Purpose) -> &LessSafeKey {
        match purpose {
            Purpose::Record => &self.record,
            Purpose::Person => &self.person,
            Purpose::Local => &self.local,
        }
    }

    fn count_seal(&self) -> Result<(), KeyringError> {
        let sealed = self.seals.fetch_add(1, Ordering::Relaxed);
        if sealed < SEALS_MAX { Ok(()) } else { Err(KeyringError::Exhausted { id: self.id }) }
    }
}

impl Subkey {
    fn derive(context: &str, secret: &[u8; SECRET_BYTES]) -> Self {
        Self(blake3::derive_key(context, secret))
    }

    /// Keyed BLAKE3 of the parts in a row; at most the last may vary in length.
    fn hash(&self, parts: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize()
    }
}

fn cipher(key: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key of AES-256"))
}

fn nonce_of(bytes: [u8; NONCE_LEN]) -> Nonce {
    Nonce::assume_unique_for_key(bytes)
}

fn open_in(cipher: &LessSafeKey, nonce: [u8; NONCE_LEN], aad: &[u8], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut opened = Zeroizing::new(body.to_vec());
    let length = cipher.open_in_place(nonce_of(nonce), Aad::from(aad), &mut opened).ok()?.len();
    opened.truncate(length);
    Some(opened)
}

fn random(bytes: &mut [u8]) -> Result<(), KeyringError> {
    rand::fill(bytes).map_err(|_| KeyringError::Random)
}

fn first_half(hash: &blake3::Hash) -> [u8; 16] {
    *hash.as_bytes().first_chunk().expect("32 bytes begin with 16")
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<u32> = self.keys.iter().map(|key| key.id).collect();
        write!(f, "Keyring(keys {ids:?}, current {})", self.current_id())
    }
}

#[cfg(test)]
mod tests;
