//! How many questions a batch has under way: as many as nobody else has to wait for.
//!
//! A batch has all day, and a clerk has a citizen at the counter. Nodes know when anybody is at one, and hold back what a
//! batch asks over its session; this is for those who are not, other batches and gateways of their own making, and for the
//! way there. What everybody waits in is a queue, and a queue shows as
//! latency above what a question takes when there is none. So the batch does what RFC 6817 (LEDBAT) does for background
//! transfers: it learns the floor with few questions under way, asks more as long as latency stays near it, and gives
//! way when latency is half as long again, whoever made it so: the slowest answers suffer more than the median.

use std::time::Duration;

/// Questions under way that a batch never goes below: enough to see what latency is, too few to be in anybody's way.
pub(super) const WINDOW_MIN: usize = 8;

/// The floor is learnt anew so often: the cluster that a batch began with is not the one that it goes on with.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

/// The window of a batch.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    window_max: usize,
    /// Whether it gives way at all.
    gives_way: bool,
    /// Median latency with the smallest window.
    floor: Option<Duration>,
    /// When it was learnt.
    learnt_at: Duration,
    /// Latencies of this round: as many as there are questions under way.
    round: Vec<Duration>,
    /// Answers still to come that were asked with another window: they say nothing about this one.
    stale: usize,
}

impl Pace {
    /// At most `window_max` questions under way; always as many if it does not give way.
    pub(super) fn new(window_max: usize, gives_way: bool) -> Self {
        let window = if gives_way { WINDOW_MIN.min(window_max) } else { window_max };
        let learnt_at = Duration::ZERO;
        Self { window, window_max, gives_way, floor: None, learnt_at, round: Vec::new(), stale: 0 }
    }

    /// How many may be under way now.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Tells how long an answer took that came `now`, counted from the batch's beginning.
    pub(super) fn landed(&mut self, now: Duration, latency: Duration) {
        if !self.gives_way {
            return;
        }
        if self.stale > 0 {
            self.stale -= 1;
            return;
        }
        self.round.push(latency);
        if self.round.len() < self.window {
            return;
        }
        let middle = self.round.len() / 2;
        let median = *self.round.select_nth_unstable(middle).1;
        self.round.clear();
        match self.floor {
            None => (self.floor, self.learnt_at) = (Some(median), now),
            Some(_) if now.saturating_sub(self.learnt_at) >= LOOK_AGAIN => {
                self.floor = None;
                self.resize(WINDOW_MIN);
            }
            // A quarter at a time: latency follows only once the questions under way are fewer.
            Some(floor) if median > floor * 3 / 2 => self.resize(self.window - self.window / 4),
            Some(floor) if median < floor * 5 / 4 => self.resize(self.window + self.window / 8),
            Some(_) => {}
        }
    }

    fn resize(&mut self, window: usize) {
        let before = self.window;
        self.window = window.clamp(WINDOW_MIN.min(self.window_max), self.window_max);
        if self.window != before {
            self.stale = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Answers from a cluster where a question takes `floor` and a queue behind `room` questions under way, of others
    /// too, makes it proportionally longer. Gives the window at the end.
    fn run(pace: &mut Pace, now: &mut Duration, answers: usize, room: usize, others: usize) -> usize {
        for _ in 0..answers {
            let under_way = u32::try_from(pace.window() + others).unwrap();
            let latency = (4 * MS).max(4 * MS * under_way / u32::try_from(room).unwrap());
            *now += latency / under_way;
            pace.landed(*now, latency);
        }
        pace.window()
    }

    #[test]
    fn a_batch_alone_fills_the_cluster_and_no_more() {
        let (mut pace, mut now) = (Pace::new(1024, true), Duration::ZERO);
        let window = run(&mut pace, &mut now, 20_000, 100, 0);
        assert!((110..=155).contains(&window), "{window}: latency stays below one and a half floors");
        let (mut pace, mut now) = (Pace::new(64, true), Duration::ZERO);
        assert_eq!(run(&mut pace, &mut now, 20_000, 1_000, 0), 64, "as many as were allowed");
    }

    #[test]
    fn it_gives_way_to_others_and_comes_back() {
        let (mut pace, mut now) = (Pace::new(1024, true), Duration::ZERO);
        let alone = run(&mut pace, &mut now, 5_000, 100, 0);
        let beside = run(&mut pace, &mut now, 2_000, 100, 150);
        assert!((WINDOW_MIN..=60).contains(&beside), "{beside} beside 150, {alone} alone");
        let again = run(&mut pace, &mut now, 5_000, 100, 0);
        assert!(again >= alone * 3 / 4, "{again} after, {alone} before");
    }

    #[test]
    fn it_never_stops_and_learns_what_a_slower_cluster_takes() {
        let (mut pace, mut now) = (Pace::new(256, true), Duration::ZERO);
        run(&mut pace, &mut now, 1_000, 100, 0);
        // Every question takes ten times as long, and it is nobody's queue.
        let mut slow = |answers: usize, pace: &mut Pace| {
            for _ in 0..answers {
                now += 40 * MS / u32::try_from(pace.window()).unwrap();
                pace.landed(now, 40 * MS);
            }
        };
        slow(2_000, &mut pace);
        assert_eq!(pace.window(), WINDOW_MIN);
        slow(20_000, &mut pace);
        assert!(pace.window() > WINDOW_MIN, "the floor was learnt anew");
    }

    #[test]
    fn who_does_not_give_way_has_as_many_under_way_as_allowed() {
        let (mut pace, mut now) = (Pace::new(300, false), Duration::ZERO);
        assert_eq!(run(&mut pace, &mut now, 5_000, 10, 1_000), 300);
    }

    #[test]
    fn one_slow_answer_in_a_round_is_nobodys_queue() {
        let mut pace = Pace::new(64, true);
        for answer in 0..4_000_u32 {
            pace.landed(answer * MS, if answer % 5 == 0 { 900 * MS } else { 4 * MS });
        }
        assert_eq!(pace.window(), 64);
    }
}
