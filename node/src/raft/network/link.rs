//! The way to one peer: dialled in the background, watched, and dialled again when it breaks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    net::lookup_host,
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, error, info};
use xacminh_proto::{close::CloseCode, identity::Identity};

use super::{
    messages::{HELLO_BYTES_MAX, Hello, Lane, WIRE_VERSION, decode, encode},
    peer_book::{PeerBook, PeerBookError},
};
use crate::quic::{Caller, Dialer, FrameError, Gone, QuicError};

/// Pause before the first new attempt; a restarted node is back within a second.
const REDIAL_MIN: Duration = Duration::from_millis(30);
/// Longest pause between attempts: an unreachable node costs one handshake a second.
const REDIAL_MAX: Duration = Duration::from_secs(1);
/// Time for either side to introduce itself.
pub(super) const HELLO_TIME: Duration = Duration::from_secs(2);
/// Time that questions may go unanswered before the connection is given up and dialled again.
///
/// QUIC would wait for its idle time, and after a partition for a timer that has doubled many times over.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// This node as its peers know it, and its ways to them.
pub struct Peers {
    pub(super) dialer: Dialer,
    pub(super) node_id: u64,
    incarnation: u128,
    book: Arc<PeerBook>,
    links: Mutex<HashMap<u64, Arc<Link>>>,
}

/// The way to one peer.
pub(super) struct Link {
    pub(super) target: u64,
    address: String,
    state: watch::Receiver<State>,
    silent_since: Mutex<Option<Instant>>,
    task: AbortHandle,
}

#[derive(Clone)]
enum State {
    Down(String),
    Up(Caller),
}

/// Why a peer was not reached, or did not pass.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("cannot resolve {0}")]
    Resolve(String),
    #[error(transparent)]
    Dial(#[from] QuicError),
    #[error("no introduction: {0}")]
    Hello(FrameError),
    #[error("connection {0}")]
    Gone(Gone),
    #[error("the peer does not pass: {0}")]
    Stranger(CloseCode),
    #[error(transparent)]
    Book(#[from] PeerBookError),
}

impl Peers {
    /// This node among its peers: `incarnation` is its data directory's.
    #[must_use]
    pub fn new(dialer: Dialer, node_id: u64, incarnation: u128, book: PeerBook) -> Arc<Self> {
        Arc::new(Self { dialer, node_id, incarnation, book: Arc::new(book), links: Mutex::default() })
    }

    /// Gives up the ways to nodes for which `keep` is false, after they left the cluster.
    pub fn retain(&self, keep: impl Fn(u64) -> bool) {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).retain(|target, _| keep(*target));
    }

    /// The shared way to a peer, for everything but snapshots.
    pub(super) fn link(self: &Arc<Self>, target: u64, address: &str) -> Arc<Link> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get(&target)
            && link.address == address
        {
            return Arc::clone(link);
        }
        let link = self.new_link(target, address, Lane::Control);
        links.insert(target, Arc::clone(&link));
        link
    }

    /// A way of its own for a snapshot; it ends with the last holder.
    pub(super) fn bulk_link(self: &Arc<Self>, target: u64, address: &str) -> Arc<Link> {
        self.new_link(target, address, Lane::Bulk)
    }

    fn new_link(self: &Arc<Self>, target: u64, address: &str, lane: Lane) -> Arc<Link> {
        let (publish, state) = watch::channel(State::Down("not yet connected".to_owned()));
        let way = Way { peers: Arc::downgrade(self), target, address: address.to_owned(), lane };
        let task = tokio::spawn(way.keep_up(publish)).abort_handle();
        Arc::new(Link { target, address: address.to_owned(), state, silent_since: Mutex::default(), task })
    }

    pub(super) fn hello(&self, lane: Lane) -> Hello {
        let cluster = self.dialer.tls().identity().cluster().to_owned();
        Hello { version: WIRE_VERSION, cluster, node_id: self.node_id, incarnation: self.incarnation, lane }
    }

    /// Checks an introduction against the certificate and against what was seen before.
    pub(super) async fn check(&self, hello: &Hello, identity: &Identity) -> Result<(), LinkError> {
        if hello.version != WIRE_VERSION {
            return Err(LinkError::Stranger(CloseCode::WrongVersion));
        }
        if hello.cluster != self.dialer.tls().identity().cluster() {
            return Err(LinkError::Stranger(CloseCode::WrongCluster));
        }
        if identity.node_id() != Some(hello.node_id) || hello.node_id == self.node_id {
            return Err(LinkError::Stranger(CloseCode::WrongNode));
        }
        let (book, node_id, incarnation) = (Arc::clone(&self.book), hello.node_id, hello.incarnation);
        // First sight of a peer writes a file; the runtime's threads must not wait for a disk.
        match tokio::task::spawn_blocking(move || book.check(node_id, incarnation)).await {
            Ok(checked) => Ok(checked?),
            Err(_) => Err(LinkError::Gone(Gone::Ours)),
        }
    }
}

