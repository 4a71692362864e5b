//! SIGTERM under load: every question gets an answer or a failure that may be retried, and the exit code is 0.

use std::time::Duration;

use anyhow::ensure;
use xacminh_chaos::{
    Cluster, Options,
    invariants::{self, heals},
    ledger::Ledger,
    load::Load,
};

#[tokio::test(flavor = "multi_thread")]
async fn each_node_in_turn_and_no_question_is_lost() {
    Cluster::tell("drain::each_node_in_turn_and_no_question_is_lost", Options::default(), async |cluster| {
        let load = Load::start(cluster, 24)?;
        let patience = Duration::from_secs(30);
        load.wait_for(200, patience).await?;
        // The leader last but one, so that both roles are drained while others go on.
        for node in cluster.files.nodes.clone() {
            let code = cluster.stop(node).await?;
            ensure!(code == Some(0), "node {node} drained with {code:?}");
            load.wait_for(100, patience).await?;
            cluster.restart(node).await?;
            load.wait_for(100, patience).await?;
        }
        let mut history = load.finish().await?;
        // The client library retries by itself; what it could not settle within its patience would be lost to a clerk.
        ensure!(history.unknown.is_empty(), "{} questions were lost", history.unknown.len());
        history.merge(heals::check(cluster).await?);
        let ledgers = Ledger::read_all(cluster).await?;
        invariants::check_all(&history, &ledgers)?;
        cluster.stop_all().await
    })
    .await;
}
