//! How much of the log the state has on its own disk: the log may forget that much, and nothing more.

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

type Flush = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// The index below which every entry's effect is durable in the state; shared by the log and the state.
#[derive(Clone, Default)]
pub struct FlushedFloor {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// First index whose effect is not durable yet.
    next: AtomicU64,
    flush: OnceLock<Flush>,
}

impl FlushedFloor {
    /// First index whose effect the state may still lose.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.shared.next.load(Ordering::Acquire)
    }

    /// Whether the effect of the entry at `index` is durable.
    #[must_use]
    pub fn covers(&self, index: u64) -> bool {
        index < self.next()
    }

    /// Everything up to and including `index` is durable now. It never goes back.
    pub(super) fn advance(&self, index: u64) {
        self.shared.next.fetch_max(index + 1, Ordering::AcqRel);
    }

    /// How the state is asked to flush; set once, when the state is opened.
    pub(super) fn on_demand(&self, flush: Flush) {
        // A second state over one log would be a fault of ours; the first one keeps answering.
        let _ = self.shared.flush.set(flush);
    }

    /// Makes the state flush what it has applied; blocks for as long as that takes.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.shared.flush.get().map_or(Ok(()), |flush| flush())
    }
}

impl fmt::Debug for FlushedFloor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlushedFloor({})", self.next())
    }
}
