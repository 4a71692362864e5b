//! Submitters and proposers of three nodes over a log that loses leaders, and a network that loses and doubles.

use std::sync::atomic::AtomicUsize;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;
use xacminh_core::{
    apply::{self, Loaded, Seen, apply},
    command::{Command, RequestKey, TreeHead},
};
use xacminh_proto::{
    transparency::{Leaf, LeafBytes},
    vocab::{PortalId, RequestId},
};

use super::*;
use crate::{
    env::{Clock, SystemClock},
    raft::{
        CommandBytes,
        propose::{Log, Stamps, Written, tests::item},
    },
    telemetry::Metrics,
};

const NODES: u64 = 3;
const QUESTIONS: u64 = 60;

/// What a cluster would agree on.
struct World {
    rng: StdRng,
    leader: Option<u64>,
    /// Proposed and neither committed nor lost.
    pending: std::collections::VecDeque<(CommandBytes, oneshot::Sender<()>)>,
    state: Loaded,
    leaves: Vec<LeafBytes>,
    index: u64,
}

struct Cluster {
    world: Mutex<World>,
    submitters: Vec<Submitter>,
    proposers: Vec<Proposer>,
    leads: Vec<watch::Sender<Option<u64>>>,
    lost: AtomicUsize,
}

#[derive(Clone)]
struct ModelLog {
    node: u64,
    cluster: Arc<Cluster>,
}

struct ModelLink {
    node: u64,
    cluster: Arc<Cluster>,
}

impl Log for ModelLog {
    async fn write(&self, command: CommandBytes) -> Option<Written> {
        let (settle, settled) = oneshot::channel();
        let mut world = self.cluster.world();
        // Otherwise it is turned away: the sender is dropped.
        if world.leader == Some(self.node) {
            world.pending.push_back((command, settle));
        }
        let settled = async { drop(settled.await) };
        Some(Written { settled: Box::pin(settled), applied: Box::pin(async {}) })
    }
}

impl LeaderLink for ModelLink {
    fn forward(&self, leader: u64, items: Vec<u8>) -> bool {
        let (copies, leads) = {
            let mut world = self.cluster.world();
            let copies = match world.rng.random_range(0..20) {
                0 => return false,
                1..=3 => 0,
                4..=6 => 2,
                _ => 1,
            };
            (copies, world.leader == Some(leader))
        };
        for _ in 0..if leads { copies } else { 0 } {
            for item in decode(self.node, &items).expect("what was encoded") {
                self.cluster.proposers[usize::try_from(leader).unwrap()].offer(Arc::new(item));
            }
        }
        if copies == 0 {
            self.cluster.lost.fetch_add(1, Ordering::Relaxed);
        }
        true
    }
}

impl Cluster {
    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Commits one entry, and tells every node.
    fn commit_one(&self) {
        let mut world = self.world();
        let Some((CommandBytes(bytes), settle)) = world.pending.pop_front() else { return };
        let command = Command::decode(&bytes).expect("a command");
        world.index += 1;
        // The stamps claim the empty tree, with which every history begins.
        let loaded = Loaded { root_at: Some(TreeHead::default().root), ..world.state.clone() };
        let applied = apply(world.index, &command, loaded).expect("sound");
        let changes = applied.changes;
        world.state.meta = changes.meta;
        world.state.frontier = changes.growth.frontier;
        world.state.requests.extend(changes.requests);
        world.leaves.extend(changes.growth.leaves.into_iter().map(|new| new.leaf));
        let Command::Batch(batch) = command else { panic!("a batch") };
        let _ = settle.send(());
        drop(world);
        for submitter in &self.submitters {
            submitter.settle(batch.at_ms, changes.meta.leaves, &applied.outcomes);
        }
    }

    /// Nobody leads, then somebody; what the old leader had under way is kept up to somewhere.
    async fn elect(&self) {
        let leader = {
            let mut world = self.world();
            let pending = world.pending.len();
            let kept = world.rng.random_range(0..=pending);
            world.pending.truncate(kept);
            world.leader = None;
            world.rng.random_range(0..NODES)
        };
        for leads in &self.leads {
            leads.send_replace(None);
        }
        sleep(Duration::from_millis(5)).await;
        self.world().leader = Some(leader);
        for leads in &self.leads {
            leads.send_replace(Some(leader));
        }
    }
}

