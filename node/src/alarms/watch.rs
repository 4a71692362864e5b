//! What is counted, and when it is too much: no clock, no queue and no register but what it is given.

use std::collections::{HashMap, HashSet};

use xacminh_core::{apply::BudgetKey, command::RecordKey, register};
use xacminh_proto::{
    hex,
    vocab::{Date, PortalId},
};

use super::{Sight, Spent};
use crate::telemetry::AlarmKind;

/// Entries that all counts together may have, of about 50 bytes: beyond it nothing new is counted until the day ends.
const ENTRIES_MAX: usize = 1_000_000;

const HOUR_MS: u64 = 3_600_000;

/// Something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What it is.
    pub kind: AlarmKind,
    /// The question that raised it.
    pub sight: Sight,
    /// How many there were by then, where it is a number that is too high.
    pub count: u32,
}

/// The counts of one day of Vietnam.
#[derive(Debug, Default)]
pub struct Watch {
    day: Option<Date>,
    officials: HashMap<[u8; 16], Official>,
    dossiers: HashMap<[u8; 16], Many>,
    households: HashMap<([u8; 16], RecordKey), Household>,
    spent: HashSet<BudgetKey>,
    entries: usize,
}

/// What one official did today.
#[derive(Debug, Default)]
struct Official {
    hour: u64,
    of_hour: Many,
    of_day: Many,
    told: HashSet<AlarmKind>,
}

/// Different people, and how many of them raised an alarm last.
#[derive(Debug, Default)]
struct Many {
    /// Beginnings of row keys, which are keyed hashes.
    people: HashSet<u64>,
    told: usize,
}

/// Members of one household whom an official asked about.
#[derive(Debug, Default)]
struct Household {
    people: Many,
    /// The dossiers of the questions; more than two tell no more than two do.
    dossiers: HashSet<[u8; 16]>,
}

impl Watch {
    /// Whether so much was seen today that what is new is not counted any more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries >= ENTRIES_MAX
    }

    /// Looks at a question. `own` is the row key of the official's own number, where the register has it.
    pub fn see(&mut self, sight: Sight, alarms: &register::Alarms, own: Option<&RecordKey>, raised: &mut Vec<Alarm>) {
        self.begin(sight.at_ms);
        let mut raise = |kind, count| raised.push(Alarm { kind, sight, count });
        // Each use of these two is one too many.
        if alarms.honey.contains(&sight.person) {
            raise(AlarmKind::Honey, 1);
        }
        if own == Some(&sight.person) {
            raise(AlarmKind::OwnNumber, 1);
        }
        let is_full = self.is_full();
        if let Some(official) = entry(&mut self.officials, sight.official, is_full, &mut self.entries) {
            let hour = sight.at_ms / HOUR_MS;
            if hour != official.hour {
                self.entries -= official.of_hour.people.len();
                (official.hour, official.of_hour) = (hour, Many::default());
            }
            let of_hour = official.of_hour.add(&sight.person, alarms.persons_per_official_hour, &mut self.entries);
            if let Some(count) = of_hour {
                raise(AlarmKind::PersonsPerHour, count);
            }
            let of_day = official.of_day.add(&sight.person, alarms.persons_per_official_day, &mut self.entries);
            if let Some(count) = of_day {
                raise(AlarmKind::PersonsPerDay, count);
            }
            if alarms.is_off_hours(sight.at_ms) && official.told.insert(AlarmKind::OffHours) {
                raise(AlarmKind::OffHours, 1);
            }
        }
        if let Some(dossier) = entry(&mut self.dossiers, sight.dossier, is_full, &mut self.entries)
            && let Some(count) = dossier.add(&sight.person, alarms.persons_per_dossier, &mut self.entries)
        {
            raise(AlarmKind::PersonsPerDossier, count);
        }
    }

    /// Looks at a budget; tells once when it is spent.
    pub fn see_budget(&mut self, spent: &Spent, raised: &mut Vec<Alarm>) {
        self.begin(spent.last.at_ms);
        if u64::from(spent.points) >= spent.points_max && self.spent.len() < ENTRIES_MAX && self.spent.insert(spent.key)
        {
            raised.push(Alarm { kind: AlarmKind::BudgetSpent, sight: spent.last, count: spent.points });
        }
    }

    /// Looks at a dossier that is none.
    pub fn see_blank_dossier(&mut self, sight: Sight, raised: &mut Vec<Alarm>) {
        self.begin(sight.at_ms);
        let is_full = self.is_full();
        let official = entry(&mut self.officials, sight.official, is_full, &mut self.entries);
        if official.is_some_and(|official| official.told.insert(AlarmKind::NoDossier)) {
            raised.push(Alarm { kind: AlarmKind::NoDossier, sight, count: 1 });
        }
    }

    /// Looks at the household of a person who was confirmed, by its head's and members' row keys, the head's first.
    pub fn see_household(
        &mut self,
        sight: Sight,
        household: &[RecordKey],
        alarms: &register::Alarms,
        own: Option<&RecordKey>,
        raised: &mut Vec<Alarm>,
    ) {
        self.begin(sight.at_ms);
        // The official's own number has an alarm of its own.
        if own.is_some_and(|own| *own != sight.person && household.contains(own)) {
            raised.push(Alarm { kind: AlarmKind::OwnHousehold, sight, count: 1 });
        }
        let Some(head) = household.first() else { return };
        let is_full = self.is_full();
        let key = (sight.official, *head);
        let Some(seen) = entry(&mut self.households, key, is_full, &mut self.entries) else { return };
        if seen.dossiers.len() < 2 {
            seen.dossiers.insert(sight.dossier);
        }
        // One dossier about a whole family is what families come for.
        let people_max = if seen.dossiers.len() > 1 { alarms.persons_per_household } else { u32::MAX };
        if let Some(count) = seen.people.add(&sight.person, people_max, &mut self.entries) {
            raised.push(Alarm { kind: AlarmKind::Household, sight, count });
        }
    }

    /// Another day has counts of its own. A node's questions may come a moment after the day's last entry.
    fn begin(&mut self, at_ms: u64) {
        let day = Date::in_vietnam(at_ms);
        if self.day.is_none_or(|today| day > today) {
            *self = Self { day: Some(day), ..Self::default() };
        }
    }
}

