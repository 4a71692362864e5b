//! Identifiers of callers, officials, procedures, dossiers and requests.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest official or dossier id, in bytes: dossier codes of the national standard have under 40.
const ID_BYTES_MAX: usize = 64;

/// Longest procedure code, in bytes: national codes have under 20.
const CODE_BYTES_MAX: usize = 32;

/// Length of a request id as text, and where its hyphens are (RFC 9562 §4).
const TEXT_BYTES: usize = 36;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// A relying system, numbered by the register; the name part of its certificate's identity. No portal has number 0,
/// which stands for "none" in leaves.
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
    /// A character no identifier has; spaces and non-ASCII letters are none.
    #[error("an identifier has letters, digits and . - _ / : only")]
    Character,
    /// Not a UUID of version 7.
    #[error("a request id is a UUID of version 7")]
    NotUuidV7,
}

impl RequestId {
    /// Makes an id from a time, of which 48 bits are kept (until the year 10889), and 10 random bytes, of which 74 bits
    /// are kept.
    #[must_use]
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// Parses the usual 36 characters (8-4-4-4-12), or 32 hexadecimal digits, in either case.
    ///
    /// # Errors
    /// [`IdError::NotUuidV7`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let hyphenated = match text.len() {
            32 => false,
            TEXT_BYTES => true,
            _ => return Err(IdError::NotUuidV7),
        };
        let mut id = 0_u128;
        for (index, byte) in text.bytes().enumerate() {
            if hyphenated && HYPHENS.contains(&index) {
                if byte != b'-' {
                    return Err(IdError::NotUuidV7);
                }
            } else {
                let digit = char::from(byte).to_digit(16).ok_or(IdError::NotUuidV7)?;
                id = id << 4 | u128::from(digit);
            }
        }
        Self::try_from(id.to_be_bytes())
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
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // One write: every question's span in the log has its id.
        let mut text = [b'-'; TEXT_BYTES];
        let mut at = 0;
        for byte in self.0 {
            if HYPHENS.contains(&at) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 9562, appendix A.6.
    const EXAMPLE: &str = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F";

    #[test]
    fn the_layout_is_that_of_rfc_9562() {
        let id = RequestId::parse(EXAMPLE).expect("a UUID of version 7");
        assert_eq!(id.unix_ms(), 0x017F_22E2_79B0);
        assert_eq!(id.unix_ms(), 1_645_557_742_000, "22 February 2022, 14:22:22 -05:00");
        assert_eq!(id.to_string(), EXAMPLE.to_lowercase());
        // rand_a is CC3, rand_b is 18C4DC0C0C07398F; what stands in the place of version and variant is overwritten.
        let random = [0xfc, 0xc3, 0xd8, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
        assert_eq!(RequestId::new(1_645_557_742_000, random), id);
        assert_eq!(RequestId::parse(&EXAMPLE.replace('-', "")), Ok(id));
    }

    #[test]
    fn other_versions_and_other_texts_are_refused() {
        let v4 = EXAMPLE.replacen("7CC3", "4CC3", 1);
        let variant = EXAMPLE.replacen("98C4", "C8C4", 1);
        let moved = "017F22E279B0-7CC3-98C4-DC0C-0C07398F";
        let signed = EXAMPLE.replacen("017F", "+17F", 1);
        let long = "0".repeat(10_000);
        for odd in
            ["", &v4, &variant, moved, &signed, &long, "-", &"-".repeat(36), &EXAMPLE[1..], "é".repeat(16).as_str()]
        {
            assert_eq!(RequestId::parse(odd), Err(IdError::NotUuidV7), "{odd}");
        }
    }

    #[test]
    fn identifiers_are_short_and_plain() {
        assert!(DossierId::parse("000.00.00.H29-230101-0001").is_ok());
        assert!(ProcedureCode::parse("1.004222").is_ok());
        assert_eq!(OfficialId::parse(""), Err(IdError::Length(64)));
        assert_eq!(OfficialId::parse(&"a".repeat(65)), Err(IdError::Length(64)));
        assert!(OfficialId::parse(&"a".repeat(64)).is_ok());
        assert_eq!(ProcedureCode::parse(&"1".repeat(33)), Err(IdError::Length(32)));
        for odd in ["a b", "a\0", "cán-bộ", "a\n", "a\u{202e}"] {
            assert_eq!(DossierId::parse(odd), Err(IdError::Character), "{odd:?}");
        }
        assert_eq!(format!("{:?}", OfficialId::parse("cb-17").expect("plain")), "OfficialId(…)");
        assert_eq!(format!("{:?}", DossierId::parse("H29-1").expect("plain")), "DossierId(…)");
    }

    proptest! {
        #[test]
        fn an_id_keeps_its_time_and_its_text(unix_ms in 0_u64..1 << 48, random in any::<[u8; 10]>()) {
            let id = RequestId::new(unix_ms, random);
            prop_assert_eq!(id.unix_ms(), unix_ms);
            prop_assert_eq!(RequestId::parse(&id.to_string()), Ok(id));
            prop_assert_eq!(RequestId::try_from(*id.bytes()), Ok(id));
        }

        #[test]
        fn later_ids_sort_later(unix_ms in 0_u64..(1 << 48) - 1, one in any::<[u8; 10]>(), other in any::<[u8; 10]>()) {
            prop_assert!(RequestId::new(unix_ms, one) < RequestId::new(unix_ms + 1, other));
        }

        #[test]
        fn no_text_panics(text in "(?s).{0,40}", near in "[0-9a-fA-F+-]{30,38}") {
            for text in [text, near] {
                if let Ok(id) = RequestId::parse(&text) {
                    prop_assert_eq!(id.to_string().replace('-', ""), text.replace('-', "").to_lowercase());
                }
            }
        }
    }
}
