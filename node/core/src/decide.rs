//! The decision: question × what is known × register × now → what to answer, or to ask the authority first.
//!
//! ```text
//! known, fresh ── keys name one person ── in order ── every claim agrees ──→ confirmed
//!    │no              │nobody   │several    │no          │some do not
//!    └───────┬────────┴─────────┴───────────┴────────────┘
//!     not asked yet → ask the authority
//!     asked         → not confirmed | undetermined | confirmed with `no match`
//!     unavailable   → undetermined: memory alone denies nobody anything
//! ```
//!
//! Promise P8: an unknown number, a wrong name and a wrong birth date all come down to "the keys name nobody", one
//! branch with one outcome, so no later step can tell them apart.

use xacminh_proto::vocab::{
    Address, Attribute, AttributeSet, Cause, CitizenNumber, Claim, ClaimVerdict, Date, ErrorNumber, Outcome,
    PersonNumber, Place, Reason, Value, Verdict,
};

use crate::{
    apply::{BLIND_POINTS, CLOCK_SKEW_MS_MAX, MISS_POINTS},
    lineage::{self, End, Lineage},
    matching::{claims, dates, names},
    question::{PersonKeys, Question},
    record::{Known, Record},
    register::Permit,
};

/// How old an authority's own answer may be when it is decided on: longer than any deadline, so that a contract of zero
/// age can be met, and short enough that an answer left lying about is not passed off as fresh.
pub const ANSWERED_AGE_MS_MAX: u64 = 60_000;

/// What the desk has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Answer this.
    Answer(Decision),
    /// Ask the authority first: nothing fresh enough is known, or a mismatch would be answered from memory.
    AskAuthority,
}

/// What was decided, and what the log needs to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to answer.
    pub outcome: Outcome,
    /// The authority's version of the record that confirmed; 0 where telling it would tell whether the person is known.
    pub record_version: u64,
    /// Whether it counts against budgets: the three keys named nobody.
    pub is_miss: bool,
}

/// Whether the authority was asked for this question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Not yet: what is known comes from memory.
    NotYet,
    /// Yes, and what is known is what it said.
    Answered,
    /// Yes, and it could not be reached in time; what is known comes from memory.
    Unavailable,
}

impl Decision {
    /// A question that the rules do not allow.
    #[must_use]
    pub const fn refused(number: ErrorNumber) -> Self {
        Self::without_record(Outcome::Refused(number))
    }

    /// When the record was read that confirmed, Unix milliseconds; 0 if none did.
    #[must_use]
    pub const fn as_of_ms(&self) -> u64 {
        match self.outcome {
            Outcome::Confirmed { as_of_ms, .. } => as_of_ms,
            Outcome::NotConfirmed | Outcome::Undetermined(_) | Outcome::Refused(_) => 0,
        }
    }

    /// What it costs the budgets of misses, in points: see [`MISS_POINTS`].
    #[must_use]
    pub const fn miss_points(&self) -> u32 {
        match self.outcome {
            Outcome::NotConfirmed => MISS_POINTS,
            // Nothing was compared, or a mismatch was not told: memory would have told a hit.
            Outcome::Undetermined(Cause::AuthorityUnavailable | Cause::TooOld) => BLIND_POINTS,
            Outcome::Confirmed { .. } | Outcome::Undetermined(_) | Outcome::Refused(_) => 0,
        }
    }

    const fn without_record(outcome: Outcome) -> Self {
        let is_miss = matches!(outcome, Outcome::NotConfirmed);
        Self { outcome, record_version: 0, is_miss }
    }
}

/// Decides a permitted question from what is known under the number it names.
///
/// `known` must be what is remembered under `question.person.number`, or what the authority just said of it;
/// `None` if nothing is remembered. `now_ms` is the deciding node's clock.
#[must_use]
pub fn decide(question: &Question, permit: &Permit, known: Option<&Known>, asked: Asked, now_ms: u64) -> Next {
    let Some(known) = known.filter(|known| is_fresh(known, permit, asked, now_ms)) else {
        return nothing_usable(asked);
    };
    match named(&question.person, permit, known) {
        Named::Nobody => settle(asked, Outcome::NotConfirmed, Cause::AuthorityUnavailable),
        Named::Several => settle(asked, Outcome::Undetermined(Cause::Ambiguous), Cause::Ambiguous),
        Named::One(lineage) => match lineage.hindrance(|record| name_and_birth_match(&question.person, record, permit))
        {
            Some(cause) => settle(asked, Outcome::Undetermined(cause), cause),
            None => confirm(question, permit, &lineage, known.read_at_ms, asked, now_ms),
        },
    }
}

