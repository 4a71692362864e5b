//! I3, one signed history: every receipt ever given verifies, says what the answer said, and is signed over a prefix of
//! the log that every node has; so any two checkpoints of any two nodes are consistent.
//!
//! Source: promises P3 and P4; the issue of receipts asks it of every integration and kill test.

use std::collections::HashMap;

use xacminh_proto::{
    transparency::{
        Checkpoint, Hash, LeafKind, Policy, Receipt,
        merkle::{Frontier, leaf_hash},
        note::{KeyKind, VerifierKey},
    },
    vocab::PersonNumber,
    wire::{Answer, Ask},
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
        if let Err(problem) = one(&delivery.ask, answer, receipt, key, &roots) {
            return Violation::of(NAME, format!("position {} on node {}: {problem}", answer.position, ledger.node));
        }
    }
    Ok(())
}

fn one(ask: &Ask, answer: &Answer, receipt: &str, key: &[u8; 32], roots: &Roots) -> Result<(), String> {
    let receipt = Receipt::parse(receipt.as_bytes()).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(receipt.checkpoint().text()).map_err(|error| error.to_string())?;
    let key = VerifierKey::new(checkpoint.origin(), KeyKind::Ed25519, key).map_err(|error| error.to_string())?;
    let policy = Policy::of_log(key).map_err(|error| error.to_string())?;
    let verified = receipt.verify(&policy).map_err(|error| error.to_string())?;
    if verified.request_id() != answer.request_id || verified.at_ms() != answer.at_ms {
        return Err("the receipt is another answer's".to_owned());
    }
    let number = PersonNumber::parse(&ask.number).map_err(|error| error.to_string())?;
    if !receipt.says(number, &answer.outcome, &ask.claims) {
        return Err(format!("the receipt says {:?}", verified.statements()));
    }
    let first = answer.position.checked_sub(verified.position()).ok_or("the index lies beyond the position")?;
    match roots.get(&(first, verified.log_size())) {
        Some(root) if root == checkpoint.root() => Ok(()),
        Some(_) => Err(format!("the head of {} leaves is signed with another root", verified.log_size())),
        None => Err(format!("a head of {} leaves from position {first} never was", verified.log_size())),
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
    use xacminh_proto::{
        transparency::{Disclosure, Opening, Salt, attributes_root, statements, subject_commitment},
        vocab::{ClaimKind, ClaimVerdict, ErrorNumber, Outcome, Reason, Verdict},
    };

    use super::super::fabricated;
    use super::*;

    /// A history of one answer with its receipt, and the ledger it is in.
    fn sound() -> (History, Ledger) {
        let key = LogKey::new(&[7; 32], 0, u64::MAX).unwrap();
        let mut ledger = fabricated::ledger(1, &[1, 2, 3]);
        ledger.log_key = Some(*key.public());
        let mut history = fabricated::history(&[(2, 1, 0, 1)]);
        let delivery = &mut history.deliveries[0];
        delivery.answer.outcome = confirmed(Verdict::NoMatch);
        let salted = |(name, value)| Opening { name, salt: Salt([1; 32]), value };
        let openings: Vec<Opening> =
            statements(&delivery.answer.outcome, &delivery.ask.claims).into_iter().map(salted).collect();
        let entry = &mut ledger.entries[1];
        entry.leaf.fields = 1 << (32 + ClaimKind::Sex as u32);
        entry.leaf.attributes_root = attributes_root(&mut openings.iter().map(Opening::commitment).collect::<Vec<_>>());
        entry.leaf.subject = subject_commitment(&Salt([2; 32]), delivery.ask.number.as_bytes());
        entry.bytes = entry.leaf.encode().to_vec();
        let hashes: Vec<Hash> = ledger.entries.iter().map(|entry| leaf_hash(&entry.bytes)).collect();
        let mut tree = Frontier::new();
        hashes.iter().for_each(|hash| tree.append(*hash));
        let checkpoint = Checkpoint::new("example.vn/48/2026", 3, tree.root()).unwrap();
        let verifier = VerifierKey::new("example.vn/48/2026", KeyKind::Ed25519, key.public()).unwrap();
        let note = checkpoint.sign(&verifier, |message| key.sign(message)).unwrap();
        let subject = (Salt([2; 32]), PersonNumber::parse(&delivery.ask.number).unwrap());
        let disclosure = Disclosure::new(&ledger.entries[1].bytes, Some(subject), openings).unwrap();
        let receipt = Receipt::make(disclosure, 1, vec![hashes[0], hashes[2]], note).unwrap();
        delivery.answer.receipt = Some(receipt.encode().unwrap());
        (history, ledger)
    }

    fn confirmed(verdict: Verdict) -> Outcome {
        let verdicts = vec![ClaimVerdict { kind: ClaimKind::Sex, verdict, reason: Reason::Different }];
        Outcome::Confirmed { verdicts, attributes: vec![], as_of_ms: 7 }
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
                history.deliveries[0].answer.outcome = Outcome::Refused(ErrorNumber::PortalSuspended);
            },
            "the receipt says",
        );
        barks(|history, _| history.deliveries[0].answer.outcome = confirmed(Verdict::Match), "the receipt says");
        barks(|history, _| history.deliveries[0].ask.number = "048190000018".to_owned(), "the receipt says");
        // A fork: the node's other leaves are not those that were signed.
        barks(|_, ledger| ledger.entries[2].bytes[40] ^= 1, "another root");
        barks(|_, ledger| drop(ledger.entries.pop()), "never was");
    }
}
