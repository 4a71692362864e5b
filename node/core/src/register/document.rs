//! The register as TOML text: its shape, and the checks that leave no loose end.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;
use xacminh_proto::vocab::{
    Attribute, AttributeClass as Class, AttributeSet, ClaimKind, IdError, OfficialId, PortalId, ProcedureCode,
};

use crate::{command::COMMAND_BYTES_MAX, matching::names::NameThreshold};

use super::{
    CLASSES, DELAY_DAYS_MAX, ENTRIES_DAYS_MIN, Grants, MaxAge, Portal, Problem, Procedure, Register, RegisterError,
    Visibility,
    alarms::{self, AlarmsRow},
    class_index, class_name,
    error::nearest,
    limits::{self, BudgetRow},
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
    procedures: Vec<Spanned<String>>,
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
    procedures: Vec<Spanned<String>>,
    own_number: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProcedureRow {
    id: Spanned<u32>,
    code: Spanned<String>,
    name_vi: String,
    name_en: String,
    purpose: Spanned<u16>,
    #[serde(default)]
    claims: Vec<Spanned<String>>,
    #[serde(default)]
    attributes: Vec<Spanned<String>>,
    max_age_s: MaxAgeRow,
    #[serde(default)]
    name_threshold: ThresholdRow,
    #[serde(default)]
    visibility: VisibilityRow,
    delay_days: Option<Spanned<u16>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct MaxAgeRow {
    identity: u32,
    origin: Option<u32>,
    residence: Option<u32>,
    family: Option<u32>,
    status: Option<u32>,
    sensitive: Option<u32>,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum ThresholdRow {
    Exact,
    Folded,
    #[default]
    Spelling,
    Unsigned,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum VisibilityRow {
    #[default]
    Normal,
    Delayed,
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
    let procedures = procedures(document.procedure)?;
    let mut portals = portals(document.portal, &procedures)?;
    let everybody = limits::everybody(&document.budget, portals.values().map(|portal| portal.misses))?;
    for portal in portals.values_mut() {
        (portal.misses.cluster_hour, portal.misses.cluster_day) = everybody;
    }
    for row in &document.official {
        enrol(row, &mut portals, &procedures)?;
    }
    let entries_days = entries_days(&document.retention, &procedures)?;
    Ok(Register { revision, entries_days, portals, procedures, alarms: alarms::alarms(&document.alarms)? })
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

fn procedures(rows: Vec<ProcedureRow>) -> Result<BTreeMap<ProcedureCode, Procedure>, Wrong> {
    let mut procedures = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for row in rows {
        let (id_at, code_at) = (start(&row.id), start(&row.code));
        let procedure = procedure(row)?;
        if !ids.insert(procedure.id) {
            let id = procedure.id.to_string();
            return Err((id_at, Problem::Duplicate { what: "procedure number", id }));
        }
        let code = procedure.code.clone();
        if procedures.insert(code.clone(), procedure).is_some() {
            return Err((code_at, Problem::Duplicate { what: "procedure", id: code.to_string() }));
        }
    }
    Ok(procedures)
}

fn procedure(row: ProcedureRow) -> Result<Procedure, Wrong> {
    let code =
        ProcedureCode::parse(row.code.get_ref()).map_err(|error| not_an_id(&row.code, "procedure code", &error))?;
    let procedure = Procedure {
        id: not_zero(&row.id, "procedure number")?,
        purpose: not_zero(&row.purpose, "purpose")?,
        name_vi: row.name_vi,
        name_en: row.name_en,
        claims: claims(&row.claims)?,
        attributes: attributes(&row.attributes)?,
        max_age_ms: max_age(row.max_age_s),
        name_threshold: match row.name_threshold {
            ThresholdRow::Exact => NameThreshold::Exact,
            ThresholdRow::Folded => NameThreshold::Folded,
            ThresholdRow::Spelling => NameThreshold::Spelling,
            ThresholdRow::Unsigned => NameThreshold::Unsigned,
        },
        visibility: visibility(row.visibility, row.delay_days.as_ref(), &row.code)?,
        code,
    };
    let ageless = CLASSES.into_iter().find(|class| asks(&procedure, *class) && procedure.max_age_ms(*class).is_none());
    if let Some(class) = ageless {
        let procedure = procedure.code.to_string();
        return Err(at(&row.code, Problem::MaxAgeMissing { procedure, class: class_name(class) }));
    }
    Ok(procedure)
}

/// A delay that nobody wrote down would be for ever, and one that delays nothing is a slip.
fn visibility(row: VisibilityRow, days: Option<&Spanned<u16>>, code: &Spanned<String>) -> Result<Visibility, Wrong> {
    let procedure = || code.get_ref().clone();
    match (row, days) {
        (VisibilityRow::Normal, None) => Ok(Visibility::Normal),
        (VisibilityRow::Normal, Some(days)) => Err(at(days, Problem::DelayOfNothing { procedure: procedure() })),
        (VisibilityRow::Delayed, None) => Err(at(code, Problem::DelayMissing { procedure: procedure() })),
        (VisibilityRow::Delayed, Some(days)) => match *days.get_ref() {
            0 => Err(at(days, Problem::DelayMissing { procedure: procedure() })),
            count if count <= DELAY_DAYS_MAX => Ok(Visibility::Delayed { days: count }),
            count => Err(at(days, Problem::DelayTooLong { procedure: procedure(), days: count })),
        },
    }
}

fn asks(procedure: &Procedure, class: Class) -> bool {
    ClaimKind::ALL.iter().any(|kind| procedure.allows(*kind) && kind.class() == class)
        || procedure.attributes.iter().any(|attribute| attribute.class() == class)
}

fn claims(names: &[Spanned<String>]) -> Result<u32, Wrong> {
    let mut bits = 0;
    for name in names {
        let kind = ClaimKind::by_name(name.get_ref()).ok_or_else(|| {
            unknown(name, "claim", nearest(name.get_ref(), ClaimKind::ALL.into_iter().map(ClaimKind::name)))
        })?;
        if bits & kind.bit() != 0 {
            return Err(at(name, Problem::Repeated(name.get_ref().clone())));
        }
        bits |= kind.bit();
    }
    Ok(bits)
}

fn attributes(names: &[Spanned<String>]) -> Result<AttributeSet, Wrong> {
    let mut set = AttributeSet::EMPTY;
    for name in names {
        let attribute = Attribute::by_name(name.get_ref()).ok_or_else(|| {
            unknown(name, "attribute", nearest(name.get_ref(), Attribute::ALL.into_iter().map(Attribute::name)))
        })?;
        if set.contains(attribute) {
            return Err(at(name, Problem::Repeated(name.get_ref().clone())));
        }
        set = set.with(attribute);
    }
    Ok(set)
}

fn max_age(row: MaxAgeRow) -> MaxAge {
    let mut ages = MaxAge::default();
    for class in CLASSES {
        let seconds = match class {
            Class::Identity => Some(row.identity),
            Class::Origin => row.origin,
            Class::Residence => row.residence,
            Class::Family => row.family,
            Class::Status => row.status,
            Class::Sensitive => row.sensitive,
        };
        ages.0[class_index(class)] = seconds.map(|seconds| u64::from(seconds) * 1000);
    }
    ages
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
            procedures: procedure_ids(&row.procedures, procedures)?,
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
    let grants = match &row.procedures[..] {
        [star] if star.get_ref() == STAR => Grants::All,
        names => {
            if let Some(star) = names.iter().find(|name| name.get_ref() == STAR) {
                return Err(at(star, Problem::StarNotAlone));
            }
            let granted = procedure_ids(names, procedures)?;
            let beyond = names.iter().find(|name| {
                !ProcedureCode::parse(name.get_ref())
                    .is_ok_and(|code| procedures.get(&code).is_some_and(|procedure| portal.may_use(procedure)))
            });
            if let Some(name) = beyond {
                let procedure = name.get_ref().clone();
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
    portal.officials.insert(official, grants);
    Ok(())
}

/// Numbers of the procedures with these codes, ascending.
fn procedure_ids(
    codes: &[Spanned<String>],
    procedures: &BTreeMap<ProcedureCode, Procedure>,
) -> Result<Vec<u32>, Wrong> {
    let mut ids = BTreeSet::new();
    for code in codes {
        let procedure = ProcedureCode::parse(code.get_ref()).ok().and_then(|code| procedures.get(&code));
        let procedure = procedure.ok_or_else(|| {
            unknown(code, "procedure", nearest(code.get_ref(), procedures.keys().map(ProcedureCode::as_str)))
        })?;
        if !ids.insert(procedure.id) {
            return Err(at(code, Problem::Repeated(code.get_ref().clone())));
        }
    }
    Ok(ids.into_iter().collect())
}

fn not_zero<T: Copy + PartialEq + From<u8>>(number: &Spanned<T>, what: &'static str) -> Result<T, Wrong> {
    let value = *number.get_ref();
    if value == T::from(0) { Err(at(number, Problem::Zero { what })) } else { Ok(value) }
}

/// A limit of 0 would refuse everything in a way nobody understands: that is what `suspended` is for.
pub(super) fn limit(number: Option<&Spanned<u32>>, default: u32) -> Result<u32, Wrong> {
    number.map_or(Ok(default), |number| not_zero(number, "limit"))
}

fn unknown(name: &Spanned<String>, what: &'static str, nearest: Option<String>) -> Wrong {
    at(name, Problem::Unknown { what, name: name.get_ref().clone(), nearest })
}

fn not_an_id(id: &Spanned<String>, what: &'static str, why: &IdError) -> Wrong {
    at(id, Problem::Identifier { what, id: id.get_ref().clone(), why: why.to_string() })
}

pub(super) fn at<T>(place: &Spanned<T>, problem: Problem) -> Wrong {
    (start(place), problem)
}

fn start<T>(place: &Spanned<T>) -> usize {
    place.span().start
}
