//! A state in memory, changed only by what `apply` returns; and commands to change it with.

use std::collections::BTreeMap;

use xacminh_core::{
    apply::{Applied, BudgetKey, Changes, ItemOutcome, Loaded, Meta, Seen, Wanted, apply, wanted},
    command::{Batch, Command, Entry, Item, Miss, RecordKey, RegisterChange, RequestKey, Ticket},
    invariant::{StateView, check},
};
use xacminh_proto::{
    transparency::{Envelope, Leaf, LeafBytes, LeafKind, LeafVerdict},
    vocab::{PortalId, RequestId},
};

use crate::fixtures::NOW_MS;

/// What the store keeps, as maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) meta: Meta,
    pub(crate) applied: u64,
    pub(crate) leaves: BTreeMap<u64, (LeafBytes, Vec<u8>)>,
    pub(crate) records: BTreeMap<RecordKey, u64>,
    pub(crate) requests: BTreeMap<RequestKey, Seen>,
    pub(crate) budgets: BTreeMap<BudgetKey, u32>,
    pub(crate) register: Option<String>,
}

impl Disk {
    pub(crate) fn load(&self, wanted: &Wanted) -> Loaded {
        let mut all = self.load_everything();
        all.records.retain(|key, _| wanted.records.contains(key));
        all.requests.retain(|key, _| wanted.requests.contains(key));
        all.budgets.retain(|key, _| wanted.budgets.contains(key));
        all
    }

    pub(crate) fn load_everything(&self) -> Loaded {
        Loaded {
            meta: self.meta,
            records: self.records.iter().map(|(key, version)| (*key, *version)).collect(),
            requests: self.requests.iter().map(|(key, seen)| (*key, *seen)).collect(),
            budgets: self.budgets.iter().map(|(key, count)| (*key, *count)).collect(),
        }
    }

    /// Applies the next entry of the log, and checks the whole state afterwards.
    pub(crate) fn commit(&mut self, command: &Command) -> Vec<ItemOutcome> {
        let Applied { changes, outcomes } =
            apply(self.applied + 1, command, self.load(&wanted(command))).expect("no contradiction");
        self.write(changes);
        assert_eq!(check(self), []);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    pub(crate) fn write(&mut self, changes: Changes) {
        self.applied += 1;
        let first = changes.meta.leaves - u64::try_from(changes.leaves.len()).expect("few");
        for (position, leaf) in (first..).zip(changes.leaves) {
            assert!(self.leaves.insert(position, leaf).is_none(), "position {position} is used once");
        }
        self.meta = changes.meta;
        self.records.extend(changes.records.into_iter().map(|(key, version, _)| (key, version)));
        self.requests.extend(changes.requests);
        self.budgets.extend(changes.budgets);
        self.register = changes.register.or(self.register.take());
    }
}

impl StateView for Disk {
    fn meta(&self) -> Meta {
        self.meta
    }
    fn applied_index(&self) -> u64 {
        self.applied
    }
    fn leaf(&self, position: u64) -> Option<LeafBytes> {
        self.leaves.get(&position).map(|(leaf, _)| *leaf)
    }
    fn addendum(&self, position: u64) -> Option<Vec<u8>> {
        self.leaves.get(&position).map(|(_, addendum)| addendum.clone())
    }
    fn requests(&self) -> impl Iterator<Item = (RequestKey, Seen)> {
        self.requests.iter().map(|(key, seen)| (*key, *seen))
    }
    fn records(&self) -> impl Iterator<Item = (RecordKey, u64)> {
        self.records.iter().map(|(key, version)| (*key, *version))
    }
    fn register_document(&self) -> Option<String> {
        self.register.clone()
    }
}

/// A request of portal 1, told apart by one byte.
pub(crate) fn request(which: u8) -> RequestKey {
    RequestKey { id: RequestId::new(NOW_MS, [which; 10]), portal: PortalId(1) }
}

/// An item without record and budget, decided at the moment of its batch.
pub(crate) fn item(request: RequestKey, at_ms: u64, register_revision: u64) -> Item {
    Item {
        ticket: Ticket { node: 1, boot: 2, seq: 3 },
        decided_at_ms: at_ms,
        remember: None,
        read: None,
        entry: entry(request, at_ms, register_revision),
    }
}

fn entry(request: RequestKey, at_ms: u64, register_revision: u64) -> Entry {
    let envelope = request.bytes().to_vec();
    Entry {
        leaf: leaf(LeafKind::Disclosed, request, at_ms, register_revision, &envelope),
        envelope,
        request,
        question: [7; 16],
        register_revision,
        miss: None,
    }
}

pub(crate) fn leaf(kind: LeafKind, request: RequestKey, at_ms: u64, revision: u64, envelope: &[u8]) -> LeafBytes {
    Leaf {
        kind,
        time_ms: at_ms,
        request_id: request.id,
        portal: request.portal,
        official: [1; 16],
        purpose: 11,
        procedure: 1,
        register_revision: u32::try_from(revision).expect("small"),
        fields: 1,
        verdict: LeafVerdict::Match,
        subject: [2; 32],
        attributes_root: [3; 32],
        addendum_digest: Envelope::digest(envelope),
        record_version: 0,
    }
    .encode()
}

pub(crate) fn miss(limit: u32, counts: bool) -> Option<Miss> {
    Some(Miss { official: [9; 16], limit, counts })
}

pub(crate) fn batch(at_ms: u64, items: Vec<Item>) -> Command {
    Command::Batch(Batch { at_ms, items })
}

pub(crate) fn register(at_ms: u64, before: u64, revision: u64) -> Command {
    let envelope = vec![5; 8];
    Command::Register(RegisterChange {
        ticket: Ticket { node: 1, boot: 2, seq: 4 },
        at_ms,
        before,
        revision,
        document: format!("[register]\nrevision = {revision}\n"),
        leaf: leaf(LeafKind::Policy, request(0), at_ms, revision, &envelope),
        envelope,
    })
}
