//! From one caller to thousands: what an idle connection holds in memory, and how fast each number of them is answered.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::task::JoinSet;

use crate::{
    line::{Line, Way},
    measure::{Plan, Setting, measure_over},
    processor::resident_bytes,
    report::Report,
};

/// Local ports: each has a task of its own, and thousands of connections share few of them as behind a gateway.
const PORTS_MAX: usize = 4;

/// Handshakes under way at once: below what nodes ask proof of an address for.
const HANDSHAKES_MAX: usize = 32;

/// How often a connection is tried: a full machine is late for a handshake now and then.
const TRIES_MAX: usize = 3;

/// How long memory settles before it is read.
const SETTLE: Duration = Duration::from_secs(3);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Course {
    /// Numbers of connections, in rising order.
    pub counts: Vec<usize>,
    /// What does not count at the beginning of each measurement.
    pub warm_up: Duration,
    /// What counts of each.
    pub length: Duration,
    /// How long to wait for a quiet machine before each.
    pub quiet: Duration,
}

/// What one number of callers came to.
struct Row {
    connections: usize,
    /// Memory of all nodes with so many idle connections, bytes.
    resident_bytes: u64,
    report: Report,
}

/// Measures every number of callers; gives a Markdown table.
///
/// Idle connections come first, so that what nodes kept of earlier questions is not taken for theirs.
///
/// # Errors
/// If a node is not there, or does not take so many.
pub async fn callers(setting: &Setting, course: &Course, mut tell: impl FnMut(&Report)) -> anyhow::Result<String> {
    let none_bytes = resident_bytes(&setting.pids);
    let mut idle = Crowd::default();
    let mut residents = Vec::new();
    for count in &course.counts {
        idle.grow(setting, *count).await?;
        tokio::time::sleep(SETTLE).await;
        residents.push(resident_bytes(&setting.pids));
    }
    idle.close().await;
    let mut rows = Vec::new();
    for (count, resident_bytes) in course.counts.iter().zip(residents) {
        let mut crowd = Crowd::default();
        crowd.grow(setting, *count).await?;
        let plan = Plan {
            way: Way::Stream,
            connections: *count,
            in_flight: 1,
            rate_per_s: None,
            warm_up: course.warm_up,
            length: course.length,
            quiet: course.quiet,
            seed: 1,
        };
        let report = measure_over(setting, &plan, &crowd.lines).await?;
        tell(&report);
        rows.push(Row { connections: *count, resident_bytes, report });
        crowd.close().await;
    }
    Ok(table(none_bytes, &rows))
}

/// Connections that are there.
#[derive(Default)]
struct Crowd {
    ports: Vec<Arc<Line>>,
    lines: Vec<Arc<Line>>,
}

impl Crowd {
    /// Connects until there are `count`.
    async fn grow(&mut self, setting: &Setting, count: usize) -> anyhow::Result<()> {
        while self.lines.len() < count.min(PORTS_MAX) {
            let line = Arc::new(Line::connect(&setting.place, self.lines.len(), Way::Stream, 1).await?);
            self.ports.push(Arc::clone(&line));
            self.lines.push(line);
        }
        let mut connecting = JoinSet::new();
        let mut next = self.lines.len();
        while next < count || !connecting.is_empty() {
            while next < count && connecting.len() < HANDSHAKES_MAX {
                let (port, place) = (Arc::clone(&self.ports[next % self.ports.len()]), setting.place.clone());
                let index = next;
                connecting.spawn(async move {
                    let mut tried = port.beside(&place, index, Way::Stream, 1).await;
                    for _ in 1..TRIES_MAX {
                        if tried.is_ok() {
                            break;
                        }
                        tried = port.beside(&place, index, Way::Stream, 1).await;
                    }
                    tried
                });
                next += 1;
            }
            if let Some(connected) = connecting.join_next().await {
                let there = self.lines.len();
                self.lines.push(Arc::new(connected?.with_context(|| format!("connection {there} of {count}"))?));
            }
        }
        Ok(())
    }

    async fn close(self) {
        drop(self.lines);
        for port in self.ports.into_iter().filter_map(Arc::into_inner) {
            port.close().await;
        }
    }
}

fn table(none_bytes: u64, rows: &[Row]) -> String {
    let mut lines = vec![
        "| connections | verify/s | p50 ms | p99 ms | p99.9 ms | client µs | server µs | nodes with so many idle, MiB | KiB each | errors |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|".to_owned(),
        format!("| 0 | | | | | | | {} | | |", none_bytes >> 20),
    ];
    lines.extend(rows.iter().map(|row| row.line(none_bytes)));
    lines.join("\n")
}

impl Row {
    fn line(&self, none_bytes: u64) -> String {
        let Self { connections, resident_bytes, report } = self;
        // Below some hundreds, what nodes do besides is more than their connections.
        let each = u64::try_from(*connections).ok().filter(|count| *count >= 100);
        let each = each.map(|count| (resident_bytes.saturating_sub(none_bytes) / count / 1024).to_string());
        format!(
            "| {connections}{} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {} | {} | {} |",
            if report.contended { " [contended]" } else { "" },
            report.verify_per_s,
            report.latency_ms.p50,
            report.latency_ms.p99,
            report.latency_ms.p99_9,
            report.client_us,
            report.server_us,
            resident_bytes >> 20,
            each.unwrap_or_default(),
            report.errors.values().sum::<u64>() + report.unexpected,
        )
    }
}
