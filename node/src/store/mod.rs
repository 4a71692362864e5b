//! What a node remembers: the Raft log and the state, in one data directory.
//!
//! ```text
//! disk      the data directory: whose it is, who holds it, which state is in force
//! log       entries and vote, durable before anybody is told               (RocksDB, synced)
//! machine   committed entries become the state, and outcomes leave          (apply thread)
//! erasures  who was erased last, in memory, for questions that are under way
//! mirror    what apply itself read or wrote last, in memory
//! state     what others may read                                            (RocksDB, flushed now and then)
//! hashes    the log's trees, where proofs are made from
//! snapshot  checkpoints: made, received, verified, installed
//! floor     how much the state has on disk: the log forgets no more than that
//! fatal     faults after which the process must stop
//! audit_index   by what auditors find leaves; a database of its own, made from the state
//! ```
//!
//! Trust: the data directory is trusted to be ours and not to be a copy of an older day. Values in it are sealed, keys
//! are keyed hashes; who can write it can lose data, which the Merkle log makes visible, but cannot forge a record.

#[cfg(test)]
pub(crate) mod at_once;
mod audit_index;
mod disk;
mod encoding;
mod entries;
mod erasures;
mod fatal;
mod floor;
mod generation;
mod hashes;
mod inspect;
mod log;
mod machine;
mod mirror;
mod rocks;
mod snapshot;
mod state;
mod tables;
mod values;

use std::{io, path::Path, sync::Arc};

use rocksdb::Cache;

pub use audit_index::{AuditIndex, BLOCK_LEAVES, Postings, Progress, Term};
pub use disk::{DataDir, DiskError};
pub use entries::Mark;
pub use fatal::{Fatal, FatalHook};
pub use floor::FlushedFloor;
pub use hashes::TreeReader;
pub use inspect::{Inspection, inspect};
pub use log::{Cleared, Growth, LogEnd, LogError, LogStore, Waiters};
pub use machine::{ApplySink, StateMachine};
pub use snapshot::{FILES_MAX, MANIFEST_BYTES_MAX, Manifest, ManifestFile, Receiving, SnapshotBuilder, SnapshotDir};
pub use state::{Document, Indexed, State};
pub use tables::Head;
pub use values::visit_values;

/// A node's store, open.
pub struct Store {
    /// For openraft: what is replicated.
    pub log: LogStore,
    /// For openraft: what becomes of it.
    pub machine: StateMachine,
    /// For everybody else: what is remembered.
    pub state: State,
    directory: Arc<DataDir>,
}

/// Whose data directory to open, and how.
pub struct Options<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// The cluster's name.
    pub cluster: &'a str,
    /// This node's id.
    pub node: u64,
    /// A fresh random number, used if the directory is new.
    pub incarnation: u128,
    /// Memory for blocks of tables.
    pub block_cache_bytes: usize,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state.
    #[error("the state at {path}: {source}")]
    State {
        /// Where it is.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
    /// A snapshot.
    #[error("a snapshot in {path}: {source}")]
    Snapshot {
        /// The folder of snapshots.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
}

impl Store {
    /// Opens a node's store. `fatal` must end the process; `sink` learns what becomes of items.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is repaired silently.
    pub fn open(options: &Options<'_>, sink: Arc<dyn ApplySink>, fatal: FatalHook) -> Result<Self, StoreError> {
        let directory =
            DataDir::open(options.directory, options.cluster, options.node, options.incarnation).map(Arc::new)?;
        let number = directory.active()?;
        let path = directory.state(number);
        let state_failed = |source| StoreError::State { path: path.display().to_string(), source };
        let block_cache = Cache::new_lru_cache(options.block_cache_bytes);
        let generation = generation::Generation::open(number, &path, &block_cache).map_err(state_failed)?;
        let snapshots = directory.snapshots();
        let newest = snapshot::newest_in(&snapshots)
            .map_err(|source| StoreError::Snapshot { path: snapshots.display().to_string(), source })?;
        let shared = state::Shared::new(Arc::clone(&directory), generation, block_cache, newest, Arc::clone(&fatal));
        let log = LogStore::open(&directory.log(), shared.floor.clone(), fatal)?;
        let machine = StateMachine::start(Arc::clone(&shared), sink).map_err(state_failed)?;
        Ok(Self { log, machine, state: State { shared }, directory })
    }

    /// Random number given to the data directory when it was made.
    #[must_use]
    pub fn incarnation(&self) -> u128 {
        self.directory.incarnation()
    }

    /// Whether the node has no history yet: no leaf, and no entry of a log.
    #[must_use]
    pub fn is_new(&self) -> bool {
        let [_, last, _] = self.log.bounds();
        last.is_none() && self.state.meta().leaves == 0
    }

    /// Where snapshots are received.
    #[must_use]
    pub fn incoming(&self) -> std::path::PathBuf {
        self.directory.incoming()
    }
}

#[cfg(test)]
mod tests;
