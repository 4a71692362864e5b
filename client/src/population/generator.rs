//! The stream of people: same seed, same people, whatever database they go to.

use std::collections::{HashSet, VecDeque};

use super::household::{self, Town};
use super::kin::Kin;
use super::numbers::NumberBook;
use super::person::Person;
use super::places::{Places, PlacesError};

/// A synthetic population, one row after another.
///
/// Household `h` draws from stream `h` of the seed; numbers already given and couples who may be parents are carried
/// along. A larger population therefore begins with the people of a smaller one, but for the smaller one's last
/// household, which may be cut short to meet the count.
pub struct Population {
    places: Places,
    province: i16,
    seed: u64,
    citizens: u64,
    made: u64,
    households: u64,
    book: NumberBook,
    kin: Kin,
    queue: VecDeque<Person>,
}

impl Population {
    /// A population of so many citizens in a province of today.
    ///
    /// # Errors
    /// [`PlacesError`] if nobody can be settled in the province.
    pub fn new(citizens: u64, province: i16, seed: u64) -> Result<Self, PlacesError> {
        let places = Places::load()?;
        places.province(province)?;
        let (book, kin, queue) = (NumberBook::default(), Kin::default(), VecDeque::new());
        Ok(Self { places, province, seed, citizens, made: 0, households: 0, book, kin, queue })
    }

    /// How many citizens it has.
    #[must_use]
    pub fn citizens(&self) -> u64 {
        self.citizens
    }

    /// Numbers of relatives who are deliberately not in this population.
    #[must_use]
    pub fn outside(&self) -> &HashSet<u64> {
        self.book.outside()
    }

    fn settle(&mut self) {
        let province = self.places.province(self.province).expect("checked when the population was made");
        let room = usize::try_from(self.citizens - self.made).unwrap_or(usize::MAX);
        let mut town = Town { places: &self.places, province, book: &mut self.book, kin: &mut self.kin };
        self.households += 1;
        let rows = household::settle(&mut town, self.seed, self.households, room);
        // A cancelled number is a second row of somebody already counted.
        let cancelled = xacminh_proto::schema::code::NUMBER_CANCELLED;
        self.made += rows.iter().map(|row| u64::from(row.number_status != cancelled)).sum::<u64>();
        self.queue.extend(rows);
    }
}

impl Iterator for Population {
    type Item = Person;

