//! The state's tables: column families, keys and values.
//!
//! | family     | key                                  | value                                              |
//! |------------|--------------------------------------|----------------------------------------------------|
//! | `meta`     | `applied`                            | log id of the last applied entry                   |
//! |            | `membership`                         | the last membership                                |
//! |            | `state`                              | version 1, leaves u64, last stamp u64, revision u64|
//! | `records`  | row key (32)                         | version 1, record version u64, sealed record       |
//! | `register` | revision u64                         | version 1, the document                            |
//! | `leaves`   | position u64                         | the leaf, verbatim                                 |
//! | `addenda`  | position u64                         | the sealed addendum, verbatim                      |
//! | `seen`     | request id (16), portal u32          | version 1, position u64, question digest (16)      |
//! | `budgets`  | hour u32, official's pseudonym (16)  | version 1, misses u32                              |
//!
//! Integers are big-endian, so that keys sort by position and by time. Leaves and addenda begin with version bytes of
//! their own.

use std::io;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, Options, WriteBatch, WriteOptions,
};
use xacminh_core::{
    apply::{BudgetKey, Meta, Seen},
    command::RecordKey,
};

use super::{
    encoding::{self, LogIdOf, StoredMembership, malformed},
    rocks,
};

pub(super) const META: &str = "meta";
pub(super) const RECORDS: &str = "records";
pub(super) const REGISTER: &str = "register";
pub(super) const LEAVES: &str = "leaves";
pub(super) const ADDENDA: &str = "addenda";
pub(super) const SEEN: &str = "seen";
pub(super) const BUDGETS: &str = "budgets";

/// Every family, in the order of the state's digest.
pub(super) const FAMILIES: [&str; 7] = [META, RECORDS, REGISTER, LEAVES, ADDENDA, SEEN, BUDGETS];

pub(super) const APPLIED: &[u8] = b"applied";
const MEMBERSHIP: &[u8] = b"membership";
const STATE: &[u8] = b"state";
const VERSION: u8 = 1;

/// Memory for writes of one family; the flush policy acts long before it is full.
const MEMTABLE_BYTES: usize = 128 * 1024 * 1024;

/// Bits per key that spare a read of an absent key: one in a hundred is read in vain.
const BLOOM_BITS: f64 = 10.0;

/// What the state says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// Log id of the last applied entry.
    pub applied: Option<LogIdOf>,
    /// The last membership applied.
    pub membership: StoredMembership,
    /// Leaves, last stamp, register revision.
    pub meta: Meta,
}

impl Head {
    pub(super) fn load(db: &DB) -> io::Result<Self> {
        let get = |key| db.get_cf(rocks::family(db, META), key).map_err(rocks::io_error);
        Ok(Self {
            applied: get(APPLIED)?.map(|bytes| encoding::log_id_of(&bytes)).transpose()?,
            membership: get(MEMBERSHIP)?.map(|bytes| encoding::membership_of(&bytes)).transpose()?.unwrap_or_default(),
            meta: get(STATE)?.map(|bytes| meta_of(&bytes)).transpose()?.unwrap_or_default(),
        })
    }

    /// What changes with every entry.
    pub(super) fn put(&self, db: &DB, batch: &mut WriteBatch) {
        let family = rocks::family(db, META);
        if let Some(applied) = &self.applied {
            batch.put_cf(family, APPLIED, encoding::log_id_bytes(applied));
        }
        batch.put_cf(family, STATE, meta_bytes(&self.meta));
    }

    pub(super) fn put_membership(&self, db: &DB, batch: &mut WriteBatch) -> io::Result<()> {
        batch.put_cf(rocks::family(db, META), MEMBERSHIP, encoding::membership_bytes(&self.membership)?);
        Ok(())
    }
}

/// Opens the tables at `path`, making them if there are none.
pub(super) fn open(path: &std::path::Path, block_cache: &Cache) -> Result<DB, rocksdb::Error> {
    let families = FAMILIES.map(|name| ColumnFamilyDescriptor::new(name, family_options(name, block_cache)));
    DB::open_cf_descriptors(&options(), path, families)
}

/// Opens tables that nobody may change.
pub(super) fn open_read_only(path: &std::path::Path) -> Result<DB, rocksdb::Error> {
    let mut options = Options::default();
    rocks::quiet(&mut options, "state snapshot");
    DB::open_cf_for_read_only(&options, path, FAMILIES, false)
}

/// The state has no write-ahead log: after a crash it goes back to the last flush, and the Raft log brings it forward.
pub(super) fn unlogged() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // All families or none: the applied log id must never be newer or older than what it describes.
    options.set_atomic_flush(true);
    options.set_paranoid_checks(true);
    options.set_max_background_jobs(2);
    rocks::quiet(&mut options, "state");
    options
}

