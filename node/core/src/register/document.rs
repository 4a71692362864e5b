//! The register as TOML text: its shape, and the checks that leave no loose end.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use xacminh_proto::vocab::{IdError, OfficialId, PortalId, ProcedureCode};

use crate::command::COMMAND_BYTES_MAX;

use super::{
    ENTRIES_DAYS_MIN, Portal, Problem, Procedure, Register, RegisterError, Visibility,
    alarms::{self, AlarmsRow},
    grants::{Enrolment, GrantRow, Grants, grants, until},
    limits::{self, BudgetRow},
    procedures::{ProcedureRow, procedures},
};

/// Largest register document: half a command, so that leaf and addendum fit beside it. Some 40,000 officials.
pub const REGISTER_BYTES_MAX: usize = COMMAND_BYTES_MAX / 2;

/// Questions a portal may have in flight at one node unless it says otherwise: a batch's worth.
pub const QUESTIONS_IN_FLIGHT_MAX: u32 = 256;

/// Grants an official all procedures of the portal.
const STAR: &str = "*";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    register: Header,
    #[serde(default)]
    retention: RetentionRow,
    #[serde(default)]
    budget: BudgetRow,
    #[serde(default)]
    alarms: AlarmsRow,
    #[serde(default)]
    portal: Vec<PortalRow>,
    #[serde(default)]
    official: Vec<OfficialRow>,
    #[serde(default)]
    procedure: Vec<ProcedureRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    revision: Spanned<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RetentionRow {
    entries_days: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortalRow {
    id: Spanned<u32>,
    name: String,
    #[serde(default)]
    suspended: bool,
    procedures: Vec<Spanned<GrantRow>>,
    until: Option<Spanned<String>>,
    misses_per_official_hour: Option<Spanned<u32>>,
    misses_per_official_day: Option<Spanned<u32>>,
    misses_per_hour: Option<Spanned<u32>>,
    misses_per_day: Option<Spanned<u32>>,
    questions_in_flight_max: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfficialRow {
    id: Spanned<String>,
    portal: Spanned<u32>,
    procedures: Vec<Spanned<GrantRow>>,
    own_number: Option<Spanned<String>>,
    until: Option<Spanned<String>>,
}

/// Something wrong, and the byte where it stands.
pub(super) type Wrong = (usize, Problem);

pub(super) fn parse(text: &str) -> Result<Register, RegisterError> {
    if text.len() > REGISTER_BYTES_MAX {
        return Err(RegisterError::TooLarge(text.len()));
    }
    let line_of = |byte: usize| 1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count();
    let document: Document = toml::from_str(text).map_err(|error| RegisterError::Toml {
        line: line_of(error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    register(document).map_err(|(byte, problem)| RegisterError::Rule { line: line_of(byte), problem })
}

fn register(document: Document) -> Result<Register, Wrong> {
    let revision = *document.register.revision.get_ref();
    // Leaves hold the revision in 32 bits.
    if revision == 0 || u32::try_from(revision).is_err() {
        return Err(at(&document.register.revision, Problem::Revision));
    }
    let procedures = procedures(&document.procedure)?;
    let mut portals = portals(document.portal, &procedures)?;
    let everybody = limits::everybody(&document.budget, portals.values().map(|portal| portal.misses))?;
    for portal in portals.values_mut() {
        (portal.misses.cluster_hour, portal.misses.cluster_day) = everybody;
    }
    for row in &document.official {
        enrol(row, &mut portals, &procedures)?;
    }
    let entries_days = entries_days(&document.retention, &procedures)?;
    let alarms = alarms::alarms(&document.alarms)?;
    Ok(Register { revision, entries_days, portals, procedures, alarms })
}

/// How long entries are kept; 0 for ever. What is hidden for a while is kept until it was to be seen.
fn entries_days(row: &RetentionRow, procedures: &BTreeMap<ProcedureCode, Procedure>) -> Result<u32, Wrong> {
    let Some(days) = &row.entries_days else { return Ok(0) };
    let delays = procedures.values().map(|procedure| match procedure.visibility {
        Visibility::Normal => 0,
        Visibility::Delayed { days } => u32::from(days),
    });
    let least = delays.max().map_or(ENTRIES_DAYS_MIN, |longest| ENTRIES_DAYS_MIN.max(longest + 1));
    let count = *days.get_ref();
    if count < least { Err(at(days, Problem::RetentionTooShort { days: count, least })) } else { Ok(count) }
}

fn portals(
    rows: Vec<PortalRow>,
    procedures: &BTreeMap<ProcedureCode, Procedure>,
) -> Result<BTreeMap<PortalId, Portal>, Wrong> {
    let mut portals = BTreeMap::new();
    for row in rows {
        let id = PortalId(not_zero(&row.id, "portal number")?);
        let portal = Portal {
            id,
            name: row.name,
            suspended: row.suspended,
            misses: limits::portal([
                row.misses_per_official_hour.as_ref(),
                row.misses_per_official_day.as_ref(),
                row.misses_per_hour.as_ref(),
                row.misses_per_day.as_ref(),
            ])?,
            questions_in_flight_max: limit(row.questions_in_flight_max.as_ref(), QUESTIONS_IN_FLIGHT_MAX)?,
            procedures: grants(&row.procedures, procedures)?,
            until_ms: last_day(row.until.as_ref())?,
            officials: BTreeMap::new(),
            own_numbers: BTreeMap::new(),
        };
        if portals.insert(id, portal).is_some() {
            return Err(at(&row.id, Problem::Duplicate { what: "portal", id: id.0.to_string() }));
        }
    }
    Ok(portals)
}

fn enrol(
    row: &OfficialRow,
    portals: &mut BTreeMap<PortalId, Portal>,
    procedures: &BTreeMap<ProcedureCode, Procedure>,
) -> Result<(), Wrong> {
    let official = OfficialId::parse(row.id.get_ref()).map_err(|error| not_an_id(&row.id, "official", &error))?;
    let portal_number = *row.portal.get_ref();
    let id = || official.as_str().to_owned();
    let Some(portal) = portals.get_mut(&PortalId(portal_number)) else {
        return Err(at(&row.portal, Problem::PortalUndeclared { official: id(), portal: portal_number }));
    };
    let granted = match &row.procedures[..] {
        [star] if star.get_ref().code == STAR => Grants::All,
        names => {
            if let Some(star) = names.iter().find(|name| name.get_ref().code == STAR) {
                return Err(at(star, Problem::StarNotAlone));
            }
            let granted = grants(names, procedures)?;
            let beyond = names.iter().find(|name| {
                !ProcedureCode::parse(&name.get_ref().code)
                    .is_ok_and(|code| procedures.get(&code).is_some_and(|procedure| portal.may_use(procedure)))
            });
            if let Some(name) = beyond {
                let procedure = name.get_ref().code.clone();
                return Err(at(name, Problem::GrantBeyondPortal { official: id(), procedure, portal: portal_number }));
            }
            Grants::Only(granted)
        }
    };
    if portal.officials.contains_key(&official) {
        return Err(at(&row.id, Problem::Duplicate { what: "official", id: id() }));
    }
    if let Some(own) = &row.own_number {
        portal.own_numbers.insert(official.clone(), alarms::mark(own)?);
    }
    portal.officials.insert(official, Enrolment { grants: granted, until_ms: last_day(row.until.as_ref())? });
    Ok(())
}

pub(super) fn not_zero<T: Copy + PartialEq + From<u8>>(number: &Spanned<T>, what: &'static str) -> Result<T, Wrong> {
    let value = *number.get_ref();
    if value == T::from(0) { Err(at(number, Problem::Zero { what })) } else { Ok(value) }
}

/// A limit of 0 would refuse everything in a way nobody understands: that is what `suspended` is for.
pub(super) fn limit(number: Option<&Spanned<u32>>, default: u32) -> Result<u32, Wrong> {
    number.map_or(Ok(default), |number| not_zero(number, "limit"))
}

fn last_day(day: Option<&Spanned<String>>) -> Result<Option<u64>, Wrong> {
    day.map_or(Ok(None), |day| until(day, Some(day.get_ref())))
}

pub(super) fn unknown(name: &Spanned<impl AsRef<str>>, what: &'static str, nearest: Option<String>) -> Wrong {
    at(name, Problem::Unknown { what, name: name.get_ref().as_ref().to_owned(), nearest })
}

pub(super) fn not_an_id(id: &Spanned<String>, what: &'static str, why: &IdError) -> Wrong {
    at(id, Problem::Identifier { what, id: id.get_ref().clone(), why: why.to_string() })
}

pub(super) fn at<T>(place: &Spanned<T>, problem: Problem) -> Wrong {
    (start(place), problem)
}

pub(super) fn start<T>(place: &Spanned<T>) -> usize {
    place.span().start
}
