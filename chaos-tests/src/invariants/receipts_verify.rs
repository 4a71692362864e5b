//! I3, one signed history: every receipt ever given verifies, says what the answer said, and is signed over a prefix of
//! the log that every node has; so any two checkpoints of any two nodes are consistent.
//!
//! Source: promises P3 and P4; the issue of receipts asks it of every integration and kill test.

use std::collections::HashMap;

use xacminh_proto::{
    transparency::{
        Checkpoint, Hash, LeafKind, Policy, Receipt, Stated, Verified,
        merkle::{Frontier, leaf_hash},
        note::{KeyKind, VerifierKey},
    },
    vocab::Outcome,
    wire::Answer,
};

use super::Violation;
use crate::{history::History, ledger::Ledger};

const NAME: &str = "I3 receipts verify";

/// Roots of every prefix of the log, by the shard's first position and the size of its tree.
type Roots = HashMap<(u64, u64), Hash>;

/// Checks every receipt against the log's key and one node's leaves.
///
/// # Errors
/// [`Violation`].
pub fn check(history: &History, ledger: &Ledger) -> Result<(), Violation> {
    let Some(key) = &ledger.log_key else { return Ok(()) };
    let roots = roots(ledger);
    for delivery in &history.deliveries {
        let answer = &delivery.answer;
        let Some(receipt) = &answer.receipt else {
            return Violation::of(NAME, format!("no receipt came with position {}", answer.position));
        };
        if let Err(problem) = one(answer, receipt, key, &roots) {
            return Violation::of(NAME, format!("position {} on node {}: {problem}", answer.position, ledger.node));
        }
    }
    Ok(())
}

fn one(answer: &Answer, receipt: &str, key: &[u8; 32], roots: &Roots) -> Result<(), String> {
    let receipt = Receipt::parse(receipt.as_bytes()).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(receipt.checkpoint().text()).map_err(|error| error.to_string())?;
    let key = VerifierKey::new(checkpoint.origin(), KeyKind::Ed25519, key).map_err(|error| error.to_string())?;
    let policy = Policy::of_log(key).map_err(|error| error.to_string())?;
    let verified = receipt.verify(&policy).map_err(|error| error.to_string())?;
    if verified.request_id() != answer.request_id || verified.at_ms() != answer.at_ms {
        return Err("the receipt is another answer's".to_owned());
    }
    if !says(&verified, &answer.outcome) {
        return Err(format!("the receipt says {:?}", verified.outcome()));
    }
    let first = answer.position.checked_sub(verified.position()).ok_or("the index lies beyond the position")?;
    match roots.get(&(first, verified.log_size())) {
        Some(root) if root == checkpoint.root() => Ok(()),
        Some(_) => Err(format!("the head of {} leaves is signed with another root", verified.log_size())),
        None => Err(format!("a head of {} leaves from position {first} never was", verified.log_size())),
    }
}

fn says(verified: &Verified, outcome: &Outcome) -> bool {
    match (outcome, verified.outcome()) {
        (
            Outcome::Confirmed { as_of_ms, reissued, .. },
            Some(Stated::Confirmed { as_of_ms: stated, reissued: stated_reissued }),
        ) => *as_of_ms == stated && *reissued == stated_reissued,
        (Outcome::NotConfirmed, Some(Stated::NotConfirmed)) => true,
        (Outcome::Undetermined(cause), Some(Stated::Undetermined(stated))) => *cause == stated,
        (Outcome::Refused(number), Some(Stated::Refused(stated))) => *number == stated,
        _ => false,
    }
}

fn roots(ledger: &Ledger) -> Roots {
    let mut roots = Roots::new();
    let (mut tree, mut first) = (Frontier::new(), 0);
    for entry in &ledger.entries {
        if entry.leaf.kind == LeafKind::ShardOpen {
            (tree, first) = (Frontier::new(), entry.position);
        }
        tree.append(leaf_hash(&entry.bytes));
        roots.insert((first, tree.size()), tree.root());
    }
    roots
}

#[cfg(test)]
mod tests {
    use xacminh_node::keyring::LogKey;
    use xacminh_proto::transparency::{Disclosure, Opening, Salt, attributes_root, subject_commitment};

    use super::super::fabricated;
    use super::*;

    /// A history of one answer with its receipt, and the ledger it is in.
    fn sound() -> (History, Ledger) {
        let key = LogKey::new(&[7; 32], 0, u64::MAX).unwrap();
        let mut ledger = fabricated::ledger(1, &[1, 2, 3]);
        ledger.log_key = Some(*key.public());
        let opening = Opening { name: "outcome".to_owned(), salt: Salt([1; 32]), value: vec![2] };
        let entry = &mut ledger.entries[1];
        entry.leaf.attributes_root = attributes_root(&mut [opening.commitment()]);
        entry.leaf.subject = subject_commitment(&Salt([2; 32]), b"");
        entry.bytes = entry.leaf.encode().to_vec();
        let hashes: Vec<Hash> = ledger.entries.iter().map(|entry| leaf_hash(&entry.bytes)).collect();
        let mut tree = Frontier::new();
        hashes.iter().for_each(|hash| tree.append(*hash));
        let checkpoint = Checkpoint::new("example.vn/48/2026", 3, tree.root()).unwrap();
        let verifier = VerifierKey::new("example.vn/48/2026", KeyKind::Ed25519, key.public()).unwrap();
        let note = checkpoint.sign(&verifier, |message| key.sign(message)).unwrap();
        let disclosure = Disclosure::new(&ledger.entries[1].bytes, None, vec![opening]).unwrap();
        let receipt = Receipt::make(disclosure, 1, vec![hashes[0], hashes[2]], note).unwrap();
        let mut history = fabricated::history(&[(2, 1, 0, 1)]);
        history.deliveries[0].answer.receipt = Some(receipt.encode().unwrap());
        (history, ledger)
    }

    fn barks(change: impl Fn(&mut History, &mut Ledger), word: &str) {
        let (mut history, mut ledger) = sound();
        change(&mut history, &mut ledger);
        let violation = check(&history, &ledger).expect_err(word);
        assert!(violation.what.contains(word), "{violation}");
    }

    #[test]
    fn it_barks() {
        let (history, ledger) = sound();
        assert_eq!(check(&history, &ledger), Ok(()));
        barks(|history, _| history.deliveries[0].answer.receipt = None, "no receipt");
        barks(|_, ledger| ledger.log_key = Some([1; 32]), "position 1");
        barks(|history, _| history.deliveries[0].answer.at_ms += 1, "another answer's");
        barks(
            |history, _| {
                let refused = xacminh_proto::vocab::ErrorNumber::PortalSuspended;
                history.deliveries[0].answer.outcome = Outcome::Refused(refused);
            },
            "the receipt says",
        );
        // A fork: the node's other leaves are not those that were signed.
        barks(|_, ledger| ledger.entries[2].bytes[40] ^= 1, "another root");
        barks(|_, ledger| drop(ledger.entries.pop()), "never was");
    }
}
