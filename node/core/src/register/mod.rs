//! Who may ask what: portals, officials and procedures, declared in TOML and replicated as one revision.
//!
//! ```text
//! document    the TOML text and its checks: a register that parses has no loose end
//! procedures  what may be asked for whose sake, and what procedures have in common
//! grants      what portals and officials were granted, and until when
//! limits      budgets of misses that fit together
//! alarms      thresholds of alarms, and honey numbers
//! permit      whether one question may be asked, and under which terms
//! diff        what changes from one register to another, and for whom
//! replay      what another register says of the questions of the past
//! error       what is wrong with a document, by line and name
//! ```

mod alarms;
mod diff;
mod document;
mod error;
mod grants;
mod limits;
mod permit;
mod procedures;
mod replay;

use std::collections::BTreeMap;

use xacminh_proto::vocab::{Attribute, AttributeClass, AttributeSet, ClaimKind, OfficialId, PortalId, ProcedureCode};

use crate::{
    command::{MissLimits, RecordKey},
    matching::names::NameThreshold,
};

use grants::{Enrolment, Grant, Grants};

pub use alarms::Alarms;
pub use diff::{Difference, Party, Turn, diff};
pub use document::{QUESTIONS_IN_FLIGHT_MAX, REGISTER_BYTES_MAX};
pub use error::{Problem, RegisterError};
pub use limits::MISSES_PER_OFFICIAL_HOUR;
pub use permit::{Asker, Grounds, Permit, permit};
pub use replay::Terms;

/// One revision of the register. Looking something up allocates nothing and takes O(log n).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Register {
    /// The revision, 1 or more.
    pub revision: u64,
    /// Days that entries of the log are kept for; 0 for ever. Their hashes are kept for ever in any case.
    pub entries_days: u32,
    portals: BTreeMap<PortalId, Portal>,
    procedures: BTreeMap<ProcedureCode, Procedure>,
    /// What raises alarms.
    pub alarms: Alarms,
}

/// A relying system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// Its number, which its certificate names.
    pub id: PortalId,
    /// Its name, for people.
    pub name: String,
    /// Whether its questions are refused for now.
    pub suspended: bool,
    /// Unconfirmed questions of one of its officials, of all of them and of everybody; then everything is refused until
    /// the hour or day ends.
    pub misses: MissLimits,
    /// Questions it may have in flight at one node.
    pub questions_in_flight_max: u32,
    /// When all of it ends, Unix milliseconds; never if none.
    until_ms: Option<u64>,
    /// The procedures it may use, by ascending number.
    procedures: Vec<Grant>,
    officials: BTreeMap<OfficialId, Enrolment>,
    /// Row keys of officials' own citizen numbers, where the register has them.
    own_numbers: BTreeMap<OfficialId, RecordKey>,
}

/// An administrative procedure: what may be asked for its sake, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Procedure {
    /// Its number, as leaves name it; never 0 and never given to another procedure.
    pub id: u32,
    /// Its code (mã thủ tục hành chính).
    pub code: ProcedureCode,
    /// Its name in Vietnamese.
    pub name_vi: String,
    /// Its name in English.
    pub name_en: String,
    /// Whether no source confirms that there is a procedure of this code: an example, not to be granted in production.
    pub example: bool,
    /// Where the code was found, for people.
    pub source: Option<String>,
    /// What it processes personal data for, as leaves tell it.
    pub purpose: u16,
    /// Attributes it may disclose.
    pub attributes: AttributeSet,
    /// Of whom it may disclose values at all.
    pub values: Values,
    /// Names that count as the same.
    pub name_threshold: NameThreshold,
    /// When the citizen sees its questions.
    pub visibility: Visibility,
    /// Bits of the claim kinds it may check.
    claims: u32,
    max_age_ms: MaxAge,
}

/// Of whom a procedure may be told values; claims are answered by verdicts all the same (promise P9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Of nobody: verdicts only.
    None,
    /// Of the person asked about, but for the numbers of relatives.
    Own,
    /// Of the person asked about, and the numbers of relatives, who were not asked.
    Relatives,
}

impl Values {
    /// Whether the value of an attribute may be told.
    #[must_use]
    pub const fn allow(self, attribute: Attribute) -> bool {
        match self {
            Self::None => false,
            Self::Own => !matches!(attribute, Attribute::Father | Attribute::Mother | Attribute::Spouse),
            Self::Relatives => true,
        }
    }
}

/// When a question becomes visible to the citizen it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// At once.
    Normal,
    /// Later: an inquiry would be spoiled.
    Delayed {
        /// For how many days after the question; at most [`DELAY_DAYS_MAX`].
        days: u16,
    },
}

/// Longest delay of a procedure's questions, in days: five years. A trail that hides for longer is none.
pub const DELAY_DAYS_MAX: u16 = 5 * 365;

/// Fewest days that entries can be kept for: two years, so that the year's log can be inspected after it has ended.
pub const ENTRIES_DAYS_MIN: u32 = 2 * 365;

const DAY_MS: u64 = 24 * 3_600_000;

impl Visibility {
    /// From when the citizen sees a question of this moment, Unix milliseconds; none if at once.
    #[must_use]
    pub fn hidden_until_ms(self, asked_ms: u64) -> Option<u64> {
        match self {
            Self::Normal => None,
            Self::Delayed { days } => Some(asked_ms.saturating_add(u64::from(days) * DAY_MS)),
        }
    }
}

/// How old a record may be for each class of attributes, milliseconds; absent where the procedure asks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct MaxAge([Option<u64>; CLASSES.len()]);

