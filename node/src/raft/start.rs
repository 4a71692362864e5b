//! Puts openraft, network and store together, and follows who leads.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use openraft::{
    Config, RaftMetrics, SnapshotPolicy,
    async_runtime::WatchReceiver,
    error::{Fatal, InitializeError, RaftError},
    impls::ProgressResponder,
    type_config::alias::WatchReceiverOf,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};
use xacminh_core::command::{Command, Erasure, RegisterChange, SweepPage};
use xacminh_proto::transparency::Leaf;

use super::{
    CommandBytes, Member, TypeConfig,
    network::{
        ForwardRefused, ForwardSink, Forwarder, PeerBook, PeerBookError, PeerNetwork, Peers, Upcoming, serve_peers,
    },
    propose::{Proposer, Stamps},
    snapshots::Spool,
    submit::{self, LeaderLink, Pump},
};
use crate::{
    env::Clock,
    quic::Door,
    store::{Cleared, LogStore, State, StateMachine, Store},
    telemetry::{ExitCode, Metrics, RaftGauges},
};

/// How often it is looked whether a snapshot is there, or the log has forgotten.
const FORGET_TICK: Duration = Duration::from_millis(200);

/// How often it is told that a snapshot of before is still there.
const FORGET_TOLD: Duration = Duration::from_secs(30);

/// How often it is looked whether replication has ended: a node without it answers nothing in the meantime.
const ENDED_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// openraft over our store.
pub type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// How replication is to run, from `[raft]`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Interval of the leader's heartbeats.
    pub heartbeat: Duration,
    /// Shortest silence after which a follower stands for election.
    pub election_min: Duration,
    /// Longest one, and the length of the leader's lease.
    pub election_max: Duration,
    /// Entries after which a snapshot is made.
    pub snapshot_every_entries: u64,
    /// Entries kept behind a snapshot for followers that were away for a moment.
    pub log_keep_entries: u64,
    /// How long a snapshot may take to be installed.
    pub snapshot_time: Duration,
    /// Appends the leader has under way at once.
    pub appends_in_flight: usize,
}

/// What goes wrong while replication starts.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings contradict each other.
    #[error("[raft]: {0}")]
    Settings(String),
    /// The book of peers cannot be read.
    #[error(transparent)]
    PeerBook(#[from] PeerBookError),
    /// openraft cannot start from what is in the store.
    #[error("replication cannot start from this data directory: {0}")]
    Raft(String),
}

/// Why replication ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The store gave an error that openraft cannot go on from.
    #[error("the store failed: {0}")]
    Storage(String),
    /// A defect.
    #[error("its core panicked")]
    Panicked,
    /// Nobody asked it to.
    #[error("its core stopped")]
    Stopped,
}

impl Ended {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Storage(_) => ExitCode::StorageFailed,
            Self::Panicked => ExitCode::Panic,
            Self::Stopped => ExitCode::Other,
        }
    }
}

/// Replication of this node, running.
pub struct Replication {
    raft: Raft,
    node: u64,
    leader: watch::Receiver<Option<u64>>,
    stamps: Arc<Stamps>,
    log: LogStore,
    tasks: Vec<JoinHandle<()>>,
}

/// What replication is built from.
pub struct Parts<'a> {
    /// This node.
    pub node: u64,
    /// Its cluster's name.
    pub cluster: &'a str,
    /// Its data directory.
    pub data_dir: &'a Path,
    /// Its store.
    pub store: Store,
    /// Its peer endpoint.
    pub door: Door,
    /// The running half of its submitter.
    pub pump: Pump,
    /// Wall clock of the leader's stamps.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
}

impl Replication {
    /// Starts replication; an empty node waits to be spoken to, unless [`Self::form`] is called.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(parts: Parts<'_>, settings: &Settings) -> Result<Self, StartError> {
        let Parts { node, cluster, data_dir, store, door, pump, clock, metrics } = parts;
        let config = config(cluster, settings).map_err(StartError::Settings)?;
        let book = PeerBook::open(data_dir)?;
        let peers = Peers::new(door.dialer(), node, store.incarnation(), book);
        let spool = Arc::new(Spool { incoming: store.incoming() });
        let state = store.state.clone();
        let log = store.log.clone();
        let (proposer, proposing) = Proposer::new();
        let upcoming = Upcoming { coming: proposer.coming(), end: log.end() };
        let network = PeerNetwork::new(Arc::clone(&peers)).with_upcoming(upcoming);
        let raft = Raft::new(node, Arc::new(config), network, store.log, store.machine)
            .await
            .map_err(|error| StartError::Raft(error.to_string()))?;

