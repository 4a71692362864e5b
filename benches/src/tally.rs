//! What became of the questions of one window: latencies, outcomes, errors.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use xacminh_client::ClientError;
use xacminh_proto::{vocab::Outcome, wire::Answer};

use crate::people::Kind;

/// Latencies from a microsecond to a minute, to three digits.
const LATENCY_US_MAX: u64 = 60_000_000;
const DIGITS: u8 = 3;

/// The window that counts.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its first moment.
    pub from: Instant,
    /// The first moment after it.
    pub until: Instant,
}

/// Counts of one connection, or of several together.
#[derive(Clone, Debug)]
pub struct Tally {
    window: Window,
    /// Answers that arrived within the window, whenever their questions were due.
    pub answered: u64,
    /// Latency of every answered question that was due within the window, microseconds.
    pub latency_us: Histogram<u64>,
    /// Questions due within the window, by what was answered.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Questions due within the window that got no answer, by what happened.
    pub errors: BTreeMap<String, u64>,
    /// Answers that were not what the question was meant to come to.
    pub unexpected: u64,
}

impl Tally {
    /// Nothing counted yet.
    ///
    /// # Panics
    /// Never: the bounds are constants that the histogram takes.
    #[must_use]
    pub fn new(window: Window) -> Self {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS).expect("bounds that a histogram takes");
        Self { window, answered: 0, latency_us, outcomes: BTreeMap::new(), errors: BTreeMap::new(), unexpected: 0 }
    }

    /// Counts one question that was due at `due` and ended at `done`.
    pub fn record(&mut self, kind: Kind, due: Instant, done: Instant, result: &Result<Answer, ClientError>) {
        if result.is_ok() && self.window.holds(done) {
            self.answered += 1;
        }
        if !self.window.holds(due) {
            return;
        }
        match result {
            Ok(answer) => {
                let latency = done.saturating_duration_since(due);
                self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
                *self.outcomes.entry(outcome(&answer.outcome)).or_default() += 1;
                self.unexpected += u64::from(!kind.is_met_by(&answer.outcome));
            }
            Err(failure) => *self.errors.entry(error(failure)).or_default() += 1,
        }
    }

    /// Counts a question that was due and never sent, because too many were under way.
    pub fn unsent(&mut self, due: Instant) {
        if self.window.holds(due) {
            *self.errors.entry("not sent".to_owned()).or_default() += 1;
        }
    }

    /// Adds the counts of another connection.
    pub fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.latency_us += &other.latency_us;
        self.unexpected += other.unexpected;
        for (name, count) in &other.outcomes {
            *self.outcomes.entry(name).or_default() += count;
        }
        for (name, count) in &other.errors {
            *self.errors.entry(name.clone()).or_default() += count;
        }
    }
}

impl Window {
    /// The window of `length` after a warm-up from `start`.
    #[must_use]
    pub fn after(start: Instant, warm_up: Duration, length: Duration) -> Self {
        let from = start + warm_up;
        Self { from, until: from + length }
    }

    fn holds(&self, moment: Instant) -> bool {
        (self.from..self.until).contains(&moment)
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Confirmed { .. } => "confirmed",
        Outcome::NotConfirmed => "not confirmed",
        Outcome::Undetermined(_) => "undetermined",
        Outcome::Refused(_) => "refused",
    }
}

/// The stable number where there is one.
fn error(error: &ClientError) -> String {
    match error {
        ClientError::Rejected { number, .. } => number.number().to_string(),
        ClientError::Unknown { .. } => "unknown".to_owned(),
        ClientError::Unreachable { .. } => "unreachable".to_owned(),
        ClientError::NodeDefect { .. } => "defect".to_owned(),
        ClientError::Protocol { .. } => "protocol".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use xacminh_proto::vocab::{ErrorNumber, RequestId};

    use super::*;

    fn answer(outcome: Outcome) -> Result<Answer, ClientError> {
        Ok(Answer { request_id: RequestId::new(1, [0; 10]), outcome, position: 1, at_ms: 1, receipt: None })
    }

    #[test]
    fn only_the_window_counts_and_latency_runs_from_when_it_was_due() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut tally = Tally::new(Window::after(start, Duration::from_millis(100), Duration::from_millis(100)));
        tally.record(Kind::Mismatch, at(50), at(60), &answer(Outcome::NotConfirmed));
        tally.record(Kind::Mismatch, at(90), at(110), &answer(Outcome::NotConfirmed));
        tally.record(Kind::Mismatch, at(110), at(150), &answer(Outcome::NotConfirmed));
        tally.record(Kind::Match, at(190), at(210), &answer(Outcome::NotConfirmed));
        assert_eq!((tally.answered, tally.latency_us.len(), tally.unexpected), (2, 2, 1));
        assert_eq!(tally.latency_us.max() / 1_000, 40);
        assert_eq!(tally.outcomes, BTreeMap::from([("not confirmed", 2)]));
    }

    #[test]
    fn errors_go_by_their_number() {
        let start = Instant::now();
        let mut tally = Tally::new(Window::after(start, Duration::ZERO, Duration::from_secs(1)));
        let rejected = Err(ClientError::Rejected { number: ErrorNumber::Overloaded, detail: String::new() });
        tally.record(Kind::Match, start, start, &rejected);
        tally.unsent(start);
        let mut both = Tally::new(tally.window);
        both.add(&tally);
        both.add(&tally);
        let number = ErrorNumber::Overloaded.number().to_string();
        assert_eq!(both.errors, BTreeMap::from([(number, 2), ("not sent".to_owned(), 2)]));
        assert_eq!(both.answered, 0);
    }
}
