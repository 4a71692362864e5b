//! The leader's side of group commit: items of all nodes become batches, one Raft entry each.
//!
//! A full batch leaves while there is room for one more append in flight. A batch that is not full leaves only while
//! none is: a lone item never waits for company, and under load the wait for the one before fills batches instead of
//! cutting the stream of items into appends of one.
//!
//! An item is here once: while it waits or is under way, a copy sent again is not taken. Without that, a commit slower
//! than the senders' patience would be answered by the same items again and again, and become slower still.

use std::{
    collections::HashSet,
    future::Future,
    sync::{
        Arc, Mutex as SyncMutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture, task::AtomicWaker};
use openraft::impls::ProgressResponder;
use tokio::{
    sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, sleep},
};
use xacminh_core::command::{BATCH_ITEMS_MAX, Batch, COMMAND_BYTES_MAX, Command, Item, Ticket, TreeHead};
use xacminh_proto::transparency::Leaf;

use super::{CommandBytes, start::Raft};
use crate::{env::Clock, store::Waiters, telemetry::Metrics};

/// Items that may wait for a batch on the leader, from all nodes together; beyond it they are dropped and sent again.
const QUEUE_ITEMS_MAX: usize = 16 * 1024;

/// Appends in flight up to which a batch that is not full still leaves: it waits for the one before it, and takes along
/// what comes meanwhile. A batch costs the nodes as much as twenty items do, and a second one beside it makes both late.
const EAGER_APPENDS_MAX: usize = 1;

/// Bytes of one batch. Half a command: however items are counted, they fit.
const BATCH_BYTES_MAX: usize = COMMAND_BYTES_MAX / 2;

/// How far stamps may run ahead of the clock before the proposer waits for it.
///
/// Every batch has a millisecond of its own, so that more than a thousand batches a second take time from the future.
/// Without a bound a few minutes of that would leave every node's clock "too far from the leader's".
const STAMP_AHEAD_MS_MAX: u64 = 250;

/// The pause before a batch whose stamp is too far ahead: longer than the millisecond the batch takes.
const PACE: Duration = Duration::from_millis(2);

/// Where batches go.
pub trait Log: Clone + Send + Sync + 'static {
    /// Writes without waiting; `None` if replication has ended on this node.
    fn write(&self, command: CommandBytes) -> impl Future<Output = Option<Written>> + Send;
}

/// An entry on its way.
pub struct Written {
    /// Ends once the entry is committed or turned away.
    pub settled: BoxFuture<'static, ()>,
    /// Ends once nobody has anything more to say about it.
    pub applied: BoxFuture<'static, ()>,
}

/// The stamps of the commands this node proposes: each greater than the one before, in the order of the proposals.
pub struct Stamps {
    last_ms: Mutex<u64>,
    clock: Arc<dyn Clock>,
    /// The stamp of the last applied batch, so that a new leader's stamps go on from there, and the tree after it.
    applied: Box<dyn Fn() -> (u64, TreeHead) + Send + Sync>,
}

/// A stamp, and the turn to propose with it.
pub struct Stamp<'a> {
    at_ms: MutexGuard<'a, u64>,
    clock_ms: u64,
    tree: TreeHead,
}

/// Takes items to be proposed while this node leads.
#[derive(Clone)]
pub struct Proposer {
    queue: mpsc::Sender<Arc<Item>>,
    here: Here,
    coming: Coming,
}

/// The half of a proposer that runs.
pub struct ProposerTask {
    queue: mpsc::Receiver<Arc<Item>>,
    here: Here,
    coming: Coming,
    /// Received and not yet proposed.
    items: Vec<Arc<Item>>,
}

/// Tickets of items that wait or are under way.
#[derive(Clone, Default)]
struct Here(Arc<SyncMutex<HashSet<Ticket>>>);

/// Counts items that were taken and have not been handed to Raft yet: the log is about to grow by them.
#[derive(Clone, Default)]
pub struct Coming(Arc<Counted>);

#[derive(Default)]
struct Counted {
    items: AtomicUsize,
    waiters: Waiters,
}