/// An entry of a table, made if there is room.
fn entry<'a, K: std::hash::Hash + Eq, V: Default>(
    table: &'a mut HashMap<K, V>,
    key: K,
    is_full: bool,
    entries: &mut usize,
) -> Option<&'a mut V> {
    if is_full && !table.contains_key(&key) {
        return None;
    }
    let entry = table.entry(key);
    if let std::collections::hash_map::Entry::Vacant(_) = &entry {
        *entries += 1;
    }
    Some(entry.or_default())
}

impl Many {
    /// One more person; how many there are if that is too many, told again at every doubling.
    fn add(&mut self, person: &RecordKey, people_max: u32, entries: &mut usize) -> Option<u32> {
        let beginning = u64::from_be_bytes(*person.first_chunk().expect("a row key begins with eight bytes"));
        if *entries >= ENTRIES_MAX || !self.people.insert(beginning) {
            return None;
        }
        *entries += 1;
        let beyond = usize::try_from(people_max).unwrap_or(usize::MAX).max(self.told.saturating_mul(2));
        if self.people.len() <= beyond {
            return None;
        }
        self.told = self.people.len();
        Some(u32::try_from(self.told).unwrap_or(u32::MAX))
    }
}

impl Sight {
    /// The official's pseudonym, in hexadecimal digits.
    #[must_use]
    pub fn official_text(&self) -> String {
        hex::text(&self.official)
    }

    /// The portal's number.
    #[must_use]
    pub const fn portal_number(&self) -> u32 {
        let PortalId(number) = self.portal;
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One family under ever new dossiers: it is enough to know that they are several.
    #[test]
    fn dossiers_of_a_household_fill_no_memory() {
        let alarms = register::Register::parse("[register]\nrevision = 1\n").expect("a register").alarms;
        let (mut watch, mut raised) = (Watch::default(), Vec::new());
        for turn in 0..1_000_u64 {
            let mut dossier = [0; 16];
            dossier[..8].copy_from_slice(&turn.to_be_bytes());
            let (official, person) = ([1; 16], [1; 32]);
            let sight = Sight { at_ms: 0, position: 1, portal: PortalId(1), official, person, dossier };
            watch.see_household(sight, &[person], &alarms, None, &mut raised);
        }
        assert!(watch.households.values().all(|household| household.dossiers.len() == 2));
    }
}
