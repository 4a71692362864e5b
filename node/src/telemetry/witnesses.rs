//! What witnesses do for the log, by their names, which only the configuration knows.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use super::Metrics;

/// Shown for the age of a cosignature on a node that asks nobody.
const NOT_ASKING: i64 = -1;

/// Handles of each witness.
#[derive(Debug, Default)]
pub struct WitnessMetrics {
    each: BTreeMap<String, Handles>,
    /// Since when this node asks, Unix milliseconds; [`NOT_ASKING`] if it does not.
    since_ms: AtomicI64,
}

#[derive(Debug)]
struct Handles {
    age_s: IntGauge,
    cosigned: IntCounter,
    alarms: IntCounter,
    last_ms: AtomicU64,
}

impl WitnessMetrics {
    /// Metrics of these witnesses, shown among the node's.
    ///
    /// # Errors
    /// If the same metrics are there already.
    pub fn new(names: &[&str], metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(name, help).namespace("xacminh");
        let ages = IntGaugeVec::new(
            opts(
                "witness_cosignature_age_seconds",
                "Time since the witness's newest cosignature, or since this node began to ask; -1 where nobody is asked.",
            ),
            &["witness"],
        )?;
        let counter = |name, help| IntCounterVec::new(opts(name, help), &["witness"]);
        let cosigned = counter("witness_cosignatures_total", "Cosignatures of the witness that held.")?;
        let alarms = counter("witness_alarms_total", "Times the witness contradicted the log.")?;
        metrics.register(Box::new(ages.clone()))?;
        metrics.register(Box::new(cosigned.clone()))?;
        metrics.register(Box::new(alarms.clone()))?;
        let handles = |name: &str| Handles {
            age_s: ages.with_label_values(&[name]),
            cosigned: cosigned.with_label_values(&[name]),
            alarms: alarms.with_label_values(&[name]),
            last_ms: AtomicU64::new(0),
        };
        let each = names.iter().map(|name| ((*name).to_owned(), handles(name))).collect();
        let made = Self { each, since_ms: AtomicI64::new(NOT_ASKING) };
        made.show(0);
        Ok(made)
    }

    /// This node began to ask, or ended.
    pub fn leads(&self, leads: bool, now_ms: u64) {
        let since = if leads { i64::try_from(now_ms).unwrap_or(i64::MAX) } else { NOT_ASKING };
        self.since_ms.store(since, Ordering::Relaxed);
        self.show(now_ms);
    }

    /// A witness cosigned.
    pub fn cosigned(&self, witness: &str, now_ms: u64) {
        if let Some(handles) = self.each.get(witness) {
            handles.last_ms.store(now_ms, Ordering::Relaxed);
            handles.cosigned.inc();
        }
    }

    /// A witness contradicted the log.
    pub fn alarm(&self, witness: &str) {
        if let Some(handles) = self.each.get(witness) {
            handles.alarms.inc();
        }
    }

    /// Brings the ages up to date.
    pub fn show(&self, now_ms: u64) {
        let since = self.since_ms.load(Ordering::Relaxed);
        for handles in self.each.values() {
            let age = u64::try_from(since).map_or(NOT_ASKING, |since| {
                let newest_ms = handles.last_ms.load(Ordering::Relaxed).max(since);
                i64::try_from(now_ms.saturating_sub(newest_ms) / 1000).unwrap_or(i64::MAX)
            });
            handles.age_s.set(age);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_newest_cosignature_and_of_a_leader_alone() {
        let metrics = Metrics::new();
        let witnesses = WitnessMetrics::new(&["w.example/1", "w.example/2"], &metrics).expect("new names");
        let shown = |line: &str| metrics.render().lines().any(|shown| shown == line);
        assert!(shown("xacminh_witness_cosignature_age_seconds{witness=\"w.example/1\"} -1"));
        witnesses.leads(true, 10_000);
        witnesses.cosigned("w.example/1", 15_000);
        witnesses.alarm("w.example/2");
        witnesses.show(17_000);
        assert!(shown("xacminh_witness_cosignature_age_seconds{witness=\"w.example/1\"} 2"));
        assert!(shown("xacminh_witness_cosignature_age_seconds{witness=\"w.example/2\"} 7"));
        assert!(shown("xacminh_witness_cosignatures_total{witness=\"w.example/1\"} 1"));
        assert!(shown("xacminh_witness_alarms_total{witness=\"w.example/2\"} 1"));
        witnesses.leads(false, 20_000);
        assert!(shown("xacminh_witness_cosignature_age_seconds{witness=\"w.example/1\"} -1"));
    }
}
