//! What must be true of a whole state, whatever happened to it: checked after every test, and by `inspect`.
//!
//! The names in brackets are those of `faults-and-threats.md` §4.3.

use std::collections::{BTreeMap, BTreeSet};

use xacminh_proto::transparency::{
    Envelope, Hash, Leaf, LeafBytes, LeafKind,
    merkle::{Frontier, leaf_hash},
    trail::{self, Chain, TrailId},
};

use crate::{
    apply::{Meta, REQUEST_WINDOW_MS, Seen, Trail},
    command::{RecordKey, RequestKey},
    register::Register,
};

/// Violations reported at the most: a state that is wholly wrong need not be listed row by row.
pub const VIOLATIONS_MAX: usize = 64;

/// A state as the check reads it, at one applied index.
pub trait StateView {
    /// The state about itself.
    fn meta(&self) -> Meta;
    /// Raft index of the last entry applied.
    fn applied_index(&self) -> u64;
    /// Entries before this position are no longer kept: of their leaves only the hashes are.
    fn pruned(&self) -> u64;
    /// The leaf at a position.
    fn leaf(&self, position: u64) -> Option<LeafBytes>;
    /// The hash of the leaf at a position, as the tree's tiles have it.
    fn leaf_hash(&self, position: u64) -> Option<Hash>;
    /// First positions of the shards, ascending.
    fn shards(&self) -> Vec<u64>;
    /// The sealed addendum at a position.
    fn addendum(&self, position: u64) -> Option<Vec<u8>>;
    /// Requests that have their leaf.
    fn requests(&self) -> impl Iterator<Item = (RequestKey, Seen)>;
    /// Records and their versions.
    fn records(&self) -> impl Iterator<Item = (RecordKey, u64)>;
    /// The tree of the shard in force.
    fn frontier(&self) -> Frontier;
    /// The trail that the leaf at a position belongs to, and where the one before it in that trail is.
    fn trail_at(&self, position: u64) -> Option<(TrailId, Option<u64>)>;
    /// People who have a key of their own: their row key, and where their trail begins.
    fn people(&self) -> impl Iterator<Item = (RecordKey, Chain)>;
    /// The trails as the state sums them up.
    fn trails(&self) -> impl Iterator<Item = (RecordKey, Trail)>;
    /// The register document in force.
    fn register_document(&self) -> Option<String>;
}

/// Something that cannot be if every change went through `apply`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A hole in the log (I1).
    #[error("there is no leaf at position {position}, and {leaves} are counted")]
    LeafMissing {
        /// Where.
        position: u64,
        /// Leaves counted.
        leaves: u64,
    },
    /// A leaf beyond the count.
    #[error("there is a leaf at position {position}, and only {position} are counted")]
    LeafBeyond {
        /// Where.
        position: u64,
    },
    /// Bytes that are no leaf.
    #[error("the bytes at position {position} are no leaf")]
    LeafUnreadable {
        /// Where.
        position: u64,
    },
    /// Time goes back, or past the last stamp (I9).
    #[error("the leaf at position {position} has a time before its predecessor's or after the last stamp")]
    TimeDisordered {
        /// Where.
        position: u64,
    },
    /// The addendum is not the one the leaf names.
    #[error("the addendum at position {position} is missing or is not the one its leaf names")]
    AddendumWrong {
        /// Where.
        position: u64,
    },
    /// Two leaves for one request (I6).
    #[error("positions {first} and {second} answer one request")]
    RequestTwice {
        /// The first leaf.
        first: u64,
        /// The second leaf.
        second: u64,
    },
    /// A request that may still be retried and would get a second leaf.
    #[error("the request of the leaf at position {position} is forgotten within its window")]
    RequestForgotten {
        /// Where its leaf is.
        position: u64,
    },
    /// A request that points elsewhere than at its leaf.
    #[error("a request points to position {position}, which is not its leaf")]
    RequestAstray {
        /// Where it points.
        position: u64,
    },
    /// Two requests that point at one leaf.
    #[error("two requests point to position {position}")]
    PositionShared {
        /// Where both point.
        position: u64,
    },
    /// A record from an entry that was not applied.
    #[error("a record has version {version}, and the last entry applied is {applied}")]
    RecordFromFuture {
        /// The record's version.
        version: u64,
        /// The last index applied.
        applied: u64,
    },
    /// An erasure by an entry that was not applied: whatever is read would be old for ever.
    #[error("entry {erased} erased somebody, and the last entry applied is {applied}")]
    ErasedInFuture {
        /// The erasure's index.
        erased: u64,
        /// The last index applied.
        applied: u64,
    },
    /// A record without a version.
    #[error("a record has version 0, which means that there is none")]
    RecordUnversioned,
    /// The register in force is missing, unreadable or of another revision.
    #[error("register revision {revision} is in force, and the document is another, unreadable or missing")]
    RegisterWrong {
        /// The revision in force.
        revision: u64,
    },
    /// The tree is not that of the leaves (I1).
    #[error("the tree of the shard from position {first} is not that of its leaves")]
    TreeWrong {
        /// First position of the shard.
        first: u64,
    },
    /// A leaf does not link to the person's leaf before it.
    #[error("the leaf at position {position} does not link to the one before it in its trail")]
    LinkWrong {
        /// Where.
        position: u64,
    },
    /// A trail that does not sum up its leaves, or has no person.
    #[error("a trail of {count} leaves does not sum up its leaves")]
    TrailWrong {
        /// Leaves it counts.
        count: u64,
    },
    /// A leaf decided under a revision that was never in force yet.
    #[error("the leaf at position {position} names a register revision that is not in force yet")]
    RevisionFromFuture {
        /// Where.
        position: u64,
    },
}

