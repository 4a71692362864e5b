//! The last place a wire type of a question is seen: an [`Ask`] becomes a [`Question`], or an error number.

use std::time::Duration;

use xacminh_core::{
    matching::places,
    question::{PersonKeys, Question},
};
use xacminh_proto::{
    codec,
    vocab::{
        BirthDate, CLAIMS_MAX, Claim, Date, DossierId, ErrorNumber, FullName, NameError, OfficialId, PersonNumber,
        PortalId, ProcedureCode, legacy,
    },
    wire::{Ask, REQUEST_BYTES_MAX, ReceiptWish},
};

/// Shortest and longest wait a caller may ask for: below, nothing can be committed; above, a stream is held for nothing.
const DEADLINE_MS_MIN: u32 = 50;
const DEADLINE_MS_MAX: u32 = 30_000;

/// A question with what the door alone can tell of it.
#[derive(Debug)]
pub(super) struct Asked {
    /// The question.
    pub(super) question: Question,
    /// The bytes that make it this question: all of it but the time the caller is willing to wait.
    pub(super) canonical: Vec<u8>,
    /// How long the caller waits, milliseconds.
    pub(super) deadline_ms: u32,
    /// Whether the answer brings its receipt along.
    pub(super) receipt: bool,
}

/// What is wrong with a question, and with which field; never its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The stable number.
    pub(super) number: ErrorNumber,
    /// The field.
    pub(super) field: &'static str,
}

/// Parses a question of a portal.
pub(super) fn question(portal: PortalId, mut ask: Box<Ask>) -> Result<Asked, Wrong> {
    let wrong = |number, field| move || Wrong { number, field };
    let (wished_ms, receipt) = (ask.deadline_ms, ask.receipt == ReceiptWish::Full);
    let canonical = canonical(&mut ask).ok_or_else(wrong(ErrorNumber::MessageTooLarge, "question"))?;
    if ask.claims.is_empty() && ask.attributes.is_empty() {
        return Err(Wrong { number: ErrorNumber::EmptyQuestion, field: "claims" });
    }
    if ask.claims.len() > CLAIMS_MAX {
        return Err(Wrong { number: ErrorNumber::TooManyClaims, field: "claims" });
    }
    // A question's own time, which apply holds against the leader's clock: nobody is born after it.
    let today = Date::in_vietnam(ask.request_id.unix_ms());
    ask.claims.iter().try_for_each(|claim| check_claim(claim, today))?;
    let id = |_| Wrong { number: ErrorNumber::BadIdentifier, field: "official, dossier or procedure" };
    let question = Question {
        request_id: ask.request_id,
        portal,
        official: OfficialId::parse(&ask.official).map_err(id)?,
        dossier: DossierId::parse(&ask.dossier).map_err(id)?,
        procedure: ProcedureCode::parse(&ask.procedure).map_err(id)?,
        person: PersonKeys {
            number: PersonNumber::parse(&ask.number).map_err(|_| wrong(ErrorNumber::BadNumber, "number")())?,
            name: FullName::typed(&ask.name).map_err(|error| Wrong { number: number_of(error), field: "name" })?,
            birth: born(&ask.birth, today)?,
        },
        claims: ask.claims,
        attributes: ask.attributes,
        max_age_ms: ask.max_age_s.map(|seconds| u64::from(seconds) * 1_000),
    };
    Ok(Asked { question, canonical, deadline_ms: deadline_ms(wished_ms), receipt })
}

/// How long a question that was not parsed yet may take.
pub(super) fn patience(ask: &Ask) -> Duration {
    Duration::from_millis(u64::from(deadline_ms(ask.deadline_ms)))
}

fn deadline_ms(wished_ms: u32) -> u32 {
    wished_ms.clamp(DEADLINE_MS_MIN, DEADLINE_MS_MAX)
}

fn number_of(error: NameError) -> ErrorNumber {
    if matches!(error, NameError::Legacy(_)) { ErrorNumber::NameEncoding } else { ErrorNumber::BadName }
}

fn born(typed: &str, today: Date) -> Result<BirthDate, Wrong> {
    let birth = BirthDate::parse(typed).map_err(|_| Wrong { number: ErrorNumber::BadDate, field: "birth" })?;
    not_after(birth, today, "birth").map(|()| birth)
}

fn not_after(birth: BirthDate, today: Date, field: &'static str) -> Result<(), Wrong> {
    let is_to_come = match birth {
        BirthDate::Day(day) => day > today,
        BirthDate::Year(_) => birth.year() > today.year(),
    };
    if is_to_come { Err(Wrong { number: ErrorNumber::DateInFuture, field }) } else { Ok(()) }
}

/// Types check themselves as they are decoded; what is left are texts, places and days that are still to come.
fn check_claim(claim: &Claim, today: Date) -> Result<(), Wrong> {
    match claim {
        Claim::FullName(name) if legacy::decode(name.reveal()).is_some() => {
            Err(Wrong { number: ErrorNumber::NameEncoding, field: "claims.full_name" })
        }
        Claim::BirthDate(birth) => not_after(*birth, today, "claims.birth_date"),
        Claim::CardIssued(day) => not_after(BirthDate::Day(*day), today, "claims.card_issued"),
        Claim::Residence { place, as_of, detail, .. } => {
            place.checked().map_err(|_| Wrong { number: ErrorNumber::BadPlace, field: "claims.residence" })?;
            if let Some(as_of) = as_of {
                not_after(BirthDate::Day(as_of.on), today, "claims.residence.as_of")?;
            }
            // What was no place on its day could only be denied, and wrongly.
            places::check(*place, *as_of)
                .map_err(|fault| Wrong { number: ErrorNumber::BadPlace, field: fault.field() })?;
            let detail_ok = detail.as_ref().is_none_or(|text| text.len() <= 300 && !text.chars().any(char::is_control));
            if detail_ok {
                Ok(())
            } else {
                Err(Wrong { number: ErrorNumber::BadPlace, field: "claims.residence.detail" })
            }
        }
        Claim::Nationality(code) if !code.iter().all(u8::is_ascii_uppercase) => {
            Err(Wrong { number: ErrorNumber::BadIdentifier, field: "claims.nationality" })
        }
        _ => Ok(()),
    }
}

/// The question without what it may wish for. A retry is the same question even if it waits longer or shorter, or wishes
/// for the receipt this time.
fn canonical(ask: &mut Ask) -> Option<Vec<u8>> {
    (ask.deadline_ms, ask.receipt) = (0, ReceiptWish::Position);
    let mut bytes = Vec::with_capacity(256);
    codec::encode_into::<REQUEST_BYTES_MAX, _>(ask, &mut bytes).ok()?;
    Some(bytes)
}