fn cluster(seed: u64) -> Arc<Cluster> {
    let world = World {
        rng: StdRng::seed_from_u64(seed),
        leader: None,
        pending: std::collections::VecDeque::new(),
        state: Loaded::default(),
        leaves: Vec::new(),
        index: 0,
    };
    let (submitters, pumps): (Vec<_>, Vec<_>) = (0..NODES).map(|node| Submitter::new(node, seed)).unzip();
    let (proposers, tasks): (Vec<_>, Vec<_>) = (0..NODES).map(|_| Proposer::new()).unzip();
    let leads: Vec<_> = (0..NODES).map(|_| watch::Sender::new(None)).collect();
    let cluster =
        Arc::new(Cluster { world: Mutex::new(world), submitters, proposers, leads, lost: AtomicUsize::new(0) });
    for (node, (pump, task)) in (0..NODES).zip(pumps.into_iter().zip(tasks)) {
        let at = usize::try_from(node).unwrap();
        let stamps = {
            let cluster = Arc::clone(&cluster);
            Stamps::new(Arc::new(SystemClock::new()), move || {
                (cluster.world().state.meta.last_at_ms, TreeHead::default())
            })
        };
        let log = ModelLog { node, cluster: Arc::clone(&cluster) };
        tokio::spawn(task.run(log, Arc::new(stamps), 4, Arc::new(Metrics::new())));
        let link = Arc::new(ModelLink { node, cluster: Arc::clone(&cluster) });
        tokio::spawn(pump.run(cluster.leads[at].subscribe(), cluster.proposers[at].clone(), link));
    }
    cluster
}

/// Asks as the desk does: stale is decided again, a deadline is asked again at another node.
async fn ask(cluster: Arc<Cluster>, number: u64) -> (RequestId, u64, u64) {
    // Spread over several leaders.
    sleep(Duration::from_millis(number * 8)).await;
    let clock = SystemClock::new();
    let mut unique = [0; 10];
    unique[..8].copy_from_slice(&number.to_be_bytes());
    let request = RequestId::new(clock.now_ms(), unique);
    for attempt in 0..200 {
        let submitter = &cluster.submitters[usize::try_from((number + attempt) % NODES).unwrap()];
        let mut item = item(submitter.ticket(Urgency::Counter), request, 100);
        item.decided_at_ms = clock.now_ms();
        match submitter.submit(item, Instant::now() + Duration::from_millis(150)).await {
            Ok(Settled { outcome: ItemOutcome::Appended { position }, at_ms, .. }) => {
                return (request, position, at_ms);
            }
            Ok(Settled { outcome: ItemOutcome::Duplicate { position }, .. }) => {
                let at_ms = Leaf::stamped_ms(&cluster.world().leaves[usize::try_from(position).unwrap()]);
                return (request, position, at_ms);
            }
            Ok(Settled { outcome: ItemOutcome::Stale, .. }) | Err(SubmitError::Deadline) => {}
            other => panic!("question {number}: {other:?}"),
        }
    }
    panic!("question {number} was never settled")
}

