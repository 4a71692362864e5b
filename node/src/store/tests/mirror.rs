//! What apply holds in memory is what the tables hold, whatever happens: no history tells a state with it from one
//! without.

use openraft::SnapshotMeta;
use proptest::prelude::*;
use xacminh_core::apply::{KeyedMap, Loaded, Trail, Wanted, wanted};

use super::*;
use crate::store::{
    machine::{Applier, load},
    mirror::Bounds,
};

/// So few that halves take turns and horizons move within a history; and none at all.
const TINY: Bounds = Bounds { requests: 3, records: 3, trails: 2, budgets: 9 };
const NONE: Bounds = Bounds { requests: 0, records: 0, trails: 0, budgets: 0 };

/// What happens next, before it is known in which state it does.
#[derive(Clone, Debug)]
enum Step {
    Batch {
        later_ms: u64,
        items: Vec<Plan>,
    },
    Erase {
        later_ms: u64,
        who: u8,
    },
    /// A page of a sweep, of these people, read so many entries ago.
    Page {
        people: Vec<u8>,
        read_ago: u64,
    },
    /// The process begins anew.
    Restart,
    /// A snapshot is made, to be installed later.
    Snapshot,
    /// The state becomes that of the snapshot.
    Install,
}

#[derive(Clone, Debug)]
struct Plan {
    which: u8,
    portal: u32,
    asked_ago_ms: u64,
    question: u8,
    who: u8,
    remember: bool,
    /// Entries that were applied here since the record was read; 6 is one that is to come.
    read_ago: u64,
    official: Option<u8>,
    points: u32,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let item = (
        (0..8_u8, 1..3_u32, prop::sample::select(vec![0_u64, 0, 0, 1, 1_000, HOUR_MS, REQUEST_WINDOW_MS - 1])),
        (
            prop_oneof![9 => Just(0_u8), 1 => Just(1)],
            0..6_u8,
            any::<bool>(),
            prop_oneof![6 => Just(0_u64), 2 => 1..6_u64, 1 => Just(6)],
        ),
        (prop::option::of(0..3_u8), 0..2_u32),
    );
    let item =
        item.prop_map(|((which, portal, asked_ago_ms), (question, who, remember, read_ago), (official, points))| {
            Plan { which, portal, asked_ago_ms, question, who, remember, read_ago, official, points }
        });
    let later = || prop_oneof![12 => 1..1500_u64, 2 => Just(HOUR_MS / 2), 1 => Just(REQUEST_WINDOW_MS)];
    let batch = (later(), prop::collection::vec(item, 1..6));
    let step = prop_oneof![
        12 => batch.prop_map(|(later_ms, items)| Step::Batch { later_ms, items }),
        2 => (later(), 0..6_u8).prop_map(|(later_ms, who)| Step::Erase { later_ms, who }),
        3 => (prop::collection::vec(0..6_u8, 0..5), 0..4_u64).prop_map(|(people, read_ago)| Step::Page { people, read_ago }),
        1 => Just(Step::Restart),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Install),
    ];
    prop::collection::vec(step, 1..30)
}

/// A store with an applier of its own, whose memory has the bounds that are to be tried.
struct World {
    folder: TempDir,
    bounds: Bounds,
    open: Option<(Store, Applier)>,
    notes: Arc<Notes>,
    snapshot: Option<SnapshotDir>,
    index: u64,
}

impl World {
    fn new(bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self { folder, bounds, open: None, notes: Arc::default(), snapshot: None, index: 0 };
        world.restart();
        world
    }

    fn restart(&mut self) {
        drop(self.open.take());
        let store = open(self.folder.path());
        let sink = Arc::clone(&self.notes) as Arc<dyn ApplySink>;
        let applier = Applier::new(Arc::clone(&store.state.shared), sink, self.bounds);
        self.open = Some((store, applier));
    }

