//! The store as a whole: openraft's own suite, crashes, snapshots, and what other replicas must agree on.

mod mirror;
mod pruning;
mod snapshots;
mod tree;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use bytes::Bytes;
use futures::stream;
use openraft::{
    EntryPayload, LogId, StorageError,
    entry::RaftEntry,
    storage::{IOFlushed, RaftLogStorage, RaftStateMachine},
    testing::log::{StoreBuilder, Suite},
    type_config::TypeConfigExt,
    vote::leader_id_adv::LeaderId,
};
use tempfile::TempDir;
use xacminh_core::{
    apply::{self, ItemOutcome, MISS_POINTS, REQUEST_WINDOW_MS},
    command::{self, Batch, Command, Item, RecordChange, RegisterChange, RequestKey, Ticket, TreeHead},
};
use xacminh_proto::{
    transparency::{Leaf, LeafBytes, LeafKind, LeafVerdict, trail},
    vocab::{PortalId, RequestId},
};

use super::{
    encoding::{Entry, LogIdOf, Membership},
    *,
};
use crate::raft::{CommandBytes, Member, TypeConfig};

const START_MS: u64 = 1_793_000_000_000;
const HOUR_MS: u64 = 3_600_000;

/// So many misses that nobody spends them.
const LIMITS: command::MissLimits = command::MissLimits {
    official_hour: 1_000_000,
    official_day: 1_000_000,
    portal_hour: 1_000_000,
    portal_day: 1_000_000,
    cluster_hour: 1_000_000,
    cluster_day: 1_000_000,
};

#[derive(Default)]
struct Notes {
    outcomes: Mutex<Vec<(u64, ItemOutcome)>>,
}

impl ApplySink for Notes {
    fn applied(&self, log_index: u64, _: u64, _: u64, outcomes: Vec<(Ticket, ItemOutcome)>) {
        self.outcomes.lock().unwrap().extend(outcomes.into_iter().map(|(_, outcome)| (log_index, outcome)));
    }
}

/// A fault no test expects: what follows would be nonsense.
fn unexpected() -> FatalHook {
    Arc::new(|fatal| panic!("unexpected: {fatal}"))
}

fn try_open(root: &Path, node: u64, sink: Arc<dyn ApplySink>, fatal: FatalHook) -> Result<Store, StoreError> {
    let options =
        Options { directory: root, cluster: "da-nang", node, incarnation: 7, block_cache_bytes: 8 * 1024 * 1024 };
    Store::open(&options, sink, fatal)
}

fn open(root: &Path) -> Store {
    try_open(root, 1, Arc::new(Notes::default()), unexpected()).unwrap()
}

fn log_id(index: u64) -> LogIdOf {
    LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index }
}

fn leaf(request: RequestKey, at_ms: u64) -> LeafBytes {
    let leaf = Leaf {
        kind: LeafKind::Disclosed,
        time_ms: at_ms,
        request_id: request.id,
        portal: request.portal,
        official: [1; 16],
        purpose: 1,
        procedure: 1,
        register_revision: 0,
        fields: 1,
        verdict: LeafVerdict::Match,
        subject: [2; 32],
        attributes_root: [3; 32],
        addendum_digest: [4; 32],
        record_version: 0,
        previous: [0; 32],
    };
    leaf.encode()
}

fn item(number: u64, at_ms: u64) -> Item {
    let id = RequestId::new(at_ms, [&[0; 2], number.to_be_bytes().as_slice()].concat().try_into().unwrap());
    let request = RequestKey { id, portal: PortalId(1) };
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    Item {
        ticket: Ticket { node: 1, boot: 1, seq: number },
        decided_at_ms: at_ms,
        remember: Some(RecordChange { key, as_of: 0, sealed: format!("sealed record {number}").into_bytes() }),
        read: None,
        entry: command::Entry {
            leaf: leaf(request, at_ms),
            envelope: format!("sealed addendum {number}").into_bytes(),
            request,
            person: Some(command::Person { key, own_key: command::OwnKey::New { chain: key, sealed: vec![6; 32] } }),
            dossier: [7; 16],
            question: [5; 16],
            register_revision: 0,
            miss: Some(command::Miss { official: [1; 16], limits: LIMITS, points: MISS_POINTS }),
            granted_until_ms: None,
        },
    }
}

