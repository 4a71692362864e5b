//! The end of the log, and who waits for it to move.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;

/// The index of the last entry, as soon as it can be read.
#[derive(Default)]
pub struct LogEnd {
    /// 0 while there is none.
    index: AtomicU64,
    waiting: Mutex<Vec<Weak<AtomicWaker>>>,
}

/// One task's way to wait for the log to grow.
pub struct Growth {
    end: Arc<LogEnd>,
    waker: Arc<AtomicWaker>,
}

impl LogEnd {
    /// Waits on behalf of one task.
    #[must_use]
    pub fn growth(self: &Arc<Self>) -> Growth {
        let waker = Arc::new(AtomicWaker::new());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|waker| waker.strong_count() > 0);
        waiting.push(Arc::downgrade(&waker));
        Growth { end: Arc::clone(self), waker }
    }

    /// Says where the log ends now.
    pub(crate) fn set(&self, index: u64) {
        self.index.store(index, Ordering::SeqCst);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().filter_map(Weak::upgrade).for_each(|waker| waker.wake());
    }
}

impl Growth {
    /// Ready if there are entries behind this index; otherwise the task is woken once the end has moved.
    pub fn poll_behind(&self, index: u64, context: &mut Context<'_>) -> Poll<()> {
        // In this order: what moves the end after the look finds the waker.
        self.waker.register(context.waker());
        if self.end.index.load(Ordering::SeqCst) > index { Poll::Ready(()) } else { Poll::Pending }
    }
}
