//! Numbers that were cancelled and issued anew, followed to the one in force (Decree 70/2024).
//!
//! ```text
//! number asked about ── cancelled, replaced by ──→ … ──→ number in force
//! ```
//!
//! The way is walked over records that are at hand; where it leads to one that is not, the authority is asked about that
//! one. Only a question whose three keys named the cancelled record gets so far: to everybody else a cancelled number
//! looks like any other, also by the time an answer takes (promise P8).

use xacminh_proto::vocab::{Cause, CitizenNumber, PersonNumber};

use crate::{
    question::PersonKeys,
    record::{NumberStatus, Record},
};

/// Numbers passed on the way from one to that in force: nobody's number was issued anew more often.
pub const HOPS_MAX: usize = 4;

/// Where a number leads, over the records at hand.
#[derive(Clone, PartialEq, Eq)]
pub struct Lineage<'a> {
    /// The last record on the way: the one in force, if the way ends well.
    pub record: &'a Record,
    /// Records of cancelled numbers passed, the one asked about first.
    pub earlier: Vec<&'a Record>,
    /// How the way ends.
    pub end: End,
}

/// How a way of numbers ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At a number in force.
    InForce,
    /// At a cancelled number in whose place this one was issued, of which no record is at hand.
    LeadsTo(CitizenNumber),
    /// At a cancelled number in whose place none is on record.
    Nowhere,
    /// It comes back to where it was, or is longer than [`HOPS_MAX`]: the authority contradicts itself.
    Tangled,
}

/// Follows a record over those of `people` to the number in force.
#[must_use]
pub fn follow<'a>(first: &'a Record, people: &'a [Record]) -> Lineage<'a> {
    let mut lineage = Lineage { record: first, earlier: Vec::new(), end: End::InForce };
    while let NumberStatus::Cancelled { replaced_by } = lineage.record.status {
        let Some(next) = replaced_by else {
            lineage.end = End::Nowhere;
            break;
        };
        lineage.earlier.push(lineage.record);
        if lineage.earlier.iter().any(|record| record.number == next) || lineage.earlier.len() > HOPS_MAX {
            lineage.end = End::Tangled;
            break;
        }
        let Some(record) = people.iter().find(|record| record.number == next) else {
            lineage.end = End::LeadsTo(next);
            break;
        };
        lineage.record = record;
    }
    lineage
}

impl Lineage<'_> {
    /// What stands against answering from the record.
    ///
    /// A number is sometimes issued anew because the birth date was wrong. A record in force that has another name or
    /// birth date than the question would confirm what was corrected: the clerk is told to ask by the new number.
    #[must_use]
    pub fn hindrance(&self, agrees: impl Fn(&Record) -> bool) -> Option<Cause> {
        match self.end {
            End::Nowhere => Some(Cause::NumberCancelled),
            End::LeadsTo(_) | End::Tangled => Some(Cause::NumberReissued),
            End::InForce if !self.earlier.is_empty() && !agrees(self.record) => Some(Cause::NumberReissued),
            End::InForce if self.record.under_correction => Some(Cause::UnderCorrection),
            End::InForce => None,
        }
    }
}

/// The keys by which the authority is asked about the next number on the way: the same person by another number.
#[must_use]
pub fn keys_of(next: CitizenNumber, asked: &PersonKeys) -> PersonKeys {
    PersonKeys { number: PersonNumber::Citizen(next), ..asked.clone() }
}
