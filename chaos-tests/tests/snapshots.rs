//! A node that comes after the log was purged gets a snapshot, whole or not at all.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, ensure};
use xacminh_chaos::{
    Cluster, Options,
    history::History,
    http,
    invariants::{self, heals},
    ledger::Ledger,
    load::Load,
    store_view, wait,
};

/// So small that a few seconds of load purge the log.
const TINY: &str = "snapshot_every_entries = 200\nlog_keep_entries = 20\n";

const PATIENCE: Duration = Duration::from_secs(60);

fn two_of_three() -> Options {
    Options { started: vec![1, 2], raft: TINY.to_owned(), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_node_gets_a_snapshot_and_serves() {
    Cluster::tell("snapshots::a_late_node_gets_a_snapshot_and_serves", two_of_three(), async |cluster| {
        let mut history = outgrow_the_log(cluster).await?;
        cluster.restart(3).await?;
        end(cluster, &mut history).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_while_it_installs_ends_whole() {
    Cluster::tell("snapshots::a_node_killed_while_it_installs_ends_whole", two_of_three(), async |cluster| {
        let mut history = outgrow_the_log(cluster).await?;
        let mut met = 0;
        for pause_ms in [0, 1, 3, 8, 20, 60] {
            cluster.spawn(3, false)?;
            met += usize::from(wait_for_arrival(cluster).await);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            cluster.kill9(3)?;
        }
        ensure!(met > 0, "no life of node 3 saw a snapshot arrive: nothing was tested");
        cluster.restart(3).await?;
        end(cluster, &mut history).await
    })
    .await;
}

/// Asks until the first entries are gone from the log.
async fn outgrow_the_log(cluster: &mut Cluster) -> Result<History> {
    let load = Load::start(cluster, 16)?;
    let here = &*cluster;
    for node in [1, 2] {
        wait::until("a purged log", PATIENCE, || async {
            let (_, metrics) =
                http::get(here.files.admin(node), "/metrics").await.map_err(|error| error.to_string())?;
            let purged = metrics.lines().find_map(|line| line.strip_prefix("xacminh_raft_purged_index "));
            match purged.and_then(|index| index.parse::<u64>().ok()) {
                Some(1..) => Ok(()),
                other => Err(format!("purged up to {other:?}")),
            }
        })
        .await?;
    }
    load.finish().await
}

/// Whether something arrives in the node's `incoming` folder soon; looked at so often because it is small.
async fn wait_for_arrival(cluster: &Cluster) -> bool {
    let incoming = cluster.files.data(3).join("incoming");
    for _ in 0..2_500 {
        if count(&incoming) > 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    false
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

async fn end(cluster: &mut Cluster, history: &mut History) -> Result<()> {
    history.merge(heals::check(cluster).await?);
    let ledgers = Ledger::read_all(cluster).await?;
    ensure!(ledgers.len() == 3, "{} nodes run", ledgers.len());
    invariants::check_all(history, &ledgers)?;
    store_view::stop_and_compare(cluster).await?;
    let purged = store_view::purged(&cluster.files, 3)?;
    ensure!(purged.is_some(), "node 3 has the whole log: it came without a snapshot");
    Ok(())
}
