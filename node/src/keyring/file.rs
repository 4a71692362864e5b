//! The keyring file: TOML, in clear or wrapped under a key-encryption key.
//!
//! ```toml
//! version = 1
//! current = 1                # the key that seals; the others only open
//! index = "64 hex digits"    # never changes: rows are found by it
//! official = "64 hex digits"
//! [[key]]
//! id = 1
//! secret = "64 hex digits"
//! [[signing]]                # keys of the log, each for the stamps of its time
//! secret = "64 hex digits"
//! from_ms = 0                # Unix milliseconds
//! until_ms = 1830000000000   # without it, for ever
//! ```
//!
//! Wrapped, the same text is `wrapped = "hex of nonce 12 | ciphertext | tag 16"` beside `version`.

use std::{
    env, fmt, fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::aead::{Aad, NONCE_LEN};
use serde::{Deserialize, Serialize};
use xacminh_proto::hex;
use zeroize::{Zeroize, Zeroizing};

use super::{Keyring, KeyringError, SECRET_BYTES, cipher, nonce_of, open_in, random};

const VERSION: u32 = 1;
const WRAP_AAD: &[u8] = b"xacminh keyring file v1";

/// Read and write for the owner only.
const FILE_MODE: u32 = 0o600;

/// Permission bits of users outside the owner and the group.
const OTHERS: u32 = 0o007;

/// Largest keyring file read: a hundred retired keys take a fraction of it.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where the key-encryption key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KekSource {
    /// The keyring is in clear; the file's permissions protect it.
    None,
    /// 64 hexadecimal digits in an environment variable of this name.
    Env(String),
    /// 64 hexadecimal digits in a file, e.g. a systemd credential.
    File(PathBuf),
}

/// A keyring as the file declares it.
#[derive(Zeroize)]
#[zeroize(drop)]
pub struct KeyringFile {
    #[zeroize(skip)]
    pub(super) current: u32,
    pub(super) keys: Vec<(u32, [u8; SECRET_BYTES])>,
    pub(super) index: [u8; SECRET_BYTES],
    pub(super) official: [u8; SECRET_BYTES],
    pub(super) signing: Vec<SigningKey>,
}

/// A key of the log as the file declares it.
#[derive(Zeroize)]
#[zeroize(drop)]
pub(super) struct SigningKey {
    pub(super) secret: [u8; SECRET_BYTES],
    pub(super) from_ms: u64,
    pub(super) until_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    current: u32,
    index: String,
    official: String,
    key: Vec<TextKey>,
    #[serde(default)]
    signing: Vec<TextSigningKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextSigningKey {
    secret: String,
    from_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextKey {
    id: u32,
    secret: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrappedText {
    version: u32,
    wrapped: String,
}

impl Keyring {
    /// Loads a keyring file.
    ///
    /// # Errors
    /// [`KeyringError`], which never quotes the content.
    pub fn load(path: &Path, kek: &KekSource) -> Result<Self, KeyringError> {
        Self::from_file(&KeyringFile::read(path, kek)?)
    }

    /// Makes a new keyring file of one key at `path`, which must not exist, and loads it.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn generate(path: &Path, kek: &KekSource) -> Result<Self, KeyringError> {
        let file = KeyringFile::fresh()?;
        file.write(path, kek)?;
        Self::from_file(&file)
    }
}

impl KeyringFile {
    /// New random secrets, one key with id 1.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn fresh() -> Result<Self, KeyringError> {
        let signing = vec![SigningKey { secret: [0; SECRET_BYTES], from_ms: 0, until_ms: None }];
        let [index, official] = [[0; SECRET_BYTES]; 2];
        let mut file = Self { current: 1, keys: vec![(1, [0; 32])], index, official, signing };
        random(&mut file.keys[0].1)?;
        random(&mut file.index)?;
        random(&mut file.official)?;
        random(&mut file.signing[0].secret)?;
        Ok(file)
    }

    /// Adds a new random key and makes it the one that seals. Nodes must all have it before any seals with it.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn rotate(&mut self) -> Result<u32, KeyringError> {
        let id = self.keys.iter().map(|(id, _)| *id).max().unwrap_or(0) + 1;
        let mut secret = [0; SECRET_BYTES];
        random(&mut secret)?;
        self.keys.push((id, secret));
        self.current = id;
        Ok(id)
    }

    /// Whether it has a key of the log.
    #[must_use]
    pub fn signs(&self) -> bool {
        !self.signing.is_empty()
    }

