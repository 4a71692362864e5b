//! What nodes say to one another (ALPN `xacminh-peer/1`).
//!
//! Every stream starts with an [`Opening`] in a frame of its own.
//! Entries travel outside the encoded head of an append frame, so that a command is neither copied when it is sent nor
//! when it arrives:
//!
//! ```text
//! append frame   u32 length of head ‖ head ‖ command ‖ command ‖ …
//! ```

use bytes::{Buf, Bytes};
use openraft::{
    EntryPayload, Membership,
    raft::{AppendEntriesRequest, StreamAppendResult, TransferLeaderRequest, VoteRequest},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use xacminh_proto::codec::{self, CodecError};

use super::alias::{Entry, LogId, SnapshotMeta, Vote};
use crate::raft::{CommandBytes, Member, TypeConfig};

/// Version of everything in this file.
pub(super) const WIRE_VERSION: u16 = 1;

/// A hello is a name and three numbers.
pub(super) const HELLO_BYTES_MAX: usize = 1024;
/// A vote request is a few numbers.
pub(super) const OPENING_BYTES_MAX: usize = 4 * 1024;
/// A reply is a few numbers or a sentence.
pub(super) const REPLY_BYTES_MAX: usize = 4 * 1024;
/// Commands of one append frame; more entries go into further frames.
pub(super) const APPEND_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Room for the heads of the entries of an append frame, memberships included.
const APPEND_HEAD_BYTES_MAX: usize = 1024 * 1024;
/// Entries of one append frame: their heads must fit.
const APPEND_ENTRIES_MAX: usize = 8 * 1024;
/// A whole append frame.
pub(super) const APPEND_FRAME_BYTES_MAX: usize = 4 + APPEND_HEAD_BYTES_MAX + APPEND_BYTES_MAX;
/// Leaves that a follower hands to the leader at once.
pub const FORWARD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A snapshot's list of files and its manifest: some ten thousand files.
pub(super) const SNAPSHOT_HEAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a connection is for; bulk must not delay a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Lane {
    /// Log, votes, heartbeats and forwarded leaves.
    Control,
    /// Snapshots.
    Bulk,
}

/// The first words of either side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u16,
    pub(super) cluster: String,
    pub(super) node_id: u64,
    /// Drawn once for each data directory: another one under the same node id is another disk.
    pub(super) incarnation: u128,
    pub(super) lane: Lane,
}

/// The first words of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Opening {
    /// Append frames follow, each answered by an [`AppendReply`], in order.
    Append,
    /// Answered by a vote response.
    Vote(VoteRequest<TypeConfig>),
    /// Answered by a vote response.
    PreVote(VoteRequest<TypeConfig>),
    /// Answered by a transfer response.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// A [`SnapshotHead`] follows, then the bytes of its files one after the other; answered by a snapshot response.
    Snapshot,
    /// Frames of leaves follow; none is answered.
    Forward,
}

/// The answer to one append frame.
pub(super) type AppendReply = StreamAppendResult<TypeConfig>;

/// The answer to a question that has one; an error is the peer's own trouble, in words.
pub(super) type Reply<T> = Result<T, String>;

/// What a snapshot is, before its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SnapshotHead {
    pub(super) vote: Vote,
    pub(super) meta: SnapshotMeta,
    pub(super) manifest: Vec<u8>,
    pub(super) files: Vec<SnapshotFile>,
}

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFile {
    /// Relative path with `/` between its parts.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct AppendHead {
    vote: Vote,
    prev_log_id: Option<LogId>,
    leader_commit: Option<LogId>,
    entries: Vec<EntryHead>,
}

#[derive(Serialize, Deserialize)]
struct EntryHead {
    log_id: LogId,
    payload: PayloadHead,
}

#[derive(Serialize, Deserialize)]
enum PayloadHead {
    Blank,
    /// A command of this many bytes, behind the head.
    Normal(u32),
    Membership(Membership<u64, Member>),
}