impl Stamps {
    /// Stamps by a clock; `applied` gives that of the last applied command, and the tree after it.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, applied: impl Fn() -> (u64, TreeHead) + Send + Sync + 'static) -> Self {
        Self { last_ms: Mutex::default(), clock, applied: Box::new(applied) }
    }

    /// The next stamp, to be held until the command that bears it has been handed to Raft: the order of proposals is that
    /// of their stamps, for apply turns away what comes with a smaller stamp than something before it.
    pub async fn next(&self) -> Stamp<'_> {
        let mut at_ms = self.last_ms.lock().await;
        let clock_ms = self.clock.now_ms();
        let (applied_ms, tree) = (self.applied)();
        *at_ms = clock_ms.max(*at_ms + 1).max(applied_ms + 1);
        Stamp { at_ms, clock_ms, tree }
    }

    /// Lets the clock catch up with stamps that ran ahead of it.
    ///
    /// It does not wait for all of it: a new leader whose clock is behind its predecessor's must not stand still, only
    /// fall back.
    async fn pace(&self) {
        let next_ms = (*self.last_ms.lock().await).max((self.applied)().0) + 1;
        if next_ms > self.clock.now_ms().saturating_add(STAMP_AHEAD_MS_MAX) {
            sleep(PACE).await;
        }
    }
}

impl Stamp<'_> {
    /// Unix milliseconds.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        *self.at_ms
    }
}

impl Proposer {
    /// A proposer and its task.
    #[must_use]
    pub fn new() -> (Self, ProposerTask) {
        let (sender, queue) = mpsc::channel(QUEUE_ITEMS_MAX);
        let (here, coming) = (Here::default(), Coming::default());
        let task = ProposerTask { queue, here: here.clone(), coming: coming.clone(), items: Vec::new() };
        (Self { queue: sender, here, coming }, task)
    }

    /// What the log is about to grow by.
    #[must_use]
    pub fn coming(&self) -> Coming {
        self.coming.clone()
    }

    /// Offers an item; false if there is no room for it, and its node has to send it again.
    pub fn offer(&self, item: Arc<Item>) -> bool {
        let ticket = item.ticket;
        if !self.here.lock().insert(ticket) {
            return true;
        }
        // Counted first: it may be on its way before this call returns.
        self.coming.more(1);
        let taken = self.queue.try_send(item).is_ok();
        if !taken {
            self.coming.gone(1);
            self.here.lock().remove(&ticket);
        }
        taken
    }
}

impl ProposerTask {
    /// Proposes batches until every [`Proposer`] is dropped, or replication has ended.
    pub async fn run<L: Log>(mut self, log: L, stamps: Arc<Stamps>, appends_in_flight: usize, metrics: Arc<Metrics>) {
        let room = Room::new(appends_in_flight);
        while self.gather(&stamps).await {
            let Some(permit) = self.enter(&room).await else { return };
            let items = self.next_batch();
            metrics.batch(items.len());
            let tickets: Vec<Ticket> = items.iter().map(|item| item.ticket).collect();
            let proposed = Instant::now();
            let Ok(written) = write(&log, &stamps, items).await else { return };
            self.coming.gone(tickets.len());
            let (here, coming, metrics) = (self.here.clone(), self.coming.clone(), Arc::clone(&metrics));
            tokio::spawn(async move {
                let Some(Written { settled, applied }) = written else {
                    here.forget(&tickets);
                    return coming.settled();
                };
                // Turned away (another node leads, or the lease is not there yet): the items' nodes send them again.
                settled.await;
                drop(permit);
                coming.settled();
                here.forget(&tickets);
                metrics.committed(u64::try_from(proposed.elapsed().as_micros()).unwrap_or(u64::MAX));
                applied.await;
            });
        }
    }

    /// Waits for items; false once nobody can offer any more.
    async fn gather(&mut self, stamps: &Stamps) -> bool {
        if self.items.is_empty() && self.queue.recv_many(&mut self.items, BATCH_ITEMS_MAX).await == 0 {
            return false;
        }
        stamps.pace().await;
        self.take_along();
        true
    }

