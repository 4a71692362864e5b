//! Days of the Gregorian calendar, and birth dates that may be a year alone.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A day that exists, in years 1800 to 2399 (citizen numbers code birth years up to 2399).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u16, u8, u8)", into = "(u16, u8, u8)")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A birth date as the national database holds it: a day, or a year alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BirthDate {
    /// The full date.
    Day(Date),
    /// Only the year is known.
    Year(BirthYear),
}

/// A year within the calendar's bounds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct BirthYear(u16);

/// Why something is not a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// No such day in the calendar, or a year out of 1800–2399.
    #[error("no such day: years 1800 to 2399, real months and days only")]
    NoSuchDay,
    /// The text has another form.
    #[error("a date is written YYYY-MM-DD, DD/MM/YYYY or YYYY")]
    Form,
}

impl Date {
    /// The day, if it exists.
    ///
    /// # Errors
    /// [`DateError::NoSuchDay`].
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, DateError> {
        let real =
            (1800..=2399).contains(&year) && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        if real { Ok(Self { year, month, day }) } else { Err(DateError::NoSuchDay) }
    }

    /// Parses `YYYY-MM-DD` or the Vietnamese `DD/MM/YYYY`.
    ///
    /// # Errors
    /// [`DateError`].
    pub fn parse(text: &str) -> Result<Self, DateError> {
        let (year, month, day) = if text.contains('-') {
            let mut parts = text.splitn(3, '-');
            (parts.next(), parts.next(), parts.next())
        } else {
            let mut parts = text.rsplitn(3, '/');
            (parts.next(), parts.next(), parts.next())
        };
        let (Some(year), Some(month), Some(day)) = (year, month, day) else { return Err(DateError::Form) };
        Self::new(digits(year, 4)?, u8_digits(month)?, u8_digits(day)?)
    }

    /// The Gregorian year.
    #[must_use]
    pub fn year(&self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub fn month(&self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    #[must_use]
    pub fn day(&self) -> u8 {
        self.day
    }

    /// The day in Vietnam (UTC+7, no summer time) at a moment given in Unix milliseconds.
    ///
    /// A moment after 2399 gives the last day of 2399.
    #[must_use]
    pub fn in_vietnam(unix_ms: u64) -> Self {
        const VIETNAM_OFFSET_MS: u64 = 7 * 3_600_000;
        const LAST: Date = Date { year: 2399, month: 12, day: 31 };
        let days = unix_ms.saturating_add(VIETNAM_OFFSET_MS) / 86_400_000;
        civil_from_days(days).unwrap_or(LAST)
    }

    /// The moment this day ends in Vietnam (UTC+7), Unix milliseconds; 0 for days before 1970.
    #[must_use]
    pub fn end_in_vietnam_ms(&self) -> u64 {
        const DAY_MS: u64 = 86_400_000;
        const VIETNAM_OFFSET_MS: u64 = 7 * 3_600_000;
        let next = days_from_civil(*self).map_or(0, |days| days + 1);
        (next * DAY_MS).saturating_sub(VIETNAM_OFFSET_MS)
    }

    /// Whole years from this day to `on`; `None` if `on` comes first.
    ///
    /// A birthday on 29 February is reached on 1 March of common years: the year it completes lasts until the end of
    /// 28 February (after Civil Code 2015 article 148, a period ends at the end of its last day).
    #[must_use]
    pub fn years_until(&self, on: Self) -> Option<u16> {
        let years = on.year.checked_sub(self.year)?;
        if (on.month, on.day) >= (self.month, self.day) { Some(years) } else { years.checked_sub(1) }
    }
}

impl BirthDate {
    /// A year alone.
    ///
    /// # Errors
    /// [`DateError::NoSuchDay`] outside 1800–2399.
    pub fn of_year(year: u16) -> Result<Self, DateError> {
        BirthYear::try_from(year).map(Self::Year)
    }

    /// Parses a day as [`Date::parse`] does, or four digits as a year alone.
    ///
    /// # Errors
    /// [`DateError`].
    pub fn parse(text: &str) -> Result<Self, DateError> {
        if text.len() == 4 { Self::of_year(digits(text, 4)?) } else { Date::parse(text).map(Self::Day) }
    }

    /// The birth year.
    #[must_use]
    pub fn year(&self) -> u16 {
        match self {
            Self::Day(date) => date.year,
            Self::Year(year) => year.0,
        }
    }

    /// The form a person may read: `YYYY-MM-DD` or `YYYY`.
    #[must_use]
    pub fn reveal(&self) -> String {
        match self {
            Self::Day(date) => date.to_string(),
            Self::Year(year) => year.0.to_string(),
        }
    }
}

fn digits(text: &str, length_max: usize) -> Result<u16, DateError> {
    let sound = !text.is_empty() && text.len() <= length_max && text.bytes().all(|byte| byte.is_ascii_digit());
    if sound { text.parse().map_err(|_| DateError::Form) } else { Err(DateError::Form) }
}

fn u8_digits(text: &str) -> Result<u8, DateError> {
    u8::try_from(digits(text, 2)?).map_err(|_| DateError::Form)
}

fn is_leap(year: u16) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

fn days_in(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date, none if it comes before; after Howard Hinnant's `days_from_civil`.
fn days_from_civil(date: Date) -> Option<u64> {
    let (month, day) = (u64::from(date.month), u64::from(date.day));
    let year = u64::from(date.year) - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// The date so many days after 1970-01-01, if it is in bounds; after Howard Hinnant's `civil_from_days`.
fn civil_from_days(days: u64) -> Option<Date> {
    let shifted = days.checked_add(719_468)?;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    Date::new(u16::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?).ok()
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Date(…)")
    }
}

impl fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BirthDate(…)")
    }
}

impl fmt::Debug for BirthYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BirthYear(…)")
    }
}

