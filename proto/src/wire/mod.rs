//! What travels between portals and nodes, version 1 (ALPN `xacminh/1`).
//!
//! Two ways of asking over one connection:
//!
//! ```text
//! one question a stream   0x01 | frame(Request) FIN          →   frame(Reply) FIN
//! a session stream        0x02 | frame(Tagged<Request>) …    →   frame(Tagged<Reply>) … in any order, matched by tag
//! one in the background   0x03 | as a session, for questions that nobody waits for
//! frame(x) = u32 big-endian length | bincode(x), that of a reply with zeros behind it: see [`padding`]
//! ```
//!
//! Every length is checked against its limit before a byte of the body is read.
//! Kinds of messages are added at the end of their enum; a field added, or an error number, cause or reason that old
//! callers would not know, needs another ALPN.

mod audit;
pub mod frame;
pub mod padding;
pub mod peer;
mod question;
mod register;
mod reply;

pub use audit::{
    AuditFound, AuditOpened, AuditOrder, AuditQuery, CheckpointText, ConsistencyProof, ConsistencyWish, Happened,
};
pub use question::{AUDIT_PAGE_MAX, Ask, AuditPage, ErasureOrder, ReceiptWish, Request, TrailPage};
pub use register::{REGISTER_PART_BYTES_MAX, RegisterPage, RegisterPart};
pub use reply::{
    Answer, AuditEntries, AuditEntry, DETAIL_BYTES_MAX, Failure, MEMBERS_MAX, MemberStatus, Pruned, Reply, Status,
    TRAIL_PAGE_MAX, TrailGloss, TrailLine, TrailPart,
};

use serde::{Deserialize, Serialize};

/// ALPN of the client endpoint: the protocol's version is in its name, so that another version fails in the handshake.
pub const ALPN: &[u8] = b"xacminh/1";

/// ALPN of the peer endpoint.
pub const PEER_ALPN: &[u8] = b"xacminh-peer/1";

/// First byte of a stream that carries one question.
pub const STREAM_ONE: u8 = 1;

/// First byte of a session stream.
pub const STREAM_SESSION: u8 = 2;

/// First byte of a session stream whose questions nobody waits for: they give way to those at a counter.
pub const STREAM_BACKGROUND: u8 = 3;

/// Largest request: a question with all its claims stays under 6 KiB.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Largest request of an operator, who alone may send a register, and on a stream of its own: 4 MiB of document.
pub const OPERATOR_REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024 + 1024;

/// Largest reply: a page of audit entries.
pub const REPLY_BYTES_MAX: usize = 256 * 1024;

/// A message on a session stream with the tag that pairs question and reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tagged<T> {
    /// Chosen by the caller, unique among its questions in flight on this stream.
    pub tag: u64,
    /// The message.
    pub body: T,
}
