//! Which comparison answers which claim.

use xacminh_proto::vocab::{Claim, Date, Marital, Reason, ResidenceKind, Sex};

use crate::record::Record;

use super::{Finding, dates, names, names::NameThreshold, places, relations};

/// Compares one claim with a record. `today` is the day that counts where the claim names none.
///
/// A death on record does not silence the other claims: they answer as recorded, and `living_status` tells.
#[must_use]
pub fn check(claim: &Claim, record: &Record, threshold: NameThreshold, today: Date) -> Finding {
    match claim {
        Claim::FullName(name) => names::claim(name, &record.name, threshold),
        Claim::BirthDate(birth) => dates::claim(*birth, record.birth),
        Claim::Sex(sex) => Finding::equal(sex, Some(&record.sex).filter(|sex| **sex != Sex::Unknown)),
        Claim::Nationality(code) => Finding::equal(code, Some(&record.nationality)),
        Claim::AgeAtLeast { years, on } => dates::age_at_least(*years, record.birth, on.unwrap_or(today)),
        Claim::Residence { kind, place, as_of, detail } => {
            let address = match kind {
                ResidenceKind::Permanent => &record.permanent,
                ResidenceKind::Temporary => &record.temporary,
                ResidenceKind::Current => &record.current,
            };
            places::claim(*place, *as_of, detail.as_deref(), address.as_ref())
        }
        Claim::MaritalStatus(status) => {
            Finding::equal(status, Some(&record.marital).filter(|status| **status != Marital::Unknown))
        }
        Claim::LivingStatus(status) => Finding::equal(status, Some(&record.living)),
        Claim::OldNumber(number) => Finding::equal(number, record.old_number.as_ref()),
        Claim::CardIssued(day) => Finding::equal(day, record.card.as_ref().map(|card| &card.issued)),
        Claim::CardExpires(day) => card_expires(*day, record),
        Claim::ParentOf(child) => relations::parent_of(*child, record),
        Claim::ChildOf(parent) => relations::child_of(*parent, record),
        Claim::SpouseOf(spouse) => relations::spouse_of(*spouse, record),
        Claim::GuardianOf(ward) => relations::guardian_of(*ward, record),
        Claim::HeadOfHousehold => relations::head_of_household(record),
        Claim::SameHousehold(other) => relations::same_household(*other, record),
    }
}

/// A card without a last day (its holder was over 60) does not expire on the day claimed: recorded, and different.
fn card_expires(claimed: Date, record: &Record) -> Finding {
    match &record.card {
        None => Finding::NOT_RECORDED,
        Some(card) if card.expires == Some(claimed) => Finding::yes(Reason::Equal),
        Some(_) => Finding::no(Reason::Different),
    }
}
