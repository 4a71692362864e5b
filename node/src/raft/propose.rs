//! The leader's side of group commit: items of all nodes become batches, one Raft entry each.
//!
//! A batch closes when it has [`BATCH_ITEMS_MAX`] items or when an append in flight makes room, whichever comes first:
//! under load the wait for the disk fills batches, and a lone item never waits for company.

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
        let in_flight = Arc::new(Semaphore::new(appends_in_flight));
        let mut items = Vec::with_capacity(BATCH_ITEMS_MAX);
        let mut at_ms = 0;
        while let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await {
            if self.queue.recv_many(&mut items, BATCH_ITEMS_MAX).await == 0 {
                return;
            }
            at_ms = clock.now_ms().max(at_ms + 1).max(last_at_ms() + 1);
            metrics.batch(items.len());
            let Some(command) = stamp(&items, at_ms) else { continue };
            items.clear();
            if !propose(&raft, command, permit).await {
                return;
            }
        }
    }
}

/// Builds the batch: the leader's time goes into every leaf, and from here on the bytes are final.
fn stamp(items: &[Arc<Item>], at_ms: u64) -> Option<CommandBytes> {
    let items = items
        .iter()
        .map(|item| {
            let mut item = Item::clone(item);
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
