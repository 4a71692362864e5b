//! What auditors ask, and what anybody may ask about the log.

use std::time::Duration;

use xacminh_proto::{
    transparency::{Hash, note::Note},
    wire::{
        AuditEntries, AuditFound, AuditOpened, AuditPage, AuditQuery, ConsistencyWish, RegisterPage, Reply, Request,
    },
};

use super::{Client, Way};
use crate::{error::ClientError, judge::kind_of};

impl Client {
    /// A page of audit entries (role auditor).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit_page(&self, page: AuditPage, deadline: Duration) -> Result<AuditEntries, ClientError> {
        match self.exchange(Way::Stream, Request::Audit(page), deadline).await? {
            Reply::Audit(entries) => Ok(entries),
            other => unreachable!("judge lets no other reply to an audit request pass: {}", kind_of(&other)),
        }
    }

    /// A page of audit entries by what they say (role auditor). If it names a person, each page leaves an entry.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit_query(&self, query: AuditQuery, deadline: Duration) -> Result<AuditFound, ClientError> {
        match self.exchange(Way::Stream, Request::AuditQuery(Box::new(query)), deadline).await? {
            Reply::AuditFound(found) => Ok(found),
            other => unreachable!("judge lets no other reply to an audit query pass: {}", kind_of(&other)),
        }
    }

    /// The addendum of an audit entry, in clear (role auditor). The opening leaves an entry.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn audit_open(&self, position: u64, deadline: Duration) -> Result<AuditOpened, ClientError> {
        match self.exchange(Way::Stream, Request::AuditOpen(position), deadline).await? {
            Reply::AuditOpened(opened) => Ok(*opened),
            other => unreachable!("judge lets no other reply to an opening pass: {}", kind_of(&other)),
        }
    }

    /// The register document in force, and its revision (role operator or auditor).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn register(&self, deadline: Duration) -> Result<(u64, String), ClientError> {
        let (mut revision, mut document) = (0, String::new());
        loop {
            let from = u32::try_from(document.len()).unwrap_or(u32::MAX);
            let page = RegisterPage { revision, from };
            let part = match self.exchange(Way::Stream, Request::Register(page), deadline).await? {
                Reply::Register(part) => part,
                other => unreachable!("judge lets no other reply to a wish for the register pass: {}", kind_of(&other)),
            };
            document.push_str(&part.text);
            revision = part.revision;
            // Judge saw that a part is empty at the end alone, so that this ends.
            if document.len() >= part.bytes as usize {
                return Ok((revision, document));
            }
        }
    }

    /// The signed head of the log as a node has it now; verified if the client knows the log's keys.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn checkpoint(&self, deadline: Duration) -> Result<Note, ClientError> {
        match self.exchange(Way::Stream, Request::Checkpoint, deadline).await? {
            Reply::Checkpoint(text) => Ok(Note::parse(text.as_str().as_bytes()).expect("judge read it")),
            other => unreachable!("judge lets no other reply to a wish for a head pass: {}", kind_of(&other)),
        }
    }

    /// The signed head of a year's log; verified if the client knows a key of that year's log.
    ///
    /// # Errors
    /// [`ClientError`]; rejected with [`ErrorNumber::RequestUnknown`](xacminh_proto::vocab::ErrorNumber::RequestUnknown)
    /// if the log has no such year.
    pub async fn checkpoint_of(&self, year: u16, deadline: Duration) -> Result<Note, ClientError> {
        match self.exchange(Way::Stream, Request::CheckpointOf(year), deadline).await? {
            Reply::Checkpoint(text) => Ok(Note::parse(text.as_str().as_bytes()).expect("judge read it")),
            other => unreachable!("judge lets no other reply to a wish for a head pass: {}", kind_of(&other)),
        }
    }

    /// The signed head of a year's log as each node has it now: who leads has cosignatures, others may not.
    pub async fn checkpoint_of_all(&self, year: u16, deadline: Duration) -> Vec<Result<Note, ClientError>> {
        let replies = self.ask_all(&Request::CheckpointOf(year), deadline).await;
        let note = |(_, reply)| match reply {
            Ok(Reply::Checkpoint(text)) => Ok(Note::parse(text.as_str().as_bytes()).expect("judge read it")),
            Ok(other) => unreachable!("judge lets no other reply to a wish for a head pass: {}", kind_of(&other)),
            Err(error) => Err(error),
        };
        replies.into_iter().map(note).collect()
    }

    /// The proof that one tree of a shard is the beginning of another; whoever gets it checks it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn consistency(&self, wish: ConsistencyWish, deadline: Duration) -> Result<Vec<Hash>, ClientError> {
        match self.exchange(Way::Stream, Request::Consistency(wish), deadline).await? {
            Reply::Consistency(proof) => Ok(proof.hashes),
            other => unreachable!("judge lets no other reply to a wish for a proof pass: {}", kind_of(&other)),
        }
    }
}

/// Whether a request leaves an entry, or does something, each time it is sent: it is not sent twice for the sake of speed.
pub(super) fn is_recorded(request: &Request) -> bool {
    match request {
        Request::AuditOpen(_) | Request::Trail(_) | Request::Erase(_) | Request::PutRegister(_) => true,
        Request::AuditQuery(query) => query.person.is_some(),
        // A question has an id, and one leaf however often it is sent; the others leave none.
        Request::Ask(_)
        | Request::Status
        | Request::Audit(_)
        | Request::Receipt(_)
        | Request::Checkpoint
        | Request::CheckpointOf(_)
        | Request::Consistency(_)
        | Request::Register(_) => false,
    }
}
