//! What lies behind the door, in words of its own: the wire ends where these are turned into replies.

use std::{future::Future, pin::Pin};

use tokio::time::Instant;
use xacminh_core::question::Question;
use xacminh_proto::{
    transparency::Hash,
    vocab::{ErrorNumber, PersonNumber, RequestId},
    wire::{self, AuditEntries, AuditEntry, Failure, MemberStatus, Pruned, Status, TrailGloss, TrailLine},
};

use crate::{
    audit::{Inquiry, Page},
    telemetry::Stopwatch,
    verify::{
        Answered, ErasureReason, Inquired, Opened, ReceiptHolder, Terms, ToldAccess, ToldTrail, TrailPart, TrailReader,
    },
};

/// A future of the office.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The question side of the node, as the door needs it.
pub trait Desk: Send + Sync {
    /// Answers a question; see [`crate::verify::Desk::answer`].
    fn answer<'a>(
        &'a self,
        question: &'a Question,
        canonical: &'a [u8],
        terms: Terms,
        watch: &'a mut Stopwatch,
    ) -> Work<'a, Result<Answered, ErrorNumber>>;
}

/// Everything behind the door.
pub trait Office: Desk + 'static {
    /// How the node and its cluster are.
    fn view(&self) -> View;

    /// When somebody at a counter was answered last, on whichever node.
    fn counter_asked(&self) -> Option<Instant>;

    /// The receipt of a request, as it was answered; see [`crate::verify::Desk::receipt_of`].
    fn receipt<'a>(&'a self, holder: &'a ReceiptHolder, id: RequestId) -> Work<'a, Result<String, ErrorNumber>>;

    /// A page of leaves found; see [`crate::verify::Desk::inquire`].
    fn inquire<'a>(&'a self, auditor: &'a str, inquiry: Inquiry) -> Work<'a, Result<Inquired, ErrorNumber>>;

    /// A leaf's addendum in clear; see [`crate::verify::Desk::open_for`].
    fn open<'a>(&'a self, auditor: &'a str, position: u64) -> Work<'a, Result<Opened, ErrorNumber>>;

    /// The head of a year's log, or of the newest, signed, with cosignatures when there are any; see [`crate::publish`].
    fn checkpoint(&self, year: Option<u16>) -> Work<'_, Result<String, ErrorNumber>>;

    /// The proof that a tree of a year's shard is the beginning of another; see [`crate::audit::consistency`].
    fn consistency(&self, year: u16, old: u64, new: u64) -> Result<Vec<Hash>, ErrorNumber>;

    /// Entries from a position on, at most `limit`. They say nothing about a person, so that reading them leaves no leaf.
    fn leaves(&self, from: u64, limit: usize) -> Result<Page, ErrorNumber>;

    /// A part of a person's trail; see [`crate::verify::Desk::trail`].
    fn trail<'a>(
        &'a self,
        reader: &'a TrailReader,
        number: PersonNumber,
        part: TrailPart,
    ) -> Work<'a, Result<ToldTrail, ErrorNumber>>;

    /// Erases a person; gives the position of the leaf that says so.
    fn erase<'a>(&'a self, number: PersonNumber, reason: &'a ErasureReason) -> Work<'a, Result<u64, Trouble>>;

    /// The register in force: its revision, 0 before the first, and its document.
    fn register(&self) -> (u64, String);

    /// Puts a register revision in force.
    fn put_register<'a>(&'a self, operator: &'a str, document: String) -> Work<'a, Result<u64, Trouble>>;
}

/// How a node sees itself and its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The cluster's name.
    pub cluster: String,
    /// This node.
    pub node: u64,
    /// The leader it knows.
    pub leader: Option<u64>,
    /// Raft term.
    pub term: u64,
    /// Last applied Raft index.
    pub applied: u64,
    /// Leaves in the log.
    pub leaves: u64,
    /// Register revision in force.
    pub register_revision: u64,
    /// Whether a leader and a register are there.
    pub ready: bool,
    /// The members.
    pub members: Vec<MemberView>,
}

/// A member as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Node id.
    pub node: u64,
    /// Where its client endpoint is.
    pub client_addr: String,
    /// Whether it votes.
    pub voter: bool,
    /// Last log index the leader knows it has; known on the leader only.
    pub matched: Option<u64>,
}

/// Why an office did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The stable number.
    pub number: ErrorNumber,
    /// What exactly, without personal data.
    pub detail: String,
}

impl From<View> for Status {
    fn from(view: View) -> Self {
        let member =
            |MemberView { node, client_addr, voter, matched }| MemberStatus { node, client_addr, voter, matched };
        Self {
            cluster: view.cluster,
            node: view.node,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            leader: view.leader,
            term: view.term,
            applied: view.applied,
            leaves: view.leaves,
            register_revision: view.register_revision,
            ready: view.ready,
            members: view.members.into_iter().map(member).collect(),
        }
    }
}

impl From<Page> for AuditEntries {
    fn from(read: Page) -> Self {
        let pruned = read.pruned.iter().map(|(hash, opens)| Pruned { hash: *hash, opens: *opens }.bytes());
        let all = pruned.chain(read.leaves.iter().map(|leaf| leaf.to_vec()));
        let entries = all.zip(read.from..).map(|(leaf, position)| AuditEntry { position, leaf });
        Self { leaves: read.all, entries: entries.collect() }
    }
}

impl From<ToldTrail> for wire::TrailPart {
    fn from(told: ToldTrail) -> Self {
        let access = |ToldAccess { line, gloss }| TrailLine {
            line,
            gloss: gloss.map(|gloss| TrailGloss {
                portal: gloss.portal,
                procedure: gloss.procedure,
                procedure_vi: gloss.procedure_vi,
                procedure_en: gloss.procedure_en,
                official: gloss.official,
                delayed_until: gloss.delayed_until,
            }),
        };
        let ToldTrail { at, count, from, head, accesses } = told;
        Self { at, count, from, head, accesses: accesses.into_iter().map(access).collect() }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self { number: trouble.number, detail: trouble.detail }
    }
}
