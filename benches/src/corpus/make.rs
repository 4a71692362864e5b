//! The changes: each is a few lines of text, done without a thought of how it will be judged.

use unicode_normalization::UnicodeNormalization;

use super::{Kind, Maker, spelling};

impl Maker {
    /// The name with a change of the kind; none if it has nothing to change.
    pub(super) fn changed(&mut self, kind: Kind, name: &str) -> Option<String> {
        match kind {
            Kind::Form => Some(self.in_another_form(name)),
            Kind::Case => self.in_another_case(name),
            Kind::TonePlace => self.with_tone_elsewhere(name),
            Kind::IAndY => self.with_word_of(name, &spelling::Y_OR_I),
            Kind::Stripped => self.without_marks(name),
            Kind::PartlyStripped => self.without_some_marks(name),
            Kind::Variant => self.with_word_of(name, &spelling::VARIANTS),
            Kind::Words => self.with_other_words(name),
            Kind::Mark => self.with_another_mark(name),
            Kind::Misread => self.misread(name),
            Kind::Prefix => self.with_another_prefix(name),
            Kind::Other => Some(self.name()),
        }
    }

    /// Decomposed as a whole, or in part, or with odd spaces.
    fn in_another_form(&mut self, name: &str) -> String {
        match self.chance.below(4) {
            0 => name.nfd().collect(),
            1 => self.every_other(name, |letter| letter.nfd().collect()),
            2 => name.replace(' ', "\u{a0} "),
            _ => format!("  {} ", name.nfd().collect::<String>().replace(' ', "   ")),
        }
    }

    fn in_another_case(&mut self, name: &str) -> Option<String> {
        Some(match self.chance.below(6) {
            0 => name.to_uppercase(),
            1 => name.to_lowercase(),
            2 => self.every_other(name, str::to_uppercase),
            3 if name.contains('\'') => name.replace('\'', "’"),
            3 if name.contains('-') => name.replace('-', " "),
            // The Icelandic letter that keyboards of the West have.
            4 if name.contains('Đ') => name.replace('Đ', "Ð"),
            // The space before the last word left out, where it leaves no doubt: after a consonant, before another.
            5 => {
                let (rest, last) = name.rsplit_once(' ')?;
                let tight = rest.ends_with(['n', 'g', 'h', 'c', 't', 'm'])
                    && last.starts_with(['T', 'V', 'S', 'L', 'Đ', 'X', 'B', 'K', 'P', 'Q', 'D', 'R']);
                if !tight {
                    return None;
                }
                format!("{rest}{last}")
            }
            _ => name.to_uppercase(),
        })
    }

    fn with_tone_elsewhere(&mut self, name: &str) -> Option<String> {
        let mut moved = false;
        let words: Vec<String> = name
            .split(' ')
            .map(|word| {
                let pair = spelling::TONE_PLACES.iter().find_map(|(old, new)| {
                    let stem = word.strip_suffix(old).map(|stem| (stem, new));
                    stem.or_else(|| word.strip_suffix(new).map(|stem| (stem, old)))
                });
                moved |= pair.is_some();
                pair.map_or(word.to_owned(), |(stem, end)| format!("{stem}{end}"))
            })
            .collect();
        moved.then(|| words.join(" "))
    }

    /// One word exchanged for its partner in a list.
    fn with_word_of(&mut self, name: &str, pairs: &[(&str, &str)]) -> Option<String> {
        let words: Vec<&str> = name.split(' ').collect();
        let partner = |word: &str| {
            let found = pairs.iter().find(|(one, other)| *one == word || *other == word)?;
            Some(if found.0 == word { found.1 } else { found.0 })
        };
        let places: Vec<usize> = (0..words.len()).filter(|at| partner(words[*at]).is_some()).collect();
        let at = *places.get(self.chance.below(u32::try_from(places.len().max(1)).ok()?) as usize)?;
        Some(replaced(&words, at, partner(words[at])?))
    }

    fn without_marks(&mut self, name: &str) -> Option<String> {
        let all = stripped(name);
        match self.chance.below(4) {
            0 => Some(name.replace('Đ', "D").replace('đ', "d")).filter(|less| less != name),
            1 => Some(all.replace(' ', "").to_uppercase()).filter(|_| all != name),
            _ => Some(all).filter(|all| all != name),
        }
    }

