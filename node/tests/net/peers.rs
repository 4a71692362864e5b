//! Who is a peer: another disk, another node, another cluster, another protocol.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;
use xacminh_node::{
    quic::{Door, Gone, Limits, QuicError},
    raft::network::{Forwarder, PeerBook, Peers},
    tls::Port,
};
use xacminh_proto::close::CloseCode;

use super::{
    callers::Client,
    certs::{Ca, Spec, load, open},
    cluster::{TestNode, eventually},
};

const SOON: Duration = Duration::from_secs(20);

/// A node that only calls, with an incarnation of the test's choice.
fn caller(folder: &Path, ca: &Ca, id: u64, incarnation: u128) -> (Door, Arc<Peers>, Forwarder) {
    let files = ca.issue(&format!("peer-{id}"), &Spec::of(&format!("xacminh://dev/peer/{id}")));
    let door = open(&load(Port::Peers, id, files), Limits::peers());
    // Goes with the folder of the whole test.
    let home = tempfile::tempdir_in(folder).unwrap().keep();
    let peers = Peers::new(door.dialer(), id, incarnation, PeerBook::open(&home).unwrap());
    let forwarder = Forwarder::new(Arc::clone(&peers));
    (door, peers, forwarder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_disk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new(folder.path(), "peer-ca");
    let node = TestNode::start(folder.path(), &ca, 1).await;
    let address = node.member().peer_addr;
    let send = |forwarder: &Forwarder| forwarder.send(1, &address, Bytes::from_static(b"hello")).is_ok();

    let (door, peers, forwarder) = caller(folder.path(), &ca, 2, 7);
    eventually("the first disk is welcome", async || send(&forwarder)).await;
    drop((door, peers, forwarder));

    // The same id with another incarnation: refused, again and again, and nothing it says arrives.
    let arrived = node.arrived.0.lock().unwrap().len();
    let (door, _peers, forwarder) = caller(folder.path(), &ca, 2, 8);
    for _ in 0..20 {
        assert!(!send(&forwarder));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.arrived.0.lock().unwrap().len(), arrived);
    drop((door, forwarder));

    let (_door, _peers, forwarder) = caller(folder.path(), &ca, 2, 7);
    eventually("the first disk is still welcome", async || send(&forwarder)).await;
    let (_door, _peers, forwarder) = caller(folder.path(), &ca, 3, 8);
    eventually("other peers are unaffected", async || send(&forwarder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_peer_port_is_for_peers_of_this_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new(folder.path(), "peer-ca");
    let files = ca.issue("peer-1", &Spec::of("xacminh://dev/peer/1"));
    let door = open(&load(Port::Peers, 1, files.clone()), Limits::peers());
    let table = [
        ("xacminh://dev/node/2", CloseCode::WrongRole),
        ("xacminh://dev/operator/a", CloseCode::WrongRole),
        ("xacminh://other/peer/2", CloseCode::WrongCluster),
    ];
    for (uri, code) in table {
        let client = Client::new(Some(&ca.issue("stranger", &Spec::of(uri))), &files, b"xacminh-peer/1");
        let connection = client.call(door.address()).await.unwrap();
        let gone = Gone::from(timeout(SOON, connection.closed()).await.unwrap());
        assert_eq!(gone, Gone::Closed(code), "{uri}");
    }
    let peer = ca.issue("peer-2", &Spec::of("xacminh://dev/peer/2"));
    let client = Client::new(Some(&peer), &files, b"xacminh/1");
    assert!(client.call(door.address()).await.is_err(), "the client port's protocol on the peer port");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_notices_that_another_node_answers() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new(folder.path(), "peer-ca");
    let node = TestNode::start(folder.path(), &ca, 1).await;
    let address = node.member().peer_addr;
    let (_door, _peers, forwarder) = caller(folder.path(), &ca, 2, 7);
    // Node 3 is meant, node 1 answers.
    for _ in 0..20 {
        assert!(forwarder.send(3, &address, Bytes::from_static(b"hello")).is_err());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(node.arrived.0.lock().unwrap().is_empty());

    // A server of another authority is not even spoken to.
    let other = Ca::new(folder.path(), "other-ca");
    let foreign = open(&load(Port::Peers, 9, other.issue("nine", &Spec::of("xacminh://dev/peer/9"))), Limits::peers());
    let called = _door.dialer().dial(foreign.address(), "127.0.0.1").await;
    assert!(matches!(called, Err(QuicError::Gone(_))), "{called:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_from_a_peer_ends_its_own_stream_or_connection() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new(folder.path(), "peer-ca");
    let node = TestNode::start(folder.path(), &ca, 1).await;
    let address = node.relay.address;
    let files = ca.issue("peer-2", &Spec::of("xacminh://dev/peer/2"));
    let client = Client::new(Some(&files), &files, b"xacminh-peer/1");

    for noise in [b"\xff\xff\xff\xff".as_slice(), b"\0\0\0\x03abc", b"\0\0\0\0"] {
        let connection = client.call(address).await.unwrap();
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(noise).await.unwrap();
        let gone = Gone::from(timeout(SOON, connection.closed()).await.unwrap());
        assert_eq!(gone, Gone::Closed(CloseCode::Protocol), "{noise:?}");
    }
    let (_door, _peers, forwarder) = caller(folder.path(), &ca, 3, 8);
    let send = async || forwarder.send(1, &address.to_string(), Bytes::from_static(b"hello")).is_ok();
    eventually("other peers are unaffected", send).await;
}
