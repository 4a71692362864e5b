//! Bad input at the network edge: a typed error each, at the cost of its sender, while somebody else is served (P10).

mod callers;
mod frames;
mod questions;

use std::time::Duration;

use anyhow::{Result, ensure};
use xacminh_chaos::{Cluster, Options, invariants, ledger::Ledger, load::Load};

/// Slow callers are cut after a second, so that tests need not wait long to see it.
fn short_tempered() -> Options {
    Options { limits: "question_timeout_ms = 1000\nconnections_per_caller_max = 16\n".to_owned(), ..Options::default() }
}

/// Lets `abuse` happen while a well-behaved caller asks throughout, and holds it against the log afterwards.
async fn beside_a_good_caller(
    cluster: &mut Cluster,
    abuse: impl AsyncFnOnce(&mut Cluster) -> Result<()>,
) -> Result<()> {
    let good = Load::start(cluster, 4)?;
    good.wait_for(20, Duration::from_secs(20)).await?;
    let before = good.answered();
    abuse(cluster).await?;
    let during = good.answered() - before;
    good.wait_for(20, Duration::from_secs(20)).await?;
    let history = good.finish().await?;
    ensure!(during > 0, "the good caller got nothing meanwhile");
    ensure!(history.unknown.is_empty(), "{} of the good caller's questions were lost", history.unknown.len());
    // A node that died of it and was not noticed would be missing here.
    let ledgers = Ledger::read_all(cluster).await?;
    ensure!(ledgers.len() == cluster.files.nodes.len(), "{} nodes are left", ledgers.len());
    invariants::check_all(&history, &ledgers)
}
