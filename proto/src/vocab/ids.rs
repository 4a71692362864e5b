//! Identifiers of callers, officials, procedures, dossiers and requests.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest official or dossier id, in bytes.
const ID_BYTES_MAX: usize = 64;

/// Longest procedure code, in bytes.
const CODE_BYTES_MAX: usize = 32;

/// A relying system, numbered by the register; the name part of its certificate's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortalId(pub u32);

/// The human who asks, as their portal enrols them. Never written to a log: it is personal data.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OfficialId(String);

/// The file a question belongs to (mã hồ sơ).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DossierId(String);

/// Code of an administrative procedure (mã thủ tục hành chính), e.g. `1.004222`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProcedureCode(String);

/// A request's own name, chosen by the caller: a UUID of version 7 (RFC 9562 §5.7).
///
/// Its first 48 bits are a time, which bounds how long an id must be remembered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u8; 16]", into = "[u8; 16]")]
pub struct RequestId([u8; 16]);

/// Why something is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty or too long.
    #[error("an identifier has 1 to {0} characters")]
    Length(usize),
    /// Something other than printable ASCII without spaces.
    #[error("an identifier has letters, digits and . - _ / : only")]
    Character,
    /// Not a UUID of version 7.
    #[error("a request id is a UUID of version 7")]
    NotUuidV7,
}

impl RequestId {
    /// Makes an id from a time and 10 random bytes.
    #[must_use]
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// Parses the usual 36 characters, or 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`IdError::NotUuidV7`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
        if digits.len() != 32 || (text.len() != 32 && text.len() != 36) {
            return Err(IdError::NotUuidV7);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| IdError::NotUuidV7)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| IdError::NotUuidV7)?;
        }
        Self::try_from(bytes)
    }

    /// The sixteen bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The time within the id, Unix milliseconds.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0[..6]);
        u64::from_be_bytes(bytes)
    }
}

impl OfficialId {
    /// Parses an official's id.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        checked(text, ID_BYTES_MAX).map(Self)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DossierId {
    /// Parses a dossier id.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        checked(text, ID_BYTES_MAX).map(Self)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ProcedureCode {
    /// Parses a procedure code.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        checked(text, CODE_BYTES_MAX).map(Self)
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn checked(text: &str, bytes_max: usize) -> Result<String, IdError> {
    if text.is_empty() || text.len() > bytes_max {
        return Err(IdError::Length(bytes_max));
    }
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/:".contains(&byte);
    if text.bytes().all(sound) { Ok(text.to_owned()) } else { Err(IdError::Character) }
}

impl TryFrom<[u8; 16]> for RequestId {
    type Error = IdError;
    fn try_from(bytes: [u8; 16]) -> Result<Self, IdError> {
        let sound = bytes[6] >> 4 == 7 && bytes[8] >> 6 == 2;
        if sound { Ok(Self(bytes)) } else { Err(IdError::NotUuidV7) }
    }
}

impl From<RequestId> for [u8; 16] {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ProcedureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OfficialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfficialId(…)")
    }
}

impl fmt::Debug for DossierId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DossierId(…)")
    }
}

macro_rules! as_text {
    ($($id:ident),*) => {$(
        impl TryFrom<String> for $id {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }
        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.0
            }
        }
    )*};
}

as_text!(OfficialId, DossierId, ProcedureCode);
