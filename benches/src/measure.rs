//! One measurement: connect, warm up, watch a window.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use tokio::{sync::mpsc, task::JoinSet, time::sleep_until};
use xacminh_client::population::chance::Chance;

use crate::{
    arrivals::Arrivals,
    line::{Line, Place, Way},
    people::{Asker, Kind},
    processor::{Burnt, wait_until_quiet},
    report::Report,
    tally::{Tally, Window},
};

/// Questions under way in an open loop; beyond it they count as not sent, so that a dead cluster ends a run.
const UNDER_WAY_MAX: usize = 50_000;

/// Tallies of one measurement: more would only be memory, fewer would be waited for.
const TALLIES_MAX: usize = 64;

/// Questions under way at each node while people are made known.
const ACQUAINT_IN_FLIGHT: usize = 64;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How questions travel.
    pub way: Way,
    /// Connections.
    pub connections: usize,
    /// Questions under way on each connection in a closed loop; room for them in an open one.
    pub in_flight: usize,
    /// Questions a second, in an open loop; none is a closed loop.
    pub rate_per_s: Option<f64>,
    /// What does not count at the beginning.
    pub warm_up: Duration,
    /// What counts.
    pub length: Duration,
    /// How long to wait for a quiet machine.
    pub quiet: Duration,
    /// Seed of the draws.
    pub seed: u64,
}

/// Where and about whom.
pub struct Setting {
    /// Whom to ask.
    pub place: Place,
    /// About whom.
    pub asker: Arc<Asker>,
    /// Processes of the nodes.
    pub pids: Vec<u32>,
}

type Counts = Arc<Mutex<Tally>>;

