//! Procedures as a document writes them: `like` fills in what a procedure has in common with another.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;
use xacminh_proto::vocab::{Attribute, AttributeClass as Class, AttributeSet, ClaimKind, ProcedureCode};

use crate::matching::names::NameThreshold;

use super::{
    CLASSES, DELAY_DAYS_MAX, MaxAge, Problem, Procedure, Values, Visibility, class_index, class_name,
    document::{Wrong, at, not_an_id, not_zero, start, unknown},
    error::nearest,
};

/// A `[[procedure]]`. What is absent is that of the procedure named by `like`, if there is one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProcedureRow {
    id: Spanned<u32>,
    code: Spanned<String>,
    name_vi: String,
    name_en: String,
    /// No source confirms the code; never inherited.
    #[serde(default)]
    example: bool,
    /// Where the code was found; never inherited.
    source: Option<String>,
    like: Option<Spanned<String>>,
    purpose: Option<Spanned<u16>>,
    values: Option<ValuesRow>,
    claims: Option<Vec<Spanned<String>>>,
    attributes: Option<Vec<Spanned<String>>>,
    max_age_s: Option<MaxAgeRow>,
    name_threshold: Option<ThresholdRow>,
    visibility: Option<VisibilityRow>,
    delay_days: Option<Spanned<u16>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct MaxAgeRow {
    identity: Option<u32>,
    origin: Option<u32>,
    residence: Option<u32>,
    family: Option<u32>,
    status: Option<u32>,
    sensitive: Option<u32>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum ThresholdRow {
    Exact,
    Folded,
    Spelling,
    Unsigned,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum VisibilityRow {
    Normal,
    Delayed,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum ValuesRow {
    None,
    Own,
    Relatives,
}

/// Procedures on one way of `like`, the first included: a reader follows two or three, and a document of forty thousand in a
/// row would keep every node busy for hours.
const LIKE_MAX: usize = 16;

/// A row, and those it is like, the nearest first.
struct Chain<'a>(Vec<&'a ProcedureRow>);

pub(super) fn procedures(rows: &[ProcedureRow]) -> Result<BTreeMap<ProcedureCode, Procedure>, Wrong> {
    let by_code = by_code(rows)?;
    let mut procedures = BTreeMap::new();
    for row in rows {
        let procedure = procedure(&chain(row, &by_code)?)?;
        procedures.insert(procedure.code.clone(), procedure);
    }
    Ok(procedures)
}

/// The rows by code: every code and every number once.
fn by_code(rows: &[ProcedureRow]) -> Result<BTreeMap<&str, &ProcedureRow>, Wrong> {
    let mut by_code = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for row in rows {
        let id = not_zero(&row.id, "procedure number")?;
        if !ids.insert(id) {
            return Err(at(&row.id, Problem::Duplicate { what: "procedure number", id: id.to_string() }));
        }
        if by_code.insert(row.code.get_ref().as_str(), row).is_some() {
            return Err(at(&row.code, Problem::Duplicate { what: "procedure", id: row.code.get_ref().clone() }));
        }
    }
    Ok(by_code)
}

fn chain<'a>(row: &'a ProcedureRow, by_code: &BTreeMap<&str, &'a ProcedureRow>) -> Result<Chain<'a>, Wrong> {
    let mut rows = vec![row];
    let mut last = row;
    while let Some(like) = &last.like {
        let code = like.get_ref();
        let next =
            by_code.get(code.as_str()).ok_or_else(|| unknown(like, "procedure", nearest(code, by_code.keys())))?;
        let is_cycle = rows.iter().any(|row| row.code.get_ref() == code);
        rows.push(next);
        if is_cycle {
            let path: Vec<&str> = rows.iter().map(|row| row.code.get_ref().as_str()).collect();
            return Err(at(like, Problem::Cycle { path: path.join(" → ") }));
        }
        if rows.len() > LIKE_MAX {
            return Err(at(like, Problem::LikeTooLong { procedure: row.code.get_ref().clone(), most: LIKE_MAX }));
        }
        last = next;
    }
    Ok(Chain(rows))
}

impl<'a> Chain<'a> {
    fn row(&self) -> &'a ProcedureRow {
        self.0[0]
    }

    /// The nearest that says something.
    fn first<T>(&self, said: impl Fn(&'a ProcedureRow) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|row| said(row))
    }

    fn needed<T>(&self, key: &'static str, said: impl Fn(&'a ProcedureRow) -> Option<T>) -> Result<T, Wrong> {
        let procedure = || self.row().code.get_ref().clone();
        self.first(said).ok_or_else(|| at(&self.row().code, Problem::Missing { procedure: procedure(), key }))
    }
}

fn procedure(chain: &Chain<'_>) -> Result<Procedure, Wrong> {
    let row = chain.row();
    let code =
        ProcedureCode::parse(row.code.get_ref()).map_err(|error| not_an_id(&row.code, "procedure code", &error))?;
    let procedure = Procedure {
        id: *row.id.get_ref(),
        purpose: not_zero(chain.needed("purpose", |row| row.purpose.as_ref())?, "purpose")?,
        name_vi: row.name_vi.clone(),
        name_en: row.name_en.clone(),
        example: row.example,
        source: row.source.clone(),
        claims: claims(chain.first(|row| row.claims.as_deref()).unwrap_or_default())?,
        attributes: attributes(chain.first(|row| row.attributes.as_deref()).unwrap_or_default())?,
        values: match chain.first(|row| row.values) {
            Some(ValuesRow::None) => Values::None,
            Some(ValuesRow::Own) | None => Values::Own,
            Some(ValuesRow::Relatives) => Values::Relatives,
        },
        max_age_ms: max_age(chain)?,
        name_threshold: match chain.first(|row| row.name_threshold) {
            Some(ThresholdRow::Exact) => NameThreshold::Exact,
            Some(ThresholdRow::Folded) => NameThreshold::Folded,
            Some(ThresholdRow::Spelling) | None => NameThreshold::Spelling,
            Some(ThresholdRow::Unsigned) => NameThreshold::Unsigned,
        },
        visibility: visibility(chain)?,
        code,
    };
    check(&procedure, row)?;
    Ok(procedure)
}

/// What a procedure says of itself must fit together.
fn check(procedure: &Procedure, row: &ProcedureRow) -> Result<(), Wrong> {
    let code = || procedure.code.to_string();
    if let Some(attribute) = procedure.attributes.iter().find(|attribute| !procedure.values.allow(*attribute)) {
        let written = row.attributes.iter().flatten().find(|name| name.get_ref() == attribute.name());
        let problem = Problem::ValueNotAllowed { procedure: code(), attribute: attribute.name() };
        return Err(written.map_or(start(&row.code), start)).map_err(|place| (place, problem));
    }
    let ageless = CLASSES.into_iter().find(|class| asks(procedure, *class) && procedure.max_age_ms(*class).is_none());
    match ageless {
        Some(class) => Err(at(&row.code, Problem::MaxAgeMissing { procedure: code(), class: class_name(class) })),
        None => Ok(()),
    }
}

/// A delay that nobody wrote down would be for ever, and one that delays nothing is a slip.
fn visibility(chain: &Chain<'_>) -> Result<Visibility, Wrong> {
    let code = &chain.row().code;
    let procedure = || code.get_ref().clone();
    // Both keys are taken from one procedure: a delay of another's would be a surprise.
    let said = chain.first(|row| {
        (row.visibility.is_some() || row.delay_days.is_some())
            .then_some((row.visibility.unwrap_or(VisibilityRow::Normal), row.delay_days.as_ref()))
    });
    match said.unwrap_or((VisibilityRow::Normal, None)) {
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

/// The three keys are of class identity, so that its age is always needed.
fn asks(procedure: &Procedure, class: Class) -> bool {
    class == Class::Identity
        || ClaimKind::ALL.iter().any(|kind| procedure.allows(*kind) && kind.class() == class)
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

fn max_age(chain: &Chain<'_>) -> Result<MaxAge, Wrong> {
    let missing = || {
        let (code, class) = (&chain.row().code, class_name(Class::Identity));
        at(code, Problem::MaxAgeMissing { procedure: code.get_ref().clone(), class })
    };
    let row = chain.first(|row| row.max_age_s).ok_or_else(missing)?;
    let mut ages = MaxAge::default();
    for class in CLASSES {
        let seconds = match class {
            Class::Identity => row.identity,
            Class::Origin => row.origin,
            Class::Residence => row.residence,
            Class::Family => row.family,
            Class::Status => row.status,
            Class::Sensitive => row.sensitive,
        };
        ages.0[class_index(class)] = seconds.map(|seconds| u64::from(seconds) * 1000);
    }
    Ok(ages)
}
