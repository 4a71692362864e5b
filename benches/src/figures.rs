//! The figures for `README.md`: saturation, then a quarter of it, medians of several rounds.

use std::time::Duration;

use anyhow::Context;

use crate::{
    line::Way,
    measure::{Plan, Setting, measure},
    report::Report,
};

/// What is asked of a run of figures.
#[derive(Clone, Debug)]
pub struct Course {
    /// How questions travel.
    pub ways: Vec<Way>,
    /// Connections.
    pub connections: usize,
    /// Questions under way on each connection, tried for saturation; each is a line of its own.
    pub in_flights: Vec<usize>,
    /// Rounds; lines alternate within a round, so that a machine that gets slower does so for all of them.
    pub rounds: usize,
    /// What does not count at the beginning of each measurement.
    pub warm_up: Duration,
    /// What counts of each.
    pub length: Duration,
    /// How long to wait for a quiet machine before each.
    pub quiet: Duration,
}

/// Carries out a course, telling each result as it comes; returns a Markdown table.
///
/// # Errors
/// If a node is not there.
pub async fn figures(setting: &Setting, course: &Course, mut tell: impl FnMut(&Report)) -> anyhow::Result<String> {
    let mut plans = Vec::new();
    for way in &course.ways {
        for in_flight in &course.in_flights {
            plans.push(course.plan(*way, *in_flight, None));
        }
    }
    let mut lines = rounds(setting, course.rounds, &plans, &mut tell).await?;
    let mut quarters = Vec::new();
    for way in &course.ways {
        let name = way.to_string();
        let most =
            lines.iter().filter(|line| line.case.way == name).map(|line| line.median(|report| report.verify_per_s));
        let most = most.fold(0.0, f64::max);
        let in_flight = *course.in_flights.iter().max().context("at least one number of questions in flight")?;
        quarters.push(course.plan(*way, in_flight, Some((most / 4.0).max(1.0))));
    }
    lines.extend(rounds(setting, course.rounds, &quarters, &mut tell).await?);
    Ok(table(&lines))
}

impl Course {
    fn plan(&self, way: Way, in_flight: usize, rate_per_s: Option<f64>) -> Plan {
        let Self { connections, warm_up, length, quiet, .. } = *self;
        Plan { way, connections, in_flight, rate_per_s, warm_up, length, quiet, seed: 1 }
    }
}

/// All results of one line of the table.
struct Line {
    case: Report,
    reports: Vec<Report>,
}

async fn rounds(
    setting: &Setting,
    rounds: usize,
    plans: &[Plan],
    tell: &mut impl FnMut(&Report),
) -> anyhow::Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    for round in 0..rounds {
        for (at, plan) in plans.iter().enumerate() {
            let seed = u64::try_from(round).unwrap_or(u64::MAX);
            let report = measure(setting, &Plan { seed, ..plan.clone() }).await?;
            tell(&report);
            match lines.get_mut(at) {
                Some(line) => line.reports.push(report),
                None => lines.push(Line { case: report.clone(), reports: vec![report] }),
            }
        }
    }
    Ok(lines)
}

impl Line {
    fn median(&self, of: impl Fn(&Report) -> f64) -> f64 {
        let mut values: Vec<f64> = self.reports.iter().map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
    }

    fn row(&self) -> String {
        let rates = self.reports.iter().map(|report| report.verify_per_s);
        let (least, most) = rates.fold((f64::MAX, 0.0_f64), |(least, most), rate| (least.min(rate), most.max(rate)));
        let errors: u64 = self.reports.iter().flat_map(|report| report.errors.values()).sum();
        let contended = self.reports.iter().filter(|report| report.contended).count();
        format!(
            "| {}{} | {:.0} ({least:.0}–{most:.0}, n={}) | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {:.2}/{:.2}/{:.2} | {errors} |",
            self.case.case(),
            if contended > 0 { format!(" [contended {contended}/{}]", self.reports.len()) } else { String::new() },
            self.median(|report| report.verify_per_s),
            self.reports.len(),
            self.median(|report| report.latency_ms.p50),
            self.median(|report| report.latency_ms.p99),
            self.median(|report| report.latency_ms.p99_9),
            self.median(|report| report.client_us),
            self.median(|report| report.server_us),
            self.median(|report| report.load.generator),
            self.median(|report| report.load.nodes),
            self.median(|report| report.load.foreign),
        )
    }
}

fn table(lines: &[Line]) -> String {
    let mut rows = vec![
        "| case | verify/s | p50 ms | p99 ms | p99.9 ms | client µs | server µs | cores client/nodes/others | errors |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    rows.extend(lines.iter().map(Line::row));
    rows.join("\n")
}
