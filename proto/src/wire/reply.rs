//! What a node may answer.

use serde::{Deserialize, Serialize};

use crate::{
    transparency::{Hash, LEAF_BYTES_MAX},
    vocab::{Date, ErrorNumber, Outcome, RequestId},
};

use super::{AUDIT_PAGE_MAX, AuditFound, AuditOpened, CheckpointText, ConsistencyProof, RegisterPart};

/// Members a cluster can show: a province has three or five voters and a few learners.
pub const MEMBERS_MAX: usize = 64;

/// Accesses in one part of a trail; fewer if they are large.
pub const TRAIL_PAGE_MAX: usize = 256;

/// Longest detail of a failure: a sentence for the caller's log.
pub const DETAIL_BYTES_MAX: usize = 512;

/// A reply. New kinds are added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// A question was decided, and its leaf is durable on a quorum.
    Answer(Box<Answer>),
    /// Nothing was decided, or whether it was is unknown: send the same request id again if the number says so.
    Failure(Failure),
    /// How the node and its cluster are.
    Status(Status),
    /// A page of audit entries.
    Audit(AuditEntries),
    /// The register revision is in force.
    RegisterAccepted {
        /// The revision.
        revision: u64,
    },
    /// A receipt asked for by request id.
    Receipt(String),
    /// The newest checkpoint of the log, signed.
    Checkpoint(CheckpointText),
    /// A part of a person's trail.
    Trail(Box<TrailPart>),
    /// The person was erased.
    Erased {
        /// Position of the leaf that says so.
        position: u64,
    },
    /// Audit entries found.
    AuditFound(AuditFound),
    /// An audit entry, opened.
    AuditOpened(Box<AuditOpened>),
    /// A proof of consistency.
    Consistency(ConsistencyProof),
    /// A part of the register in force.
    Register(RegisterPart),
}

/// A part of a person's trail: the head of the first part and the lines of all of them, one after the other, are the text
/// of a [`TrailProof`](crate::transparency::trail::TrailProof).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailPart {
    /// Leaves in the log for which the trail is told.
    pub at: u64,
    /// Accesses in the whole trail.
    pub count: u64,
    /// Place of the first access of this part.
    pub from: u64,
    /// What stands before the accesses; empty in later parts, and if there is no access.
    pub head: String,
    /// The accesses, at most [`TRAIL_PAGE_MAX`].
    #[serde(deserialize_with = "crate::bounds::list::<_, _, TRAIL_PAGE_MAX>")]
    pub accesses: Vec<TrailLine>,
}

/// One access on the wire.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailLine {
    /// Its line in the trail.
    pub line: String,
    /// What makes it readable; none for what is withheld.
    pub gloss: Option<TrailGloss>,
}

/// What the register and the addendum say about an access: beside the proof, and believed as far as the node is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailGloss {
    /// The portal's name.
    pub portal: String,
    /// The procedure's code; empty if the register never had it.
    pub procedure: String,
    /// The procedure's name in Vietnamese.
    pub procedure_vi: String,
    /// The procedure's name in English.
    pub procedure_en: String,
    /// The official who asked; for auditors only.
    pub official: Option<String>,
    /// The day until which a citizen service does not see it; for auditors only.
    pub delayed_until: Option<Date>,
}

/// A decided question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which request this answers.
    pub request_id: RequestId,
    /// What was decided.
    pub outcome: Outcome,
    /// Position of the leaf in the province's log.
    pub position: u64,
    /// When the leader stamped the leaf, Unix milliseconds.
    pub at_ms: u64,
    /// The receipt, if it was wished for: the text of a [`Receipt`](crate::transparency::Receipt).
    pub receipt: Option<String>,
}

/// An error that has no leaf: nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable number.
    pub number: ErrorNumber,
    /// What exactly, in English, without personal data; may be empty.
    pub detail: String,
}

/// How a node sees itself and its cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's name.
    pub cluster: String,
    /// The node that answers.
    pub node: u64,
    /// Software version.
    pub version: String,
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
    /// Whether it can commit an audit entry now.
    pub ready: bool,
    /// The members, at most [`MEMBERS_MAX`].
    #[serde(deserialize_with = "crate::bounds::list::<_, _, MEMBERS_MAX>")]
    pub members: Vec<MemberStatus>,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Node id.
    pub node: u64,
    /// Where its client endpoint is.
    pub client_addr: String,
    /// Whether it votes.
    pub voter: bool,
    /// Last log index the leader knows it has; known on the leader only.
    pub matched: Option<u64>,
}

/// A page of audit entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntries {
    /// Leaves in the log when the page was read.
    pub leaves: u64,
    /// The entries, in order, at most [`AUDIT_PAGE_MAX`].
    #[serde(deserialize_with = "crate::bounds::list::<_, _, { AUDIT_PAGE_MAX as usize }>")]
    pub entries: Vec<AuditEntry>,
}

/// One audit entry as an auditor reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Position in the log.
    pub position: u64,
    /// The leaf's bytes; of an entry that is no longer kept, what [`Pruned::bytes`] gives.
    #[serde(deserialize_with = "crate::bounds::list::<_, _, LEAF_BYTES_MAX>")]
    pub leaf: Vec<u8>,
}

/// What is left of an entry that is no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The leaf's hash, as it is in the tree.
    pub hash: Hash,
    /// The year that it is the first entry of, if it is one.
    pub opens: Option<u16>,
}

impl Pruned {
    /// The hash, and the year's two bytes if there is one: never as long as a leaf.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.hash.into_iter().chain(self.opens.into_iter().flat_map(u16::to_be_bytes)).collect()
    }

    /// Reads what stands in place of a leaf; none if it is a leaf, or nothing.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (hash, rest) = bytes.split_first_chunk()?;
        let opens = match *rest {
            [] => None,
            [high, low] => Some(u16::from_be_bytes([high, low])),
            _ => return None,
        };
        Some(Self { hash: *hash, opens })
    }
}

impl std::fmt::Debug for TrailLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TrailLine({} bytes)", self.line.len())
    }
}

impl std::fmt::Debug for TrailGloss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrailGloss(…)")
    }
}

impl Failure {
    /// A failure whose detail is cut to [`DETAIL_BYTES_MAX`].
    #[must_use]
    pub fn new(number: ErrorNumber, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
        Self { number, detail }
    }
}
