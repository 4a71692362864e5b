//! The state machine: committed entries become the state, one atomic write each.
//!
//! ```text
//! openraft's worker ── entries ──▶ apply thread:  decode ▶ load ▶ core::apply ▶ write ▶ publish ▶ sink
//!        ◀──────────── done ─────┘
//! flush thread: makes the state durable now and then, so that the log may forget
//! ```
//!
//! Applying is RocksDB work that does not yield: it has a thread of its own, so that on a machine of two cores neither
//! Raft's heartbeats nor a client's packets wait behind a batch; the scheduler of the system shares the cores.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use futures::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
};
use rocksdb::{WriteBatch, WriteOptions};
use tokio::{sync::oneshot, task};
use xacminh_core::{
    apply::{self, BudgetKey, Changes, ItemOutcome, Loaded, REQUEST_WINDOW_MS, Wanted},
    command::{Command, Ticket},
};

use xacminh_proto::transparency::trail;

use super::{
    encoding::{Entry, LogIdOf, StoredMembership},
    entries::{self, ROW_LEAVES_MAX},
    fatal::Fatal,
    generation::Generation,
    hashes::WIDTH,
    log::cost,
    mirror::{Bounds, Mirror},
    rocks,
    snapshot::{SnapshotBuilder, SnapshotDir, SnapshotMetaOf, SnapshotOf, described},
    state::Shared,
    tables::{self, Head},
};
use crate::raft::{Applied, CommandBytes, TypeConfig};

/// Entries handed to the apply thread at once: enough to make the hand-over cheap, few enough that answers leave soon.
const CHUNK_ENTRIES_MAX: usize = 64;

/// Bytes written since the last flush at which the next one starts: what a restart has to read and apply again.
const FLUSH_BYTES: u64 = 64 * 1024 * 1024;

/// Longest time between flushes while entries are applied: bounds how much of the log a quiet node must keep.
const FLUSH_INTERVAL: Duration = Duration::from_secs(30);

/// How often the flush thread looks.
const FLUSH_TICK: Duration = Duration::from_millis(250);

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Is told what became of items, on every node, in the order of the log, after the state has it.
///
/// It is called on the apply thread and must not block. A restart tells outcomes again that were told before.
pub trait ApplySink: Send + Sync + 'static {
    /// The entry at `log_index`, stamped `at_ms`, has been applied; the log has so many `leaves` now.
    fn applied(&self, log_index: u64, at_ms: u64, leaves: u64, outcomes: Vec<(Ticket, ItemOutcome)>);

    /// The same entry once more, when nobody waits for it any longer: what it said, and the budgets it counted against.
    fn saw(&self, _command: &Command, _budgets: &[(BudgetKey, u32)], _outcomes: &[(Ticket, ItemOutcome)]) {}
}

/// openraft's state machine over the state.
pub struct StateMachine {
    shared: Arc<Shared>,
    jobs: Option<mpsc::Sender<Job>>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    entries: Vec<Entry>,
    done: oneshot::Sender<io::Result<()>>,
}

impl StateMachine {
    pub(super) fn start(shared: Arc<Shared>, sink: Arc<dyn ApplySink>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let stopping = Arc::new(AtomicBool::new(false));
        let applying = {
            let mut applier = Applier::new(Arc::clone(&shared), sink, Bounds::DEFAULT);
            move || {
                for job in queue {
                    let applied = job.entries.into_iter().try_for_each(|entry| applier.apply(entry));
                    // Whoever asked may have gone: the entries are applied all the same.
                    drop(job.done.send(applied));
                }
            }
        };
        let flushing = {
            let (shared, stopping) = (Arc::clone(&shared), Arc::clone(&stopping));
            move || flush_now_and_then(&shared, &stopping)
        };
        let threads = vec![
            thread::Builder::new().name("apply".into()).spawn(applying)?,
            thread::Builder::new().name("flush".into()).spawn(flushing)?,
        ];
        Ok(Self { shared, jobs: Some(jobs), stopping, threads })
    }

