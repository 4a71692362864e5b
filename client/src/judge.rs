//! Whether a reply fits its request: asked of every reply before anybody believes it.

use xacminh_proto::wire::{Answer, Ask, AuditEntries, AuditPage, Reply, Request};

use crate::error::Breach;

/// Checks that a reply fits its request before anybody believes it.
pub(crate) fn judge(request: &Request, reply: Reply) -> Result<Reply, Breach> {
    match (request, &reply) {
        (Request::Ask(ask), Reply::Answer(answer)) => judge_answer(ask, answer)?,
        (_, Reply::Failure(_))
        | (Request::Status, Reply::Status(_))
        | (Request::PutRegister(_), Reply::RegisterAccepted { .. })
        | (Request::Receipt(_), Reply::Receipt(_)) => {}
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