/// A batch of a leader that has applied nothing yet: its tree is part of every history.
fn batch(at_ms: u64, items: Vec<Item>) -> Command {
    Command::Batch(Batch { at_ms, clock_ms: at_ms, tree: TreeHead::default(), items })
}

fn command_entry(index: u64, command: &Command) -> Entry {
    let bytes = CommandBytes(Bytes::from(command.encode().unwrap()));
    Entry::new(log_id(index), EntryPayload::Normal(bytes))
}

fn batch_entry(index: u64, at_ms: u64, numbers: std::ops::Range<u64>) -> Entry {
    let items = numbers.map(|number| item(number, at_ms)).collect();
    command_entry(index, &batch(at_ms, items))
}

/// Entry 0 is a membership, as `initialize` writes it; every other one a batch of ten questions.
fn entries(range: std::ops::Range<u64>) -> Vec<Entry> {
    let member = Member { peer_addr: "127.0.0.1:9001".into(), client_addr: "127.0.0.1:9002".into() };
    let membership = Membership::new(vec![[1].into()], BTreeMap::from([(1, member)])).unwrap();
    range
        .map(|index| match index {
            0 => Entry::new(log_id(0), EntryPayload::Membership(membership.clone())),
            _ => batch_entry(index, START_MS + index, index * 10..index * 10 + 10),
        })
        .collect()
}

async fn append(log: &mut LogStore, entries: Vec<Entry>) {
    let (sender, receiver) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(sender)).await.unwrap();
    receiver.await.unwrap().unwrap();
}

async fn apply(machine: &mut StateMachine, entries: Vec<Entry>) {
    machine.apply(stream::iter(entries.into_iter().map(|entry| Ok((entry, None))))).await.unwrap();
}

/// What a power cut leaves of files in use: a copy of each as it is now. Closing the store would tidy up.
fn crash_copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let into = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            crash_copy(&entry.path(), &into);
        } else {
            fs::copy(entry.path(), into).unwrap();
        }
    }
}

