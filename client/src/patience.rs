//! How long to wait for what, and the pauses between attempts.

use std::time::Duration;

/// How long a client waits before it tries something else. All of it lies within the deadline of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Longest handshake, milliseconds. Too short and a lossy line never connects.
    pub connect_ms_max: u64,
    /// A node we are not connected to yet gets so long before the next one is asked as well.
    pub hedge_connect_ms: u64,
    /// A connected node gets so long before the next one is asked as well. Too short and a slow authority is asked twice.
    pub hedge_ms: u64,
    /// Longest attempt at one node.
    pub attempt_ms_max: u64,
    /// First pause after all nodes were asked in vain.
    pub pause_ms_first: u64,
    /// Longest pause.
    pub pause_ms_max: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect_ms_max: 2_000,
            hedge_connect_ms: 250,
            hedge_ms: 1_000,
            attempt_ms_max: 10_000,
            pause_ms_first: 50,
            pause_ms_max: 1_000,
        }
    }
}

impl Patience {
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff { next_ms: self.pause_ms_first.max(1), max_ms: self.pause_ms_max.max(1) }
    }
}

/// Pauses that double up to a bound, each drawn from the upper half so that clients do not march in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    next_ms: u64,
    max_ms: u64,
}

impl Backoff {
    pub(crate) fn pause(&mut self) -> Duration {
        let pause_ms = rand::random_range(self.next_ms / 2..=self.next_ms);
        self.next_ms = self.next_ms.saturating_mul(2).min(self.max_ms);
        Duration::from_millis(pause_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_stay_there() {
        let patience = Patience { pause_ms_first: 8, pause_ms_max: 20, ..Patience::default() };
        let mut backoff = patience.backoff();
        for bound in [8, 16, 20, 20, 20] {
            let pause = backoff.pause().as_millis();
            assert!((bound / 2..=bound).contains(&pause), "{pause} out of {bound}");
        }
    }
}
