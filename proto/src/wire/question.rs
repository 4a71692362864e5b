//! What a caller may send.

use serde::{Deserialize, Serialize};

use super::{AuditQuery, ConsistencyWish, RegisterPage};
use crate::vocab::{AttributeSet, BirthDate, CLAIMS_DECODED_MAX, Claim, PersonNumber, RequestId};

/// Audit entries on one page: a page stays far under the reply's limit and under a millisecond of reading.
pub const AUDIT_PAGE_MAX: u16 = 256;

/// A request. New kinds are added at the end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A question about a person (role portal or official-client).
    Ask(Box<Ask>),
    /// How the node and its cluster are (any role).
    Status,
    /// Audit entries in the order of the log (role auditor).
    Audit(AuditPage),
    /// A new revision of the register, as TOML (role operator).
    PutRegister(String),
    /// The receipt of a question answered before, byte for byte that of the answer (role portal or official-client).
    Receipt(RequestId),
    /// The newest checkpoint of the log, with cosignatures when there are any (any role).
    Checkpoint,
    /// Who asked about one person (role auditor or citizen-service).
    Trail(Box<TrailPage>),
    /// An end to what is known and kept about one person (role operator).
    Erase(Box<ErasureOrder>),
    /// Audit entries by what they say (role auditor).
    AuditQuery(Box<AuditQuery>),
    /// The addendum of the entry at a position, in clear (role auditor); the opening becomes an entry first.
    AuditOpen(u64),
    /// A proof that one tree of a shard is the beginning of another (any role).
    Consistency(ConsistencyWish),
    /// A part of the register in force (role operator or auditor).
    Register(RegisterPage),
    /// The newest checkpoint of a year's log, by the year its origin ends in (any role).
    CheckpointOf(u16),
}

/// A question. Texts are as typed; the door parses them and answers with an error number what is wrong.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The caller's name for this request; a retry carries the same.
    pub request_id: RequestId,
    /// The official who asks.
    pub official: String,
    /// The dossier the question belongs to.
    pub dossier: String,
    /// The procedure that allows it.
    pub procedure: String,
    /// First key: the person's number, digits as typed.
    pub number: String,
    /// Second key: full name as typed.
    pub name: String,
    /// Third key: birth date or year, `YYYY-MM-DD`, `DD/MM/YYYY` or `YYYY`.
    pub birth: String,
    /// Statements to check: more than [`CLAIMS_MAX`](crate::vocab::CLAIMS_MAX) are refused with their own number, more
    /// than [`CLAIMS_DECODED_MAX`] are malformed.
    #[serde(deserialize_with = "crate::bounds::list::<_, _, CLAIMS_DECODED_MAX>")]
    pub claims: Vec<Claim>,
    /// Values asked for.
    pub attributes: AttributeSet,
    /// Oldest record the caller accepts, seconds; the procedure's contract applies if it is tighter.
    pub max_age_s: Option<u32>,
    /// How long the caller waits, milliseconds, counted from arrival at the node.
    pub deadline_ms: u32,
    /// Whether the answer brings its receipt along.
    pub receipt: ReceiptWish,
}

/// How much evidence an answer carries. The leaf is in the log either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptWish {
    /// The leaf's position only; the receipt can be fetched later, see [`Request::Receipt`].
    Position,
    /// The whole receipt.
    #[default]
    Full,
}

/// Which audit entries to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// First position.
    pub from: u64,
    /// How many at the most; the node gives no more than [`AUDIT_PAGE_MAX`].
    pub limit: u16,
}

/// Which part of a person's trail to read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailPage {
    /// The person's number, digits as typed. Each number a person has been asked about under has a trail of its own.
    pub number: String,
    /// Leaves in the log for which the trail is wanted: 0 for the log as it is, later the number that the first page gave.
    pub at: u64,
    /// Place in the trail of the first access on the page.
    pub from: u64,
}

/// Whom to erase, and why: the leaf that remains says the latter and not the former.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureOrder {
    /// The person's number, digits as typed.
    pub number: String,
    /// The legal ground, e.g. `Law 91/2025 art. 16`.
    #[serde(with = "crate::bounds::plain_text")]
    pub ground: String,
    /// Who ordered it, and under which number.
    #[serde(with = "crate::bounds::plain_text")]
    pub ordered_by: String,
}

impl std::fmt::Debug for TrailPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TrailPage(at {} from {})", self.at, self.from)
    }
}

impl std::fmt::Debug for ErasureOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ErasureOrder(…)")
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ask(ask) => ask.fmt(f),
            Self::Status => f.write_str("Status"),
            Self::Audit(page) => page.fmt(f),
            // A register names officials.
            Self::PutRegister(toml) => write!(f, "PutRegister({} bytes)", toml.len()),
            Self::Receipt(id) => write!(f, "Receipt({id:?})"),
            Self::Checkpoint => f.write_str("Checkpoint"),
            Self::Trail(page) => page.fmt(f),
            Self::Erase(order) => order.fmt(f),
            Self::AuditQuery(query) => query.fmt(f),
            Self::AuditOpen(position) => write!(f, "AuditOpen({position})"),
            Self::Consistency(wish) => wish.fmt(f),
            Self::Register(page) => page.fmt(f),
            Self::CheckpointOf(year) => write!(f, "CheckpointOf({year})"),
        }
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ask").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// The parsed third key, for callers that hold one.
impl From<&BirthDate> for String {
    fn from(birth: &BirthDate) -> Self {
        birth.reveal()
    }
}

/// The first key as typed, for callers that hold a parsed one.
impl From<&PersonNumber> for String {
    fn from(number: &PersonNumber) -> Self {
        match number {
            PersonNumber::Citizen(number) => number.reveal(),
            PersonNumber::Old(number) => number.reveal(),
        }
    }
}