    /// Some words stripped, and some marks left.
    fn without_some_marks(&mut self, name: &str) -> Option<String> {
        let words: Vec<&str> = name.split(' ').collect();
        let marked: Vec<usize> = (0..words.len()).filter(|at| stripped(words[*at]) != words[*at]).collect();
        if marked.len() < 2 {
            return None;
        }
        let at = *self.chance.one_of(&marked);
        Some(replaced(&words, at, &stripped(words[at])))
    }

    fn with_other_words(&mut self, name: &str) -> Option<String> {
        let mut words: Vec<&str> = name.split(' ').collect();
        if words.len() < 2 {
            return None;
        }
        let at = self.chance.below(u32::try_from(words.len() - 1).ok()?) as usize;
        match self.chance.below(3) {
            0 => words.swap(at, at + 1),
            1 => drop(words.remove(at)),
            _ => words.insert(at + 1, *self.chance.one_of(&spelling::MIDDLES)),
        }
        Some(words.join(" "))
    }

    /// A word for another that has the same letters, or one mark changed for another.
    fn with_another_mark(&mut self, name: &str) -> Option<String> {
        let words: Vec<&str> = name.split(' ').collect();
        let at = self.chance.below(u32::try_from(words.len()).ok()?) as usize;
        let alike = self.alike.get(&stripped(words[at])).cloned();
        if let Some(alike) = alike.filter(|_| self.chance.percent(60)) {
            let other = self.chance.one_of(&alike).clone();
            return Some(replaced(&words, at, &other)).filter(|changed| changed != name);
        }
        let letters: Vec<char> = words[at].nfd().collect();
        let marks: Vec<usize> = (0..letters.len()).filter(|at| TONES.contains(&letters[*at])).collect();
        let changed: String = match marks.first() {
            Some(mark) => {
                let tone = *self.chance.one_of(&TONES);
                letters.iter().enumerate().map(|(at, letter)| if at == *mark { tone } else { *letter }).collect()
            }
            None => {
                let vowel = letters.iter().rposition(|letter| "aeiouyAEIOUY".contains(*letter))?;
                let tone = *self.chance.one_of(&TONES);
                letters[..=vowel].iter().chain([&tone]).chain(&letters[vowel + 1..]).collect()
            }
        };
        let changed: String = changed.nfc().collect();
        (changed != words[at]).then(|| replaced(&words, at, &changed))
    }

    fn misread(&mut self, name: &str) -> Option<String> {
        let (seen, read) = *self.chance.one_of(&spelling::MISREAD);
        let places: Vec<usize> = name.match_indices(seen).map(|(at, _)| at).collect();
        if places.is_empty() {
            return None;
        }
        let at = *self.chance.one_of(&places);
        Some(format!("{}{read}{}", &name[..at], &name[at + seen.len()..]))
    }

    fn with_another_prefix(&mut self, name: &str) -> Option<String> {
        let drop_prefix = |prefix: &str| {
            let (before, after) = name.split_once(prefix)?;
            (before.is_empty() || before.ends_with(' ')).then(|| format!("{before}{after}"))
        };
        let dropped = ["H'", "K'", "Y ", "A ", "Rơ "].iter().find_map(|prefix| drop_prefix(prefix));
        let with_vowel = name
            .contains("H'")
            .then(|| name.replace("H'", "Hơ "))
            .or_else(|| name.contains("Rơ ").then(|| name.replace("Rơ ", "R'")));
        if self.chance.percent(50) { with_vowel.or(dropped) } else { dropped.or(with_vowel) }
    }

    fn every_other(&mut self, name: &str, change: impl Fn(&str) -> String) -> String {
        name.chars()
            .map(|letter| {
                let letter = letter.to_string();
                if self.chance.percent(50) { change(&letter) } else { letter }
            })
            .collect()
    }
}

/// Huyền, sắc, ngã, hỏi, nặng.
const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{303}', '\u{309}', '\u{323}'];

/// The text without any mark, Đ as D.
pub(super) fn stripped(text: &str) -> String {
    let plain = text.nfd().filter(|letter| !('\u{300}'..='\u{36f}').contains(letter));
    plain
        .map(|letter| match letter {
            'đ' => 'd',
            'Đ' => 'D',
            other => other,
        })
        .collect()
}

fn replaced(words: &[&str], at: usize, with: &str) -> String {
    let words = words.iter().enumerate().map(|(place, word)| if place == at { with } else { word });
    words.collect::<Vec<_>>().join(" ")
}
