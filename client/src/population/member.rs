//! One person's particulars: number, dates, card, and the exceptions a real register is full of.

use xacminh_proto::schema::code;

use super::chance::Chance;
use super::names::{self, Family};
use super::numbers::{NumberBook, Structure};
use super::person::{Birth, Person};
use super::places::Places;

/// The day the population is described as of; fixed, because the same seed gives the same people in any year.
pub(super) const AS_OF_YEAR: i16 = 2025;

/// Cards with a chip have been issued since March 2021.
const CARDS_FROM_YEAR: i16 = 2021;

/// Who is to be made.
pub(super) struct Draft {
    pub female: bool,
    pub birth_year: i16,
    pub family: Family,
    /// Number prefix of the place most of the household comes from.
    pub home_prefix: i16,
}

/// Makes a person without relatives, household or address.
pub(super) fn make(draft: &Draft, places: &Places, book: &mut NumberBook, chance: &mut Chance) -> Person {
    let (place, province) = registration(draft, places, chance);
    let true_structure = Structure { place, female: draft.female, birth_year: draft.birth_year };
    let number = book.citizen(coded(true_structure, chance), chance);
    let birth = birth(draft.birth_year, chance);
    let registration = province.and_then(|province| places.commune_in(province, chance));
    let (card_issued_on, card_expires_on) = card(birth, chance);
    Person {
        number,
        old_number: has_old_number(draft.birth_year, chance).then(|| book.old(chance)),
        number_status: code::NUMBER_ACTIVE,
        full_name: names::full_name(draft.family, draft.female, draft.birth_year, chance),
        other_name: chance.percent(1).then(|| names::full_name(draft.family, draft.female, draft.birth_year, chance)),
        birth,
        sex: if draft.female { code::SEX_FEMALE } else { code::SEX_MALE },
        ethnicity: draft.family.ethnicity,
        registration_code: place,
        registration,
        hometown: registration,
        marital: code::MARITAL_SINGLE,
        living: code::LIVING_ALIVE,
        card_issued_on,
        card_expires_on,
        under_correction: chance.in_ten_thousand(10),
        version: i64::from(chance.range(1, 5)),
        ..Person::default()
    }
}

/// Records a death or a disappearance, if chance has it; the head of a household stays.
pub(super) fn age(person: &mut Person, chance: &mut Chance) {
    let years = AS_OF_YEAR - person.birth.year;
    let dead = match years {
        ..=39 => 8,
        40..=64 => 60,
        65..=79 => 400,
        _ => 1_200,
    };
    if chance.in_ten_thousand(dead) {
        person.living = code::LIVING_DEAD;
    } else if chance.in_ten_thousand(3) {
        person.living = code::LIVING_MISSING;
    }
    if person.living != code::LIVING_ALIVE {
        let year = chance.range(2_016, 2_025).max(i32::from(person.birth.year) + 1);
        person.living_changed_on = Some(day(year, chance.range(1, 12), chance.range(1, 28)));
    }
}

/// The row of a number that was cancelled: given anew because its structure was wrong, or given to one person twice.
pub(super) fn cancelled(person: &mut Person, book: &mut NumberBook, chance: &mut Chance) -> Option<Person> {
    let reissued = chance.in_ten_thousand(12);
    let twice = !reissued && chance.in_ten_thousand(2);
    if !reissued && !twice {
        return None;
    }
    let female = (person.sex == code::SEX_FEMALE) != reissued;
    let structure = Structure { place: person.registration_code, female, birth_year: person.birth.year };
    let mut old =
        Person { number: book.citizen(structure, chance), number_status: code::NUMBER_CANCELLED, ..person.clone() };
    if old.head == person.number {
        old.head = old.number;
    }
    old.card_issued_on = None;
    old.card_expires_on = None;
    old.replaced_by = reissued.then_some(person.number);
    person.replaces = reissued.then_some(old.number);
    Some(old)
}

/// Where the birth was registered: the code in the number, and today's province unless abroad.
fn registration(draft: &Draft, places: &Places, chance: &mut Chance) -> (i16, Option<i16>) {
    let young = draft.birth_year > 2_005;
    let at_home = if young { 93 } else { 80 };
    if chance.in_ten_thousand(if young { 150 } else { 30 }) {
        // Born abroad: 000, or a country from 101 to 295.
        let country = if chance.percent(10) { 0 } else { chance.range(101, 295) };
        (i16::try_from(country).expect("three digits"), None)
    } else if chance.percent(at_home) {
        (draft.home_prefix, places.province_of_prefix(draft.home_prefix))
    } else {
        let (prefix, province) = places.any_prefix(chance);
        (prefix, Some(province))
    }
}

/// What the number codes: three in a thousand disagree with the record.
fn coded(structure: Structure, chance: &mut Chance) -> Structure {
    if !chance.in_ten_thousand(30) {
        structure
    } else if chance.percent(50) {
        Structure { female: !structure.female, ..structure }
    } else {
        let years = i16::try_from(chance.range(1, 9)).expect("one digit");
        Structure { birth_year: structure.birth_year - years, ..structure }
    }
}

fn birth(year: i16, chance: &mut Chance) -> Birth {
    let (year_only, new_year) = match year {
        ..=1_954 => (35, 15),
        1_955..=1_969 => (8, 15),
        1_970..=1_989 => (1, 3),
        _ => (0, 0),
    };
    if chance.percent(year_only) {
        return Birth { year, month: 0, day: 0 };
    }
    if chance.percent(new_year) {
        return Birth { year, month: 1, day: 1 };
    }
    let month = chance.range(1, 12);
    let days = match month {
        2 if year % 4 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let small = |number: i32| i16::try_from(number).expect("at most 31");
    Birth { year, month: small(month), day: small(chance.range(1, days)) }
}

/// Old cards of nine digits were replaced from 2012 on, province by province.
fn has_old_number(birth_year: i16, chance: &mut Chance) -> bool {
    let percent = match birth_year {
        ..=1_998 => 88,
        1_999..=2_003 => 40,
        _ => 0,
    };
    chance.percent(percent)
}

/// Issue and expiry of the card; it expires at 14, 25, 40 and 60 (Law 26/2023/QH15 article 21), later never.
fn card(birth: Birth, chance: &mut Chance) -> (Option<i32>, Option<i32>) {
    let (from_year, percent) = match AS_OF_YEAR - birth.year {
        14.. => (CARDS_FROM_YEAR.max(birth.year + 14), 97),
        6.. => (AS_OF_YEAR, 10),
        _ => (AS_OF_YEAR, 0),
    };
    if !chance.percent(percent) {
        return (None, None);
    }
    let issued = i16::try_from(chance.range(i32::from(from_year), i32::from(AS_OF_YEAR))).expect("a year");
    let issued_on = day(i32::from(issued), chance.range(1, 12), chance.range(1, 28));
    let until = match issued - birth.year {
        ..=13 => 14,
        14..=22 => 25,
        23..=37 => 40,
        38..=57 => 60,
        _ => return (Some(issued_on), None),
    };
    let (month, day_of_month) = if birth.known_day() { (birth.month, birth.day.min(28)) } else { (12, 31) };
    let expires_on = day(i32::from(birth.year + until), i32::from(month), i32::from(day_of_month));
    // Somebody who turns 14 in the year of issue may hold a card that would expire before; it counts from the next age.
    (Some(issued_on), Some(expires_on.max(issued_on)))
}

fn day(year: i32, month: i32, day: i32) -> i32 {
    year * 10_000 + month * 100 + day
}
