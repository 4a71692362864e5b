//! The rule by which a committed command changes the state: total, deterministic, the same live and in recovery.
//!
//! Loading comes first ([`wanted`]), then one synchronous step ([`apply`]) that touches no disk and returns what to write.

mod budget;
mod contradiction;
mod loading;
mod map;
mod sweep;
mod tree;

use xacminh_proto::transparency::{
    Hash, Leaf, LeafBytes, LeafKind,
    trail::{self, Chain, TrailId},
};

use crate::command::{
    Batch, Command, Entry, Erasure, Item, OwnKey, Person, RecordKey, RecordRead, RegisterChange, RequestKey, Ticket,
};

pub use budget::{BLIND_POINTS, Budget, BudgetKey, MISS_POINTS, spent};
pub use contradiction::Contradiction;
pub use loading::{Loaded, Wanted, wanted};
pub use map::{KeyedHasher, KeyedMap};
pub use sweep::Sweep;
pub use tree::{Growth, Shard};

/// How long a request id is remembered, and how old one may be when it arrives: a day, longer than any retry.
pub const REQUEST_WINDOW_MS: u64 = 24 * 3_600_000;

/// How far ahead of the leader's stamp a request id's time may lie: callers' clocks are only roughly right.
pub const REQUEST_AHEAD_MS: u64 = 5 * 60_000;

/// How far a node's clock may be from the leader's when it decides: ages and freshness are reckoned with it.
pub const CLOCK_SKEW_MS_MAX: u64 = 30_000;

/// What the state remembers about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Meta {
    /// Leaves in the log; the next leaf's position.
    pub leaves: u64,
    /// Stamp of the last leaf, Unix milliseconds.
    pub last_at_ms: u64,
    /// Register revision in force; 0 before the first.
    pub register_revision: u64,
    /// Days that entries are kept for, as the register in force says; 0 for ever.
    pub entries_days: u32,
    /// The shard that the next leaf goes into, unless its year is a later one.
    pub shard: Shard,
    /// How far sweeps of the population have come.
    pub sweep: Sweep,
    /// Raft index of the newest entry that erased somebody; 0 if none did.
    pub erased: u64,
}

/// A request that has its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where its leaf is.
    pub position: u64,
    /// Keyed digest of its question.
    pub question: [u8; 16],
}

/// The leaves about one person, as the state sums them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trail {
    /// Raft index of the entry that made the person's own key; another index is another life of the row.
    pub created: u64,
    /// The trail's name.
    pub id: TrailId,
    /// Leaves about the person.
    pub count: u64,
    /// Position of the newest; meaningless while `count` is 0.
    pub last: u64,
    /// The chain after it; see [`trail`].
    pub chain: Chain,
}

/// A leaf to write, with what lies beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLeaf {
    /// The leaf, stamped and linked: these bytes are in the tree.
    pub leaf: LeafBytes,
    /// The sealed addendum; empty where there is none.
    pub envelope: Vec<u8>,
    /// The trail it belongs to.
    pub trail: Option<TrailId>,
    /// Position of the leaf before it in that trail, by which the trail is walked back from its end.
    pub previous: Option<u64>,
    /// Keyed digest of the dossier.
    pub dossier: [u8; 16],
}

/// A person to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Their row key.
    pub person: RecordKey,
    /// Their trail, if they have one.
    pub trail: Option<TrailId>,
}

/// A person's own key to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The person's row key.
    pub person: RecordKey,
    /// Raft index of the entry that made it.
    pub created: u64,
    /// Where the trail begins.
    pub chain: Chain,
    /// The sealed key.
    pub sealed: Vec<u8>,
}

/// What to write, all of it in one atomic step.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Changes {
    /// The state about itself, afterwards.
    pub meta: Meta,
    /// New leaves, and the tree with them.
    pub growth: Growth,
    /// Records: key, new version, sealed value.
    pub records: Vec<(RecordKey, u64, Vec<u8>)>,
    /// Requests that now have their leaf.
    pub requests: Vec<(RequestKey, Seen)>,
    /// Points counted against budgets; the last of a budget's counts.
    pub budgets: Vec<(BudgetKey, u32)>,
    /// Keys of people nobody had asked about.
    pub keys: Vec<NewKey>,
    /// Trails that grew, in the order they did: the last of a person's counts.
    pub trails: Vec<(RecordKey, Trail)>,
    /// Whose record, own key and trail are to be removed.
    pub erased: Option<Erased>,
    /// The new register document.
    pub register: Option<String>,
    /// Where the sweep under way goes on, sealed.
    pub cursor: Option<Vec<u8>>,
}