/// The number to ask the authority about next: the one issued in place of a number that the three keys named.
///
/// `known` is what the authority said of the number asked about, and of those passed on the way.
#[must_use]
pub fn successor(question: &Question, permit: &Permit, known: &Known) -> Option<CitizenNumber> {
    match named(&question.person, permit, known) {
        Named::One(Lineage { end: End::LeadsTo(next), .. }) => Some(next),
        _ => None,
    }
}

/// Whom the three keys name.
enum Named<'a> {
    Nobody,
    One(Lineage<'a>),
    Several,
}

/// Two numbers that lead to one are one person's.
fn named<'a>(keys: &PersonKeys, permit: &Permit, known: &'a Known) -> Named<'a> {
    let matching = known.people.iter().filter(|record| keys_match(keys, record, permit));
    let mut people = matching.map(|record| lineage::follow(record, &known.people));
    match people.next() {
        None => Named::Nobody,
        Some(first) if people.all(|other| other.record.number == first.record.number) => Named::One(first),
        Some(_) => Named::Several,
    }
}

/// Nothing is remembered, or it is too old. What was remembered plays no part in the answer, not even by its age.
fn nothing_usable(asked: Asked) -> Next {
    let cause = match asked {
        Asked::NotYet => return Next::AskAuthority,
        Asked::Answered => Cause::TooOld,
        Asked::Unavailable => Cause::AuthorityUnavailable,
    };
    Next::Answer(Decision::without_record(Outcome::Undetermined(cause)))
}

/// Anything less than a confirmation sends somebody for paper: memory alone never does that while the authority can be
/// asked, and where it cannot, `cause_of_memory` is all that is said.
fn settle(asked: Asked, of_authority: Outcome, cause_of_memory: Cause) -> Next {
    match asked {
        Asked::NotYet => Next::AskAuthority,
        Asked::Answered => Next::Answer(Decision::without_record(of_authority)),
        Asked::Unavailable => Next::Answer(Decision::without_record(Outcome::Undetermined(cause_of_memory))),
    }
}

/// Promise P7: no older than the contract. A time of reading ahead of this node's clock counts as now within the skew
/// clocks may have, and as no time at all beyond it.
fn is_fresh(known: &Known, permit: &Permit, asked: Asked, now_ms: u64) -> bool {
    if known.read_at_ms > now_ms.saturating_add(CLOCK_SKEW_MS_MAX) {
        return false;
    }
    let age_ms_max = match asked {
        Asked::Answered => permit.max_age_ms.max(ANSWERED_AGE_MS_MAX),
        Asked::NotYet | Asked::Unavailable => permit.max_age_ms,
    };
    now_ms.saturating_sub(known.read_at_ms) <= age_ms_max
}

/// "the individual enters full name, date of birth, number" (Decree 70/2024 article 10): all three, or nobody.
///
/// The number is compared too, although the record was found by it: an authority that answers about somebody else, or a
/// row under a wrong key, confirms nobody.
fn keys_match(keys: &PersonKeys, record: &Record, permit: &Permit) -> bool {
    let number = match keys.number {
        PersonNumber::Citizen(number) => record.number == number,
        PersonNumber::Old(number) => record.old_number == Some(number),
    };
    number & name_and_birth_match(keys, record, permit)
}

fn name_and_birth_match(keys: &PersonKeys, record: &Record, permit: &Permit) -> bool {
    let name = names::key_matches(&keys.name, &record.name, permit.name_threshold);
    let birth = dates::key_matches(keys.birth, record.birth);
    name & birth
}

