//! What makes the node tell its operator that somebody asks as nobody should: the thresholds, and the honey numbers.
//!
//! Numbers stand here as row keys, which only the cluster's keyring makes out of a number (promise P5); `xacminh-node
//! mark` prints them.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;
use xacminh_proto::hex;

use crate::command::RecordKey;

use super::{
    Problem,
    document::{Wrong, at, limit},
};

/// Different people one official asks about within an hour before somebody looks: a clerk serves ten.
const PERSONS_PER_OFFICIAL_HOUR: u32 = 60;

/// The same within a day.
const PERSONS_PER_OFFICIAL_DAY: u32 = 240;

/// Different people asked about for one dossier: a large family and its witnesses.
const PERSONS_PER_DOSSIER: u32 = 12;

/// Members of one household whom one official asks about in a day for more than one dossier.
const PERSONS_PER_HOUSEHOLD: u32 = 6;

/// When offices are open unless the register says otherwise, minutes of Vietnam's day.
const OPEN_FROM_MIN: u16 = 7 * 60;
const OPEN_UNTIL_MIN: u16 = 18 * 60;

const MINUTES_IN_DAY: u16 = 24 * 60;

/// Days of the week as the register names them, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Honey numbers one register may have: each is looked up for every question.
const HONEY_MAX: usize = 10_000;

/// `[alarms]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct AlarmsRow {
    persons_per_official_hour: Option<Spanned<u32>>,
    persons_per_official_day: Option<Spanned<u32>>,
    persons_per_dossier: Option<Spanned<u32>>,
    persons_per_household: Option<Spanned<u32>>,
    office_hours: Option<Spanned<String>>,
    office_days: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    honey: Vec<Spanned<String>>,
}

/// Thresholds of alarms; going beyond one raises it and changes no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarms {
    /// Different people of one official in an hour.
    pub persons_per_official_hour: u32,
    /// Different people of one official in a day.
    pub persons_per_official_day: u32,
    /// Different people of one dossier in a day.
    pub persons_per_dossier: u32,
    /// Members of one household asked about by one official in a day, for more than one dossier.
    pub persons_per_household: u32,
    /// When offices open and close, minutes of Vietnam's day; the end is not among them.
    pub open_min: (u16, u16),
    /// Whether offices are open, Monday first.
    pub open_days: [bool; 7],
    /// Row keys of numbers that nobody has a reason to ask about.
    pub honey: BTreeSet<RecordKey>,
}

impl Alarms {
    /// Whether offices are closed at a moment, Unix milliseconds.
    #[must_use]
    pub fn is_off_hours(&self, at_ms: u64) -> bool {
        const MINUTE_MS: u64 = 60_000;
        let minutes = at_ms / MINUTE_MS + 7 * 60;
        let of_day = minutes % u64::from(MINUTES_IN_DAY);
        // 1 January 1970 was a Thursday.
        let weekday = usize::try_from((minutes / u64::from(MINUTES_IN_DAY) + 3) % 7).unwrap_or(0);
        let (from, until) = (u64::from(self.open_min.0), u64::from(self.open_min.1));
        !self.open_days[weekday] || of_day < from || of_day >= until
    }
}

pub(super) fn alarms(row: &AlarmsRow) -> Result<Alarms, Wrong> {
    if let Some(beyond) = row.honey.get(HONEY_MAX) {
        return Err(at(beyond, Problem::TooManyHoney(HONEY_MAX)));
    }
    let open_days = match &row.office_days {
        None => [true, true, true, true, true, true, false],
        Some(names) => days(names)?,
    };
    Ok(Alarms {
        persons_per_official_hour: limit(row.persons_per_official_hour.as_ref(), PERSONS_PER_OFFICIAL_HOUR)?,
        persons_per_official_day: limit(row.persons_per_official_day.as_ref(), PERSONS_PER_OFFICIAL_DAY)?,
        persons_per_dossier: limit(row.persons_per_dossier.as_ref(), PERSONS_PER_DOSSIER)?,
        persons_per_household: limit(row.persons_per_household.as_ref(), PERSONS_PER_HOUSEHOLD)?,
        open_min: row.office_hours.as_ref().map_or(Ok((OPEN_FROM_MIN, OPEN_UNTIL_MIN)), hours)?,
        open_days,
        honey: row.honey.iter().map(mark).collect::<Result<_, _>>()?,
    })
}

/// `07:00-18:00`.
fn hours(text: &Spanned<String>) -> Result<(u16, u16), Wrong> {
    let minutes = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let digits = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
        let (hour, minute) = (digits(hour)?, digits(minute)?);
        (hour < 24 && minute < 60 || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
    };
    let parsed = text.get_ref().split_once('-').and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)));
    parsed.filter(|(from, until)| from < until).ok_or_else(|| at(text, Problem::OfficeHours))
}

fn days(names: &[Spanned<String>]) -> Result<[bool; 7], Wrong> {
    let mut open = [false; 7];
    for name in names {
        let day = DAYS.iter().position(|day| day == name.get_ref());
        open[day.ok_or_else(|| at(name, Problem::OfficeDay))?] = true;
    }
    Ok(open)
}

/// A row key in 64 hexadecimal digits. A number in clear is told apart, and never repeated.
pub(super) fn mark(text: &Spanned<String>) -> Result<RecordKey, Wrong> {
    hex::array(text.get_ref()).ok_or_else(|| at(text, Problem::Mark))
}