/// What became of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemOutcome {
    /// Its leaf is in the log.
    Appended {
        /// Position of the leaf.
        position: u64,
    },
    /// The request already has its leaf; this one was not added.
    Duplicate {
        /// Position of the first and only leaf.
        position: u64,
    },
    /// The request id belongs to another question.
    Conflict,
    /// The time in the request id is outside the window.
    Expired,
    /// A record or the register changed since it was read: decide again.
    Stale,
    /// A budget of misses is spent: decide again, as a refusal. Hits are refused too, or guessing could go on.
    OverBudget(Budget),
    /// The proposing node's clock is too far from the leader's clock.
    ClockSkewed,
    /// What was granted to portal or official had ended at the leader's stamp: decide again, as a refusal.
    GrantEnded,
}

/// A command applied.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Applied {
    /// What to write.
    pub changes: Changes,
    /// What to tell the proposers.
    pub outcomes: Vec<(Ticket, ItemOutcome)>,
}

/// Applies a committed command. `index` is its place in the Raft log and becomes the version of records it changes.
///
/// The register document is not parsed here: nodes of two versions could disagree about it. Whoever proposes it has.
///
/// # Errors
/// [`Contradiction`] if the history cannot be right; nothing may be written then.
pub fn apply(index: u64, command: &Command, loaded: Loaded) -> Result<Applied, Contradiction> {
    match command {
        Command::Batch(batch) => apply_batch(index, batch, loaded),
        Command::Register(change) => apply_register(change, loaded),
        Command::Erase(erasure) => apply_erasure(index, erasure, loaded),
        Command::Sweep(page) => Ok(sweep::apply_page(index, page, loaded)),
    }
}

fn apply_batch(index: u64, batch: &Batch, mut loaded: Loaded) -> Result<Applied, Contradiction> {
    // Before anything else: what a tree that is not the proposer's would say next is of no use to anybody.
    if loaded.root_at != Some(batch.tree.root) {
        return Err(Contradiction::Tree { leaves: batch.tree.leaves });
    }
    let in_order = batch.at_ms > loaded.meta.last_at_ms;
    let growth = Growth::of(std::mem::take(&mut loaded.frontier));
    let mut changes = Changes { growth, ..Changes::default() };
    changes.growth.leaves.reserve(batch.items.len());
    let mut step = Step { index, batch, state: loaded, changes };
    let mut outcomes = Vec::with_capacity(batch.items.len());
    for item in &batch.items {
        check_sound(item, batch.at_ms)?;
        // A stamp that does not go forward is a former leader's: its items are decided again under the present one.
        let outcome = if in_order { step.item(item) } else { ItemOutcome::Stale };
        outcomes.push((item.ticket, outcome));
    }
    // A batch that leaves no leaf leaves no time either: a leader whose clock ran ahead, and whose items were turned away
    // for it, must not force its time on those who follow.
    if !step.changes.growth.leaves.is_empty() {
        step.state.meta.last_at_ms = batch.at_ms;
    }
    step.changes.meta = step.state.meta;
    Ok(Applied { changes: step.changes, outcomes })
}

fn apply_register(change: &RegisterChange, loaded: Loaded) -> Result<Applied, Contradiction> {
    let leaf = administrative(&change.leaf, LeafKind::Policy, change.at_ms)?;
    if u64::from(leaf.register_revision) != change.revision {
        return Err(Contradiction::Revision);
    }
    let mut meta = loaded.meta;
    let mut growth = Growth::of(loaded.frontier);
    let current = change.before == meta.register_revision && change.revision > change.before;
    if !current || change.at_ms <= meta.last_at_ms {
        let changes = Changes { meta, growth, ..Changes::default() };
        return Ok(Applied { changes, outcomes: vec![(change.ticket, ItemOutcome::Stale)] });
    }
    let (position, _) = growth.append(&mut meta, change.at_ms, NewLeaf::administrative(change.leaf, &change.envelope));
    (meta.last_at_ms, meta.register_revision) = (change.at_ms, change.revision);
    meta.entries_days = change.entries_days;
    let changes = Changes { meta, growth, register: Some(change.document.clone()), ..Changes::default() };
    Ok(Applied { changes, outcomes: vec![(change.ticket, ItemOutcome::Appended { position })] })
}

