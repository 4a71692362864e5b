//! A cable that can be cut: passes datagrams on between callers and one node.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{net::UdpSocket, task::JoinSet};

/// Bytes of the largest datagram that loopback carries.
const DATAGRAM_BYTES_MAX: usize = 65_536;

type Cut = Arc<Mutex<HashSet<SocketAddr>>>;

/// The cable in front of one node; everything to and from its door passes here.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    cut: Cut,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn in_front_of(node: SocketAddr) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let cut = Cut::default();
        let mut tasks = JoinSet::new();
        let address = front.local_addr().unwrap();
        tasks.spawn(carry(front, node, Arc::clone(&cut)));
        Self { address, cut, _tasks: tasks }
    }

    /// From now on nothing passes between this node and the caller at `door`.
    pub(crate) fn cut(&self, door: SocketAddr) {
        self.cut.lock().unwrap().insert(door);
    }

    pub(crate) fn mend(&self) {
        self.cut.lock().unwrap().clear();
    }
}

/// Every caller gets a socket of its own towards the node, so that answers find their way back.
async fn carry(front: Arc<UdpSocket>, node: SocketAddr, cut: Cut) {
    let mut callers: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut answers = JoinSet::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    while let Ok((length, caller)) = front.recv_from(&mut datagram).await {
        if cut.lock().unwrap().contains(&caller) {
            continue;
        }
        let back = match callers.get(&caller) {
            Some(back) => Arc::clone(back),
            None => {
                let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                callers.insert(caller, Arc::clone(&back));
                answers.spawn(carry_back(Arc::clone(&back), Arc::clone(&front), caller, Arc::clone(&cut)));
                back
            }
        };
        // A datagram may be lost; that is what datagrams are.
        let _ = back.send_to(&datagram[..length], node).await;
    }
}

async fn carry_back(back: Arc<UdpSocket>, front: Arc<UdpSocket>, caller: SocketAddr, cut: Cut) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    while let Ok((length, _)) = back.recv_from(&mut datagram).await {
        let passes = !cut.lock().unwrap().contains(&caller);
        if passes {
            let _ = front.send_to(&datagram[..length], caller).await;
        }
    }
}