        let stamps = Arc::new(Stamps::new(clock, move || {
            let head = state.head();
            (head.meta.last_at_ms, head.tree())
        }));
        let (leads, leader) = watch::channel(None);
        let link = Arc::new(Link { forwarder: Forwarder::new(Arc::clone(&peers)), addresses: Mutex::default() });
        let accepting = Arc::new(Accepting { node, proposer: proposer.clone(), leader: leader.clone() });
        let tasks = vec![
            tokio::spawn(follow(raft.clone(), leads, Arc::clone(&link))),
            tokio::spawn(serve_peers(door, peers, raft.clone(), accepting, spool)),
            tokio::spawn(pump.run(leader.clone(), proposer, link)),
            tokio::spawn(proposing.run(raft.clone(), Arc::clone(&stamps), settings.appends_in_flight, metrics)),
        ];
        Ok(Self { raft, node, leader, stamps, log, tasks })
    }

    /// Forms a new cluster of these members, if this node has never been in one.
    ///
    /// # Errors
    /// If openraft refuses the members.
    pub async fn form(&self, members: BTreeMap<u64, Member>) -> Result<(), StartError> {
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(StartError::Raft(error.to_string())),
        }
    }

    /// The leader this node knows, as it changes.
    #[must_use]
    pub fn leader(&self) -> watch::Receiver<Option<u64>> {
        self.leader.clone()
    }

    /// Whether this node leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        *self.leader.borrow() == Some(self.node)
    }

    /// Whether this node leads and has applied everything that leaders before it committed: an entry of its own term is
    /// applied only after them.
    #[must_use]
    pub fn leads_with_all(&self) -> bool {
        let metrics = self.metrics();
        self.leads() && metrics.last_applied.is_some_and(|id| id.leader_id.term == metrics.current_term)
    }

    /// Stamps a change of the register, proposes it and waits until it is applied; only the leader can.
    ///
    /// # Errors
    /// What openraft said, e.g. that another node leads.
    pub async fn propose_register(&self, mut change: RegisterChange) -> Result<(), String> {
        let stamped = |at_ms| {
            change.at_ms = at_ms;
            Leaf::stamp(&mut change.leaf, at_ms);
            Command::Register(change)
        };
        self.propose(stamped).await
    }

    /// Stamps the erasure of a person, proposes it and waits until it is applied; only the leader can.
    ///
    /// # Errors
    /// What openraft said, e.g. that another node leads.
    pub async fn propose_erasure(&self, mut erasure: Erasure) -> Result<(), String> {
        let stamped = |at_ms| {
            erasure.at_ms = at_ms;
            Leaf::stamp(&mut erasure.leaf, at_ms);
            Command::Erase(erasure)
        };
        self.propose(stamped).await
    }

    /// Proposes a page of a sweep, after those proposed before it, and gives what tells whether it was applied; only the
    /// leader can.
    ///
    /// # Errors
    /// If the page does not fit, or replication has ended.
    pub async fn propose_page(&self, page: SweepPage) -> Result<BoxFuture<'static, Result<(), String>>, String> {
        let bytes = Command::Sweep(page).encode().map_err(|error| error.to_string())?;
        let (responder, committed, completed) = ProgressResponder::new();
        let written = self.raft.client_write_ff(CommandBytes(Bytes::from(bytes)), Some(responder)).await;
        written.map_err(|error| error.to_string())?;
        Ok(Box::pin(async move {
            let _ = committed.await;
            let completed = completed.await.map_err(|_| "another node leads".to_owned())?;
            completed.map(drop).map_err(|error| error.to_string())
        }))
    }

    async fn propose(&self, stamped: impl FnOnce(u64) -> Command) -> Result<(), String> {
        let stamp = self.stamps.next().await;
        let bytes = stamped(stamp.at_ms()).encode().map_err(|error| error.to_string())?;
        let (responder, committed, completed) = ProgressResponder::new();
        let written = self.raft.client_write_ff(CommandBytes(Bytes::from(bytes)), Some(responder)).await;
        drop(stamp);
        written.map_err(|error| error.to_string())?;
        let _ = committed.await;
        let completed = completed.await.map_err(|_| "replication has ended".to_owned())?;
        completed.map(drop).map_err(|error| error.to_string())
    }

    /// Takes the entry at an index, and those before it, off this node's log and out of its snapshots: a new snapshot takes
    /// the place of the old one, and the log forgets what is in it. Waits until it is done, which a follower that is
    /// catching up can delay, and notes it: what the state has of those entries must be scrubbed before.
    ///
    /// # Errors
    /// What openraft or the disk said; also if a snapshot of another node came into force meanwhile.
    pub async fn forget(&self, cleared: Cleared, state: &State) -> Result<(), String> {
        let index = cleared.index;
        let failed = |error: &dyn fmt::Display| error.to_string();
        let mut told = Instant::now();
        while !state.snapshot_is_clear(index).map_err(|error| failed(&error))? {
            // One that is being made already may be of before: then another is made after it. What is only still being sent
            // to somebody is waited for, without reading through the whole state again.
            if !state.snapshot_is_new(index).map_err(|error| failed(&error))? {
                self.raft.trigger().snapshot().await.map_err(|error| failed(&error))?;
            }
            if told.elapsed() >= FORGET_TOLD {
                told = Instant::now();
                tracing::warn!(
                    index,
                    "what was erased is still in the files: a snapshot of before is being made or sent"
                );
            }
            sleep(FORGET_TICK).await;
        }
        while self.log.bounds()[0].is_none_or(|purged| purged.index < index) {
            self.raft.trigger().purge_log(index).await.map_err(|error| failed(&error))?;
            sleep(FORGET_TICK).await;
        }
        let log = self.log.clone();
        let clearing = move || log.scrub().and_then(|()| log.note_cleared(cleared));
        tokio::task::spawn_blocking(clearing).await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    /// What [`Self::forget`] has finished with, in this process or one before; of index 0 if nothing.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn forgotten(&self) -> io::Result<Cleared> {
        self.log.cleared()
    }

    /// Waits until replication has ended by itself, and says why: a node without it can only be started again.
    pub async fn ended(&self) -> Ended {
        ended(self.raft.metrics()).await
    }

    /// What operators want to see of Raft.
    #[must_use]
    pub fn gauges(&self) -> RaftGauges {
        let metrics = self.metrics();
        let members = metrics.membership_config.membership();
        RaftGauges {
            term: metrics.current_term,
            is_leader: metrics.current_leader == Some(self.node),
            leader_id: metrics.current_leader,
            last_log_index: metrics.last_log_index,
            committed_index: metrics.local_committed.map(|id| id.index),
            applied_index: metrics.last_applied.map(|id| id.index),
            snapshot_index: metrics.snapshot.map(|id| id.index),
            purged_index: metrics.purged.map(|id| id.index),
            voters: members.voter_ids().count(),
            learners: members.learner_ids().count(),
        }
    }

    /// openraft's own view.
    #[must_use]
    pub fn metrics(&self) -> RaftMetrics<TypeConfig> {
        self.raft.metrics().borrow_watched().clone()
    }

    /// Hands leadership to a caught-up peer, if this node leads, and waits a little for it to be taken.
    pub async fn hand_over(&self, patience: Duration) {
        if !self.leads() {
            return;
        }
        let Some(to) = self.best_follower() else { return };
        if self.raft.trigger().transfer_leader(to).await.is_err() {
            return;
        }
        let deadline = Instant::now() + patience;
        while self.leads() && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops replication; what was acknowledged is on disk.
    pub async fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
        // A core that has died already has said why in the log.
        let _ = self.raft.shutdown().await;
    }

    fn best_follower(&self) -> Option<u64> {
        let replication = self.metrics().replication?;
        replication
            .iter()
            .filter(|(node, _)| **node != self.node)
            .max_by_key(|(_, matched)| matched.as_ref().map(|id| id.index))
            .map(|(node, _)| *node)
    }
}

