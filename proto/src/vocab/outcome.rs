//! What an answer says.

use serde::{Deserialize, Serialize};

use super::{Attribute, ClaimKind, ErrorNumber, Value};

/// The answer to one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// The record says so.
    Match,
    /// The record says otherwise.
    NoMatch,
    /// The record cannot tell.
    Undetermined(Cause),
}

/// Why something cannot be told. The only lawful ground for asking paper (Decree 104/2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// The authority could not be reached in time.
    AuthorityUnavailable,
    /// What is remembered is older than the contract allows, and could not be refreshed.
    TooOld,
    /// Several people are known under the old number.
    Ambiguous,
    /// The record is being corrected.
    UnderCorrection,
    /// The number was cancelled and another one issued.
    NumberReissued,
    /// The authority has nothing recorded for this field.
    NotRecorded,
    /// The record holds a year alone and the claim needs the day.
    DayUnknown,
}

/// Why a claim got its verdict, for the clerk, without revealing the stored value. Never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u16)]
pub enum Reason {
    /// Equal as recorded.
    Equal = 1,
    /// Equal after Unicode, case and spacing were folded.
    EqualFolded = 2,
    /// Different.
    Different = 3,
    /// Same name but for diacritics: check the spelling on the card.
    DiacriticsDiffer = 4,
    /// The year agrees, the day or month does not.
    YearOnly = 5,
    /// The place lies elsewhere.
    ElsewherePlace = 6,
    /// The province agrees, the commune does not.
    OtherCommune = 7,
    /// The commune agrees, the street part does not.
    OtherDetail = 8,
    /// Old enough.
    OldEnough = 9,
    /// Not old enough.
    TooYoung = 10,
    /// The relation is recorded.
    Related = 11,
    /// The relation is not recorded.
    NotRelated = 12,
    /// Nothing recorded to compare with.
    NothingRecorded = 13,
}

/// One claim and its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClaimVerdict {
    /// Which claim, in the order of the question.
    pub kind: ClaimKind,
    /// What the record says of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

/// What was decided about a question as a whole. Every outcome has a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// All three keys agree; here are the verdicts and the values the procedure allows.
    Confirmed {
        /// A verdict for every claim, in order.
        verdicts: Vec<ClaimVerdict>,
        /// The disclosed attributes, in the order of their bits.
        attributes: Vec<(Attribute, Value)>,
        /// When the record was read from the authority, Unix milliseconds.
        as_of_ms: u64,
    },
    /// The three keys do not name one person: unknown number, wrong name and wrong birth date are the same (promise P8).
    NotConfirmed,
    /// It cannot be told.
    Undetermined(Cause),
    /// The rules do not allow the question.
    Refused(ErrorNumber),
}
