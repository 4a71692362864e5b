//! The proposer against a log that notes what it is given.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use futures::task::ArcWake;
use tokio::sync::{mpsc::UnboundedSender, oneshot};
use xacminh_core::command::{Entry, OwnKey, Person, RequestKey};
use xacminh_proto::{
    transparency::{LeafKind, LeafVerdict},
    vocab::{PortalId, RequestId},
};

use super::*;
use crate::env::SystemClock;

/// A sound item with an envelope of so many bytes.
pub(in crate::raft) fn item(ticket: Ticket, request: RequestId, envelope_bytes: usize) -> Item {
    let leaf = Leaf {
        kind: LeafKind::Disclosed,
        time_ms: 0,
        request_id: request,
        portal: PortalId(1),
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
    Item {
        ticket,
        decided_at_ms: request.unix_ms(),
        remember: None,
        read: None,
        entry: Entry {
            leaf: leaf.encode(),
            envelope: vec![7; envelope_bytes],
            request: RequestKey { id: request, portal: PortalId(1) },
            person: Some(person(ticket)),
            dossier: [0; 16],
            question: [5; 16],
            register_revision: 0,
            miss: None,
            granted_until_ms: None,
        },
    }
}

/// Somebody else for every item.
fn person(ticket: Ticket) -> Person {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&ticket.seq.to_be_bytes());
    key[8..16].copy_from_slice(&ticket.node.to_be_bytes());
    key[16..24].copy_from_slice(&ticket.boot.to_be_bytes());
    Person { key, own_key: OwnKey::New { chain: key, sealed: vec![6; 32] } }
}

