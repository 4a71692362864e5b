//! A state in memory, changed only by what `apply` returns; and commands to change it with.

use std::collections::BTreeMap;

use xacminh_core::{
    apply::{
        Applied, BudgetKey, Changes, Erased, ItemOutcome, Loaded, MISS_POINTS, Meta, NewKey, NewLeaf, Seen, Trail,
        Wanted, apply, wanted,
    },
    command::{
        Batch, Command, Entry, Erasure, Item, Miss, MissLimits, OwnKey, Person, RecordKey, RegisterChange, RequestKey,
        Ticket, TreeHead,
    },
    invariant::{StateView, check},
};
use xacminh_proto::{
    transparency::{
        Envelope, Leaf, LeafBytes, LeafKind, LeafVerdict,
        merkle::{Frontier, leaf_hash},
        trail::{Chain, TrailId},
    },
    vocab::{PortalId, RequestId},
};

use crate::fixtures::NOW_MS;

/// What the store keeps, as maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) meta: Meta,
    pub(crate) applied: u64,
    pub(crate) leaves: BTreeMap<u64, NewLeaf>,
    pub(crate) records: BTreeMap<RecordKey, u64>,
    pub(crate) requests: BTreeMap<RequestKey, Seen>,
    pub(crate) budgets: BTreeMap<BudgetKey, u32>,
    pub(crate) frontier: Frontier,
    pub(crate) people: BTreeMap<RecordKey, NewKey>,
    pub(crate) trails: BTreeMap<RecordKey, Trail>,
    pub(crate) register: Option<String>,
    pub(crate) shards: Vec<u64>,
    /// Hashes of leaves that are no longer kept.
    pub(crate) pruned: Vec<[u8; 32]>,
}

impl Disk {
    /// Forgets the entries before a position, but for the hashes of their leaves.
    pub(crate) fn prune(&mut self, before: u64) {
        let hashed = |position| {
            let new: &mut NewLeaf = self.leaves.get_mut(&position).expect("there");
            let hash = leaf_hash(&new.leaf);
            (new.leaf, new.envelope) = ([0; 201], Vec::new());
            hash
        };
        self.pruned = (0..before).map(hashed).collect();
    }

    pub(crate) fn load(&self, wanted: &Wanted) -> Loaded {
        let mut all = self.load_everything();
        // What has not changed since it was read need not be told, and is not here.
        let tells =
            |key: &RecordKey, version: u64| wanted.records.iter().any(|read| read.key == *key && version > read.as_of);
        all.records.retain(|key, version| tells(key, *version));
        all.requests.retain(|key, _| wanted.requests.contains(key));
        all.budgets.retain(|key, _| wanted.budgets.contains(key));
        all.trails.retain(|key, _| wanted.trails.contains(key));
        all.root_at = wanted.root_at.and_then(|leaves| self.root_at(leaves));
        all
    }

    pub(crate) fn load_everything(&self) -> Loaded {
        Loaded {
            meta: self.meta,
            records: self.records.iter().map(|(key, version)| (*key, *version)).collect(),
            requests: self.requests.iter().map(|(key, seen)| (*key, *seen)).collect(),
            budgets: self.budgets.iter().map(|(key, count)| (*key, *count)).collect(),
            trails: self.trails.iter().map(|(key, trail)| (*key, *trail)).collect(),
            frontier: self.frontier.clone(),
            root_at: self.root_at(self.meta.leaves),
        }
    }

    /// The root of the tree as it was at a number of leaves, reckoned from the leaves alone.
    pub(crate) fn root_at(&self, leaves: u64) -> Option<[u8; 32]> {
        let all: Vec<_> = self.leaves.range(..leaves).map(|(_, new)| new).collect();
        let decoded = |new: &NewLeaf| Leaf::decode(&new.leaf).expect("a leaf");
        let opens = all.iter().rposition(|new| decoded(new).kind == LeafKind::ShardOpen).unwrap_or(0);
        let mut tree = Frontier::new();
        all[opens..].iter().for_each(|new| tree.append(leaf_hash(&new.leaf)));
        (u64::try_from(all.len()) == Ok(leaves)).then(|| tree.root())
    }

    /// Commits a batch as a leader with this state proposes it.
    pub(crate) fn commit_batch(&mut self, at_ms: u64, items: Vec<Item>) -> Vec<ItemOutcome> {
        self.commit(&self.batch(at_ms, items))
    }