fn config(cluster: &str, settings: &Settings) -> Result<Config, String> {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Config {
        cluster_name: cluster.to_owned(),
        heartbeat_interval: ms(settings.heartbeat),
        // Each node gets each of them: they carry the commits that ride along with nothing.
        heartbeat_min_interval: Some(0),
        election_timeout_min: ms(settings.election_min),
        election_timeout_max: ms(settings.election_max),
        // The default of 200 ms is the time of the whole transfer; a snapshot takes as long as its bytes do.
        install_snapshot_timeout: ms(settings.snapshot_time),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(settings.snapshot_every_entries),
        max_in_snapshot_log_to_keep: settings.log_keep_entries,
        replication_lag_threshold: settings.log_keep_entries.max(1_000),
        // One delete_range for many entries, rather than one for each.
        purge_batch_size: 1_024,
        // A node that was cut off must not depose the leader when it comes back.
        enable_pre_vote: Some(true),
        ..Config::default()
    }
    .validate()
    .map_err(|error| error.to_string())
}

/// Looks now and then whether replication has ended: whoever waits for changes of these metrics is woken by every entry.
async fn ended(mut metrics: WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>) -> Ended {
    loop {
        match &metrics.borrow_watched().running_state {
            Ok(()) => {}
            Err(Fatal::StorageError(error)) => return Ended::Storage(error.to_string()),
            Err(Fatal::Panicked) => return Ended::Panicked,
            Err(Fatal::Stopped) => return Ended::Stopped,
        }
        // A core that panics says nothing: it is gone, and its metrics with it.
        if let Some(Err(_)) = metrics.changed().now_or_never() {
            return Ended::Stopped;
        }
        sleep(ENDED_LOOK_INTERVAL).await;
    }
}

