//! How common a word is in names, which words are variants of one another, which letters are misread:
//! `node/core/data/names.csv`, `variants.csv` and `confusions.csv`.

use std::sync::LazyLock;

use super::form::{Form, Letter, bare_key, key};

const NAMES: &str = include_str!("../../../data/names.csv");
const VARIANTS: &str = include_str!("../../../data/variants.csv");
const CONFUSIONS: &str = include_str!("../../../data/confusions.csv");

/// The tables shipped with the program.
static SHIPPED: LazyLock<Tables> =
    LazyLock::new(|| Tables::read(NAMES, VARIANTS, CONFUSIONS).expect("a test reads the tables that are shipped"));

/// What agreement on a word says that no table knows: it is one in a million. In hundredths of a bit.
const RAREST: u16 = 1_993;

/// Where in a name a word stands. Nothing is assumed of what stands there: a clan may come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The first word; of the only word it is the last.
    First,
    /// Any between.
    Middle,
    /// The last word.
    Last,
}

/// Words of names.
pub(super) struct Tables {
    /// (key of the word, weight by position), ascending.
    signed: Vec<(u64, [u16; 3])>,
    /// (key of the word without marks, weight by position), ascending.
    unsigned: Vec<(u64, [u16; 3])>,
    /// Keys of two words, in both orders, ascending.
    variants: Vec<(u64, u64)>,
    /// The same of words without marks: (bare key, signed key).
    bare_variants: Vec<(u64, u64)>,
    /// One or two letters each.
    confusions: Vec<(Vec<Letter>, Vec<Letter>)>,
}

/// A line that is no row of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{table}, line {line}: no row of the table")]
pub(super) struct TableError {
    table: &'static str,
    line: usize,
}

impl Tables {
    pub(super) fn shipped() -> &'static Self {
        &SHIPPED
    }

    fn read(names: &str, variants: &str, confusions: &str) -> Result<Self, TableError> {
        let mut signed: Vec<(u64, [u32; 3])> = Vec::new();
        let mut unsigned = Vec::new();
        for (line, [word, first, middle, last]) in rows(names) {
            let counts = [first, middle, last].map(|count| count.parse::<u32>().ok());
            let (Some(word), [Some(first), Some(middle), Some(last)]) = (one_word(word), counts) else {
                return Err(TableError { table: "names.csv", line });
            };
            signed.push((key(word.word(0)), [first, middle, last]));
            unsigned.push((bare_key(word.word(0)), [first, middle, last]));
        }
        let mut pairs = (Vec::new(), Vec::new());
        for (line, [one, other]) in rows(variants) {
            let (Some(one), Some(other)) = (one_word(one), one_word(other)) else {
                return Err(TableError { table: "variants.csv", line });
            };
            for (from, to) in [(one.word(0), other.word(0)), (other.word(0), one.word(0))] {
                pairs.0.push((key(from), key(to)));
                pairs.1.push((bare_key(from), key(to)));
            }
        }
        let mut confused = Vec::new();
        for (line, [one, other]) in rows(confusions) {
            let (Some(one), Some(other)) = (one_word(one), one_word(other)) else {
                return Err(TableError { table: "confusions.csv", line });
            };
            confused.push((one.letters().to_vec(), other.letters().to_vec()));
        }
        pairs.0.sort_unstable();
        pairs.1.sort_unstable();
        Ok(Self {
            signed: weights(signed),
            unsigned: weights(unsigned),
            variants: pairs.0,
            bare_variants: pairs.1,
            confusions: confused,
        })
    }

    /// Whether a word is a name, or a part of names, that the table knows.
    pub(super) fn is_known(&self, word: &[Letter]) -> bool {
        find(&self.signed, key(word)).is_some()
    }

    /// What it says that two names agree on a word in a position, in hundredths of a bit: the rarer, the more.
    pub(super) fn weight(&self, word: &[Letter], position: Position) -> i32 {
        weight_in(&self.signed, key(word), position)
    }

    /// What it says that they agree but for marks.
    pub(super) fn weight_unsigned(&self, word: &[Letter], position: Position) -> i32 {
        weight_in(&self.unsigned, bare_key(word), position)
    }

    pub(super) fn are_variants(&self, asked: &[Letter], recorded: &[Letter], asked_unsigned: bool) -> bool {
        let recorded = key(recorded);
        if asked_unsigned {
            self.bare_variants.binary_search(&(bare_key(asked), recorded)).is_ok()
        } else {
            self.variants.binary_search(&(key(asked), recorded)).is_ok()
        }
    }

    pub(super) fn are_confused(&self, one: &[Letter], other: &[Letter]) -> bool {
        if one.len() > 2 || other.len() > 2 {
            return false;
        }
        let same = |word: &[Letter], listed: &[Letter]| {
            word.len() == listed.len() && word.iter().zip(listed).all(|(one, other)| one.base() == other.base())
        };
        self.confusions
            .iter()
            .any(|(left, right)| same(one, left) && same(other, right) || same(one, right) && same(other, left))
    }
}