fn apply_erasure(index: u64, erasure: &Erasure, loaded: Loaded) -> Result<Applied, Contradiction> {
    administrative(&erasure.leaf, LeafKind::Erased, erasure.at_ms)?;
    let mut meta = loaded.meta;
    let mut growth = Growth::of(loaded.frontier);
    // Of a person who was asked about in this very moment, the newest leaf would be left readable.
    let trail = loaded.trails.get(&erasure.person);
    let created = trail.map_or(0, |trail| trail.created);
    let erased = Erased { person: erasure.person, trail: trail.map(|trail| trail.id) };
    if created != erasure.created || erasure.at_ms <= meta.last_at_ms {
        let changes = Changes { meta, growth, ..Changes::default() };
        return Ok(Applied { changes, outcomes: vec![(erasure.ticket, ItemOutcome::Stale)] });
    }
    let (position, _) =
        growth.append(&mut meta, erasure.at_ms, NewLeaf::administrative(erasure.leaf, &erasure.envelope));
    (meta.last_at_ms, meta.erased) = (erasure.at_ms, index);
    let changes = Changes { meta, growth, erased: Some(erased), ..Changes::default() };
    Ok(Applied { changes, outcomes: vec![(erasure.ticket, ItemOutcome::Appended { position })] })
}

/// The leaf of a command that has one leaf of one kind.
fn administrative(leaf: &LeafBytes, kind: LeafKind, at_ms: u64) -> Result<Leaf, Contradiction> {
    let leaf = Leaf::decode(leaf).map_err(|_| Contradiction::Leaf)?;
    if leaf.time_ms != at_ms {
        return Err(Contradiction::Stamp);
    }
    if leaf.kind != kind || leaf.previous != NO_LINK {
        return Err(Contradiction::Kind);
    }
    Ok(leaf)
}

/// What the leader wrote must agree with itself.
fn check_sound(item: &Item, at_ms: u64) -> Result<(), Contradiction> {
    check_item(item)?;
    if Leaf::stamped_ms(&item.entry.leaf) == at_ms { Ok(()) } else { Err(Contradiction::Stamp) }
}

/// Whether an item agrees with itself, but for the stamp it does not have yet.
///
/// The leader asks this of items forwarded to it and drops those that fail: once in the log, such an item would stop
/// every node at every start.
///
/// # Errors
/// [`Contradiction`].
pub fn check_item(item: &Item) -> Result<(), Contradiction> {
    let entry = &item.entry;
    let leaf = Leaf::decode(&entry.leaf).map_err(|_| Contradiction::Leaf)?;
    if leaf.request_id != entry.request.id || leaf.portal != entry.request.portal {
        return Err(Contradiction::Request);
    }
    let about_somebody = match leaf.kind {
        LeafKind::Disclosed | LeafKind::Refused => true,
        LeafKind::Canary | LeafKind::Admin => false,
        LeafKind::Policy | LeafKind::Erased | LeafKind::ShardOpen => return Err(Contradiction::Kind),
    };
    if entry.person.is_some() != about_somebody || leaf.previous != NO_LINK {
        return Err(Contradiction::Person);
    }
    if u64::from(leaf.register_revision) != entry.register_revision {
        return Err(Contradiction::Revision);
    }
    Ok(())
}

/// What a leaf has in place of a link before it is applied, and for ever if it is about nobody.
const NO_LINK: Hash = [0; 32];

struct Step<'a> {
    index: u64,
    batch: &'a Batch,
    state: Loaded,
    changes: Changes,
}

