//! I10, after a heal: one leader, every node converges and serves, within a bound.
//!
//! Source: openraft's turmoil tests, whose runs end with "must completely heal, serve and re-converge".

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;
use xacminh_proto::{vocab::Outcome, wire::Status};

use super::Violation;
use crate::{
    Cluster,
    cluster::Caller,
    history::History,
    people::{self, Kind},
};

const NAME: &str = "I10 heals";

/// How long everything may take: an election, a replay and a question through each node.
pub const HEAL_MAX: Duration = Duration::from_secs(30);

/// Waits for the heal and asks one question through each node; the answers are part of the history.
///
/// # Errors
/// When a node is not ready, does not answer rightly, or the cluster is not of one mind in time.
pub async fn check(cluster: &mut Cluster) -> Result<History> {
    let start = Instant::now();
    cluster.wait_all_ready().await.context(NAME)?;
    let leader = cluster.leader().await.context(NAME)?;
    let mut history = History::default();
    let mut statuses = Vec::new();
    for node in cluster.running()? {
        let client = cluster.client_at(Caller::Office, node)?;
        let ask = people::right(&cluster.people.people[0]);
        let asked = Instant::now();
        let answer = client.ask(ask.clone(), HEAL_MAX).await.with_context(|| format!("{NAME}: node {node} serves"))?;
        // An authority that is in trouble at this moment is another test's matter.
        let right = Kind::Right.fits(&answer.outcome) || matches!(answer.outcome, Outcome::Undetermined(_));
        ensure!(right, "{NAME}: node {node} answered {:?}", answer.outcome);
        history.answered(asked, ask, answer);
        client.close().await;
    }
    for node in cluster.running()? {
        statuses.push(cluster.status(node).await?);
    }
    of_one_mind(leader, &statuses)?;
    ensure!(start.elapsed() < HEAL_MAX, "{NAME}: it took {:?}", start.elapsed());
    Ok(history)
}

/// All know one leader in one term.
fn of_one_mind(leader: u64, statuses: &[Status]) -> Result<(), Violation> {
    for status in statuses {
        if status.leader != Some(leader) {
            return Violation::of(NAME, format!("node {} knows leader {:?}, not {leader}", status.node, status.leader));
        }
        if statuses.iter().any(|other| other.term != status.term) {
            return Violation::of(NAME, format!("node {} is in term {} alone", status.node, status.term));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(node: u64, leader: Option<u64>, term: u64) -> Status {
        Status {
            cluster: "chaos".to_owned(),
            node,
            version: String::new(),
            leader,
            term,
            applied: 0,
            leaves: 0,
            register_revision: 1,
            ready: true,
            members: Vec::new(),
        }
    }

    #[test]
    fn it_barks() {
        assert_eq!(of_one_mind(2, &[status(1, Some(2), 4), status(2, Some(2), 4)]), Ok(()));
        assert!(of_one_mind(2, &[status(1, Some(1), 4), status(2, Some(2), 4)]).is_err());
        assert!(of_one_mind(2, &[status(1, None, 4)]).is_err());
        assert!(of_one_mind(2, &[status(1, Some(2), 4), status(2, Some(2), 5)]).is_err());
    }
}
