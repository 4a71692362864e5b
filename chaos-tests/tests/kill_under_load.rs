//! The centre of it: real PostgreSQL, several thousand questions, the leader killed, then everybody.

use std::time::Duration;

use anyhow::{Result, ensure};
use xacminh_chaos::{
    Cluster, Options,
    invariants::{self, heals},
    ledger::Ledger,
    load::Load,
    postgres::PostgresServer,
    store_view,
};
use xacminh_proto::vocab::Outcome;

/// Questions in flight at once.
const CLIENTS: u64 = 48;

/// Answers between two faults; real disks and two cores bound how many fit into a minute.
const ANSWERS: usize = 2_000;

/// How long so many answers may take with nodes down in between.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_its_leaf_after_kill_9_of_the_leader_and_of_all() {
    let server = PostgresServer::start().await.expect("PostgreSQL starts");
    let options = Options { postgres: Some(server), citizens: 3_000, ..Options::default() };
    let test = "kill_under_load::every_answer_has_its_leaf_after_kill_9_of_the_leader_and_of_all";
    Cluster::tell(test, options, async |cluster| {
        let load = Load::start(cluster, CLIENTS)?;
        load.wait_for(ANSWERS, PATIENCE).await?;

        let leader = cluster.leader().await?;
        cluster.kill9(leader)?;
        load.wait_for(ANSWERS, PATIENCE).await?;
        let next = cluster.leader().await?;
        ensure!(next != leader, "node {leader} is dead and leads");
        cluster.restart(leader).await?;
        load.wait_for(ANSWERS, PATIENCE).await?;

        for node in cluster.files.nodes.clone() {
            cluster.kill9(node)?;
        }
        for node in cluster.files.nodes.clone() {
            cluster.spawn(node, false)?;
        }
        load.wait_for(ANSWERS, PATIENCE).await?;

        let mut history = load.finish().await?;
        history.merge(heals::check(cluster).await?);
        let ledgers = Ledger::read_all(cluster).await?;
        ensure!(ledgers.len() == 3, "{} nodes run", ledgers.len());
        covered(&history)?;
        invariants::check_all(&history, &ledgers)?;
        store_view::stop_and_compare(cluster).await
    })
    .await;
}

/// A run that did not meet its faults and kinds of answers proves nothing.
fn covered(history: &xacminh_chaos::history::History) -> Result<()> {
    ensure!(history.deliveries.len() >= 4 * ANSWERS, "only {} answers", history.deliveries.len());
    ensure!(history.longest_gap_ms() > 300, "no outage was felt: {} ms", history.longest_gap_ms());
    let kinds = [
        history.count(|outcome| matches!(outcome, Outcome::Confirmed { .. })),
        history.count(|outcome| *outcome == Outcome::NotConfirmed),
        history.count(|outcome| matches!(outcome, Outcome::Refused(_))),
    ];
    ensure!(kinds.iter().all(|count| *count > 20), "too few of a kind: {kinds:?}");
    Ok(())
}
