//! Every kind of question through every node, and what a retry gets.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::Instant;
use xacminh_chaos::{
    Cluster, Options,
    cluster::Caller,
    history::History,
    invariants,
    ledger::Ledger,
    people::{self, Kind},
    seed,
};
use xacminh_client::ClientError;
use xacminh_proto::{
    codec,
    vocab::{ErrorNumber, Outcome, Verdict},
    wire::{Ask, REPLY_BYTES_MAX},
};

const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_question_through_every_node() {
    let test = "question_path::every_kind_of_question_through_every_node";
    Cluster::tell(test, Options::default(), async |cluster| {
        let mut history = History::default();
        let mut chance = seed::generator(cluster.seed, 0);
        let leader = cluster.leader().await?;
        ensure!(cluster.files.nodes.contains(&leader), "the leader is one of them");
        for node in cluster.files.nodes.clone() {
            let client = cluster.client_at(Caller::Office, node)?;
            for kind in Kind::ALL {
                let ask = cluster.people.question(kind, &mut chance);
                let asked = Instant::now();
                let answer = client.ask(ask.clone(), DEADLINE).await.with_context(|| format!("{kind:?} at {node}"))?;
                ensure!(kind.fits(&answer.outcome), "{kind:?} at node {node}: {:?}", answer.outcome);
                if let Outcome::Confirmed { verdicts, .. } = &answer.outcome {
                    ensure!(verdicts.iter().all(|verdict| verdict.verdict == Verdict::Match), "{verdicts:?}");
                }
                history.answered(asked, ask, answer);
            }
            client.close().await;
        }
        let ledgers = Ledger::read_all(cluster).await?;
        ensure!(ledgers.len() == 3, "all three are there");
        invariants::check_all(&history, &ledgers)
    })
    .await;
}

/// P8: unknown person, wrong name and wrong birth date are one outcome, byte for byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_miss_is_a_miss_whatever_was_wrong() {
    Cluster::tell("question_path::a_miss_is_a_miss_whatever_was_wrong", Options::default(), async |cluster| {
        let mut chance = seed::generator(cluster.seed, 0);
        for node in cluster.files.nodes.clone() {
            let client = cluster.client_at(Caller::Office, node)?;
            let mut encoded = Vec::new();
            for kind in [Kind::Unknown, Kind::WrongName, Kind::WrongBirth] {
                let answer = client.ask(cluster.people.question(kind, &mut chance), DEADLINE).await?;
                encoded.push(codec::encode::<REPLY_BYTES_MAX, _>(&answer.outcome)?);
            }
            // A person the node remembers and one it does not must not differ either.
            let known = people::right(&cluster.people.people[0]);
            client.ask(known.clone(), DEADLINE).await?;
            let wrong = Ask { name: people::NOBODYS_NAME.to_owned(), ..people::once_more(&known) };
            encoded.push(codec::encode::<REPLY_BYTES_MAX, _>(&client.ask(wrong, DEADLINE).await?.outcome)?);
            ensure!(encoded.windows(2).all(|pair| pair[0] == pair[1]), "node {node}: {encoded:?}");
            client.close().await;
        }
        // The leaves, which auditors read, do not tell them apart either.
        let ledger = Ledger::read(cluster, 1).await?;
        let misses: Vec<_> = ledger
            .entries
            .iter()
            .filter(|entry| entry.leaf.verdict == xacminh_proto::transparency::LeafVerdict::NoMatch)
            .collect();
        ensure!(misses.len() == 12, "{} misses", misses.len());
        ensure!(misses.iter().all(|entry| entry.leaf.record_version == 0), "a version tells that a person is known");
        Ok(())
    })
    .await;
}

/// A retry through another node gets the same answer and no second leaf; another question under the id is told so.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_gets_the_first_answer_and_no_second_leaf() {
    let test = "question_path::a_retry_gets_the_first_answer_and_no_second_leaf";
    Cluster::tell(test, Options::default(), async |cluster| {
        let mut history = History::default();
        let mut chance = seed::generator(cluster.seed, 0);
        for kind in [Kind::Right, Kind::Lookup, Kind::Unknown, Kind::NotGranted] {
            let ask = cluster.people.question(kind, &mut chance);
            for node in cluster.files.nodes.clone() {
                let client = cluster.client_at(Caller::Office, node)?;
                let asked = Instant::now();
                let answer = client.ask(ask.clone(), DEADLINE).await.with_context(|| format!("{kind:?} at {node}"))?;
                ensure!(kind.fits(&answer.outcome), "{kind:?} at node {node}: {:?}", answer.outcome);
                history.answered(asked, ask.clone(), answer);
                let other = Ask { dossier: "H48.2026.999999".to_owned(), ..ask.clone() };
                let refused = client.ask(other, DEADLINE).await;
                let reused = matches!(refused, Err(ClientError::Rejected { number: ErrorNumber::RequestIdReused, .. }));
                ensure!(reused, "another question under a used id: {refused:?}");
                client.close().await;
            }
        }
        // The same id belongs to somebody else at another portal.
        let first = history.deliveries[0].answer.clone();
        let client = cluster.client(Caller::Business)?;
        let ask = Ask {
            request_id: first.request_id,
            procedure: "1.001612".to_owned(),
            ..people::right(&cluster.people.people[0])
        };
        let answer = client.ask(ask, DEADLINE).await?;
        ensure!(answer.position != first.position, "two portals share position {}", answer.position);
        let ledgers = Ledger::read_all(cluster).await?;
        invariants::check_all(&history, &ledgers)
    })
    .await;
}
