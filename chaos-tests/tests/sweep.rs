//! A sweep remembers everybody, also when its leader is killed in the middle; nodes end with the same records, and with
//! nobody's number in clear.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use xacminh_chaos::{Cluster, Options, cluster::Caller, http, people, plaintext::Needles, store_view, wait};
use xacminh_client::{Client, ClientError};
use xacminh_proto::vocab::ErrorNumber;

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

/// Found by a review: each erasure made every question under way be decided again, and turned away the pages of a sweep.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_erasures_stops_neither_clerks_nor_a_sweep() {
    let test = "sweep::a_list_of_erasures_stops_neither_clerks_nor_a_sweep";
    let options = Options { citizens: CITIZENS, authority: AUTHORITY.to_owned(), ..Options::default() };
    Cluster::tell(test, options, async |cluster| {
        let leader = cluster.leader().await?;
        let (office, people) = (Arc::new(cluster.client(Caller::Office)?), cluster.people.people.clone());
        let (first, rest) = people.split_at(40);
        let mut lists = JoinSet::new();
        // Before their page, beside it, and after it.
        for list in first.chunks(10) {
            let (operator, list) = (cluster.client(Caller::Operator)?, list.to_vec());
            lists.spawn(async move {
                for person in &list {
                    erase(&operator, &person.citizen_number.to_string()).await?;
                }
                anyhow::Ok(())
            });
        }
        let (mut clerks, over) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for list in rest.chunks(rest.len() / 6) {
            let (office, list, over) = (Arc::clone(&office), list.to_vec(), Arc::clone(&over));
            clerks.spawn(async move {
                let mut asked = 0;
                for person in list.iter().take_while(|_| !over.load(Ordering::Relaxed)) {
                    let answer = office.ask(people::right(person), PATIENCE).await?;
                    ensure!(people::Kind::Right.fits(&answer.outcome), "a person was not confirmed");
                    asked += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                anyhow::Ok(asked)
            });
        }
        while let Some(erased) = lists.join_next().await {
            erased??;
        }
        over.store(true, Ordering::Relaxed);
        let mut asked = 0;
        while let Some(theirs) = clerks.join_next().await {
            asked += theirs??;
        }
        ensure!(asked > 100, "{asked} questions beside forty erasures");
        let nodes = cluster.files.nodes.clone();
        wait::until("the end of the sweep", PATIENCE, || async {
            let said = |node| fs::read_to_string(cluster.files.stderr(node)).unwrap_or_default();
            let ended = nodes.clone().into_iter().any(|node| said(node).contains("the population is swept"));
            ended.then_some(()).ok_or_else(|| "nobody said so".to_owned())
        })
        .await?;
        let led = cluster.leader().await? == leader;
        if led {
            let counted = metric(cluster, leader, "xacminh_sweep_records_total").await.map_err(anyhow::Error::msg)?;
            ensure!(counted == CITIZENS, "{counted} records were counted");
        }
        for node in cluster.files.nodes.clone() {
            let said = fs::read_to_string(cluster.files.stderr(node))?;
            ensure!(!said.contains("a question met a change in every round"), "node {node} gave a question up");
            // Another leader is another reason to pause.
            ensure!(!led || !said.contains("a sweep was cut off"), "node {node} paused in its sweep");
        }
        store_view::stop_and_compare(cluster).await?;
        let erased = u64::try_from(first.len())?;
        for node in cluster.files.nodes.clone() {
            let records = store_view::rows(&cluster.files, node, "records")?;
            ensure!((CITIZENS - erased..=CITIZENS).contains(&records), "node {node} remembers {records}");
        }
        Ok(())
    })
    .await;
}

/// Erases somebody about whom nothing may be kept yet.
async fn erase(operator: &Client, number: &str) -> Result<()> {
    match operator.erase(people::erasure(number), PATIENCE).await {
        Ok(_) | Err(ClientError::Rejected { number: ErrorNumber::Erased, .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A number of a node's `/metrics`.
async fn metric(cluster: &Cluster, node: u64, name: &str) -> Result<u64, String> {
    let page = http::get(cluster.files.admin(node), "/metrics").await.map_err(|error| error.to_string())?.1;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.parse().ok()).ok_or_else(|| format!("{name} is missing"))
}