fn find(table: &[(u64, [u16; 3])], key: u64) -> Option<&[u16; 3]> {
    table.binary_search_by_key(&key, |(known, _)| *known).ok().map(|at| &table[at].1)
}

fn weight_in(table: &[(u64, [u16; 3])], key: u64, position: Position) -> i32 {
    i32::from(find(table, key).map_or(RAREST, |weights| weights[position as usize]))
}

/// Counts of one key are added up, then turned into weights.
fn weights(mut counts: Vec<(u64, [u32; 3])>) -> Vec<(u64, [u16; 3])> {
    counts.sort_unstable();
    let mut summed: Vec<(u64, [u32; 3])> = Vec::with_capacity(counts.len());
    for (key, counts) in counts {
        match summed.last_mut() {
            Some((last, sums)) if *last == key => sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count),
            _ => summed.push((key, counts)),
        }
    }
    summed.into_iter().map(|(key, counts)| (key, counts.map(weight_of))).collect()
}

/// log2(1,000,000 / count) in hundredths, in whole numbers: every machine finds the same.
fn weight_of(per_million: u32) -> u16 {
    const MILLION: u64 = 1_000_000;
    const ONE: u64 = 1 << 31;
    let count = u64::from(per_million.clamp(1, 1_000_000));
    let mut ratio = (MILLION << 31) / count;
    let mut hundredths = 0;
    while ratio >= 2 * ONE {
        ratio /= 2;
        hundredths += 100;
    }
    // The binary logarithm of what is left, 1 to 2, bit by bit: squaring doubles it.
    let mut fraction = 0;
    for bit in (0..10).rev() {
        ratio = (ratio * ratio) >> 31;
        if ratio >= 2 * ONE {
            ratio /= 2;
            fraction += 1_u64 << bit;
        }
    }
    u16::try_from(hundredths + fraction * 100 / 1024).expect("under twenty bits")
}

/// Rows of `N` columns below the heading, with their lines; a row of another count has empty columns, which are no words.
fn rows<const N: usize>(table: &str) -> impl Iterator<Item = (usize, [&str; N])> {
    table.lines().enumerate().skip(1).map(|(index, line)| {
        let columns: Vec<_> = line.split(',').collect();
        (index + 1, columns.try_into().unwrap_or([""; N]))
    })
}

fn one_word(text: &str) -> Option<Form> {
    let form = Form::of(text);
    (form.words() == 1).then_some(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_logarithms() {
        for (per_million, hundredths) in
            [(1_000_000, 0), (500_000, 100), (250_000, 200), (1, 1_993), (0, 1_993), (100, 1_328)]
        {
            assert!(weight_of(per_million).abs_diff(hundredths) <= 1, "{per_million}: {}", weight_of(per_million));
        }
        let falling: Vec<u16> = (1..=1_000).map(|count| weight_of(count * 1_000)).collect();
        assert!(falling.is_sorted_by(|common, rare| common >= rare));
    }

    #[test]
    fn the_tables_are_sound_and_tell_common_from_rare() {
        let tables = Tables::read(NAMES, VARIANTS, CONFUSIONS).expect("the tables are sound");
        let first = |word| tables.weight(Form::of(word).word(0), Position::First);
        assert!(first("Nguyễn") < 200, "one in three: {}", first("Nguyễn"));
        assert!(first("Moong") > 1_500, "one in 50,000: {}", first("Moong"));
        assert_eq!(first("Xyz"), i32::from(RAREST));
        assert!(
            tables.weight_unsigned(Form::of("Hung").word(0), Position::Last)
                < tables.weight(Form::of("Hưng").word(0), Position::Last)
        );
        let keys: Vec<u64> = tables.signed.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys.len(), NAMES.lines().count() - 1, "no two words share a key");
    }

    #[test]
    fn a_broken_line_is_named() {
        for (names, variants, confusions, table, line) in [
            ("h\nnguyễn,1,2\n", "h\n", "h\n", "names.csv", 2),
            ("h\nnguyễn,1,2,3\nvăn an,1,2,3\n", "h\n", "h\n", "names.csv", 3),
            ("h\nnguyễn,1,2,x\n", "h\n", "h\n", "names.csv", 2),
            ("h\n", "h\nvũ\n", "h\n", "variants.csv", 2),
            ("h\n", "h\n", "h\na,o\nb,\n", "confusions.csv", 3),
        ] {
            assert_eq!(Tables::read(names, variants, confusions).err(), Some(TableError { table, line }), "{names}");
        }
    }
}
