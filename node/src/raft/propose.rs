//! The leader's side of group commit: items of all nodes become batches, one Raft entry each.
//!
//! A full batch leaves while there is room for one more append in flight. A batch that is not full leaves only while
//! fewer than [`EAGER_APPENDS_MAX`] are: a lone item never waits for company, and under load the wait for the disk fills
//! batches instead of cutting the stream of items into appends of one.

use std::sync::Arc;

use bytes::Bytes;
use openraft::impls::ProgressResponder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use xacminh_core::command::{BATCH_ITEMS_MAX, Batch, Command, Item};
use xacminh_proto::transparency::Leaf;

use super::{CommandBytes, start::Raft};
use crate::{env::Clock, telemetry::Metrics};

/// Items that may wait for a batch on the leader, from all nodes together; beyond it they are dropped and sent again.
const QUEUE_ITEMS_MAX: usize = 16 * 1024;

/// Appends in flight beside which a batch that is not full still leaves: one is being synced, the next is written and
/// waits for the disk. A third would be synced together with the second, and only cost every node an entry more.
const EAGER_APPENDS_MAX: usize = 2;

/// Takes items to be proposed while this node leads.
#[derive(Clone)]
pub struct Proposer {
    queue: mpsc::Sender<Arc<Item>>,
}

/// The half of a proposer that runs.
pub struct ProposerTask {
    queue: mpsc::Receiver<Arc<Item>>,
}

impl Proposer {
    /// A proposer and its task.
    #[must_use]
    pub fn new() -> (Self, ProposerTask) {
        let (sender, queue) = mpsc::channel(QUEUE_ITEMS_MAX);
        (Self { queue: sender }, ProposerTask { queue })
    }

    /// Offers an item; one that finds no room is dropped, and its node sends it again.
    pub fn offer(&self, item: Arc<Item>) {
        let _ = self.queue.try_send(item);
    }
}

impl ProposerTask {
    /// Proposes batches until every [`Proposer`] is dropped.
    ///
    /// `last_at_ms` gives the stamp of the last applied batch, so that a new leader's stamps go on from there.
    pub async fn run(
        mut self,
        raft: Raft,
        clock: Arc<dyn Clock>,
        last_at_ms: impl Fn() -> u64 + Send,
        appends_in_flight: usize,
        metrics: Arc<Metrics>,
    ) {
        let room = Room::new(appends_in_flight);
        let mut items = Vec::with_capacity(BATCH_ITEMS_MAX);
        let mut at_ms = 0;
        while let Some(permit) = self.gather(&room, &mut items).await {
            at_ms = clock.now_ms().max(at_ms + 1).max(last_at_ms() + 1);
            metrics.batch(items.len());
            let Some(command) = stamp(&mut items, at_ms) else { continue };
            if !propose(&raft, command, permit).await {
                return;
            }
        }
    }

    /// Waits for items, and for the room in which what there is may leave; nothing once every [`Proposer`] is dropped.
    async fn gather(&mut self, room: &Room, items: &mut Vec<Arc<Item>>) -> Option<OwnedSemaphorePermit> {
        if self.queue.recv_many(items, BATCH_ITEMS_MAX).await == 0 {
            return None;
        }
        loop {
            let is_full = items.len() >= BATCH_ITEMS_MAX;
            tokio::select! {
                biased;
                permit = Arc::clone(&room.eager).acquire_owned() => {
                    // What came while this waited for room goes along.
                    while items.len() < BATCH_ITEMS_MAX && let Ok(item) = self.queue.try_recv() {
                        items.push(item);
                    }
                    return permit.ok();
                }
                permit = Arc::clone(&room.full).acquire_owned(), if is_full => return permit.ok(),
                received = self.queue.recv_many(items, BATCH_ITEMS_MAX - items.len()), if !is_full => {
                    if received == 0 {
                        return Arc::clone(&room.eager).acquire_owned().await.ok();
                    }
                }
            }
        }
    }
}

/// Room for appends in flight.
struct Room {
    /// For any batch.
    eager: Arc<Semaphore>,
    /// For full ones.
    full: Arc<Semaphore>,
}

impl Room {
    fn new(appends_in_flight: usize) -> Self {
        let eager = appends_in_flight.clamp(1, EAGER_APPENDS_MAX);
        let full = appends_in_flight.saturating_sub(eager);
        Self { eager: Arc::new(Semaphore::new(eager)), full: Arc::new(Semaphore::new(full)) }
    }
}

/// Builds the batch: the leader's time goes into every leaf, and from here on the bytes are final.
///
/// Takes the items. What other nodes forwarded is held by nobody else and is not copied.
fn stamp(items: &mut Vec<Arc<Item>>, at_ms: u64) -> Option<CommandBytes> {
    let items = items
        .drain(..)
        .map(|item| {
            let mut item = Arc::unwrap_or_clone(item);
            Leaf::stamp(&mut item.entry.leaf, at_ms);
            item
        })
        .collect();
    match Command::Batch(Batch { at_ms, items }).encode() {
        Ok(bytes) => Some(CommandBytes(Bytes::from(bytes))),
        Err(error) => {
            // Items are bounded where they are made; what does not fit is dropped and its question runs out of time.
            tracing::error!(%error, "a batch does not fit into a command");
            None
        }
    }
}

/// Writes without waiting; the permit comes back when the entry is committed or turned away.
async fn propose(raft: &Raft, command: CommandBytes, permit: OwnedSemaphorePermit) -> bool {
    let (responder, committed, completed) = ProgressResponder::new();
    if raft.client_write_ff(command, Some(responder)).await.is_err() {
        return false;
    }
    tokio::spawn(async move {
        // Turned away (another node leads, or the lease is not there yet): the items' nodes send them again.
        let _ = committed.await;
        drop(permit);
        let _ = completed.await;
    });
    true
}