/// Asks about everybody once, so that the cluster remembers them.
///
/// # Errors
/// If the cluster does not answer most of the questions.
pub async fn acquaint(setting: &Setting) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for index in 0..setting.place.endpoints.len() {
        lines.push(Arc::new(Line::connect(&setting.place, index, Way::Session, ACQUAINT_IN_FLIGHT).await?));
    }
    let (next, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut askers = JoinSet::new();
    for line in lines.iter().cycle().take(lines.len() * ACQUAINT_IN_FLIGHT) {
        let (line, asker) = (Arc::clone(line), Arc::clone(&setting.asker));
        let (next, failed) = (Arc::clone(&next), Arc::clone(&failed));
        askers.spawn(async move {
            loop {
                let person = next.fetch_add(1, Ordering::Relaxed);
                if person >= asker.people() {
                    return;
                }
                if line.ask(asker.acquaint(person)).await.is_err() {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    askers.join_all().await;
    let failed = failed.load(Ordering::Relaxed);
    ensure!(
        failed * 10 < setting.asker.people(),
        "{failed} of {} people could not be asked about",
        setting.asker.people()
    );
    Ok(())
}

/// Carries out a plan.
///
/// # Errors
/// If a node is not there.
pub async fn measure(setting: &Setting, plan: &Plan) -> anyhow::Result<Report> {
    let mut lines = Vec::with_capacity(plan.connections);
    for index in 0..plan.connections {
        lines.push(Arc::new(Line::connect(&setting.place, index, plan.way, plan.in_flight).await?));
    }
    let report = measure_over(setting, plan, &lines).await?;
    for line in lines.into_iter().filter_map(Arc::into_inner) {
        line.close().await;
    }
    Ok(report)
}

/// Carries out a plan over lines that are there, whose number is that of the plan.
///
/// # Errors
/// If a task of the measurement fails.
pub async fn measure_over(setting: &Setting, plan: &Plan, lines: &[Arc<Line>]) -> anyhow::Result<Report> {
    let (pids, quiet) = (setting.pids.clone(), plan.quiet);
    if !quiet.is_zero() {
        tokio::task::spawn_blocking(move || wait_until_quiet(&pids, quiet)).await?;
    }
    let start = Instant::now();
    let window = Window::after(start, plan.warm_up, plan.length);
    let tallies: Vec<Counts> =
        (0..lines.len().clamp(1, TALLIES_MAX)).map(|_| Arc::new(Mutex::new(Tally::new(window)))).collect();
    let counts: Vec<Counts> = (0..lines.len()).map(|at| Arc::clone(&tallies[at % tallies.len()])).collect();
    let watching = tokio::spawn(watch(setting.pids.clone(), window));
    match plan.rate_per_s {
        None => closed(setting, plan, lines, &counts, window).await,
        Some(rate_per_s) => open(setting, plan, lines, &counts, window, rate_per_s, start).await?,
    }
    let (before, after) = watching.await?;
    let mut total = Tally::new(window);
    tallies.iter().for_each(|each| total.add(&each.lock().unwrap_or_else(PoisonError::into_inner)));
    Ok(Report::new(plan, &total, &before, &after))
}

/// Reads what is burnt at both ends of the window.
async fn watch(pids: Vec<u32>, window: Window) -> (Burnt, Burnt) {
    sleep_until(window.from.into()).await;
    let before = Burnt::read(&pids);
    sleep_until(window.until.into()).await;
    (before, Burnt::read(&pids))
}

/// Everybody asks again as soon as they are answered: as much as the cluster can take.
async fn closed(setting: &Setting, plan: &Plan, lines: &[Arc<Line>], counts: &[Counts], window: Window) {
    let mut askers = JoinSet::new();
    for (at, (line, counts)) in lines.iter().zip(counts).enumerate() {
        for slot in 0..plan.in_flight {
            let (line, counts, asker) = (Arc::clone(line), Arc::clone(counts), Arc::clone(&setting.asker));
            let stream = u64::try_from(at * plan.in_flight + slot).unwrap_or(u64::MAX);
            let mut chance = Chance::of(plan.seed, stream);
            askers.spawn(async move {
                while Instant::now() < window.until {
                    let (kind, ask) = asker.question(&mut chance);
                    let due = Instant::now();
                    let result = line.ask(ask).await;
                    record(&counts, kind, due, &result);
                    if result.is_err() {
                        // A cluster that refuses at once must not be asked a million times a second.
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            });
        }
    }
    askers.join_all().await;
}

/// Questions come when they are due, whatever became of those before.
async fn open(
    setting: &Setting,
    plan: &Plan,
    lines: &[Arc<Line>],
    counts: &[Counts],
    window: Window,
    rate_per_s: f64,
    start: Instant,
) -> anyhow::Result<()> {
    let under_way = Arc::new(AtomicUsize::new(0));
    let mut desks = Vec::new();
    let mut askers = JoinSet::new();
    for (at, (line, counts)) in lines.iter().zip(counts).enumerate() {
        let (desk, dues) = mpsc::unbounded_channel();
        desks.push(desk);
        let chance = Chance::of(plan.seed, u64::try_from(at).unwrap_or(u64::MAX));
        let (line, asker) = (Arc::clone(line), Arc::clone(&setting.asker));
        askers.spawn(ask_when_due(dues, line, asker, Arc::clone(counts), chance, Arc::clone(&under_way)));
    }
    let arrivals = Arrivals::new(start, rate_per_s, plan.seed);
    let pacing = tokio::task::spawn_blocking(move || {
        let mut turn = 0;
        arrivals.run(window.until, |due| {
            // A desk is gone only when its task has panicked, which the join below tells.
            let _ = desks[turn % desks.len()].send(due);
            turn += 1;
        });
    });
    pacing.await?;
    askers.join_all().await;
    Ok(())
}

async fn ask_when_due(
    mut dues: mpsc::UnboundedReceiver<Instant>,
    line: Arc<Line>,
    asker: Arc<Asker>,
    counts: Counts,
    mut chance: Chance,
    under_way: Arc<AtomicUsize>,
) {
    let mut asked = JoinSet::new();
    while let Some(due) = dues.recv().await {
        while asked.try_join_next().is_some() {}
        if under_way.fetch_add(1, Ordering::Relaxed) >= UNDER_WAY_MAX {
            under_way.fetch_sub(1, Ordering::Relaxed);
            counts.lock().unwrap_or_else(PoisonError::into_inner).unsent(due);
            continue;
        }
        let (kind, ask) = asker.question(&mut chance);
        let (line, counts, under_way) = (Arc::clone(&line), Arc::clone(&counts), Arc::clone(&under_way));
        asked.spawn(async move {
            let result = line.ask(ask).await;
            under_way.fetch_sub(1, Ordering::Relaxed);
            record(&counts, kind, due, &result);
        });
    }
    asked.join_all().await;
}

fn record(
    counts: &Mutex<Tally>,
    kind: Kind,
    due: Instant,
    result: &Result<xacminh_proto::wire::Answer, xacminh_client::ClientError>,
) {
    let done = Instant::now();
    counts.lock().unwrap_or_else(PoisonError::into_inner).record(kind, due, done, result);
}
