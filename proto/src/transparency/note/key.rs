//! Verifier keys: `<name>+<8 hex digits of the key id>+<base64(kind ‖ public key)>`.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::{KEY_ID_BYTES, from_base64, to_base64};

/// Longest name of a key: a schemeless URL of ours takes a tenth.
const NAME_BYTES_MAX: usize = 512;

const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// A public key and the name its owner signs under.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    id: KeyId,
    key: VerifyingKey,
}

/// The first four bytes of SHA-256(name ‖ line feed ‖ kind ‖ public key): an identifier, no security.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; KEY_ID_BYTES]);

/// What a key signs, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// Ed25519 (RFC 8032) over the note's text: what a log signs with.
    Ed25519 = 0x01,
    /// Ed25519 over time and text, cosignature/v1: what a witness signs with.
    CosignatureV1 = 0x04,
}

/// Why a text is not a verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Empty, too long, with a space or a `+`.
    #[error("not the name of a key")]
    Name,
    /// Not `name+id+key`.
    #[error("not a verifier key")]
    Form,
    /// A kind of key that is not used here.
    #[error("keys of kind {0:#04x} are not known here")]
    Kind(u8),
    /// The id is not that of the key.
    #[error("the key has another id")]
    Id,
    /// The bytes are no point of the curve, or one that signs for everybody.
    #[error("not a public key")]
    Key,
}

impl VerifierKey {
    /// A key by its parts.
    ///
    /// # Errors
    /// [`KeyError::Name`] and [`KeyError::Key`].
    pub fn new(name: &str, kind: KeyKind, public: &[u8; KEY_BYTES]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        let key = VerifyingKey::from_bytes(public).ok().filter(|key| !key.is_weak()).ok_or(KeyError::Key)?;
        Ok(Self { name: name.to_owned(), kind, id: KeyId::of(name, kind as u8, public), key })
    }

    /// Reads a verifier key as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        // Base64 has `+` of its own, names have none: the first two separate.
        let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
        let (id, encoded) = rest.split_once('+').ok_or(KeyError::Form)?;
        let bytes = from_base64(encoded).ok_or(KeyError::Form)?;
        let (&kind, public) = bytes.split_first().ok_or(KeyError::Form)?;
        let kind = match kind {
            0x01 => KeyKind::Ed25519,
            0x04 => KeyKind::CosignatureV1,
            other => return Err(KeyError::Kind(other)),
        };
        let key = Self::new(name, kind, public.try_into().map_err(|_| KeyError::Key)?)?;
        if key.id.to_string() == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// The name it signs under; for a log its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &[u8; KEY_BYTES] {
        self.key.as_bytes()
    }

    /// Checks a signature under a text; the time it was made, if its kind says so.
    pub(super) fn check(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, Wrong> {
        let (time_s, message, signature) = match self.kind {
            KeyKind::Ed25519 => (None, text.to_owned(), signature),
            KeyKind::CosignatureV1 => {
                let (time, signature) = signature.split_first_chunk().ok_or(Wrong)?;
                let time_s = u64::from_be_bytes(*time);
                (Some(time_s), cosigned_message(text, time_s), signature)
            }
        };
        let signature: &[u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| Wrong)?;
        // Strict: one signature has one spelling, and none holds under a key of small order.
        let holds = self.key.verify_strict(message.as_bytes(), &Signature::from_bytes(signature));
        holds.map(|()| time_s).map_err(|_| Wrong)
    }
}

/// A signature that its key did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong;

/// C2SP tlog-cosignature: "cosignature/v1\ntime …\n" with Unix seconds, and the whole text of the checkpoint.
pub(super) fn cosigned_message(text: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

/// "Key names MUST be non-empty and MUST NOT contain any Unicode spaces or plus characters."
pub(in crate::transparency) fn is_name(name: &str) -> bool {
    let is_sound = |letter: char| !letter.is_whitespace() && letter != '+' && letter >= '\u{20}';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_sound)
}

impl KeyId {
    fn of(name: &str, kind: u8, public: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(name.as_bytes());
        hasher.update([b'\n', kind]);
        hasher.update(public);
        let hash: [u8; 32] = hasher.finalize().into();
        Self(*hash.first_chunk().expect("a hash has more than four bytes"))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind as u8], self.public().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, to_base64(&key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made and read by Go's `golang.org/x/mod/sumdb/note`.
    const GO: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn a_key_of_another_implementation() {
        let key = VerifierKey::parse(GO).expect("a verifier key");
        assert_eq!(key.name(), "example.com/foo");
        assert_eq!(key.kind(), KeyKind::Ed25519);
        assert_eq!(key.id(), KeyId([0x53, 0x0d, 0x90, 0x3a]));
        assert_eq!(key.to_string(), GO);
        assert_eq!(VerifierKey::new("example.com/foo", KeyKind::Ed25519, key.public()), Ok(key.clone()));
        let cosigner = VerifierKey::new("example.com/foo", KeyKind::CosignatureV1, key.public()).expect("a key");
        assert_ne!(cosigner.id(), key.id(), "the kind is part of the id");
        assert_eq!(VerifierKey::parse(&cosigner.to_string()), Ok(cosigner));
    }

    #[test]
    fn what_is_no_key() {
        for (text, error) in [
            ("", KeyError::Form),
            ("example.com/foo", KeyError::Form),
            ("example.com/foo+530d903a", KeyError::Form),
            (&GO.replace("AekyeR", "AekyeR "), KeyError::Form),
            (&GO.replace("530d903a", "530d903b"), KeyError::Id),
            (&GO.replace("530d903a", "530D903A"), KeyError::Id),
            (&GO.replace("foo", "bar"), KeyError::Id),
            (&GO.replace("example.com/foo", ""), KeyError::Name),
            (&GO.replace("example.com/foo", "example com"), KeyError::Name),
            (&GO.replace("+Aek", "+Bek"), KeyError::Kind(5)),
            ("a+00000000+AQ==", KeyError::Key),
            (&format!("a+00000000+{}", to_base64(&[1; 34])), KeyError::Key),
            (&format!("a+00000000+{}", to_base64(&[&[1][..], &[0; 32]].concat())), KeyError::Key),
        ] {
            assert_eq!(VerifierKey::parse(text), Err(error), "{text}");
        }
    }
}
