//! I1, delivered ⊆ logged: every answer a client received has its leaf at the stated position, on every node after a heal.
//!
//! Source: promise P1 (audit before answer) and P6 (nothing acknowledged is lost); the issue's own criterion.

use xacminh_proto::{
    transparency::{LeafKind, LeafVerdict},
    vocab::Outcome,
};

use super::Violation;
use crate::{history::History, ledger::Ledger};

const NAME: &str = "I1 delivered is logged";

/// Checks every answer against one node's log.
///
/// # Errors
/// [`Violation`].
pub fn check(history: &History, ledger: &Ledger) -> Result<(), Violation> {
    for delivery in &history.deliveries {
        let answer = &delivery.answer;
        let (node, position) = (ledger.node, answer.position);
        let Some(entry) = ledger.at(position) else {
            return Violation::of(NAME, format!("node {node} has no leaf at {position} of {}", ledger.entries.len()));
        };
        if entry.leaf.request_id != answer.request_id {
            let (leaf, asked) = (entry.leaf.request_id, answer.request_id);
            return Violation::of(NAME, format!("node {node} has request {leaf} at {position}, answered was {asked}"));
        }
        if entry.leaf.time_ms != answer.at_ms {
            let (leaf, told) = (entry.leaf.time_ms, answer.at_ms);
            return Violation::of(NAME, format!("node {node} has time {leaf} at {position}, told was {told}"));
        }
        if !fits(&answer.outcome, entry.leaf.kind, entry.leaf.verdict) {
            let (kind, verdict) = (entry.leaf.kind, entry.leaf.verdict);
            return Violation::of(NAME, format!("node {node} has {kind:?}/{verdict:?} at {position}, told otherwise"));
        }
    }
    Ok(())
}

/// Whether the leaf says what the caller was told, as far as a leaf says anything.
fn fits(outcome: &Outcome, kind: LeafKind, verdict: LeafVerdict) -> bool {
    match outcome {
        Outcome::Refused(_) => kind == LeafKind::Refused && verdict == LeafVerdict::Refused,
        Outcome::NotConfirmed => kind == LeafKind::Disclosed && verdict == LeafVerdict::NoMatch,
        Outcome::Undetermined(_) => kind == LeafKind::Disclosed && verdict == LeafVerdict::Undetermined,
        Outcome::Confirmed { .. } => {
            kind == LeafKind::Disclosed && !matches!(verdict, LeafVerdict::Refused | LeafVerdict::None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fabricated;
    use super::*;

    #[test]
    fn it_barks() {
        let ledger = fabricated::ledger(1, &[1, 2, 3]);
        assert_eq!(check(&fabricated::history(&[(1, 0, 0, 1), (3, 2, 0, 1)]), &ledger), Ok(()));
        let lost = fabricated::history(&[(4, 3, 0, 1)]);
        assert!(check(&lost, &ledger).is_err_and(|violation| violation.what.contains("no leaf at 3")));
        let moved = fabricated::history(&[(1, 1, 0, 1)]);
        assert!(check(&moved, &ledger).is_err_and(|violation| violation.what.contains("answered was")));
        let mut restamped = fabricated::history(&[(1, 0, 0, 1)]);
        restamped.deliveries[0].answer.at_ms += 1;
        assert!(check(&restamped, &ledger).is_err_and(|violation| violation.what.contains("time")));
        let mut other = fabricated::history(&[(1, 0, 0, 1)]);
        other.deliveries[0].answer.outcome = Outcome::Refused(xacminh_proto::vocab::ErrorNumber::PortalSuspended);
        assert!(check(&other, &ledger).is_err_and(|violation| violation.what.contains("told otherwise")));
    }
}
