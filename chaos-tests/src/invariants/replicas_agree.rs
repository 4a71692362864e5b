//! I8, replicas agree: every node holds the same leaves in the same order.
//!
//! Nodes are compared after they tell the same number of leaves; the shorter of two must be a prefix of the longer one
//! even if they do not (no equivocation).
//! Source: promise P3, one history; etcd's 3.5 inconsistency is what this is there to find.

use super::Violation;
use crate::ledger::Ledger;

const NAME: &str = "I8 replicas agree";

/// Compares all ledgers with the first.
///
/// # Errors
/// [`Violation`].
pub fn check(ledgers: &[Ledger]) -> Result<(), Violation> {
    let Some((first, others)) = ledgers.split_first() else { return Ok(()) };
    for other in others {
        for (one, another) in first.entries.iter().zip(&other.entries) {
            if one != another {
                let (here, there) = (first.node, other.node);
                return Violation::of(NAME, format!("nodes {here} and {there} differ at {}", one.position));
            }
        }
        if first.entries.len() != other.entries.len() {
            let lengths = (first.entries.len(), other.entries.len());
            return Violation::of(NAME, format!("nodes {} and {} have {lengths:?} leaves", first.node, other.node));
        }
    }
    let mut digests = ledgers.iter().map(Ledger::digest);
    if let Some(first) = digests.next()
        && digests.any(|digest| digest != first)
    {
        return Violation::of(NAME, "digests differ although leaves do not");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::ledger;
    use super::*;

    #[test]
    fn it_barks() {
        assert_eq!(check(&[ledger(1, &[1, 2]), ledger(2, &[1, 2]), ledger(3, &[1, 2])]), Ok(()));
        assert!(check(&[ledger(1, &[1, 2]), ledger(2, &[1, 3])]).is_err_and(|v| v.what.contains("differ at 1")));
        assert!(check(&[ledger(1, &[1, 2]), ledger(2, &[1])]).is_err_and(|v| v.what.contains("leaves")));
        let mut bent = ledger(2, &[1, 2]);
        bent.entries[1].bytes[100] ^= 1;
        assert!(check(&[ledger(1, &[1, 2]), bent]).is_err());
    }
}
