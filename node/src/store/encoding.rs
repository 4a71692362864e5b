//! Bytes of the log and of the state about itself; each kind starts with a version byte.
//!
//! ```text
//! entry      = version 1 | kind (0 blank, 1 command, 2 membership) | term u64 | leader u64 | index u64 | content
//! log id     = version 1 | term u64 | leader u64 | index u64
//! vote       = version 1 | term u64 | node u64 | committed u8
//! membership = version 1 | bincode of openraft's StoredMembership
//! ```
//!
//! Integers are big-endian. There is no checksum: RocksDB keeps one over every record of its log and every block of its
//! tables, and checks it when it reads.

use std::io;

use bytes::Bytes;
use openraft::{EntryPayload, LogId, Vote, entry::RaftEntry, type_config::alias, vote::leader_id_adv::LeaderId};
use xacminh_proto::codec;

use crate::raft::{CommandBytes, TypeConfig};

pub(super) type Entry = alias::EntryOf<TypeConfig>;
pub(super) type LogIdOf = alias::LogIdOf<TypeConfig>;
pub(super) type VoteOf = alias::VoteOf<TypeConfig>;
pub(super) type Membership = openraft::Membership<u64, crate::raft::Member>;
pub(super) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;

/// Largest encoded membership: a hundred members with long host names.
const MEMBERSHIP_BYTES_MAX: usize = 64 * 1024;

const VERSION: u8 = 1;
const BLANK: u8 = 0;
const COMMAND: u8 = 1;
const MEMBERSHIP: u8 = 2;
const ENTRY_HEADER_BYTES: usize = 2 + LOG_ID_BODY_BYTES;
const LOG_ID_BODY_BYTES: usize = 24;
const VOTE_BODY_BYTES: usize = 17;

#[cfg(test)]
fn entry_bytes(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    put_entry(&mut bytes, entry)?;
    Ok(bytes)
}

pub(super) fn put_entry(bytes: &mut Vec<u8>, entry: &Entry) -> io::Result<()> {
    let (kind, content) = match &entry.payload {
        EntryPayload::Blank => (BLANK, Bytes::new()),
        EntryPayload::Normal(CommandBytes(bytes)) => (COMMAND, bytes.clone()),
        EntryPayload::Membership(membership) => {
            (MEMBERSHIP, codec::encode::<MEMBERSHIP_BYTES_MAX, _>(membership).map_err(io::Error::other)?.into())
        }
    };
    bytes.reserve(ENTRY_HEADER_BYTES + content.len());
    bytes.extend_from_slice(&[VERSION, kind]);
    put_log_id(bytes, &entry.log_id);
    bytes.extend_from_slice(&content);
    Ok(())
}

pub(super) fn entry_of(bytes: &Bytes) -> io::Result<Entry> {
    let header: &[u8; ENTRY_HEADER_BYTES] = bytes.first_chunk().ok_or_else(|| malformed("log entry"))?;
    let [version, kind, log_id @ ..] = header;
    if *version != VERSION {
        return Err(malformed("log entry of a version that this program does not know"));
    }
    let content = bytes.slice(ENTRY_HEADER_BYTES..);
    let payload = match *kind {
        BLANK if content.is_empty() => EntryPayload::Blank,
        COMMAND => EntryPayload::Normal(CommandBytes(content)),
        MEMBERSHIP => EntryPayload::Membership(
            codec::decode::<MEMBERSHIP_BYTES_MAX, Membership>(&content).map_err(|_| malformed("membership"))?,
        ),
        _ => return Err(malformed("log entry")),
    };
    Ok(Entry::new(get_log_id(log_id), payload))
}

pub(super) fn log_id_bytes(log_id: &LogIdOf) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + LOG_ID_BODY_BYTES);
    bytes.push(VERSION);
    put_log_id(&mut bytes, log_id);
    bytes
}

pub(super) fn log_id_of(bytes: &[u8]) -> io::Result<LogIdOf> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(get_log_id(body.try_into().map_err(|_| malformed("log id"))?)),
        _ => Err(malformed("log id")),
    }
}

pub(super) fn vote_bytes(vote: &VoteOf) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&vote.leader_id.term.to_be_bytes());
    bytes.extend_from_slice(&vote.leader_id.node_id.to_be_bytes());
    bytes.push(u8::from(vote.committed));
    bytes
}