impl Step<'_> {
    fn item(&mut self, item: &Item) -> ItemOutcome {
        if let Some(outcome) = self.refuse(item) {
            return outcome;
        }
        self.count_miss(&item.entry);
        if let Some(change) = &item.remember {
            self.state.records.insert(change.key, self.index);
            self.changes.records.push((change.key, self.index, change.sealed.clone()));
        }
        self.append(&item.entry)
    }

    /// Why the item may not be appended, if so. Nothing has changed then.
    fn refuse(&self, item: &Item) -> Option<ItemOutcome> {
        let entry = &item.entry;
        // First of all: nodes forget old requests each at its own pace, and must not differ in what they say of them.
        let asked_ms = entry.request.id.unix_ms();
        let too_old = asked_ms.saturating_add(REQUEST_WINDOW_MS) < self.batch.at_ms;
        if too_old || asked_ms > self.batch.at_ms.saturating_add(REQUEST_AHEAD_MS) {
            return Some(ItemOutcome::Expired);
        }
        if let Some(seen) = self.state.requests.get(&entry.request) {
            let same = seen.question == entry.question;
            return Some(if same { ItemOutcome::Duplicate { position: seen.position } } else { ItemOutcome::Conflict });
        }
        if item.decided_at_ms.abs_diff(self.batch.clock_ms) > CLOCK_SKEW_MS_MAX {
            return Some(ItemOutcome::ClockSkewed);
        }
        let person = entry.person.as_ref();
        let rules_changed = entry.register_revision != self.state.meta.register_revision;
        if rules_changed || person.is_some_and(|person| !self.has_key(person)) {
            return Some(ItemOutcome::Stale);
        }
        let base = item.remember.as_ref().map(|change| RecordRead { key: change.key, as_of: change.as_of });
        let is_old =
            |read: RecordRead| self.state.has_changed(self.index, &read) || self.state.may_be_erased(&read, person);
        if item.read.is_some_and(is_old) || base.is_some_and(is_old) {
            return Some(ItemOutcome::Stale);
        }
        // By the stamp, which is the same on every node: no answer is given after the last day of a grant.
        if entry.granted_until_ms.is_some_and(|until_ms| until_ms <= self.batch.at_ms) {
            return Some(ItemOutcome::GrantEnded);
        }
        let counted = |key: &BudgetKey| self.state.budgets.get(key).copied().unwrap_or(0);
        let spent = |miss| spent(miss, entry.request.portal, self.batch.at_ms, counted);
        entry.miss.as_ref().and_then(spent).map(ItemOutcome::OverBudget)
    }

    /// Whether the addendum was sealed under the key that the person has.
    fn has_key(&self, person: &Person) -> bool {
        let created = self.state.trails.get(&person.key).map(|trail| trail.created);
        match person.own_key {
            OwnKey::Known { created: read } => created == Some(read),
            OwnKey::New { .. } => created.is_none(),
        }
    }

    fn count_miss(&mut self, entry: &Entry) {
        let Some(miss) = entry.miss.filter(|miss| miss.points > 0) else { return };
        for key in BudgetKey::all(self.batch.at_ms, miss.official, entry.request.portal) {
            let counted = self.state.budgets.entry(key).or_insert(0);
            *counted = counted.saturating_add(miss.points);
            self.changes.budgets.push((key, *counted));
        }
    }

    fn append(&mut self, entry: &Entry) -> ItemOutcome {
        let mut leaf = entry.leaf;
        let trail = entry.person.as_ref().map(|person| (person.key, self.trail(person)));
        if let Some((_, trail)) = &trail {
            Leaf::link(&mut leaf, &trail::link(&trail.chain));
        }
        let new = NewLeaf {
            leaf,
            envelope: entry.envelope.clone(),
            trail: trail.map(|(_, trail)| trail.id),
            previous: trail.filter(|(_, trail)| trail.count > 0).map(|(_, trail)| trail.last),
            dossier: entry.dossier,
        };
        let (position, hash) = self.changes.growth.append(&mut self.state.meta, self.batch.at_ms, new);
        if let Some((key, before)) = trail {
            let chain = trail::extend(&before.chain, &hash);
            let trail = Trail { count: before.count + 1, last: position, chain, ..before };
            self.state.trails.insert(key, trail);
            self.changes.trails.push((key, trail));
        }
        let seen = Seen { position, question: entry.question };
        self.state.requests.insert(entry.request, seen);
        self.changes.requests.push((entry.request, seen));
        ItemOutcome::Appended { position }
    }

    /// The trail that the leaf goes on with, begun if there is none.
    fn trail(&mut self, person: &Person) -> Trail {
        if let Some(trail) = self.state.trails.get(&person.key) {
            return *trail;
        }
        let (chain, sealed) = match &person.own_key {
            OwnKey::New { chain, sealed } => (*chain, sealed.clone()),
            OwnKey::Known { .. } => unreachable!("a key that is not there was refused as stale"),
        };
        self.changes.keys.push(NewKey { person: person.key, created: self.index, chain, sealed });
        Trail { created: self.index, id: trail::id(&chain), count: 0, last: 0, chain }
    }
}

impl NewLeaf {
    fn administrative(leaf: LeafBytes, envelope: &[u8]) -> Self {
        Self { leaf, envelope: envelope.to_vec(), trail: None, previous: None, dossier: [0; 16] }
    }
}
