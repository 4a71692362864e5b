//! What of the state a command needs to see before it is applied.

use std::collections::HashMap;

use xacminh_proto::transparency::{Hash, merkle::Frontier};

use super::{BudgetKey, KeyedMap, Meta, Seen, Trail};
use crate::command::{Command, OwnKey, Person, RecordKey, RecordRead, RequestKey};

/// What must be loaded before a command can be applied.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Records, each with the entry after which a change is to be seen; in no order, and perhaps twice.
    pub records: Vec<RecordRead>,
    /// Requests that may have been seen.
    pub requests: Vec<RequestKey>,
    /// Budgets to count against.
    pub budgets: Vec<BudgetKey>,
    /// People whose trails grow.
    pub trails: Vec<RecordKey>,
    /// A number of leaves whose root is claimed.
    pub root_at: Option<u64>,
}

/// What was loaded; what is absent here is absent in the state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The state about itself.
    pub meta: Meta,
    /// Versions of records, which are the Raft indexes of the entries that changed them last. One that was not changed since
    /// it was wanted may be absent.
    pub records: KeyedMap<RecordKey, u64>,
    /// Requests seen within the window.
    pub requests: HashMap<RequestKey, Seen>,
    /// Points counted against budgets.
    pub budgets: KeyedMap<BudgetKey, u32>,
    /// Trails.
    pub trails: KeyedMap<RecordKey, Trail>,
    /// The tree of the shard in force.
    pub frontier: Frontier,
    /// The root of the tree as it was at the number of leaves wanted; none if it never had so many.
    pub root_at: Option<Hash>,
}

impl Loaded {
    /// Whether the entry at `index` meets another record than was read, but for erasures. Nobody has read what is still to
    /// come.
    pub(super) fn has_changed(&self, index: u64, read: &RecordRead) -> bool {
        let version = self.records.get(&read.key).copied().unwrap_or(0);
        version > read.as_of || read.as_of >= index
    }

    /// Whether the record may have been erased since it was read: of a person who was erased nothing is left to tell by, so
    /// that any erasure counts, but for a person whose own key is the one they had when it was read.
    ///
    /// `person` is whom the item is about, if their key is found to be the one that it names.
    pub(super) fn may_be_erased(&self, read: &RecordRead, person: Option<&Person>) -> bool {
        let had_key = |person: &Person| {
            person.key == read.key && matches!(person.own_key, OwnKey::Known { created } if created <= read.as_of)
        };
        self.meta.erased > read.as_of && !person.is_some_and(had_key)
    }
}

/// What [`apply`](fn@super::apply) needs to know about the state.
#[must_use]
pub fn wanted(command: &Command) -> Wanted {
    let batch = match command {
        Command::Batch(batch) => batch,
        Command::Register(_) => return Wanted::default(),
        Command::Erase(erasure) => return Wanted { trails: vec![erasure.person], ..Wanted::default() },
        Command::Sweep(page) => {
            let as_of = page.as_of;
            let records = page.records.iter().map(|record| RecordRead { key: record.key, as_of }).collect();
            return Wanted { records, ..Wanted::default() };
        }
    };
    let mut wanted = Wanted { root_at: Some(batch.tree.leaves), ..Wanted::default() };
    let mut counted = None;
    for item in &batch.items {
        wanted.records.extend(item.read);
        let change = item.remember.as_ref();
        wanted.records.extend(change.map(|change| RecordRead { key: change.key, as_of: change.as_of }));
        wanted.requests.push(item.entry.request);
        wanted.trails.extend(item.entry.person.as_ref().map(|person| person.key));
        let counts = item.entry.miss.map(|miss| (miss.official, item.entry.request.portal));
        // Questions of one official come together: their six windows are wanted once.
        if let Some((official, portal)) = counts.filter(|_| counts != counted) {
            wanted.budgets.extend(BudgetKey::all(batch.at_ms, official, portal));
        }
        counted = counts.or(counted);
    }
    wanted.requests.sort_unstable();
    wanted.requests.dedup();
    wanted.budgets.sort_unstable();
    wanted.budgets.dedup();
    wanted.trails.sort_unstable();
    wanted.trails.dedup();
    wanted
}
