//! The rule by which a committed command changes the state: total, deterministic, the same live and in recovery.
//!
//! Loading comes first ([`wanted`]), then one synchronous step ([`apply`]) that touches no disk and returns what to write.

use std::collections::{HashMap, HashSet};

use xacminh_proto::transparency::{Leaf, LeafBytes, LeafKind};

use crate::command::{Batch, Command, Entry, Item, RecordKey, RegisterChange, RequestKey, Ticket};

/// How long a request id is remembered, and how old one may be when it arrives: a day, longer than any retry.
pub const REQUEST_WINDOW_MS: u64 = 24 * 3_600_000;

/// How far ahead of the leader's stamp a request id's time may lie: callers' clocks are only roughly right.
pub const REQUEST_AHEAD_MS: u64 = 5 * 60_000;

/// How far a node's clock may be from the leader's when it decides: ages and freshness are reckoned with it.
pub const CLOCK_SKEW_MS_MAX: u64 = 30_000;

const HOUR_MS: u64 = 3_600_000;

/// What the state remembers about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Meta {
    /// Leaves in the log; the next leaf's position.
    pub leaves: u64,
    /// Stamp of the last leaf, Unix milliseconds.
    pub last_at_ms: u64,
    /// Register revision in force; 0 before the first.
    pub register_revision: u64,
}

/// What must be loaded before a command can be applied.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Records whose version is needed.
    pub records: Vec<RecordKey>,
    /// Requests that may have been seen.
    pub requests: Vec<RequestKey>,
    /// Budgets to count against.
    pub budgets: Vec<BudgetKey>,
}

/// What was loaded; what is absent here is absent in the state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The state about itself.
    pub meta: Meta,
    /// Versions of records.
    pub records: HashMap<RecordKey, u64>,
    /// Requests seen within the window.
    pub requests: HashMap<RequestKey, Seen>,
    /// Misses counted.
    pub budgets: HashMap<BudgetKey, u32>,
}

/// A request that has its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where its leaf is.
    pub position: u64,
    /// Keyed digest of its question.
    pub question: [u8; 16],
}

/// Misses of one official within one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetKey {
    /// Hours since 1970.
    pub hour: u32,
    /// Pseudonym of the official.
    pub official: [u8; 16],
}

/// What to write, all of it in one atomic step.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Changes {
    /// The state about itself, afterwards.
    pub meta: Meta,
    /// New leaves with their sealed addenda; the first has position `meta.leaves - leaves.len()`.
    pub leaves: Vec<(LeafBytes, Vec<u8>)>,
    /// Records: key, new version, sealed value.
    pub records: Vec<(RecordKey, u64, Vec<u8>)>,
    /// Requests that now have their leaf.
    pub requests: Vec<(RequestKey, Seen)>,
    /// Misses counted.
    pub budgets: Vec<(BudgetKey, u32)>,
    /// The new register document.
    pub register: Option<String>,
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
    /// The official's misses are spent: decide again, as a refusal. Hits are refused too, or guessing could go on.
    OverBudget,
    /// The proposing node's clock is too far from the leader's.
    ClockSkewed,
}

/// A command applied.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Applied {
    /// What to write.
    pub changes: Changes,
    /// What to tell the proposers.
    pub outcomes: Vec<(Ticket, ItemOutcome)>,
}

/// The replicated history contradicts itself: the node stops rather than go on from a state nobody can explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A leaf does not carry its batch's stamp.
    #[error("a leaf's time is not that of its batch")]
    Stamp,
    /// A leaf's request id is not that of its item.
    #[error("a leaf's request is not that of its item")]
    Request,
    /// A leaf cannot be read.
    #[error("a leaf that this version cannot read")]
    Leaf,
    /// A leaf names another register revision than its entry.
    #[error("a leaf's register revision is not that of its entry")]
    Revision,
    /// A leaf of the wrong kind for its command.
    #[error("a change of the register has a leaf of its own kind, and nothing else has")]
    Kind,
}

/// What [`apply`] needs to know about the state.
#[must_use]
pub fn wanted(command: &Command) -> Wanted {
    let Command::Batch(batch) = command else { return Wanted::default() };
    let mut wanted = Wanted::default();
    for item in &batch.items {
        wanted.records.extend(item.read.map(|read| read.key));
        wanted.records.extend(item.remember.as_ref().map(|change| change.key));
        wanted.requests.push(item.entry.request);
        wanted.budgets.extend(item.entry.miss.map(|miss| BudgetKey::new(batch.at_ms, miss.official)));
    }
    wanted.records.sort_unstable();
    wanted.records.dedup();
    wanted.requests.sort_unstable();
    wanted.requests.dedup();
    wanted.budgets.sort_unstable();
    wanted.budgets.dedup();
    wanted
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
        Command::Register(change) => apply_register(change, &loaded),
    }
}

fn apply_batch(index: u64, batch: &Batch, loaded: Loaded) -> Result<Applied, Contradiction> {
    let in_order = batch.at_ms > loaded.meta.last_at_ms;
    let mut step =
        Step { index, at_ms: batch.at_ms, state: loaded, changes: Changes::default(), remembered: HashSet::new() };
    let mut outcomes = Vec::with_capacity(batch.items.len());
    for item in &batch.items {
        check_sound(item, batch.at_ms)?;
        // A stamp that does not go forward is a former leader's: its items are decided again under the present one.
        let outcome = if in_order { step.item(item) } else { ItemOutcome::Stale };
        outcomes.push((item.ticket, outcome));
    }
    // A batch that leaves no leaf leaves no time either: a leader whose clock ran ahead, and whose items were turned away
    // for it, must not force its time on those who follow.
    if !step.changes.leaves.is_empty() {
        step.state.meta.last_at_ms = batch.at_ms;
    }
    step.changes.meta = step.state.meta;
    Ok(Applied { changes: step.changes, outcomes })
}

