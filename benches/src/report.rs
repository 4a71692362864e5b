//! The result of one measurement, for people and for machines.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    measure::Plan,
    processor::{Burnt, Load},
    tally::Tally,
};

/// The result of one measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How questions travelled.
    pub way: String,
    /// Connections.
    pub connections: usize,
    /// Questions under way on each in a closed loop.
    pub in_flight: usize,
    /// Questions a second that were due; none in a closed loop.
    pub rate_per_s: Option<f64>,
    /// Length of the window, seconds.
    pub window_s: f64,
    /// Audited answers a second.
    pub verify_per_s: f64,
    /// Latencies, milliseconds.
    pub latency_ms: Latencies,
    /// Answers by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Questions without an answer, by what happened.
    pub errors: BTreeMap<String, u64>,
    /// Answers that were not what the question was meant to come to.
    pub unexpected: u64,
    /// Processor time of the generator for each answer, microseconds.
    pub client_us: f64,
    /// Processor time of all nodes for each answer, microseconds.
    pub server_us: f64,
    /// Processors used.
    pub load: Load,
    /// Somebody else took part of the machine.
    pub contended: bool,
}

/// Quantiles of latency, milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latencies {
    /// Half are faster.
    pub p50: f64,
    /// Nine of ten are faster.
    pub p90: f64,
    /// 99 of a hundred are faster.
    pub p99: f64,
    /// 999 of a thousand are faster.
    pub p99_9: f64,
    /// The slowest.
    pub max: f64,
}

impl Report {
    pub(crate) fn new(plan: &Plan, tally: &Tally, before: &Burnt, after: &Burnt) -> Self {
        let window_s = plan.length.as_secs_f64();
        let answered = float(tally.answered);
        let each = |us: u64| if tally.answered == 0 { 0.0 } else { float(us) / answered };
        let load = after.since(before, plan.length);
        Self {
            way: plan.way.to_string(),
            connections: plan.connections,
            in_flight: plan.in_flight,
            rate_per_s: plan.rate_per_s,
            window_s,
            verify_per_s: answered / window_s,
            latency_ms: Latencies::of(tally),
            outcomes: tally.outcomes.clone(),
            errors: tally.errors.clone(),
            unexpected: tally.unexpected,
            client_us: each(after.generator_us.saturating_sub(before.generator_us)),
            server_us: each(after.nodes_us.saturating_sub(before.nodes_us)),
            load,
            contended: load.is_contended(),
        }
    }

    /// What was done, in a few words.
    #[must_use]
    pub fn case(&self) -> String {
        match self.rate_per_s {
            None => format!("{} c{} × {}", self.way, self.connections, self.in_flight),
            Some(rate) => format!("{} c{} open {rate:.0}/s", self.way, self.connections),
        }
    }
}

impl Latencies {
    fn of(tally: &Tally) -> Self {
        let at = |quantile: f64| float(tally.latency_us.value_at_quantile(quantile)) / 1_000.0;
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: at(1.0) }
    }
}

/// For people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latencies { p50, p90, p99, p99_9, max } = self.latency_ms;
        let Load { generator, nodes, foreign } = self.load;
        writeln!(
            f,
            "{:<26}{:>9.0} verify/s{}",
            self.case(),
            self.verify_per_s,
            if self.contended { "  [contended]" } else { "" }
        )?;
        writeln!(f, "  latency ms   p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p99_9:.2}  max {max:.2}")?;
        writeln!(f, "  CPU µs each  generator {:.1}  nodes {:.1}", self.client_us, self.server_us)?;
        writeln!(f, "  processors   generator {generator:.2}  nodes {nodes:.2}  others {foreign:.2}")?;
        write!(f, "  outcomes     {}", counts(&self.outcomes))?;
        if !self.errors.is_empty() {
            write!(f, "\n  errors       {}", counts(&self.errors))?;
        }
        if self.unexpected > 0 {
            write!(f, "\n  unexpected   {} answers were not what was to be answered", self.unexpected)?;
        }
        Ok(())
    }
}

fn counts<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let each: Vec<String> = counts.iter().map(|(name, count)| format!("{name}: {count}")).collect();
    each.join(", ")
}

/// Counts and microseconds are far below what a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