/// Checks the whole state. No violation, no entry.
#[must_use]
pub fn check(state: &impl StateView) -> Vec<Violation> {
    let mut found = Found::default();
    let answered = check_leaves(state, &mut found);
    check_requests(state, &answered, &mut found);
    check_records(state, &mut found);
    check_register(state, &mut found);
    check_tree(state, &mut found);
    check_trails(state, &mut found);
    found.violations
}

/// What was found, no more of it than helps.
#[derive(Default)]
struct Found {
    violations: Vec<Violation>,
}

impl Found {
    fn report(&mut self, violation: Violation) {
        if !self.is_full() {
            self.violations.push(violation);
        }
    }

    fn is_full(&self) -> bool {
        self.violations.len() >= VIOLATIONS_MAX
    }
}

/// Reads every leaf, and returns which position answers which request.
fn check_leaves(state: &impl StateView, found: &mut Found) -> BTreeMap<RequestKey, u64> {
    let meta = state.meta();
    let mut answered = BTreeMap::new();
    let mut time_ms_min = 0;
    for position in state.pruned()..meta.leaves {
        // A count gone wild must not be counted up to.
        if found.is_full() {
            return answered;
        }
        let Some(bytes) = state.leaf(position) else {
            found.report(Violation::LeafMissing { position, leaves: meta.leaves });
            continue;
        };
        let Ok(leaf) = Leaf::decode(&bytes) else {
            found.report(Violation::LeafUnreadable { position });
            continue;
        };
        if leaf.time_ms < time_ms_min || leaf.time_ms > meta.last_at_ms {
            found.report(Violation::TimeDisordered { position });
        }
        time_ms_min = time_ms_min.max(leaf.time_ms);
        if u64::from(leaf.register_revision) > meta.register_revision {
            found.report(Violation::RevisionFromFuture { position });
        }
        let bare = leaf.kind == LeafKind::ShardOpen;
        if !bare && state.addendum(position).is_none_or(|sealed| Envelope::digest(&sealed) != leaf.addendum_digest) {
            found.report(Violation::AddendumWrong { position });
        }
        // What has a command of its own is ordered otherwise than by request.
        if !matches!(leaf.kind, LeafKind::Policy | LeafKind::Erased | LeafKind::ShardOpen) {
            let request = RequestKey { id: leaf.request_id, portal: leaf.portal };
            let first = *answered.entry(request).or_insert(position);
            if first != position {
                found.report(Violation::RequestTwice { first, second: position });
            }
        }
    }
    if state.leaf(meta.leaves).is_some() {
        found.report(Violation::LeafBeyond { position: meta.leaves });
    }
    answered
}

