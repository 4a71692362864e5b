//! Citizen numbers and old numbers, each citizen number given once.

use std::collections::HashSet;

use super::chance::Chance;

/// The last six digits of a citizen number are random.
const RANDOM_BOUND: u32 = 1_000_000;

/// Draws before giving up: a bucket (place, sex, year) of a million numbers would have to be almost full.
const DRAWS_MAX: usize = 10_000;

/// Numbers already given, to people of this population or to relatives outside of it.
#[derive(Default)]
pub(super) struct NumberBook {
    given: HashSet<u64>,
    outside: HashSet<u64>,
    last_old: Option<u32>,
}

/// What the digits of a number say.
#[derive(Clone, Copy)]
pub(super) struct Structure {
    /// Province or country of birth registration.
    pub place: i16,
    /// Coded sex.
    pub female: bool,
    /// Coded birth year.
    pub birth_year: i16,
}

impl NumberBook {
    /// A citizen number nobody has.
    pub(super) fn citizen(&mut self, structure: Structure, chance: &mut Chance) -> u64 {
        let prefix = prefix(structure);
        for _ in 0..DRAWS_MAX {
            let number = prefix * u64::from(RANDOM_BOUND) + u64::from(chance.below(RANDOM_BOUND));
            if self.given.insert(number) {
                return number;
            }
        }
        unreachable!("a bucket of a million numbers ran full: fewer than 100 million people are asked for")
    }

    /// The number of a relative whom this database does not hold.
    pub(super) fn outsider(&mut self, structure: Structure, chance: &mut Chance) -> u64 {
        let number = self.citizen(structure, chance);
        self.outside.insert(number);
        number
    }

    /// An old number; five in ten thousand were given twice.
    pub(super) fn old(&mut self, chance: &mut Chance) -> u32 {
        let fresh = 10_000_000 + chance.below(390_000_000);
        let number = if chance.in_ten_thousand(5) { self.last_old.unwrap_or(fresh) } else { fresh };
        self.last_old = Some(fresh);
        number
    }

    /// Numbers of relatives outside of this population.
    pub(super) fn outside(&self) -> &HashSet<u64> {
        &self.outside
    }
}

/// The first six digits: place, century with sex, year (Decree 137/2015 article 13).
fn prefix(structure: Structure) -> u64 {
    let centuries = u64::from(structure.birth_year.unsigned_abs()) / 100 - 19;
    let century_and_sex = centuries * 2 + u64::from(structure.female);
    let year = u64::from(structure.birth_year.unsigned_abs()) % 100;
    u64::from(structure.place.unsigned_abs()) * 1_000 + century_and_sex * 100 + year
}

#[cfg(test)]
mod tests {
    use super::*;
    use xacminh_proto::vocab::{CitizenNumber, Sex};

    #[test]
    fn digits_say_what_was_asked() {
        let mut book = NumberBook::default();
        let mut chance = Chance::of(1, 1);
        for (place, female, birth_year) in [(48, false, 1_956), (0, true, 2_011), (286, true, 1_999), (1, false, 2_000)]
        {
            let number = book.citizen(Structure { place, female, birth_year }, &mut chance);
            let structure = CitizenNumber::try_from(number).expect("twelve digits").structure();
            assert_eq!(structure.place, place.unsigned_abs());
            assert_eq!(structure.sex == Sex::Female, female);
            assert_eq!(structure.birth_year, birth_year.unsigned_abs());
        }
    }
}
