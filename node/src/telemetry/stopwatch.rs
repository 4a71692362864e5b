//! Where the time of one question went.

use std::time::Instant;

use super::{Metrics, QuestionOutcome, Stage};

/// Laps of one question; on the stack, without allocation.
#[derive(Clone, Debug)]
pub struct Stopwatch {
    start: Instant,
    last: Instant,
    laps_us: [u32; Stage::ALL.len()],
}

impl Stopwatch {
    /// Starts when the first byte of a question is there.
    #[must_use]
    pub fn start() -> Self {
        let now = Instant::now();
        Self { start: now, last: now, laps_us: [0; Stage::ALL.len()] }
    }

    /// Ends a stage: the time since the last lap belongs to it. A stage visited twice adds up in the log line.
    pub fn lap(&mut self, stage: Stage, metrics: &Metrics) {
        let now = Instant::now();
        let us = u64::try_from(now.duration_since(self.last).as_micros()).unwrap_or(u64::MAX);
        self.last = now;
        metrics.stage(stage, us);
        let lap = &mut self.laps_us[stage.index()];
        *lap = lap.saturating_add(u32::try_from(us).unwrap_or(u32::MAX));
    }

    /// Ends the question and counts it.
    pub fn finish(&self, outcome: QuestionOutcome, metrics: &Metrics) {
        metrics.question(outcome, self.total_us());
    }

    /// Microseconds since the start.
    #[must_use]
    pub fn total_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Microseconds spent at a stage so far.
    #[must_use]
    pub fn lap_us(&self, stage: Stage) -> u32 {
        self.laps_us[stage.index()]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn laps_add_up_and_are_counted() {
        let metrics = Metrics::new();
        let mut watch = Stopwatch::start();
        std::thread::sleep(Duration::from_millis(2));
        watch.lap(Stage::Store, &metrics);
        let once = watch.lap_us(Stage::Store);
        assert!(once >= 2_000);
        std::thread::sleep(Duration::from_millis(2));
        watch.lap(Stage::Store, &metrics);
        watch.lap(Stage::Decide, &metrics);
        assert!(watch.lap_us(Stage::Store) >= once + 2_000);
        assert_eq!(watch.lap_us(Stage::Upstream), 0);
        assert!(watch.total_us() >= u64::from(watch.lap_us(Stage::Store)));
        watch.finish(QuestionOutcome::NotConfirmed, &metrics);
        let text = metrics.render();
        assert!(text.contains("xacminh_stage_seconds_count{stage=\"store\"} 2"));
        assert!(text.contains("xacminh_questions_total{outcome=\"not_confirmed\"} 1"));
    }
}
