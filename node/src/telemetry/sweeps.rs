//! Sweeps of the population, as counted by the leader that carries them out.

use prometheus::{IntCounter, IntGauge};

use super::Metrics;

/// Handles of sweeps.
#[derive(Debug)]
pub struct SweepMetrics {
    records: IntCounter,
    malformed: IntCounter,
    running: IntGauge,
}

impl SweepMetrics {
    /// Metrics at zero, shown among the node's.
    ///
    /// # Errors
    /// If the same metrics are there already.
    pub fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| IntCounter::new(format!("xacminh_{name}"), help);
        let records = counter("sweep_records_total", "Records that this node, leading, had remembered by sweeps.")?;
        let malformed =
            counter("sweep_malformed_total", "People whom sweeps left out: their rows are not understood.")?;
        let running = IntGauge::new("xacminh_sweep_running", "1 while this node carries out a sweep.")?;
        metrics.register(Box::new(records.clone()))?;
        metrics.register(Box::new(malformed.clone()))?;
        metrics.register(Box::new(running.clone()))?;
        Ok(Self { records, malformed, running })
    }

    /// A page is remembered.
    pub fn page(&self, records: u64, malformed: u32) {
        self.records.inc_by(records);
        self.malformed.inc_by(u64::from(malformed));
    }

    /// Whether a sweep runs here.
    pub fn running(&self, running: bool) {
        self.running.set(i64::from(running));
    }
}
