//! Leaves of this node on their way to the leader: one way, in order, and lost when the connection breaks.
//!
//! Nothing is answered here: whoever forwarded a leaf hears of it at its own apply.
//! What was on its way when a connection broke may have arrived or not; [`Forwarder::breaks`] counts these moments, and
//! whoever still waits sends again.
//! That is safe, because apply takes a request id once.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::sleep,
};
use tracing::debug;

use super::{
    FORWARD_BYTES_MAX, WRITE_TIME,
    link::{Link, Peers},
    messages::{OPENING_BYTES_MAX, Opening, REPLY_BYTES_MAX, encode},
};
use crate::quic::{Exchange, FrameError, Gone};

/// Batches that wait for the connection; more would only grow older.
const QUEUE_MAX: usize = 64;
/// Pause before a broken stream is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(20);
/// Time to wait for the link in one go.
const LINK_TIME: Duration = Duration::from_secs(1);

/// Why leaves were not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// The batch is too large; a mistake of ours.
    #[error("more than {FORWARD_BYTES_MAX} bytes of leaves at once")]
    TooLarge,
    /// There is no stream to the leader at this moment; it is being opened.
    #[error("no connection to the leader")]
    NotConnected,
    /// The leader takes them more slowly than they come.
    #[error("too many batches wait for the leader")]
    Full,
}

/// Hands leaves to the leader.
pub struct Forwarder {
    peers: Arc<Peers>,
    lane: Mutex<Option<Aim>>,
    breaks: watch::Sender<u64>,
}

/// The leader of the moment.
struct Aim {
    leader: u64,
    address: String,
    queue: mpsc::Sender<Bytes>,
    connected: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Forwarder {
    /// A forwarder that knows no leader yet.
    #[must_use]
    pub fn new(peers: Arc<Peers>) -> Self {
        Self { peers, lane: Mutex::default(), breaks: watch::Sender::new(0) }
    }

    /// Connects to `leader` ahead of the first leaf; a leader before it is let go.
    pub fn aim(&self, leader: u64, peer_addr: &str) {
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        if lane.as_ref().is_some_and(|aim| aim.leader == leader && aim.address == peer_addr) {
            return;
        }
        if lane.take().is_some() {
            self.breaks.send_modify(|breaks| *breaks += 1);
        }
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let connected = Arc::new(AtomicBool::new(false));
        let way = Way {
            link: self.peers.link(leader, peer_addr),
            connected: Arc::clone(&connected),
            breaks: self.breaks.clone(),
        };
        let task = tokio::spawn(way.keep_up(waiting)).abort_handle();
        *lane = Some(Aim { leader, address: peer_addr.to_owned(), queue, connected, task });
    }

    /// Hands `leaves` to the leader without waiting; they leave in the order of the calls.
    ///
    /// Success means that they are queued, not that they arrived.
    ///
    /// # Errors
    /// [`ForwardError`]; the leaves were not queued.
    pub fn send(&self, leader: u64, peer_addr: &str, leaves: Bytes) -> Result<(), ForwardError> {
        if leaves.len() > FORWARD_BYTES_MAX {
            return Err(ForwardError::TooLarge);
        }
        self.aim(leader, peer_addr);
        let lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        let aim = lane.as_ref().ok_or(ForwardError::NotConnected)?;
        if !aim.connected.load(Ordering::Acquire) {
            return Err(ForwardError::NotConnected);
        }
        aim.queue.try_send(leaves).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ForwardError::Full,
            mpsc::error::TrySendError::Closed(_) => ForwardError::NotConnected,
        })
    }

    /// Counts the moments at which leaves may have been lost on their way.
    #[must_use]
    pub fn breaks(&self) -> watch::Receiver<u64> {
        self.breaks.subscribe()
    }
}

impl Drop for Aim {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Way {
    link: Arc<Link>,
    connected: Arc<AtomicBool>,
    breaks: watch::Sender<u64>,
}

impl Way {
    async fn keep_up(self, mut waiting: mpsc::Receiver<Bytes>) {
        loop {
            match self.open().await {
                Ok(exchange) => {
                    self.connected.store(true, Ordering::Release);
                    let why = carry(exchange, &mut waiting).await;
                    self.connected.store(false, Ordering::Release);
                    debug!(leader = self.link.target, %why, "forwarding broke");
                    // What waits is as old as what was lost: both are for the sender to repeat.
                    while waiting.try_recv().is_ok() {}
                    self.breaks.send_modify(|breaks| *breaks += 1);
                }
                Err(why) => debug!(leader = self.link.target, %why, "cannot forward"),
            }
            sleep(REOPEN_PAUSE).await;
        }
    }

    async fn open(&self) -> Result<Exchange, String> {
        let caller = self.link.up(LINK_TIME).await?;
        let mut exchange = caller.conn().open().await.map_err(|gone| gone.to_string())?;
        let opening = encode::<OPENING_BYTES_MAX, _>(&Opening::Forward).map_err(|error| error.to_string())?;
        exchange.writer.send(opening, WRITE_TIME).await.map_err(|error| error.to_string())?;
        Ok(exchange)
    }
}

/// Sends what comes until the stream breaks; returns why it did.
async fn carry(mut exchange: Exchange, waiting: &mut mpsc::Receiver<Bytes>) -> FrameError {
    loop {
        tokio::select! {
            leaves = waiting.recv() => {
                let Some(leaves) = leaves else {
                    return FrameError::Gone(Gone::Ours);
                };
                if let Err(error) = exchange.writer.send(leaves, WRITE_TIME).await {
                    return error;
                }
            }
            // Nothing is ever answered, so this ends when the leader wants no more or the connection breaks.
            ended = exchange.reader.next(REPLY_BYTES_MAX, WRITE_TIME) => {
                return ended.err().unwrap_or(FrameError::Truncated);
            }
        }
    }
}
