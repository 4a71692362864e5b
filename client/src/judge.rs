//! Whether a reply fits its request: asked of every reply before anybody believes it.

use xacminh_proto::wire::{Answer, Ask, AuditEntries, AuditPage, Reply, Request, TrailPage, TrailPart};

use crate::error::Breach;

/// Checks that a reply fits its request before anybody believes it.
pub(crate) fn judge(request: &Request, reply: Reply) -> Result<Reply, Breach> {
    match (request, &reply) {
        (Request::Ask(ask), Reply::Answer(answer)) => judge_answer(ask, answer)?,
        (_, Reply::Failure(_))
        | (Request::Status, Reply::Status(_))
        | (Request::PutRegister(_), Reply::RegisterAccepted { .. })
        | (Request::Receipt(_), Reply::Receipt(_))
        | (Request::Erase(_), Reply::Erased { .. }) => {}
        (Request::Trail(page), Reply::Trail(part)) if continues(page, part) => {}
        (Request::Audit(page), Reply::Audit(entries)) if fits(page, entries) => {}
        _ => return Err(Breach::Kind),
    }
    Ok(reply)
}

fn judge_answer(ask: &Ask, answer: &Answer) -> Result<(), Breach> {
    if answer.request_id != ask.request_id {
        return Err(Breach::RequestId);
    }
    if answer.outcome.answers(&ask.claims, ask.attributes) { Ok(()) } else { Err(Breach::Outcome) }
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
    }
}
