//! Patience: every wait looks here, so that the day is bounded and ends early when told to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

/// How often a wait looks again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The end of the day, and whether somebody asked for an earlier one.
#[derive(Clone)]
pub(crate) struct Watch {
    end: Instant,
    stopped: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn new(day: Duration) -> Self {
        Self { end: Instant::now() + day, stopped: Arc::default() }
    }

    /// Ends the day: whoever waits gets an error.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Waits until `look` finds something.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        patience: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            ensure!(!self.stopped.load(Ordering::Relaxed), "interrupted while waiting for {what}");
            ensure!(Instant::now() < deadline, "waited {} s for {what}", patience.as_secs());
            ensure!(Instant::now() < self.end, "the demo took too long; it waited for {what}");
            thread::sleep(LOOK_EVERY);
        }
    }
}
