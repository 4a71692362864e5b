//! What changes from one register to another, in the words of those it changes for: what a portal, an official or a
//! procedure gains and loses.

use std::collections::BTreeSet;

use xacminh_proto::vocab::{AttributeSet, ClaimKind, Date, OfficialId};

use super::{Alarms, CLASSES, Portal, Procedure, Register, Values, Visibility, class_name, grants::Grants};

/// Whom a change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Everybody: what holds for the register as a whole.
    Everybody,
    /// A portal, by number.
    Portal(u32),
    /// An official of a portal.
    Official(u32, String),
    /// A procedure, by code.
    Procedure(String),
}

/// Which way a change goes for those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Something may be done that could not be done before.
    Gains,
    /// Something may not be done any more.
    Loses,
    /// It is otherwise, neither more nor less.
    Changes,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Whom it is about.
    pub party: Party,
    /// Which way it goes.
    pub turn: Turn,
    /// What it is about, as a stable word: `declared`, `suspended`, `procedure`, `until`, `limit`, `enrolled`, `claim`,
    /// `attribute`, `max_age`, `threshold`, `visibility`, `values`, `number`, `name`, `purpose`, `example`, `retention`,
    /// `alarm`, `honey`, `own_number`.
    pub what: &'static str,
    /// The name or value, for people.
    pub detail: String,
}

/// Everything that differs, by party.
#[must_use]
pub fn diff(old: &Register, new: &Register) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    let days = |days: u32| if days == 0 { "for ever".to_owned() } else { format!("{days} days") };
    found.otherwise(&Party::Everybody, "retention", &days(old.entries_days), &days(new.entries_days));
    found.alarms(&old.alarms, &new.alarms);
    let numbers: BTreeSet<_> = old.portals.keys().chain(new.portals.keys()).collect();
    for id in numbers {
        let party = Party::Portal(id.0);
        match (old.portals.get(id), new.portals.get(id)) {
            (Some(before), Some(after)) => found.portal(&party, old, before, new, after),
            (before, after) => found.declared(&party, before.map(|it| &it.name), after.map(|it| &it.name)),
        }
        found.officials(id.0, old, new);
    }
    let codes: BTreeSet<_> = old.procedures.keys().chain(new.procedures.keys()).collect();
    for code in codes {
        let party = Party::Procedure(code.to_string());
        match (old.procedures.get(code), new.procedures.get(code)) {
            (Some(before), Some(after)) => found.procedure(&party, before, after),
            (before, after) => found.declared(&party, before.map(|it| &it.name_vi), after.map(|it| &it.name_vi)),
        }
    }
    found.0.sort();
    found.0
}

struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, party: &Party, turn: Turn, what: &'static str, detail: impl Into<String>) {
        self.0.push(Difference { party: party.clone(), turn, what, detail: detail.into() });
    }

    fn declared(&mut self, party: &Party, before: Option<&String>, after: Option<&String>) {
        let turn = if after.is_some() { Turn::Gains } else { Turn::Loses };
        self.add(party, turn, "declared", after.or(before).cloned().unwrap_or_default());
    }

    /// Something that is larger or smaller; more is a gain.
    fn amount(&mut self, party: &Party, what: &'static str, name: &str, before: u64, after: u64) {
        if before != after {
            let turn = if after > before { Turn::Gains } else { Turn::Loses };
            self.add(party, turn, what, format!("{name}{}{before} → {after}", if name.is_empty() { "" } else { " " }));
        }
    }

    /// An end; never is later than any day.
    fn until(&mut self, party: &Party, what: &str, before: Option<u64>, after: Option<u64>) {
        if before != after {
            let turn = if after.unwrap_or(u64::MAX) > before.unwrap_or(u64::MAX) { Turn::Gains } else { Turn::Loses };
            self.add(party, turn, "until", format!("{what}{} → {}", last_day(before), last_day(after)));
        }
    }

    fn otherwise(&mut self, party: &Party, what: &'static str, before: &str, after: &str) {
        if before != after {
            self.add(party, Turn::Changes, what, format!("{before} → {after}"));
        }
    }

    fn portal(&mut self, party: &Party, old: &Register, before: &Portal, new: &Register, after: &Portal) {
        self.otherwise(party, "name", &before.name, &after.name);
        if before.suspended != after.suspended {
            let turn = if after.suspended { Turn::Loses } else { Turn::Gains };
            self.add(party, turn, "suspended", after.suspended.to_string());
        }
        for (name, before, after) in limits(before, after) {
            self.amount(party, "limit", name, u64::from(before), u64::from(after));
        }
        self.until(party, "", before.until_ms, after.until_ms);
        let (had, has) = (granted(old, before, None), granted(new, after, None));
        self.granted(party, &had, &has);
    }

    /// What raises alarms. Marks are not repeated: how many come and go tells whether somebody took one away.
    fn alarms(&mut self, before: &Alarms, after: &Alarms) {
        let everybody = &Party::Everybody;
        for (name, before, after) in thresholds(before).into_iter().zip(thresholds(after)).map(|(b, a)| (b.0, b.1, a.1))
        {
            if before != after {
                self.add(everybody, Turn::Changes, "alarm", format!("{name} {before} → {after}"));
            }
        }
        let (come, gone) =
            (after.honey.difference(&before.honey).count(), before.honey.difference(&after.honey).count());
        for (turn, count) in [(Turn::Gains, come), (Turn::Loses, gone)] {
            if count > 0 {
                self.add(everybody, turn, "honey", count.to_string());
            }
        }
    }

    fn officials(&mut self, portal: u32, old: &Register, new: &Register) {
        let of = |register: &Register| -> BTreeSet<OfficialId> {
            let portal = register.portals.values().find(|it| it.id.0 == portal);
            portal.into_iter().flat_map(|it| it.officials.keys().cloned()).collect()
        };
        let (enrolled, enrols) = (of(old), of(new));
        for official in enrolled.union(&enrols) {
            let party = Party::Official(portal, official.as_str().to_owned());
            let side = |register: &Register| {
                let portal = register.portals.values().find(|it| it.id.0 == portal)?;
                let enrolment = portal.officials.get(official)?;
                let star = enrolment.grants == Grants::All;
                Some((star, enrolment.until_ms, granted(register, portal, Some(official))))
            };
            let own = |register: &Register| {
                register.portals.values().find(|it| it.id.0 == portal)?.own_numbers.get(official).copied()
            };
            if own(old) != own(new) {
                let had = if own(old).is_some() { "a number" } else { "none" };
                let has = if own(new).is_some() { "another" } else { "none" };
                let detail = format!("{had} → {has}");
                self.add(&party, Turn::Changes, "own_number", detail);
            }
            match (side(old), side(new)) {
                (Some((had_all, before, had)), Some((has_all, after, has))) => {
                    self.until(&party, "", before, after);
                    // Whoever has all of the portal's gains and loses with it; that is told of the portal.
                    if !(had_all && has_all) {
                        self.granted(&party, &had, &has);
                    }
                }
                (None, Some((.., has))) => self.add(&party, Turn::Gains, "enrolled", codes(&has)),
                (Some((.., had)), None) => self.add(&party, Turn::Loses, "enrolled", codes(&had)),
                (None, None) => {}
            }
        }
    }

    fn granted(&mut self, party: &Party, had: &[(String, Option<u64>)], has: &[(String, Option<u64>)]) {
        for (code, until) in had {
            match has.iter().find(|(other, _)| other == code) {
                None => self.add(party, Turn::Loses, "procedure", code),
                Some((_, later)) => self.until(party, &format!("{code} "), *until, *later),
            }
        }
        for (code, until) in has.iter().filter(|(code, _)| !had.iter().any(|(other, _)| other == code)) {
            let detail = until.map_or_else(|| code.clone(), |_| format!("{code} until {}", last_day(*until)));
            self.add(party, Turn::Gains, "procedure", detail);
        }
    }

    fn procedure(&mut self, party: &Party, before: &Procedure, after: &Procedure) {
        self.otherwise(party, "number", &before.id.to_string(), &after.id.to_string());
        self.otherwise(party, "name", &before.name_vi, &after.name_vi);
        self.otherwise(party, "name", &before.name_en, &after.name_en);
        self.otherwise(party, "purpose", &before.purpose.to_string(), &after.purpose.to_string());
        self.otherwise(party, "example", &before.example.to_string(), &after.example.to_string());
        self.otherwise(party, "values", values(before.values), values(after.values));
        self.otherwise(party, "threshold", &threshold(before), &threshold(after));
        self.otherwise(party, "visibility", &visibility(before.visibility), &visibility(after.visibility));
        for kind in ClaimKind::ALL {
            self.member(party, "claim", kind.name(), before.allows(kind), after.allows(kind));
        }
        let all: AttributeSet = before.attributes.iter().chain(after.attributes.iter()).collect();
        for it in all.iter() {
            self.member(party, "attribute", it.name(), before.attributes.contains(it), after.attributes.contains(it));
        }
        for class in CLASSES {
            match (before.max_age_ms(class), after.max_age_ms(class)) {
                (Some(before), Some(after)) => {
                    self.amount(party, "max_age", &format!("{} s", class_name(class)), before / 1000, after / 1000);
                }
                (None, None) => {}
                (before, after) => {
                    let said = |age: Option<u64>| age.map_or_else(|| "-".to_owned(), |ms| (ms / 1000).to_string());
                    let detail = format!("{} s {} → {}", class_name(class), said(before), said(after));
                    self.add(party, Turn::Changes, "max_age", detail);
                }
            }
        }
    }

    fn member(&mut self, party: &Party, what: &'static str, name: &str, had: bool, has: bool) {
        match (had, has) {
            (false, true) => self.add(party, Turn::Gains, what, name),
            (true, false) => self.add(party, Turn::Loses, what, name),
            _ => {}
        }
    }
}