fn confirm(
    question: &Question,
    permit: &Permit,
    lineage: &Lineage<'_>,
    read_at_ms: u64,
    asked: Asked,
    now_ms: u64,
) -> Next {
    let record = lineage.record;
    let today = Date::in_vietnam(now_ms);
    let mut verdicts = Vec::with_capacity(question.claims.len());
    for claim in &question.claims {
        match verdict(claim, question, permit, lineage, asked, today) {
            Some(verdict) => verdicts.push(verdict),
            None => return Next::AskAuthority,
        }
    }
    let disclosed = disclosable(question.attributes, permit.attributes);
    let attributes = disclosed.iter().map(|attribute| (attribute, value(attribute, record))).collect();
    let reissued = !lineage.earlier.is_empty();
    let outcome = Outcome::Confirmed { verdicts, attributes, as_of_ms: read_at_ms, reissued };
    Next::Answer(Decision { outcome, record_version: record.version, is_miss: false })
}

/// The verdict on one claim, or none if memory would deny it and the authority was not asked yet.
fn verdict(
    claim: &Claim,
    question: &Question,
    permit: &Permit,
    lineage: &Lineage<'_>,
    asked: Asked,
    today: Date,
) -> Option<ClaimVerdict> {
    let found = claims::check(claim, lineage.record, &lineage.earlier, permit.name_threshold, today);
    let (verdict, reason) = match (found.verdict, asked) {
        (Verdict::NoMatch, Asked::NotYet) => return None,
        // The reason would tell what the verdict may not.
        (Verdict::NoMatch, Asked::Unavailable) => {
            (Verdict::Undetermined(Cause::AuthorityUnavailable), Reason::NotChecked)
        }
        (verdict, _) => (verdict, dates::told(found.reason, question.person.birth)),
    };
    Some(ClaimVerdict { kind: claim.kind(), verdict, reason })
}

/// The value of one attribute as disclosed.
fn value(attribute: Attribute, record: &Record) -> Value {
    let text = |text: Option<String>| text.map_or(Value::Absent, Value::Text);
    let address = |address: &Option<Address>| address.clone().map_or(Value::Absent, Value::Address);
    let citizen = |number: Option<_>| number.map_or(Value::Absent, Value::Citizen);
    let day = |day: Option<Date>| day.map_or(Value::Absent, Value::Day);
    match attribute {
        Attribute::FullName => Value::Text(record.name.reveal().to_owned()),
        Attribute::BirthDate => Value::Birth(record.birth),
        Attribute::Sex => Value::Sex(record.sex),
        Attribute::Nationality => Value::Text(record.nationality.map(char::from).iter().collect()),
        Attribute::CitizenNumber => Value::Citizen(record.number),
        Attribute::OldNumber => record.old_number.map_or(Value::Absent, Value::Old),
        Attribute::OtherName => text(record.other_name.as_ref().map(|name| name.reveal().to_owned())),
        Attribute::CardIssued => day(record.card.as_ref().map(|card| card.issued)),
        Attribute::CardExpires => day(record.card.as_ref().and_then(|card| card.expires)),
        Attribute::BirthPlace => text(record.birth_place.map(|code| format!("{code:03}"))),
        Attribute::HomeTown => record.home_town.map_or(Value::Absent, home_town),
        Attribute::PermanentResidence => address(&record.permanent),
        Attribute::TemporaryResidence => address(&record.temporary),
        Attribute::CurrentResidence => address(&record.current),
        Attribute::MaritalStatus => Value::Marital(record.marital),
        Attribute::Father => citizen(record.father),
        Attribute::Mother => citizen(record.mother),
        Attribute::Spouse => citizen(record.spouse),
        Attribute::RelationToHead => text(record.household.as_ref().map(|household| household.relation.clone())),
        Attribute::LivingStatus => Value::Living(record.living),
        Attribute::Ethnicity => text(record.ethnicity.map(|code| format!("{code:02}"))),
    }
}

/// A home town is a place without a street.
fn home_town(place: Place) -> Value {
    Value::Address(Address { place, detail: String::new(), commune_before_2025: None })
}

/// What a question is told is never more than it asked for and its procedure allows (promise P9).
fn disclosable(asked: AttributeSet, permitted: AttributeSet) -> AttributeSet {
    asked.without(asked.without(permitted))
}
