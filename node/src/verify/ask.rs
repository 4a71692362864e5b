//! Step ③: the authority is asked, and what it says is learnt.

use std::time::Duration;

use tokio::time::Instant;
use xacminh_core::{command::RecordKey, question::Question, record::Known, register::Permit};

use super::{Desk, Learnt};
use crate::{
    telemetry::UpstreamOutcome,
    upstream::{AuthorityError, Moment, Said},
};

/// Part of the time left that is kept for committing the answer, when the authority is asked. Without it an authority
/// that hangs would leave the clerk without an answer, instead of with "cannot tell", which allows asking for paper.
const COMMIT_SHARE: u32 = 4;
const COMMIT_TIME_MAX: Duration = Duration::from_millis(1_500);

impl Desk {
    /// Whatever the authority answers, the question goes on, with time left to commit what comes of it.
    pub(super) async fn ask(
        &self,
        question: &Question,
        permit: &Permit,
        key: &RecordKey,
        learnt: &mut Learnt,
        now_ms: u64,
        deadline: Instant,
    ) {
        let asked = Instant::now();
        let left = deadline.saturating_duration_since(asked);
        let patience = left - (left / COMMIT_SHARE).min(COMMIT_TIME_MAX);
        // The record was read before: an erasure after this is one after that too, and apply sees it.
        let now = Moment { at_ms: now_ms, erased: self.state.newest_erasure_of(key) };
        let said = self.upstream.ask(&question.person, now, asked + patience).await;
        let took_us = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.metrics.upstream(upstream_outcome(&said), took_us);
        match said {
            Ok(Said { people, asked_at_ms }) => {
                let mut known = Known { people, read_at_ms: asked_at_ms };
                self.follow(question, permit, &mut known, now, asked + patience).await;
                (learnt.said, learnt.erased) = (Some(known), now.erased);
            }
            Err(error) => {
                tracing::debug!(%error, "the authority did not answer");
                learnt.unavailable = true;
            }
        }
    }
}

fn upstream_outcome(said: &Result<Said, AuthorityError>) -> UpstreamOutcome {
    match said {
        Ok(_) => UpstreamOutcome::Answered,
        Err(AuthorityError::Deadline) => UpstreamOutcome::Timeout,
        Err(AuthorityError::BreakerOpen) => UpstreamOutcome::BreakerOpen,
        Err(_) => UpstreamOutcome::Failed,
    }
}