pub(super) fn vote_of(bytes: &[u8]) -> io::Result<VoteOf> {
    let body: [u8; VOTE_BODY_BYTES] = match bytes.split_first() {
        Some((&VERSION, body)) => body.try_into().map_err(|_| malformed("vote"))?,
        _ => return Err(malformed("vote")),
    };
    let committed = match body[16] {
        0 => false,
        1 => true,
        _ => return Err(malformed("vote")),
    };
    let leader_id = LeaderId { term: u64_at(&body, 0), node_id: u64_at(&body, 8) };
    Ok(Vote { leader_id, committed })
}

pub(super) fn membership_bytes(membership: &StoredMembership) -> io::Result<Vec<u8>> {
    let mut bytes = vec![VERSION];
    codec::encode_into::<MEMBERSHIP_BYTES_MAX, _>(membership, &mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

pub(super) fn membership_of(bytes: &[u8]) -> io::Result<StoredMembership> {
    match bytes.split_first() {
        Some((&VERSION, body)) => codec::decode::<MEMBERSHIP_BYTES_MAX, _>(body).map_err(|_| malformed("membership")),
        _ => Err(malformed("membership")),
    }
}

/// Bytes on the disk that are not what they should be: an error, never "nothing there".
pub(super) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("damaged on disk: {what}"))
}

fn put_log_id(bytes: &mut Vec<u8>, log_id: &LogIdOf) {
    for number in [log_id.leader_id.term, log_id.leader_id.node_id, log_id.index] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
}

fn get_log_id(body: &[u8; LOG_ID_BODY_BYTES]) -> LogIdOf {
    LogId { leader_id: LeaderId { term: u64_at(body, 0), node_id: u64_at(body, 8) }, index: u64_at(body, 16) }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes of a fixed layout"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::raft::Member;

    fn log_id() -> LogIdOf {
        LogId { leader_id: LeaderId { term: 3, node_id: 2 }, index: 258 }
    }

    #[test]
    fn every_kind_of_entry_comes_back() {
        let member = Member { peer_addr: "127.0.0.1:9001".into(), client_addr: "127.0.0.1:9002".into() };
        let membership = Membership::new(vec![[1].into()], BTreeMap::from([(1, member)])).unwrap();
        for payload in [
            EntryPayload::Blank,
            EntryPayload::Normal(CommandBytes(Bytes::from_static(b"command"))),
            EntryPayload::Membership(membership),
        ] {
            let entry = Entry::new(log_id(), payload);
            let bytes = Bytes::from(entry_bytes(&entry).unwrap());
            assert_eq!(entry_of(&bytes).unwrap(), entry);
            for end in 0..ENTRY_HEADER_BYTES {
                assert!(entry_of(&bytes.slice(..end)).is_err());
            }
        }
    }

    /// These bytes are on disks: they change only with a new version byte, and then this stays readable.
    #[test]
    fn version_1_stays_as_it_is() {
        let entry = Entry::new(log_id(), EntryPayload::Normal(CommandBytes(Bytes::from_static(b"AB"))));
        let golden = b"\x01\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x01\x02AB";
        assert_eq!(entry_bytes(&entry).unwrap(), golden);
        assert_eq!(log_id_bytes(&log_id()), b"\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x01\x02");
        let vote = Vote { leader_id: LeaderId { term: 3, node_id: 2 }, committed: true };
        assert_eq!(vote_bytes(&vote), b"\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x02\x01");
        assert_eq!(vote_of(&vote_bytes(&vote)).unwrap(), vote);
        assert_eq!(log_id_of(&log_id_bytes(&log_id())).unwrap(), log_id());
        let membership = StoredMembership::new(Some(log_id()), Membership::new_with_defaults(vec![[1, 2].into()], []));
        let bytes = membership_bytes(&membership).unwrap();
        assert_eq!(membership_of(&bytes).unwrap(), membership);
    }

    #[test]
    fn other_versions_are_errors() {
        assert!(vote_of(b"\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x02\x01").is_err());
        assert!(log_id_of(b"").is_err());
        assert!(membership_of(b"\x07").is_err());
        assert!(entry_of(&Bytes::from_static(&[9; 40])).is_err());
    }
}
