//! What must hold between what clients saw and what nodes hold; one property, one file.
//!
//! The names are those of the fault programme in `docs/TESTING.md`.
//! Every property is seen to bark at a made-up bad history by a test at the bottom of its file.

pub mod delivered_is_logged;
pub mod growth;
pub mod heals;
pub mod no_quorum_no_answer;
pub mod one_leaf;
pub mod real_time_order;
pub mod receipts_verify;
pub mod replicas_agree;

#[cfg(test)]
mod fabricated;

use anyhow::{Result, ensure};

use crate::{history::History, ledger::Ledger};

/// A property that was violated, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {what}")]
pub struct Violation {
    /// Name of the property.
    pub invariant: &'static str,
    /// Where it does not hold.
    pub what: String,
}

impl Violation {
    pub(crate) fn of<T>(invariant: &'static str, what: impl Into<String>) -> Result<T, Self> {
        Err(Self { invariant, what: what.into() })
    }
}

/// Everything that can be checked from histories and ledgers, after a heal.
///
/// # Errors
/// The first violation; or ledgers that are missing, for a check of nothing proves nothing.
pub fn check_all(history: &History, ledgers: &[Ledger]) -> Result<()> {
    ensure!(!ledgers.is_empty(), "there is no ledger to check");
    ensure!(history.wrong.is_empty(), "{} wrong answers: {:?}", history.wrong.len(), history.wrong.first());
    replicas_agree::check(ledgers)?;
    for ledger in ledgers {
        growth::check(ledger)?;
        one_leaf::check(ledger)?;
        delivered_is_logged::check(history, ledger)?;
        receipts_verify::check(history, ledger)?;
    }
    one_leaf::check_answers(history)?;
    real_time_order::check(history)?;
    Ok(())
}