fn apply_register(change: &RegisterChange, loaded: &Loaded) -> Result<Applied, Contradiction> {
    let leaf = Leaf::decode(&change.leaf).map_err(|_| Contradiction::Leaf)?;
    if leaf.time_ms != change.at_ms {
        return Err(Contradiction::Stamp);
    }
    if leaf.kind != LeafKind::Policy {
        return Err(Contradiction::Kind);
    }
    if u64::from(leaf.register_revision) != change.revision {
        return Err(Contradiction::Revision);
    }
    let meta = loaded.meta;
    let current = change.before == meta.register_revision && change.revision > change.before;
    if !current || change.at_ms <= meta.last_at_ms {
        let changes = Changes { meta, ..Changes::default() };
        return Ok(Applied { changes, outcomes: vec![(change.ticket, ItemOutcome::Stale)] });
    }
    let position = meta.leaves;
    let changes = Changes {
        meta: Meta { leaves: position + 1, last_at_ms: change.at_ms, register_revision: change.revision },
        leaves: vec![(change.leaf, change.envelope.clone())],
        register: Some(change.document.clone()),
        ..Changes::default()
    };
    Ok(Applied { changes, outcomes: vec![(change.ticket, ItemOutcome::Appended { position })] })
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
    if leaf.kind == LeafKind::Policy {
        return Err(Contradiction::Kind);
    }
    if u64::from(leaf.register_revision) != entry.register_revision {
        return Err(Contradiction::Revision);
    }
    Ok(())
}

struct Step {
    index: u64,
    at_ms: u64,
    state: Loaded,
    changes: Changes,
    /// Records written by this very batch: a second change of one would carry the same version.
    remembered: HashSet<RecordKey>,
}

impl Step {
    fn item(&mut self, item: &Item) -> ItemOutcome {
        if let Some(outcome) = self.refuse(item) {
            return outcome;
        }
        self.count_miss(&item.entry);
        if let Some(change) = &item.remember {
            self.state.records.insert(change.key, self.index);
            self.remembered.insert(change.key);
            self.changes.records.push((change.key, self.index, change.sealed.clone()));
        }
        self.append(&item.entry)
    }

    /// Why the item may not be appended, if so. Nothing has changed then.
    fn refuse(&self, item: &Item) -> Option<ItemOutcome> {
        let entry = &item.entry;
        // First of all: nodes forget old requests each at its own pace, and must not differ in what they say of them.
        let asked_ms = entry.request.id.unix_ms();
        let too_old = asked_ms.saturating_add(REQUEST_WINDOW_MS) < self.at_ms;
        if too_old || asked_ms > self.at_ms.saturating_add(REQUEST_AHEAD_MS) {
            return Some(ItemOutcome::Expired);
        }
        if let Some(seen) = self.state.requests.get(&entry.request) {
            let same = seen.question == entry.question;
            return Some(if same { ItemOutcome::Duplicate { position: seen.position } } else { ItemOutcome::Conflict });
        }
        if item.decided_at_ms.abs_diff(self.at_ms) > CLOCK_SKEW_MS_MAX {
            return Some(ItemOutcome::ClockSkewed);
        }
        let version_of = |key: RecordKey| self.state.records.get(&key).copied().unwrap_or(0);
        let read_changed = item.read.is_some_and(|read| version_of(read.key) != read.version);
        let base_changed = item
            .remember
            .as_ref()
            .is_some_and(|change| version_of(change.key) != change.before || self.remembered.contains(&change.key));
        if read_changed || base_changed || entry.register_revision != self.state.meta.register_revision {
            return Some(ItemOutcome::Stale);
        }
        let spent = entry.miss.is_some_and(|miss| {
            let counted = self.state.budgets.get(&BudgetKey::new(self.at_ms, miss.official)).copied().unwrap_or(0);
            counted >= miss.limit
        });
        spent.then_some(ItemOutcome::OverBudget)
    }

    fn count_miss(&mut self, entry: &Entry) {
        if let Some(miss) = entry.miss.filter(|miss| miss.counts) {
            let key = BudgetKey::new(self.at_ms, miss.official);
            let counted = self.state.budgets.entry(key).or_insert(0);
            *counted += 1;
            self.changes.budgets.push((key, *counted));
        }
    }

    fn append(&mut self, entry: &Entry) -> ItemOutcome {
        let position = self.state.meta.leaves;
        let seen = Seen { position, question: entry.question };
        self.state.meta.leaves += 1;
        self.state.requests.insert(entry.request, seen);
        self.changes.requests.push((entry.request, seen));
        self.changes.leaves.push((entry.leaf, entry.envelope.clone()));
        ItemOutcome::Appended { position }
    }
}

impl BudgetKey {
    /// The budget that counts at a moment.
    #[must_use]
    pub fn new(at_ms: u64, official: [u8; 16]) -> Self {
        let hour = u32::try_from(at_ms / HOUR_MS).unwrap_or(u32::MAX);
        Self { hour, official }
    }
}