impl TryFrom<(u16, u8, u8)> for Date {
    type Error = DateError;
    fn try_from((year, month, day): (u16, u8, u8)) -> Result<Self, DateError> {
        Self::new(year, month, day)
    }
}

impl From<Date> for (u16, u8, u8) {
    fn from(date: Date) -> Self {
        (date.year, date.month, date.day)
    }
}

impl TryFrom<u16> for BirthYear {
    type Error = DateError;
    fn try_from(year: u16) -> Result<Self, DateError> {
        if (1800..=2399).contains(&year) { Ok(Self(year)) } else { Err(DateError::NoSuchDay) }
    }
}

impl From<BirthYear> for u16 {
    fn from(year: BirthYear) -> Self {
        year.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> Date {
        Date::parse(text).expect("a real day")
    }

    #[test]
    fn only_real_days() {
        for real in ["2000-02-29", "29/02/2024", "1800-01-01", "2399-12-31", "1/2/1990", "31/12/1999"] {
            assert!(Date::parse(real).is_ok(), "{real}");
        }
        for unreal in [
            "1900-02-29",
            "2100-02-29",
            "2023-02-29",
            "31/04/2000",
            "00/01/2000",
            "2000-13-01",
            "1799-12-31",
            "2400-01-01",
            "0000-00-00",
        ] {
            assert_eq!(Date::parse(unreal), Err(DateError::NoSuchDay), "{unreal}");
        }
        for odd in [
            "",
            "2000",
            "2000-02",
            "2000-02-29-01",
            "20000-02-29",
            "29/02/02000",
            "2000-2-+1",
            "a/b/c",
            "//",
            "--",
            "２０００-01-01",
            "2000-01-01\0",
        ] {
            assert_eq!(Date::parse(odd), Err(DateError::Form), "{odd:?}");
        }
        assert_eq!(Date::parse(&"1-".repeat(5_000)), Err(DateError::Form));
        assert_eq!(date("05/06/1990"), date("1990-06-05"));
    }

    #[test]
    fn a_birth_date_may_be_a_year() {
        assert_eq!(BirthDate::parse("1950"), BirthDate::of_year(1950));
        assert_eq!(BirthDate::parse("1950").map(|birth| birth.reveal()), Ok("1950".to_owned()));
        assert_eq!(BirthDate::parse("0950"), Err(DateError::NoSuchDay));
        assert_eq!(BirthDate::parse("1/1/"), Err(DateError::Form));
        assert_eq!(BirthDate::parse("ééé"), Err(DateError::Form));
        assert_eq!(BirthDate::parse("1950-07-01"), Ok(BirthDate::Day(date("1950-07-01"))));
    }

    #[test]
    fn the_day_in_vietnam_begins_at_17_utc() {
        // 2000-02-28T17:00:00Z is the first moment of 29 February in Vietnam.
        const FEB_29_MS: u64 = 951_757_200_000;
        assert_eq!(Date::in_vietnam(FEB_29_MS - 1), date("2000-02-28"));
        assert_eq!(Date::in_vietnam(FEB_29_MS), date("2000-02-29"));
        assert_eq!(Date::in_vietnam(FEB_29_MS + 86_400_000), date("2000-03-01"));
        assert_eq!(Date::in_vietnam(0), date("1970-01-01"));
        assert_eq!(date("2000-02-28").end_in_vietnam_ms(), FEB_29_MS);
        assert_eq!(date("1969-12-31").end_in_vietnam_ms(), 0);
        assert_eq!(date("1800-01-01").end_in_vietnam_ms(), 0);
        // 2025-06-30T17:00:00Z: the day the provinces merged begins.
        assert_eq!(Date::in_vietnam(1_751_302_800_000), date("2025-07-01"));
        assert_eq!(Date::in_vietnam(1_751_302_799_999), date("2025-06-30"));
        assert_eq!(Date::in_vietnam(u64::MAX), date("2399-12-31"));
        assert_eq!(Date::in_vietnam(13_569_465_600_000), date("2399-12-31"), "the first day out of bounds is clamped");
    }

    #[test]
    fn every_day_until_2399_follows_the_one_before() {
        let mut expected = date("1970-01-01");
        let mut days = 0;
        while let Some(found) = civil_from_days(days) {
            assert_eq!(<(u16, u8, u8)>::from(found), <(u16, u8, u8)>::from(expected), "day {days}");
            assert_eq!(days_from_civil(found), Some(days), "day {days}");
            days += 1;
            let (year, month, day) = expected.into();
            let Some(next) = [(year, month, day + 1), (year, month % 12 + 1, 1), (year + 1, 1, 1)]
                .into_iter()
                .find_map(|(year, month, day)| Date::new(year, month, day).ok().filter(|next| *next > expected))
            else {
                break;
            };
            expected = next;
        }
        // 430 years, 107 of them divisible by four, of which 2100, 2200 and 2300 are common years.
        assert_eq!(days, 430 * 365 + 104);
    }

    #[test]
    fn birthdays_on_29_february_are_reached_on_1_march_of_common_years() {
        let born = date("2004-02-29");
        assert_eq!(born.years_until(date("2022-02-28")), Some(17));
        assert_eq!(born.years_until(date("2022-03-01")), Some(18));
        assert_eq!(born.years_until(date("2024-02-28")), Some(19));
        assert_eq!(born.years_until(date("2024-02-29")), Some(20));
        assert_eq!(born.years_until(born), Some(0));
        assert_eq!(born.years_until(date("2004-02-28")), None);
        assert_eq!(born.years_until(date("1999-12-31")), None);
        let born = date("2004-12-31");
        assert_eq!(born.years_until(date("2022-12-30")), Some(17));
        assert_eq!(born.years_until(date("2022-12-31")), Some(18));
    }

    prop_compose! {
        fn any_date()(year in 1800_u16..=2399, month in 1_u8..=12, day in 1_u8..=31) -> Date {
            Date::new(year, month, day.min(days_in(year, month))).expect("within the month")
        }
    }

    proptest! {
        #[test]
        fn both_forms_are_read_back(date in any_date()) {
            let (year, month, day) = date.into();
            prop_assert_eq!(Date::parse(&date.to_string()), Ok(date));
            prop_assert_eq!(Date::parse(&format!("{day}/{month}/{year}")), Ok(date));
            prop_assert_eq!(BirthDate::parse(&date.to_string()), Ok(BirthDate::Day(date)));
        }

        #[test]
        fn years_count_birthdays(born in any_date(), on in any_date()) {
            // The definition, counted: how many times the birthday, or 1 March in its stead, has come.
            let birthday = |year| Date::new(year, born.month, born.day).or_else(|_| Date::new(year, 3, 1)).expect("a day");
            let counted = (born.year + 1..=2399).take_while(|year| birthday(*year) <= on).count();
            let expected = (on >= born).then(|| u16::try_from(counted).expect("under 600 years"));
            prop_assert_eq!(born.years_until(on), expected);
        }

        #[test]
        fn no_text_panics(text in "(?s).{0,40}", digits in "[0-9/-]{0,12}") {
            for text in [text, digits] {
                if let Ok(birth) = BirthDate::parse(&text) {
                    prop_assert_eq!(BirthDate::parse(&birth.reveal()), Ok(birth));
                }
            }
        }
    }
}
