//! Birth dates, which may be a year alone, and ages.
//!
//! Many older people have a year alone on record, while the papers in their hands carry a day somebody once wrote down;
//! the national service in turn accepts a year alone as the key. So as a *key*, a year on either side is compared with
//! the other's year. As a *claim* a year never proves a day: that is *cannot tell*.

use xacminh_proto::vocab::{BirthDate, Cause, Date, Reason};

use super::Finding;

/// Whether the third key agrees: days where both have one, years otherwise.
#[must_use]
pub fn key_matches(asked: BirthDate, recorded: BirthDate) -> bool {
    match (asked, recorded) {
        (BirthDate::Day(asked), BirthDate::Day(recorded)) => asked == recorded,
        (BirthDate::Year(_), _) | (_, BirthDate::Year(_)) => asked.year() == recorded.year(),
    }
}

/// The claim that the birth date, or year, is this.
#[must_use]
pub fn claim(claimed: BirthDate, recorded: BirthDate) -> Finding {
    if claimed.year() != recorded.year() {
        return Finding::no(Reason::Different);
    }
    match (claimed, recorded) {
        (BirthDate::Year(_), _) => Finding::yes(Reason::Equal),
        (BirthDate::Day(_), BirthDate::Year(_)) => Finding::cannot_tell(Cause::DayUnknown, Reason::YearOnly),
        (BirthDate::Day(claimed), BirthDate::Day(recorded)) if claimed == recorded => Finding::yes(Reason::Equal),
        (BirthDate::Day(_), BirthDate::Day(_)) => Finding::no(Reason::YearOnly),
    }
}

/// The claim of being at least so many whole years old on a day.
///
/// Of a birth year alone, both ends are tried: old enough if born on 31 December, too young even if born on 1 January,
/// and between the two nobody can tell.
#[must_use]
pub fn age_at_least(years: u8, born: BirthDate, on: Date) -> Finding {
    let old_enough = |born: Date| born.years_until(on).is_some_and(|age| age >= u16::from(years));
    let day_of_year = |month, day| Date::new(born.year(), month, day).expect("every year has this day");
    let (earliest, latest) = match born {
        BirthDate::Day(day) => (day, day),
        BirthDate::Year(_) => (day_of_year(1, 1), day_of_year(12, 31)),
    };
    match (old_enough(earliest), old_enough(latest)) {
        (_, true) => Finding::yes(Reason::OldEnough),
        (false, false) => Finding::no(Reason::TooYoung),
        (true, false) => Finding::cannot_tell(Cause::DayUnknown, Reason::NothingRecorded),
    }
}

#[cfg(test)]
mod tests {
    use xacminh_proto::vocab::Verdict;

    use super::*;

    fn birth(text: &str) -> BirthDate {
        BirthDate::parse(text).expect("a birth date")
    }

    /// asked | recorded | key | claim
    const DATES: &str = "
        1985-03-07 | 1985-03-07 | agrees    | Match Equal
        1985-03-08 | 1985-03-07 | disagrees | NoMatch YearOnly
        1985-07-03 | 1985-03-07 | disagrees | NoMatch YearOnly
        1986-03-07 | 1985-03-07 | disagrees | NoMatch Different
        1985       | 1985-03-07 | agrees    | Match Equal
        1984       | 1985-03-07 | disagrees | NoMatch Different
        1941       | 1941       | agrees    | Match Equal
        1941-01-01 | 1941       | agrees    | Undetermined(DayUnknown) YearOnly
        1941-12-31 | 1941       | agrees    | Undetermined(DayUnknown) YearOnly
        1942-01-01 | 1941       | disagrees | NoMatch Different
        1940       | 1941       | disagrees | NoMatch Different
    ";

    #[test]
    fn keys_and_claims_of_the_table() {
        for row in DATES.lines().filter(|line| !line.trim().is_empty()) {
            let [asked, recorded, key, ruling] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("a row has four columns: {row}")
            };
            assert_eq!(key_matches(birth(asked), birth(recorded)), key == "agrees", "{row}");
            let found = claim(birth(asked), birth(recorded));
            assert_eq!(format!("{:?} {:?}", found.verdict, found.reason), ruling, "{row}");
        }
    }

    /// years | born | on | verdict
    const AGES: &str = "
        18 | 2008-11-21 | 2026-11-21 | Match
        18 | 2008-11-22 | 2026-11-21 | NoMatch
        18 | 2008-02-29 | 2026-02-28 | NoMatch
        18 | 2008-02-29 | 2026-03-01 | Match
        60 | 1965       | 2026-01-01 | Match
        60 | 1966       | 2026-01-01 | Undetermined(DayUnknown)
        60 | 1966       | 2026-12-30 | Undetermined(DayUnknown)
        60 | 1966       | 2026-12-31 | Match
        60 | 1967       | 2026-12-31 | NoMatch
        0  | 2026-11-21 | 2026-11-21 | Match
        0  | 2027-01-01 | 2026-11-21 | NoMatch
        255| 1800       | 2399-12-31 | Match
        1  | 2030       | 2026-11-21 | NoMatch
    ";

    #[test]
    fn ages_of_the_table() {
        for row in AGES.lines().filter(|line| !line.trim().is_empty()) {
            let [years, born, on, verdict] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("a row has four columns: {row}")
            };
            let on = Date::parse(on).expect("a day");
            let found = age_at_least(years.parse().expect("years"), birth(born), on);
            assert_eq!(format!("{:?}", found.verdict), verdict, "{row}");
        }
    }

    #[test]
    fn an_unknown_day_is_between_the_two_ends_of_its_year() {
        let on = Date::parse("2026-06-15").expect("a day");
        for years in 0..=u8::MAX {
            for year in 1800..=2100 {
                let at =
                    |month, day| age_at_least(years, BirthDate::Day(Date::new(year, month, day).expect("a day")), on);
                let (first, last) = (at(1, 1).verdict, at(12, 31).verdict);
                let whole = age_at_least(years, BirthDate::of_year(year).expect("a year"), on).verdict;
                let expected = if first == last { first } else { Verdict::Undetermined(Cause::DayUnknown) };
                assert_eq!(whole, expected, "{years} years, born {year}");
            }
        }
    }
}
