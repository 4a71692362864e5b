//! Histories and ledgers that never were, to see the checkers bark.

use std::time::Duration;

use tokio::time::Instant;
use xacminh_proto::{
    transparency::{Leaf, LeafKind, LeafVerdict},
    vocab::{AttributeSet, Claim, Outcome, PortalId, RequestId, Sex},
    wire::{Answer, Ask, ReceiptWish},
};

use crate::{
    history::{Delivery, History},
    ledger::{Entry, Ledger},
};

pub(super) fn id(number: u8) -> RequestId {
    RequestId::new(1_000, [number; 10])
}

/// A ledger of `ids` at positions from 0, a millisecond apart from 10 on.
pub(super) fn ledger(node: u64, ids: &[u8]) -> Ledger {
    let entries = ids.iter().zip(0_u64..).map(|(number, position)| entry(*number, position, 10 + position)).collect();
    Ledger { node, entries, log_key: None }
}

pub(super) fn entry(number: u8, position: u64, time_ms: u64) -> Entry {
    let leaf = Leaf {
        kind: LeafKind::Disclosed,
        time_ms,
        request_id: id(number),
        portal: PortalId(1),
        official: [0; 16],
        purpose: 1,
        procedure: 1,
        register_revision: 1,
        fields: 0,
        verdict: LeafVerdict::NoMatch,
        subject: [0; 32],
        attributes_root: [0; 32],
        addendum_digest: [0; 32],
        record_version: 0,
        previous: [0; 32],
    };
    Entry { position, bytes: leaf.encode().to_vec(), leaf }
}

/// A history of (id, position, asked, answered), times in milliseconds after one moment.
pub(super) fn history(told: &[(u8, u64, u64, u64)]) -> History {
    let start = Instant::now();
    let mut history = History::default();
    for (number, position, asked, answered) in told {
        let asked = start + Duration::from_millis(*asked);
        history.asked(id(*number), asked);
        let answer = Answer {
            request_id: id(*number),
            outcome: Outcome::NotConfirmed,
            position: *position,
            at_ms: 10 + position,
            receipt: None,
        };
        let answered = start + Duration::from_millis(*answered);
        history.deliveries.push(Delivery { asked, answered, ask: ask(id(*number)), answer });
    }
    history
}

/// A question about nobody.
fn ask(request_id: RequestId) -> Ask {
    Ask {
        request_id,
        official: "cb-001".to_owned(),
        dossier: "H17.1".to_owned(),
        procedure: "1.004222".to_owned(),
        number: "048190000017".to_owned(),
        name: "Trần Thị Hoa".to_owned(),
        birth: "1990-05-17".to_owned(),
        claims: vec![Claim::Sex(Sex::Female)],
        attributes: AttributeSet::EMPTY,
        max_age_s: None,
        deadline_ms: 1_000,
        receipt: ReceiptWish::Full,
    }
}