/// Encodes a small message.
pub(super) fn encode<const LIMIT: usize, T: Serialize>(message: &T) -> Result<Bytes, CodecError> {
    codec::encode::<LIMIT, T>(message).map(Bytes::from)
}

/// Decodes a small message.
pub(super) fn decode<const LIMIT: usize, T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    codec::decode::<LIMIT, T>(bytes)
}

/// Cuts a request that is too large for one frame into several.
///
/// Each of them is a valid request of its own: it follows the last entry of the one before.
///
/// # Errors
/// [`CodecError::TooLarge`] when a single entry does not fit; nothing that is accepted as a command is that large.
pub(super) fn split(
    request: AppendEntriesRequest<TypeConfig>,
) -> Result<Vec<AppendEntriesRequest<TypeConfig>>, CodecError> {
    let AppendEntriesRequest { vote, prev_log_id, entries, leader_commit } = request;
    let part = |prev_log_id, entries| AppendEntriesRequest { vote, prev_log_id, entries, leader_commit };
    let total: usize = entries.iter().map(command_bytes).sum();
    if total <= APPEND_BYTES_MAX && entries.len() <= APPEND_ENTRIES_MAX {
        return Ok(vec![part(prev_log_id, entries)]);
    }
    let mut parts = Vec::new();
    let (mut prev, mut batch, mut bytes) = (prev_log_id, Vec::new(), 0);
    for entry in entries {
        let size = command_bytes(&entry);
        if size > APPEND_BYTES_MAX {
            return Err(CodecError::TooLarge(APPEND_BYTES_MAX));
        }
        if bytes + size > APPEND_BYTES_MAX || batch.len() == APPEND_ENTRIES_MAX {
            let last = batch.last().map(|entry: &Entry| entry.log_id);
            parts.push(part(prev, std::mem::take(&mut batch)));
            (prev, bytes) = (last, 0);
        }
        bytes += size;
        batch.push(entry);
    }
    parts.push(part(prev, batch));
    Ok(parts)
}

fn command_bytes(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(command) => command.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    }
}

/// The parts of an append frame; commands are shared, not copied.
pub(super) fn encode_append(request: AppendEntriesRequest<TypeConfig>) -> Result<Vec<Bytes>, CodecError> {
    let too_large = |_| CodecError::TooLarge(APPEND_BYTES_MAX);
    let mut parts = vec![Bytes::new(), Bytes::new()];
    let mut entries = Vec::with_capacity(request.entries.len());
    for entry in request.entries {
        let payload = match entry.payload {
            EntryPayload::Blank => PayloadHead::Blank,
            EntryPayload::Normal(CommandBytes(bytes)) => {
                let length = u32::try_from(bytes.len()).map_err(too_large)?;
                parts.push(bytes);
                PayloadHead::Normal(length)
            }
            EntryPayload::Membership(membership) => PayloadHead::Membership(membership),
        };
        entries.push(EntryHead { log_id: entry.log_id, payload });
    }
    let head = AppendHead {
        vote: request.vote,
        prev_log_id: request.prev_log_id,
        leader_commit: request.leader_commit,
        entries,
    };
    let head = encode::<APPEND_HEAD_BYTES_MAX, _>(&head)?;
    let length = u32::try_from(head.len()).map_err(too_large)?;
    parts[0] = Bytes::copy_from_slice(&length.to_be_bytes());
    parts[1] = head;
    Ok(parts)
}

