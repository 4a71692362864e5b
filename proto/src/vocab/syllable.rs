//! The syllables of Vietnamese: which words could be written in it, signed or not.
//!
//! A word that no syllable explains was typed together (`NguyễnVăn`), in another language, or in a legacy encoding.
//! Onsets and rhymes after the spelling taught in schools (Decision 1989/QĐ-BGDĐT 2018); the lists are of spelling, not
//! of words that exist.

use unicode_normalization::UnicodeNormalization;

/// Consonants a syllable may begin with, longest first where one begins another.
const ONSETS: [&str; 28] = [
    "ngh", "ch", "gh", "gi", "kh", "ng", "nh", "ph", "qu", "th", "tr", "b", "c", "d", "đ", "g", "h", "k", "l", "m",
    "n", "p", "r", "s", "t", "v", "x", "",
];

/// What may follow, without tone.
const RHYMES: [&str; 164] = [
    "a", "ac", "ach", "ai", "am", "an", "ang", "anh", "ao", "ap", "at", "au", "ay", "e", "ec", "em", "en", "eng", "eo",
    "ep", "et", "i", "ia", "ich", "im", "in", "inh", "ip", "it", "iu", "iêc", "iêm", "iên", "iêng", "iêp", "iêt",
    "iêu", "o", "oa", "oac", "oach", "oai", "oam", "oan", "oang", "oanh", "oao", "oap", "oat", "oay", "oc", "oe",
    "oen", "oeo", "oet", "oi", "om", "on", "ong", "ooc", "oong", "op", "ot", "oăc", "oăm", "oăn", "oăng", "oăt", "u",
    "ua", "uc", "ui", "um", "un", "ung", "up", "ut", "uy", "uya", "uych", "uyn", "uynh", "uyp", "uyt", "uyu", "uyên",
    "uyêt", "uân", "uâng", "uât", "uây", "uê", "uêch", "uênh", "uôc", "uôi", "uôm", "uôn", "uông", "uôt", "uơ", "y",
    "ych", "ynh", "yt", "yêm", "yên", "yêng", "yêt", "yêu", "â", "âc", "âm", "ân", "âng", "âp", "ât", "âu", "ây", "ê",
    "êch", "êm", "ên", "ênh", "êp", "êt", "êu", "ô", "ôc", "ôi", "ôm", "ôn", "ông", "ôp", "ôt", "ăc", "ăm", "ăn",
    "ăng", "ăp", "ăt", "ơ", "ơi", "ơm", "ơn", "ơp", "ơt", "ư", "ưa", "ưc", "ưi", "ưm", "ưn", "ưng", "ưt", "ưu", "ươc",
    "ươi", "ươm", "ươn", "ương", "ươp", "ươt", "ươu",
];

/// Longest syllable, in letters: nghiêng.
pub const SYLLABLE_LETTERS_MAX: usize = 7;

/// Whether a word, in any case and Unicode form, is spelled like a Vietnamese syllable, with all its signs.
#[must_use]
pub fn is_syllable(word: &str) -> bool {
    let mut toneless = String::with_capacity(word.len());
    let mut tones = 0;
    for character in word.nfd().flat_map(char::to_lowercase) {
        if is_tone(character) { tones += 1 } else { toneless.push(character) }
    }
    let toneless: String = toneless.nfc().collect();
    tones <= 1 && is_spelled(&toneless, |rhyme, rest| rhyme == rest)
}

/// Whether a word of small letters without any sign could be a syllable that lost its signs.
#[must_use]
pub fn may_be_syllable(unsigned: &str) -> bool {
    unsigned.len() <= SYLLABLE_LETTERS_MAX
        && is_spelled(unsigned, |rhyme, rest| rhyme.nfd().filter(char::is_ascii).eq(rest.chars()))
}

fn is_spelled(word: &str, same: impl Fn(&str, &str) -> bool) -> bool {
    // More than one onset may fit: `gin` is g-in, and `gia` gi-a.
    ONSETS
        .iter()
        .filter_map(|onset| word.strip_prefix(onset))
        .any(|rest| !rest.is_empty() && RHYMES.iter().any(|rhyme| same(rhyme, rest)))
}

/// Huyền, sắc, ngã, hỏi, nặng.
const fn is_tone(character: char) -> bool {
    matches!(character, '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' | '\u{323}')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn syllables_are_told_from_other_words() {
        for word in
            ["Nguyễn", "THỊ", "quỳnh", "Thuý", "Thúy", "Hoàng", "Đặng", "Ý", "gìn", "gia", "nghiêng", "Uyên", "ươm"]
        {
            assert!(is_syllable(word), "{word}");
            let decomposed: String = word.nfd().collect();
            assert!(is_syllable(&decomposed), "{word}");
        }
        for word in ["NguyễnVăn", "Kpă", "Bhăm", "Müller", "Nguyeãn", "Ksor", "Alăng", "", "ng", "ạá", "Hlơi"]
        {
            assert!(!is_syllable(word), "{word}");
        }
        for word in ["nguyen", "thi", "thuan", "huyen", "duc"] {
            assert!(may_be_syllable(word), "{word}");
        }
        for word in ["nguyenvan", "alang", "kpa", "yan", "", "thanhan"] {
            assert!(!may_be_syllable(word), "{word}");
        }
    }

    #[test]
    fn no_rhyme_stands_twice() {
        assert_eq!(RHYMES.iter().collect::<BTreeSet<_>>().len(), RHYMES.len());
        assert!(RHYMES.iter().all(|rhyme| rhyme.nfc().eq(rhyme.chars())));
    }
}
