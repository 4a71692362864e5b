//! What an answer says.

use serde::{Deserialize, Serialize};

use super::{Attribute, AttributeSet, CLAIMS_MAX, Claim, ClaimKind, ErrorNumber, Value};

/// Attributes one answer can disclose: every one once.
const ATTRIBUTES_MAX: usize = Attribute::ALL.len();

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
    /// The number was cancelled, and no other one is on record in its place.
    NumberCancelled,
}

/// Why a claim got its verdict, for the clerk, without revealing the stored value.
///
/// Never renumbered and never reordered: commitments hold the number, the wire holds the place in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u16)]
pub enum Reason {
    /// Equal as recorded.
    Equal = 1,
    /// Equal after case, spacing and punctuation were folded.
    EqualFolded = 2,
    /// Different.
    Different = 3,
    /// The same letters with other diacritics: perhaps another person.
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
    /// Not compared with the authority's record: it could not be reached, and memory alone denies nothing.
    NotChecked = 14,
    /// The same name, with a tone mark on the other vowel of a syllable (hòa, hoà).
    TonePlacement = 15,
    /// The same name, with i where the other has y (Lý, Lí).
    IAndY = 16,
    /// Typed without diacritics, or with D for Đ: it may be this name, and others too.
    Unsigned = 17,
    /// Some diacritics are missing.
    PartialDiacritics = 18,
    /// A variant of the name that is another name in law (Hoàng, Huỳnh).
    RegionalVariant = 19,
    /// The same words in another order, or a word more or fewer.
    WordsDiffer = 20,
    /// A letter that handwriting or a scanner confuses with another.
    Handwriting = 21,
    /// A prefix of a minority name is missing or written in another form (Y, H', K').
    MinorityForm = 22,
    /// Day and month are exchanged.
    DayMonthSwapped = 23,
    /// The year agrees, and one of the two days is 1 January, which often stands for an unknown day.
    FirstOfJanuary = 24,
    /// The year agrees, and the record holds no day.
    YearAlone = 25,
    /// The place claimed, as of its day, has become the recorded place or a part of it.
    SuccessorPlace = 26,
    /// Young enough.
    YoungEnough = 40,
    /// Not young enough.
    AgeAbove = 41,
    /// A card is in force on that day.
    CardInForce = 42,
    /// The newest card's last day was before that day.
    CardExpired = 43,
    /// No card is in force.
    CardNotInForce = 44,
    /// An earlier card than the newest on record: replaced, which is not to say false.
    CardReplaced = 45,
    /// Province and street part on the card agree with the permanent residence.
    CardAddressAgrees = 46,
    /// The card's address and the permanent residence are not the same, or are not known to be: people move, and cards stay
    /// as they were made.
    CardAddressUnlike = 47,
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
        #[serde(deserialize_with = "crate::bounds::list::<_, _, CLAIMS_MAX>")]
        verdicts: Vec<ClaimVerdict>,
        /// The disclosed attributes, in the order of their bits.
        #[serde(deserialize_with = "crate::bounds::list::<_, _, ATTRIBUTES_MAX>")]
        attributes: Vec<(Attribute, Value)>,
        /// When the record was read from the authority, Unix milliseconds.
        as_of_ms: u64,
        /// Whether the number asked about was cancelled, and the answer is from the record of the one issued instead
        /// (Decree 70/2024: numbers are cancelled and issued anew).
        reissued: bool,
    },
    /// The three keys do not name one person: unknown number, wrong name and wrong birth date are the same (promise P8).
    NotConfirmed,
    /// It cannot be told.
    Undetermined(Cause),
    /// The rules do not allow the question.
    Refused(ErrorNumber),
}

impl Cause {
    /// Every cause there is, in the order of the wire.
    pub const ALL: [Self; 8] = [
        Self::AuthorityUnavailable,
        Self::TooOld,
        Self::Ambiguous,
        Self::UnderCorrection,
        Self::NumberReissued,
        Self::NotRecorded,
        Self::DayUnknown,
        Self::NumberCancelled,
    ];

