//! What can go wrong with a question, sorted by whose fault it is.

use std::net::SocketAddr;

use xacminh_proto::{
    codec::CodecError,
    vocab::{ErrorNumber, RequestId},
};

use crate::connection::{CertificateError, ServerRefusal};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    // The caller's.
    /// The configuration names no node.
    #[error("the configuration names no endpoint")]
    NoEndpoint,
    /// Our own certificate, key or CA cannot be used.
    #[error("certificate, key or CA")]
    Certificate(#[from] CertificateError),
    /// The question does not fit into a message.
    #[error("the question is too large")]
    Question(#[source] CodecError),
    /// The node says the request is wrong or not allowed; nothing was decided.
    #[error("request refused with number {}: {}{}", .number.number(), .number.advice_en(), bracketed(.detail))]
    Rejected {
        /// The stable number.
        number: ErrorNumber,
        /// What exactly, without personal data; may be empty.
        detail: String,
    },
    /// Every node refused our certificate.
    #[error("node {node} refuses our certificate: {reason}")]
    CallerRefused {
        /// The last node that did.
        node: SocketAddr,
        /// The TLS alert or the node's words.
        reason: String,
    },

    // A node's.
    /// Every node that answered failed to prove that it belongs to the cluster.
    #[error("node {node} is not to be trusted")]
    Server {
        /// The last such node.
        node: SocketAddr,
        /// What was wrong with its certificate.
        #[source]
        refusal: ServerRefusal,
    },
    /// Every node that answered broke the protocol.
    #[error("node {node} broke the protocol")]
    Protocol {
        /// The last such node.
        node: SocketAddr,
        /// How.
        #[source]
        breach: Breach,
    },
    /// A defect of the cluster.
    #[error("the cluster reports a defect of its own: {detail}")]
    NodeDefect {
        /// What exactly; may be empty.
        detail: String,
    },

    // Nobody's, or the network's.
    /// The deadline passed and nothing was sent: nothing was decided.
    #[error("no node could be reached before the deadline ({last})")]
    Unreachable {
        /// The last trouble.
        last: String,
    },
    /// The deadline passed after the question was sent: it may have been decided and audited.
    #[error("outcome unknown ({last}): send the same request id{} again", .request_id.map(|id| format!(" {id}")).unwrap_or_default())]
    Unknown {
        /// The id to send again; none for requests that have no id.
        request_id: Option<RequestId>,
        /// The last trouble.
        last: String,
    },
}

/// A detail behind the words it belongs to; nothing if there is none.
fn bracketed(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

/// How a node broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// It announced or sent more than a reply may have.
    #[error("its reply exceeds the limit")]
    Oversize,
    /// Its bytes are no reply.
    #[error("its bytes are no reply")]
    Malformed,
    /// The stream ended before the reply did.
    #[error("its reply ended early")]
    Truncated,
    /// Bytes followed the reply.
    #[error("bytes follow its reply")]
    TrailingBytes,
    /// It answered another request.
    #[error("its answer belongs to another request")]
    RequestId,
    /// It answered other claims than were asked, or disclosed what was not asked for.
    #[error("its verdicts or attributes do not fit the question")]
    Outcome,
    /// The receipt is missing, is another answer's, or does not verify under the log's keys: the answer is not believed.
    #[error("its receipt does not prove its answer")]
    Receipt,
    /// What it sent as a head of the log is none, or does not verify under the log's keys.
    #[error("its checkpoint does not verify")]
    Checkpoint,
    /// It sent another kind of reply.
    #[error("its reply is of another kind than the request")]
    Kind,
    /// It replied to a tag that nobody waits under.
    #[error("it replied to a tag that was never asked")]
    Tag,
}

impl ClientError {
    /// Whether the outcome of the question is unknown, so that only the same request id may be sent again.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}