impl LinkError {
    /// What to tell the other side.
    pub(super) fn code(&self) -> CloseCode {
        match self {
            Self::Stranger(code) => *code,
            Self::Book(PeerBookError::NewDisk(_)) => CloseCode::NewDisk,
            Self::Hello(_) => CloseCode::Protocol,
            _ => CloseCode::Done,
        }
    }
}

impl Link {
    /// The connection, waiting up to `time` for it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn up(&self, time: Duration) -> Result<Caller, String> {
        let mut state = self.state.clone();
        let waited = timeout(time, state.wait_for(|state| matches!(state, State::Up(_)))).await;
        if let Ok(Ok(found)) = waited
            && let State::Up(caller) = &*found
        {
            return Ok(caller.clone());
        }
        match &*self.state.borrow() {
            State::Up(caller) => Ok(caller.clone()),
            State::Down(why) => Err(format!("node {} at {}: {why}", self.target, self.address)),
        }
    }

    /// A question was answered.
    pub(super) fn answered(&self) {
        *self.silent_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A question went unanswered for `time`; after too much silence the connection is given up.
    pub(super) fn unanswered(&self, time: Duration) {
        let mut silent_since = self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = *silent_since.get_or_insert(now.checked_sub(time).unwrap_or(now));
        if now.duration_since(since) < SILENCE_MAX {
            return;
        }
        *silent_since = None;
        if let State::Up(caller) = &*self.state.borrow() {
            info!(peer = self.target, "peer is silent; dialling again");
            caller.conn().close(CloseCode::Done);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        if let State::Up(caller) = &*self.state.borrow() {
            caller.conn().close(CloseCode::Done);
        }
    }
}

/// Knows the peers weakly: the links are theirs, and must not keep them alive.
struct Way {
    peers: Weak<Peers>,
    target: u64,
    address: String,
    lane: Lane,
}

impl Way {
    async fn keep_up(self, publish: watch::Sender<State>) {
        let mut pause = REDIAL_MIN;
        loop {
            match self.connect().await {
                Ok(caller) => {
                    debug!(peer = self.target, lane = ?self.lane, "connected");
                    pause = REDIAL_MIN;
                    publish.send_replace(State::Up(caller.clone()));
                    let gone = caller.conn().closed().await;
                    publish.send_replace(State::Down(gone.to_string()));
                }
                Err(LinkError::Book(why @ PeerBookError::NewDisk(_))) => {
                    error!(peer = self.target, "{why}");
                    pause = REDIAL_MAX;
                    publish.send_replace(State::Down(why.to_string()));
                }
                Err(why) => {
                    debug!(peer = self.target, %why, "not connected");
                    publish.send_replace(State::Down(why.to_string()));
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(REDIAL_MAX);
        }
    }

    async fn connect(&self) -> Result<Caller, LinkError> {
        let resolve = || LinkError::Resolve(self.address.clone());
        let host = self.address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']'])).ok_or_else(resolve)?;
        let mut found = lookup_host(&self.address).await.map_err(|_| resolve())?;
        let address = found.next().ok_or_else(resolve)?;
        let peers = self.peers.upgrade().ok_or(LinkError::Gone(Gone::Ours))?;
        let callee = peers.dialer.dial(address, host).await?;
        match self.introduce(&peers, &callee).await {
            Ok(()) => Ok(callee),
            Err(why) => {
                // What the other side said in closing tells more than that a stream broke.
                let why = match callee.conn().gone() {
                    Some(gone @ (Gone::Closed(_) | Gone::Refused(_))) => LinkError::Gone(gone),
                    _ => why,
                };
                callee.conn().close(why.code());
                Err(why)
            }
        }
    }

    async fn introduce(&self, peers: &Peers, callee: &Caller) -> Result<(), LinkError> {
        if callee.identity().node_id() != Some(self.target) {
            return Err(LinkError::Stranger(CloseCode::WrongNode));
        }
        let mut exchange = callee.conn().open().await.map_err(LinkError::Gone)?;
        let malformed = |_| LinkError::Stranger(CloseCode::Protocol);
        let ours = encode::<HELLO_BYTES_MAX, _>(&peers.hello(self.lane)).map_err(malformed)?;
        exchange.writer.send(ours, HELLO_TIME).await.map_err(LinkError::Hello)?;
        exchange.writer.finish();
        let theirs = exchange.reader.expect(HELLO_BYTES_MAX, HELLO_TIME).await.map_err(LinkError::Hello)?;
        let theirs: Hello = decode::<HELLO_BYTES_MAX, _>(&theirs).map_err(malformed)?;
        peers.check(&theirs, callee.identity()).await
    }
}
