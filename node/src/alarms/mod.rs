//! Alarms: somebody asks as nobody should. They change no answer and hold none up; they tell the operator where to look.
//!
//! ```text
//! store ── Applied (each entry, on every node) ──┐
//! verify ─ Answered (questions of this node) ────┴─▶ Feed ─▶ run ─▶ Watch counts ─▶ metric, and a line in the log
//! ```
//!
//! What entries tell (people of an official or dossier, hours, own and honey numbers, budgets) every node counts, so that
//! asking many nodes hides nothing and a new leader knows what the former did; the leader alone tells of it.
//! What only the answering node knows (the household, how the dossier is written) it counts and tells by itself.
//!
//! Nothing here waits: what does not fit the queue is counted as lost. No line names a person or an official: it holds
//! pseudonyms, and the position of a leaf that an auditor may open.

mod raise;
mod watch;

use std::{collections::HashMap, sync::Arc};

use tokio::sync::mpsc::{self, error::TrySendError};
use xacminh_core::{
    apply::{BudgetKey, ItemOutcome, MISS_POINTS},
    command::{Batch, Command, Miss, RecordKey, Ticket},
};
use xacminh_proto::{
    transparency::{Leaf, LeafKind},
    vocab::{CitizenNumber, PortalId},
};

use crate::telemetry::AlarmMetrics;

pub use raise::{Terms, run};
pub use watch::{Alarm, Watch};

/// Messages that may wait to be looked at: some seconds of full batches.
const QUEUE_MAX: usize = 1024;

/// Where other rooms put what they saw. It never waits.
#[derive(Clone)]
pub struct Feed {
    queue: mpsc::Sender<Message>,
    metrics: Arc<AlarmMetrics>,
}

/// What is seen, on its way to [`run`].
pub type Queue = mpsc::Receiver<Message>;

/// One message of a [`Feed`].
#[derive(Debug)]
pub enum Message {
    /// An entry was applied.
    Applied {
        /// Questions that have their leaf by it.
        sights: Vec<Sight>,
        /// Budgets that it counted against.
        budgets: Vec<Spent>,
    },
    /// This node answered a question.
    Answered(Told),
}

/// A question as its entry shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The leader's stamp, Unix milliseconds.
    pub at_ms: u64,
    /// Where its leaf is.
    pub position: u64,
    /// The portal.
    pub portal: PortalId,
    /// Pseudonym of the official.
    pub official: [u8; 16],
    /// Row key of the person.
    pub person: RecordKey,
    /// Keyed digest of the dossier.
    pub dossier: [u8; 16],
}

/// A budget after an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Which budget, whose, until when.
    pub key: BudgetKey,
    /// Points counted.
    pub points: u32,
    /// Points at which it is spent.
    pub points_max: u64,
    /// The question that was counted last.
    pub last: Sight,
}

/// A question that this node answered, with what it alone knows.
#[derive(Clone, Debug)]
pub struct Told {
    /// The question.
    pub sight: Sight,
    /// Whether the dossier is written as no dossier is.
    pub is_blank_dossier: bool,
    /// The head and the members of the person's household; empty unless the person was confirmed.
    pub household: Vec<CitizenNumber>,
}

impl Feed {
    /// A feed, and what to give to [`run`].
    #[must_use]
    pub fn new(metrics: Arc<AlarmMetrics>) -> (Self, Queue) {
        let (queue, messages) = mpsc::channel(QUEUE_MAX);
        (Self { queue, metrics }, messages)
    }

    /// An entry was applied; called on the apply thread.
    pub fn applied(&self, command: &Command, counted: &[(BudgetKey, u32)], outcomes: &[(Ticket, ItemOutcome)]) {
        let Command::Batch(batch) = command else { return };
        let sights: Vec<Sight> = sights(batch, outcomes).collect();
        if !sights.is_empty() {
            let budgets = budgets(batch.at_ms, misses(batch), counted, &sights);
            self.put(Message::Applied { sights, budgets });
        }
    }

    /// This node answered a question.
    pub fn answered(&self, told: Told) {
        if told.is_blank_dossier || !told.household.is_empty() {
            self.put(Message::Answered(told));
        }
    }

    fn put(&self, message: Message) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(message) {
            self.metrics.lost();
        }
    }
}

fn sights(batch: &Batch, outcomes: &[(Ticket, ItemOutcome)]) -> impl Iterator<Item = Sight> {
    batch.items.iter().zip(outcomes).filter_map(|(item, (_, outcome))| {
        let ItemOutcome::Appended { position } = outcome else { return None };
        let leaf = Leaf::decode(&item.entry.leaf).ok()?;
        // What the rules refused looked nobody up, but who asked, and when, is worth the same look.
        matches!(leaf.kind, LeafKind::Disclosed | LeafKind::Refused).then_some(())?;
        Some(Sight {
            at_ms: batch.at_ms,
            position: *position,
            portal: leaf.portal,
            official: leaf.official,
            person: item.entry.person.as_ref()?.key,
            dossier: item.entry.dossier,
        })
    })
}

/// Questions that count against budgets, with whose they are.
fn misses(batch: &Batch) -> impl Iterator<Item = (PortalId, Miss)> {
    batch.items.iter().filter_map(|item| Some((item.entry.request.portal, item.entry.miss?)))
}

/// The budgets an entry counted against, as they are after it, in the order in which they were. Each of `counted`, of the
/// questions and of the sights is looked at once: this runs on the apply thread.
fn budgets(
    at_ms: u64,
    misses: impl Iterator<Item = (PortalId, Miss)>,
    counted: &[(BudgetKey, u32)],
    sights: &[Sight],
) -> Vec<Spent> {
    // The last of a budget's counts is how much it has; most entries count against none.
    let mut points: HashMap<BudgetKey, u32> = counted.iter().copied().collect();
    if points.is_empty() {
        return Vec::new();
    }
    let mut points_max = HashMap::new();
    for (portal, miss) in misses {
        let keys = BudgetKey::all(at_ms, miss.official, portal).filter(|key| points.contains_key(key));
        points_max.extend(keys.map(|key| (key, u64::from(miss.limits.of(key.budget)) * u64::from(MISS_POINTS))));
    }
    let mut last = HashMap::new();
    for sight in sights {
        let keys = BudgetKey::all(at_ms, sight.official, sight.portal).filter(|key| points.contains_key(key));
        last.extend(keys.map(|key| (key, *sight)));
    }
    let spent = |(key, _): &(BudgetKey, u32)| {
        let points = points.remove(key)?;
        Some(Spent { key: *key, points, points_max: *points_max.get(key)?, last: *last.get(key)? })
    };
    counted.iter().filter_map(spent).collect()
}

/// Whether a dossier's code is one that is typed where there is none: real ones hold an office, a day and a number.
#[must_use]
pub fn is_blank_dossier(code: &str) -> bool {
    const DIGITS_MIN: usize = 4;
    let digits: Vec<u8> = code.bytes().filter(u8::is_ascii_digit).collect();
    digits.len() < DIGITS_MIN || digits.iter().all(|digit| *digit == digits[0])
}

#[cfg(test)]
mod tests;
