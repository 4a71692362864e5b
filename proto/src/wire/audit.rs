//! What an auditor asks and is told, and what anybody may see of the log's tree.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    transparency::{
        Addendum, Hash, LEAF_BYTES_MAX, Leaf, LeafKind, LeafVerdict, merkle::PROOF_HASHES_MAX, note::NOTE_BYTES_MAX,
    },
    vocab::PortalId,
};

use super::{AUDIT_PAGE_MAX, AuditEntry};

/// Which audit entries to find: everything given must hold of an entry. Texts are as typed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditQuery {
    /// The portal that asked.
    pub portal: Option<PortalId>,
    /// The official who asked; without a portal, whoever has this id at any portal.
    pub official: Option<String>,
    /// The procedure's code.
    pub procedure: Option<String>,
    /// The dossier.
    pub dossier: Option<String>,
    /// The person asked about, by number. A query with it is an access to their data and becomes an entry itself.
    pub person: Option<String>,
    /// Stamped not before, Unix milliseconds.
    pub from_ms: Option<u64>,
    /// Stamped before, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// What happened.
    pub happened: Option<Happened>,
    /// Which end to begin at.
    pub order: AuditOrder,
    /// Where the page before ended: its `next`.
    pub cursor: Option<u64>,
    /// How many at the most; the node gives no more than [`AUDIT_PAGE_MAX`].
    pub limit: u16,
}

/// The end of the log that a query begins at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditOrder {
    /// The newest entry first.
    #[default]
    NewestFirst,
    /// The oldest entry first.
    OldestFirst,
}

/// What an entry records: its kind, and of a decided question its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// Confirmed, and every claim matched.
    Match,
    /// Not confirmed, or some claim did not match.
    NoMatch,
    /// It could not be told.
    Undetermined,
    /// Refused.
    Refused,
    /// An administrative act: an addendum opened, a person searched for.
    Admin,
    /// A change of the register.
    Policy,
    /// An erasure.
    Erased,
    /// The first entry of a year.
    ShardOpen,
    /// A probe that the log can be written.
    Canary,
}

/// A page of entries found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFound {
    /// Leaves in the log.
    pub leaves: u64,
    /// Leaves that were looked at: the node's index may be a moment behind.
    pub indexed: u64,
    /// Entries before this position are no longer kept, and not found.
    pub pruned: u64,
    /// Position of the entry that records the query itself, if it named a person.
    pub recorded: Option<u64>,
    /// The cursor of the next page, which may be there although this one is not full; none if this is the last.
    pub next: Option<u64>,
    /// The entries, in the order asked for, at most [`AUDIT_PAGE_MAX`].
    #[serde(deserialize_with = "crate::bounds::list::<_, _, { AUDIT_PAGE_MAX as usize }>")]
    pub entries: Vec<AuditEntry>,
}

/// An opened entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditOpened {
    /// Its position.
    pub position: u64,
    /// The leaf's bytes, which commit to what the addendum says.
    #[serde(deserialize_with = "crate::bounds::list::<_, _, LEAF_BYTES_MAX>")]
    pub leaf: Vec<u8>,
    /// Position of the entry that records the opening; it was durable before this was sent.
    pub recorded: u64,
    /// The addendum in clear.
    pub addendum: Addendum,
}

/// Which proof of consistency is wanted: that the tree of `old` leaves of a year's shard is the beginning of that of `new`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyWish {
    /// The shard's year.
    pub year: u16,
    /// Leaves in the older tree.
    pub old: u64,
    /// Leaves in the newer tree.
    pub new: u64,
}

/// The text of a signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CheckpointText(String);

/// The hashes of a proof of consistency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// The hashes in the order of RFC 6962.
    #[serde(deserialize_with = "crate::bounds::list::<_, _, PROOF_HASHES_MAX>")]
    pub hashes: Vec<Hash>,
}

impl CheckpointText {
    /// A note's text, if it is no longer than a note may be.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        (text.len() <= NOTE_BYTES_MAX).then_some(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CheckpointText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text).ok_or("a checkpoint longer than a note may be")
    }
}

impl From<CheckpointText> for String {
    fn from(text: CheckpointText) -> Self {
        text.0
    }
}

impl Happened {
    /// Everything that can happen.
    pub const ALL: [Self; 9] = [
        Self::Match,
        Self::NoMatch,
        Self::Undetermined,
        Self::Refused,
        Self::Admin,
        Self::Policy,
        Self::Erased,
        Self::ShardOpen,
        Self::Canary,
    ];

    /// Kind and verdict of such leaves.
    #[must_use]
    pub const fn leaf(self) -> (LeafKind, LeafVerdict) {
        match self {
            Self::Match => (LeafKind::Disclosed, LeafVerdict::Match),
            Self::NoMatch => (LeafKind::Disclosed, LeafVerdict::NoMatch),
            Self::Undetermined => (LeafKind::Disclosed, LeafVerdict::Undetermined),
            Self::Refused => (LeafKind::Refused, LeafVerdict::Refused),
            Self::Admin => (LeafKind::Admin, LeafVerdict::None),
            Self::Policy => (LeafKind::Policy, LeafVerdict::None),
            Self::Erased => (LeafKind::Erased, LeafVerdict::None),
            Self::ShardOpen => (LeafKind::ShardOpen, LeafVerdict::None),
            Self::Canary => (LeafKind::Canary, LeafVerdict::None),
        }
    }

    /// What a leaf records; none for a kind with a verdict that it never has.
    #[must_use]
    pub fn of(leaf: &Leaf) -> Option<Self> {
        Self::ALL.into_iter().find(|happened| happened.leaf() == (leaf.kind, leaf.verdict))
    }

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::NoMatch => "no_match",
            Self::Undetermined => "undetermined",
            Self::Refused => "refused",
            Self::Admin => "admin",
            Self::Policy => "policy",
            Self::Erased => "erased",
            Self::ShardOpen => "shard_open",
            Self::Canary => "canary",
        }
    }
}

/// It may name a person and officials.
impl fmt::Debug for AuditQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditQuery").field("cursor", &self.cursor).field("limit", &self.limit).finish_non_exhaustive()
    }
}
