//! Alarms and the use of budgets, as counted.

use std::sync::Mutex;

use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, Opts};
use xacminh_core::apply::{Budget, BudgetKey};

use super::{Metrics, labels::AlarmKind};

/// Handles of alarms and budgets.
#[derive(Debug)]
pub struct AlarmMetrics {
    raised: Vec<IntCounter>,
    lost: IntCounter,
    /// In the order of [`Budget::ALL`], with the hour until which the share shown holds.
    used: Vec<(Gauge, Mutex<Share>)>,
}

#[derive(Debug, Default)]
struct Share {
    until_hour: u32,
    most: f64,
}

impl AlarmMetrics {
    /// Metrics at zero, shown among the node's.
    ///
    /// # Errors
    /// If the same metrics are there already.
    pub fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(name, help).namespace("xacminh");
        let raised = IntCounterVec::new(
            opts("alarms_total", "Alarms raised by this node: questions as nobody should ask them."),
            &["alarm"],
        )?;
        let lost = IntCounter::with_opts(opts("alarm_sights_lost_total", "Times that alarms could not look at all."))?;
        let used = GaugeVec::new(
            opts(
                "budget_used_ratio",
                "Largest part of a budget of misses used by anybody in the window of the last miss.",
            ),
            &["budget"],
        )?;
        metrics.register(Box::new(raised.clone()))?;
        metrics.register(Box::new(lost.clone()))?;
        metrics.register(Box::new(used.clone()))?;
        let shares = Budget::ALL.iter().map(|budget| (used.with_label_values(&[text(*budget)]), Mutex::default()));
        Ok(Self {
            raised: AlarmKind::ALL.iter().map(|kind| raised.with_label_values(&[kind.text()])).collect(),
            lost,
            used: shares.collect(),
        })
    }

    /// An alarm was raised.
    pub fn raised(&self, kind: AlarmKind) {
        self.raised[kind.index()].inc();
    }

    /// Something was not looked at.
    pub fn lost(&self) {
        self.lost.inc();
    }

    /// A budget was counted against.
    pub fn budget(&self, key: BudgetKey, points: u32, points_max: u64) {
        let (gauge, share) = &self.used[key.budget.index()];
        let mut share = share.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if key.until_hour != share.until_hour {
            *share = Share { until_hour: key.until_hour, most: 0.0 };
        }
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more than three digits")]
        let used = f64::from(points) / points_max.max(1) as f64;
        share.most = share.most.max(used);
        gauge.set(share.most);
    }
}

const fn text(budget: Budget) -> &'static str {
    match budget {
        Budget::OfficialHour => "official_hour",
        Budget::OfficialDay => "official_day",
        Budget::PortalHour => "portal_hour",
        Budget::PortalDay => "portal_day",
        Budget::ClusterHour => "cluster_hour",
        Budget::ClusterDay => "cluster_day",
    }
}
