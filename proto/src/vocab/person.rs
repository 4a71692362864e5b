//! What describes a person: name, sex, marital and living status.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{
    legacy::{self, Legacy},
    text,
};

/// Longest name accepted, in bytes of its NFC form: the longest names known have under 60 letters of up to 3 bytes.
const NAME_BYTES_MAX: usize = 200;

/// Longest raw text looked at, before normalisation: decomposed letters take up to three times their room.
const NAME_RAW_BYTES_MAX: usize = 3 * NAME_BYTES_MAX;

/// Most marks on one letter: minority orthographies stack three (`ơ̆` with a tone), a flood stacks hundreds.
const MARKS_PER_LETTER_MAX: usize = 3;

/// A person's full name: NFC, one space between words, Latin letters, their marks, hyphens, dots and apostrophes only, at
/// least one letter, no mark without a letter before it, no letter under a heap of marks, nothing that cannot be seen.
///
/// Case and tone marks are kept as written; comparing is the rules' work. The database writes foreigners' names in Latin
/// letters too, so a letter of another script is one that looks alike.
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
    /// A control, bidirectional or other character no name has, or a mark without its letter.
    #[error("character {at} is none that a name contains (a control, bidirectional mark, digit or symbol)")]
    Character {
        /// Which character of the text in NFC, from 1.
        at: usize,
    },
    /// Punctuation alone.
    #[error("a name has letters")]
    NoLetter,
    /// A letter of another script: `Аn` with a Cyrillic А looks like `An` and is another name.
    #[error("character {at} is no Latin letter, though it may look like one")]
    Script {
        /// Which character of the text in NFC, from 1.
        at: usize,
    },
    /// More marks than a letter has.
    #[error("character {at}: a letter has at most {MARKS_PER_LETTER_MAX} marks")]
    Marks {
        /// Which character of the text in NFC, from 1.
        at: usize,
    },
    /// Typed in an encoding of before Unicode.
    #[error("typed in {} and not in Unicode; convert it", .0.name())]
    Legacy(Legacy),
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
        let composed = text::composed(text);
        check_characters(&composed)?;
        // Leaving out spaces keeps NFC: a space composes with nothing, and no word starts with a mark.
        let name = if is_tidy(&composed) {
            composed.into_owned()
        } else {
            let words: Vec<&str> = composed.split(is_space).filter(|word| !word.is_empty()).collect();
            words.join(" ")
        };
        match name.len() {
            0 => Err(NameError::Empty),
            1..=NAME_BYTES_MAX if name.contains(is_latin) => Ok(Self(name)),
            1..=NAME_BYTES_MAX => Err(NameError::NoLetter),
            _ => Err(NameError::TooLong),
        }
    }

    /// Parses what a caller typed: a text in an encoding of before Unicode is refused, and named.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn typed(text: &str) -> Result<Self, NameError> {
        match legacy::decode(text) {
            Some((legacy, _)) => Err(NameError::Legacy(legacy)),
            None => Self::parse(text),
        }
    }

    /// Parses what an authority holds and nobody here can correct: a text in an encoding of before Unicode is read in it.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn recorded(text: &str) -> Result<Self, NameError> {
        match legacy::decode(text) {
            Some((_, said)) => Self::parse(&said),
            None => Self::parse(text),
        }
    }

    /// The name as text, for those entitled to read it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Latin letters, marks that NFC could not compose, and the punctuation of minority names (`Y Bhăm`, `H'Hen`,
/// `Ksor-Krơn`); every mark with its letter.
fn check_characters(composed: &str) -> Result<(), NameError> {
    // The letter at hand and the marks after it; none while there is no letter to bear one.
    let mut bearer = None;
    for (index, character) in composed.chars().enumerate() {
        let at = index + 1;
        bearer = match bearer {
            _ if is_latin(character) => Some((character, 0)),
            _ if is_space(character) || is_punctuation(character) => None,
            Some((letter, marks)) if is_mark(character) => {
                // Only here is it asked how many the letter itself has: hardly any name comes here.
                if own_marks(letter) + marks >= MARKS_PER_LETTER_MAX {
                    return Err(NameError::Marks { at });
                }
                Some((letter, marks + 1))
            }
            _ if character.is_alphabetic() && !text::is_invisible(character) => return Err(NameError::Script { at }),
            _ => return Err(NameError::Character { at }),
        };
    }
    Ok(())
}