    /// A batch as a leader with this state proposes it.
    pub(crate) fn batch(&self, at_ms: u64, items: Vec<Item>) -> Command {
        let root = self.root_at(self.meta.leaves).expect("every leaf is there");
        Command::Batch(Batch { at_ms, clock_ms: at_ms, tree: TreeHead { leaves: self.meta.leaves, root }, items })
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
        let growth = changes.growth;
        let first = changes.meta.leaves - u64::try_from(growth.leaves.len()).expect("few");
        for (position, leaf) in (first..).zip(growth.leaves) {
            assert!(self.leaves.insert(position, leaf).is_none(), "position {position} is used once");
        }
        self.meta = changes.meta;
        self.frontier = growth.frontier;
        self.people.extend(changes.keys.into_iter().map(|key| (key.person, key)));
        self.trails.extend(changes.trails);
        if let Some(Erased { person, .. }) = changes.erased {
            self.records.remove(&person);
            self.people.remove(&person);
            self.trails.remove(&person);
        }
        self.records.extend(changes.records.into_iter().map(|(key, version, _)| (key, version)));
        self.requests.extend(changes.requests);
        self.budgets.extend(changes.budgets);
        self.register = changes.register.or(self.register.take());
        self.shards.extend(growth.opened.map(|shard| shard.first));
    }
}

impl StateView for Disk {
    fn meta(&self) -> Meta {
        self.meta
    }
    fn applied_index(&self) -> u64 {
        self.applied
    }
    fn pruned(&self) -> u64 {
        u64::try_from(self.pruned.len()).expect("few")
    }
    fn leaf(&self, position: u64) -> Option<LeafBytes> {
        self.leaves.get(&position).filter(|_| position >= self.pruned()).map(|new| new.leaf)
    }
    fn leaf_hash(&self, position: u64) -> Option<[u8; 32]> {
        self.pruned.get(usize::try_from(position).ok()?).copied()
    }
    fn shards(&self) -> Vec<u64> {
        self.shards.clone()
    }
    fn addendum(&self, position: u64) -> Option<Vec<u8>> {
        self.leaves.get(&position).map(|new| new.envelope.clone())
    }
    fn requests(&self) -> impl Iterator<Item = (RequestKey, Seen)> {
        self.requests.iter().map(|(key, seen)| (*key, *seen))
    }
    fn records(&self) -> impl Iterator<Item = (RecordKey, u64)> {
        self.records.iter().map(|(key, version)| (*key, *version))
    }
    fn frontier(&self) -> Frontier {
        self.frontier.clone()
    }
    fn trail_at(&self, position: u64) -> Option<(TrailId, Option<u64>)> {
        self.leaves.get(&position).and_then(|new| new.trail.map(|trail| (trail, new.previous)))
    }
    fn people(&self) -> impl Iterator<Item = (RecordKey, Chain)> {
        self.people.iter().map(|(person, key)| (*person, key.chain))
    }
    fn trails(&self) -> impl Iterator<Item = (RecordKey, Trail)> {
        self.trails.iter().map(|(person, trail)| (*person, *trail))
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
        // A person for each request, so that none meets another's key.
        person: Some(new_person(request.id.bytes()[15] ^ u8::try_from(request.portal.0 << 4).expect("few"))),
        dossier: [6; 16],
        question: [7; 16],
        register_revision,
        miss: None,
        granted_until_ms: None,
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
        previous: [0; 32],
    }
    .encode()
}

/// The budgets of an item of official 9, of whose hour alone something is at stake.
pub(crate) fn miss(official_hour: u32, counts: bool) -> Option<Miss> {
    let limits = MissLimits { official_hour, ..limits(u32::MAX) };
    Some(Miss { official: [9; 16], limits, points: if counts { MISS_POINTS } else { 0 } })
}

/// The same limit everywhere.
pub(crate) fn limits(of_each: u32) -> MissLimits {
    MissLimits {
        official_hour: of_each,
        official_day: of_each,
        portal_hour: of_each,
        portal_day: of_each,
        cluster_hour: of_each,
        cluster_day: of_each,
    }
}

/// A person nobody asked about before.
pub(crate) fn new_person(which: u8) -> Person {
    Person { key: [which; 32], own_key: OwnKey::New { chain: [which ^ 0x80; 32], sealed: vec![which; 3] } }
}

/// A person whose key the entry at `created` made.
pub(crate) fn known_person(which: u8, created: u64) -> Person {
    Person { key: [which; 32], own_key: OwnKey::Known { created } }
}

pub(crate) fn erasure(at_ms: u64, which: u8, created: u64, revision: u64) -> Command {
    let envelope = vec![6; 8];
    Command::Erase(Erasure {
        ticket: Ticket { node: 1, boot: 2, seq: 5 },
        at_ms,
        person: [which; 32],
        created,
        leaf: leaf(LeafKind::Erased, request(0), at_ms, revision, &envelope),
        envelope,
    })
}

pub(crate) fn register(at_ms: u64, before: u64, revision: u64) -> Command {
    let envelope = vec![5; 8];
    Command::Register(RegisterChange {
        ticket: Ticket { node: 1, boot: 2, seq: 4 },
        at_ms,
        before,
        revision,
        entries_days: 0,
        document: format!("[register]\nrevision = {revision}\n"),
        leaf: leaf(LeafKind::Policy, request(0), at_ms, revision, &envelope),
        envelope,
    })
}
