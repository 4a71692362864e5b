//! Erasing a person: the replicated change, and what each node does so that it is true of its files too.
//!
//! ```text
//! operator ── leader ── Raft entry ──▶ every node: record, own key and trail leave the state; a leaf says that somebody did
//!                                       └▶ keep: tables compacted ▶ new snapshot, the old one removed ▶ log purged
//! ```

use std::{io, ops::Range, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep, sleep_until, timeout_at},
};
use xacminh_core::command::Erasure;
use xacminh_proto::{
    transparency::{Leaf, LeafBytes, LeafKind},
    vocab::{ErrorNumber, PersonNumber, RequestId},
};

use super::Node;
use crate::{config::Remember, serve::Trouble, store::Cleared, verify::ErasureReason};

/// How often the erasure is prepared again because somebody asked about the person in that very moment.
const ROUNDS_MAX: usize = 8;

/// How long an erasure may wait for its turn.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How long it may take after that to be applied here.
const ERASURE_MAX: Duration = Duration::from_secs(10);

/// Leaves read at once while the erasure's own is looked for.
const LEAVES_AT_ONCE: usize = 4096;

/// How often a node looks whether something was erased.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after files could not be cleared.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Pause between two erasures: each makes questions about people who are new be decided once more, and a sweep read its last
/// pages again. Many times what a commit takes, and a page of a quick authority, so that an operator's list stops neither.
const PAUSE: Duration = Duration::from_millis(200);

/// Erasures come one after another, some time apart.
pub(super) struct Turns {
    pause: Duration,
    ended: Mutex<Option<Instant>>,
}

/// The turn of one erasure. The pause begins when it is over, however it ends, if anything was proposed.
struct Turn<'a> {
    ended: MutexGuard<'a, Option<Instant>>,
    proposed: bool,
}

impl Default for Turns {
    fn default() -> Self {
        Self { pause: PAUSE, ended: Mutex::default() }
    }
}

impl Turns {
    async fn next(&self) -> Turn<'_> {
        let ended = self.ended.lock().await;
        if let Some(ended) = *ended {
            sleep_until(ended + self.pause).await;
        }
        Turn { ended, proposed: false }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.proposed {
            *self.ended = Some(Instant::now());
        }
    }
}

impl Node {
    /// Erases a person and waits until this node has applied it; gives the position of the leaf that says so.
    pub(super) async fn erase_person(&self, number: PersonNumber, reason: &ErasureReason) -> Result<u64, Trouble> {
        let failure = |number, detail: &str| Trouble { number, detail: detail.to_owned() };
        // Who does not lead, or does not know yet what leaders before it committed, keeps nobody waiting for it.
        let check_leads = || {
            let leads = self.replication.leads_with_all();
            leads.then_some(()).ok_or_else(|| failure(ErrorNumber::NotReady, "this node does not lead; ask another"))
        };
        check_leads()?;
        let waited_in_vain = |_| failure(ErrorNumber::Overloaded, "many erasures wait for their turn; send it again");
        let mut turn = timeout_at(Instant::now() + WAIT_MAX, self.erasures.next()).await.map_err(waited_in_vain)?;
        let deadline = Instant::now() + ERASURE_MAX;
        let sweeps = self.config.authority.remember == Remember::Everybody;
        for _ in 0..ROUNDS_MAX {
            check_leads()?;
            let prepared = self.desk.erasure(number, reason).map_err(|number| failure(number, ""))?;
            // A page of a sweep that has the person may be under way, and only an entry turns it away.
            if !prepared.kept && !sweeps {
                return Err(failure(ErrorNumber::Erased, "nothing is kept about this number"));
            }
            let before = self.state.meta().leaves;
            turn.proposed = true;
            self.propose(prepared.erasure, deadline).await?;
            match self.leaf_of(prepared.id, before).map_err(|number| failure(number, ""))? {
                Some(position) if prepared.kept => return Ok(position),
                Some(_) => return Err(failure(ErrorNumber::Erased, "nothing was kept about this number")),
                None => {}
            }
        }
        Err(failure(ErrorNumber::Overloaded, "the person is being asked about; send the erasure again"))
    }

    async fn propose(&self, erasure: Erasure, deadline: Instant) -> Result<(), Trouble> {
        let late = |_| Trouble { number: ErrorNumber::DeadlineExceeded, detail: String::new() };
        let proposed = timeout_at(deadline, self.replication.propose_erasure(erasure)).await.map_err(late)?;
        proposed.map_err(|detail| Trouble { number: ErrorNumber::NotReady, detail })
    }

    /// Where the erasure's leaf is; none if the erasure was turned away as stale.
    fn leaf_of(&self, id: RequestId, from: u64) -> Result<Option<u64>, ErrorNumber> {
        // It was applied by now, so it stands before the end of the log.
        let found = position_of(id, from..self.state.meta().leaves, |from| self.state.leaves(from, LEAVES_AT_ONCE));
        found.map_err(|error| {
            tracing::error!(%error, "the log cannot be read");
            ErrorNumber::Internal
        })
    }