/// Basic Latin, Latin-1, Extended-A and -B and Extended Additional, without the clicks, which look like punctuation.
const fn is_latin(character: char) -> bool {
    matches!(character,
        'A'..='Z' | 'a'..='z' | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='\u{1bf}' | '\u{1c4}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// The block of marks that letters of any language take, without the joiner that cannot be seen.
const fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{34e}' | '\u{350}'..='\u{36f}')
}

const fn is_punctuation(character: char) -> bool {
    matches!(character, '-' | '.' | '\'' | '’' | 'ʼ')
}

/// How many marks are composed into a letter.
fn own_marks(letter: char) -> usize {
    if letter.is_ascii() { 0 } else { [letter].into_iter().nfd().filter(|part| is_mark(*part)).count() }
}

/// Whether one plain space is between words and none around them, as in nearly every name that comes.
fn is_tidy(text: &str) -> bool {
    !text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  ") && !text.contains('\u{a0}')
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
            ("Nguyễn\0An", NameError::Character { at: 7 }),
            ("Nguyễn\u{202e}An", NameError::Character { at: 7 }),
            ("\u{2066}An", NameError::Character { at: 1 }),
            ("Nguyễn\u{200d}An", NameError::Character { at: 7 }),
            ("Nguyễn\u{34f}An", NameError::Character { at: 7 }),
            ("Nguyễn\u{3164}An", NameError::Character { at: 7 }),
            ("Nguyễn\u{fe0f}An", NameError::Character { at: 7 }),
            ("Nguyễn\tAn", NameError::Character { at: 7 }),
            ("Nguyễn\nAn", NameError::Character { at: 7 }),
            ("Nguyen Van 2", NameError::Character { at: 12 }),
            ("Nguyễn <An>", NameError::Character { at: 8 }),
            ("An 😀", NameError::Character { at: 4 }),
            (" \u{301}An", NameError::Character { at: 2 }),
            ("An \u{301}", NameError::Character { at: 4 }),
            ("An'\u{301}", NameError::Character { at: 4 }),
            ("...", NameError::NoLetter),
            ("- '", NameError::NoLetter),
            // А and у are Cyrillic, Α is Greek, Ａ is as wide as a Chinese character.
            ("Nguyễn Аn", NameError::Script { at: 8 }),
            ("Nguуễn An", NameError::Script { at: 4 }),
            ("Αn", NameError::Script { at: 1 }),
            ("Ａn", NameError::Script { at: 1 }),
            ("阮文安", NameError::Script { at: 1 }),
            ("Anªº", NameError::Script { at: 3 }),
            ("Nguyễn ǃAn", NameError::Script { at: 8 }),
        ] {
            assert_eq!(FullName::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(FullName::parse(&"Nguyễn ".repeat(1_000)), Err(NameError::TooLong), "10 kB");
        let flood = format!("Zalgo{}", "\u{353}".repeat(40));
        assert_eq!(FullName::parse(&flood), Err(NameError::Marks { at: 9 }));
        assert!(FullName::parse("Ê\u{306}ban").is_ok(), "two marks on one letter");
        assert_eq!(FullName::parse("Ễ\u{306}\u{323}").map(|_| ()), Err(NameError::Marks { at: 3 }), "four of them");
        assert_eq!(FullName::parse(&"a".repeat(NAME_BYTES_MAX + 1)), Err(NameError::TooLong));
        assert!(FullName::parse(&"a".repeat(NAME_BYTES_MAX)).is_ok());
        assert_eq!(format!("{:?}", FullName::parse("Trần Văn Bình")), "Ok(FullName(…))");
    }

    #[test]
    fn names_in_old_encodings_are_refused_by_name_or_read() {
        for (typed, legacy) in [("Nguyeãn Thò Haïnh", Legacy::Vni), ("NguyÔn ThÞ H¹nh", Legacy::Tcvn3)] {
            assert_eq!(FullName::typed(typed), Err(NameError::Legacy(legacy)), "{typed}");
            assert_eq!(FullName::recorded(typed), FullName::parse("Nguyễn Thị Hạnh"), "{typed}");
        }
        assert_eq!(
            NameError::Legacy(Legacy::Vni).to_string(),
            "typed in VNI and not in Unicode; convert it",
            "no word of the name"
        );
        assert_eq!(FullName::typed("Nguyễn Thị Hạnh"), FullName::parse("Nguyễn Thị Hạnh"));
    }

    #[test]
    fn names_of_one_word_and_of_eight_are_names() {
        assert_eq!(name("K'Brêu"), "K'Brêu");
        assert_eq!(name("Bing"), "Bing");
        let eight = "Tôn Nữ Nguyễn Thị Hoàng Quỳnh Bảo Trân";
        assert_eq!(name(eight), eight);
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