/// Follows openraft's view of who leads, and connects to a leader before the first leaf has to go there.
async fn follow(raft: Raft, leads: watch::Sender<Option<u64>>, link: Arc<Link>) {
    let mut changes = raft.server_metrics();
    loop {
        let (leader, addresses) = {
            let seen = changes.borrow_watched();
            let members = seen.membership_config.nodes().map(|(id, member)| (*id, member.peer_addr.clone()));
            (seen.current_leader, members.collect::<BTreeMap<_, _>>())
        };
        if let Some(id) = leader
            && id != *raft.node_id()
            && let Some(address) = addresses.get(&id)
        {
            link.forwarder.aim(id, address);
        }
        *link.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
        leads.send_if_modified(|known| std::mem::replace(known, leader) != leader);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The way to a leader elsewhere.
struct Link {
    forwarder: Forwarder,
    addresses: Mutex<BTreeMap<u64, String>>,
}

impl LeaderLink for Link {
    fn forward(&self, leader: u64, items: Vec<u8>) -> bool {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.get(&leader).is_some_and(|address| self.forwarder.send(leader, address, items.into()).is_ok())
    }
}

/// Takes what other nodes forward, while this node leads.
struct Accepting {
    node: u64,
    proposer: Proposer,
    leader: watch::Receiver<Option<u64>>,
}

impl ForwardSink for Accepting {
    fn forwarded(&self, from: u64, leaves: Bytes) -> Result<(), ForwardRefused> {
        if *self.leader.borrow() != Some(self.node) {
            return Err(ForwardRefused::NotLeader);
        }
        let items = submit::decode(from, &leaves).ok_or(ForwardRefused::Malformed)?;
        for item in items {
            self.proposer.offer(Arc::new(item));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use openraft::{async_runtime::WatchSender, type_config::TypeConfigExt};
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_core_that_is_gone_or_says_so_has_ended() {
        let (sender, metrics) = TypeConfig::watch_channel(RaftMetrics::new_initial(1));
        let waiting = tokio::spawn(ended(metrics));
        sender.send(RaftMetrics::new_initial(1)).expect("somebody looks");
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "a change is no end");
        // As after a panic: nothing is said any more.
        drop(sender);
        assert!(matches!(timeout(SOON, waiting).await.expect("in time").expect("no panic"), Ended::Stopped));

        let (sender, metrics) = TypeConfig::watch_channel(RaftMetrics::new_initial(1));
        let mut stopped = RaftMetrics::new_initial(1);
        stopped.running_state = Err(Fatal::Panicked);
        sender.send(stopped).expect("somebody looks");
        assert!(matches!(timeout(SOON, ended(metrics)).await.expect("in time"), Ended::Panicked));
    }
}
