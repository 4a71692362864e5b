//! Any node answers: items of this node's questions go to the leader, and come back settled at this node's own apply.
//!
//! ```text
//! desk ── submit ──┬── this node leads: proposer
//!                  └── another leads: forwarded to it in batches
//! apply (every node, every entry) ── settled: the waiting question goes on
//! ```
//!
//! Nothing here has to be reliable: an item without an outcome is sent again, to whoever leads then, and the request id
//! in it makes sure that it becomes one leaf (P1, `transparency-log.md` rule 7).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task,
    time::{self, Instant},
};
use xacminh_core::{
    apply::{ItemOutcome, check_item},
    command::{BATCH_ITEMS_MAX, Item, Ticket, Urgency},
};
use xacminh_proto::codec;

use super::propose::Proposer;

/// Largest batch of items forwarded at once, encoded.
pub const FORWARD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Items that may wait for the pump: more would only wait longer than any caller does.
const QUEUE_ITEMS_MAX: usize = 8 * 1024;

/// When an item without an outcome is sent again: well over a healthy commit, well under a caller's patience.
const RESEND_AFTER: Duration = Duration::from_millis(400);

/// How often waiting items are looked at.
const RESEND_TICK: Duration = Duration::from_millis(100);

/// How an item reaches another node that leads.
pub trait LeaderLink: Send + Sync + 'static {
    /// Sends encoded items one way; `false` if there is no connection just now.
    fn forward(&self, leader: u64, items: Vec<u8>) -> bool;
}

/// Everything but the ticket of an [`Item`], which the submitter adds.
pub type Draft = Item;

/// What became of an item, as this node applied it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The outcome.
    pub outcome: ItemOutcome,
    /// The leader's stamp on its batch, Unix milliseconds.
    pub at_ms: u64,
    /// Leaves in the log after its batch: the tree that proves it.
    pub leaves: u64,
}

/// Why an item was not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many items wait already; nothing was sent.
    #[error("too many audit entries wait to be committed")]
    Overloaded,
    /// No outcome in time; whether there is a leaf is unknown.
    #[error("the audit entry was not committed in time")]
    Deadline,
    /// The node is going down.
    #[error("the node is stopping")]
    Stopping,
}

/// Hands items to whoever leads and waits for this node's apply.
#[derive(Clone)]
pub struct Submitter {
    shared: Arc<Shared>,
}

struct Shared {
    node: u64,
    boot: u64,
    next_seq: AtomicU64,
    queue: mpsc::Sender<Arc<Item>>,
    waiting: Mutex<HashMap<u64, Waiting>>,
    /// When an item that somebody waits for was applied last, whichever node's.
    counter_asked: Mutex<Option<Instant>>,
}

struct Waiting {
    item: Arc<Item>,
    /// None if it has found no way to a leader yet.
    sent_at: Option<Instant>,
    settled: oneshot::Sender<Settled>,
}

/// The half of a submitter that runs once the cluster's transport is up.
pub struct Pump {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Arc<Item>>,
}

impl Submitter {
    /// A submitter and its pump. `boot` is a random number of this process.
    #[must_use]
    pub fn new(node: u64, boot: u64) -> (Self, Pump) {
        let (sender, queue) = mpsc::channel(QUEUE_ITEMS_MAX);
        let shared = Arc::new(Shared {
            node,
            boot,
            next_seq: AtomicU64::new(1),
            queue: sender,
            waiting: Mutex::default(),
            counter_asked: Mutex::default(),
        });
        (Self { shared: Arc::clone(&shared) }, Pump { shared, queue })
    }

    /// A fresh ticket of this process.
    #[must_use]
    pub fn ticket(&self, urgency: Urgency) -> Ticket {
        let count = self.shared.next_seq.fetch_add(1, Ordering::Relaxed);
        Ticket::new(self.shared.node, self.shared.boot, count, urgency)
    }

