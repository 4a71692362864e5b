//! Whether a reply fits its request: asked of every reply before anybody believes it.

use xacminh_proto::{
    transparency::{Leaf, Policy, Receipt, Stated, Verified},
    vocab::Outcome,
    wire::{Answer, Ask, AuditEntries, AuditPage, ReceiptWish, Reply, Request, TrailPage, TrailPart},
};

use crate::error::Breach;

/// Checks that a reply fits its request before anybody believes it; receipts by the policy, if there is one.
pub(crate) fn judge(request: &Request, reply: Reply, policy: Option<&Policy>) -> Result<Reply, Breach> {
    match (request, &reply) {
        (Request::Ask(ask), Reply::Answer(answer)) => judge_answer(ask, answer, policy)?,
        (_, Reply::Failure(_))
        | (Request::Status, Reply::Status(_))
        | (Request::PutRegister(_), Reply::RegisterAccepted { .. })
        | (Request::Checkpoint, Reply::Checkpoint(_))
        | (Request::Erase(_), Reply::Erased { .. }) => {}
        (Request::Trail(page), Reply::Trail(part)) if continues(page, part) => {}
        (Request::Receipt(id), Reply::Receipt(receipt)) => {
            let receipt = Receipt::parse(receipt.as_bytes()).map_err(|_| Breach::Receipt)?;
            let leaf = Leaf::decode(receipt.leaf()).map_err(|_| Breach::Receipt)?;
            let is_believed = policy.is_none_or(|policy| receipt.verify(policy).is_ok());
            if leaf.request_id != *id || !is_believed {
                return Err(Breach::Receipt);
            }
        }
        (Request::Audit(page), Reply::Audit(entries)) if fits(page, entries) => {}
        _ => return Err(Breach::Kind),
    }
    Ok(reply)
}

fn judge_answer(ask: &Ask, answer: &Answer, policy: Option<&Policy>) -> Result<(), Breach> {
    if answer.request_id != ask.request_id {
        return Err(Breach::RequestId);
    }
    if !answer.outcome.answers(&ask.claims, ask.attributes) {
        return Err(Breach::Outcome);
    }
    match (ask.receipt, &answer.receipt) {
        (ReceiptWish::Position, _) => Ok(()),
        (ReceiptWish::Full, Some(receipt)) if proves(receipt, answer, policy) => Ok(()),
        (ReceiptWish::Full, _) => Err(Breach::Receipt),
    }
}

/// Whether a receipt is this answer's; without a policy nothing is known of its signature.
fn proves(receipt: &str, answer: &Answer, policy: Option<&Policy>) -> bool {
    let Ok(receipt) = Receipt::parse(receipt.as_bytes()) else { return false };
    let Some(policy) = policy else {
        let leaf = Leaf::decode(receipt.leaf());
        return leaf.is_ok_and(|leaf| leaf.request_id == answer.request_id && leaf.time_ms == answer.at_ms);
    };
    receipt.verify(policy).is_ok_and(|verified| {
        let same = verified.request_id() == answer.request_id && verified.at_ms() == answer.at_ms;
        same && verified.position() <= answer.position && says(&verified, &answer.outcome)
    })
}

/// Whether the receipt says what the answer says; both came from the node, and only the receipt can be shown to others.
fn says(verified: &Verified, outcome: &Outcome) -> bool {
    match (outcome, verified.outcome()) {
        (Outcome::Confirmed { as_of_ms, .. }, Some(Stated::Confirmed { as_of_ms: stated })) => *as_of_ms == stated,
        (Outcome::NotConfirmed, Some(Stated::NotConfirmed)) => true,
        (Outcome::Undetermined(cause), Some(Stated::Undetermined(stated))) => *cause == stated,
        (Outcome::Refused(number), Some(Stated::Refused(stated))) => *number == stated,
        _ => false,
    }
}

/// A page holds consecutive positions from the one asked for, and no more than asked for.
fn fits(page: &AuditPage, entries: &AuditEntries) -> bool {
    entries.entries.len() <= usize::from(page.limit)
        && entries.entries.iter().zip(page.from..).all(|(entry, position)| entry.position == position)
}

/// A part of a trail begins where it was asked for, goes on while there is more, and consists of whole lines.
fn continues(page: &TrailPage, part: &TrailPart) -> bool {
    let accesses = u64::try_from(part.accesses.len()).unwrap_or(u64::MAX);
    let is_line = |line: &str| line.ends_with('\n') && line.matches('\n').count() == 1;
    (page.at == 0 || part.at == page.at)
        && (part.count == 0 || part.from == page.from)
        && accesses <= part.count.saturating_sub(page.from)
        && (accesses > 0 || page.from >= part.count)
        && part.accesses.iter().all(|access| is_line(&access.line))
}

/// A reply's kind, for people.
pub(crate) fn kind_of(reply: &Reply) -> &'static str {
    match reply {
        Reply::Answer(_) => "answer",
        Reply::Failure(_) => "failure",
        Reply::Status(_) => "status",
        Reply::Audit(_) => "audit entries",
        Reply::RegisterAccepted { .. } => "register accepted",
        Reply::Receipt(_) => "receipt",
        Reply::Trail(_) => "trail",
        Reply::Erased { .. } => "erased",
        Reply::Checkpoint(_) => "checkpoint",
    }
}
