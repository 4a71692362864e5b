//! Whether a reply fits its request: asked of every reply before anybody believes it.

use xacminh_proto::{
    transparency::{Checkpoint, Leaf, Policy, Receipt, note::Note, policy::PolicyError},
    vocab::PersonNumber,
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
        (Request::CheckpointOf(year), Reply::Checkpoint(text)) if is_head_of(*year, text.as_str(), policy) => {}
        (Request::CheckpointOf(_), Reply::Checkpoint(_)) => return Err(Breach::Checkpoint),
        _ => return Err(Breach::Kind),
    }
    Ok(reply)
}

/// The year of the log that a checkpoint is of: the last part of its origin.
fn year_of(head: &Checkpoint) -> Option<u16> {
    head.origin().rsplit('/').next()?.parse().ok()
}

/// Whether this is a checkpoint of the year's log, believed if there is a key to tell: a policy need not know past years.
fn is_head_of(year: u16, text: &str, policy: Option<&Policy>) -> bool {
    let Ok(note) = Note::parse(text.as_bytes()) else { return false };
    let Ok(head) = Checkpoint::parse(note.text()) else { return false };
    let accepted = policy.map_or(Ok(()), |policy| policy.accept(&note).map(drop));
    year_of(&head) == Some(year) && matches!(accepted, Ok(()) | Err(PolicyError::Origin))
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
        (ReceiptWish::Full, Some(receipt)) if proves(receipt, ask, answer, policy) => Ok(()),
        (ReceiptWish::Full, _) => Err(Breach::Receipt),
    }
}

