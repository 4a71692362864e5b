//! Three nodes over real endpoints: election, pipelined replication, transfer, partition, snapshot, forwarding.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use openraft::{Config, Raft, SnapshotPolicy};
use tokio::{task::JoinHandle, time::sleep};
use xacminh_node::{
    quic::{Dialer, Limits},
    raft::{
        CommandBytes, Member, TypeConfig,
        network::{ForwardError, ForwardRefused, ForwardSink, Forwarder, PeerBook, PeerNetwork, Peers, serve_peers},
    },
    tls::Port,
};

use super::{
    certs::{Ca, Spec, load, open},
    memory::{Files, Log, Spool, State},
    relay::Relay,
};

/// Steps of [`eventually`]; with its pause more than any machine needs.
const STEPS_MAX: usize = 3_000;

pub(crate) type TestRaft = Raft<TypeConfig, State>;

/// Leaves that arrived, with the node they came from.
#[derive(Default)]
pub(crate) struct Arrived(pub(crate) Mutex<Vec<(u64, Bytes)>>);

impl ForwardSink for Arrived {
    fn forwarded(&self, from: u64, leaves: Bytes) -> Result<(), ForwardRefused> {
        if leaves.as_ref() == b"not now" {
            return Err(ForwardRefused::NotLeader);
        }
        self.0.lock().unwrap().push((from, leaves));
        Ok(())
    }
}

pub(crate) struct TestNode {
    pub(crate) id: u64,
    pub(crate) raft: TestRaft,
    pub(crate) state: State,
    pub(crate) peers: Arc<Peers>,
    pub(crate) relay: Relay,
    pub(crate) arrived: Arc<Arrived>,
    dialer: Dialer,
    serving: JoinHandle<()>,
}

impl TestNode {
    pub(crate) async fn start(folder: &Path, ca: &Ca, id: u64) -> Self {
        let home = folder.join(id.to_string());
        std::fs::create_dir_all(&home).unwrap();
        let files = ca.issue(&format!("peer-{id}"), &Spec::of(&format!("xacminh://dev/peer/{id}")));
        let tls = load(Port::Peers, id, files);
        let door = open(&tls, Limits::peers());
        let dialer = door.dialer();
        let relay = Relay::in_front_of(door.address()).await;
        let peers = Peers::new(door.dialer(), id, 1000 + u128::from(id), PeerBook::open(&home).unwrap());
        let config = Config {
            heartbeat_interval: 100,
            election_timeout_min: 400,
            election_timeout_max: 800,
            enable_pre_vote: Some(true),
            install_snapshot_timeout: 20_000,
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: 0,
            ..Config::default()
        };
        let state = State::new(home.clone());
        let network = PeerNetwork::<Files>::new(Arc::clone(&peers));
        let config = Arc::new(config.validate().unwrap());
        let raft = Raft::new(id, config, network, Log::default(), state.clone()).await.unwrap();
        let arrived = Arc::new(Arrived::default());
        let spool = Arc::new(Spool(home.join("incoming")));
        let sink: Arc<dyn ForwardSink> = arrived.clone();
        let serving = tokio::spawn(serve_peers(door, Arc::clone(&peers), raft.clone(), sink, spool));
        Self { id, raft, state, peers, relay, arrived, dialer, serving }
    }

    pub(crate) fn member(&self) -> Member {
        Member { peer_addr: self.relay.address.to_string(), client_addr: String::new() }
    }

    async fn stop(self) {
        self.raft.shutdown().await.unwrap();
        self.serving.abort();
        self.dialer.close(xacminh_proto::close::CloseCode::ShuttingDown, Duration::from_secs(1)).await;
    }
}

struct Cluster {
    folder: tempfile::TempDir,
    ca: Ca,
    nodes: Vec<TestNode>,
}

impl Cluster {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::new(folder.path(), "peer-ca");
        let mut nodes = Vec::new();
        for id in 1..=3 {
            nodes.push(TestNode::start(folder.path(), &ca, id).await);
        }
        let members: BTreeMap<u64, Member> = nodes.iter().map(|node| (node.id, node.member())).collect();
        nodes[0].raft.initialize(members).await.unwrap();
        Self { folder, ca, nodes }
    }

    fn node(&self, id: u64) -> &TestNode {
        self.nodes.iter().find(|node| node.id == id).unwrap()
    }

    /// The node that leads and can commit.
    async fn leader(&self, among: &[u64]) -> u64 {
        let mut found = 0;
        eventually("a leader", async || {
            for id in among {
                let metrics = self.node(*id).raft.metrics();
                let leader = openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics).current_leader;
                if leader == Some(*id) && self.try_write(*id, b"probe").await {
                    found = *id;
                    return true;
                }
            }
            false
        })
        .await;
        found
    }

    async fn try_write(&self, id: u64, command: &[u8]) -> bool {
        let command = CommandBytes(Bytes::copy_from_slice(command));
        let write = self.node(id).raft.client_write(command);
        matches!(tokio::time::timeout(Duration::from_secs(2), write).await, Ok(Ok(_)))
    }

    /// Everybody among these has applied `command`, and the same commands before it.
    async fn agree(&self, among: &[u64], command: &[u8]) {
        eventually("agreement", async || {
            let logs: Vec<_> = among.iter().map(|id| self.node(*id).state.commands()).collect();
            logs.iter().all(|log| log.iter().any(|one| one == command) && *log == logs[0])
        })
        .await;
    }

    async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
    }
}

pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..STEPS_MAX {
        if holds().await {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come about");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_elect_replicate_and_hand_over() {
    let cluster = Cluster::start().await;
    let all = [1, 2, 3];
    let leader = cluster.leader(&all).await;

    // Many at once: they travel as a pipeline, and arrive in the order of the leader everywhere.
    let raft = &cluster.node(leader).raft;
    let writes = (0..500u32).map(|number| raft.client_write(CommandBytes(Bytes::from(number.to_be_bytes().to_vec()))));
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    cluster.agree(&all, &499u32.to_be_bytes()).await;
    let commands = cluster.node(leader).state.commands();
    assert_eq!(commands.iter().filter(|command| command.len() == 4).count(), 500);

    // Commands that do not fit into one frame together.
    let large = vec![1; 3 * 1024 * 1024];
    let writes = (0..6).map(|_| raft.client_write(CommandBytes(Bytes::from(large.clone()))));
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    assert!(cluster.try_write(leader, b"after the large ones").await);
    cluster.agree(&all, b"after the large ones").await;

    // The chosen node leads next, not whichever is quicker.
    let next = leader % 3 + 1;
    raft.trigger().transfer_leader(next).await.unwrap();
    eventually("the transfer", async || {
        let metrics = cluster.node(next).raft.metrics();
        openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics).current_leader == Some(next)
    })
    .await;
    assert_eq!(cluster.leader(&[next]).await, next);
    assert!(cluster.try_write(next, b"under the new leader").await);
    cluster.agree(&all, b"under the new leader").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_leader_is_replaced_and_catches_up() {
    let cluster = Cluster::start().await;
    let all = [1, 2, 3];
    let old = cluster.leader(&all).await;
    let others: Vec<u64> = all.into_iter().filter(|id| *id != old).collect();

    // Nothing passes between the leader and the others, in either direction.
    let door = |id| cluster.node(id).dialer.address();
    for id in &others {
        cluster.node(old).relay.cut(door(*id));
        cluster.node(*id).relay.cut(door(old));
    }
    let new = cluster.leader(&others).await;
    assert!(cluster.try_write(new, b"while one was away").await);
    cluster.agree(&others, b"while one was away").await;
    assert!(!cluster.try_write(old, b"alone").await, "a leader without a quorum committed");

    for node in &cluster.nodes {
        node.relay.mend();
    }
    cluster.agree(&all, b"while one was away").await;
    let leader = cluster.leader(&all).await;
    assert!(cluster.try_write(leader, b"together again").await);
    cluster.agree(&all, b"together again").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_node_is_given_a_snapshot() {
    let mut cluster = Cluster::start().await;
    let all = [1, 2, 3];
    let leader = cluster.leader(&all).await;
    for number in 0..50u32 {
        let command = vec![u8::try_from(number).unwrap(); 20_000];
        assert!(cluster.try_write(leader, &command).await);
    }
    let raft = cluster.node(leader).raft.clone();
    raft.trigger().snapshot().await.unwrap();
    let applied = cluster.node(leader).state.commands().len();
    eventually("the log is purged", async || {
        let metrics = raft.metrics();
        let metrics = openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics).clone();
        metrics.purged.is_some_and(|purged| purged.index() >= applied as u64)
    })
    .await;

    let newcomer = TestNode::start(cluster.folder.path(), &cluster.ca, 4).await;
    raft.add_learner(4, newcomer.member(), true).await.unwrap();
    cluster.nodes.push(newcomer);
    assert!(cluster.try_write(leader, b"after the snapshot").await);
    cluster.agree(&[leader, 4], b"after the snapshot").await;
    assert!(cluster.folder.path().join("4/incoming/EMPTY").exists(), "the learner was caught up without a snapshot");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_are_forwarded_in_order_and_breaks_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new(folder.path(), "peer-ca");
    let follower = TestNode::start(folder.path(), &ca, 1).await;
    let leader = TestNode::start(folder.path(), &ca, 2).await;
    let address: SocketAddr = leader.relay.address;
    let address = address.to_string();
    let forwarder = Forwarder::new(Arc::clone(&follower.peers));
    let send = |leaves: &'static [u8]| forwarder.send(2, &address, Bytes::from_static(leaves));

    assert_eq!(send(b"0"), Err(ForwardError::NotConnected), "the first call cannot be connected yet");
    eventually("the connection", async || send(b"0").is_ok()).await;
    for leaves in [b"1", b"2", b"3"] {
        send(leaves).unwrap();
    }
    let came = async || leader.arrived.0.lock().unwrap().len() >= 4;
    eventually("the leaves", came).await;
    let arrived: Vec<(u64, Bytes)> = leader.arrived.0.lock().unwrap().clone();
    let expected: Vec<(u64, Bytes)> = [b"0", b"1", b"2", b"3"].map(|leaves| (1, Bytes::from_static(leaves))).into();
    assert_eq!(arrived, expected);

    let oversize = Bytes::from(vec![0; 4 * 1024 * 1024 + 1]);
    assert_eq!(forwarder.send(2, &address, oversize), Err(ForwardError::TooLarge));

    // A leader that wants no more says so, and the follower learns that leaves may be lost.
    let mut breaks = forwarder.breaks();
    let before = *breaks.borrow_and_update();
    send(b"not now").unwrap();
    breaks.wait_for(|breaks| *breaks > before).await.unwrap();
    eventually("the new stream", async || send(b"again").is_ok()).await;
    eventually("the leaves", async || leader.arrived.0.lock().unwrap().iter().any(|(_, leaves)| leaves == "again"))
        .await;
    follower.stop().await;
    leader.stop().await;
}