    /// When somebody at a counter was answered last, on whichever node.
    #[must_use]
    pub fn counter_asked(&self) -> Option<Instant> {
        *self.shared.counter_asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Submits an item whose ticket came from [`Self::ticket`], and waits until this node applied it.
    ///
    /// Dropping the future forgets the item; it may be committed all the same.
    ///
    /// # Errors
    /// [`SubmitError`]; after [`SubmitError::Deadline`] it is unknown whether there is a leaf.
    pub async fn submit(&self, item: Item, deadline: Instant) -> Result<Settled, SubmitError> {
        let seq = item.ticket.seq;
        let item = Arc::new(item);
        let (sender, receiver) = oneshot::channel();
        let _forget = Forget { shared: &self.shared, seq };
        self.shared.wait_for(seq, Waiting { item: Arc::clone(&item), sent_at: Some(Instant::now()), settled: sender });
        match self.shared.queue.try_send(item) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(SubmitError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(SubmitError::Stopping),
        }
        match time::timeout_at(deadline, receiver).await {
            Ok(Ok(settled)) => Ok(settled),
            Ok(Err(_)) => Err(SubmitError::Stopping),
            Err(_) => Err(SubmitError::Deadline),
        }
    }

    /// Takes the outcomes of an applied batch, of which some may be this process's.
    pub fn settle(&self, at_ms: u64, leaves: u64, outcomes: &[(Ticket, ItemOutcome)]) {
        if outcomes.iter().any(|(ticket, _)| ticket.urgency() == Urgency::Counter) {
            *self.shared.counter_asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (ticket, outcome) in outcomes {
            let mine = ticket.node == self.shared.node && ticket.boot == self.shared.boot;
            if let Some(found) = mine.then(|| waiting.remove(&ticket.seq)).flatten() {
                // The question may have given up in this very moment; its leaf stands all the same.
                let _ = found.settled.send(Settled { outcome: *outcome, at_ms, leaves });
            }
        }
    }

    /// Items without an outcome.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Pump {
    /// Moves items to whoever leads until the submitter is dropped.
    pub async fn run(
        mut self,
        mut leader: watch::Receiver<Option<u64>>,
        proposer: Proposer,
        link: Arc<dyn LeaderLink>,
    ) {
        let mut fresh = Vec::with_capacity(BATCH_ITEMS_MAX);
        let mut tick = time::interval(RESEND_TICK);
        tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                received = self.queue.recv_many(&mut fresh, BATCH_ITEMS_MAX) => {
                    if received == 0 {
                        return;
                    }
                    // Questions that are ready to run go first: their items travel in the same message.
                    task::yield_now().await;
                    while fresh.len() < BATCH_ITEMS_MAX
                        && let Ok(item) = self.queue.try_recv()
                    {
                        fresh.push(item);
                    }
                    let leads = *leader.borrow_and_update();
                    self.send(leads, &fresh, &proposer, link.as_ref());
                    fresh.clear();
                }
                changed = leader.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let leads = *leader.borrow_and_update();
                    self.send_again(leads, Duration::ZERO, &proposer, link.as_ref());
                }
                _ = tick.tick() => {
                    let leads = *leader.borrow();
                    self.send_again(leads, RESEND_AFTER, &proposer, link.as_ref());
                }
            }
        }
    }

    fn send_again(&self, leads: Option<u64>, after: Duration, proposer: &Proposer, link: &dyn LeaderLink) {
        let due = self.shared.due(after);
        for items in due.chunks(BATCH_ITEMS_MAX) {
            self.send(leads, items, proposer, link);
        }
    }

    /// Best effort: what does not arrive is due again soon, and what did not even leave at the next tick.
    fn send(&self, leads: Option<u64>, items: &[Arc<Item>], proposer: &Proposer, link: &dyn LeaderLink) {
        match leads {
            None => self.shared.unsent(items),
            Some(leader) if leader == self.shared.node => {
                for item in items {
                    if !proposer.offer(Arc::clone(item)) {
                        self.shared.unsent(std::slice::from_ref(item));
                    }
                }
            }
            Some(leader) => {
                for (part, bytes) in encode(items) {
                    if !link.forward(leader, bytes) {
                        self.shared.unsent(part);
                    }
                }
            }
        }
    }
}

impl Shared {
    fn wait_for(&self, seq: u64, entry: Waiting) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(seq, entry);
    }

    fn due(&self, after: Duration) -> Vec<Arc<Item>> {
        let now = Instant::now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due: Vec<_> = waiting.iter_mut().filter(|(_, entry)| entry.is_due(now, after)).collect();
        due.sort_unstable_by_key(|(seq, _)| **seq);
        due.into_iter()
            .map(|(_, entry)| {
                entry.sent_at = Some(now);
                Arc::clone(&entry.item)
            })
            .collect()
    }
}

impl Shared {
    fn unsent(&self, items: &[Arc<Item>]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for item in items {
            if let Some(entry) = waiting.get_mut(&item.ticket.seq) {
                entry.sent_at = None;
            }
        }
    }
}

impl Waiting {
    fn is_due(&self, now: Instant, after: Duration) -> bool {
        self.sent_at.is_none_or(|sent_at| now.saturating_duration_since(sent_at) >= after)
    }
}

/// Forgets a question's item when the question ends, however it ends.
struct Forget<'a> {
    shared: &'a Shared,
    seq: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.seq);
    }
}

/// Items as they travel to the leader; halved until every part fits.
fn encode(items: &[Arc<Item>]) -> Vec<(&[Arc<Item>], Vec<u8>)> {
    let borrowed: Vec<&Item> = items.iter().map(Arc::as_ref).collect();
    match codec::encode::<FORWARD_BYTES_MAX, _>(&borrowed) {
        Ok(bytes) => vec![(items, bytes)],
        // A single item is far smaller than the limit, so that halving ends.
        Err(_) if items.len() > 1 => {
            let (left, right) = items.split_at(items.len() / 2);
            let mut parts = encode(left);
            parts.extend(encode(right));
            parts
        }
        Err(_) => Vec::new(),
    }
}

/// Reads items another node forwarded: its own items only, and no more than one batch.
#[must_use]
pub fn decode(from: u64, bytes: &[u8]) -> Option<Vec<Item>> {
    let items: Vec<Item> = codec::decode::<FORWARD_BYTES_MAX, _>(bytes).ok()?;
    // An item that contradicts itself would stop every node once it is in the log: it goes no further than here.
    let sound = |item: &Item| item.ticket.node == from && check_item(item).is_ok();
    (items.len() <= BATCH_ITEMS_MAX && items.iter().all(sound)).then_some(items)
}

#[cfg(test)]
mod tests;
