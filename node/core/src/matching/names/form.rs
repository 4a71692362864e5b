//! The form in which names are compared: words of small letters, each letter split into base, quality and tone.
//!
//! Words end at spaces, hyphens, dots and apostrophes of any make. Nothing is allocated.

use unicode_normalization::char::decompose_canonical;

/// Letters of the longest name: a name has at most 200 bytes.
const LETTERS_MAX: usize = 200;

/// Words of the name with the most: every second byte a space.
const WORDS_MAX: usize = 100;

/// A small letter: base in bits 0–15, quality in 16–19, tone in 20–22, marks that no Vietnamese letter has in 24–31.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Letter(u32);

const QUALITY: u32 = 0xf << 16;
const STROKE: u32 = 8 << 16;
const TONE: u32 = 7 << 20;
const OTHER: u32 = 0xff << 24;

/// What a name shows of how it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// No letter has a mark.
    Unsigned,
    /// Letters have marks, and none is a Đ: the keyboard may have had none.
    WithoutStroke,
    /// Letters have marks, and one is a Đ.
    Signed,
}

/// A tone, as it stands in a letter; none is 0.
pub(super) const SAC: u32 = 2 << 20;
pub(super) const NGA: u32 = 3 << 20;
pub(super) const HOI: u32 = 4 << 20;
pub(super) const NANG: u32 = 5 << 20;

impl Letter {
    /// A letter without marks.
    pub(super) const fn plain(base: char) -> Self {
        Self(base as u32 & 0xffff)
    }

    pub(super) const fn base(self) -> u32 {
        self.0 & 0xffff
    }

    pub(super) fn is(self, base: char) -> bool {
        self.base() == u32::from(base)
    }

    /// The letter without any mark.
    pub(super) const fn bare(self) -> Self {
        Self(self.base())
    }

    pub(super) const fn toneless(self) -> Self {
        Self(self.0 & !TONE)
    }

    pub(super) const fn tone(self) -> u32 {
        self.0 & TONE
    }

    pub(super) const fn is_bare(self) -> bool {
        self.0 >> 16 == 0
    }

    pub(super) const fn marks(self) -> u32 {
        self.0 & !0xffff
    }

    /// Whether the marks are those of the other, or fewer.
    pub(super) const fn lacks_marks_of(self, rich: Self) -> bool {
        let tone = self.tone() == 0 || self.tone() == rich.tone();
        let others = self.0 & OTHER == 0 || self.0 & OTHER == rich.0 & OTHER;
        self.0 & QUALITY & !rich.0 == 0 && tone && others
    }

    /// Whether this is D where the other is Đ.
    pub(super) const fn lacks_stroke_of(self, rich: Self) -> bool {
        self.marks() & STROKE == 0 && self.marks() | STROKE == rich.marks()
    }

    pub(super) const fn is_vowel(self) -> bool {
        matches!(self.base(), 0x61 | 0x65 | 0x69 | 0x6f | 0x75 | 0x79)
    }

    /// Adds a combining mark.
    fn mark(&mut self, mark: char) {
        let bits = match mark {
            '\u{302}' => 1 << 16,
            '\u{306}' => 2 << 16,
            '\u{31b}' => 4 << 16,
            '\u{300}' if self.tone() == 0 => 1 << 20,
            '\u{301}' if self.tone() == 0 => SAC,
            '\u{303}' if self.tone() == 0 => NGA,
            '\u{309}' if self.tone() == 0 => HOI,
            '\u{323}' if self.tone() == 0 => NANG,
            // One such mark is a number of its own, 1 to 112; several become one number of the upper half.
            other => {
                let (before, mark) = (self.0 >> 24, u32::from(other).wrapping_sub(0x2ff) & 0x7f);
                let both = if before == 0 { mark } else { before.wrapping_mul(31).wrapping_add(mark) & 0x7f | 0x80 };
                self.0 &= !OTHER;
                both << 24
            }
        };
        self.0 |= bits;
    }

    /// The letter of a small character, composed or not.
    fn of(character: char) -> Self {
        let (base, stroke) = match character {
            // The Icelandic and the African letter look like đ, and stand for it in old texts.
            'đ' | 'ð' | 'ɖ' => ('d', STROKE),
            'ƀ' => ('b', STROKE),
            other => (other, 0),
        };
        let mut letter = Self::default();
        decompose_canonical(base, |part| if letter.0 == 0 { letter = Self::plain(part) } else { letter.mark(part) });
        Self(letter.0 | stroke)
    }
}

/// A name as words of letters.
pub(super) struct Form {
    letters: [Letter; LETTERS_MAX],
    /// Where each word ends in `letters`.
    ends: [u8; WORDS_MAX],
    words: usize,
    /// Bit `i`: word `i` ends with an apostrophe. Words beyond have none that matters.
    apostrophes: u64,
}

