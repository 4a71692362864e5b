//! Who may ask what: portals, officials and procedures, declared in TOML and replicated as one revision.
//!
//! ```text
//! document  the TOML text and its checks: a register that parses has no loose end
//! limits    budgets of misses that fit together
//! alarms    thresholds of alarms, and honey numbers
//! permit    whether one question may be asked, and under which terms
//! error     what is wrong with a document, by line and name
//! ```

mod alarms;
mod document;
mod error;
mod limits;
mod permit;

use std::collections::BTreeMap;

use xacminh_proto::vocab::{AttributeClass, AttributeSet, ClaimKind, OfficialId, PortalId, ProcedureCode};

use crate::{
    command::{MissLimits, RecordKey},
    matching::names::NameThreshold,
};

pub use alarms::Alarms;
pub use document::{QUESTIONS_IN_FLIGHT_MAX, REGISTER_BYTES_MAX};
pub use error::{Problem, RegisterError};
pub use limits::MISSES_PER_OFFICIAL_HOUR;
pub use permit::{Grounds, Permit, permit};

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
    /// Numbers of the procedures it may use, ascending.
    procedures: Vec<u32>,
    officials: BTreeMap<OfficialId, Grants>,
    /// Row keys of officials' own citizen numbers, where the register has them.
    own_numbers: BTreeMap<OfficialId, RecordKey>,
}

/// The procedures an official may use.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Grants {
    /// All of the portal's.
    All,
    /// Those with these numbers, ascending.
    Only(Vec<u32>),
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
    /// What it processes personal data for, as leaves tell it.
    pub purpose: u16,
    /// Attributes it may disclose.
    pub attributes: AttributeSet,
    /// Names that count as the same.
    pub name_threshold: NameThreshold,
    /// When the citizen sees its questions.
    pub visibility: Visibility,
    /// Bits of the claim kinds it may check.
    claims: u32,
    max_age_ms: MaxAge,
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
    /// Whether it may use a procedure.
    #[must_use]
    pub fn may_use(&self, procedure: &Procedure) -> bool {
        self.procedures.binary_search(&procedure.id).is_ok()
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
        match self.officials.get(official) {
            None => false,
            Some(Grants::All) => self.may_use(procedure),
            Some(Grants::Only(granted)) => granted.binary_search(&procedure.id).is_ok(),
        }
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
