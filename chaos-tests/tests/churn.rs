//! Leaders killed one after the other under load: every term's leader dies.

use std::time::Duration;

use anyhow::ensure;
use xacminh_chaos::{
    Cluster, Options,
    invariants::{self, heals},
    ledger::Ledger,
    load::Load,
};

/// Leaders that die; each costs an election and a recovery.
const DEATHS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn leader_after_leader_dies() {
    Cluster::tell("churn::leader_after_leader_dies", Options::default(), async |cluster| {
        let load = Load::start(cluster, 24)?;
        let patience = Duration::from_secs(30);
        for death in 0..DEATHS {
            load.wait_for(100, patience).await?;
            let leader = cluster.leader().await?;
            cluster.kill9(leader)?;
            // At once, it may lead again in the term it led before; otherwise another one was elected meanwhile.
            if death % 2 == 0 {
                let next = cluster.leader().await?;
                ensure!(next != leader, "node {leader} is dead and leads");
            }
            cluster.spawn(leader, false)?;
        }
        load.wait_for(100, patience).await?;
        let mut history = load.finish().await?;
        history.merge(heals::check(cluster).await?);
        let term = cluster.status(1).await?.term;
        ensure!(term > DEATHS as u64 / 2, "term {term} after {DEATHS} leaders");
        let ledgers = Ledger::read_all(cluster).await?;
        ensure!(ledgers.len() == 3, "{} nodes run", ledgers.len());
        invariants::check_all(&history, &ledgers)
    })
    .await;
}
