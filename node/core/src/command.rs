//! What nodes agree on, as values: the content of a Raft entry.
//!
//! A command starts with a version byte; a version is switched on by all nodes understanding it, never by one writing it.
//! Nothing in a command is in clear: records and addenda are sealed before they get here (promise P5).

use serde::{Deserialize, Serialize};
use xacminh_proto::{
    codec::{self, CodecError},
    transparency::{Hash, LeafBytes, merkle::empty_root, trail::Chain},
    vocab::{PortalId, RequestId},
};

use crate::apply::Budget;

mod slices;

/// Items in one batch: enough to spread one fsync over, few enough that a batch stays under a megabyte.
pub const BATCH_ITEMS_MAX: usize = 256;

/// Records in one page of a sweep: a page is applied in a millisecond or two, and questions are applied behind it.
pub const PAGE_RECORDS_MAX: usize = 512;

/// Largest encoded command: 256 items of sealed record and addendum, or a register document.
pub const COMMAND_BYTES_MAX: usize = 8 * 1024 * 1024;

/// 1, which no release has written, gave the version of a record that was read where 2 gives an entry of the log.
const VERSION: u8 = 2;

/// The content of one Raft entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Leaves of concurrent questions, and the records they were decided from.
    Batch(Batch),
    /// A new revision of the register.
    Register(RegisterChange),
    /// The end of what is known and kept about one person.
    Erase(Erasure),
    /// Records that nobody has asked about yet.
    Sweep(SweepPage),
}

/// Leaves that share one entry, one time stamp and one fsync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The leader's stamp, Unix milliseconds; strictly greater than that of the entry before.
    pub at_ms: u64,
    /// What the leader's own clock said, Unix milliseconds: other nodes' clocks are compared with it, not with the stamp,
    /// which a former leader's clock may have pushed ahead.
    pub clock_ms: u64,
    /// The tree as the leader had applied it when it proposed: a replica whose tree is another one stops itself.
    pub tree: TreeHead,
    /// At most [`BATCH_ITEMS_MAX`].
    pub items: Vec<Item>,
}

/// How many leaves a node has applied, and the root of the tree they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeHead {
    /// Leaves in the log, over all shards.
    pub leaves: u64,
    /// Root of the tree of the shard that the last of them is in.
    #[serde(with = "slices::array")]
    pub root: Hash,
}

impl Batch {
    /// Bytes of a batch's command beside its items, at the most.
    const HEAD_BYTES: usize = 64;

    /// Bytes the batch takes as an encoded command, at the most.
    #[must_use]
    pub fn bytes_at_most(&self) -> usize {
        self.items.iter().map(Item::bytes_at_most).fold(Self::HEAD_BYTES, usize::saturating_add)
    }
}

/// The empty tree, with which every history begins.
impl Default for TreeHead {
    fn default() -> Self {
        Self { leaves: 0, root: empty_root() }
    }
}

/// One question's part of a batch; all of it happens or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Whose item it is: the proposing node recognises its own at apply.
    pub ticket: Ticket,
    /// When the proposing node decided, Unix milliseconds, by its own clock.
    pub decided_at_ms: u64,
    /// The record the decision was made from, to be remembered.
    pub remember: Option<RecordChange>,
    /// The record that was read, to be checked again.
    pub read: Option<RecordRead>,
    /// The audit entry.
    pub entry: Entry,
}

impl Item {
    /// Bytes an item takes beside its sealed parts, at the most: its leaf, keys and numbers.
    const PLAIN_BYTES: usize = 512;

    /// Bytes the item's encoding takes at the most.
    #[must_use]
    pub fn bytes_at_most(&self) -> usize {
        let record = self.remember.as_ref().map_or(0, |change| change.sealed.len());
        let own_key = self.entry.person.as_ref().map_or(0, |person| match &person.own_key {
            OwnKey::Known { .. } => 0,
            OwnKey::New { sealed, .. } => sealed.len(),
        });
        [record, own_key, self.entry.envelope.len()].into_iter().fold(Self::PLAIN_BYTES, usize::saturating_add)
    }
}

/// Names an item across the cluster: node, its start, and a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// The proposing node.
    pub node: u64,
    /// Random number of the proposing process, so that a restarted node does not take an old item for its own.
    pub boot: u64,
    /// Counts the process's items; the highest bit says that nobody waits for this one.
    pub seq: u64,
}

/// Whether somebody waits for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A citizen stands at a counter.
    Counter,
    /// A batch, an auditor, the node's own business.
    Background,
}

