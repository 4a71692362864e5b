//! Searches against a model that reads everything, over a real state and index.

use std::sync::Arc;

use proptest::prelude::*;
use xacminh_core::command::{Batch, Command, Entry, Item, OwnKey, Person, RequestKey, Ticket, TreeHead};
use xacminh_proto::{
    transparency::{Leaf, LeafKind, LeafVerdict},
    vocab::{PortalId, RequestId},
};

use super::*;
use crate::{
    audit::{Stepped, step},
    store::{ApplySink, Options, Store, at_once::AtOnce},
};

const START_MS: u64 = 1_793_000_000_000;

struct Deaf;

impl ApplySink for Deaf {
    fn applied(&self, _: u64, _: u64, _: u64, _: Vec<(Ticket, xacminh_core::apply::ItemOutcome)>) {}
}

/// What one leaf of a test says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::audit) struct Said {
    pub(in crate::audit) portal: u32,
    pub(in crate::audit) official: u8,
    pub(in crate::audit) procedure: u32,
    pub(in crate::audit) dossier: u8,
    pub(in crate::audit) person: u8,
    pub(in crate::audit) verdict: LeafVerdict,
}

fn said() -> impl Strategy<Value = Said> {
    let verdict = proptest::sample::select(vec![LeafVerdict::Match, LeafVerdict::NoMatch, LeafVerdict::Undetermined]);
    (1_u32..4, 0_u8..4, 1_u32..3, 0_u8..6, 1_u8..5, verdict).prop_map(
        |(portal, official, procedure, dossier, person, verdict)| Said {
            portal,
            official,
            procedure,
            dossier,
            person,
            verdict,
        },
    )
}

fn item(said: &Said, number: u64, at_ms: u64, known: bool) -> Item {
    let [.., a, b] = number.to_be_bytes();
    let id = RequestId::new(at_ms, [0, 0, 0, 0, 0, 0, 0, 0, a, b]);
    let (key, chain) = ([said.person; 32], [said.person; 32]);
    let leaf = Leaf {
        kind: LeafKind::Disclosed,
        time_ms: at_ms,
        request_id: id,
        portal: PortalId(said.portal),
        official: [said.official; 16],
        purpose: 1,
        procedure: said.procedure,
        register_revision: 0,
        fields: 1,
        verdict: said.verdict,
        subject: [2; 32],
        attributes_root: [3; 32],
        addendum_digest: [4; 32],
        record_version: 0,
        previous: [0; 32],
    };
    // The key of each person is made by entry 1, in which everybody is asked about.
    let own_key = if known { OwnKey::Known { created: 1 } } else { OwnKey::New { chain, sealed: vec![1] } };
    Item {
        ticket: Ticket { node: 1, boot: 1, seq: number },
        decided_at_ms: at_ms,
        remember: None,
        read: None,
        entry: Entry {
            leaf: leaf.encode(),
            envelope: vec![1],
            request: RequestKey { id, portal: PortalId(said.portal) },
            person: Some(Person { key, own_key }),
            dossier: [said.dossier; 16],
            question: [5; 16],
            register_revision: 0,
            miss: None,
            granted_until_ms: None,
        },
    }
}

/// What one leaf of many says.
pub(super) struct Many {
    pub(super) portal: u32,
    pub(super) official: [u8; 16],
    pub(super) procedure: u32,
    pub(super) dossier: [u8; 16],
    pub(super) person: u64,
}

/// Milliseconds between two batches.
pub(in crate::audit) const BATCH_MS: u64 = 10;

/// The stamp of a batch.
pub(in crate::audit) const fn stamp_of(batch: u64) -> u64 {
    START_MS + batch * BATCH_MS
}