    /// Waits for the room in which the items there are may leave, taking along those that come meanwhile.
    async fn enter(&mut self, room: &Room) -> Option<OwnedSemaphorePermit> {
        loop {
            let bytes: usize = self.items.iter().map(|item| item.bytes_at_most()).sum();
            let missing = if bytes < BATCH_BYTES_MAX { BATCH_ITEMS_MAX.saturating_sub(self.items.len()) } else { 0 };
            tokio::select! {
                biased;
                permit = Arc::clone(&room.eager).acquire_owned() => {
                    self.take_along();
                    return permit.ok();
                }
                permit = Arc::clone(&room.full).acquire_owned(), if missing == 0 => return permit.ok(),
                received = self.queue.recv_many(&mut self.items, missing), if missing > 0 => {
                    if received == 0 {
                        // Nobody can offer any more; what there is still leaves.
                        return Arc::clone(&room.eager).acquire_owned().await.ok();
                    }
                }
            }
        }
    }

    fn take_along(&mut self) {
        while self.items.len() < BATCH_ITEMS_MAX {
            let Ok(item) = self.queue.try_recv() else { break };
            self.items.push(item);
        }
    }

    /// The items that fit into one batch; the others go into the next one.
    fn next_batch(&mut self) -> Vec<Arc<Item>> {
        let mut room = BATCH_BYTES_MAX;
        let fitting =
            self.items.iter().take(BATCH_ITEMS_MAX).take_while(|item| match room.checked_sub(item.bytes_at_most()) {
                Some(left) => {
                    room = left;
                    true
                }
                None => false,
            });
        let count = fitting.count().max(1).min(self.items.len());
        let rest = self.items.split_off(count);
        std::mem::replace(&mut self.items, rest)
    }
}

/// Proposes a batch; an error if replication has ended, nothing if there was nothing to write.
async fn write<L: Log>(log: &L, stamps: &Stamps, items: Vec<Arc<Item>>) -> Result<Option<Written>, ()> {
    let stamp = stamps.next().await;
    match batch(items, &stamp) {
        Some(command) => log.write(command).await.map(Some).ok_or(()),
        None => Ok(None),
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

impl Coming {
    /// Whether there are any.
    #[must_use]
    pub fn any(&self) -> bool {
        self.0.items.load(Ordering::SeqCst) > 0
    }

    /// Has a task woken once nothing is coming any more, and what did come has settled.
    pub(super) fn join(&self, waker: &Arc<AtomicWaker>) {
        self.0.waiters.join(waker);
    }

    pub(super) fn more(&self, items: usize) {
        self.0.items.fetch_add(items, Ordering::SeqCst);
    }

    /// Some were handed over; they may not be in the log yet.
    pub(super) fn gone(&self, items: usize) {
        self.0.items.fetch_sub(items, Ordering::SeqCst);
    }

    /// Some that were handed over are committed by now, or come to nothing.
    pub(super) fn settled(&self) {
        if !self.any() {
            self.0.waiters.wake();
        }
    }
}

impl Here {
    fn forget(&self, tickets: &[Ticket]) {
        let mut here = self.lock();
        for ticket in tickets {
            here.remove(ticket);
        }
    }

    /// A panic elsewhere cannot leave the set half changed: each change is one call.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<Ticket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builds the batch: the leader's time goes into every leaf, and from here on the bytes are final.
///
/// What other nodes forwarded is held by nobody else and is not copied.
fn batch(items: Vec<Arc<Item>>, stamp: &Stamp<'_>) -> Option<CommandBytes> {
    let (at_ms, clock_ms, tree) = (stamp.at_ms(), stamp.clock_ms, stamp.tree);
    let count = items.len();
    let stamped = |item: Arc<Item>| {
        let mut item = Arc::unwrap_or_clone(item);
        Leaf::stamp(&mut item.entry.leaf, at_ms);
        item
    };
    let items = items.into_iter().map(stamped).collect();
    match Command::Batch(Batch { at_ms, clock_ms, tree, items }).encode() {
        Ok(bytes) => Some(CommandBytes(Bytes::from(bytes))),
        Err(error) => {
            // One item alone can be too large, and only if its node made a mistake; its question runs out of time.
            tracing::error!(%error, items = count, "a batch does not fit into a command");
            None
        }
    }
}

impl Log for Raft {
    async fn write(&self, command: CommandBytes) -> Option<Written> {
        let (responder, committed, completed) = ProgressResponder::new();
        self.client_write_ff(command, Some(responder)).await.ok()?;
        // An entry that is turned away, overruled or left behind drops its responder: either end is the end.
        Some(Written { settled: Box::pin(committed.map(drop)), applied: Box::pin(completed.map(drop)) })
    }
}

#[cfg(test)]
pub(super) mod tests;
