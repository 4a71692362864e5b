//! I6, one request id has at most one leaf, and one answer however often it is asked; no position serves two requests.
//!
//! Source: rule 7 of the log's sequencing rules: over-logging is allowed, a second leaf for a retry is not.

use std::collections::HashMap;

use super::Violation;
use crate::{history::History, ledger::Ledger};

const NAME: &str = "I6 one leaf";

/// Checks a whole log.
///
/// # Errors
/// [`Violation`].
pub fn check(ledger: &Ledger) -> Result<(), Violation> {
    let mut seen = HashMap::new();
    for entry in &ledger.entries {
        // The log keeps request ids of different portals apart.
        let key = (entry.leaf.portal, entry.leaf.request_id);
        if let Some(before) = seen.insert(key, entry.position) {
            let (node, id, again) = (ledger.node, entry.leaf.request_id, entry.position);
            return Violation::of(NAME, format!("node {node}: request {id} has leaves at {before} and {again}"));
        }
    }
    Ok(())
}

/// Checks that repeated questions got one answer, and that no position answers two.
///
/// # Errors
/// [`Violation`].
pub fn check_answers(history: &History) -> Result<(), Violation> {
    let mut by_id = HashMap::new();
    let mut by_position = HashMap::new();
    for delivery in &history.deliveries {
        let answer = &delivery.answer;
        let first = by_id.entry(answer.request_id).or_insert(answer);
        if *first != answer {
            let (id, one, other) = (answer.request_id, first.position, answer.position);
            return Violation::of(NAME, format!("request {id} was answered twice, at {one} and at {other}"));
        }
        let owner = by_position.entry(answer.position).or_insert(answer.request_id);
        if *owner != answer.request_id {
            let (one, other, position) = (*owner, answer.request_id, answer.position);
            return Violation::of(NAME, format!("requests {one} and {other} share position {position}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{history, ledger};
    use super::*;

    #[test]
    fn it_barks() {
        assert_eq!(check(&ledger(1, &[1, 2, 3])), Ok(()));
        assert!(check(&ledger(1, &[1, 2, 1])).is_err());
        assert_eq!(check_answers(&history(&[(1, 0, 0, 1), (1, 0, 5, 6), (2, 1, 0, 1)])), Ok(()));
        assert!(check_answers(&history(&[(1, 0, 0, 1), (1, 1, 5, 6)])).is_err());
        assert!(check_answers(&history(&[(1, 0, 0, 1), (2, 0, 5, 6)])).is_err());
        let mut changed = history(&[(1, 0, 0, 1), (1, 0, 5, 6)]);
        changed.deliveries[1].answer.outcome =
            xacminh_proto::vocab::Outcome::Undetermined(xacminh_proto::vocab::Cause::TooOld);
        assert!(check_answers(&changed).is_err());
    }
}
