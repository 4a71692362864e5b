//! What an auditor can find in the log without reading all of it.
//!
//! ```text
//! apply ── leaves, marks ──▶ state ◀── follow, in rounds ── index thread ──▶ store::AuditIndex
//! question of an auditor ── verify resolves it into terms ──▶ search: walks of the index meet ──▶ a page of positions
//! receipt of a request that the state has forgotten ──▶ requests: its place, compared with the leaf there
//! ```
//!
//! The index is never on the way of an answer: it is made from the state by a thread of the lowest priority, and what it
//! does not have yet it says ([`Found::indexed`]). A page costs a bounded number of steps, however large the log is; one by
//! person walks that person's trail, which has an end of its own.
//!
//! Architecture invariant: nothing here opens anything sealed, and no wire type is seen.

mod index;
mod requests;
mod search;

use std::{fmt, fs, io, path::Path, sync::Arc};

use tokio::sync::Semaphore;
use xacminh_core::command::RequestKey;
use xacminh_proto::{
    transparency::{
        Hash, LeafBytes, LeafKind, LeafVerdict,
        merkle::{ProveError, prove_consistency},
    },
    vocab::{DossierId, OfficialId, PersonNumber, PortalId, ProcedureCode},
};

use crate::store::{AuditIndex, State};
use index::Follower;

pub use index::{ROUND_LEAVES_MAX, Stepped, step};
pub use requests::{Located, locate};
pub use search::{Found, PAGE_MAX, Search, SearchError, find};

/// Searches at a time: auditors wait for one another rather than clerks for auditors.
const SEARCHES_MAX: usize = 2;

/// What an auditor asks for, in words: everything given must hold of a leaf.
#[derive(Clone, Default)]
pub struct Inquiry {
    /// The portal that asked.
    pub portal: Option<PortalId>,
    /// The official who asked; without a portal, the official of this id at any portal.
    pub official: Option<OfficialId>,
    /// The procedure.
    pub procedure: Option<ProcedureCode>,
    /// The dossier.
    pub dossier: Option<DossierId>,
    /// The person asked about: asking so is an access to their data, and leaves a leaf of its own.
    pub person: Option<PersonNumber>,
    /// Stamped not before, Unix milliseconds.
    pub from_ms: Option<u64>,
    /// Stamped before, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// What happened.
    pub outcome: Option<(LeafKind, LeafVerdict)>,
    /// The newest first.
    pub newest_first: bool,
    /// Where a page before this one ended.
    pub cursor: Option<u64>,
    /// Entries at the most.
    pub limit: usize,
}

/// Consecutive entries of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Leaves in the log when these were read.
    pub all: u64,
    /// Position of the first.
    pub from: u64,
    /// Of those that are no longer kept: the leaf's hash, and the year of which it is the first entry, if it is one.
    pub pruned: Vec<(Hash, Option<u16>)>,
    /// The leaves after them.
    pub leaves: Vec<LeafBytes>,
}

/// The index of a node, kept up, and the searches in it.
pub struct Searcher {
    state: State,
    index: Arc<AuditIndex>,
    places: Semaphore,
    follower: Follower,
}

impl Searcher {
    /// Opens the index in `folder` and keeps it behind the state.
    ///
    /// # Errors
    /// If the disk refuses. A damaged index is made anew: everything in it is in the state, too.
    pub fn start(folder: &Path, state: State) -> io::Result<Self> {
        let index = AuditIndex::open(folder).or_else(|error| {
            tracing::warn!(%error, "the audit index cannot be read: it is made anew");
            // If we crash here, there is no index, and the next start makes one.
            fs::remove_dir_all(folder)?;
            AuditIndex::open(folder)
        });
        let index = Arc::new(index?);
        let follower = Follower::start(Arc::clone(&index), state.clone())?;
        Ok(Self { state, index, places: Semaphore::new(SEARCHES_MAX), follower })
    }

    /// Ends the index thread and waits for it: its databases must be closed before the process ends.
    pub fn stop(&self) {
        self.follower.stop();
    }

    /// Looks for a page, away from the threads that serve.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn find(&self, search: Search) -> Result<Found, SearchError> {
        let _place = self.places.acquire().await.map_err(|_| SearchError::Rebuilding)?;
        let (index, state) = (Arc::clone(&self.index), self.state.clone());
        let found = tokio::task::spawn_blocking(move || find(&index, &state, &search)).await;
        found.map_err(io::Error::other)?
    }

    /// Where the entry of a request is that the state does not remember any more; looked for as pages are, away from the threads
    /// that serve and only so many at once.
    ///
    /// # Errors
    /// If a disk cannot be read or what is on it is damaged.
    pub async fn locate(&self, request: RequestKey) -> io::Result<Located> {
        let _place = self.places.acquire().await.map_err(io::Error::other)?;
        let (index, state) = (Arc::clone(&self.index), self.state.clone());
        tokio::task::spawn_blocking(move || locate(&index, &state, &request)).await.map_err(io::Error::other)?
    }

    /// Leaves indexed so far.
    #[must_use]
    pub fn indexed(&self) -> u64 {
        self.index.progress().leaves
    }
}

/// Entries from a position on, at most `limit`.
///
/// # Errors
/// If the disk cannot be read or what is on it is damaged.
pub fn page(state: &State, from: u64, limit: usize) -> io::Result<Page> {
    let all = state.meta().leaves;
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "a leaf that is no longer kept is in no tree");
    let shards = state.shards();
    let kept_from = state.pruned().min(all);
    let mut pruned = Vec::new();
    for position in (from..kept_from).take(limit) {
        let hash = state.leaf_hash(position)?.ok_or_else(missing)?;
        pruned.push((hash, shards.iter().find(|shard| shard.first == position).map(|shard| shard.year)));
    }
    let leaves = state.leaves(from.max(kept_from), limit - pruned.len())?;
    Ok(Page { all, from, pruned, leaves })
}

/// The proof that a tree of a year's shard is the beginning of another; none if there are no such trees.
///
/// # Errors
/// If the disk cannot be read or what is on it is damaged.
pub fn consistency(state: &State, year: u16, old: u64, new: u64) -> io::Result<Option<Vec<Hash>>> {
    let shards = state.shards();
    let Some(at) = shards.iter().position(|shard| shard.year == year) else { return Ok(None) };
    let ends = shards.get(at + 1).map_or_else(|| state.meta().leaves, |next| next.first);
    if old > new || new > ends - shards[at].first {
        return Ok(None);
    }
    match prove_consistency(&mut state.hashes(shards[at]), old, new) {
        Ok(proof) => Ok(Some(proof)),
        Err(ProveError::Read(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// It may name a person and officials: nothing of it is shown.
impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inquiry(…)")
    }
}