/// Returns how often the network lost something.
async fn one_history(seed: u64) -> usize {
    let cluster = cluster(seed);
    let churn = {
        let cluster = Arc::clone(&cluster);
        tokio::spawn(async move {
            for turn in 0_u64.. {
                if turn % 30 == 0 {
                    cluster.elect().await;
                }
                let pause = cluster.world().rng.random_range(0..3);
                sleep(Duration::from_millis(pause)).await;
                cluster.commit_one();
            }
        })
    };
    let questions = (0..QUESTIONS).map(|number| tokio::spawn(ask(Arc::clone(&cluster), number)));
    let mut told = Vec::new();
    for question in questions.collect::<Vec<_>>() {
        told.push(question.await.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }
    churn.abort();
    let world = cluster.world();
    let leaves: Vec<Leaf> = world.leaves.iter().map(|leaf| Leaf::decode(leaf).expect("a leaf")).collect();
    assert_eq!(leaves.len(), told.len(), "seed {seed}: one leaf for each request");
    for (request, position, at_ms) in told {
        let leaf = &leaves[usize::try_from(position).unwrap()];
        assert_eq!((leaf.request_id, leaf.time_ms), (request, at_ms), "seed {seed}: the leaf told is the request's");
    }
    assert!(leaves.is_sorted_by(|before, after| before.time_ms <= after.time_ms), "seed {seed}");
    for submitter in &cluster.submitters {
        assert_eq!(submitter.waiting(), 0, "seed {seed}: nobody waits any more");
    }
    cluster.lost.load(Ordering::Relaxed)
}

/// Property: whatever is lost, doubled or overruled, each request ends with one leaf, at the position it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_gets_one_leaf_over_lost_leaders_and_lost_messages() {
    let seeds = (0..8).map(|seed| tokio::spawn(one_history(seed)));
    let mut lost = 0;
    for seed in seeds.collect::<Vec<_>>() {
        lost += seed.await.expect("a history without contradiction");
    }
    assert!(lost > 0, "a network that loses nothing shows nothing");
}

fn waiting_item(submitter: &Submitter) -> Arc<Item> {
    let ticket = submitter.ticket(Urgency::Counter);
    let item = Arc::new(item(ticket, RequestId::new(1_793_000_000_000, [0; 10]), 0));
    let (settled, _) = oneshot::channel();
    submitter.shared.wait_for(ticket.seq, Waiting { item: Arc::clone(&item), sent_at: Some(Instant::now()), settled });
    item
}

struct NoWay;

impl LeaderLink for NoWay {
    fn forward(&self, _: u64, _: Vec<u8>) -> bool {
        false
    }
}

#[tokio::test]
async fn what_did_not_leave_is_due_at_once_and_what_left_is_not() {
    let (submitter, pump) = Submitter::new(1, 1);
    let (proposer, _task) = Proposer::new();
    let item = waiting_item(&submitter);
    assert!(submitter.shared.due(RESEND_AFTER).is_empty());
    for (leads, due) in [(Some(2), 1), (None, 1), (Some(1), 0)] {
        pump.send(leads, std::slice::from_ref(&item), &proposer, &NoWay);
        assert_eq!(submitter.shared.due(RESEND_AFTER).len(), due, "{leads:?}");
    }
}

#[tokio::test]
async fn a_question_that_is_given_up_leaves_nothing_behind() {
    let (submitter, _pump) = Submitter::new(1, 1);
    let item = Item::clone(&waiting_item(&submitter));
    let ticket = Ticket { seq: 99, ..item.ticket };
    {
        let mut asked = Box::pin(submitter.submit(Item { ticket, ..item.clone() }, Instant::now() + RESEND_AFTER));
        assert!(futures::poll!(&mut asked).is_pending());
        assert_eq!(submitter.waiting(), 2);
    }
    assert_eq!(submitter.waiting(), 1, "dropped with its question");
    submitter.settle(5, 1, &[(ticket, ItemOutcome::Stale)]);
    let other = Ticket { boot: 2, ..item.ticket };
    submitter.settle(5, 1, &[(other, ItemOutcome::Stale), (Ticket { node: 2, ..item.ticket }, ItemOutcome::Stale)]);
    assert_eq!(submitter.waiting(), 1, "outcomes of other nodes and of an earlier life are not ours");
}

