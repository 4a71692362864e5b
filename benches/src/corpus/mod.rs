//! Pairs of names that differ in a known way, made from invented people of every region and of many peoples.
//!
//! The label of a pair is how it was made; nothing here asks the rules or reads their tables. The same seed gives the same
//! pairs on every machine.

mod make;
mod spelling;

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;
use xacminh_client::population::{chance::Chance, full_name};
use xacminh_proto::vocab::FullName;

/// The provinces of today, from north to south.
const PROVINCES: [i16; 34] = [
    1, 4, 8, 11, 12, 14, 15, 19, 20, 22, 24, 25, 31, 33, 37, 38, 40, 42, 44, 46, 48, 51, 52, 56, 66, 68, 75, 79, 80,
    82, 86, 91, 92, 96,
];

/// Peoples whose names the generator knows besides the Kinh, by their codes.
const PEOPLES: [i16; 24] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 16, 17, 19, 20, 21, 22, 23, 26, 27, 28, 30, 31];

/// Names drawn before a trait that a kind of pair needs is put into one.
const DRAWS_MAX: usize = 12;

/// How a pair was made: the class of difference that its making has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// N0: another Unicode form.
    Form,
    /// N1: case, spaces, apostrophes, hyphens, a space left out.
    Case,
    /// N2: a tone mark on the other vowel of oa, oe, uy.
    TonePlace,
    /// N3: i and y where dictionaries allow both.
    IAndY,
    /// N4: all marks stripped, or Đ to D.
    Stripped,
    /// N5: the marks of some words stripped.
    PartlyStripped,
    /// N6: a variant that is another name: regional, avoided, or i and y where names tell them apart.
    Variant,
    /// N7: two words exchanged, one left out, one put in.
    Words,
    /// N8: one mark changed.
    Mark,
    /// N9: a letter misread.
    Misread,
    /// N10: the prefix of a minority name dropped or written otherwise.
    Prefix,
    /// Another invented person.
    Other,
}

impl Kind {
    /// All kinds, from benign to serious.
    pub const ALL: [Self; 12] = [
        Self::Form,
        Self::Case,
        Self::TonePlace,
        Self::IAndY,
        Self::Stripped,
        Self::PartlyStripped,
        Self::Variant,
        Self::Words,
        Self::Mark,
        Self::Misread,
        Self::Prefix,
        Self::Other,
    ];

    /// The class, and what was done.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Form => "N0 Unicode form",
            Self::Case => "N1 case, space, punctuation",
            Self::TonePlace => "N2 place of the tone mark",
            Self::IAndY => "N3 i and y",
            Self::Stripped => "N4 unsigned, Đ to D",
            Self::PartlyStripped => "N5 some marks stripped",
            Self::Variant => "N6 variants of a name",
            Self::Words => "N7 order, missing, extra word",
            Self::Mark => "N8 one mark changed",
            Self::Misread => "N9 a letter misread",
            Self::Prefix => "N10 prefix of a minority name",
            Self::Other => "another person",
        }
    }

    /// Whether the two are spellings of one name, so that refusing them is an error.
    #[must_use]
    pub const fn is_one_name(self) -> bool {
        matches!(self, Self::Form | Self::Case | Self::TonePlace | Self::IAndY)
    }
}

/// Two names, and how one was made from the other.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// How.
    pub kind: Kind,
    /// The name that is asked, as typed.
    pub asked: String,
    /// The name on record.
    pub recorded: String,
}

/// Draws pairs.
pub struct Maker {
    chance: Chance,
    /// Words of names by their letters without marks: words that differ in marks alone.
    alike: BTreeMap<String, Vec<String>>,
    drawn: usize,
}

impl Maker {
    /// A maker whose pairs follow from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut maker = Self { chance: Chance::of(seed, 0), alike: BTreeMap::new(), drawn: 0 };
        for _ in 0..40_000 {
            for word in maker.name().split(' ').map(str::to_owned).collect::<Vec<_>>() {
                let words = maker.alike.entry(make::stripped(&word)).or_default();
                if !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        maker.alike.retain(|_, words| words.len() > 1);
        maker
    }

    /// A pair of a kind; both are names.
    pub fn pair(&mut self, kind: Kind) -> Pair {
        loop {
            let recorded = self.name_for(kind);
            let Some(asked) = self.changed(kind, &recorded) else { continue };
            // A change may come out as no name, or as no change: two words exchanged that are the same, a namesake drawn.
            let (Ok(changed), Ok(other)) = (FullName::parse(&asked), FullName::parse(&recorded)) else { continue };
            let asked = self.dressed(kind, asked);
            if (changed == other) == (kind == Kind::Form) && FullName::parse(&asked).is_ok() {
                return Pair { kind, asked, recorded };
            }
        }
    }

    /// Somebody's name: regions in turn, every third of the Kinh majority's share given to another people.
    fn name(&mut self) -> String {
        self.drawn += 1;
        let province = PROVINCES[self.drawn % PROVINCES.len()];
        let ethnicity = if self.drawn.is_multiple_of(3) { *self.chance.one_of(&PEOPLES) } else { 1 };
        self.name_of(province, ethnicity)
    }

    fn name_of(&mut self, province: i16, ethnicity: i16) -> String {
        let female = self.chance.percent(50);
        let year = i16::try_from(self.chance.range(1940, 2015)).expect("a year");
        full_name(province, ethnicity, female, year, &mut self.chance)
    }

    /// A name that a change of the kind can be made to.
    fn name_for(&mut self, kind: Kind) -> String {
        if kind == Kind::Prefix {
            let ethnicity = *self.chance.one_of(&spelling::PEOPLES_WITH_PREFIXES);
            return self.name_of(66, ethnicity);
        }
        let has = |name: &str, traits: &[&str]| name.split(' ').any(|word| traits.contains(&word));
        let traits = spelling::words_of(kind);
        for _ in 0..DRAWS_MAX {
            let name = self.name();
            if traits.is_empty() || has(&name, &traits) {
                return name;
            }
        }
        // Names by chance have few of these words: one is put at the end, or at the beginning if it is a surname.
        let word = *self.chance.one_of(&traits);
        let name = self.name();
        let (first, rest) = name.split_once(' ').unwrap_or((&name, "An"));
        match spelling::is_surname(word) {
            true => format!("{word} {rest}"),
            false => format!("{first} {} {word}", rest.rsplit_once(' ').map_or("Minh", |(middle, _)| middle)),
        }
    }

    /// Upper case besides, every third time: cards are printed so. N0 alone stays as it is.
    fn dressed(&mut self, kind: Kind, asked: String) -> String {
        let also_case = kind != Kind::Form && self.chance.percent(33);
        if also_case { asked.nfc().collect::<String>().to_uppercase() } else { asked }
    }
}
