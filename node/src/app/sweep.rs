//! Sweeps: the leader has everybody's record remembered, a page after a page, and again some time later.
//!
//! ```text
//! authority ── page ──▶ read ahead ──▶ seal ──▶ propose ──▶ every node: records and the sweep's position, in one write
//! ```
//!
//! The position is in the log: whoever leads next goes on where it ends.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use xacminh_core::command::PAGE_RECORDS_MAX;
use xacminh_proto::vocab::CitizenNumber;

use super::Node;
use crate::{
    config::Remember,
    telemetry::SweepMetrics,
    upstream::{AuthorityError, Page},
    verify::{SweepMoment, SweepPosition},
};

/// How often a leader looks whether a sweep is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after a sweep that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Pause after a page was turned away: short, or a list of erasures would stop the sweep.
const AGAIN_PAUSE: Duration = Duration::from_millis(10);

/// How long the authority may take for one page.
const PAGE_MAX: Duration = Duration::from_secs(30);

/// Pages read before they are needed.
const READ_AHEAD_PAGES: usize = 2;

/// Pages proposed and not yet applied.
const UNDER_WAY_PAGES: usize = 4;

/// How often a sweep says how far it is.
const TELL_INTERVAL: Duration = Duration::from_secs(30);

const HOUR_MS: u64 = 3_600_000;

/// Sweeps while this node leads, if everybody is to be remembered.
pub(super) async fn keep(node: Arc<Node>, metrics: Arc<SweepMetrics>) {
    let authority = &node.config.authority;
    if authority.remember == Remember::Asked {
        return;
    }
    let every_ms = u64::from(authority.sweep_every_hours) * HOUR_MS;
    let mut done: Option<Instant> = None;
    let (mut pause, mut again) = (LOOK_INTERVAL, false);
    loop {
        sleep(std::mem::replace(&mut pause, LOOK_INTERVAL)).await;
        let goes_on = std::mem::take(&mut again);
        if !node.replication.leads_with_all() {
            continue;
        }
        let begun = Instant::now();
        let Ok(Some(from)) = node.desk.sweep_due(every_ms, done.map(|at| at.elapsed())) else { continue };
        if !goes_on {
            tracing::info!(page = from.page, "a sweep of the population begins or goes on");
        }
        metrics.running(true);
        match sweep(&node, from, &metrics).await {
            Ok(()) => done = Some(begun),
            Err(CutOff::TurnedAway) => {
                tracing::debug!("a page was turned away, by an erasure or another leader's: it is read again");
                (pause, again) = (AGAIN_PAUSE, true);
            }
            Err(CutOff::Failed(why)) => {
                tracing::warn!(why, "a sweep was cut off; the leader goes on with it");
                pause = RETRY_PAUSE;
            }
        }
        metrics.running(false);
    }
}

/// Why a sweep did not come to its end.
enum CutOff {
    /// A page was not taken: it was read before somebody was erased, or is not the next one any more.
    TurnedAway,
    /// The authority or replication failed.
    Failed(String),
}

