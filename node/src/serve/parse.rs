//! The last place a wire type of a question is seen: an [`Ask`] becomes a [`Question`], or an error number.

use xacminh_core::{
    matching::places::is_province_of_today,
    question::{PersonKeys, Question},
};
use xacminh_proto::{
    codec,
    vocab::{
        BirthDate, CLAIMS_MAX, Claim, DossierId, ErrorNumber, FullName, OfficialId, PersonNumber, PortalId,
        ProcedureCode,
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
pub(super) fn question(portal: PortalId, ask: Box<Ask>) -> Result<Asked, Wrong> {
    let wrong = |number, field| move || Wrong { number, field };
    let canonical = canonical(&ask).ok_or_else(wrong(ErrorNumber::MessageTooLarge, "question"))?;
    if ask.claims.is_empty() && ask.attributes.is_empty() {
        return Err(Wrong { number: ErrorNumber::EmptyQuestion, field: "claims" });
    }
    if ask.claims.len() > CLAIMS_MAX {
        return Err(Wrong { number: ErrorNumber::TooManyClaims, field: "claims" });
    }
    ask.claims.iter().try_for_each(check_claim)?;
    let id = |_| Wrong { number: ErrorNumber::BadIdentifier, field: "official, dossier or procedure" };
    let receipt = ask.receipt == ReceiptWish::Full;
    let question = Question {
        request_id: ask.request_id,
        portal,
        official: OfficialId::parse(&ask.official).map_err(id)?,
        dossier: DossierId::parse(&ask.dossier).map_err(id)?,
        procedure: ProcedureCode::parse(&ask.procedure).map_err(id)?,
        person: PersonKeys {
            number: PersonNumber::parse(&ask.number).map_err(|_| wrong(ErrorNumber::BadNumber, "number")())?,
            name: FullName::parse(&ask.name).map_err(|_| wrong(ErrorNumber::BadName, "name")())?,
            birth: BirthDate::parse(&ask.birth).map_err(|_| wrong(ErrorNumber::BadDate, "birth")())?,
        },
        claims: ask.claims,
        attributes: ask.attributes,
        max_age_ms: ask.max_age_s.map(|seconds| u64::from(seconds) * 1_000),
    };
    Ok(Asked { question, canonical, deadline_ms: ask.deadline_ms.clamp(DEADLINE_MS_MIN, DEADLINE_MS_MAX), receipt })
}

/// Types check themselves as they are decoded; what is left are texts and places inside claims.
fn check_claim(claim: &Claim) -> Result<(), Wrong> {
    match claim {
        Claim::Residence { place, detail, .. } => {
            place.checked().map_err(|_| Wrong { number: ErrorNumber::BadPlace, field: "claims.residence" })?;
            // Addresses are kept in today's provinces: a code of before July 2025 could only be denied, and wrongly.
            if !is_province_of_today(place.province) {
                return Err(Wrong { number: ErrorNumber::BadPlace, field: "claims.residence" });
            }
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

/// A retry is the same question even if it waits longer or shorter, or wishes for the receipt this time.
fn canonical(ask: &Ask) -> Option<Vec<u8>> {
    codec::encode::<REQUEST_BYTES_MAX, _>(&Ask { deadline_ms: 0, receipt: ReceiptWish::Position, ..ask.clone() }).ok()
}