fn check_requests(state: &impl StateView, answered: &BTreeMap<RequestKey, u64>, found: &mut Found) {
    let mut seen_requests = BTreeSet::new();
    let mut positions = BTreeSet::new();
    for (request, seen) in state.requests() {
        if answered.get(&request) != Some(&seen.position) {
            found.report(Violation::RequestAstray { position: seen.position });
        }
        if !positions.insert(seen.position) {
            found.report(Violation::PositionShared { position: seen.position });
        }
        seen_requests.insert(request);
    }
    let oldest_ms = state.meta().last_at_ms.saturating_sub(REQUEST_WINDOW_MS);
    let in_window = answered.iter().filter(|(request, _)| request.id.unix_ms() >= oldest_ms);
    for (_, position) in in_window.filter(|(request, _)| !seen_requests.contains(request)) {
        found.report(Violation::RequestForgotten { position: *position });
    }
}

fn check_records(state: &impl StateView, found: &mut Found) {
    let applied = state.applied_index();
    let erased = state.meta().erased;
    if erased > applied {
        found.report(Violation::ErasedInFuture { erased, applied });
    }
    for (_, version) in state.records() {
        if version > applied {
            found.report(Violation::RecordFromFuture { version, applied });
        }
        if version == 0 {
            found.report(Violation::RecordUnversioned);
        }
    }
}

fn check_register(state: &impl StateView, found: &mut Found) {
    let revision = state.meta().register_revision;
    let sound = match (revision, state.register_document()) {
        (0, document) => document.is_none(),
        (_, document) => {
            document.is_some_and(|text| Register::parse(&text).is_ok_and(|register| register.revision == revision))
        }
    };
    if !sound {
        found.report(Violation::RegisterWrong { revision });
    }
}

fn check_tree(state: &impl StateView, found: &mut Found) {
    let meta = state.meta();
    let (mut grown, mut first) = (Frontier::new(), 0);
    let shards = state.shards();
    // A leaf that is missing was reported, and makes another tree.
    for position in 0..meta.leaves {
        let leaf = state.leaf(position);
        let opening = leaf.and_then(|bytes| Leaf::decode(&bytes).ok()).filter(|leaf| leaf.kind == LeafKind::ShardOpen);
        // The first leaf of a shard holds the last root of the one before.
        if opening.is_some_and(|leaf| (leaf.subject, leaf.record_version) != (grown.root(), grown.size())) {
            found.report(Violation::TreeWrong { first });
        }
        if position > 0 && shards.binary_search(&position).is_ok() {
            (grown, first) = (Frontier::new(), position);
        }
        let Some(hash) = hash_at(state, position) else { break };
        grown.append(hash);
    }
    if grown != state.frontier() || first != meta.shard.first {
        found.report(Violation::TreeWrong { first });
    }
}

/// The hash of a leaf: of one that is kept, from its bytes.
fn hash_at(state: &impl StateView, position: u64) -> Option<Hash> {
    if position < state.pruned() {
        return state.leaf_hash(position);
    }
    state.leaf(position).map(|bytes| leaf_hash(&bytes))
}

/// Walks every trail from its beginning, in one reading of the log.
fn check_trails(state: &impl StateView, found: &mut Found) {
    let begun = |chain: Chain| Trail { created: 0, id: trail::id(&chain), count: 0, last: 0, chain };
    let people: BTreeMap<RecordKey, Chain> = state.people().collect();
    let mut walked: BTreeMap<TrailId, Trail> =
        people.values().map(|chain| begun(*chain)).map(|trail| (trail.id, trail)).collect();
    for position in 0..state.meta().leaves {
        // A hole was reported; a count gone wild must not be counted up to.
        let Some(hash) = hash_at(state, position) else { break };
        let Some((id, previous)) = state.trail_at(position) else { continue };
        let Some(trail) = walked.get_mut(&id) else { continue };
        let leaf = state.leaf(position).and_then(|bytes| Leaf::decode(&bytes).ok());
        let links = leaf.is_none_or(|leaf| leaf.previous == trail::link(&trail.chain));
        if !links || previous != (trail.count > 0).then_some(trail.last) {
            found.report(Violation::LinkWrong { position });
        }
        let chain = trail::extend(&trail.chain, &hash);
        *trail = Trail { count: trail.count + 1, last: position, chain, ..*trail };
    }
    let mut seen_people = 0;
    for (person, trail) in state.trails() {
        let begun = people.get(&person).map(trail::id);
        let expected = begun.and_then(|id| walked.get(&id)).map(|walked| Trail { created: trail.created, ..*walked });
        if expected != Some(trail) {
            found.report(Violation::TrailWrong { count: trail.count });
        }
        seen_people += 1;
    }
    if seen_people != people.len() {
        found.report(Violation::TrailWrong { count: 0 });
    }
}
