//! I13: nothing the nodes write, to disk or to their logs, holds a citizen number or a name.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use xacminh_chaos::{
    Cluster, Options,
    cluster::Caller,
    load::Load,
    people::{self, Kind},
    plaintext::{Find, Needles, Read},
    seed, store_view,
};

/// Snapshots and purges happen within seconds, so that every kind of file is written.
const TINY: &str = "snapshot_every_entries = 100\nlog_keep_entries = 20\n";

#[tokio::test(flavor = "multi_thread")]
async fn no_number_and_no_name_in_any_file() {
    let options = Options {
        citizens: 300,
        raft: TINY.to_owned(),
        // Whoever turns everything on finds nobody either.
        log_level: "trace".to_owned(),
        ..Options::default()
    };
    Cluster::tell("plaintext::no_number_and_no_name_in_any_file", options, async |cluster| {
        ask_about_everybody(cluster).await?;
        // Killed, so that the write-ahead logs are as full as a crash leaves them; then flushed by an orderly stop.
        cluster.kill9(2)?;
        let mut needles = Needles::of(&cluster.people.people);
        ensure!(needles.count() > cluster.people.people.len() * 10, "{} texts", needles.count());
        look(cluster, &needles, 2)?;
        cluster.restart(2).await?;
        cluster.stop_all().await?;
        for node in cluster.files.nodes.clone() {
            let read = look(cluster, &needles, node)?;
            // A look at nothing finds nothing: each kind of file must have been there, with something in it.
            for ending in [".sst", "stderr"] {
                ensure!(read.bytes(ending) > 1_000, "node {node}: {} bytes of {ending}", read.bytes(ending));
            }
            // Compressed blocks could hide what is in them; the stores' own readers cannot.
            let (values, found) = store_view::find_in_values(&cluster.files, node, &needles)?;
            ensure!(values > cluster.people.people.len(), "node {node}: only {values} values were read");
            nothing(&found)?;
        }
        needles = positive_control(cluster, needles)?;
        drop(needles);
        Ok(())
    })
    .await;
}

/// Confirmed, looked up, missed, refused, and mistyped: whatever a log line could be tempted to quote.
async fn ask_about_everybody(cluster: &Cluster) -> Result<()> {
    let client = cluster.client(Caller::Office)?;
    let mut chance = seed::generator(cluster.seed, 9);
    for person in cluster.people.people.iter().take(120) {
        client.ask(people::right(person), Duration::from_secs(10)).await?;
    }
    for kind in Kind::ALL {
        client.ask(cluster.people.question(kind, &mut chance), Duration::from_secs(10)).await?;
    }
    let person = &cluster.people.people[0];
    let mistyped = xacminh_proto::wire::Ask { number: format!("{}x", person.citizen_number), ..people::right(person) };
    ensure!(client.ask(mistyped, Duration::from_secs(5)).await.is_err(), "thirteen characters are no number");
    let mistyped = xacminh_proto::wire::Ask { name: format!("{}\u{202e}", person.full_name), ..people::right(person) };
    ensure!(client.ask(mistyped, Duration::from_secs(5)).await.is_err(), "a bidi control is in no name");
    let load = Load::start(cluster, 8)?;
    load.wait_for(300, Duration::from_secs(60)).await?;
    load.finish().await?;
    client.close().await;
    Ok(())
}

fn look(cluster: &Cluster, needles: &Needles, node: u64) -> Result<Read> {
    let (found, mut read) = needles.find_in_folder(&cluster.files.data(node))?;
    nothing(&found)?;
    let stderr = cluster.files.stderr(node);
    let said = fs::read(&stderr).with_context(|| stderr.display().to_string())?;
    nothing(&needles.find(&said, "standard error"))?;
    read.files.push((stderr, said.len()));
    Ok(read)
}

fn nothing(found: &[Find]) -> Result<()> {
    ensure!(found.is_empty(), "{} in clear: {:?}", found.len(), &found[..found.len().min(5)]);
    Ok(())
}

/// The same look finds the same people where they are in clear: the authority's own file, and a planted one.
fn positive_control(cluster: &Cluster, needles: Needles) -> Result<Needles> {
    let authority = fs::read(cluster.files.people())?;
    ensure!(!needles.find(&authority, "the authority's file").is_empty(), "the look is blind: names stand there");
    let planted = cluster.files.data(1).join("planted");
    fs::write(&planted, &cluster.people.people[7].citizen_number)?;
    let (found, _) = needles.find_in_folder(&cluster.files.data(1))?;
    fs::remove_file(&planted)?;
    ensure!(found.len() == 1, "the look is blind: a planted number was found {} times", found.len());
    Ok(needles)
}
