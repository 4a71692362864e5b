//! Which comparison answers which claim.

use xacminh_proto::vocab::{Claim, Date, Marital, Reason, ResidenceKind, Sex, Verdict};

use crate::record::Record;

use super::{Finding, cards, dates, names, names::NameThreshold, places, relations};

/// Compares one claim with a record. `earlier` are the person's records under numbers that were cancelled since, `today` is
/// the day that counts where the claim names none.
///
/// A death on record does not silence the other claims: they answer as recorded, and `living_status` tells.
#[must_use]
pub fn check(claim: &Claim, record: &Record, earlier: &[&Record], threshold: NameThreshold, today: Date) -> Finding {
    match claim {
        Claim::FullName(name) => names::claim(name, &record.name, threshold),
        Claim::BirthDate(birth) => dates::claim(*birth, record.birth),
        Claim::Sex(sex) => Finding::equal(sex, Some(&record.sex).filter(|sex| **sex != Sex::Unknown)),
        Claim::Nationality(code) => Finding::equal(code, Some(&record.nationality)),
        Claim::AgeAtLeast { years, on } => dates::age_at_least(*years, record.birth, on.unwrap_or(today)),
        Claim::AgeAtMost { years, on } => age_at_most(*years, record, on.unwrap_or(today)),
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
        Claim::CardIssued(day) => cards::issued(*day, record),
        Claim::CardExpires(day) => cards::expires(*day, record),
        Claim::CardNumber(number) => cards::numbered(*number, record, earlier),
        Claim::CardValid(on) => cards::valid(on.unwrap_or(today), record, today),
        Claim::CardAddress(address) => cards::address(address, record.permanent.as_ref()),
        Claim::ParentOf(child) => relations::parent_of(*child, record, earlier),
        Claim::ChildOf(parent) => relations::child_of(*parent, record),
        Claim::SpouseOf(spouse) => relations::spouse_of(*spouse, record),
        Claim::GuardianOf(ward) => relations::guardian_of(*ward, record, earlier),
        Claim::HeadOfHousehold => relations::head_of_household(record, earlier),
        Claim::SameHousehold(other) => relations::same_household(*other, record, earlier),
    }
}

/// At most so many whole years old: born by then, and not a year older.
fn age_at_most(years: u8, record: &Record, on: Date) -> Finding {
    match dates::age_at_least(0, record.birth, on).verdict {
        // Not born by that day: no age at all.
        Verdict::NoMatch => return Finding::no(Reason::Different),
        Verdict::Undetermined(cause) => return Finding::cannot_tell(cause, Reason::NothingRecorded),
        Verdict::Match => {}
    }
    let Some(too_old) = years.checked_add(1) else { return Finding::yes(Reason::YoungEnough) };
    match dates::age_at_least(too_old, record.birth, on).verdict {
        Verdict::Match => Finding::no(Reason::AgeAbove),
        Verdict::NoMatch => Finding::yes(Reason::YoungEnough),
        Verdict::Undetermined(cause) => Finding::cannot_tell(cause, Reason::NothingRecorded),
    }
}
