//! Names typed in the encodings of before Unicode: TCVN3 (ABC) and VNI.
//!
//! Old systems keep Vietnamese letters as other bytes and show them through fonts of their own. Read as Unicode,
//! `Nguyễn Thị` comes out as `NguyÔn ThÞ` (TCVN 5712:1993, VN3) or `Nguyeãn Thò` (VNI). Such a text is no other name; it
//! is the right name in the wrong encoding, and can be told from one: what it says in Unicode is not Vietnamese, and what
//! it says in the old encoding is.

use unicode_normalization::UnicodeNormalization;

use super::syllable::is_syllable;

/// An encoding of before Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legacy {
    /// TCVN 5712:1993 VN3, also called ABC (fonts `.VnTime`).
    Tcvn3,
    /// VNI Windows (fonts `VNI-Times`).
    Vni,
}

impl Legacy {
    /// The name people know it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcvn3 => "TCVN3 (ABC)",
            Self::Vni => "VNI",
        }
    }
}

/// Letters of TCVN3 by their byte, from 0xA1; `.` where the encoding has none.
const TCVN3: &str = "ĂÂÊÔƠƯĐăâêôơưđ......àảãáạ.ằẳẵắ.......ặầẩẫấậè.ẻẽéẹềểễếệìỉ...ĩíịò.ỏõóọồổỗốộờởỡớợù.ủũúụừửữứựỳỷỹýỵ";

/// Single letters of VNI.
const VNI_LETTERS: [(char, char); 7] =
    [('ô', 'ơ'), ('ö', 'ư'), ('ñ', 'đ'), ('æ', 'ỉ'), ('ó', 'ĩ'), ('ò', 'ị'), ('î', 'ỵ')];

/// What a mark of VNI adds to the vowel before it: a quality (combining), and a tone (combining).
const VNI_MARKS: [(char, &str); 17] = [
    ('ù', "\u{301}"),
    ('ø', "\u{300}"),
    ('û', "\u{309}"),
    ('õ', "\u{303}"),
    ('ï', "\u{323}"),
    ('â', "\u{302}"),
    ('á', "\u{302}\u{301}"),
    ('à', "\u{302}\u{300}"),
    ('å', "\u{302}\u{309}"),
    ('ã', "\u{302}\u{303}"),
    ('ä', "\u{323}\u{302}"),
    ('ê', "\u{306}"),
    ('é', "\u{306}\u{301}"),
    ('è', "\u{306}\u{300}"),
    ('ú', "\u{306}\u{309}"),
    ('ü', "\u{306}\u{303}"),
    ('ë', "\u{323}\u{306}"),
];

/// Longest text looked at, in bytes: longer ones are no names in any encoding.
const BYTES_MAX: usize = 600;

/// The encoding a text was typed in, and what it says in Unicode (NFC); none if it is no such text.
///
/// Every word with a letter beyond ASCII must be a Vietnamese syllable in the old encoding, and one of them must be none
/// as it stands: a foreign name (`Müller`) or one of a minority (`Êñuôl`) is left alone.
#[must_use]
pub fn decode(text: &str) -> Option<(Legacy, String)> {
    // Both encodings look like Latin-1: one letter beyond it, as most names in Unicode have, and it is neither.
    if text.is_ascii() || text.len() > BYTES_MAX || text.chars().any(|character| character > '\u{ff}') {
        return None;
    }
    let vni = explain(text, vni_word).map(|decoded| (Legacy::Vni, decoded));
    vni.or_else(|| explain(text, tcvn3_word).map(|decoded| (Legacy::Tcvn3, decoded)))
}

fn explain(text: &str, word_of: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut words = Vec::new();
    let mut evidence = false;
    for word in text.split([' ', '\u{a0}']).filter(|word| !word.is_empty()) {
        if word.is_ascii() {
            words.push(word.to_owned());
            continue;
        }
        let decoded = word_of(word).filter(|decoded| is_syllable(decoded))?;
        // ñ alone is no evidence: it is a letter of Ê-đê too.
        let telling = word.chars().any(|character| !character.is_ascii() && !matches!(character, 'ñ' | 'Ñ'));
        evidence |= telling && !is_syllable(word);
        words.push(decoded);
    }
    evidence.then(|| words.join(" "))
}

fn tcvn3_word(word: &str) -> Option<String> {
    word.chars()
        .map(|character| {
            let code = u32::from(character);
            match code {
                ..0x80 => Some(character),
                0xa1..=0xfe => TCVN3.chars().nth(usize::try_from(code - 0xa1).ok()?).filter(|letter| *letter != '.'),
                _ => None,
            }
        })
        .collect()
}

fn vni_word(word: &str) -> Option<String> {
    let mut decoded = String::with_capacity(2 * word.len());
    let mut vowel = false;
    for character in word.chars() {
        let small = character.to_lowercase().next().unwrap_or(character);
        let mark = VNI_MARKS.iter().find(|(mark, _)| *mark == small && vowel);
        let letter = VNI_LETTERS.iter().find(|(letter, _)| *letter == small);
        if let Some((_, marks)) = mark {
            decoded.push_str(marks);
            vowel = false;
        } else if let Some((_, letter)) = letter {
            let is_capital = character.is_uppercase();
            decoded.extend(if is_capital { letter.to_uppercase().next() } else { Some(*letter) });
            vowel = matches!(letter, 'ơ' | 'ư');
        } else if character.is_ascii() {
            decoded.push(character);
            vowel = matches!(small, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
        } else {
            return None;
        }
    }
    Some(decoded.nfc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Typed as it looks in Unicode | encoding | what it says
    const TYPED: &str = "
        Nguyeãn Vaên An        | VNI         | Nguyễn Văn An
        NGUYEÃN THÒ HOÀ        | VNI         | NGUYỄN THỊ HỒ
        NGUYEÃN THÒ HOAØ       | VNI         | NGUYỄN THỊ HOÀ
        Traàn Vaên Duõng       | VNI         | Trần Văn Dũng
        Ñaëng Thò Aùnh Tuyeát  | VNI         | Đặng Thị Ánh Tuyết
        Phöông Thuùy           | VNI         | Phương Thúy
        Leâ Huyønh Ñöùc        | VNI         | Lê Huỳnh Đức
        NguyÔn V¨n An          | TCVN3 (ABC) | Nguyễn Văn An
        TrÇn ThÞ Ph\u{ad}îng        | TCVN3 (ABC) | Trần Thị Phượng
        §Æng V¨n Hïng          | TCVN3 (ABC) | Đặng Văn Hùng
        Nguyễn Văn An          | -           | -
        Nguyen Van An          | -           | -
        Hans Müller            | -           | -
        Zoë Núñez              | -           | -
        Y Êñuôl                | -           | -
        Y Ñan                  | -           | -
        Chamaléa Thị Hồng      | -           | -
        Lò Văn Ón              | -           | -
    ";

    #[test]
    fn old_encodings_are_recognised_and_read() {
        for row in TYPED.lines().filter(|line| !line.trim().is_empty()) {
            let [typed, encoding, said] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("a row has three columns: {row}")
            };
            let found = decode(typed).map(|(legacy, said)| (legacy.name(), said));
            let expected = (encoding != "-").then(|| (encoding, said.to_owned()));
            assert_eq!(found, expected, "{row}");
        }
    }

    #[test]
    fn the_table_of_tcvn3_has_a_place_for_every_byte() {
        assert_eq!(TCVN3.chars().count(), 0xfe - 0xa0);
    }
}
