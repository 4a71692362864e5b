//! What clients asked and what they were told.

use std::collections::HashMap;

use tokio::time::Instant;
use xacminh_proto::{
    vocab::{Outcome, RequestId},
    wire::{Answer, Ask},
};

/// An answer in a client's hands.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// When the question was asked.
    pub asked: Instant,
    /// When the answer was there.
    pub answered: Instant,
    /// The question.
    pub ask: Ask,
    /// The answer.
    pub answer: Answer,
}

/// Everything clients saw.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Answers; a request id stands here once for every time it was answered.
    pub deliveries: Vec<Delivery>,
    /// When each request id was asked first, answered or not.
    pub first_asked: HashMap<RequestId, Instant>,
    /// Questions without an answer: nobody knows whether they have a leaf.
    pub unknown: Vec<RequestId>,
    /// Answers that did not fit their question.
    pub wrong: Vec<String>,
}

impl History {
    /// Adds what another client saw.
    pub fn merge(&mut self, other: Self) {
        self.deliveries.extend(other.deliveries);
        for (id, asked) in other.first_asked {
            self.asked(id, asked);
        }
        self.unknown.extend(other.unknown);
        self.wrong.extend(other.wrong);
    }

    /// A question went out.
    pub fn asked(&mut self, id: RequestId, at: Instant) {
        let first = self.first_asked.entry(id).or_insert(at);
        *first = (*first).min(at);
    }

    /// An answer came.
    pub fn answered(&mut self, asked: Instant, ask: Ask, answer: Answer) {
        self.asked(answer.request_id, asked);
        self.deliveries.push(Delivery { asked, answered: Instant::now(), ask, answer });
    }

    /// How many answers there are of each outcome: coverage that a test can insist on.
    #[must_use]
    pub fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.deliveries.iter().filter(|delivery| is(&delivery.answer.outcome)).count()
    }

    /// The longest time between two answers that follow each other, milliseconds: how long an outage felt.
    #[must_use]
    pub fn longest_gap_ms(&self) -> u128 {
        let mut times: Vec<Instant> = self.deliveries.iter().map(|delivery| delivery.answered).collect();
        times.sort_unstable();
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).max().unwrap_or(0)
    }
}