/// Whether a receipt is this answer's and says what it says, of the person asked about: both came from the node, and only
/// the receipt can be shown to others. Without a policy nothing is known of its signature.
fn proves(receipt: &str, ask: &Ask, answer: &Answer, policy: Option<&Policy>) -> bool {
    let (Ok(receipt), Ok(number)) = (Receipt::parse(receipt.as_bytes()), PersonNumber::parse(&ask.number)) else {
        return false;
    };
    let holds = match policy {
        Some(policy) => receipt.verify(policy).is_ok(),
        None => receipt.check().is_ok(),
    };
    let is_answers = |leaf: &Leaf| leaf.request_id == answer.request_id && leaf.time_ms == answer.at_ms;
    holds
        && Leaf::decode(receipt.leaf()).is_ok_and(|leaf| is_answers(&leaf))
        && receipt.index() <= answer.position
        && receipt.says(number, &answer.outcome, &ask.claims)
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

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use xacminh_proto::{
        transparency::{
            Disclosure, LeafKind, LeafVerdict, Opening, Salt, attributes_root,
            merkle::leaf_hash,
            note::{KeyKind, VerifierKey},
            statements, subject_commitment,
        },
        vocab::{
            Attribute, AttributeSet, Claim, ClaimKind, ClaimVerdict, Outcome, PortalId, Reason, RequestId, Sex, Value,
            Verdict,
        },
    };

    use super::*;

    const NUMBER: &str = "048190000017";
    const ORIGIN: &str = "log.example/48/2026";
    const AT_MS: u64 = 9;

    fn ask() -> Ask {
        Ask {
            request_id: RequestId::new(AT_MS, [1; 10]),
            official: "cb-001".into(),
            dossier: "H17.1".into(),
            procedure: "1.004222".into(),
            number: NUMBER.into(),
            name: "Trần Thị Hoa".into(),
            birth: "1990-05-17".into(),
            claims: vec![Claim::Sex(Sex::Male)],
            attributes: [Attribute::FullName].into_iter().collect::<AttributeSet>(),
            max_age_s: None,
            deadline_ms: 2_000,
            receipt: ReceiptWish::Full,
        }
    }

    fn confirmed(verdict: Verdict, reason: Reason, name: &str) -> Outcome {
        Outcome::Confirmed {
            verdicts: vec![ClaimVerdict { kind: ClaimKind::Sex, verdict, reason }],
            attributes: vec![(Attribute::FullName, Value::Text(name.into()))],
            as_of_ms: 7,
            reissued: false,
        }
    }

    /// A receipt of this outcome, alone in its log, and the key of that log.
    fn receipt(outcome: &Outcome, claims: &[Claim], number: &str) -> (Receipt, VerifierKey) {
        let salted = |(index, (name, value)): (u8, (String, Vec<u8>))| Opening { name, salt: Salt([index; 32]), value };
        let openings: Vec<Opening> = (0..).zip(statements(outcome, claims)).map(salted).collect();
        let leaf = Leaf {
            kind: LeafKind::Disclosed,
            time_ms: AT_MS,
            request_id: ask().request_id,
            portal: PortalId(1),
            official: [0; 16],
            purpose: 1,
            procedure: 1,
            register_revision: 1,
            fields: 1 << (32 + ClaimKind::Sex as u32) | 1 << Attribute::FullName as u32,
            verdict: LeafVerdict::NoMatch,
            subject: subject_commitment(&Salt([9; 32]), number.as_bytes()),
            attributes_root: attributes_root(&mut openings.iter().map(Opening::commitment).collect::<Vec<_>>()),
            addendum_digest: [0; 32],
            record_version: 0,
            previous: [0; 32],
        };
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let key = VerifierKey::new(ORIGIN, KeyKind::Ed25519, public).unwrap();
        let bytes = leaf.encode();
        let head = Checkpoint::new(ORIGIN, 1, leaf_hash(&bytes)).unwrap();
        let note = head.sign(&key, |message| pair.sign(message).as_ref().try_into().unwrap()).unwrap();
        let subject = (Salt([9; 32]), PersonNumber::parse(number).unwrap());
        let disclosure = Disclosure::new(&bytes, Some(subject), openings).unwrap();
        (Receipt::make(disclosure, 0, vec![], note).unwrap(), key)
    }

    /// What is made of an answer with this outcome that comes with this receipt.
    fn judged(ask: &Ask, outcome: Outcome, receipt: &Receipt, policy: Option<&Policy>) -> Result<(), Breach> {
        let receipt = Some(receipt.encode().unwrap());
        let answer = Answer { request_id: ask.request_id, outcome, position: 0, at_ms: AT_MS, receipt };
        judge(&Request::Ask(Box::new(ask.clone())), Reply::Answer(Box::new(answer)), policy).map(drop)
    }

    #[test]
    fn an_answer_that_its_receipt_denies_is_refused() {
        let truth = confirmed(Verdict::NoMatch, Reason::Different, "Trần Thị Hoa");
        let (receipt, key) = receipt(&truth, &ask().claims, NUMBER);
        let policy = Policy::of_log(key).unwrap();
        for policy in [Some(&policy), None] {
            assert_eq!(judged(&ask(), truth.clone(), &receipt, policy), Ok(()));
            for lie in [
                confirmed(Verdict::Match, Reason::Equal, "Trần Thị Hoa"),
                confirmed(Verdict::NoMatch, Reason::Equal, "Trần Thị Hoa"),
                confirmed(Verdict::NoMatch, Reason::Different, "Trần Thị Hòa"),
                Outcome::NotConfirmed,
            ] {
                assert_eq!(judged(&ask(), lie.clone(), &receipt, policy), Err(Breach::Receipt), "{lie:?}");
            }
            let silent = receipt.redact(|name| name != "attribute/full_name");
            assert_eq!(judged(&ask(), truth.clone(), &silent, policy), Err(Breach::Receipt), "a value is closed");
            let about_nobody = receipt.redact(|name| name != "subject");
            assert_eq!(judged(&ask(), truth.clone(), &about_nobody, policy), Err(Breach::Receipt));
            for other in
                [Ask { claims: vec![Claim::Sex(Sex::Female)], ..ask() }, Ask { number: "048190000018".into(), ..ask() }]
            {
                assert_eq!(judged(&other, truth.clone(), &receipt, policy), Err(Breach::Receipt), "{other:?}");
            }
        }
    }
}