impl Ticket {
    /// The `count`-th ticket of a process.
    #[must_use]
    pub const fn new(node: u64, boot: u64, count: u64, urgency: Urgency) -> Self {
        let mark = match urgency {
            Urgency::Counter => 0,
            Urgency::Background => BACKGROUND,
        };
        Self { node, boot, seq: count | mark }
    }

    /// Whether somebody waits for the item: every node learns from it at apply who else is asking, and where.
    #[must_use]
    pub const fn urgency(self) -> Urgency {
        if self.seq & BACKGROUND == 0 { Urgency::Counter } else { Urgency::Background }
    }
}

/// The bit of [`Ticket::seq`] of items that nobody waits for.
const BACKGROUND: u64 = 1 << 63;

/// Row key of a person: keyed BLAKE3 of the number.
pub type RecordKey = [u8; 32];

/// A record to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordChange {
    /// The person's row key.
    #[serde(with = "slices::array")]
    pub key: RecordKey,
    /// The moment it takes the place of what was remembered at, as [`RecordRead::as_of`].
    pub as_of: u64,
    /// The sealed record.
    #[serde(with = "slices::bytes")]
    pub sealed: Vec<u8>,
}

/// A record that was read, or found missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRead {
    /// The person's row key.
    #[serde(with = "slices::array")]
    pub key: RecordKey,
    /// Raft index of an entry that the state had applied when the record was read: it is as it was if no entry after this
    /// one changed it.
    pub as_of: u64,
}

/// An audit entry on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The leaf's bytes, stamped by the leader.
    #[serde(with = "slices::array")]
    pub leaf: LeafBytes,
    /// The sealed addendum.
    #[serde(with = "slices::bytes")]
    pub envelope: Vec<u8>,
    /// The request, for de-duplication.
    pub request: RequestKey,
    /// Whose trail the leaf belongs to; none for administrative entries, which are about nobody.
    pub person: Option<Person>,
    /// Keyed digest of the dossier, by which an auditor finds the leaf; zero for administrative entries.
    #[serde(with = "slices::array")]
    pub dossier: [u8; 16],
    /// Keyed digest of the question, so that an id cannot be used for another one.
    #[serde(with = "slices::array")]
    pub question: [u8; 16],
    /// Register revision the question was decided under.
    pub register_revision: u64,
    /// The budgets, in every entry that answers about a person; none in refusals, which must find their way
    /// into the log when the budget is spent, and in administrative entries.
    pub miss: Option<Miss>,
    /// When what the register granted to portal and official ends, Unix milliseconds; never if none, and in entries that
    /// answer nobody.
    pub granted_until_ms: Option<u64>,
}

/// A request's key: ids of one portal never collide with another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestKey {
    /// The id, which starts with its time: old ids lie together and are dropped together.
    #[serde(with = "slices::request_id")]
    pub id: RequestId,
    /// The portal.
    pub portal: PortalId,
}

/// The person a leaf is about, and the key of theirs that its addendum is sealed under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The person's row key.
    #[serde(with = "slices::array")]
    pub key: RecordKey,
    /// Where their key comes from.
    pub own_key: OwnKey,
}

/// A person's own key: made with their first leaf, destroyed by their erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnKey {
    /// The one made by the entry at this Raft index.
    Known {
        /// The index.
        created: u64,
    },
    /// Nobody asked about the person before.
    New {
        /// The beginning of their trail: random bytes.
        #[serde(with = "slices::array")]
        chain: Chain,
        /// The key, sealed under the audit key.
        #[serde(with = "slices::bytes")]
        sealed: Vec<u8>,
    },
}

/// The erasure of a person: their record, their own key and their trail go, the leaves stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whose change it is.
    pub ticket: Ticket,
    /// The leader's stamp, Unix milliseconds.
    pub at_ms: u64,
    /// The person's row key.
    #[serde(with = "slices::array")]
    pub person: RecordKey,
    /// The Raft index at which their own key was made, as read; 0 if they have none.
    pub created: u64,
    /// The leaf (kind erased), stamped.
    #[serde(with = "slices::array")]
    pub leaf: LeafBytes,
    /// The sealed addendum, which names the legal ground and not the person.
    #[serde(with = "slices::bytes")]
    pub envelope: Vec<u8>,
}

/// A page of a sweep: records of people in the order of their numbers, as the authority told them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepPage {
    /// When the sweep began, Unix milliseconds; its name.
    pub begun_ms: u64,
    /// Pages of it before this one.
    pub page: u64,
    /// Whether nobody comes after it.
    pub last: bool,
    /// The citizen number it ends with, sealed: where the next page goes on.
    #[serde(with = "slices::bytes")]
    pub cursor: Vec<u8>,
    /// Raft index of an entry that the state had applied before the authority was asked: what changed after it stays.
    pub as_of: u64,
    /// At most [`PAGE_RECORDS_MAX`].
    pub records: Vec<SweptRecord>,
}