/// Reads an append frame; the commands share its memory.
pub(super) fn decode_append(mut frame: Bytes) -> Result<AppendEntriesRequest<TypeConfig>, CodecError> {
    let length = frame.try_get_u32().map_err(|_| CodecError::Malformed)? as usize;
    if length > frame.len() {
        return Err(CodecError::Malformed);
    }
    let head: AppendHead = decode::<APPEND_HEAD_BYTES_MAX, _>(&frame.split_to(length))?;
    let mut entries = Vec::with_capacity(head.entries.len());
    for EntryHead { log_id, payload } in head.entries {
        let payload = match payload {
            PayloadHead::Blank => EntryPayload::Blank,
            PayloadHead::Normal(length) => {
                let length = length as usize;
                if length > frame.len() {
                    return Err(CodecError::Malformed);
                }
                EntryPayload::Normal(CommandBytes(frame.split_to(length)))
            }
            PayloadHead::Membership(membership) => EntryPayload::Membership(membership),
        };
        entries.push(Entry { log_id, payload });
    }
    if !frame.is_empty() {
        return Err(CodecError::TrailingBytes(frame.len()));
    }
    Ok(AppendEntriesRequest {
        vote: head.vote,
        prev_log_id: head.prev_log_id,
        entries,
        leader_commit: head.leader_commit,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use openraft::{impls::Vote, vote::RaftLeaderId};
    use proptest::prelude::*;

    use super::*;

    fn log_id(index: u64) -> LogId {
        LogId::new(openraft::impls::leader_id_adv::LeaderId::new(3, 1).to_committed(), index)
    }

    fn request(sizes: &[usize]) -> AppendEntriesRequest<TypeConfig> {
        let members = BTreeMap::from([(1, Member { peer_addr: "127.0.0.1:1".into(), client_addr: String::new() })]);
        let membership = Membership::new(vec![BTreeSet::from([1])], members).unwrap();
        let mut payloads = vec![EntryPayload::Blank, EntryPayload::Membership(membership)];
        payloads.extend(sizes.iter().map(|size| EntryPayload::Normal(CommandBytes(Bytes::from(vec![7; *size])))));
        AppendEntriesRequest {
            vote: Vote::new_committed(3, 1),
            prev_log_id: Some(log_id(9)),
            entries: payloads
                .into_iter()
                .zip(10..)
                .map(|(payload, index)| Entry { log_id: log_id(index), payload })
                .collect(),
            leader_commit: Some(log_id(8)),
        }
    }

    fn frame(request: AppendEntriesRequest<TypeConfig>) -> Bytes {
        Bytes::from(encode_append(request).unwrap().concat())
    }

    #[test]
    fn an_append_frame_reads_back() {
        let sent = request(&[0, 1, 1000]);
        let read = decode_append(frame(sent.clone())).unwrap();
        assert_eq!(format!("{read:?}"), format!("{sent:?}"));
    }

    #[test]
    fn any_cut_or_addition_is_refused() {
        let whole = frame(request(&[5, 50]));
        for length in 0..whole.len() {
            assert!(decode_append(whole.slice(..length)).is_err(), "cut at {length}");
        }
        let longer = Bytes::from([whole.as_ref(), b"x"].concat());
        assert_eq!(decode_append(longer).unwrap_err(), CodecError::TrailingBytes(1));
    }

    #[test]
    fn large_requests_are_split_without_a_gap() {
        let third = APPEND_BYTES_MAX / 3 + 1;
        let parts = split(request(&[third, third, third, 10])).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].prev_log_id, Some(log_id(9)));
        assert_eq!(parts[1].prev_log_id, parts[0].entries.last().map(|entry| entry.log_id));
        let indexes: Vec<u64> = parts.iter().flat_map(|part| &part.entries).map(|entry| entry.log_id.index()).collect();
        assert_eq!(indexes, (10..16).collect::<Vec<_>>());
        for part in parts {
            assert!(frame(part).len() <= APPEND_FRAME_BYTES_MAX);
        }
        assert!(split(request(&[APPEND_BYTES_MAX + 1])).is_err());
        assert_eq!(split(request(&[])).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_append(Bytes::from(bytes.clone()));
            let _ = decode::<OPENING_BYTES_MAX, Opening>(&bytes);
            let _ = decode::<HELLO_BYTES_MAX, Hello>(&bytes);
            let _ = decode::<SNAPSHOT_HEAD_BYTES_MAX, SnapshotHead>(&bytes);
        }
    }
}