    fn state(&self) -> &State {
        &self.open.as_ref().unwrap().0.state
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Restart => self.restart(),
            Step::Snapshot if self.index > 0 => {
                self.snapshot = Some(self.state().shared.build_snapshot().unwrap());
            }
            Step::Install => {
                let Some(snapshot) = self.snapshot.take() else { return };
                let manifest = snapshot.manifest();
                let meta = SnapshotMeta { last_log_id: manifest.log_id, last_membership: manifest.membership.clone() };
                self.state().shared.install(&meta, &snapshot).unwrap();
            }
            Step::Snapshot => {}
            Step::Batch { later_ms, items } => {
                let at_ms = self.next_ms(*later_ms);
                let items = items.iter().map(|plan| self.planned(plan, at_ms)).collect();
                let tree = self.state().head().tree();
                self.apply(&Command::Batch(Batch { at_ms, clock_ms: at_ms, tree, items }));
            }
            Step::Page { people, read_ago } => {
                let meta = self.state().meta();
                let as_of = self.state().applied().map_or(0, |applied| applied.index).saturating_sub(*read_ago);
                let record = |who: &u8| command::SweptRecord { key: [*who; 32], sealed: vec![*who] };
                let records = people.iter().map(record).collect();
                let (page, cursor) = (meta.sweep.pages, vec![1]);
                self.apply(&Command::Sweep(command::SweepPage {
                    begun_ms: 1,
                    page,
                    last: false,
                    cursor,
                    as_of,
                    records,
                }));
            }
            Step::Erase { later_ms, who } => {
                let at_ms = self.next_ms(*later_ms);
                let person = [*who; 32];
                let created = self.trail(*who).map_or(0, |trail| trail.created);
                let mut leaf = Leaf::decode(&leaf(item(0, at_ms).entry.request, at_ms)).unwrap();
                leaf.kind = LeafKind::Erased;
                let ticket = Ticket { node: 1, boot: 1, seq: self.index };
                let (leaf, envelope) = (leaf.encode(), Vec::new());
                self.apply(&Command::Erase(command::Erasure { ticket, at_ms, person, created, leaf, envelope }));
            }
        }
    }

    fn next_ms(&self, later_ms: u64) -> u64 {
        self.state().meta().last_at_ms.max(START_MS) + later_ms
    }

    fn trail(&self, who: u8) -> Option<Trail> {
        self.state().trail(&[who; 32]).unwrap()
    }

    /// A question as a node that has read this state would bring it.
    fn planned(&self, plan: &Plan, at_ms: u64) -> Item {
        // Half of the ids are of a second in which many meet.
        let asked_ms = if plan.asked_ago_ms == 0 { at_ms - at_ms % 10_000 } else { at_ms - plan.asked_ago_ms };
        let request = RequestKey { id: RequestId::new(asked_ms, [plan.which; 10]), portal: PortalId(plan.portal) };
        let key = [plan.who; 32];
        let applied = self.state().applied().map_or(0, |applied| applied.index);
        let as_of = if plan.read_ago == 6 { applied + 1 } else { applied.saturating_sub(plan.read_ago) };
        let mut item = item(self.index, at_ms);
        item.remember = plan.remember.then(|| RecordChange { key, as_of, sealed: vec![plan.which] });
        item.read = Some(command::RecordRead { key, as_of });
        item.entry.leaf = leaf(request, at_ms);
        item.entry.request = request;
        item.entry.question = [plan.question; 16];
        let mut chain = key;
        chain[..8].copy_from_slice(&self.index.to_be_bytes());
        let new = command::OwnKey::New { chain, sealed: vec![6; 32] };
        let own_key = self.trail(plan.who).map_or(new, |trail| command::OwnKey::Known { created: trail.created });
        item.entry.person = Some(command::Person { key, own_key });
        item.entry.miss = plan.official.map(|official| {
            let limits = command::MissLimits { official_hour: 2, portal_hour: 4, ..LIMITS };
            command::Miss { official: [official; 16], limits, points: plan.points * MISS_POINTS }
        });
        item
    }

    fn apply(&mut self, command: &Command) {
        // An index of 0 would be a record's version that says there is none.
        self.index += 1;
        let (store, applier) = self.open.as_mut().unwrap();
        let wanted = wanted(command);
        let generation = store.state.shared.generation.load_full();
        let mut head = Head::clone(&generation.head());
        let held = load(&generation, applier.mirror(), &mut head, &wanted).unwrap();
        let Loaded { records, requests, budgets, trails, .. } = as_the_tables_say(&store.state, &wanted);
        for read in &wanted.records {
            let changed = |records: &KeyedMap<_, u64>| records.get(&read.key).copied().filter(|at| *at > read.as_of);
            assert_eq!(changed(&held.records), changed(&records), "entry {}", self.index);
        }
        assert_eq!(held.requests, requests, "entry {}", self.index);
        assert_eq!(held.budgets, budgets, "entry {}", self.index);
        let points: Vec<u32> = wanted.budgets.iter().map(|key| budgets.get(key).copied().unwrap_or(0)).collect();
        assert_eq!(store.state.points(&wanted.budgets).unwrap(), points, "entry {}", self.index);
        assert_eq!(held.trails, trails, "entry {}", self.index);
        applier.apply(command_entry(self.index, command)).unwrap();
    }
}

/// What the rules want to see, read row by row where everybody else reads it.
fn as_the_tables_say(state: &State, wanted: &Wanted) -> Loaded {
    let version = |key| state.record(key).unwrap().map(|(version, _)| version);
    let points = |key| {
        let bytes = state.shared.generation.load().get(tables::BUDGETS, &tables::budget_key(key)).unwrap()?;
        Some(tables::budget_of(&bytes).unwrap())
    };
    Loaded {
        records: wanted.records.iter().filter_map(|read| Some((read.key, version(&read.key)?))).collect(),
        requests: wanted.requests.iter().filter_map(|key| Some((*key, state.seen(key).unwrap()?))).collect(),
        budgets: wanted.budgets.iter().filter_map(|key| Some((*key, points(key)?))).collect(),
        trails: wanted.trails.iter().filter_map(|key| Some((*key, state.trail(key).unwrap()?))).collect(),
        ..Loaded::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_history_tells_a_state_with_a_memory_from_one_without(steps in steps()) {
        let mut worlds = [Bounds::DEFAULT, TINY, NONE].map(World::new);
        for step in &steps {
            worlds.iter_mut().for_each(|world| world.step(step));
        }
        let [first, others @ ..] = &worlds;
        for other in others {
            prop_assert_eq!(&*other.notes.outcomes.lock().unwrap(), &*first.notes.outcomes.lock().unwrap());
            prop_assert_eq!(other.state().digest().unwrap(), first.state().digest().unwrap());
        }
    }
}