fn numbered(seq: u64, envelope_bytes: usize) -> Arc<Item> {
    let request = RequestId::new(1_793_000_000_000, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    Arc::new(item(Ticket { node: 1, boot: 1, seq }, request, envelope_bytes))
}

/// Hands every batch to the test, together with the way to settle it.
#[derive(Clone)]
struct Noted(UnboundedSender<(Batch, oneshot::Sender<()>)>);

impl Log for Noted {
    async fn write(&self, command: CommandBytes) -> Option<Written> {
        let Ok(Command::Batch(batch)) = Command::decode(&command.0) else { panic!("a batch") };
        let (settle, settled) = oneshot::channel();
        self.0.send((batch, settle)).ok()?;
        Some(Written { settled: Box::pin(settled.map(drop)), applied: Box::pin(async {}) })
    }
}

fn stamps() -> Arc<Stamps> {
    Arc::new(Stamps::new(Arc::new(SystemClock::new()), || (0, TreeHead::default())))
}

fn run(task: ProposerTask, in_flight: usize) -> mpsc::UnboundedReceiver<(Batch, oneshot::Sender<()>)> {
    let (noted, notes) = mpsc::unbounded_channel();
    tokio::spawn(task.run(Noted(noted), stamps(), in_flight, Arc::new(Metrics::new())));
    notes
}

fn seqs(batch: &Batch) -> Vec<u64> {
    batch.items.iter().map(|item| item.ticket.seq).collect()
}

#[tokio::test]
async fn items_that_do_not_fit_together_go_into_several_batches_in_order() {
    let (proposer, task) = Proposer::new();
    // 16 MiB, twice what a command holds.
    for seq in 0..256 {
        assert!(proposer.offer(numbered(seq, 64 * 1024)));
    }
    let mut notes = run(task, 64);
    let mut seen = Vec::new();
    let mut batches = 0;
    while seen.len() < 256 {
        let (batch, _settle) = notes.recv().await.expect("the proposer goes on");
        seen.extend(seqs(&batch));
        batches += 1;
    }
    assert_eq!(seen, (0..256).collect::<Vec<_>>());
    assert!(batches > 1);
    // And what comes later is not lost behind them.
    assert!(proposer.offer(numbered(256, 100)));
    assert_eq!(seqs(&notes.recv().await.expect("the proposer goes on").0), [256]);
}

#[tokio::test]
async fn an_item_that_can_never_fit_costs_nobody_else_anything() {
    let (proposer, task) = Proposer::new();
    assert!(proposer.offer(numbered(1, COMMAND_BYTES_MAX)));
    assert!(proposer.offer(numbered(2, 100)));
    let mut notes = run(task, 1);
    assert_eq!(seqs(&notes.recv().await.expect("the proposer goes on").0), [2]);
}

#[tokio::test]
async fn a_copy_of_an_item_that_is_under_way_is_not_proposed() {
    let (proposer, task) = Proposer::new();
    let mut notes = run(task, 8);
    assert!(proposer.offer(numbered(1, 100)));
    let (first, settle) = notes.recv().await.expect("a batch");
    assert_eq!(seqs(&first), [1]);
    for _ in 0..100 {
        assert!(proposer.offer(numbered(1, 100)), "it is on its way: that is as good as taken");
    }
    // A full batch leaves beside it.
    for seq in 2..258 {
        assert!(proposer.offer(numbered(seq, 100)));
    }
    assert_eq!(seqs(&notes.recv().await.expect("a batch").0), (2..258).collect::<Vec<_>>());
    // Once it was committed or turned away, its node may send it again.
    drop(settle);
    let mut turns = 0;
    while proposer.here.lock().contains(&numbered(1, 100).ticket) {
        tokio::task::yield_now().await;
        turns += 1;
        assert!(turns < 1_000_000, "a settled item is never forgotten");
    }
    assert!(proposer.offer(numbered(1, 100)));
    assert_eq!(seqs(&notes.recv().await.expect("a batch").0), [1]);
}

#[tokio::test]
async fn what_is_coming_is_what_was_taken_and_is_not_proposed_yet() {
    let (proposer, task) = Proposer::new();
    let coming = proposer.coming();
    assert!(!coming.any());
    assert!(proposer.offer(numbered(1, 100)));
    assert!(coming.any());
    let mut notes = run(task, 1);
    let (_, settle) = notes.recv().await.expect("a batch");
    gone(&coming).await;
    // One that waits for the batch before it, and a copy of it.
    assert!(proposer.offer(numbered(2, 100)) && proposer.offer(numbered(2, 100)));
    tokio::task::yield_now().await;
    assert!(coming.any());
    drop(settle);
    let (_, settle) = notes.recv().await.expect("a batch");
    gone(&coming).await;
    // One that never fits comes to nothing, and one that finds no room is not coming either.
    assert!(proposer.offer(numbered(3, COMMAND_BYTES_MAX)));
    drop(settle);
    gone(&coming).await;
    let (proposer, _task) = Proposer::new();
    let taken = (0..).take_while(|seq| proposer.offer(numbered(*seq, 1))).count();
    proposer.coming().gone(taken);
    assert!(!proposer.coming().any());
}

/// What became of a batch is told whether it was committed, turned away, or never fitted.
#[tokio::test]
async fn whoever_waits_for_what_is_coming_is_told_when_it_has_settled() {
    let (proposer, task) = Proposer::new();
    let coming = proposer.coming();
    let (waker, wakes) = (Arc::new(AtomicWaker::new()), Arc::new(Wakes::default()));
    coming.join(&waker);
    let mut notes = run(task, 1);
    for (seq, bytes) in [(1, 100), (2, COMMAND_BYTES_MAX)] {
        waker.register(&futures::task::waker(Arc::clone(&wakes)));
        assert!(proposer.offer(numbered(seq, bytes)));
        if bytes == 100 {
            let (_, settle) = notes.recv().await.expect("a batch");
            gone(&coming).await;
            assert_eq!(wakes.0.load(Ordering::SeqCst), 0, "it is under way");
            drop(settle);
        }
        let mut turns = 0;
        while wakes.0.swap(0, Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
            turns += 1;
            assert!(turns < 1_000_000, "nobody is told");
        }
        assert!(!coming.any());
    }
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl ArcWake for Wakes {
    fn wake_by_ref(wakes: &Arc<Self>) {
        wakes.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits until nothing is coming.
async fn gone(coming: &Coming) {
    let mut turns = 0;
    while coming.any() {
        tokio::task::yield_now().await;
        turns += 1;
        assert!(turns < 1_000_000, "something is coming for ever");
    }
}

#[tokio::test]
async fn batches_that_are_turned_away_give_their_places_back() {
    let (proposer, task) = Proposer::new();
    let mut notes = run(task, 2);
    for seq in 0..50 {
        assert!(proposer.offer(numbered(seq, 100)));
        let (batch, settle) = notes.recv().await.expect("a place");
        assert_eq!(seqs(&batch), [seq]);
        drop(settle);
    }
}

#[tokio::test]
async fn a_batch_that_is_not_full_waits_for_the_one_before_and_a_full_one_does_not() {
    let (proposer, task) = Proposer::new();
    let mut notes = run(task, 2);
    assert!(proposer.offer(numbered(0, 100)));
    let (batch, under_way) = notes.recv().await.expect("a lone item does not wait");
    assert_eq!(seqs(&batch), [0]);
    assert!(proposer.offer(numbered(1, 100)));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(notes.try_recv().is_err(), "one is under way");
    for seq in 2..257 {
        assert!(proposer.offer(numbered(seq, 100)));
    }
    let (full, _second) = notes.recv().await.expect("a full batch has room of its own");
    assert_eq!(seqs(&full), (1..257).collect::<Vec<_>>());
    assert!(proposer.offer(numbered(257, 100)));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(notes.try_recv().is_err(), "two are under way, one of them full");
    drop(under_way);
    assert_eq!(seqs(&notes.recv().await.expect("a place became free").0), [257]);
}

#[tokio::test]
async fn a_full_queue_turns_items_away_and_takes_them_later() {
    let (proposer, mut task) = Proposer::new();
    for seq in 0..u64::try_from(QUEUE_ITEMS_MAX).unwrap() {
        assert!(proposer.offer(numbered(seq, 0)));
    }
    assert!(!proposer.offer(numbered(1_000_000, 0)));
    task.queue.recv().await.expect("an item");
    assert!(proposer.offer(numbered(1_000_000, 0)), "what was turned away is not taken for a copy");
}

/// A log that answers at once: batches as fast as the machine makes them.
#[derive(Clone)]
struct Quick {
    clock: SystemClock,
    last_ms: Arc<AtomicU64>,
    ahead_ms_max: Arc<AtomicU64>,
    in_order: Arc<AtomicBool>,
    written: UnboundedSender<()>,
}

impl Log for Quick {
    async fn write(&self, command: CommandBytes) -> Option<Written> {
        let Ok(Command::Batch(batch)) = Command::decode(&command.0) else { panic!("a batch") };
        let before = self.last_ms.swap(batch.at_ms, Ordering::SeqCst);
        self.in_order.fetch_and(batch.at_ms > before, Ordering::SeqCst);
        self.ahead_ms_max.fetch_max(batch.at_ms.saturating_sub(self.clock.now_ms()), Ordering::SeqCst);
        self.written.send(()).ok()?;
        Some(Written { settled: Box::pin(async {}), applied: Box::pin(async {}) })
    }
}

#[tokio::test]
async fn stamps_do_not_run_away_from_the_clock() {
    let (proposer, task) = Proposer::new();
    let (written, mut writes) = mpsc::unbounded_channel();
    let quick = Quick {
        clock: SystemClock::new(),
        last_ms: Arc::default(),
        ahead_ms_max: Arc::default(),
        in_order: Arc::new(AtomicBool::new(true)),
        written,
    };
    tokio::spawn(task.run(quick.clone(), stamps(), 8, Arc::new(Metrics::new())));
    for seq in 0..700 {
        assert!(proposer.offer(numbered(seq, 0)));
        writes.recv().await.expect("written");
    }
    assert!(quick.in_order.load(Ordering::SeqCst));
    let ahead_ms = quick.ahead_ms_max.load(Ordering::SeqCst);
    assert!(ahead_ms <= STAMP_AHEAD_MS_MAX + 1, "{ahead_ms} ms ahead");
}

#[tokio::test]
async fn a_new_leader_whose_clock_is_behind_goes_on_from_the_last_stamp() {
    let clock = crate::env::ManualClock::at_ms(1_000);
    let stamps = Stamps::new(Arc::new(clock.clone()), || (5_000, TreeHead::default()));
    stamps.pace().await;
    let first = stamps.next().await.at_ms();
    let second = stamps.next().await.at_ms();
    assert_eq!((first, second), (5_001, 5_002));
    clock.set_wall_ms(9_000);
    assert_eq!(stamps.next().await.at_ms(), 9_000);
    clock.set_wall_ms(2_000);
    assert_eq!(stamps.next().await.at_ms(), 9_001, "a clock that is set back makes no smaller stamp");
}
