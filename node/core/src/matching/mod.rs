//! How statements are compared with a record.
//!
//! Every comparison gives a [`Finding`]: a verdict the law can use and a reason the clerk can act on, never a bare
//! boolean, and never the stored value itself.
//!
//! ```text
//! names      difference classes N0 … N10
//! dates      days, years alone, ages
//! places     provinces and communes through time, street parts
//! cards      the newest card on record, and earlier ones
//! relations  parents, spouses, wards, households
//! claims     which of the above answers which claim
//! ```

pub mod cards;
pub mod claims;
pub mod dates;
pub mod names;
pub mod places;
pub mod relations;

use xacminh_proto::vocab::{Cause, Reason, Verdict};

/// What comparing one statement with one record gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What the record says of the statement.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

impl Finding {
    /// The authority has nothing recorded to compare with.
    ///
    /// An empty field is not a "no": rejecting somebody because the database is incomplete would be our error, so the
    /// answer is *cannot tell*, which is the lawful ground for asking paper.
    pub const NOT_RECORDED: Self =
        Self { verdict: Verdict::Undetermined(Cause::NotRecorded), reason: Reason::NothingRecorded };

    /// The record agrees.
    #[must_use]
    pub const fn yes(reason: Reason) -> Self {
        Self { verdict: Verdict::Match, reason }
    }

    /// The record disagrees.
    #[must_use]
    pub const fn no(reason: Reason) -> Self {
        Self { verdict: Verdict::NoMatch, reason }
    }

    /// The record cannot tell.
    #[must_use]
    pub const fn cannot_tell(cause: Cause, reason: Reason) -> Self {
        Self { verdict: Verdict::Undetermined(cause), reason }
    }

    /// Compares a claimed value with a recorded one, of a kind that is equal or is not.
    #[must_use]
    pub fn equal<T: PartialEq>(claimed: &T, recorded: Option<&T>) -> Self {
        match recorded {
            None => Self::NOT_RECORDED,
            Some(recorded) if recorded == claimed => Self::yes(Reason::Equal),
            Some(_) => Self::no(Reason::Different),
        }
    }
}