    /// What was erased up to this entry of the log leaves the node's files.
    async fn clear_files(&self, index: u64) -> Result<Cleared, String> {
        let state = self.state.clone();
        let generation = tokio::task::spawn_blocking(move || state.scrub())
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        // If we stop here, or before the end of it, nothing says that it was done, and the next start begins anew.
        let cleared = Cleared { index, generation };
        self.replication.forget(cleared, &self.state).await?;
        Ok(cleared)
    }
}

/// Where within a range the leaf of an erasure is; `read` gives some leaves from a position on. Any number of others may have
/// come in between: the erasure that is not found would be sent again, and then nothing would be kept about the number.
fn position_of(
    id: RequestId,
    within: Range<u64>,
    read: impl Fn(u64) -> io::Result<Vec<LeafBytes>>,
) -> io::Result<Option<u64>> {
    let is_it = |bytes: &LeafBytes| {
        Leaf::decode(bytes).is_ok_and(|leaf| leaf.kind == LeafKind::Erased && leaf.request_id == id)
    };
    let mut from = within.start;
    while from < within.end {
        let leaves = read(from)?;
        if let Some((position, _)) = (from..).zip(&leaves).find(|(_, bytes)| is_it(bytes)) {
            return Ok(Some(position));
        }
        if leaves.is_empty() {
            break;
        }
        from += u64::try_from(leaves.len()).map_err(io::Error::other)?;
    }
    Ok(None)
}

/// Clears the files of every node after each erasure, also of one that was stopped in between: a note beside the log, written
/// last, tells what was done, and to which tables: a snapshot that is installed brings others, and they are cleared as well.
pub(super) async fn keep(node: Arc<Node>) {
    let mut done = node.replication.forgotten().unwrap_or_else(|error| {
        tracing::error!(%error, "what was cleared is not known: it is done again");
        Cleared::default()
    });
    loop {
        if let Some(erased) = node.state.uncleared(done) {
            match node.clear_files(erased).await {
                Ok(cleared) => {
                    tracing::info!(erased, "what was erased has left the files");
                    done = cleared;
                }
                Err(error) => {
                    tracing::warn!(%error, erased, "what was erased is still in the files; it will be tried again");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
        sleep(LOOK_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use xacminh_proto::{transparency::LeafVerdict, vocab::PortalId};

    use super::*;

    fn leaf(kind: LeafKind, number: u8) -> LeafBytes {
        let leaf = Leaf {
            kind,
            time_ms: 9,
            request_id: RequestId::new(9, [number; 10]),
            portal: PortalId(0),
            official: [0; 16],
            purpose: 0,
            procedure: 0,
            register_revision: 1,
            fields: 0,
            verdict: LeafVerdict::None,
            subject: [0; 32],
            attributes_root: [0; 32],
            addendum_digest: [0; 32],
            record_version: 0,
            previous: [0; 32],
        };
        leaf.encode()
    }

    /// Also behind one that was given up while it had its turn.
    #[tokio::test]
    async fn erasures_come_some_time_apart() {
        let pause = Duration::from_millis(60);
        let (turns, began) = (Turns { pause, ended: Mutex::default() }, Instant::now());
        turns.next().await.proposed = true;
        turns.next().await.proposed = true;
        assert!(began.elapsed() >= pause);
        let mut turn = turns.next().await;
        assert!(timeout_at(Instant::now() + pause, turns.next()).await.is_err(), "one at a time");
        turn.proposed = true;
        let ended = Instant::now();
        drop(turn);
        drop(turns.next().await);
        assert!(ended.elapsed() >= pause);
        let last = *turns.ended.lock().await;
        drop(turns.next().await);
        assert_eq!(*turns.ended.lock().await, last, "nothing was proposed: nobody waits for it");
    }

    #[test]
    fn an_erasure_is_found_however_many_leaves_came_before_it() {
        let mut log: Vec<LeafBytes> = (0..9).map(|number| leaf(LeafKind::Admin, number)).collect();
        log[7] = leaf(LeafKind::Erased, 7);
        let find = |number, within| {
            let read = |from| Ok(log.iter().skip(usize::try_from(from).expect("few")).take(2).copied().collect());
            position_of(RequestId::new(9, [number; 10]), within, read).expect("read")
        };
        assert_eq!(find(7, 0..9), Some(7));
        assert_eq!(find(7, 7..9), Some(7));
        assert_eq!(find(6, 0..9), None, "of another kind");
        assert_eq!(find(7, 8..9), None, "before the range");
        assert_eq!(find(8, 0..40), None, "the log ends");
    }
}