impl Form {
    /// The form of a name in NFC, as [`xacminh_proto::vocab::FullName`] holds it.
    pub(super) fn of(name: &str) -> Self {
        let mut form =
            Self { letters: [Letter::default(); LETTERS_MAX], ends: [0; WORDS_MAX], words: 0, apostrophes: 0 };
        let mut count = 0;
        for character in name.chars() {
            match character {
                ' ' | '-' | '.' | '\'' | '’' | 'ʼ' => form.end_word(count, matches!(character, '\'' | '’' | 'ʼ')),
                'a'..='z' => form.push(&mut count, Letter::plain(character)),
                'A'..='Z' => form.push(&mut count, Letter::plain(character.to_ascii_lowercase())),
                '\u{300}'..='\u{36f}' if count > 0 => form.letters[count - 1].mark(character),
                _ => {
                    for small in character.to_lowercase() {
                        if matches!(small, '\u{300}'..='\u{36f}') && count > 0 {
                            form.letters[count - 1].mark(small);
                        } else {
                            form.push(&mut count, Letter::of(small));
                        }
                    }
                }
            }
        }
        form.end_word(count, false);
        form
    }

    /// A name has fewer letters than bytes, so nothing is left out of one.
    fn push(&mut self, count: &mut usize, letter: Letter) {
        if let Some(place) = self.letters.get_mut(*count) {
            *place = letter;
            *count += 1;
        }
    }

    fn end_word(&mut self, count: usize, with_apostrophe: bool) {
        if count > self.start(self.words) && self.words < WORDS_MAX {
            self.ends[self.words] = u8::try_from(count).expect("200 letters at the most");
            if with_apostrophe && self.words < 64 {
                self.apostrophes |= 1 << self.words;
            }
            self.words += 1;
        }
    }

    pub(super) const fn words(&self) -> usize {
        self.words
    }

    fn start(&self, word: usize) -> usize {
        if word == 0 { 0 } else { usize::from(self.ends[word - 1]) }
    }

    pub(super) fn word(&self, at: usize) -> &[Letter] {
        &self.letters[self.start(at)..usize::from(self.ends[at])]
    }

    pub(super) fn letters(&self) -> &[Letter] {
        &self.letters[..self.start(self.words)]
    }

    /// Whether the words are the same, however they are set apart.
    pub(super) fn same_words(&self, other: &Self) -> bool {
        self.letters() == other.letters() && self.ends[..self.words] == other.ends[..other.words]
    }

    /// What the name shows of how it was typed.
    pub(super) fn typed(&self) -> Typed {
        if self.letters().iter().all(|letter| letter.is_bare()) {
            Typed::Unsigned
        } else if self.letters().iter().any(|letter| letter.marks() & STROKE != 0) {
            Typed::Signed
        } else {
            Typed::WithoutStroke
        }
    }

    pub(super) const fn ends_with_apostrophe(&self, word: usize) -> bool {
        word < 64 && self.apostrophes >> word & 1 == 1
    }

    /// The same letters in the words of `finer`, if every end of a word here is one there too and some are there only.
    pub(super) fn split_like(&self, finer: &Self) -> Option<Self> {
        let is_finer = self.words < finer.words
            && self.letters().len() == finer.letters().len()
            && self.ends[..self.words].iter().all(|end| finer.ends[..finer.words].contains(end));
        is_finer.then_some(Self { letters: self.letters, ends: finer.ends, words: finer.words, apostrophes: 0 })
    }

    /// The words of `finer` that are one word here, as (first, last).
    pub(super) fn joined<'a>(&'a self, finer: &'a Self) -> impl Iterator<Item = (usize, usize)> + 'a {
        (0..self.words).filter_map(|word| {
            let first = (0..finer.words).find(|at| finer.start(*at) == self.start(word))?;
            let last = (first..finer.words).find(|at| finer.ends[*at] == self.ends[word])?;
            (first < last).then_some((first, last))
        })
    }

    /// Letters of the words from `first` to `last`.
    pub(super) fn span(&self, first: usize, last: usize) -> &[Letter] {
        &self.letters[self.start(first)..usize::from(self.ends[last])]
    }
}

/// A word as a number, the same wherever its tone mark stands; FNV-1a, so that it is the same on every machine.
pub(super) fn key(word: &[Letter]) -> u64 {
    let tone = word.iter().map(|letter| letter.tone()).fold(0, |sum, tone| sum | tone);
    let letters = word.iter().map(|letter| letter.toneless().0);
    fnv(letters.chain([tone]))
}

/// The word without any mark, as a number.
pub(super) fn bare_key(word: &[Letter]) -> u64 {
    fnv(word.iter().map(|letter| letter.bare().0))
}

fn fnv(parts: impl Iterator<Item = u32>) -> u64 {
    parts.fold(0xcbf2_9ce4_8422_2325, |hash, part| (hash ^ u64::from(part)).wrapping_mul(0x0100_0000_01b3))
}