fn wal(root: &Path) -> PathBuf {
    let wals = fs::read_dir(root.join("log")).unwrap().map(|entry| entry.unwrap().path());
    wals.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
}

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        // The suite purges entries that it never applied; what guards against that has tests of its own.
        store.state.shared.floor.advance(u64::MAX - 1);
        Ok((folder, store.log, store.machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openraft_finds_the_store_sound() {
    Suite::test_all(Builder).await.unwrap();
}

#[tokio::test]
async fn a_crash_without_a_flush_replays_to_the_same_state() {
    let (folder, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(folder.path());
    append(&mut store.log, entries(0..20)).await;
    store.log.save_committed(Some(log_id(19))).await.unwrap();
    apply(&mut store.machine, entries(0..12)).await;
    store.state.flush().unwrap();
    apply(&mut store.machine, entries(12..20)).await;
    append(&mut store.log, entries(20..21)).await;
    crash_copy(folder.path(), crashed.path());

    let mut again = open(crashed.path());
    assert_eq!(again.state.applied(), Some(log_id(11)), "what was not flushed is gone");
    assert_eq!(again.state.meta().leaves, 110);
    assert_eq!(again.log.read_committed().await.unwrap(), Some(log_id(19)));
    apply(&mut again.machine, entries(12..20)).await;
    assert_eq!(again.state.digest().unwrap(), store.state.digest().unwrap());
    assert_eq!(again.state.meta().leaves, 190);
    let state = &again.state;
    assert_eq!(state.leaves(100, 1000).unwrap().len(), 90);
    let entry = item(199, START_MS + 19).entry;
    let mut linked = entry.leaf;
    Leaf::link(&mut linked, &trail::link(&entry.person.unwrap().key));
    assert_eq!(state.leaf(189).unwrap(), Some(linked), "as it was proposed, but for the link that apply writes");
    assert_eq!(state.leaf(190).unwrap(), None);
    assert_eq!(state.addendum(0).unwrap().unwrap(), b"sealed addendum 10");
    assert_eq!(state.seen(&item(15, START_MS + 1).entry.request).unwrap().unwrap().position, 5);
    assert_eq!(state.record(&item(15, 0).remember.unwrap().key).unwrap().unwrap(), (1, b"sealed record 15".to_vec()));
    assert_eq!(state.record(&[9; 32]).unwrap(), None);
}

#[tokio::test]
async fn a_clean_stop_leaves_nothing_to_replay() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    apply(&mut store.machine, entries(0..5)).await;
    let digest = store.state.digest().unwrap();
    drop(store);
    let again = open(folder.path());
    assert_eq!(again.state.digest().unwrap(), digest);
    assert_eq!(again.state.flushed_next(), 5);
}

#[tokio::test]
async fn every_replica_tells_the_same_outcomes_and_repeats_them_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let notes = Arc::new(Notes::default());
    let mut store = try_open(folder.path(), 1, Arc::clone(&notes) as Arc<dyn ApplySink>, unexpected()).unwrap();
    let twice = vec![batch_entry(1, START_MS, 1..3), batch_entry(2, START_MS + 1, 3..4)];
    apply(&mut store.machine, twice).await;
    // The same request again, under a later stamp: its leaf stays where it is.
    let mut again = item(2, START_MS);
    again.decided_at_ms = START_MS + 2;
    again.remember = None;
    Leaf::stamp(&mut again.entry.leaf, START_MS + 2);
    let again = batch(START_MS + 2, vec![again]);
    apply(&mut store.machine, vec![command_entry(3, &again)]).await;
    let outcomes = notes.outcomes.lock().unwrap();
    assert_eq!(
        *outcomes,
        [
            (1, ItemOutcome::Appended { position: 0 }),
            (1, ItemOutcome::Appended { position: 1 }),
            (2, ItemOutcome::Appended { position: 2 }),
            (3, ItemOutcome::Duplicate { position: 1 }),
        ]
    );
    assert_eq!(store.state.meta().leaves, 3);
}

#[tokio::test]
async fn the_past_is_forgotten_by_the_clock_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    apply(&mut store.machine, vec![batch_entry(1, START_MS, 1..4)]).await;
    let budgets: Vec<apply::BudgetKey> = apply::BudgetKey::all(START_MS, [1; 16], PortalId(1)).collect();
    let old = item(1, START_MS).entry.request;
    assert_eq!(store.state.points(&budgets).unwrap(), [15; 6]);
    apply(&mut store.machine, vec![batch_entry(2, START_MS + HOUR_MS, 4..5)]).await;
    // Windows of hours are over; those of the day go on with the fourth miss.
    assert_eq!(store.state.points(&budgets).unwrap(), [0, 20, 0, 20, 0, 20]);
    assert!(store.state.seen(&old).unwrap().is_some());
    apply(&mut store.machine, vec![batch_entry(3, START_MS + REQUEST_WINDOW_MS + HOUR_MS, 5..6)]).await;
    assert!(store.state.seen(&old).unwrap().is_none());
    assert_eq!(store.state.points(&budgets).unwrap(), [0; 6]);
    assert!(store.state.leaf(0).unwrap().is_some(), "leaves are for ever");
}

#[tokio::test]
async fn the_register_in_force_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    assert_eq!(*store.state.document(), Document::default());
    let request = item(1, START_MS).entry.request;
    let mut policy = Leaf::decode(&leaf(request, START_MS)).unwrap();
    policy.kind = LeafKind::Policy;
    policy.register_revision = 3;
    let change = RegisterChange {
        ticket: Ticket { node: 1, boot: 1, seq: 1 },
        at_ms: START_MS,
        before: 0,
        revision: 3,
        entries_days: 0,
        document: "revision = 3".into(),
        leaf: policy.encode(),
        envelope: b"sealed".to_vec(),
    };
    apply(&mut store.machine, vec![command_entry(0, &Command::Register(change))]).await;
    let expected = Document { revision: 3, text: "revision = 3".into() };
    assert_eq!(*store.state.document(), expected);
    drop(store);
    assert_eq!(*open(folder.path()).state.document(), expected);
}

