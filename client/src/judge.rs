//! Whether a reply fits its request: asked of every reply before anybody believes it.

use xacminh_proto::{
    transparency::{Checkpoint, Leaf, Policy, Receipt, Stated, Verified, note::Note},
    vocab::Outcome,
    wire::{
        Answer, Ask, AuditEntries, AuditEntry, AuditFound, AuditOrder, AuditPage, AuditQuery, Happened,
        REGISTER_PART_BYTES_MAX, ReceiptWish, RegisterPage, RegisterPart, Reply, Request, TrailPage, TrailPart,
    },
};

use crate::error::Breach;

/// Checks that a reply fits its request before anybody believes it; receipts by the policy, if there is one.
pub(crate) fn judge(request: &Request, reply: Reply, policy: Option<&Policy>) -> Result<Reply, Breach> {
    match (request, &reply) {
        (Request::Ask(ask), Reply::Answer(answer)) => judge_answer(ask, answer, policy)?,
        (_, Reply::Failure(_))
        | (Request::Status, Reply::Status(_))
        | (Request::PutRegister(_), Reply::RegisterAccepted { .. })
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
        (Request::AuditQuery(query), Reply::AuditFound(found)) if answers(query, found) => {}
        (Request::AuditOpen(position), Reply::AuditOpened(opened)) if *position == opened.position => {}
        (Request::Consistency(_), Reply::Consistency(_)) => {}
        (Request::Register(page), Reply::Register(part)) if goes_on(page, part) => {}
        (Request::Checkpoint, Reply::Checkpoint(text)) => {
            let note = Note::parse(text.as_str().as_bytes()).map_err(|_| Breach::Checkpoint)?;
            Checkpoint::parse(note.text()).map_err(|_| Breach::Checkpoint)?;
            if policy.is_some_and(|policy| policy.accept(&note).is_err()) {
                return Err(Breach::Checkpoint);
            }
        }
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

/// A page found has its entries in the order asked for, as far as leaves can tell within what was asked for, and goes on
/// where it ends.
fn answers(query: &AuditQuery, found: &AuditFound) -> bool {
    let newest_first = query.order == AuditOrder::NewestFirst;
    let follows = |one: &u64, next: &u64| if newest_first { one > next } else { one < next };
    let positions: Vec<u64> = found.entries.iter().map(|entry| entry.position).collect();
    let begins = match (query.cursor, positions.first()) {
        (Some(cursor), Some(first)) => *first == cursor || follows(&cursor, first),
        _ => true,
    };
    // A page that goes on where it began would go on for ever.
    let goes_on = found.next.is_none_or(|next| match (positions.last(), query.cursor) {
        (Some(last), _) => follows(last, &next),
        (None, Some(cursor)) => follows(&cursor, &next),
        (None, None) => true,
    });
    let fits = |entry: &AuditEntry| {
        Leaf::decode(&entry.leaf).is_ok_and(|leaf| {
            query.portal.is_none_or(|portal| leaf.portal == portal)
                && query.from_ms.is_none_or(|from_ms| leaf.time_ms >= from_ms)
                && query.until_ms.is_none_or(|until_ms| leaf.time_ms < until_ms)
                && query.happened.is_none_or(|happened| Happened::of(&leaf) == Some(happened))
        })
    };
    found.entries.len() <= usize::from(query.limit)
        && positions.is_sorted_by(follows)
        && begins
        && goes_on
        && found.entries.iter().all(fits)
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

/// A part of a register begins where it was asked for, ends within the document, and is empty at the end alone.
fn goes_on(page: &RegisterPage, part: &RegisterPart) -> bool {
    let end = u64::from(part.from).saturating_add(u64::try_from(part.text.len()).unwrap_or(u64::MAX));
    part.from == page.from
        && (page.revision == 0 || part.revision == page.revision)
        && part.text.len() <= REGISTER_PART_BYTES_MAX
        && end <= u64::from(part.bytes)
        && (!part.text.is_empty() || end == u64::from(part.bytes))
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
        Reply::AuditFound(_) => "audit entries found",
        Reply::AuditOpened(_) => "audit entry opened",
        Reply::Register(_) => "register",
        Reply::Checkpoint(_) => "checkpoint",
        Reply::Consistency(_) => "proof of consistency",
    }
}