    /// The stable number of the cause, which carries the advice for the clerk and stands in commitments.
    #[must_use]
    pub const fn number(self) -> ErrorNumber {
        match self {
            Self::AuthorityUnavailable => ErrorNumber::AuthorityUnavailable,
            Self::TooOld => ErrorNumber::RecordTooOld,
            Self::Ambiguous => ErrorNumber::Ambiguous,
            Self::UnderCorrection => ErrorNumber::UnderCorrection,
            Self::NumberReissued => ErrorNumber::NumberReissued,
            Self::NotRecorded => ErrorNumber::NotRecorded,
            Self::DayUnknown => ErrorNumber::DayUnknown,
            Self::NumberCancelled => ErrorNumber::NumberCancelled,
        }
    }
}

impl Reason {
    /// Every reason there is, in the order of the wire.
    pub const ALL: [Self; 34] = [
        Self::Equal,
        Self::EqualFolded,
        Self::Different,
        Self::DiacriticsDiffer,
        Self::YearOnly,
        Self::ElsewherePlace,
        Self::OtherCommune,
        Self::OtherDetail,
        Self::OldEnough,
        Self::TooYoung,
        Self::Related,
        Self::NotRelated,
        Self::NothingRecorded,
        Self::NotChecked,
        Self::TonePlacement,
        Self::IAndY,
        Self::Unsigned,
        Self::PartialDiacritics,
        Self::RegionalVariant,
        Self::WordsDiffer,
        Self::Handwriting,
        Self::MinorityForm,
        Self::DayMonthSwapped,
        Self::FirstOfJanuary,
        Self::YearAlone,
        Self::SuccessorPlace,
        Self::YoungEnough,
        Self::AgeAbove,
        Self::CardInForce,
        Self::CardExpired,
        Self::CardNotInForce,
        Self::CardReplaced,
        Self::CardAddressAgrees,
        Self::CardAddressUnlike,
    ];

    /// The stable number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl Outcome {
    /// Whether this can be the outcome of a question with these claims and attributes: a verdict for every claim in
    /// order, and no attribute that was not asked for, each once and in the order of the bits.
    ///
    /// A client asks this of every answer before it believes it; the node asserts it before it commits to one.
    #[must_use]
    pub fn answers(&self, claims: &[Claim], asked: AttributeSet) -> bool {
        let Self::Confirmed { verdicts, attributes, .. } = self else { return true };
        verdicts.iter().map(|verdict| verdict.kind).eq(claims.iter().map(Claim::kind))
            && attributes.iter().all(|(attribute, _)| asked.contains(*attribute))
            && attributes.is_sorted_by(|(before, _), (after, _)| before < after)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::vocab::{Fault, Sex};

    #[test]
    fn every_cause_has_a_number_of_its_own_and_the_authority_is_to_blame() {
        let numbers: HashSet<_> = Cause::ALL.into_iter().map(Cause::number).collect();
        assert_eq!(numbers.len(), Cause::ALL.len());
        assert!(numbers.iter().all(|number| number.fault() == Fault::Authority));
    }

    #[test]
    fn reasons_keep_their_numbers() {
        let numbers: Vec<u16> = Reason::ALL.into_iter().map(Reason::number).collect();
        assert_eq!(numbers, (1..=26).chain(40..=47).collect::<Vec<u16>>());
    }

    #[test]
    fn an_outcome_answers_its_own_question_only() {
        let verdict = ClaimVerdict { kind: ClaimKind::Sex, verdict: Verdict::Match, reason: Reason::Equal };
        let attributes = vec![(Attribute::Sex, Value::Sex(Sex::Male)), (Attribute::OtherName, Value::Absent)];
        let outcome = Outcome::Confirmed {
            verdicts: vec![verdict],
            attributes: attributes.clone(),
            as_of_ms: 1,
            reissued: false,
        };
        let asked: AttributeSet = [Attribute::Sex, Attribute::OtherName, Attribute::Father].into_iter().collect();
        let claim = Claim::Sex(Sex::Male);
        assert!(outcome.answers(std::slice::from_ref(&claim), asked));
        assert!(!outcome.answers(&[], asked));
        assert!(!outcome.answers(&[claim.clone(), Claim::HeadOfHousehold], asked));
        assert!(!outcome.answers(&[Claim::HeadOfHousehold], asked));
        assert!(!outcome.answers(std::slice::from_ref(&claim), AttributeSet::EMPTY));
        let turned = attributes.into_iter().rev().collect();
        let turned = Outcome::Confirmed { verdicts: vec![verdict], attributes: turned, as_of_ms: 1, reissued: false };
        assert!(!turned.answers(&[claim], asked));
    }
}
