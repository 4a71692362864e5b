//! I11, a node never answers while an audit entry cannot commit, and says on `/readyz` that it cannot.
//!
//! Source: promise P1 and rule 14 of the log's sequencing rules: fail closed, say so.

use std::time::Duration;

use anyhow::Result;
use xacminh_client::ClientError;
use xacminh_proto::wire::Answer;

use super::Violation;
use crate::{Cluster, cluster::Caller, people};

const NAME: &str = "I11 no quorum, no answer";

/// How long a lonely node is asked.
const ASKED_FOR: Duration = Duration::from_secs(5);

/// Asks a node that has lost its quorum.
///
/// # Errors
/// [`Violation`], or a node that cannot be asked.
pub async fn check(cluster: &Cluster, node: u64) -> Result<()> {
    // Known people and refusals alike: nothing of either may leave.
    let client = cluster.client_at(Caller::Office, node)?;
    let known = people::right(&cluster.people.people[0]);
    let refused =
        xacminh_proto::wire::Ask { official: "nobody".to_owned(), ..people::right(&cluster.people.people[1]) };
    let (known, refused) = tokio::join!(client.ask(known, ASKED_FOR), client.ask(refused, ASKED_FOR));
    client.close().await;
    judge(node, &known)?;
    judge(node, &refused)?;
    let (status, body) = cluster.readiness(node).await?;
    judge_health(node, status, &body)?;
    Ok(())
}

fn judge(node: u64, answer: &Result<Answer, ClientError>) -> Result<(), Violation> {
    match answer {
        Err(ClientError::Unknown { .. } | ClientError::Unreachable { .. }) => Ok(()),
        Err(error) => Violation::of(NAME, format!("node {node} decided without a quorum: {error}")),
        Ok(answer) => Violation::of(NAME, format!("node {node} answered without a quorum, at {}", answer.position)),
    }
}

fn judge_health(node: u64, status: u16, body: &str) -> Result<(), Violation> {
    if status == 503 && body.contains("\"ready\":false") {
        return Ok(());
    }
    Violation::of(NAME, format!("node {node} says {status} {body} without a quorum"))
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::history;
    use super::*;

    #[test]
    fn it_barks() {
        let answer = history(&[(1, 0, 0, 1)]).deliveries.remove(0).answer;
        assert!(judge(1, &Ok(answer)).is_err());
        assert_eq!(judge(1, &Err(ClientError::Unknown { request_id: None, last: String::new() })), Ok(()));
        let refused =
            ClientError::Rejected { number: xacminh_proto::vocab::ErrorNumber::OfficialUnknown, detail: String::new() };
        assert!(judge(1, &Err(refused)).is_err());
        assert!(judge_health(1, 200, "{\"ready\":true}").is_err());
        assert_eq!(judge_health(1, 503, "{\"ready\":false,\"reasons\":[]}"), Ok(()));
    }
}
