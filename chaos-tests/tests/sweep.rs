//! A sweep remembers everybody, also when its leader is killed in the middle; nodes end with the same records, and with
//! nobody's number in clear.

use std::time::Duration;

use anyhow::{Result, ensure};
use xacminh_chaos::{Cluster, Options, cluster::Caller, http, people, plaintext::Needles, store_view, wait};

const PATIENCE: Duration = Duration::from_secs(60);

const CITIZENS: u64 = 6_000;

/// Slow enough that a leader can be killed before it is done.
const AUTHORITY: &str = "remember = \"everybody\"\nsweep_records_per_second = 1500\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_outlives_its_leader_and_leaves_nobody_out() {
    let test = "sweep::a_sweep_outlives_its_leader_and_leaves_nobody_out";
    let options = Options { citizens: CITIZENS, authority: AUTHORITY.to_owned(), ..Options::default() };
    Cluster::tell(test, options, async |cluster| {
        let first = cluster.leader().await?;
        wait::until("a sweep under way", PATIENCE, || async {
            let records = metric(cluster, first, "xacminh_sweep_records_total").await?;
            (records >= 1_024).then_some(()).ok_or_else(|| format!("{records} records"))
        })
        .await?;
        ensure!(metric(cluster, first, "xacminh_sweep_running").await.is_ok_and(|running| running == 1), "it is over");
        cluster.kill9(first)?;
        let next = cluster.leader().await?;
        wait::until("the end of the sweep", PATIENCE, || async {
            let records = metric(cluster, next, "xacminh_sweep_records_total").await?;
            let running = metric(cluster, next, "xacminh_sweep_running").await?;
            (records > 0 && running == 0).then_some(()).ok_or_else(|| format!("{records} records"))
        })
        .await?;
        let swept = metric(cluster, next, "xacminh_sweep_records_total").await.map_err(anyhow::Error::msg)?;
        ensure!(swept < CITIZENS - 512, "the second leader began anew: {swept} records");

        cluster.spawn(first, false)?;
        cluster.wait_all_ready().await?;
        let person = cluster.people.people[0].clone();
        cluster.client(Caller::Office)?.ask(people::right(&person), PATIENCE).await?;
        store_view::stop_and_compare(cluster).await?;
        let needles = Needles::of(&cluster.people.people);
        for node in cluster.files.nodes.clone() {
            let records = store_view::rows(&cluster.files, node, "records")?;
            ensure!(records == CITIZENS, "node {node} remembers {records}");
            let (_, found) = store_view::find_in_values(&cluster.files, node, &needles)?;
            ensure!(found.is_empty(), "node {node} has somebody in clear");
        }
        Ok(())
    })
    .await;
}

/// A number of a node's `/metrics`.
async fn metric(cluster: &Cluster, node: u64, name: &str) -> Result<u64, String> {
    let page = http::get(cluster.files.admin(node), "/metrics").await.map_err(|error| error.to_string())?.1;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.parse().ok()).ok_or_else(|| format!("{name} is missing"))
}