    /// Adds a new key of the log, which signs from `from_ms` on; those before it go on signing until `until_ms`. Nodes
    /// must all have it before `from_ms`, and verifiers before `until_ms`.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn rotate_signing(&mut self, from_ms: u64, until_ms: u64) -> Result<(), KeyringError> {
        for key in &mut self.signing {
            key.until_ms = Some(key.until_ms.map_or(until_ms, |until| until.min(until_ms)));
        }
        let mut key = SigningKey { secret: [0; SECRET_BYTES], from_ms, until_ms: None };
        random(&mut key.secret)?;
        self.signing.push(key);
        Ok(())
    }

    /// Reads a keyring file, unwrapping it if it is wrapped.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn read(path: &Path, kek: &KekSource) -> Result<Self, KeyringError> {
        let failed = |source| KeyringError::File { path: path.display().to_string(), source };
        let facts = fs::metadata(path).map_err(failed)?;
        if facts.permissions().mode() & OTHERS != 0 {
            return Err(KeyringError::Exposed { path: path.display().to_string() });
        }
        if facts.len() > FILE_BYTES_MAX {
            return Err(wrong(path, "too large for a keyring"));
        }
        let outer = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
        let Ok(wrapped) = toml::from_str::<WrappedText>(&outer) else { return Self::parse(path, &outer) };
        if wrapped.version != VERSION {
            return Err(wrong(path, "another version than this program knows"));
        }
        let kek =
            kek.key()?.ok_or(KeyringError::Kek("the keyring is wrapped and no source of its key is configured"))?;
        let bytes = unhex(&wrapped.wrapped).ok_or_else(|| wrong(path, "`wrapped` is not hexadecimal"))?;
        let (nonce, body) =
            bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(|| wrong(path, "`wrapped` is cut off"))?;
        let inner = open_in(&cipher(kek.as_slice()), *nonce, WRAP_AAD, body)
            .ok_or(KeyringError::Kek("it does not unwrap this keyring"))?;
        let text = std::str::from_utf8(&inner).map_err(|_| wrong(path, "the unwrapped content is not text"))?;
        Self::parse(path, text)
    }

    /// Writes the keyring to a new file, wrapped if a source of a key is given.
    ///
    /// # Errors
    /// [`KeyringError`]; an existing file is never replaced, for its keys would be lost.
    pub fn write(&self, path: &Path, kek: &KekSource) -> Result<(), KeyringError> {
        let inner = self.to_text();
        let text = match kek.key()? {
            None => inner,
            Some(kek) => {
                let mut nonce = [0; NONCE_LEN];
                random(&mut nonce)?;
                let mut body = inner.as_bytes().to_vec();
                cipher(kek.as_slice())
                    .seal_in_place_append_tag(nonce_of(nonce), Aad::from(WRAP_AAD), &mut body)
                    .map_err(|_| KeyringError::Malformed)?;
                let wrapped = WrappedText { version: VERSION, wrapped: hex::text(&[nonce.as_slice(), &body].concat()) };
                Zeroizing::new(toml::to_string(&wrapped).expect("two plain fields are TOML"))
            }
        };
        let save = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        save().map_err(|source| KeyringError::File { path: path.display().to_string(), source })
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let text = Text {
            version: VERSION,
            current: self.current,
            index: hex::text(&self.index),
            official: hex::text(&self.official),
            key: self.keys.iter().map(|(id, secret)| TextKey { id: *id, secret: hex::text(secret) }).collect(),
            signing: self.signing.iter().map(SigningKey::text).collect(),
        };
        Zeroizing::new(toml::to_string(&text).expect("plain fields are TOML"))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, KeyringError> {
        // The parser's own message may quote a line with a secret, so only a fixed text leaves.
        let text: Text =
            toml::from_str(text).map_err(|_| wrong(path, "not a keyring file, or an unknown field in it"))?;
        if text.version != VERSION {
            return Err(wrong(path, "another version than this program knows"));
        }
        let secret = |digits: &str| -> Result<[u8; SECRET_BYTES], KeyringError> {
            let bytes = unhex(digits).and_then(|bytes| <[u8; SECRET_BYTES]>::try_from(bytes.as_slice()).ok());
            bytes.ok_or_else(|| wrong(path, "a secret is not 64 hexadecimal digits"))
        };
        let mut file = Self {
            current: text.current,
            keys: Vec::new(),
            index: secret(&text.index)?,
            official: secret(&text.official)?,
            signing: Vec::new(),
        };
        for key in &text.signing {
            let secret = secret(&key.secret)?;
            file.signing.push(SigningKey { secret, from_ms: key.from_ms, until_ms: key.until_ms });
        }
        for key in &text.key {
            if file.keys.iter().any(|(id, _)| *id == key.id) {
                return Err(wrong(path, "two keys have the same id"));
            }
            file.keys.push((key.id, secret(&key.secret)?));
        }
        Ok(file)
    }
}

impl SigningKey {
    fn text(&self) -> TextSigningKey {
        TextSigningKey { secret: hex::text(&self.secret), from_ms: self.from_ms, until_ms: self.until_ms }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        self.index.zeroize();
        self.official.zeroize();
        self.key.iter_mut().for_each(|key| key.secret.zeroize());
        self.signing.iter_mut().for_each(|key| key.secret.zeroize());
    }
}

impl KekSource {
    fn key(&self) -> Result<Option<Zeroizing<[u8; SECRET_BYTES]>>, KeyringError> {
        let text = match self {
            Self::None => return Ok(None),
            Self::Env(name) => env::var(name).map_err(|_| KeyringError::Kek("its environment variable is not set"))?,
            Self::File(path) => fs::read_to_string(path)
                .map_err(|source| KeyringError::File { path: path.display().to_string(), source })?,
        };
        let text = Zeroizing::new(text);
        let bytes = unhex(text.trim()).and_then(|bytes| <[u8; SECRET_BYTES]>::try_from(bytes.as_slice()).ok());
        bytes.map(|key| Some(Zeroizing::new(key))).ok_or(KeyringError::Kek("64 hexadecimal digits are needed"))
    }
}

fn wrong(path: &Path, problem: &'static str) -> KeyringError {
    KeyringError::Content { path: path.display().to_string(), problem }
}

/// Zeroed when it is dropped: what is read here are keys.
fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    hex::bytes(text).map(Zeroizing::new)
}

impl fmt::Debug for KeyringFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyringFile({} keys, current {})", self.keys.len(), self.current)
    }
}