    async fn apply_chunk(&self, chunk: Vec<(Entry, Option<ApplyResponder<TypeConfig>>)>) -> io::Result<()> {
        let stopped = || io::Error::other("the apply thread has stopped");
        let (entries, responders): (Vec<_>, Vec<_>) = chunk.into_iter().unzip();
        let (done, finished) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Job { entries, done }).map_err(|_| stopped())?;
        finished.await.map_err(|_| stopped())??;
        responders.into_iter().flatten().for_each(|responder| responder.send(Applied));
        Ok(())
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotDir;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogIdOf>, StoredMembership)> {
        let head = self.shared.generation.load().head();
        Ok((head.applied, head.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut chunk = Vec::new();
        while let Some(entry) = entries.next().await {
            chunk.push(entry?);
            if chunk.len() == CHUNK_ENTRIES_MAX {
                self.apply_chunk(std::mem::take(&mut chunk)).await?;
            }
        }
        if chunk.is_empty() { Ok(()) } else { self.apply_chunk(chunk).await }
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder { shared: Arc::clone(&self.shared) }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf, snapshot: SnapshotDir) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let meta = meta.clone();
        task::spawn_blocking(move || shared.install(&meta, &snapshot)).await.map_err(io::Error::other)?
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf>> {
        Ok(self.shared.newest().map(described))
    }
}

impl Drop for StateMachine {
    fn drop(&mut self) {
        drop(self.jobs.take());
        self.stopping.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

/// Ends with a last flush, so that a clean stop leaves nothing to apply again.
fn flush_now_and_then(shared: &Shared, stopping: &AtomicBool) {
    let ticks_max = FLUSH_INTERVAL.as_millis() / FLUSH_TICK.as_millis();
    let mut ticks = 0;
    while !stopping.load(Ordering::Acquire) {
        // Woken early when the node stops.
        thread::park_timeout(FLUSH_TICK);
        ticks += 1;
        if ticks >= ticks_max || shared.unflushed_bytes.load(Ordering::Relaxed) >= FLUSH_BYTES {
            ticks = 0;
            if shared.flush().is_err() {
                // The node has been told to stop; flushing again could only hide what was lost.
                return;
            }
        }
    }
    if let Err(error) = shared.flush() {
        tracing::error!(%error, "the last flush failed: the log brings the state back at the next start");
    }
}

pub(super) struct Applier {
    shared: Arc<Shared>,
    sink: Arc<dyn ApplySink>,
    unlogged: WriteOptions,
    mirror: Mirror,
}

impl Applier {
    pub(super) fn new(shared: Arc<Shared>, sink: Arc<dyn ApplySink>, bounds: Bounds) -> Self {
        Self { shared, sink, unlogged: tables::unlogged(), mirror: Mirror::new(bounds) }
    }

    #[cfg(test)]
    pub(super) const fn mirror(&mut self) -> &mut Mirror {
        &mut self.mirror
    }

    pub(super) fn apply(&mut self, entry: Entry) -> io::Result<()> {
        let generation = self.shared.generation.load_full();
        let mut head = Head::clone(&generation.head());
        head.applied = Some(entry.log_id);
        // What a command brings is written about as it came: no second copy while the batch grows.
        let mut batch = WriteBatch::with_capacity_bytes(cost(&entry));
        let mut told = None;
        let mut document = None;
        let mut grown = None;
        let mut forgotten = None;
        match entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Membership(membership) => {
                head.membership = StoredMembership::new(Some(entry.log_id), membership);
                head.put_membership(&generation.db, &mut batch)?;
            }
            EntryPayload::Normal(CommandBytes(bytes)) => {
                let index = entry.log_id.index;
                let command =
                    Command::decode(&bytes).map_err(|error| self.contradiction(index, &bytes, error.to_string()))?;
                let before = head.meta.last_at_ms;
                let wanted = apply::wanted(&command);
                let loaded =
                    load(&generation, &mut self.mirror, &mut head, &wanted).map_err(|error| self.shared.stop(error))?;
                let applied = apply::apply(index, &command, loaded)
                    .map_err(|error| self.contradiction(index, &bytes, error.to_string()))?;
                let mut changes = applied.changes;
                head.meta = changes.meta;
                head.frontier = std::mem::take(&mut changes.growth.frontier);
                put_changes(&generation, &mut batch, &changes);
                if changes.erased.is_some() {
                    head.put_erased(&generation.db, &mut batch);
                }
                if head.meta.last_at_ms / HOUR_MS != before / HOUR_MS {
                    forgotten = Some(forget_old(&generation, &mut batch, head.meta.last_at_ms));
                    prune(&generation, &mut batch, &mut head, before).map_err(|error| self.shared.stop(error))?;
                }
                if !changes.growth.leaves.is_empty() {
                    head.root = head.frontier.root();
                    head.put_tree(&generation.db, &mut batch);
                    generation.grow(&mut batch, head.meta, &changes.growth);
                    grown = Some(std::mem::take(&mut changes.growth));
                }
                document = changes.register.take();
                told = Some((command, changes, applied.outcomes));
            }
        }
        head.put(&generation.db, &mut batch);
        let bytes = u64::try_from(batch.size_in_bytes()).unwrap_or(u64::MAX);
        generation.db.write_opt(batch, &self.unlogged).map_err(|error| self.shared.fail(error))?;
        // If we crash here, the state is as of the last flush, and this entry is applied again.
        if let Some((_, changes, _)) = &told {
            self.mirror.wrote(&generation, changes, forgotten);
            if let Some(erased) = &changes.erased {
                // Before it is published: who sees a state after the erasure finds the erasure too.
                generation.erasures.add(entry.log_id.index, erased.person);
            }
        }
        let leaves = head.meta.leaves;
        generation.publish(head, document, grown.as_ref());
        self.shared.unflushed_bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some((command, changes, outcomes)) = told {
            self.sink.applied(entry.log_id.index, at_ms(&command), leaves, outcomes.clone());
            self.sink.saw(&command, &changes.budgets, &outcomes);
        }
        Ok(())
    }

    /// Stops the node, with what it stumbled over kept beside the data.
    fn contradiction(&self, index: u64, entry: &[u8], problem: String) -> io::Error {
        let head = self.shared.generation.load().head();
        if let Err(error) = self.shared.directory.keep_evidence(index, entry, &head.tree(), &problem) {
            tracing::error!(%error, index, "the evidence could not be kept; the log still has the entry");
        }
        let fatal = Fatal::Contradiction { index, problem };
        let error = io::Error::new(io::ErrorKind::InvalidData, fatal.to_string());
        (self.shared.fatal)(fatal);
        error
    }
}

const fn at_ms(command: &Command) -> u64 {
    match command {
        Command::Batch(batch) => batch.at_ms,
        Command::Register(change) => change.at_ms,
        Command::Erase(erasure) => erasure.at_ms,
        // It has no stamp, and nobody to tell.
        Command::Sweep(page) => page.begun_ms,
    }
}

/// Reads what the rules want to see. The frontier is taken out of the head and comes back grown.
pub(super) fn load(
    generation: &Arc<Generation>,
    mirror: &mut Mirror,
    head: &mut Head,
    wanted: &Wanted,
) -> io::Result<Loaded> {
    let root_at = wanted.root_at.map(|leaves| generation.root_at(head, leaves)).transpose()?.flatten();
    let frontier = std::mem::take(&mut head.frontier);
    let mut loaded = Loaded { meta: head.meta, frontier, root_at, ..Loaded::default() };
    mirror.load(generation, wanted, &mut loaded)?;
    Ok(loaded)
}

fn put_changes(generation: &Generation, batch: &mut WriteBatch, changes: &Changes) {
    let family = |name| rocks::family(&generation.db, name);
    let leaves = &changes.growth.leaves;
    let count = u64::try_from(leaves.len()).expect("a batch's length fits 64 bits");
    let first = changes.meta.leaves.checked_sub(count).expect("the leaves of a command are among all leaves");
    entries::put(&generation.db, batch, first, leaves);
    if count > 0 {
        let ends = changes.meta.leaves.to_be_bytes();
        batch.put_cf(family(tables::BATCHES), ends, tables::count_bytes(changes.meta.last_at_ms));
    }
    for key in &changes.keys {
        batch.put_cf(family(tables::PEOPLE), key.person, tables::person_bytes(key));
        batch.put_cf(family(tables::OWNERS), trail::id(&key.chain), key.person);
    }
    for (key, trail) in &changes.trails {
        batch.put_cf(family(tables::TRAILS), key, tables::trail_bytes(trail));
    }
    if let Some(erased) = &changes.erased {
        for family in [tables::RECORDS, tables::PEOPLE, tables::TRAILS].map(family) {
            batch.delete_cf(family, erased.person);
        }
        if let Some(trail) = &erased.trail {
            batch.delete_cf(family(tables::OWNERS), trail);
        }
    }
    for (key, version, sealed) in &changes.records {
        batch.put_cf(family(tables::RECORDS), key, tables::record_bytes(*version, sealed));
    }
    // In the order of their table: the end of a sorted list is near, and each is next to the one before.
    let mut requests: Vec<_> = changes.requests.iter().collect();
    requests.sort_unstable_by_key(|(key, _)| *key);
    for (key, seen) in requests {
        batch.put_cf(family(tables::SEEN), key.bytes(), tables::seen_bytes(seen));
    }
    for (key, points) in &changes.budgets {
        batch.put_cf(family(tables::BUDGETS), tables::budget_key(key), tables::budget_bytes(*points));
    }
    if let Some(cursor) = &changes.cursor {
        batch.put_cf(family(tables::META), tables::CURSOR, tables::cursor_bytes(cursor));
    }
    if let Some(document) = &changes.register {
        let revision = changes.meta.register_revision.to_be_bytes();
        batch.put_cf(family(tables::REGISTER), revision, tables::document_bytes(document));
    }
}

/// Once an hour of the log's own time, requests out of their window and budgets whose windows are over are dropped.
///
/// It depends on nothing but the log, so that replicas drop the same at the same entry and stay equal.
/// Gives the time that requests are dropped before.
fn forget_old(generation: &Generation, batch: &mut WriteBatch, now_ms: u64) -> u64 {
    let family = |name| rocks::family(&generation.db, name);
    let expired_ms = now_ms.saturating_sub(REQUEST_WINDOW_MS);
    batch.delete_range_cf(family(tables::SEEN), tables::seen_from(0), tables::seen_from(expired_ms));
    let open = BudgetKey::first_open(now_ms);
    batch.delete_range_cf(family(tables::BUDGETS), [0; 21], tables::budget_key(&open));
    expired_ms
}

/// In the same hour, entries older than the register keeps them are dropped, a day's worth or two tiles' at the most.
///
/// `now_ms` is the stamp before this entry's: a leader whose clock runs years ahead cannot empty the log at one stroke,
/// and there is the first hour and then an hour for each day to notice it in. Only leaves whose hashes are in a tile go.
fn prune(generation: &Arc<Generation>, batch: &mut WriteBatch, head: &mut Head, now_ms: u64) -> io::Result<()> {
    if head.meta.entries_days == 0 {
        return Ok(());
    }
    let Some((_, oldest_ms)) = generation.batch_of(head.pruned)? else { return Ok(()) };
    let kept_from = generation.position_at(now_ms.saturating_sub(u64::from(head.meta.entries_days) * DAY_MS))?;
    // Two tiles, or a log that grows by less a day would never be pruned.
    let step = generation.position_at(oldest_ms + DAY_MS)?.max(head.pruned + 2 * WIDTH);
    let until = generation.tiled_before(kept_from.min(step));
    let until = until - until % ROW_LEAVES_MAX;
    if until > head.pruned {
        entries::prune(&generation.db, batch, head.pruned, until);
        head.pruned = until;
        head.put_pruned(&generation.db, batch);
    }
    Ok(())
}