#[tokio::test]
async fn a_contradiction_stops_the_node_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Arc::new(Mutex::new(Vec::new()));
    let hook: FatalHook = {
        let faults = Arc::clone(&faults);
        Arc::new(move |fault: Fatal| {
            faults.lock().unwrap().push(matches!(fault, Fatal::Contradiction { index: 0, .. }));
        })
    };
    let mut store = try_open(folder.path(), 1, Arc::new(Notes::default()), hook).unwrap();
    let unknown = Entry::new(log_id(0), EntryPayload::Normal(CommandBytes(Bytes::from_static(&[99, 1, 2]))));
    let stamped_otherwise = command_entry(0, &batch(START_MS + 1, vec![item(1, START_MS)]));
    for bad in [unknown, stamped_otherwise] {
        assert!(store.machine.apply(stream::iter([Ok((bad, None))])).await.is_err());
    }
    assert_eq!(*faults.lock().unwrap(), [true, true]);
    assert_eq!((store.state.applied(), store.state.meta().leaves), (None, 0));
}

#[tokio::test]
async fn the_log_forgets_no_more_than_the_state_has_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    append(&mut store.log, entries(0..20)).await;
    apply(&mut store.machine, entries(0..10)).await;
    assert_eq!(store.state.flushed_next(), 0);
    let error = store.log.purge(log_id(15)).await.unwrap_err();
    assert!(error.to_string().contains("may not be purged"), "{error}");
    assert_eq!(store.state.flushed_next(), 10, "the state was asked to flush first");
    store.log.purge(log_id(9)).await.unwrap();
    let [purged, last, _] = store.log.bounds();
    assert_eq!((purged, last), (Some(log_id(9)), Some(log_id(19))));
}

#[tokio::test]
async fn another_process_or_another_node_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let refused = |node| try_open(folder.path(), node, Arc::new(Notes::default()), unexpected()).err().unwrap();
    assert!(matches!(refused(1), StoreError::Disk(DiskError::InUse { .. })));
    drop(store);
    assert!(matches!(refused(2), StoreError::Disk(DiskError::OtherNode { .. })));
    open(folder.path());
}

#[tokio::test]
async fn a_torn_tail_is_dropped_and_a_damaged_middle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    append(&mut store.log, entries(0..10)).await;
    // Written, and never acknowledged: the callback is lost with the power.
    store.log.write_unsynced(&entries(10..11));
    let reopened = |damage: &dyn Fn(&Path)| {
        let crashed = tempfile::tempdir().unwrap();
        crash_copy(folder.path(), crashed.path());
        damage(&wal(crashed.path()));
        try_open(crashed.path(), 1, Arc::new(Notes::default()), unexpected()).map(|store| store.log.bounds()[1])
    };
    let cut = |path: &Path, bytes: u64| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
    };
    assert_eq!(reopened(&|_| ()).unwrap(), Some(log_id(10)));
    assert_eq!(reopened(&|path| cut(path, 7)).unwrap(), Some(log_id(9)), "a torn tail was acknowledged to nobody");
    assert_eq!(reopened(&|path| cut(path, 1000)).unwrap(), Some(log_id(9)));
    let middle = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let half = |path: &Path| cut(path, fs::metadata(path).unwrap().len() / 2);
    let gone = |path: &Path| fs::remove_file(path).unwrap();
    for damage in [&middle as &dyn Fn(&Path), &half, &gone] {
        let error = reopened(damage).unwrap_err();
        assert!(matches!(error, StoreError::Log(LogError::Shortened { .. } | LogError::Io { .. })), "{error}");
    }
}

#[tokio::test]
async fn an_inspection_says_where_things_stand() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    append(&mut store.log, entries(0..5)).await;
    apply(&mut store.machine, entries(0..5)).await;
    let digest = store.state.digest().unwrap().1;
    drop(store);
    let options = Options {
        directory: folder.path(),
        cluster: "da-nang",
        node: 1,
        incarnation: 0,
        block_cache_bytes: 1024 * 1024,
    };
    let text = inspect(&options, true).unwrap().to_string();
    assert!(text.contains("state leaves       40\n") && text.contains(&digest.to_string()), "{text}");
    assert!(text.contains("log last           T1-N1.4") || text.contains("log last           T1-N1-4"), "{text}");
}
