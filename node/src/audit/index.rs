//! The thread that keeps the index behind the state.
//!
//! ```text
//! every tick    leaves after those indexed, a round at a time ──▶ rows and progress, one write batch
//! flush         once the state has on disk what was indexed: after a crash the index is never ahead of it
//! the last leaf indexed is not the state's any more, or the state has fewer ──▶ drop everything, begin again
//! ```
//!
//! After a snapshot came into force the state has leaves that were never applied here; they are indexed like the others.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use xacminh_proto::transparency::{Leaf, merkle::leaf_hash};

use crate::store::{AuditIndex, Indexed, Progress, State, Term};

/// Leaves of one round: enough to write rows together, few enough that the thread is soon asleep again.
pub const ROUND_LEAVES_MAX: usize = 4 * 1024;

/// How often the state is looked at: an auditor sees an answer a moment after it was given.
const TICK: Duration = Duration::from_millis(100);

/// Leaves indexed between two flushes, if so many come together.
const FLUSH_LEAVES: u64 = 256 * 1024;

/// How long leaves that were indexed may wait for their flush.
const FLUSH_INTERVAL: Duration = Duration::from_secs(60);

/// How long to wait after the disk refused.
const TROUBLE: Duration = Duration::from_secs(10);

/// How much lower than everybody else's the thread's priority is.
const NICENESS: i32 = 15;

/// Terms of a leaf: portal, official, procedure, dossier, request, outcome.
const TERMS_MAX: usize = 6;

/// Keeps the index behind the state until it is dropped.
pub(super) struct Follower {
    stopping: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a round did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// So many leaves were indexed.
    Added(usize),
    /// The index has every leaf.
    Level,
    /// The index was of another history, and was dropped.
    Dropped,
}

impl Follower {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(super) fn start(index: Arc<AuditIndex>, state: State) -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = thread::Builder::new().name("audit-index".into()).spawn(move || follow(&index, &state, &stop))?;
        Ok(Self { stopping, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

fn follow(index: &AuditIndex, state: &State, stopping: &AtomicBool) {
    // On Linux this is the thread's own; where it is refused, the pauses below still leave half a processor free.
    let _ = rustix::process::nice(NICENESS);
    let mut flushes = Flushes { flushed: index.progress().leaves, at: Instant::now() };
    while !stopping.load(Ordering::Acquire) {
        let began = Instant::now();
        let pause = match step(index, state).and_then(|stepped| flushes.keep_up(index, state).map(|()| stepped)) {
            // Behind by more than a round: half of the time is left to those who answer.
            Ok(Stepped::Added(ROUND_LEAVES_MAX)) => began.elapsed(),
            Ok(Stepped::Dropped) => Duration::ZERO,
            Ok(_) => TICK,
            Err(error) => {
                tracing::error!(%error, "the audit index cannot be kept up: auditors see less until it can");
                TROUBLE
            }
        };
        thread::park_timeout(pause);
    }
    if let Err(error) = index.flush() {
        tracing::warn!(%error, "the audit index was not flushed: it goes on from where it was");
    }
}

/// One round: the next leaves of the state, or the insight that the index is of another history.
///
/// # Errors
/// If a disk refuses, or a leaf cannot be read.
pub fn step(index: &AuditIndex, state: &State) -> io::Result<Stepped> {
    let progress = index.progress();
    let leaves = state.meta().leaves;
    if !continues(&progress, state, leaves)? {
        tracing::warn!(indexed = progress.leaves, leaves, "the audit index is of another history: it is made anew");
        index.clear()?;
        return Ok(Stepped::Dropped);
    }
    let pruned = state.pruned();
    if let Some(last) = pruned.checked_sub(1).filter(|last| progress.leaves <= *last) {
        // Entries that are no longer kept are found by nothing: an index made anew begins after them.
        let last = state.leaf_hash(last)?.ok_or_else(|| missing("a leaf that is no longer kept is in no tree"))?;
        index.add(&[], Progress { leaves: pruned, last })?;
        return Ok(Stepped::Added(0));
    }
    let found = state.indexed(progress.leaves, ROUND_LEAVES_MAX)?;
    let Some(last) = found.last() else { return Ok(Stepped::Level) };
    let mut terms = Vec::with_capacity(TERMS_MAX * found.len());
    for (position, found) in (progress.leaves..).zip(&found) {
        terms.extend(terms_of(found)?.into_iter().flatten().map(|term| (term, position)));
    }
    terms.sort_unstable();
    let added = u64::try_from(found.len()).expect("a round's length fits 64 bits");
    index.add(&terms, Progress { leaves: progress.leaves + added, last: leaf_hash(&last.leaf) })?;
    Ok(Stepped::Added(found.len()))
}

/// Whether the leaf indexed last is the one that the state has there.
fn continues(progress: &Progress, state: &State, leaves: u64) -> io::Result<bool> {
    let Some(last) = progress.leaves.checked_sub(1) else { return Ok(true) };
    if last >= leaves {
        return Ok(false);
    }
    Ok(state.leaf_hash(last)? == Some(progress.last))
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// What a leaf is found by. Nobody's portal and official say nothing, and nobody asks for the receipt of an act.
pub(super) fn terms_of(found: &Indexed) -> io::Result<[Option<Term>; TERMS_MAX]> {
    let leaf = Leaf::decode(&found.leaf).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let asked = leaf.portal.0 != 0;
    Ok([
        asked.then_some(Term::Portal(leaf.portal.0)),
        asked.then_some(Term::Official(leaf.official)),
        asked.then_some(Term::Procedure(leaf.procedure)),
        found.dossier.map(Term::Dossier),
        asked.then(|| Term::request(leaf.request_id, leaf.portal)),
        Some(Term::outcome(leaf.kind, leaf.verdict)),
    ])
}

/// When the index was flushed last.
struct Flushes {
    flushed: u64,
    at: Instant,
}

impl Flushes {
    /// Flushes now and then what the state has durably.
    fn keep_up(&mut self, index: &AuditIndex, state: &State) -> io::Result<()> {
        let indexed = index.progress().leaves;
        let waiting = indexed.saturating_sub(self.flushed);
        if waiting == 0 || (waiting < FLUSH_LEAVES && self.at.elapsed() < FLUSH_INTERVAL) {
            return Ok(());
        }
        // What was indexed was applied: with it durable, so is every leaf in the index.
        let durable = state.applied().is_none_or(|applied| applied.index < state.flushed_next());
        if !durable {
            state.flush()?;
        }
        index.flush()?;
        (self.flushed, self.at) = (indexed, Instant::now());
        Ok(())
    }
}
