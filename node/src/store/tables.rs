//! The state's tables: column families, keys and values.
//!
//! | family     | key                                  | value                                              |
//! |------------|--------------------------------------|----------------------------------------------------|
//! | `meta`     | `applied`                            | log id of the last applied entry                   |
//! |            | `membership`                         | the last membership                                |
//! |            | `state`                              | version 1, leaves u64, last stamp u64, revision u64, |
//! |            |                                      | days kept u32, shard's year u16, shard's first     |
//! |            |                                      | position u64, sweep begun u64, its pages u64, 1 if |
//! |            |                                      | it has ended                                       |
//! |            | `tree`                               | the frontier of the shard's tree                   |
//! |            | `erased`                             | version 1, Raft index of the newest erasure u64    |
//! |            | `pruned`                             | version 1, position u64                            |
//! |            | `cursor`                             | version 1, where the sweep goes on, sealed         |
//! | `records`  | row key (32)                         | version 1, record version u64, sealed record       |
//! | `register` | revision u64                         | version 1, the document                            |
//! | `leaves`   | position of the row's first u64      | up to 16 leaves, verbatim                          |
//! | `addenda`  | position of the row's first u64      | up to 16 of: length u32, the sealed addendum       |
//! | `seen`     | request id (16), portal u32          | version 1, position u64, question digest (16)      |
//! | `budgets`  | hour it ends u32, kind u8, whose (16) | version 1, points u32                              |
//! | `marks`    | position of the row's first u64      | up to 16 of: trail id (16), dossier mark (16), zero |
//! |            |                                      | for none; position before in the trail u64         |
//! | `people`   | row key (32)                         | version 1, created u64, `chain_0`, sealed own key  |
//! | `trails`   | row key (32)                         | version 1, created u64, id (16), count u64,        |
//! |            |                                      | last position u64, chain (32)                      |
//! | `owners`   | trail id (16)                        | row key                                            |
//! | `batches`  | leaves after the entry u64           | version 1, stamp u64                               |
//! | `shards`   | first position u64                   | version 1, year u16                                |
//! | `tiles`    | shard's first u64, level u8, index u64 | 1 to 256 hashes                                  |
//!
//! Integers are big-endian, so that keys sort by position and by time. Leaves and addenda begin with version bytes of
//! their own.

use std::io;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, MemtableFactory, Options, SliceTransform,
    WriteBatch, WriteOptions,
};
use xacminh_core::{
    apply::{Budget, BudgetKey, Meta, NewKey, Seen, Shard, Sweep, Trail},
    command::{RecordKey, TreeHead},
};
use xacminh_proto::transparency::{
    Hash,
    merkle::{Frontier, empty_root},
    trail::Chain,
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
pub(super) const MARKS: &str = "marks";
pub(super) const PEOPLE: &str = "people";
pub(super) const TRAILS: &str = "trails";
pub(super) const OWNERS: &str = "owners";
pub(super) const BATCHES: &str = "batches";
pub(super) const SHARDS: &str = "shards";
pub(super) const TILES: &str = "tiles";

/// Every family, in the order of the state's digest.
pub(super) const FAMILIES: [&str; 14] =
    [META, RECORDS, REGISTER, LEAVES, ADDENDA, SEEN, BUDGETS, MARKS, PEOPLE, TRAILS, OWNERS, BATCHES, SHARDS, TILES];

/// Families that an erasure removes from.
pub(super) const PERSONAL: [&str; 5] = [RECORDS, PEOPLE, TRAILS, OWNERS, META];

pub(super) const APPLIED: &[u8] = b"applied";
const MEMBERSHIP: &[u8] = b"membership";
const STATE: &[u8] = b"state";
const TREE: &[u8] = b"tree";
const ERASED: &[u8] = b"erased";
const PRUNED: &[u8] = b"pruned";
pub(super) const CURSOR: &[u8] = b"cursor";
const VERSION: u8 = 1;

/// Memory for writes of one family; the flush policy acts long before it is full.
const MEMTABLE_BYTES: usize = 128 * 1024 * 1024;

/// Bits per key that spare a read of an absent key: one in a hundred is read in vain.
const BLOOM_BITS: f64 = 10.0;

/// Lists that a hashed table of memory spreads its rows over: a few rows each, as many as fit before the next flush.
const MEMTABLE_BUCKETS: usize = 1 << 16;

/// Part of a family's memory that tells what is not in it.
const MEMTABLE_BLOOM_RATIO: f64 = 0.01;

/// What the state says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Log id of the last applied entry.
    pub applied: Option<LogIdOf>,
    /// The last membership applied.
    pub membership: StoredMembership,
    /// Leaves, last stamp, register revision.
    pub meta: Meta,
    /// The tree of the shard in force.
    pub frontier: Frontier,
    /// Its root.
    pub root: Hash,
    /// Entries before this position are no longer kept.
    pub pruned: u64,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            applied: None,
            membership: StoredMembership::default(),
            meta: Meta::default(),
            frontier: Frontier::new(),
            root: empty_root(),
            pruned: 0,
        }
    }
}

