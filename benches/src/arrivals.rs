//! When questions are due: a Poisson process, as many independent offices make one.

use std::{
    thread,
    time::{Duration, Instant},
};

use xacminh_client::population::chance::Chance;

/// Draws below this are one step apart; the shortest gap is then far below what a clock can tell.
const STEPS: u32 = 1 << 31;

/// Moments at which questions are due.
pub struct Arrivals {
    next: Instant,
    mean_gap_s: f64,
    chance: Chance,
}

impl Arrivals {
    /// Arrivals from `start` on, `rate_per_s` of them in the mean.
    ///
    /// # Panics
    /// When the rate is not above 0.
    #[must_use]
    pub fn new(start: Instant, rate_per_s: f64, seed: u64) -> Self {
        assert!(rate_per_s > 0.0, "a rate is above 0");
        Self { next: start, mean_gap_s: 1.0 / rate_per_s, chance: Chance::of(seed, 1) }
    }

    /// The next moment.
    fn draw(&mut self) -> Instant {
        // 1 to STEPS of STEPS: the logarithm of 0 has no value.
        let uniform = (f64::from(self.chance.below(STEPS)) + 1.0) / f64::from(STEPS);
        self.next += Duration::from_secs_f64(-uniform.ln() * self.mean_gap_s);
        self.next
    }

    /// Calls `due` at each moment until `end`; a moment missed by a slow machine is told at once and keeps its time.
    ///
    /// It sleeps on a thread of its own: a timer of the runtime would round every moment up to a millisecond.
    pub fn run(mut self, end: Instant, mut due: impl FnMut(Instant)) {
        loop {
            let at = self.draw();
            if at >= end {
                return;
            }
            if let Some(wait) = at.checked_duration_since(Instant::now()) {
                thread::sleep(wait);
            }
            due(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_have_the_mean_and_the_spread_of_a_poisson_process() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(start, 1_000.0, 7);
        let moments: Vec<f64> = (0..20_000).map(|_| (arrivals.draw() - start).as_secs_f64()).collect();
        let gaps: Vec<f64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let count = f64::from(u32::try_from(gaps.len()).unwrap());
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        assert!((mean - 0.001).abs() < 0.000_03, "{mean}");
        assert!((variance.sqrt() - 0.001).abs() < 0.000_05, "the spread of waiting times is their mean");
    }

    #[test]
    fn a_late_machine_does_not_lose_moments() {
        let start = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let mut told = Vec::new();
        Arrivals::new(start, 100.0, 7).run(start + Duration::from_millis(500), |at| told.push(at));
        assert!((20..90).contains(&told.len()), "about fifty, not {}", told.len());
        assert!(told.is_sorted() && told.iter().all(|at| *at >= start));
    }
}