/// What the register says of each threshold, as its author writes it.
fn thresholds(alarms: &Alarms) -> [(&'static str, String); 6] {
    let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let (opens, closes) = alarms.open_min;
    let days = alarms.open_days.iter().map(|is_open| if *is_open { '1' } else { '0' }).collect();
    [
        ("persons_per_official_hour", alarms.persons_per_official_hour.to_string()),
        ("persons_per_official_day", alarms.persons_per_official_day.to_string()),
        ("persons_per_dossier", alarms.persons_per_dossier.to_string()),
        ("persons_per_household", alarms.persons_per_household.to_string()),
        ("office_hours", format!("{}-{}", clock(opens), clock(closes))),
        ("office_days", days),
    ]
}

fn limits(before: &Portal, after: &Portal) -> Vec<(&'static str, u32, u32)> {
    vec![
        ("misses_per_official_hour", before.misses.official_hour, after.misses.official_hour),
        ("misses_per_official_day", before.misses.official_day, after.misses.official_day),
        ("misses_per_hour", before.misses.portal_hour, after.misses.portal_hour),
        ("misses_per_day", before.misses.portal_day, after.misses.portal_day),
        ("misses_of_everybody_per_hour", before.misses.cluster_hour, after.misses.cluster_hour),
        ("misses_of_everybody_per_day", before.misses.cluster_day, after.misses.cluster_day),
        ("questions_in_flight_max", before.questions_in_flight_max, after.questions_in_flight_max),
    ]
}

/// Codes granted to a portal, or to an official of it, with the end of each grant.
fn granted(register: &Register, portal: &Portal, official: Option<&OfficialId>) -> Vec<(String, Option<u64>)> {
    let procedures = register.procedures.values().filter(|procedure| match official {
        None => portal.may_use(procedure),
        Some(official) => portal.granted(official, procedure),
    });
    let until = |procedure: &Procedure| match official {
        None => portal.until_ms(procedure),
        Some(official) => portal.granted_until_ms(official, procedure),
    };
    procedures.map(|procedure| (procedure.code.to_string(), until(procedure))).collect()
}

fn codes(granted: &[(String, Option<u64>)]) -> String {
    granted.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>().join(", ")
}

/// The last day of what ends at a moment.
fn last_day(until_ms: Option<u64>) -> String {
    until_ms.map_or_else(|| "never".to_owned(), |ms| Date::in_vietnam(ms.saturating_sub(1)).to_string())
}

fn values(values: Values) -> &'static str {
    match values {
        Values::None => "none",
        Values::Own => "own",
        Values::Relatives => "relatives",
    }
}

fn visibility(visibility: Visibility) -> String {
    match visibility {
        Visibility::Normal => "normal".to_owned(),
        Visibility::Delayed { days } => format!("delayed {days} days"),
    }
}

fn threshold(procedure: &Procedure) -> String {
    format!("{:?}", procedure.name_threshold).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(alarms: &str, own: &str) -> Register {
        let text = format!(
            "[register]\nrevision = 1\n{alarms}\n[[portal]]\nid = 1\nname = \"a\"\nprocedures = []\n\
             [[official]]\nid = \"clerk-01\"\nportal = 1\nprocedures = []\n{own}"
        );
        Register::parse(&text).expect("a register")
    }

    /// Whoever takes a honey number out of a draft, or an official's own, must not do so unseen.
    #[test]
    fn what_raises_alarms_is_compared_without_repeating_a_mark() {
        let mark = |digit: &str| digit.repeat(64);
        let (one, two) = (mark("1"), mark("2"));
        let old = register(&format!("[alarms]\nhoney = [\"{one}\", \"{two}\"]"), &format!("own_number = \"{one}\"\n"));
        let new = register("[alarms]\npersons_per_dossier = 99\noffice_hours = \"08:00-16:30\"", "");
        let told: Vec<String> =
            diff(&old, &new).into_iter().map(|it| format!("{:?} {} {}", it.turn, it.what, it.detail)).collect();
        let expected = [
            "Loses honey 2",
            "Changes alarm office_hours 07:00-18:00 → 08:00-16:30",
            "Changes alarm persons_per_dossier 12 → 99",
            "Changes own_number a number → none",
        ];
        assert_eq!(told, expected);
        assert!(!told.concat().contains(&one));
        assert_eq!(diff(&old, &old), []);
    }
}
