//! Questions that nobody waits for, and how many of them are in work.
//!
//! A batch alone may have what every session may. As soon as somebody at a counter asks, on whichever node, few of its
//! questions are in work at a time: what clerks wait in behind a batch is not the node's own queue, which could be put in
//! order, but processors and disks that are busy with what was admitted before.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// Somebody who asked so long ago counts as one who is there: clerks type, and must not find a full cluster every time.
const PRESENCE: Duration = Duration::from_secs(5);

/// Places for questions that nobody waits for.
#[derive(Debug)]
pub(super) struct Background {
    beside_max: usize,
    in_work: AtomicUsize,
    freed: Notify,
}

/// A question's place, given up when dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Background);

impl Background {
    /// At most `beside_max` places while somebody is at a counter, as many as sessions let through otherwise.
    pub(super) fn new(beside_max: usize) -> Self {
        Self { beside_max: beside_max.max(1), in_work: AtomicUsize::new(0), freed: Notify::new() }
    }

    /// Waits for a place; `asked` gives when somebody at a counter asked last. Safe to cancel.
    pub(super) async fn enter(&self, asked: impl Fn() -> Option<Instant>) -> Turn<'_> {
        loop {
            // Made before the look, so that a place which is freed in between is not missed.
            let freed = self.freed.notified();
            if let Some(turn) = self.try_enter(asked().is_some_and(|at| at.elapsed() < PRESENCE)) {
                // There may be room for more than one: what frees a place wakes one who waits.
                self.freed.notify_one();
                return turn;
            }
            freed.await;
        }
    }

    fn try_enter(&self, beside: bool) -> Option<Turn<'_>> {
        let most = if beside { self.beside_max } else { usize::MAX };
        let more = |in_work: usize| (in_work < most).then_some(in_work + 1);
        self.in_work.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.in_work.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::{future::join_all, poll};

    use super::*;

    #[tokio::test]
    async fn few_are_in_work_while_somebody_is_at_a_counter() {
        let background = Background::new(2);
        let now = Instant::now();
        let clerk = || Some(now);
        let alone: Vec<_> = join_all((0..100).map(|_| background.enter(|| None))).await;
        assert_eq!(alone.len(), 100, "nobody else is there");
        let mut waiting = Box::pin(background.enter(clerk));
        assert!(poll!(&mut waiting).is_pending(), "a hundred are in work");
        drop(alone);
        let (first, _second) = (waiting.await, background.enter(clerk).await);
        let mut waiting = Box::pin(background.enter(clerk));
        assert!(poll!(&mut waiting).is_pending(), "two are in work");
        drop(first);
        let _third = waiting.await;
        let long_ago = now.checked_sub(PRESENCE).expect("a machine that is up for longer");
        assert!(poll!(Box::pin(background.enter(clerk))).is_pending());
        assert!(poll!(Box::pin(background.enter(|| Some(long_ago)))).is_ready(), "the clerk has gone");
    }

    #[tokio::test]
    async fn everybody_who_waits_gets_in_once_the_clerk_has_gone() {
        let background = Background::new(1);
        let asked = std::sync::Mutex::new(Some(Instant::now()));
        let enter = || background.enter(|| *asked.lock().expect("no panic"));
        let place = enter().await;
        let mut waiting = Box::pin(join_all((0..50).map(|_| enter())));
        assert!(poll!(&mut waiting).is_pending());
        *asked.lock().expect("no panic") = None;
        drop(place);
        assert_eq!(waiting.await.len(), 50, "one place was freed, and all may go");
    }

    #[tokio::test]
    async fn who_gives_up_takes_nobodys_place_and_nobodys_turn() {
        let background = Background::new(1);
        let now = Instant::now();
        let place = background.enter(|| Some(now)).await;
        let (mut first, mut second) =
            (Box::pin(background.enter(|| Some(now))), Box::pin(background.enter(|| Some(now))));
        assert!(poll!(&mut first).is_pending() & poll!(&mut second).is_pending());
        drop(place);
        drop(first);
        drop(second.await);
        assert_eq!(background.in_work.load(Ordering::Acquire), 0);
    }
}