fn family_options(name: &str, block_cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(block_cache);
    table.set_format_version(5);
    if matches!(name, RECORDS | SEEN) {
        table.set_bloom_filter(BLOOM_BITS, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_write_buffer_number(3);
    // Sealed bytes and hashes do not compress; the register's documents do.
    let text = name == REGISTER;
    options.set_compression_type(if text { DBCompressionType::Lz4 } else { DBCompressionType::None });
    options
}

pub(super) fn record_bytes(version: u64, sealed: &[u8]) -> Vec<u8> {
    [&[VERSION], version.to_be_bytes().as_slice(), sealed].concat()
}

pub(super) fn record_of(bytes: &[u8]) -> io::Result<(u64, &[u8])> {
    let (version, sealed) = body_of(bytes, "record")?.split_first_chunk().ok_or_else(|| malformed("record"))?;
    Ok((u64::from_be_bytes(*version), sealed))
}

pub(super) fn document_bytes(document: &str) -> Vec<u8> {
    [&[VERSION], document.as_bytes()].concat()
}

pub(super) fn document_of(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(body_of(bytes, "register")?.to_vec()).map_err(|_| malformed("register"))
}

pub(super) fn seen_bytes(seen: &Seen) -> Vec<u8> {
    [&[VERSION], seen.position.to_be_bytes().as_slice(), &seen.question].concat()
}

pub(super) fn seen_of(bytes: &[u8]) -> io::Result<Seen> {
    let (position, question) = body_of(bytes, "request")?.split_first_chunk().ok_or_else(|| malformed("request"))?;
    let question = question.try_into().map_err(|_| malformed("request"))?;
    Ok(Seen { position: u64::from_be_bytes(*position), question })
}

pub(super) fn budget_key(key: &BudgetKey) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&key.hour.to_be_bytes());
    bytes[4..].copy_from_slice(&key.official);
    bytes
}

pub(super) fn budget_bytes(misses: u32) -> Vec<u8> {
    [&[VERSION], misses.to_be_bytes().as_slice()].concat()
}

pub(super) fn budget_of(bytes: &[u8]) -> io::Result<u32> {
    let misses = body_of(bytes, "budget")?.try_into().map_err(|_| malformed("budget"))?;
    Ok(u32::from_be_bytes(misses))
}

/// The first key that a request id of a moment can have.
pub(super) fn seen_from(unix_ms: u64) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
    bytes
}

pub(super) fn record_key(key: &RecordKey) -> &[u8] {
    key.as_slice()
}

fn meta_bytes(meta: &Meta) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    for number in [meta.leaves, meta.last_at_ms, meta.register_revision] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes
}

fn meta_of(bytes: &[u8]) -> io::Result<Meta> {
    let body: &[u8; 24] = body_of(bytes, "state")?.try_into().map_err(|_| malformed("state"))?;
    let number = |at: usize| u64::from_be_bytes(body[at..at + 8].try_into().expect("eight bytes of a fixed layout"));
    Ok(Meta { leaves: number(0), last_at_ms: number(8), register_revision: number(16) })
}

fn body_of<'a>(bytes: &'a [u8], what: &str) -> io::Result<&'a [u8]> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(body),
        _ => Err(malformed(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These bytes are on disks and in snapshots: they change only with a new version byte.
    #[test]
    fn version_1_stays_as_it_is() {
        let meta = Meta { leaves: 258, last_at_ms: 3, register_revision: 4 };
        assert_eq!(meta_bytes(&meta), b"\x01\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04");
        assert_eq!(meta_of(&meta_bytes(&meta)).unwrap(), meta);
        assert_eq!(record_bytes(5, b"sealed"), b"\x01\0\0\0\0\0\0\0\x05sealed");
        assert_eq!(record_of(b"\x01\0\0\0\0\0\0\0\x05sealed").unwrap(), (5, b"sealed".as_slice()));
        let seen = Seen { position: 6, question: *b"0123456789abcdef" };
        assert_eq!(seen_bytes(&seen), b"\x01\0\0\0\0\0\0\0\x060123456789abcdef");
        assert_eq!(seen_of(&seen_bytes(&seen)).unwrap(), seen);
        let key = BudgetKey { hour: 258, official: *b"0123456789abcdef" };
        assert_eq!(&budget_key(&key), b"\0\0\x01\x020123456789abcdef");
        assert_eq!(budget_of(&budget_bytes(7)).unwrap(), 7);
        assert_eq!(document_of(&document_bytes("revision = 1")).unwrap(), "revision = 1");
    }

    #[test]
    fn damaged_values_are_errors() {
        for bytes in [b"".as_slice(), b"\x02", b"\x01", b"\x01\0\0"] {
            assert!(meta_of(bytes).is_err() && record_of(bytes).is_err());
            assert!(seen_of(bytes).is_err() && budget_of(bytes).is_err());
        }
        assert!(document_of(b"\x01\xff").is_err());
    }
}
