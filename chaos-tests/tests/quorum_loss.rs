//! Without a quorum nothing is answered; a leader that slept through an election does no harm.

use std::time::Duration;

use anyhow::{Result, ensure};
use xacminh_chaos::{
    Cluster, Options,
    history::History,
    invariants::{self, heals, no_quorum_no_answer},
    ledger::Ledger,
    load::Load,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_stopped_and_nothing_is_answered() {
    let test = "quorum_loss::two_of_three_stopped_and_nothing_is_answered";
    Cluster::tell(test, Options::default(), async |cluster| {
        let mut history = heals::check(cluster).await?;
        let leader = cluster.leader().await?;
        let others: Vec<u64> = cluster.files.nodes.iter().copied().filter(|node| *node != leader).collect();
        // First the leader alone: it may believe for a while that it leads.
        for node in &others {
            cluster.kill9(*node)?;
        }
        no_quorum_no_answer::check(cluster, leader).await?;
        // Then a follower alone.
        cluster.kill9(leader)?;
        cluster.spawn(others[0], false)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        no_quorum_no_answer::check(cluster, others[0]).await?;
        cluster.spawn(others[1], false)?;
        cluster.spawn(leader, false)?;
        end(cluster, &mut history).await
    })
    .await;
}

/// A frozen leader wakes up after another one was elected: no answer of its, and no leaf, may contradict the new one's.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_slept_through_an_election_contradicts_nobody() {
    let test = "quorum_loss::a_leader_that_slept_through_an_election_contradicts_nobody";
    Cluster::tell(test, Options::default(), async |cluster| {
        let load = Load::start(cluster, 24)?;
        let patience = Duration::from_secs(30);
        load.wait_for(200, patience).await?;
        for _ in 0..2 {
            let asleep = cluster.leader().await?;
            cluster.pause(asleep)?;
            load.wait_for(200, patience).await?;
            cluster.resume(asleep)?;
            load.wait_for(200, patience).await?;
        }
        let mut history = load.finish().await?;
        end(cluster, &mut history).await
    })
    .await;
}

async fn end(cluster: &mut Cluster, history: &mut History) -> Result<()> {
    history.merge(heals::check(cluster).await?);
    let ledgers = Ledger::read_all(cluster).await?;
    ensure!(ledgers.len() == 3, "{} nodes run", ledgers.len());
    invariants::check_all(history, &ledgers)
}