impl Head {
    pub(super) fn load(db: &DB) -> io::Result<Self> {
        let get = |key| db.get_cf(rocks::family(db, META), key).map_err(rocks::io_error);
        let frontier = get(TREE)?.map(|bytes| Frontier::decode(&bytes)).transpose();
        let frontier = frontier.map_err(|_| malformed("frontier"))?.unwrap_or_default();
        Ok(Self {
            root: frontier.root(),
            frontier,
            applied: get(APPLIED)?.map(|bytes| encoding::log_id_of(&bytes)).transpose()?,
            membership: get(MEMBERSHIP)?.map(|bytes| encoding::membership_of(&bytes)).transpose()?.unwrap_or_default(),
            meta: Meta {
                erased: get(ERASED)?.map(|bytes| counted(&bytes, "erased")).transpose()?.unwrap_or_default(),
                ..get(STATE)?.map(|bytes| meta_of(&bytes)).transpose()?.unwrap_or_default()
            },
            pruned: get(PRUNED)?.map(|bytes| counted(&bytes, "pruned")).transpose()?.unwrap_or_default(),
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

    /// What changes when somebody is erased.
    pub(super) fn put_erased(&self, db: &DB, batch: &mut WriteBatch) {
        batch.put_cf(rocks::family(db, META), ERASED, count_bytes(self.meta.erased));
    }

    /// What changes with every leaf.
    pub(super) fn put_tree(&self, db: &DB, batch: &mut WriteBatch) {
        batch.put_cf(rocks::family(db, META), TREE, self.frontier.encode());
    }

    /// What changes once an hour at the most.
    pub(super) fn put_pruned(&self, db: &DB, batch: &mut WriteBatch) {
        batch.put_cf(rocks::family(db, META), PRUNED, count_bytes(self.pruned));
    }

    /// The tree as the next batch claims it.
    #[must_use]
    pub const fn tree(&self) -> TreeHead {
        TreeHead { leaves: self.meta.leaves, root: self.root }
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
    // Apply is the only writer, and tables of memory that are hashed have room for one.
    options.set_allow_concurrent_memtable_write(false);
    rocks::quiet(&mut options, "state");
    options
}

/// Bytes of the keys that come in no order and are only looked up whole: their newest rows are hashed in memory, which
/// costs an insert and a look-up one step instead of the twenty of a sorted list. Whoever walks such a family must ask for
/// its order (`ReadOptions::set_total_order_seek`).
fn by_hash(name: &str) -> Option<usize> {
    match name {
        RECORDS | PEOPLE | TRAILS => Some(32),
        OWNERS => Some(16),
        _ => None,
    }
}

fn family_options(name: &str, block_cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(block_cache);
    table.set_format_version(5);
    if matches!(name, RECORDS | SEEN | PEOPLE | TRAILS) {
        table.set_bloom_filter(BLOOM_BITS, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_write_buffer_number(3);
    if let Some(bytes) = by_hash(name) {
        options.set_prefix_extractor(SliceTransform::create_fixed_prefix(bytes));
        options.set_memtable_factory(MemtableFactory::HashLinkList { bucket_count: MEMTABLE_BUCKETS });
        // What is not in memory is seen at one look, before its list is walked.
        options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
        options.set_memtable_whole_key_filtering(true);
    }
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

pub(super) fn cursor_bytes(sealed: &[u8]) -> Vec<u8> {
    [&[VERSION], sealed].concat()
}

pub(super) fn cursor_of(bytes: &[u8]) -> io::Result<&[u8]> {
    body_of(bytes, "cursor")
}

pub(super) fn document_bytes(document: &str) -> Vec<u8> {
    [&[VERSION], document.as_bytes()].concat()
}

pub(super) fn document_of(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(body_of(bytes, "register")?.to_vec()).map_err(|_| malformed("register"))
}

pub(super) fn seen_bytes(seen: &Seen) -> [u8; 25] {
    let mut bytes = [VERSION; 25];
    bytes[1..9].copy_from_slice(&seen.position.to_be_bytes());
    bytes[9..].copy_from_slice(&seen.question);
    bytes
}

pub(super) fn seen_of(bytes: &[u8]) -> io::Result<Seen> {
    let (position, question) = body_of(bytes, "request")?.split_first_chunk().ok_or_else(|| malformed("request"))?;
    let question = question.try_into().map_err(|_| malformed("request"))?;
    Ok(Seen { position: u64::from_be_bytes(*position), question })
}

pub(super) fn budget_key(key: &BudgetKey) -> [u8; 21] {
    let mut bytes = [0; 21];
    bytes[..4].copy_from_slice(&key.until_hour.to_be_bytes());
    bytes[4] = match key.budget {
        Budget::OfficialHour => 0,
        Budget::OfficialDay => 1,
        Budget::PortalHour => 2,
        Budget::PortalDay => 3,
        Budget::ClusterHour => 4,
        Budget::ClusterDay => 5,
    };
    bytes[5..].copy_from_slice(&key.whose);
    bytes
}

pub(super) fn budget_bytes(points: u32) -> Vec<u8> {
    [&[VERSION], points.to_be_bytes().as_slice()].concat()
}

pub(super) fn budget_of(bytes: &[u8]) -> io::Result<u32> {
    let points = body_of(bytes, "budget")?.try_into().map_err(|_| malformed("budget"))?;
    Ok(u32::from_be_bytes(points))
}

/// The first key that a request id of a moment can have.
pub(super) fn seen_from(unix_ms: u64) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
    bytes
}

/// The time in a request's key, Unix milliseconds; none if the key is none.
pub(super) fn seen_ms(key: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(key.first_chunk::<6>()?);
    Some(u64::from_be_bytes(bytes))
}

pub(super) fn person_bytes(key: &NewKey) -> Vec<u8> {
    [&[VERSION], key.created.to_be_bytes().as_slice(), &key.chain, &key.sealed].concat()
}

/// Created, where the trail begins, the sealed key.
pub(super) fn person_of(bytes: &[u8]) -> io::Result<(u64, Chain, Vec<u8>)> {
    let (created, rest) = body_of(bytes, "person")?.split_first_chunk().ok_or_else(|| malformed("person"))?;
    let (chain, sealed) = rest.split_first_chunk().ok_or_else(|| malformed("person"))?;
    Ok((u64::from_be_bytes(*created), *chain, sealed.to_vec()))
}

pub(super) fn trail_bytes(trail: &Trail) -> [u8; TRAIL_BYTES] {
    let mut bytes = [VERSION; TRAIL_BYTES];
    bytes[1..9].copy_from_slice(&trail.created.to_be_bytes());
    bytes[9..25].copy_from_slice(&trail.id);
    bytes[25..33].copy_from_slice(&trail.count.to_be_bytes());
    bytes[33..41].copy_from_slice(&trail.last.to_be_bytes());
    bytes[41..].copy_from_slice(&trail.chain);
    bytes
}

pub(super) fn trail_of(bytes: &[u8]) -> io::Result<Trail> {
    let body: &[u8; TRAIL_BYTES - 1] = body_of(bytes, "trail")?.try_into().map_err(|_| malformed("trail"))?;
    Ok(Trail {
        created: number_at(body, 0),
        id: body[8..24].try_into().expect("sixteen bytes of a fixed layout"),
        count: number_at(body, 24),
        last: number_at(body, 32),
        chain: body[40..].try_into().expect("thirty-two bytes of a fixed layout"),
    })
}

/// A version byte and a number: of an erasure's index, a batch's stamp, a position.
pub(super) fn count_bytes(number: u64) -> [u8; 9] {
    let mut bytes = [VERSION; 9];
    bytes[1..].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(super) fn counted(bytes: &[u8], what: &str) -> io::Result<u64> {
    Ok(u64::from_be_bytes(body_of(bytes, what)?.try_into().map_err(|_| malformed(what))?))
}

pub(super) fn shard_bytes(shard: Shard) -> Vec<u8> {
    [&[VERSION], shard.year.to_be_bytes().as_slice()].concat()
}

pub(super) fn shard_of(key: &[u8], value: &[u8]) -> io::Result<Shard> {
    let first = key.try_into().map_err(|_| malformed("shard"))?;
    let year = body_of(value, "shard")?.try_into().map_err(|_| malformed("shard"))?;
    Ok(Shard { year: u16::from_be_bytes(year), first: u64::from_be_bytes(first) })
}

pub(super) fn tile_key(shard: Shard, level: u8, index: u64) -> [u8; 17] {
    let mut key = [level; 17];
    key[..8].copy_from_slice(&shard.first.to_be_bytes());
    key[9..].copy_from_slice(&index.to_be_bytes());
    key
}

const TRAIL_BYTES: usize = 1 + 8 + 16 + 8 + 8 + 32;

fn number_at(body: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(body[at..at + 8].try_into().expect("eight bytes of a fixed layout"))
}

pub(super) fn record_key(key: &RecordKey) -> &[u8] {
    key.as_slice()
}

fn meta_bytes(meta: &Meta) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    for number in [meta.leaves, meta.last_at_ms, meta.register_revision] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&meta.entries_days.to_be_bytes());
    bytes.extend_from_slice(&meta.shard.year.to_be_bytes());
    for number in [meta.shard.first, meta.sweep.begun_ms, meta.sweep.pages] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.push(u8::from(meta.sweep.ended));
    bytes
}

fn meta_of(bytes: &[u8]) -> io::Result<Meta> {
    let body: &[u8; 55] = body_of(bytes, "state")?.try_into().map_err(|_| malformed("state"))?;
    let sweep = Sweep { begun_ms: number_at(body, 38), pages: number_at(body, 46), ended: body[54] == 1 };
    let year = u16::from_be_bytes([body[28], body[29]]);
    Ok(Meta {
        leaves: number_at(body, 0),
        last_at_ms: number_at(body, 8),
        register_revision: number_at(body, 16),
        entries_days: u32::from_be_bytes(body[24..28].try_into().expect("four bytes of a fixed layout")),
        shard: Shard { year, first: number_at(body, 30) },
        sweep,
        // In a row of its own.
        erased: 0,
    })
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
        let shard = Shard { year: 2027, first: 5 };
        let sweep = Sweep { begun_ms: 6, pages: 7, ended: true };
        let meta =
            Meta { leaves: 258, last_at_ms: 3, register_revision: 4, entries_days: 730, shard, sweep, erased: 0 };
        let numbers = b"\x01\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04";
        let shard_and_sweep = b"\0\0\x02\xda\x07\xeb\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x07\x01";
        assert_eq!(meta_bytes(&meta), [numbers.as_slice(), shard_and_sweep].concat());
        assert_eq!(meta_of(&meta_bytes(&meta)).unwrap(), meta);
        assert_eq!(record_bytes(5, b"sealed"), b"\x01\0\0\0\0\0\0\0\x05sealed");
        assert_eq!(record_of(b"\x01\0\0\0\0\0\0\0\x05sealed").unwrap(), (5, b"sealed".as_slice()));
        let seen = Seen { position: 6, question: *b"0123456789abcdef" };
        assert_eq!(&seen_bytes(&seen), b"\x01\0\0\0\0\0\0\0\x060123456789abcdef");
        assert_eq!(seen_of(&seen_bytes(&seen)).unwrap(), seen);
        let key = BudgetKey { until_hour: 258, budget: Budget::PortalDay, whose: *b"0123456789abcdef" };
        assert_eq!(&budget_key(&key), b"\0\0\x01\x02\x030123456789abcdef");
        assert_eq!(budget_of(&budget_bytes(7)).unwrap(), 7);
        let trail = Trail { created: 1, id: [2; 16], count: 3, last: 4, chain: [5; 32] };
        let bytes = b"\x01\0\0\0\0\0\0\0\x01\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\
            \0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04";
        assert_eq!(trail_bytes(&trail).as_slice(), [bytes.as_slice(), &[5; 32]].concat());
        assert_eq!(trail_of(&trail_bytes(&trail)).unwrap(), trail);
        let key = NewKey { person: [0; 32], created: 6, chain: [7; 32], sealed: b"sealed".to_vec() };
        let bytes = [b"\x01\0\0\0\0\0\0\0\x06".as_slice(), &[7; 32], b"sealed"].concat();
        assert_eq!(person_bytes(&key), bytes);
        assert_eq!(person_of(&bytes).unwrap(), (6, [7; 32], b"sealed".to_vec()));
        let shard = Shard { year: 2027, first: 258 };
        assert_eq!(shard_bytes(shard), b"\x01\x07\xeb");
        assert_eq!(shard_of(&258_u64.to_be_bytes(), b"\x01\x07\xeb").unwrap(), shard);
        assert_eq!(&tile_key(shard, 2, 3), b"\0\0\0\0\0\0\x01\x02\x02\0\0\0\0\0\0\0\x03");
        assert_eq!(&count_bytes(258), b"\x01\0\0\0\0\0\0\x01\x02");
        assert_eq!(counted(&count_bytes(9), "batch").unwrap(), 9);
        assert_eq!(document_of(&document_bytes("revision = 1")).unwrap(), "revision = 1");
    }

    #[test]
    fn damaged_values_are_errors() {
        for bytes in [b"".as_slice(), b"\x02", b"\x01", b"\x01\0\0"] {
            assert!(meta_of(bytes).is_err() && record_of(bytes).is_err());
            assert!(seen_of(bytes).is_err() && budget_of(bytes).is_err());
            assert!(trail_of(bytes).is_err() && person_of(bytes).is_err());
            assert!(counted(bytes, "batch").is_err());
        }
        assert!(document_of(b"\x01\xff").is_err());
        assert!(shard_of(&[0; 7], b"\x01\x07\xeb").is_err() && shard_of(&[0; 8], b"\x01\x07").is_err());
    }
}