    fn next(&mut self) -> Option<Person> {
        if self.queue.is_empty() && self.made < self.citizens {
            self.settle();
        }
        self.queue.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::population::person::Cell;
    use sha2::{Digest, Sha256};
    use xacminh_proto::hex;
    use xacminh_proto::schema::code;
    use xacminh_proto::vocab::CitizenNumber;

    fn people(citizens: u64, seed: u64) -> (Vec<Person>, HashSet<u64>) {
        let mut population = Population::new(citizens, 48, seed).expect("province 48 has communes");
        let people = population.by_ref().collect();
        (people, population.outside().clone())
    }

    /// Every column of 2,000 people. A change of this digest means that demos and published examples show other people.
    #[test]
    fn the_same_seed_gives_the_same_people() {
        let mut digest = Sha256::new();
        for person in people(2_000, 42).0 {
            person.cells(&mut |cell| digest.update(text(cell)));
        }
        let digest = hex::text(&digest.finalize());
        assert_eq!(digest, "ca275cd84ac5561c95927d9483361fb68afec3fa93bab3476ddab710208ac4c4");
    }

    #[test]
    fn another_seed_gives_other_people() {
        assert_ne!(people(50, 1).0, people(50, 2).0);
    }

    #[test]
    fn a_larger_population_begins_with_the_smaller() {
        let (small, _) = people(500, 9);
        let (large, _) = people(3_000, 9);
        let settled =
            small.iter().filter(|person| person.household != small.last().map_or(0, |last| last.household)).count();
        assert!(settled > 490);
        assert_eq!(small[..settled], large[..settled]);
    }

    #[test]
    fn as_many_citizens_as_asked_each_number_once() {
        for citizens in [0, 1, 2, 3, 1_000] {
            let (people, _) = people(citizens, 5);
            let active = people.iter().filter(|person| person.number_status == code::NUMBER_ACTIVE).count();
            assert_eq!(active as u64, citizens);
            let numbers: HashSet<_> = people.iter().map(|person| person.number).collect();
            assert_eq!(numbers.len(), people.len());
        }
    }

    /// Every relative exists or is deliberately outside; parents are older than their children; couples name each other.
    #[test]
    fn households_hold_together() {
        let (people, outside) = people(30_000, 3);
        let by_number: HashMap<u64, &Person> = people.iter().map(|person| (person.number, person)).collect();
        let mut kin_elsewhere = 0;
        for person in &people {
            let head = by_number[&person.head];
            assert_eq!(head.household, person.household);
            assert_eq!(head.relation, code::RELATION_HEAD);
            for parent in [person.father, person.mother].into_iter().flatten() {
                match by_number.get(&parent) {
                    Some(parent) => {
                        assert!(person.birth.year - parent.birth.year >= 17);
                        kin_elsewhere += u32::from(parent.household != person.household);
                    }
                    None => assert!(outside.contains(&parent)),
                }
            }
            if let Some(spouse) = person
                .spouse
                .filter(|_| person.living == code::LIVING_ALIVE && person.number_status == code::NUMBER_ACTIVE)
            {
                assert_eq!(by_number[&spouse].spouse, Some(person.number));
                assert!(person.father.is_none() || by_number[&spouse].father != person.father);
            }
            assert!(person.guardian.is_none_or(|guardian| by_number.contains_key(&guardian)));
        }
        assert!(kin_elsewhere > 500, "grown children found households of their own");
    }

    #[test]
    fn the_population_has_the_shape_of_the_country() {
        let (people, _) = people(30_000, 4);
        let share = |wanted: &dyn Fn(&Person) -> bool| {
            people.iter().filter(|person| wanted(person)).count() * 10_000 / people.len()
        };
        let households: HashSet<_> = people.iter().map(|person| person.household).collect();
        let age = |person: &Person| 2_025 - person.birth.year;
        for (what, found, low, high) in [
            ("members of ten thousand households", people.len() * 10_000 / households.len(), 33_000, 39_000),
            ("men", share(&|person| person.sex == code::SEX_MALE), 4_700, 5_200),
            ("under 15", share(&|person| age(person) < 15), 2_000, 3_000),
            ("65 and over", share(&|person| age(person) >= 65), 500, 1_300),
            ("birth year alone", share(&|person| !person.birth.known_day()), 150, 700),
            ("old numbers", share(&|person| person.old_number.is_some()), 3_500, 6_500),
            ("born abroad", share(&|person| person.registration.is_none()), 40, 120),
            ("number of another province", share(&|person| ![48, 49].contains(&person.registration_code)), 800, 2_500),
            ("minorities", share(&|person| person.ethnicity != 1), 200, 1_500),
            ("dead", share(&|person| person.living == code::LIVING_DEAD), 20, 200),
            ("missing", share(&|person| person.living == code::LIVING_MISSING), 1, 10),
            ("cancelled", share(&|person| person.number_status == code::NUMBER_CANCELLED), 5, 30),
            ("replaced", share(&|person| person.replaces.is_some()), 5, 25),
            ("under correction", share(&|person| person.under_correction), 4, 20),
            ("structure disagrees", share(&|person| disagrees(person)), 15, 60),
            ("temporary residence", share(&|person| person.temporary.is_some()), 400, 1_200),
        ] {
            assert!((low..=high).contains(&found), "{what}: {found} is not in {low}..={high}");
        }
    }

    #[test]
    fn some_old_numbers_were_given_twice() {
        let (people, _) = people(30_000, 4);
        let mut holders: HashMap<u32, HashSet<u64>> = HashMap::new();
        for person in people.iter().filter(|person| person.number_status == code::NUMBER_ACTIVE) {
            if let Some(old) = person.old_number {
                holders.entry(old).or_default().insert(person.number);
            }
        }
        assert!(holders.values().filter(|numbers| numbers.len() > 1).count() >= 3);
    }

    fn disagrees(person: &Person) -> bool {
        let structure = CitizenNumber::try_from(person.number).expect("twelve digits").structure();
        let female = structure.sex == xacminh_proto::vocab::Sex::Female;
        female != (person.sex == code::SEX_FEMALE) || i32::from(structure.birth_year) != i32::from(person.birth.year)
    }

    fn text(cell: Cell<'_>) -> String {
        match cell {
            Cell::Small(value) => format!("{value:?};"),
            Cell::Int(value) => format!("{value:?};"),
            Cell::Big(value) => format!("{value:?};"),
            Cell::Text(value) => format!("{value:?};"),
        }
    }
}
