//! Full names by region, cohort and sex.

mod minority;
mod tables;

use super::chance::Chance;
use tables::{COHORTS, Cohort, Weighted};

pub(super) use minority::group_at;

/// A family's part of the name, handed from father to child.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Family {
    /// Ethnic group.
    pub ethnicity: i16,
    /// Surname or clan; empty where names have none.
    pub surname: &'static str,
}

/// Draws a family by ethnic group and by where it comes from.
pub(super) fn family(ethnicity: i16, province: i16, chance: &mut Chance) -> Family {
    let surname = match minority::naming(ethnicity) {
        Some(group) if group.clans.is_empty() => "",
        Some(group) => chance.one_of(group.clans),
        None => chance.pick(surnames_of(province)),
    };
    Family { ethnicity, surname }
}

/// Draws a full name.
pub(super) fn full_name(family: Family, female: bool, birth_year: i16, chance: &mut Chance) -> String {
    match minority::naming(family.ethnicity) {
        Some(group) if !group.given.is_empty() && group.form != minority::Form::Kinh => {
            minority::full_name(group, family.surname, female, chance)
        }
        // Half of the Mông and Dao use their own given names, the rest those of the Kinh.
        Some(group) if !group.given.is_empty() && chance.percent(50) => {
            let middle = if female { "Thị" } else { "A" };
            format!("{} {middle} {}", family.surname, chance.one_of(group.given))
        }
        _ => kinh_name(family.surname, female, birth_year, chance),
    }
}

fn kinh_name(surname: &str, female: bool, birth_year: i16, chance: &mut Chance) -> String {
    let cohort = COHORTS.iter().find(|cohort| birth_year >= cohort.from_year).expect("the last row is open");
    let weights = if female { cohort.words_female } else { cohort.words_male };
    let middles = chance.weighted(weights.into_iter());
    let mut words = vec![surname];
    push_middles(&mut words, middles, female, birth_year, cohort, chance);
    let given = loop {
        let given = chance.pick(given_names(female, birth_year));
        // Nobody is called Nguyễn Anh Anh.
        if !words.contains(&given) {
            break given;
        }
    };
    words.push(given);
    words.join(" ")
}

fn push_middles(
    words: &mut Vec<&str>,
    middles: usize,
    female: bool,
    birth_year: i16,
    cohort: &Cohort,
    chance: &mut Chance,
) {
    let others: &'static Weighted = if female { tables::MIDDLE_FEMALE } else { tables::MIDDLE_MALE };
    let by_custom = match (female, middles) {
        (_, 0) => return,
        (true, 1) => chance.percent(cohort.thi_of_3).then_some("Thị"),
        (true, _) => chance.percent(cohort.thi_of_4).then_some("Thị"),
        (false, _) => chance.percent(cohort.van).then_some("Văn"),
    };
    let of_mother = middles > 1 && birth_year >= 1995 && by_custom.is_none() && chance.percent(25);
    let first = if of_mother { Some(chance.pick(tables::MIDDLE_OF_MOTHER)) } else { by_custom };
    words.extend(first);
    while words.len() <= middles {
        let middle = chance.pick(others);
        if !words.contains(&middle) {
            words.push(middle);
        }
    }
}

fn given_names(female: bool, birth_year: i16) -> &'static Weighted {
    match (female, birth_year) {
        (true, 2003..) => tables::GIVEN_FEMALE,
        (true, _) => tables::GIVEN_FEMALE_OLDER,
        (false, 1985..) => tables::GIVEN_MALE,
        (false, _) => tables::GIVEN_MALE_OLDER,
    }
}

/// Codes of today's provinces run from north to south.
fn surnames_of(province: i16) -> &'static Weighted {
    match province {
        40 | 42 => tables::SURNAMES_NGHE_TINH,
        52 | 66 | 68 => tables::SURNAMES_HIGHLANDS,
        ..=38 => tables::SURNAMES_NORTH,
        _ => tables::SURNAMES_SOUTH,
    }
}

#[cfg(test)]
mod tests {
    use super::minority::KINH;
    use super::*;
    use unicode_normalization::is_nfc;
    use xacminh_proto::vocab::FullName;

    const PEOPLE: u32 = 20_000;

    /// Shares of `domain/vietnam.md` §7, per ten thousand, within a point and a half.
    #[test]
    fn names_have_the_published_shape() {
        let young_women = |wanted: &dyn Fn(&str) -> bool| share(true, 2_009, wanted);
        assert_near(young_women(&|name| words(name) == 3), 3_474);
        assert_near(young_women(&|name| words(name) == 4), 6_456);
        assert_near(young_women(&|name| name.contains(" Thị ")), 1_690);
        assert_near(share(false, 2_009, &|name| words(name) == 3), 7_275);
        assert_near(share(false, 2_009, &|name| name.contains(" Văn ")), 300);
        assert_near(share(true, 1_950, &|name| name.contains(" Thị ")), 9_000);
        assert_near(share(false, 1_950, &|name| name.starts_with("Nguyễn ")), 3_660);
    }

    #[test]
    fn every_name_is_a_full_name_in_nfc() {
        let mut chance = Chance::of(3, 0);
        for ethnicity in 1..=54 {
            for draw in 0..200_i16 {
                let family = family(ethnicity, 48, &mut chance);
                let name = full_name(family, draw % 2 == 0, 1_940 + draw % 80, &mut chance);
                assert!(is_nfc(&name));
                assert_eq!(FullName::parse(&name).expect("a name").reveal(), name);
            }
        }
    }

    #[test]
    fn highland_names_may_be_one_word() {
        let mut chance = Chance::of(4, 0);
        let family = family(16, 68, &mut chance);
        assert_eq!(words(&full_name(family, false, 1_990, &mut chance)), 1);
    }

    fn words(name: &str) -> usize {
        name.split(' ').count()
    }

    fn share(female: bool, birth_year: i16, wanted: &dyn Fn(&str) -> bool) -> u32 {
        let mut chance = Chance::of(11, 1);
        let mut found = 0;
        for _ in 0..PEOPLE {
            let family = family(KINH, 48, &mut chance);
            found += u32::from(wanted(&full_name(family, female, birth_year, &mut chance)));
        }
        found * 10_000 / PEOPLE
    }

    fn assert_near(found: u32, expected: u32) {
        assert!(found.abs_diff(expected) <= 150, "{found} is far from {expected}");
    }
}
