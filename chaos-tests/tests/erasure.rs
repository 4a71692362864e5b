//! A person is erased on every node: nothing is left to read, replicas stay equal, and what was handed out still verifies.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use xacminh_chaos::{Cluster, Options, cluster::Caller, ledger::Ledger, people, store_view, wait};
use xacminh_client::{Client, ClientError, FetchedTrail};
use xacminh_proto::{
    transparency::{
        Policy, Receipt,
        note::{KeyKind, VerifierKey},
        trail::{TrailProof, VerifiedTrail},
    },
    vocab::ErrorNumber,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a node says once its files are clear.
const CLEARED: &str = "what was erased has left the files";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_an_erased_person_but_evidence() {
    let test = "erasure::nothing_is_left_of_an_erased_person_but_evidence";
    Cluster::tell(test, Options::default(), async |cluster| {
        let (office, auditor) = (cluster.client(Caller::Office)?, cluster.client(Caller::Auditor)?);
        let person = cluster.people.people[0].clone();
        let number = person.citizen_number.to_string();
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(office.ask(people::right(&person), PATIENCE).await?);
        }
        let before = auditor.trail(&number, PATIENCE).await?;
        let policy = policy(cluster, &before).await?;
        ensure!(verified(&before, &policy)?.accesses.len() == 3, "three asked");

        erase(&cluster.client(Caller::Operator)?, &number).await?;
        for node in cluster.files.nodes.clone() {
            let stderr = cluster.files.stderr(node);
            wait::until("cleared files", PATIENCE, || async {
                let said = fs::read_to_string(&stderr).map_err(|error| error.to_string())?;
                said.contains(CLEARED).then_some(()).ok_or_else(|| format!("node {node}: {} bytes", said.len()))
            })
            .await?;
        }
        ensure!(auditor.trail(&number, PATIENCE).await?.count == 0, "a trail after the erasure");
        for answer in &answers {
            let receipt = office.receipt(answer.request_id, PATIENCE).await;
            ensure!(is_erased(&receipt.map(drop)), "a receipt was made again of what was erased");
            let kept = answer.receipt.as_deref().unwrap_or_default();
            Receipt::parse(kept.as_bytes())?.verify(&policy)?;
        }
        verified(&before, &policy)?;
        // Asked about again, the person has a new trail.
        office.ask(people::right(&person), PATIENCE).await?;
        let after = auditor.trail(&number, PATIENCE).await?;
        ensure!(verified(&after, &policy)?.accesses.len() == 1, "the new trail begins with the new question");
        ensure!(after.text.lines().nth(1) != before.text.lines().nth(1), "both trails have one seed");
        store_view::stop_and_compare(cluster).await
    })
    .await;
}

/// A node that ends between an erasure and the clearing of its files begins with that again.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_killed_before_its_files_were_clear_clears_them() {
    let test = "erasure::a_node_that_was_killed_before_its_files_were_clear_clears_them";
    Cluster::tell(test, Options::default(), async |cluster| {
        let office = cluster.client(Caller::Office)?;
        let person = cluster.people.people[0].clone();
        office.ask(people::right(&person), PATIENCE).await?;
        let leader = cluster.leader().await?;
        erase(&cluster.client(Caller::Operator)?, &person.citizen_number.to_string()).await?;
        // It has answered, so it has applied the erasure; what is erased is looked for once a second.
        let stderr = cluster.files.stderr(leader);
        cluster.kill9(leader)?;
        let said = fs::read_to_string(&stderr)?;
        ensure!(!said.contains(CLEARED), "the node was killed too late for this test");
        cluster.restart(leader).await?;
        wait::until("cleared files", PATIENCE, || async {
            let said = fs::read_to_string(&stderr).map_err(|error| error.to_string())?;
            said.contains(CLEARED).then_some(()).ok_or_else(|| format!("{} bytes", said.len()))
        })
        .await?;
        // Once is enough: the next life knows.
        ensure!(cluster.stop(leader).await? == Some(0), "the node did not end well");
        cluster.restart(leader).await?;
        office.ask(people::right(&cluster.people.people[1].clone()), PATIENCE).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        ensure!(fs::read_to_string(&stderr)?.matches(CLEARED).count() == 1, "the files were cleared twice");
        store_view::stop_and_compare(cluster).await
    })
    .await;
}

/// Erases, and then finds nothing left to erase.
async fn erase(operator: &Client, number: &str) -> Result<()> {
    let order = people::erasure(number);
    operator.erase(order.clone(), PATIENCE).await?;
    let again = operator.erase(order, PATIENCE).await;
    ensure!(is_erased(&again.map(drop)), "a second erasure found something");
    Ok(())
}

fn is_erased(result: &Result<(), ClientError>) -> bool {
    matches!(result, Err(ClientError::Rejected { number: ErrorNumber::Erased, .. }))
}

fn verified(trail: &FetchedTrail, policy: &Policy) -> Result<VerifiedTrail> {
    Ok(TrailProof::parse(trail.text.as_bytes())?.verify(policy)?)
}

/// The log's key as its operator publishes it, under the name that the trail's end has.
async fn policy(cluster: &mut Cluster, trail: &FetchedTrail) -> Result<Policy> {
    let ledger = Ledger::read(cluster, 1).await?;
    let named = trail.text.lines().find_map(|line| line.strip_suffix("/trail"));
    let (Some(origin), Some(key)) = (named, ledger.log_key) else { anyhow::bail!("no origin or no key") };
    Ok(Policy::of_log(VerifierKey::new(origin, KeyKind::Ed25519, &key)?)?)
}
