//! I9, times and positions grow: positions are 0, 1, 2, … without a gap, and no leaf is stamped before its predecessor.
//!
//! Leaves of one batch share a stamp, so that equal times are allowed between neighbours.
//! Source: rule 9 of the log's sequencing rules (Mammoth 2025h1 signed a head older than its entries).

use super::Violation;
use crate::ledger::Ledger;

const NAME: &str = "I9 growth";

/// Checks a whole log.
///
/// # Errors
/// [`Violation`].
pub fn check(ledger: &Ledger) -> Result<(), Violation> {
    let mut last_ms = 0;
    for (entry, expected) in ledger.entries.iter().zip(0..) {
        let (node, position) = (ledger.node, entry.position);
        if position != expected {
            return Violation::of(NAME, format!("node {node} shows position {position} where {expected} belongs"));
        }
        if entry.leaf.time_ms < last_ms {
            let time_ms = entry.leaf.time_ms;
            return Violation::of(NAME, format!("node {node}: {time_ms} at {position} comes after {last_ms}"));
        }
        last_ms = entry.leaf.time_ms;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{entry, ledger};
    use super::*;

    #[test]
    fn it_barks() {
        assert_eq!(check(&ledger(1, &[1, 2, 3])), Ok(()));
        let mut gap = ledger(1, &[1, 2, 3]);
        gap.entries.remove(1);
        assert!(check(&gap).is_err_and(|violation| violation.what.contains("where 1 belongs")));
        let mut back = ledger(1, &[1, 2, 3]);
        back.entries[2] = entry(3, 2, 5);
        assert!(check(&back).is_err_and(|violation| violation.what.contains("comes after")));
    }
}
