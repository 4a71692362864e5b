//! Can the time of an answer tell why nothing was confirmed? Promise P8, measured as an attacker would.
//!
//! The ways of not being confirmed are asked in turn, each turn in an order of its own, so that whatever the machine does
//! meanwhile it does to all of them; then each pair of samples is compared. As a control, one way is asked a second
//! time with a known delay before it is sent: a statistic that does not see that delay has seen nothing.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::ensure;
use rand::{SeedableRng, rngs::SmallRng, seq::SliceRandom};
use tokio::task::JoinSet;
use xacminh_proto::vocab::Outcome;

use crate::{
    line::{Line, Way},
    measure::Setting,
    people::Miss,
    two_samples::{Compared, compare},
};

/// The level at which two ways count as told apart, over all pairs and both tests together.
const LEVEL: f64 = 0.01;

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Questions of each way.
    pub questions: usize,
    /// Questions under way at once, each on a connection of its own.
    pub askers: usize,
    /// The control's delay.
    pub delay: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Findings {
    /// Each way and its times, microseconds.
    pub times_us: Vec<(&'static str, Vec<f64>)>,
    /// The control's delay.
    pub delay: Duration,
}

const CONTROL: &str = "control";

/// Asks. Of the people known to the setting, the first half was asked about before, the others never.
///
/// # Errors
/// If the cluster does not answer, or answers anything but that nothing is confirmed.
pub async fn distinguish(setting: &Setting, trial: Trial) -> anyhow::Result<Findings> {
    let half = setting.asker.people() / 2;
    ensure!(half >= trial.questions, "{} people are too few: give --people twice --questions", half * 2);
    acquaint(setting, half).await?;
    let times = Arc::new(Mutex::new(vec![Vec::with_capacity(trial.questions); Miss::ALL.len() + 1]));
    let mut askers = JoinSet::new();
    for asker in 0..trial.askers {
        let line = Line::connect(&setting.place, asker, Way::Stream, 1).await?;
        let (people, times) = (Arc::clone(&setting.asker), Arc::clone(&times));
        askers.spawn(async move {
            let mut chance = SmallRng::seed_from_u64(u64::try_from(asker).unwrap_or(0));
            let mut order: Vec<usize> = (0..=Miss::ALL.len()).collect();
            for turn in (asker..trial.questions).step_by(trial.askers) {
                order.shuffle(&mut chance);
                for arm in &order {
                    let miss = *Miss::ALL.get(*arm).unwrap_or(&Miss::WrongName);
                    let ask = people.miss(miss, turn, half);
                    let began = Instant::now();
                    if *arm == Miss::ALL.len() {
                        // Finer than a timer can wait.
                        while began.elapsed() < trial.delay {
                            std::hint::spin_loop();
                        }
                    }
                    let answer = line.ask(ask).await?;
                    let took_us = began.elapsed().as_secs_f64() * 1e6;
                    ensure!(answer.outcome == Outcome::NotConfirmed, "{miss:?}: {:?}", answer.outcome);
                    times.lock().unwrap_or_else(PoisonError::into_inner)[*arm].push(took_us);
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(asked) = askers.join_next().await {
        asked??;
    }
    let times = std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner));
    let names = Miss::ALL.iter().map(|miss| miss.name()).chain([CONTROL]);
    Ok(Findings { times_us: names.zip(times).collect(), delay: trial.delay })
}

/// Makes the first people known, as questions of clerks do.
async fn acquaint(setting: &Setting, people: usize) -> anyhow::Result<()> {
    let line = Line::connect(&setting.place, 0, Way::Session, 64).await?;
    let line = Arc::new(line);
    let mut asked = JoinSet::new();
    for person in 0..people {
        let (line, ask) = (Arc::clone(&line), setting.asker.acquaint(person));
        asked.spawn(async move { line.ask(ask).await.map(drop) });
        while asked.len() >= 64 {
            asked.join_next().await;
        }
    }
    asked.join_all().await;
    Ok(())
}

impl Findings {
    /// Pairs of ways with what the tests say of them, the control's with its own way last.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, &'static str, Compared)> {
        let ways = &self.times_us[..Miss::ALL.len()];
        let mut pairs = Vec::new();
        for (at, (name, times)) in ways.iter().enumerate() {
            for (other, others) in &ways[at + 1..] {
                pairs.push((*name, *other, compare(times, others)));
            }
        }
        let (own, control) = (&self.times_us[1], &self.times_us[Miss::ALL.len()]);
        pairs.push((own.0, control.0, compare(&own.1, &control.1)));
        pairs
    }

    /// The level of each comparison, so that all of them together have `LEVEL`.
    #[must_use]
    pub fn level_each(&self) -> f64 {
        let pairs = Miss::ALL.len() * (Miss::ALL.len() - 1) / 2;
        LEVEL / f64::from(u32::try_from(pairs * 2).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| way | questions | p25 µs | median µs | p75 µs | p95 µs |\n|---|---|---|---|---|---|")?;
        for (name, times) in &self.times_us {
            let mut sorted = times.clone();
            sorted.sort_by(f64::total_cmp);
            let at = |percent: usize| sorted.get(sorted.len() * percent / 100).copied().unwrap_or(f64::NAN);
            let length = sorted.len();
            writeln!(f, "| {name} | {length} | {:.0} | {:.0} | {:.0} | {:.0} |", at(25), at(50), at(75), at(95))?;
        }
        let level = self.level_each();
        writeln!(f, "\n| pair | less | p ranks | p shapes | told apart at {level:.5} |\n|---|---|---|---|---|")?;
        for (one, other, found) in self.pairs() {
            let apart = found.p_ranks < level || found.p_shapes < level;
            let apart = if apart { "**yes**" } else { "no" };
            let delay = if other == CONTROL { format!(" +{} µs", self.delay.as_micros()) } else { String::new() };
            let Compared { p_ranks, p_shapes, less } = found;
            writeln!(f, "| {one}, {other}{delay} | {less:.4} | {p_ranks:.4} | {p_shapes:.4} | {apart} |")?;
        }
        Ok(())
    }
}