#[tokio::test]
async fn whoever_is_at_a_counter_is_seen_on_every_node_and_nobody_else_is() {
    let (submitter, _pump) = Submitter::new(1, 1);
    let (batch, clerk) = (submitter.ticket(Urgency::Background), submitter.ticket(Urgency::Counter));
    assert_ne!(batch.seq, clerk.seq);
    let elsewhere = |urgency| Ticket::new(2, 9, 1, urgency);
    let settle = |tickets: &[Ticket]| {
        let outcomes: Vec<_> = tickets.iter().map(|ticket| (*ticket, ItemOutcome::Stale)).collect();
        submitter.settle(5, 1, &outcomes);
        submitter.counter_asked()
    };
    assert_eq!(settle(&[batch, elsewhere(Urgency::Background)]), None);
    let seen = settle(&[batch, elsewhere(Urgency::Counter)]);
    assert!(seen.is_some(), "asked at another node");
    sleep(Duration::from_millis(2)).await;
    assert_eq!(settle(&[batch, elsewhere(Urgency::Background)]), seen);
    assert!(settle(&[clerk]) > seen);
}

#[tokio::test]
async fn a_full_queue_is_overload_and_leaves_nothing_behind() {
    let (submitter, pump) = Submitter::new(1, 1);
    let template = Item::clone(&waiting_item(&submitter));
    for _ in 0..QUEUE_ITEMS_MAX {
        submitter.shared.queue.try_send(Arc::new(template.clone())).expect("room");
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    let item = Item { ticket: submitter.ticket(Urgency::Counter), ..template.clone() };
    assert_eq!(submitter.submit(item, deadline).await, Err(SubmitError::Overloaded));
    drop(pump);
    let item = Item { ticket: submitter.ticket(Urgency::Counter), ..template };
    assert_eq!(submitter.submit(item, deadline).await, Err(SubmitError::Stopping));
    assert_eq!(submitter.waiting(), 1);
}

#[test]
fn forwarded_items_are_the_senders_own_sound_and_one_batch_at_the_most() {
    let request = RequestId::new(1_793_000_000_000, [0; 10]);
    let good = Arc::new(item(Ticket { node: 2, boot: 1, seq: 1 }, request, 10));
    let encoded = |items: &[Arc<Item>]| encode(items).swap_remove(0).1;
    assert_eq!(decode(2, &encoded(std::slice::from_ref(&good))).map(|items| items.len()), Some(1));
    assert!(decode(3, &encoded(std::slice::from_ref(&good))).is_none(), "another node's item");
    let mut other = Item::clone(&good);
    other.entry.request = RequestKey { id: request, portal: PortalId(9) };
    assert!(decode(2, &encoded(&[Arc::new(other)])).is_none(), "an item that would stop every node");
    assert!(decode(2, &encoded(&vec![Arc::clone(&good); BATCH_ITEMS_MAX + 1])).is_none());
    assert!(decode(2, b"\xff\xff").is_none());
    // More than fits into one message travels in several, and all of it arrives.
    let big: Vec<_> = (0..256).map(|seq| Arc::new(item(Ticket { node: 2, boot: 1, seq }, request, 60_000))).collect();
    let parts = encode(&big);
    assert!(parts.len() > 1);
    let arrived: Vec<u64> =
        parts.iter().flat_map(|(_, bytes)| decode(2, bytes).expect("sound")).map(|item| item.ticket.seq).collect();
    assert_eq!(arrived, (0..256).collect::<Vec<_>>());
}

/// The model above relies on it: a seen request is told its first position.
#[test]
fn the_model_knows_seen_requests() {
    let request = RequestKey { id: RequestId::new(1_793_000_000_000, [0; 10]), portal: PortalId(1) };
    let seen = Seen { position: 0, question: [5; 16] };
    let loaded =
        Loaded { requests: [(request, seen)].into(), root_at: Some(TreeHead::default().root), ..Loaded::default() };
    let mut again = item(Ticket { node: 1, boot: 1, seq: 1 }, request.id, 0);
    Leaf::stamp(&mut again.entry.leaf, 1_793_000_000_000);
    let command = Command::Batch(xacminh_core::command::Batch {
        at_ms: 1_793_000_000_000,
        clock_ms: 1_793_000_000_000,
        tree: TreeHead::default(),
        items: vec![again],
    });
    assert_eq!(apply::wanted(&command).requests, [request]);
    let applied = apply(1, &command, loaded).expect("sound");
    assert_eq!(applied.outcomes[0].1, ItemOutcome::Duplicate { position: 0 });
}
