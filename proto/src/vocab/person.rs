//! What describes a person: name, sex, marital and living status.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Longest name accepted, in bytes of its NFC form: the longest names known have under 60 letters of up to 3 bytes.
const NAME_BYTES_MAX: usize = 200;

/// Longest raw text looked at, before normalisation: decomposed letters take up to three times their room.
const NAME_RAW_BYTES_MAX: usize = 3 * NAME_BYTES_MAX;

/// A person's full name: NFC, one space between words, letters, marks, hyphens, dots and apostrophes only.
///
/// Case and tone marks are kept as written; comparing is the rules' work.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FullName(String);

/// Why a text is not a name; the text is never part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("a name is needed")]
    Empty,
    /// Longer than any name.
    #[error("a name has at most {NAME_BYTES_MAX} bytes")]
    TooLong,
    /// A control, bidirectional or other character no name has.
    #[error("a character that no name contains (control, bidirectional mark, digit or symbol)")]
    Character,
}

/// Sex as the national database codes it (`GioiTinh`: 1 male, 2 female, else unknown).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Sex {
    /// Nam.
    Male,
    /// Nữ.
    Female,
    /// Not recorded.
    Unknown,
}

/// Marital status as the national database codes it (`TinhTrangHonNhan`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Marital {
    /// 0: not recorded.
    Unknown,
    /// 1: chưa kết hôn.
    Single,
    /// 2: đang có vợ/chồng.
    Married,
    /// 3: đã ly hôn hoặc góa.
    DivorcedOrWidowed,
}

/// Whether the person lives, as far as the national database knows (field 24 of article 9).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Living {
    /// No death or disappearance recorded.
    Alive,
    /// Recorded as dead.
    Dead,
    /// Declared missing.
    Missing,
}

impl FullName {
    /// Parses a name in any Unicode form and case.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > NAME_RAW_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        let composed: String = text.nfc().collect();
        if !composed.chars().all(is_name_character) {
            return Err(NameError::Character);
        }
        let name = composed.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        match name.len() {
            0 => Err(NameError::Empty),
            1..=NAME_BYTES_MAX => Ok(Self(name)),
            _ => Err(NameError::TooLong),
        }
    }

    /// The name as text, for those entitled to read it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Letters of any script, combining marks that NFC could not compose, and the punctuation of minority names
/// (`Y Bhăm`, `H'Hen`, `Ksor-Krơn`).
fn is_name_character(character: char) -> bool {
    character.is_alphabetic()
        || matches!(character, ' ' | '-' | '.' | '\'' | '’' | 'ʼ')
        || unicode_normalization::char::is_combining_mark(character)
}

impl TryFrom<String> for FullName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<FullName> for String {
    fn from(name: FullName) -> Self {
        name.0
    }
}

impl fmt::Debug for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FullName(…)")
    }
}
