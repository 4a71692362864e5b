//! The end of the log, and who waits for it to move.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;

/// Tasks that wait for something to move. Who is gone is forgotten.
#[derive(Default)]
pub struct Waiters(Mutex<Vec<Weak<AtomicWaker>>>);

/// The index of the last entry, as soon as it can be read.
#[derive(Default)]
pub struct LogEnd {
    /// 0 while there is none.
    index: AtomicU64,
    waiters: Waiters,
}

/// One task's way to wait for the log to grow.
pub struct Growth {
    end: Arc<LogEnd>,
    waker: Arc<AtomicWaker>,
}

impl Waiters {
    /// One more.
    pub fn join(&self, waker: &Arc<AtomicWaker>) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.retain(|waker| waker.strong_count() > 0);
        waiters.push(Arc::downgrade(waker));
    }

    /// Wakes all of them.
    pub fn wake(&self) {
        let waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.iter().filter_map(Weak::upgrade).for_each(|waker| waker.wake());
    }
}

impl LogEnd {
    /// Waits on behalf of one task.
    #[must_use]
    pub fn growth(self: &Arc<Self>) -> Growth {
        let waker = Arc::new(AtomicWaker::new());
        self.waiters.join(&waker);
        Growth { end: Arc::clone(self), waker }
    }

    /// Says where the log ends now.
    pub(crate) fn set(&self, index: u64) {
        self.index.store(index, Ordering::SeqCst);
        self.waiters.wake();
    }
}

impl Growth {
    /// What the task is woken by, to wait for something else besides.
    #[must_use]
    pub const fn waker(&self) -> &Arc<AtomicWaker> {
        &self.waker
    }

    /// Ready if there are entries behind this index; otherwise the task is woken once the end has moved.
    pub fn poll_behind(&self, index: u64, context: &mut Context<'_>) -> Poll<()> {
        // In this order: what moves the end after the look finds the waker.
        self.waker.register(context.waker());
        if self.end.index.load(Ordering::SeqCst) > index { Poll::Ready(()) } else { Poll::Pending }
    }
}
