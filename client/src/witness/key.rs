//! The cosigner's key, and the file it lies in: one line, for its owner only.
//!
//! ```text
//! PRIVATE+KEY+<name>+<id>+<base64 of 0x04 and the seed>
//! ```
//!
//! The spelling is that of Go's `sumdb/note`, with the kind of a cosigner.

use std::{
    fs::OpenOptions,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use xacminh_proto::transparency::note::{KeyError, KeyKind, Signature, VerifierKey};
use zeroize::Zeroizing;

const PREFIX: &str = "PRIVATE+KEY+";
const SEED_BYTES: usize = 32;

/// A name, an id and 44 letters: far more than any key file has.
const FILE_BYTES_MAX: u64 = 4096;

/// For the account that runs the witness.
const FILE_MODE: u32 = 0o600;

/// What a witness signs with.
pub(super) struct CosignerKey {
    public: VerifierKey,
    pair: Ed25519KeyPair,
}

/// Why a key cannot be used or made. Never tells what is in the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFileError {
    #[error("key file {path}")]
    File { path: String, source: io::Error },
    #[error("key file {path} is open to others (mode {mode:o}): chmod 600 it, and make another key if it was read")]
    Open { path: String, mode: u32 },
    #[error("key file {path} holds no cosigner's key")]
    Malformed { path: String },
    #[error("the name of the key")]
    Name(#[from] KeyError),
    #[error("the system gives no randomness")]
    Chance,
}

impl CosignerKey {
    /// Makes a key of this name and writes its file, which must not be there.
    pub(super) fn make(name: &str, path: &Path) -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| KeyFileError::Chance)?;
        let key = Self::of_seed(name, &seed).ok_or(KeyFileError::Chance)??;
        let secret = Zeroizing::new([&[KeyKind::CosignatureV1 as u8], seed.as_slice()].concat());
        let encoded = Zeroizing::new(STANDARD.encode(secret.as_slice()));
        let line = Zeroizing::new(format!("{PREFIX}{name}+{}+{}\n", key.public.id(), encoded.as_str()));
        write_new(path, line.as_bytes())
            .map_err(|source| KeyFileError::File { path: path.display().to_string(), source })?;
        Ok(key)
    }

    /// Reads a key file that nobody else can read.
    pub(super) fn read(path: &Path) -> Result<Self, KeyFileError> {
        let place = || path.display().to_string();
        let unread = |source| KeyFileError::File { path: place(), source };
        let file = std::fs::File::open(path).map_err(unread)?;
        let mode = file.metadata().map_err(unread)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Open { path: place(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unread)?;
        Self::parse(&text).ok_or_else(|| KeyFileError::Malformed { path: place() })
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.strip_suffix('\n').unwrap_or(text).strip_prefix(PREFIX)?.split_once('+')?;
        let (id, encoded) = rest.split_once('+')?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
        let (&kind, seed) = bytes.split_first()?;
        let key = Self::of_seed(name, seed.try_into().ok()?)?.ok()?;
        (kind == KeyKind::CosignatureV1 as u8 && key.public.id().to_string() == id).then_some(key)
    }

    fn of_seed(name: &str, seed: &[u8; SEED_BYTES]) -> Option<Result<Self, KeyError>> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(VerifierKey::new(name, KeyKind::CosignatureV1, public).map(|public| Self { public, pair }))
    }

    /// What others verify with.
    pub(super) const fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// The signature line under a checkpoint's text.
    pub(super) fn cosign(&self, text: &str, time_s: u64) -> Signature {
        let sign = |message: &[u8]| {
            let signature = self.pair.sign(message);
            *signature.as_ref().first_chunk().expect("Ed25519 signatures have 64 bytes")
        };
        Signature::cosign(text, &self.public, time_s, sign)
            .expect("a cosigner's key, and the text of a note that was read")
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made_and_never_made_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness.key");
        let made = CosignerKey::make("witness.example/w1", &path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(CosignerKey::read(&path).unwrap().public(), made.public());
        let before = fs::read(&path).unwrap();
        assert!(matches!(CosignerKey::make("witness.example/w1", &path), Err(KeyFileError::File { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
        let other = CosignerKey::make("witness.example/w1", &folder.path().join("other.key")).unwrap();
        assert_ne!(other.public(), made.public());
        let line = made.cosign("log.example\n0\nhash\n", 7);
        assert!(line.is_by(made.public()));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness.key");
        CosignerKey::make("witness.example/w1", &path).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(CosignerKey::read(&path), Err(KeyFileError::Open { .. })), "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(CosignerKey::read(&path).is_ok());
    }

    #[test]
    fn malformed_keys_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness.key");
        CosignerKey::make("witness.example/w1", &path).unwrap();
        let sound = fs::read_to_string(&path).unwrap();
        assert!(CosignerKey::parse(&sound).is_some());
        let renamed = sound.replace("/w1", "/w2");
        let encoded = sound.trim_end().splitn(5, '+').last().unwrap();
        let mut secret = STANDARD.decode(encoded).unwrap();
        secret[0] = KeyKind::Ed25519 as u8;
        let of_log = sound.replace(encoded, &STANDARD.encode(&secret));
        for bad in ["", "PRIVATE+KEY+a+b", renamed.as_str(), of_log.as_str(), &sound.replace("PRIVATE", "PUBLIC")] {
            assert!(CosignerKey::parse(bad).is_none(), "{bad}");
        }
        assert!(matches!(CosignerKey::make("a+b", &folder.path().join("b.key")), Err(KeyFileError::Name(_))));
        assert!(!folder.path().join("b.key").exists());
    }
}
