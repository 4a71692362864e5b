//! What the doors need of a node: answers for clients, readiness for operators.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;
use xacminh_core::question::Question;
use xacminh_proto::{
    transparency::Hash,
    vocab::{ErrorNumber, PersonNumber, RequestId},
};

use super::Node;
use crate::{
    admin::{NotReady, Readiness},
    audit::Page,
    audit::{self, Inquiry},
    publish::Missing,
    raft::submit::SubmitError,
    serve::{self, MemberView, Office, Trouble, View, Work},
    telemetry::{Metrics, Stopwatch},
    verify::{Answered, ErasureReason, Inquired, Opened, ReceiptHolder, Terms, ToldTrail, TrailPart, TrailReader},
};

/// Entries of one page of the log; a page stays far under the largest reply.
const PAGE_ENTRIES_MAX: usize = 256;

/// How long the entry of an auditor's act, or of a trail's reader, may take to commit.
const AUDIT_MAX: Duration = Duration::from_secs(5);

/// How long a canary may take before the node says that it is not ready.
const CANARY_MAX: Duration = Duration::from_millis(900);

impl serve::Desk for Node {
    fn answer<'a>(
        &'a self,
        question: &'a Question,
        canonical: &'a [u8],
        terms: Terms,
        watch: &'a mut Stopwatch,
    ) -> Work<'a, Result<Answered, ErrorNumber>> {
        Box::pin(self.desk.answer(question, canonical, terms, watch))
    }
}

impl Office for Node {
    fn view(&self) -> View {
        let raft = self.replication.metrics();
        let meta = self.state.meta();
        let matched = |node: u64| {
            raft.replication.as_ref().and_then(|all| all.get(&node)).and_then(|id| id.as_ref().map(|id| id.index))
        };
        let membership = raft.membership_config.membership();
        let voters: Vec<u64> = membership.voter_ids().collect();
        let members = membership.nodes().map(|(id, member)| MemberView {
            node: *id,
            client_addr: member.client_addr.clone(),
            voter: voters.contains(id),
            matched: matched(*id),
        });
        View {
            cluster: self.config.cluster.name.clone(),
            node: self.config.node.id,
            leader: raft.current_leader,
            term: raft.current_term,
            applied: raft.last_applied.map_or(0, |id| id.index),
            leaves: meta.leaves,
            register_revision: meta.register_revision,
            ready: raft.current_leader.is_some() && meta.register_revision > 0,
            members: members.collect(),
        }
    }

    fn counter_asked(&self) -> Option<Instant> {
        self.desk.submitter.counter_asked()
    }

    fn receipt<'a>(&'a self, holder: &'a ReceiptHolder, id: RequestId) -> Work<'a, Result<String, ErrorNumber>> {
        Box::pin(self.desk.receipt_of(&self.searcher, holder, id))
    }

    fn checkpoint(&self, year: Option<u16>) -> Work<'_, Result<String, ErrorNumber>> {
        Box::pin(async move {
            let found = match year {
                None => self.shelf.newest().await,
                Some(year) => self.shelf.checkpoint(year).await,
            };
            found.map(|text| text.to_string()).map_err(|error| match error {
                Missing::Year if year.is_some() => ErrorNumber::RequestUnknown,
                error => {
                    tracing::warn!(%error, "there is no checkpoint to hand out");
                    ErrorNumber::NotReady
                }
            })
        })
    }

    fn inquire<'a>(&'a self, auditor: &'a str, inquiry: Inquiry) -> Work<'a, Result<Inquired, ErrorNumber>> {
        Box::pin(async move {
            let deadline = Instant::now() + AUDIT_MAX;
            self.desk.inquire(&self.searcher, auditor, &inquiry, deadline).await
        })
    }

    fn open<'a>(&'a self, auditor: &'a str, position: u64) -> Work<'a, Result<Opened, ErrorNumber>> {
        Box::pin(self.desk.open_for(auditor, position, Instant::now() + AUDIT_MAX))
    }

    fn consistency(&self, year: u16, old: u64, new: u64) -> Result<Vec<Hash>, ErrorNumber> {
        let proof = audit::consistency(&self.state, year, old, new).map_err(|error| {
            tracing::error!(%error, "the log cannot be read");
            ErrorNumber::Internal
        });
        proof?.ok_or(ErrorNumber::RequestUnknown)
    }

    fn leaves(&self, from: u64, limit: usize) -> Result<Page, ErrorNumber> {
        audit::page(&self.state, from, limit.min(PAGE_ENTRIES_MAX)).map_err(|error| {
            tracing::error!(%error, "the log cannot be read");
            ErrorNumber::Internal
        })
    }

    fn trail<'a>(
        &'a self,
        reader: &'a TrailReader,
        number: PersonNumber,
        part: TrailPart,
    ) -> Work<'a, Result<ToldTrail, ErrorNumber>> {
        Box::pin(self.desk.trail(reader, number, part, Instant::now() + AUDIT_MAX))
    }

    fn erase<'a>(&'a self, number: PersonNumber, reason: &'a ErasureReason) -> Work<'a, Result<u64, Trouble>> {
        Box::pin(self.erase_person(number, reason))
    }

    fn register(&self) -> (u64, String) {
        let document = self.state.document();
        (document.revision, document.text.clone())
    }

    fn put_register<'a>(&'a self, operator: &'a str, document: String) -> Work<'a, Result<u64, Trouble>> {
        Box::pin(self.change_register(operator, document))
    }
}

impl Readiness for Node {
    fn probe(&self) -> BoxFuture<'_, Vec<NotReady>> {
        Box::pin(async {
            if self.replication.metrics().current_leader.is_none() {
                return vec![NotReady::new("no_leader", "no leader is known; a majority of members must be up")];
            }
            if self.state.document().revision == 0 {
                return vec![NotReady::new("no_register", "no register is in force; give the leader one")];
            }
            if let Err(error) = self.state.leaf(self.state.meta().leaves.saturating_sub(1)) {
                return vec![NotReady::new("cannot_read", error.to_string())];
            }
            match self.desk.canary(Instant::now() + CANARY_MAX).await {
                Ok(()) => Vec::new(),
                Err(SubmitError::Stopping) => vec![NotReady::new("draining", "the node is stopping")],
                Err(error) => vec![NotReady::new("cannot_commit", error.to_string())],
            }
        })
    }

    fn status(&self) -> BoxFuture<'_, serde_json::Value> {
        Box::pin(async {
            let view = self.view();
            let members = view.members.iter().map(|member| {
                serde_json::json!({
                    "node": member.node, "client_addr": member.client_addr, "voter": member.voter, "matched": member.matched,
                })
            });
            serde_json::json!({
                "cluster": view.cluster, "node": view.node, "version": env!("CARGO_PKG_VERSION"), "leader": view.leader,
                "term": view.term, "applied": view.applied, "leaves": view.leaves, "ready": view.ready,
                "register_revision": view.register_revision, "members": members.collect::<Vec<_>>(),
            })
        })
    }

    fn refresh(&self, metrics: &Metrics) {
        metrics.raft(&self.replication.gauges());
        self.witnesses.show();
    }
}
