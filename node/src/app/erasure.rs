//! Erasing a person: the replicated change, and what each node does so that it is true of its files too.
//!
//! ```text
//! operator ── leader ── Raft entry ──▶ every node: record, own key and trail leave the state; a leaf says that somebody did
//!                                       └▶ keep: tables compacted ▶ new snapshot, the old one removed ▶ log purged
//! ```

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};
use xacminh_core::command::Erasure;
use xacminh_proto::{
    transparency::{Leaf, LeafKind},
    vocab::{ErrorNumber, PersonNumber, RequestId},
};

use super::Node;
use crate::{serve::Trouble, verify::ErasureReason};

/// How often the erasure is prepared again because somebody asked about the person in that very moment.
const ROUNDS_MAX: usize = 8;

/// How long an erasure may take to be applied here.
const ERASURE_MAX: Duration = Duration::from_secs(10);

/// Leaves in which the erasure's own is looked for: it is the newest or nearly so.
const LEAVES_LOOKED_AT: usize = 4096;

/// How often a node looks whether something was erased.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after files could not be cleared.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

impl Node {
    /// Erases a person and waits until this node has applied it; gives the position of the leaf that says so.
    pub(super) async fn erase_person(&self, number: PersonNumber, reason: &ErasureReason) -> Result<u64, Trouble> {
        let failure = |number, detail: &str| Trouble { number, detail: detail.to_owned() };
        let deadline = Instant::now() + ERASURE_MAX;
        for _ in 0..ROUNDS_MAX {
            if !self.replication.leads() {
                return Err(failure(ErrorNumber::NotReady, "this node does not lead; ask another"));
            }
            let prepared = self.desk.erasure(number, reason).map_err(|number| failure(number, ""))?;
            let Some((erasure, id)) = prepared else {
                return Err(failure(ErrorNumber::Erased, "nothing is kept about this number"));
            };
            let before = self.state.meta().leaves;
            self.propose(erasure, deadline).await?;
            if let Some(position) = self.leaf_of(id, before).map_err(|number| failure(number, ""))? {
                return Ok(position);
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
        let leaves = self.state.leaves(from, LEAVES_LOOKED_AT).map_err(|error| {
            tracing::error!(%error, "the log cannot be read");
            ErrorNumber::Internal
        })?;
        let is_it =
            |bytes| Leaf::decode(bytes).is_ok_and(|leaf: Leaf| leaf.kind == LeafKind::Erased && leaf.request_id == id);
        Ok((from..).zip(&leaves).find(|(_, bytes)| is_it(bytes.as_slice())).map(|(position, _)| position))
    }

    /// What was erased up to this entry of the log leaves the node's files.
    async fn clear_files(&self, index: u64) -> Result<(), String> {
        let state = self.state.clone();
        tokio::task::spawn_blocking(move || state.scrub())
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        // If we stop here, the log still has the entry, and the next start begins anew.
        self.replication.forget(index).await
    }
}

/// Clears the files of every node after each erasure, also of one that was stopped in between: the log's last purged entry
/// tells what was done.
pub(super) async fn keep(node: Arc<Node>) {
    let mut done = node.replication.forgotten();
    loop {
        match node.state.erased() {
            Ok(erased) if erased > done => match node.clear_files(erased).await {
                Ok(()) => {
                    tracing::info!(erased, "what was erased has left the files");
                    done = erased;
                }
                Err(error) => {
                    tracing::warn!(%error, erased, "what was erased is still in the files; it will be tried again");
                    sleep(RETRY_PAUSE).await;
                }
            },
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the state cannot be read"),
        }
        sleep(LOOK_INTERVAL).await;
    }
}