impl From<String> for CutOff {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// A page as the authority told it.
struct Told {
    page: Page,
    moment: SweepMoment,
}

/// Pages proposed, in their order, each with what becomes of it: an error if it did not become part of the sweep.
type UnderWay = VecDeque<BoxFuture<'static, Result<(), CutOff>>>;

/// Carries out a sweep from a position to its end.
async fn sweep(node: &Arc<Node>, from: SweepPosition, metrics: &Arc<SweepMetrics>) -> Result<(), CutOff> {
    let (ahead, mut pages) = mpsc::channel(READ_AHEAD_PAGES);
    tokio::spawn(read(Arc::clone(node), from.after, ahead));
    let mut under_way = UnderWay::new();
    let outcome = propose_all(node, from, metrics, &mut pages, &mut under_way).await;
    // Nothing of this sweep may be under way when it is gone on with: pages of both could leave somebody out between them.
    let mut settled = Ok(());
    for page in under_way {
        settled = settled.and(page.await);
    }
    let records = outcome?;
    settled?;
    tracing::info!(records, "the population is swept");
    Ok(())
}

/// Gives the records proposed, once all of them are.
async fn propose_all(
    node: &Arc<Node>,
    from: SweepPosition,
    metrics: &Arc<SweepMetrics>,
    pages: &mut mpsc::Receiver<Result<Told, AuthorityError>>,
    under_way: &mut UnderWay,
) -> Result<u64, CutOff> {
    let (begun, mut told_at, mut records) = (Instant::now(), Instant::now(), 0_u64);
    let mut at = from;
    while let Some(told) = pages.recv().await {
        let Told { page, moment } = told.map_err(|error| error.to_string())?;
        let (last, malformed) = (page.last, page.malformed);
        let sealing = {
            let node = Arc::clone(node);
            move || node.desk.sweep_page(at, &page, moment)
        };
        let sealed = tokio::task::spawn_blocking(sealing).await.map_err(|error| error.to_string())?;
        let sealed = sealed.map_err(|number| format!("error {}", number.number()))?;
        let count = u64::try_from(sealed.records.len()).expect("a page is small");
        make_room(under_way).await?;
        let applied = node.replication.propose_page(sealed).await?;
        let counted = Arc::clone(metrics);
        let taken =
            took(Arc::clone(node), at, applied).map(move |taken| taken.map(|()| counted.page(count, malformed)));
        under_way.push_back(Box::pin(taken));
        records += count;
        at = SweepPosition { page: at.page + 1, after: last.or(at.after), ..at };
        if told_at.elapsed() >= TELL_INTERVAL {
            told_at = Instant::now();
            tracing::info!(records, pages = at.page, seconds = begun.elapsed().as_secs(), "sweeping");
        }
        sleep_until(begun + pace(records, node.config.authority.sweep_records_per_second)).await;
    }
    Ok(records)
}

/// Waits until there is room for one page more, and hears of all that have been applied by now: behind a page that was
/// turned away all others are.
async fn make_room(under_way: &mut UnderWay) -> Result<(), CutOff> {
    loop {
        let full = under_way.len() >= UNDER_WAY_PAGES;
        let Some(oldest) = under_way.front_mut() else { break };
        let taken = if full { Some(oldest.await) } else { oldest.now_or_never() };
        let Some(taken) = taken else { break };
        under_way.pop_front();
        taken?;
    }
    Ok(())
}

/// Waits until a page is applied; an error if it did not become part of the sweep.
async fn took(
    node: Arc<Node>,
    at: SweepPosition,
    applied: impl Future<Output = Result<(), String>>,
) -> Result<(), CutOff> {
    applied.await?;
    if node.desk.sweep_took(at) { Ok(()) } else { Err(CutOff::TurnedAway) }
}

/// When so many records are due at the latest, after the beginning; at once without a limit.
fn pace(records: u64, per_second_max: u32) -> Duration {
    if per_second_max == 0 {
        return Duration::ZERO;
    }
    Duration::from_micros(records.saturating_mul(1_000_000) / u64::from(per_second_max))
}

/// Reads page after page until nobody is left, the authority fails, or nobody wants any more.
async fn read(node: Arc<Node>, mut after: Option<CitizenNumber>, ahead: mpsc::Sender<Result<Told, AuthorityError>>) {
    let limit = u32::try_from(PAGE_RECORDS_MAX).expect("a page is small");
    loop {
        let moment = node.desk.sweep_moment();
        let page = node.desk.upstream.page(after, limit, Instant::now() + PAGE_MAX).await;
        let next = page.as_ref().ok().and_then(|page| page.last);
        if ahead.send(page.map(|page| Told { page, moment })).await.is_err() || next.is_none() {
            return;
        }
        after = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_paced_by_the_second() {
        assert_eq!(pace(5_000, 0), Duration::ZERO);
        assert_eq!(pace(5_000, 5_000), Duration::from_secs(1));
        assert_eq!(pace(14_000_000, 40_000), Duration::from_secs(350));
        assert_eq!(pace(u64::MAX, 1), Duration::from_micros(u64::MAX));
    }
}