/// A record of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptRecord {
    /// The person's row key.
    #[serde(with = "slices::array")]
    pub key: RecordKey,
    /// The sealed record.
    #[serde(with = "slices::bytes")]
    pub sealed: Vec<u8>,
}

/// The budgets of misses a question is answered within.
///
/// A spent budget stops answers of every kind: if hits still came through, guessing could go on and only cost refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    /// Pseudonym of the official.
    #[serde(with = "slices::array")]
    pub official: [u8; 16],
    /// Misses the register allows.
    pub limits: MissLimits,
    /// What this question costs: see [`MISS_POINTS`](crate::apply::MISS_POINTS); 0 if it named somebody.
    pub points: u32,
}

/// How many misses the register allows in each window; a narrower budget is never the larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissLimits {
    /// Of one official in an hour.
    pub official_hour: u32,
    /// Of one official in a day.
    pub official_day: u32,
    /// Of the portal in an hour.
    pub portal_hour: u32,
    /// Of the portal in a day.
    pub portal_day: u32,
    /// Of everybody in an hour.
    pub cluster_hour: u32,
    /// Of everybody in a day.
    pub cluster_day: u32,
}

impl MissLimits {
    /// The limit of one budget.
    #[must_use]
    pub const fn of(&self, budget: Budget) -> u32 {
        match budget {
            Budget::OfficialHour => self.official_hour,
            Budget::OfficialDay => self.official_day,
            Budget::PortalHour => self.portal_hour,
            Budget::PortalDay => self.portal_day,
            Budget::ClusterHour => self.cluster_hour,
            Budget::ClusterDay => self.cluster_day,
        }
    }
}

/// A new revision of the register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterChange {
    /// Whose change it is.
    pub ticket: Ticket,
    /// The leader's stamp, Unix milliseconds.
    pub at_ms: u64,
    /// The revision in force that it replaces.
    pub before: u64,
    /// The revision it introduces, greater than `before`.
    pub revision: u64,
    /// Days that entries are kept for, as the document says; 0 for ever. Apply does not read documents.
    pub entries_days: u32,
    /// The document: TOML text.
    pub document: String,
    /// The leaf (kind policy), stamped.
    #[serde(with = "slices::array")]
    pub leaf: LeafBytes,
    /// The sealed addendum.
    #[serde(with = "slices::bytes")]
    pub envelope: Vec<u8>,
}

/// Why bytes are not a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Another version.
    #[error("command version {0} is not known here, but {VERSION}: the log is of another build")]
    Version(u8),
    /// Not a command.
    #[error("command: {0}")]
    Codec(#[from] CodecError),
    /// More items than a batch may have.
    #[error("a batch has at most {BATCH_ITEMS_MAX} items, this one has {0}")]
    TooManyItems(usize),
    /// More records than a page may have.
    #[error("a page has at most {PAGE_RECORDS_MAX} records, this one has {0}")]
    TooManyRecords(usize),
}

impl Command {
    /// Version byte, then bincode.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] beyond [`COMMAND_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        // Reserved once: a vector that grows to half a megabyte is copied on its way.
        let mut bytes = Vec::with_capacity(if let Self::Batch(batch) = self { batch.bytes_at_most() } else { 0 });
        bytes.push(VERSION);
        codec::encode_into::<COMMAND_BYTES_MAX, _>(self, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a command.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let command = match bytes.split_first() {
            Some((&VERSION, body)) => codec::decode::<COMMAND_BYTES_MAX, Self>(body)?,
            Some((version, _)) => return Err(CommandError::Version(*version)),
            None => return Err(CommandError::Codec(CodecError::Malformed)),
        };
        match &command {
            Self::Batch(batch) if batch.items.len() > BATCH_ITEMS_MAX => {
                Err(CommandError::TooManyItems(batch.items.len()))
            }
            Self::Sweep(page) if page.records.len() > PAGE_RECORDS_MAX => {
                Err(CommandError::TooManyRecords(page.records.len()))
            }
            _ => Ok(command),
        }
    }
}

impl RequestKey {
    /// The key as stored: id, then portal, so that keys sort by time.
    #[must_use]
    pub fn bytes(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(self.id.bytes());
        bytes[16..].copy_from_slice(&self.portal.0.to_be_bytes());
        bytes
    }
}