/// The row key of one of many people.
pub(super) fn row_key(person: u64) -> [u8; 32] {
    let mut key = [0xa5; 32];
    key[..8].copy_from_slice(&person.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[8..16].copy_from_slice(&person.to_be_bytes());
    key
}

pub(in crate::audit) struct Scene {
    log: AtOnce,
    pub(in crate::audit) state: State,
    pub(in crate::audit) index: AuditIndex,
    leaves: Vec<Said>,
    /// Batches so far, or places for them.
    pub(in crate::audit) batches: u64,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(in crate::audit) async fn new() -> Self {
        Self::with_cache(1024 * 1024).await
    }

    pub(super) async fn with_cache(block_cache_bytes: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let options = Options { directory: &data, cluster: "da-nang", node: 1, incarnation: 1, block_cache_bytes };
        let store = Store::open(&options, Arc::new(Deaf), Arc::new(|fatal| panic!("{fatal}"))).expect("a store");
        let index = AuditIndex::open(&data.join("audit-index")).expect("an index");
        let log = AtOnce::new(store.machine);
        let mut scene = Self { log, state: store.state, index, leaves: Vec::new(), batches: 0, _folder: folder };
        let everybody = (1..5).map(|person| Said {
            portal: 1,
            official: 0,
            procedure: 1,
            dossier: 0,
            person,
            verdict: LeafVerdict::Match,
        });
        scene.append(&everybody.collect::<Vec<_>>()).await;
        scene
    }

    /// One batch; its leaves share a stamp.
    pub(in crate::audit) async fn append(&mut self, said: &[Said]) {
        let at_ms = stamp_of(self.batches);
        let first = u64::try_from(self.leaves.len()).expect("a few");
        let items = (first..).zip(said).map(|(number, said)| item(said, number, at_ms, self.batches > 0)).collect();
        let batch = Batch { at_ms, clock_ms: at_ms, tree: TreeHead::default(), items };
        self.log.apply(&Command::Batch(batch)).await;
        self.leaves.extend_from_slice(said);
        self.batches += 1;
        assert_eq!(self.state.meta().leaves, first + u64::try_from(said.len()).expect("a few"));
    }

    /// One batch of many leaves; `known` has the entry that made each person's key, 0 for none.
    pub(super) async fn append_many(&mut self, many: &[Many], known: &mut [u64]) {
        let at_ms = stamp_of(self.batches);
        let index = self.batches + 1;
        let said = scene_said();
        let first = self.state.meta().leaves;
        let mut items = Vec::with_capacity(many.len());
        for (number, many) in (first..).zip(many) {
            let mut item = item(&said, number, at_ms, true);
            let created = &mut known[usize::try_from(many.person).expect("a few")];
            // A key made in this very entry stands for those who come later in it.
            let own_key = match *created {
                0 => OwnKey::New { chain: row_key(many.person), sealed: vec![1; 60] },
                created => OwnKey::Known { created },
            };
            if *created == 0 {
                *created = index;
            }
            item.entry.person = Some(Person { key: row_key(many.person), own_key });
            item.entry.dossier = many.dossier;
            item.entry.envelope = vec![1; 180];
            // Chance as in real ids: bytes that look random, and no two alike.
            let chance = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let [.., high, low] = number.to_be_bytes();
            let id = RequestId::new(at_ms, [&chance, [high, low].as_slice()].concat().try_into().expect("ten"));
            item.entry.request = RequestKey { id, portal: PortalId(many.portal) };
            let leaf = Leaf::decode(&item.entry.leaf).expect("a leaf");
            let portal = PortalId(many.portal);
            let leaf = Leaf { request_id: id, portal, official: many.official, procedure: many.procedure, ..leaf };
            item.entry.leaf = leaf.encode();
            items.push(item);
        }
        let tree = self.state.tree();
        self.log.apply(&Command::Batch(Batch { at_ms, clock_ms: at_ms, tree, items })).await;
        self.batches += 1;
        let grown = self.state.meta().leaves - first;
        assert_eq!(grown, u64::try_from(many.len()).expect("a few"), "nothing is turned away");
    }

    pub(in crate::audit) fn level(&self) {
        while step(&self.index, &self.state).expect("stepped") != Stepped::Level {}
    }

    /// All pages of a search, each of at most `limit` entries.
    fn pages(&self, search: &Search) -> Vec<u64> {
        let mut search = search.clone();
        let mut positions = Vec::new();
        for _ in 0..10_000 {
            let page = find(&self.index, &self.state, &search).expect("found");
            assert!(page.entries.len() <= search.limit);
            positions.extend(page.entries.iter().map(|(position, _)| *position));
            match page.next {
                None => return positions,
                Some(next) if search.newest_first => search.within.end = next + 1,
                Some(next) => search.within.start = next,
            }
        }
        panic!("pages without end");
    }

    fn trail(&self, person: u8) -> Option<Trail> {
        self.state.trail(&[person; 32]).expect("read")
    }
}

#[derive(Clone, Debug)]
struct Asked {
    portals: Vec<u32>,
    official: Option<u8>,
    procedure: Option<u32>,
    dossier: Option<u8>,
    person: Option<u8>,
    verdict: Option<LeafVerdict>,
    from: u64,
    until: u64,
    newest_first: bool,
    limit: usize,
}

fn asked() -> impl Strategy<Value = Asked> {
    let verdict = proptest::sample::select(vec![LeafVerdict::Match, LeafVerdict::NoMatch, LeafVerdict::Refused]);
    (
        (
            proptest::collection::vec(1_u32..5, 0..3),
            proptest::option::weighted(0.3, 0_u8..5),
            proptest::option::weighted(0.3, 1_u32..4),
        ),
        (
            proptest::option::weighted(0.3, 0_u8..7),
            proptest::option::weighted(0.3, 1_u8..5),
            proptest::option::weighted(0.3, verdict),
        ),
        (0_u64..200, 0_u64..400, any::<bool>(), 1_usize..20),
    )
        .prop_map(
            |((portals, official, procedure), (dossier, person, verdict), (from, until, newest_first, limit))| Asked {
                portals,
                official,
                procedure,
                dossier,
                person,
                verdict,
                from,
                until,
                newest_first,
                limit,
            },
        )
}

impl Asked {
    fn search(&self, scene: &Scene) -> Search {
        let mut groups = Vec::new();
        if !self.portals.is_empty() {
            groups.push(self.portals.iter().map(|portal| Term::Portal(*portal)).collect());
        }
        groups.extend(self.official.map(|official| vec![Term::Official([official; 16])]));
        groups.extend(self.procedure.map(|procedure| vec![Term::Procedure(procedure)]));
        groups.extend(self.dossier.map(|dossier| vec![Term::Dossier([dossier; 16])]));
        groups.extend(self.verdict.map(|verdict| vec![Term::outcome(LeafKind::Disclosed, verdict)]));
        let trail = self.person.map(|person| scene.trail(person).expect("everybody was asked about"));
        Search { groups, trail, within: self.from..self.until, newest_first: self.newest_first, limit: self.limit }
    }

    fn expected(&self, leaves: &[Said]) -> Vec<u64> {
        let fits = |said: &Said| {
            (self.portals.is_empty() || self.portals.contains(&said.portal))
                && self.official.is_none_or(|official| said.official == official)
                && self.procedure.is_none_or(|procedure| said.procedure == procedure)
                // A mark of zeros is no dossier's.
                && self.dossier.is_none_or(|dossier| said.dossier == dossier && dossier != 0)
                && self.person.is_none_or(|person| said.person == person)
                && self.verdict.is_none_or(|verdict| said.verdict == verdict)
        };
        let found = (0..).zip(leaves).filter(|(at, said)| (self.from..self.until).contains(at) && fits(said));
        let mut found: Vec<u64> = found.map(|(at, _)| at).collect();
        if self.newest_first {
            found.reverse();
        }
        found
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn searches_find_what_reading_everything_finds(
        batches in proptest::collection::vec(proptest::collection::vec(said(), 1..30), 1..12),
        searches in proptest::collection::vec(asked(), 20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut scene = Scene::new().await;
            for (number, batch) in batches.iter().enumerate() {
                scene.append(batch).await;
                if number % 3 == 0 {
                    scene.level();
                }
            }
            scene.level();
            for asked in &searches {
                let found = scene.pages(&asked.search(&scene));
                assert_eq!(found, asked.expected(&scene.leaves), "{asked:?}");
            }
        });
    }
}

#[tokio::test]
async fn times_become_positions() {
    let mut scene = Scene::new().await;
    let said = |portal| Said { portal, ..scene_said() };
    for size in [3, 1, 5] {
        scene.append(&vec![said(1); size]).await;
    }
    // Batches begin at 0, 4, 7 and 8, ten milliseconds apart.
    for (ms, position) in [(0, 0), (1, 4), (10, 4), (11, 7), (20, 7), (21, 8), (30, 8), (31, 13), (1_000, 13)] {
        assert_eq!(scene.state.position_at(START_MS + ms).expect("read"), position, "{ms} ms");
    }
    assert_eq!(scene.state.position_at(0).expect("read"), 0);
}

pub(in crate::audit) fn scene_said() -> Said {
    Said { portal: 1, official: 1, procedure: 1, dossier: 1, person: 1, verdict: LeafVerdict::Match }
}

/// A page says how far it looked, and a later one finds what came meanwhile.
#[tokio::test]
async fn what_is_not_indexed_yet_is_said_and_found_later() {
    let mut scene = Scene::new().await;
    scene.level();
    scene.append(&[scene_said()]).await;
    let search =
        Search { groups: vec![vec![Term::Portal(1)]], trail: None, within: 0..u64::MAX, newest_first: true, limit: 1 };
    let page = find(&scene.index, &scene.state, &search).expect("found");
    assert_eq!((page.leaves, page.indexed, page.entries[0].0, page.next), (5, 4, 3, Some(2)));
    scene.level();
    let page = find(&scene.index, &scene.state, &search).expect("found");
    assert_eq!((page.indexed, page.entries[0].0), (5, 4));
}

/// An index of another history, or one that is ahead of it, is dropped and made anew; so is one whose folder is gone.
#[tokio::test]
async fn an_index_of_another_history_is_made_anew() {
    let mut one = Scene::new().await;
    one.append(&vec![scene_said(); 9]).await;
    one.level();
    let mut other = Scene::new().await;
    other.append(&[Said { portal: 2, ..scene_said() }]).await;
    // The first index stands over the second state: first ahead of it, then beside it.
    assert_eq!(step(&one.index, &other.state).expect("stepped"), Stepped::Dropped);
    assert_eq!(step(&one.index, &other.state).expect("stepped"), Stepped::Added(5));
    let search =
        Search { groups: vec![vec![Term::Portal(2)]], trail: None, within: 0..u64::MAX, newest_first: true, limit: 9 };
    let found = find(&one.index, &other.state, &search).expect("found");
    assert_eq!(found.entries.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [4]);
    assert_eq!(step(&one.index, &one.state).expect("stepped"), Stepped::Dropped, "the last leaf is another");
    assert_eq!(step(&one.index, &one.state).expect("stepped"), Stepped::Added(13));
}

/// A wrong index is not believed: what it names is compared with the leaf.
#[tokio::test]
async fn an_index_that_lies_is_found_out() {
    let scene = Scene::new().await;
    let leaf = scene.state.leaf(3).expect("read").expect("there");
    let last = xacminh_proto::transparency::merkle::leaf_hash(&leaf);
    scene.index.add(&[(Term::Portal(3), 2)], crate::store::Progress { leaves: 4, last }).expect("added");
    let search =
        Search { groups: vec![vec![Term::Portal(3)]], trail: None, within: 0..u64::MAX, newest_first: true, limit: 9 };
    assert!(matches!(find(&scene.index, &scene.state, &search), Err(SearchError::Disk(_))));
}

/// Terms that never meet cost a bounded number of steps a page, and the pages end all the same.
#[tokio::test]
async fn a_page_has_its_price_whatever_is_asked() {
    let scene = Scene::new().await;
    let blocks = u64::from(ROWS_MAX) * 2;
    let leaf = scene.state.leaf(3).expect("read").expect("there");
    let last = xacminh_proto::transparency::merkle::leaf_hash(&leaf);
    // One leaf in every block, and never one of both: this index is not of this state, which is never read for it.
    let mut terms: Vec<(Term, u64)> = (0..blocks)
        .flat_map(|block| {
            let at = block * crate::store::BLOCK_LEAVES;
            [(Term::Portal(1), at), (Term::Procedure(1), at + 1)]
        })
        .collect();
    terms.sort_unstable();
    scene.index.add(&terms, crate::store::Progress { leaves: 4, last }).expect("added");
    let groups = vec![vec![Term::Portal(1)], vec![Term::Procedure(1)]];
    let mut walks = Walks::new(
        &scene.index,
        &scene.state,
        &Search { groups, trail: None, within: 0..u64::MAX, newest_first: false, limit: 9 },
    )
    .expect("a trail of nobody is read");
    let mut at = 0;
    let mut rounds = 0;
    while !walks.are_spent() {
        at = walks.next(at).expect("walked").expect("there is more");
        rounds += 1;
        assert!(rounds < STEPS_MAX);
    }
    assert!(at < blocks * crate::store::BLOCK_LEAVES, "it stopped before the end");
}
