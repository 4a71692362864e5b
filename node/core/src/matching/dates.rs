//! Birth dates, which may be a year alone, and ages.
//!
//! Many older people have a year alone on record, while the papers in their hands carry a day somebody once wrote down,
//! 1 January more often than not; the national service in turn accepts a year alone as the key. So as a *key*, a year on
//! either side is compared with the other's year. As a *claim* a year never proves a day: that is *cannot tell*.
//!
//! Two days that differ are told by how they differ, because that tells the clerk what to look at. It is told of a claim,
//! and only to who named the day as a key; of the key itself nobody learns anything (promise P8).

use xacminh_proto::vocab::{BirthDate, Cause, Date, Reason};

use super::Finding;

/// How two birth dates differ, from benign to serious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DateClass {
    /// The same day, or the same year of two years alone.
    Same,
    /// A year alone was asked, and it is the year of the recorded day.
    YearAsked,
    /// A day was asked, and its year alone is recorded.
    YearRecorded,
    /// Day and month are exchanged.
    Swapped,
    /// Days of one year, one of them 1 January: often written where the day is unknown.
    FirstOfJanuary,
    /// Other days of one year.
    SameYear,
    /// Other years.
    Different,
}

impl DateClass {
    /// Whether dates that differ like this are the same as keys.
    #[must_use]
    pub const fn agrees(self) -> bool {
        matches!(self, Self::Same | Self::YearAsked | Self::YearRecorded)
    }
}

/// Tells how two birth dates differ.
#[must_use]
pub fn compare(asked: BirthDate, recorded: BirthDate) -> DateClass {
    let is_first = |day: Date| (day.month(), day.day()) == (1, 1);
    match (asked, recorded) {
        _ if asked.year() != recorded.year() => DateClass::Different,
        (BirthDate::Year(_), BirthDate::Year(_)) => DateClass::Same,
        (BirthDate::Year(_), BirthDate::Day(_)) => DateClass::YearAsked,
        (BirthDate::Day(_), BirthDate::Year(_)) => DateClass::YearRecorded,
        (BirthDate::Day(asked), BirthDate::Day(recorded)) => {
            if asked == recorded {
                DateClass::Same
            } else if (asked.month(), asked.day()) == (recorded.day(), recorded.month()) {
                DateClass::Swapped
            } else if is_first(asked) || is_first(recorded) {
                DateClass::FirstOfJanuary
            } else {
                DateClass::SameYear
            }
        }
    }
}

/// Whether the third key agrees: days where both have one, years otherwise.
#[must_use]
pub fn key_matches(asked: BirthDate, recorded: BirthDate) -> bool {
    compare(asked, recorded).agrees()
}

/// The claim that the birth date, or year, is this.
#[must_use]
pub fn claim(claimed: BirthDate, recorded: BirthDate) -> Finding {
    match compare(claimed, recorded) {
        DateClass::Same | DateClass::YearAsked => Finding::yes(Reason::Equal),
        DateClass::YearRecorded => Finding::cannot_tell(Cause::DayUnknown, Reason::YearAlone),
        DateClass::Swapped => Finding::no(Reason::DayMonthSwapped),
        DateClass::FirstOfJanuary => Finding::no(Reason::FirstOfJanuary),
        DateClass::SameYear => Finding::no(Reason::YearOnly),
        DateClass::Different => Finding::no(Reason::Different),
    }
}

/// What may be told of a claim about the birth date to who named `key` as the third key.
///
/// Who named the year alone does not know the day: that it is the one claimed with day and month exchanged, or 1 January,
/// would be the day itself.
#[must_use]
pub const fn told(reason: Reason, key: BirthDate) -> Reason {
    match (reason, key) {
        (Reason::DayMonthSwapped | Reason::FirstOfJanuary, BirthDate::Year(_)) => Reason::YearOnly,
        _ => reason,
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

    /// asked | recorded | class | key | claim
    const DATES: &str = "
        1985-03-07 | 1985-03-07 | Same           | agrees    | Match Equal
        1985-03-08 | 1985-03-07 | SameYear       | disagrees | NoMatch YearOnly
        1985-07-03 | 1985-03-07 | Swapped        | disagrees | NoMatch DayMonthSwapped
        1985-01-01 | 1985-03-07 | FirstOfJanuary | disagrees | NoMatch FirstOfJanuary
        1985-03-07 | 1985-01-01 | FirstOfJanuary | disagrees | NoMatch FirstOfJanuary
        1985-01-03 | 1985-03-01 | Swapped        | disagrees | NoMatch DayMonthSwapped
        1985-13-03 | 1985-03-13 | no date        |           |
        1986-03-07 | 1985-03-07 | Different      | disagrees | NoMatch Different
        1986-07-03 | 1985-03-07 | Different      | disagrees | NoMatch Different
        1985       | 1985-03-07 | YearAsked      | agrees    | Match Equal
        1984       | 1985-03-07 | Different      | disagrees | NoMatch Different
        1941       | 1941       | Same           | agrees    | Match Equal
        1941       | 1941-01-01 | YearAsked      | agrees    | Match Equal
        1941-01-01 | 1941       | YearRecorded   | agrees    | Undetermined(DayUnknown) YearAlone
        1941-12-31 | 1941       | YearRecorded   | agrees    | Undetermined(DayUnknown) YearAlone
        1942-01-01 | 1941       | Different      | disagrees | NoMatch Different
        1940       | 1941       | Different      | disagrees | NoMatch Different
        31/02/1985 | 1985-03-07 | no date        |           |
        0000       | 1985-03-07 | no date        |           |
        0000-01-01 | 1985-03-07 | no date        |           |
    ";

    #[test]
    fn keys_and_claims_of_the_table() {
        for row in DATES.lines().filter(|line| !line.trim().is_empty()) {
            let [asked, recorded, class, key, ruling] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("a row has five columns: {row}")
            };
            let Ok(asked) = BirthDate::parse(asked) else {
                assert_eq!(class, "no date", "{row}");
                continue;
            };
            assert_eq!(format!("{:?}", compare(asked, birth(recorded))), class, "{row}");
            assert_eq!(key_matches(asked, birth(recorded)), key == "agrees", "{row}");
            assert_eq!(key_matches(birth(recorded), asked), key == "agrees", "either way round: {row}");
            let found = claim(asked, birth(recorded));
            assert_eq!(format!("{:?} {:?}", found.verdict, found.reason), ruling, "{row}");
        }
    }

    #[test]
    fn who_named_the_year_alone_does_not_learn_the_day() {
        let (year, day) = (birth("1985"), birth("1985-03-07"));
        for reason in [Reason::DayMonthSwapped, Reason::FirstOfJanuary, Reason::YearOnly] {
            assert_eq!(told(reason, year), Reason::YearOnly);
            assert_eq!(told(reason, day), reason);
        }
        assert_eq!(told(Reason::Different, year), Reason::Different);
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
