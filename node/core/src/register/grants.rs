//! What portals and officials were granted, and until when.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;
use xacminh_proto::vocab::{Date, ProcedureCode};

use super::{
    Problem, Procedure,
    document::{Wrong, at, unknown},
    error::nearest,
};

/// A procedure granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// Number of the procedure.
    pub(super) procedure: u32,
    /// When it ends, Unix milliseconds; never if none.
    pub(super) until_ms: Option<u64>,
}

/// The procedures an official may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Grants {
    /// All of the portal's.
    All,
    /// These, by ascending number.
    Only(Vec<Grant>),
}

/// An official as their portal enrols them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Enrolment {
    /// What they may use.
    pub(super) grants: Grants,
    /// When the enrolment ends, Unix milliseconds; never if none.
    pub(super) until_ms: Option<u64>,
}

/// `"1.004222"`, or `{ code = "1.004222", until = "2027-06-30" }`.
pub(super) struct GrantRow {
    pub(super) code: String,
    until: Option<String>,
}

/// The grants of a list, by ascending number.
pub(super) fn grants(
    rows: &[Spanned<GrantRow>],
    procedures: &BTreeMap<ProcedureCode, Procedure>,
) -> Result<Vec<Grant>, Wrong> {
    let mut grants: BTreeMap<u32, Grant> = BTreeMap::new();
    for row in rows {
        let code = &row.get_ref().code;
        let procedure = ProcedureCode::parse(code).ok().and_then(|code| procedures.get(&code));
        let procedure = procedure
            .ok_or_else(|| unknown(row, "procedure", nearest(code, procedures.keys().map(ProcedureCode::as_str))))?;
        let until_ms = until(row, row.get_ref().until.as_deref())?;
        if grants.insert(procedure.id, Grant { procedure: procedure.id, until_ms }).is_some() {
            return Err(at(row, Problem::Repeated(code.clone())));
        }
    }
    Ok(grants.into_values().collect())
}

/// The grant of a procedure, if it is in the list.
pub(super) fn find(grants: &[Grant], procedure: u32) -> Option<Grant> {
    let found = grants.binary_search_by_key(&procedure, |grant| grant.procedure);
    found.ok().map(|index| grants[index])
}

/// When the last day of something ends in Vietnam, Unix milliseconds.
pub(super) fn until<T>(place: &Spanned<T>, day: Option<&str>) -> Result<Option<u64>, Wrong> {
    let Some(text) = day else { return Ok(None) };
    let day = Date::parse(text).map_err(|_| at(place, Problem::Until(text.to_owned())))?;
    Ok(Some(day.end_in_vietnam_ms()))
}

/// The earlier of two ends.
pub(super) fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

impl AsRef<str> for GrantRow {
    fn as_ref(&self) -> &str {
        &self.code
    }
}

impl<'de> Deserialize<'de> for GrantRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;

        impl<'de> de::Visitor<'de> for TextOrTable {
            type Value = GrantRow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a procedure's code, or a table with `code` and `until`")
            }

            fn visit_str<E: de::Error>(self, code: &str) -> Result<GrantRow, E> {
                Ok(GrantRow { code: code.to_owned(), until: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<GrantRow, A::Error> {
                let Table { code, until } = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(GrantRow { code, until: Some(until) })
            }
        }

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            code: String,
            until: String,
        }

        deserializer.deserialize_any(TextOrTable)
    }
}