/// The classes of attributes in the order of [`MaxAge`].
const CLASSES: [AttributeClass; 6] = [
    AttributeClass::Identity,
    AttributeClass::Origin,
    AttributeClass::Residence,
    AttributeClass::Family,
    AttributeClass::Status,
    AttributeClass::Sensitive,
];

impl Register {
    /// Reads a register document.
    ///
    /// # Errors
    /// [`RegisterError`] with the line of the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, RegisterError> {
        document::parse(text)
    }

    /// Whether it may come into force after another one: no procedure has the number of another.
    ///
    /// # Errors
    /// [`Problem::NumberReused`].
    pub fn check_after(&self, before: &Self) -> Result<(), Problem> {
        let known: BTreeMap<u32, &ProcedureCode> = before.procedures().map(|known| (known.id, &known.code)).collect();
        for Procedure { id, code, .. } in self.procedures() {
            if let Some(known) = known.get(id).filter(|known| **known != code) {
                return Err(Problem::NumberReused { number: *id, before: known.to_string(), after: code.to_string() });
            }
        }
        Ok(())
    }

    /// A portal by its number.
    #[must_use]
    pub fn portal(&self, id: PortalId) -> Option<&Portal> {
        self.portals.get(&id)
    }

    /// A procedure by its code.
    #[must_use]
    pub fn procedure(&self, code: &ProcedureCode) -> Option<&Procedure> {
        self.procedures.get(code)
    }

    /// A procedure by its number, as leaves name it.
    #[must_use]
    pub fn procedure_numbered(&self, id: u32) -> Option<&Procedure> {
        self.procedures.values().find(|procedure| procedure.id == id)
    }

    /// All portals, by number.
    pub fn portals(&self) -> impl Iterator<Item = &Portal> {
        self.portals.values()
    }

    /// All procedures, by code.
    pub fn procedures(&self) -> impl Iterator<Item = &Procedure> {
        self.procedures.values()
    }

    /// Officials enrolled by all portals.
    #[must_use]
    pub fn officials(&self) -> usize {
        self.portals.values().map(|portal| portal.officials.len()).sum()
    }
}

impl Portal {
    /// Whether it may use a procedure, now or until some day.
    #[must_use]
    pub fn may_use(&self, procedure: &Procedure) -> bool {
        grants::find(&self.procedures, procedure.id).is_some()
    }

    /// When the portal's own right to a procedure ends, Unix milliseconds; never if none.
    #[must_use]
    pub fn until_ms(&self, procedure: &Procedure) -> Option<u64> {
        let granted = grants::find(&self.procedures, procedure.id).and_then(|grant| grant.until_ms);
        grants::earlier(self.until_ms, granted)
    }

    /// The officials it enrolled.
    pub fn officials(&self) -> impl Iterator<Item = &OfficialId> {
        self.officials.keys()
    }

    /// Officials whose own citizen number is known, with its row key.
    pub fn own_numbers(&self) -> impl Iterator<Item = (&OfficialId, &RecordKey)> {
        self.own_numbers.iter()
    }

    /// Whether it enrolled an official. Two portals may use one id for two people: an id counts within its portal.
    #[must_use]
    pub fn enrolled(&self, official: &OfficialId) -> bool {
        self.officials.contains_key(official)
    }

    /// Whether it enrolled an official and gave them a procedure.
    #[must_use]
    pub fn granted(&self, official: &OfficialId, procedure: &Procedure) -> bool {
        match self.officials.get(official).map(|enrolment| &enrolment.grants) {
            None => false,
            Some(Grants::All) => self.may_use(procedure),
            Some(Grants::Only(granted)) => grants::find(granted, procedure.id).is_some(),
        }
    }

    /// When an official's right to a procedure ends, Unix milliseconds, the portal's included; never if none.
    #[must_use]
    pub fn granted_until_ms(&self, official: &OfficialId, procedure: &Procedure) -> Option<u64> {
        let own = self.officials.get(official).and_then(|Enrolment { grants, until_ms }| {
            let granted = match grants {
                Grants::All => None,
                Grants::Only(granted) => grants::find(granted, procedure.id).and_then(|grant| grant.until_ms),
            };
            grants::earlier(*until_ms, granted)
        });
        grants::earlier(own, self.until_ms(procedure))
    }
}

impl Procedure {
    /// Whether it may check claims of a kind.
    #[must_use]
    pub const fn allows(&self, kind: ClaimKind) -> bool {
        self.claims & kind.bit() != 0
    }

    /// How old a record may be where a class is asked, milliseconds; none where the procedure asks nothing of the class.
    #[must_use]
    pub fn max_age_ms(&self, class: AttributeClass) -> Option<u64> {
        self.max_age_ms.of(class)
    }
}

impl MaxAge {
    fn of(&self, class: AttributeClass) -> Option<u64> {
        self.0[class_index(class)]
    }
}

const fn class_index(class: AttributeClass) -> usize {
    match class {
        AttributeClass::Identity => 0,
        AttributeClass::Origin => 1,
        AttributeClass::Residence => 2,
        AttributeClass::Family => 3,
        AttributeClass::Status => 4,
        AttributeClass::Sensitive => 5,
    }
}

/// The name of a class, as `max_age_s` writes it.
const fn class_name(class: AttributeClass) -> &'static str {
    match class {
        AttributeClass::Identity => "identity",
        AttributeClass::Origin => "origin",
        AttributeClass::Residence => "residence",
        AttributeClass::Family => "family",
        AttributeClass::Status => "status",
        AttributeClass::Sensitive => "sensitive",
    }
}
