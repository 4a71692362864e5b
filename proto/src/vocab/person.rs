//! What describes a person: name, sex, marital and living status.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::text;

/// Longest name accepted, in bytes of its NFC form: the longest names known have under 60 letters of up to 3 bytes.
const NAME_BYTES_MAX: usize = 200;

/// Longest raw text looked at, before normalisation: decomposed letters take up to three times their room.
const NAME_RAW_BYTES_MAX: usize = 3 * NAME_BYTES_MAX;

/// A person's full name: NFC, one space between words, letters, marks, hyphens, dots and apostrophes only, at least one
/// letter, no mark without a letter before it and nothing that cannot be seen.
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
    /// A control, bidirectional or other character no name has, a mark without its letter, or no letter at all.
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
    /// Parses a name in any Unicode form and case. No-break spaces, which word processors leave, are spaces.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > NAME_RAW_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        let composed: String = text.nfc().collect();
        if !composed.chars().all(|character| is_space(character) || is_name_character(character)) {
            return Err(NameError::Character);
        }
        // Leaving out spaces keeps NFC: a space composes with nothing, and no word starts with a mark.
        let words: Vec<&str> = composed.split(is_space).filter(|word| !word.is_empty()).collect();
        if words.iter().any(|word| word.starts_with(is_combining_mark)) {
            return Err(NameError::Character);
        }
        let name = words.join(" ");
        match name.len() {
            0 => Err(NameError::Empty),
            1..=NAME_BYTES_MAX if name.contains(char::is_alphabetic) => Ok(Self(name)),
            1..=NAME_BYTES_MAX => Err(NameError::Character),
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
    // Some fillers and selectors count as letters or marks; two names that differ in them would look alike.
    !text::is_invisible(character)
        && (character.is_alphabetic()
            || matches!(character, '-' | '.' | '\'' | '’' | 'ʼ')
            || is_combining_mark(character))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\u{a0}')
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;

    use super::*;

    fn name(text: &str) -> String {
        FullName::parse(text).expect("a name").reveal().to_owned()
    }

    #[test]
    fn forms_and_spaces_become_one() {
        let composed = "Nguyễn Thị Ánh Tuyết";
        let decomposed: String = composed.nfd().collect();
        assert_ne!(decomposed, composed);
        assert_eq!(name(&decomposed), composed);
        let mixed = format!("{}{}", &composed[..9], composed[9..].nfd().collect::<String>());
        assert_eq!(name(&mixed), composed);
        assert_eq!(name("  Nguyễn\u{a0}Thị   Ánh Tuyết "), composed);
        for written in ["Y Bhăm Niê", "H'Hen Niê", "Ksor-Krơn", "H’Năm", "Đ. Văn Ơn", "NGUYỄN VĂN A"] {
            assert_eq!(name(written), written);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, error) in [
            ("", NameError::Empty),
            ("   ", NameError::Empty),
            ("Nguyễn\0An", NameError::Character),
            ("Nguyễn\u{202e}An", NameError::Character),
            ("Nguyễn\u{2066}An", NameError::Character),
            ("Nguyễn\u{200d}An", NameError::Character),
            ("Nguyễn\u{3164}An", NameError::Character),
            ("Nguyễn\u{fe0f}An", NameError::Character),
            ("Nguyễn\tAn", NameError::Character),
            ("Nguyễn\nAn", NameError::Character),
            ("Nguyen Van 2", NameError::Character),
            ("Nguyễn <An>", NameError::Character),
            ("An 😀", NameError::Character),
            (" \u{301}An", NameError::Character),
            ("An \u{301}", NameError::Character),
            ("...", NameError::Character),
            ("- '", NameError::Character),
        ] {
            assert_eq!(FullName::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(FullName::parse(&"Nguyễn ".repeat(1_000)), Err(NameError::TooLong), "10 kB");
        assert_eq!(FullName::parse(&"a".repeat(NAME_BYTES_MAX + 1)), Err(NameError::TooLong));
        assert!(FullName::parse(&"a".repeat(NAME_BYTES_MAX)).is_ok());
        assert_eq!(format!("{:?}", FullName::parse("Trần Văn Bình")), "Ok(FullName(…))");
    }

    proptest! {
        #[test]
        fn a_parsed_name_parses_to_itself(
            wild in "(?s).{0,60}",
            marked in "[A-Za-zĐđƠơƯưăâê\u{300}\u{301}\u{303}\u{309}\u{323}\u{302}\u{a0}' .-]{0,60}",
        ) {
            for text in [wild, marked] {
                if let Ok(name) = FullName::parse(&text) {
                    prop_assert!(is_nfc(name.reveal()), "joining keeps NFC");
                    prop_assert!(name.reveal().len() <= NAME_BYTES_MAX);
                    prop_assert!(!name.reveal().contains("  "));
                    prop_assert_eq!(FullName::parse(name.reveal()), Ok(name.clone()));
                    let decomposed: String = name.reveal().nfd().collect();
                    prop_assert_eq!(FullName::parse(&decomposed), Ok(name));
                }
            }
        }
    }
}
