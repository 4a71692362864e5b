//! The auditor's index: which leaves have which portal, official, procedure, dossier, request and outcome.
//!
//! | key                                            | value                                                        |
//! |------------------------------------------------|--------------------------------------------------------------|
//! | `0`                                            | version 2, leaves indexed u64, hash of the last of them (32) |
//! | tag u8, value (4, 16, 12 or 2), block u64      | places in the block, u16 each, ascending                     |
//!
//! A block is [`BLOCK_LEAVES`] consecutive positions. A row grows by merging, so that adding leaves reads nothing, and a
//! value costs two bytes a leaf where it is frequent and one short row where it is rare.
//!
//! Trust: nothing here is a source. All of it comes from the state, may be deleted while the node is down, and what is
//! found with it is compared with the leaf before it is told.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRawIterator, FlushOptions, MergeOperands, Options, ReadOptions,
    WriteBatch, WriteOptions,
};
use xacminh_proto::{
    transparency::{Hash, LeafKind, LeafVerdict},
    vocab::{PortalId, RequestId},
};

use super::{encoding::malformed, rocks};

/// Positions that share a row: a row of a portal that asks everything stays within 32 KiB.
pub const BLOCK_LEAVES: u64 = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 14;

/// Memory for rows not flushed yet: about half a million leaves.
const MEMTABLE_BYTES: usize = 64 * 1024 * 1024;

/// Memory for blocks of the tables: auditors ask seldom.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Another layout has another number, and the index is built anew.
const VERSION: u8 = 2;
const PROGRESS: &[u8] = b"0";
const PROGRESS_BYTES: usize = 1 + 8 + 32;

/// Before and after every row of positions.
const ROWS_FROM: &[u8] = b"a";
const ROWS_UNTIL: &[u8] = b"z";

/// What a leaf can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// The portal's number.
    Portal(u32),
    /// The official's pseudonym.
    Official([u8; 16]),
    /// The procedure's number.
    Procedure(u32),
    /// The dossier's mark.
    Dossier([u8; 16]),
    /// The question: the time in its request id, its portal, and two of the id's bytes of chance. Time comes first, so that
    /// rows are written about in the order of their keys; what two questions of a portal share by accident is told apart by
    /// their leaves.
    Request([u8; 12]),
    /// Kind and verdict.
    Outcome(u8, u8),
}

/// How far the index has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Leaves indexed.
    pub leaves: u64,
    /// Hash of the last of them, by which another history is told; zero while there is none.
    pub last: Hash,
}

/// The index of one node.
pub struct AuditIndex {
    db: DB,
    unlogged: WriteOptions,
    progress: ArcSwap<Progress>,
    /// Counts how often everything was dropped: who reads meanwhile must read again.
    epoch: AtomicU64,
}

impl Term {
    /// Kind and verdict of a leaf.
    #[must_use]
    pub const fn outcome(kind: LeafKind, verdict: LeafVerdict) -> Self {
        Self::Outcome(kind as u8, verdict as u8)
    }

    /// A portal's request.
    #[must_use]
    pub fn request(id: RequestId, portal: PortalId) -> Self {
        // Between them lie the version and the variant of a UUID (RFC 9562 §5.7).
        let [time @ .., _, first, _, second, _, _, _, _, _, _] = id.bytes();
        let mut short = [0; 12];
        short[..6].copy_from_slice(time);
        short[6..10].copy_from_slice(&portal.0.to_be_bytes());
        (short[10], short[11]) = (*first, *second);
        Self::Request(short)
    }

    /// The beginning of the term's rows. Terms of one tag have one length, so that none begins another.
    fn prefix(&self) -> Vec<u8> {
        let (tag, value): (u8, &[u8]) = match self {
            Self::Portal(number) => (b'p', &number.to_be_bytes()),
            Self::Official(pseudonym) => (b'o', pseudonym),
            Self::Procedure(number) => (b'q', &number.to_be_bytes()),
            Self::Dossier(mark) => (b'd', mark),
            Self::Request(short) => (b'r', short),
            Self::Outcome(kind, verdict) => (b'k', &[*kind, *verdict]),
        };
        [&[tag], value].concat()
    }
}

impl AuditIndex {
    /// Opens the index in `folder`, empty if there is none or if it has another layout.
    ///
    /// # Errors
    /// If the disk refuses, or what is on it is damaged: the folder may then be deleted.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let db = DB::open(&options(), folder).map_err(rocks::io_error)?;
        let mut unlogged = WriteOptions::default();
        // After a crash the index is what the last flush left, its progress with it.
        unlogged.disable_wal(true);
        let found = db.get(PROGRESS).map_err(rocks::io_error)?;
        let index = Self { db, unlogged, progress: ArcSwap::default(), epoch: AtomicU64::new(0) };
        match found.as_deref().and_then(progress_of) {
            Some(progress) => index.progress.store(Arc::new(progress)),
            None => index.clear()?,
        }
        Ok(index)
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        **self.progress.load()
    }

    /// How often everything was dropped since it was opened.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Adds the terms of leaves that follow those indexed, sorted by term and position, and moves the progress on.
    ///
    /// If we crash afterwards, rows and progress are both as of the last flush.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn add(&self, terms: &[(Term, u64)], progress: Progress) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        let mut places = Vec::new();
        for row in terms.chunk_by(|(term, at), (next, next_at)| term == next && block_of(*at) == block_of(*next_at)) {
            let Some((term, first)) = row.first() else { continue };
            places.clear();
            places.extend(row.iter().flat_map(|(_, position)| place_of(*position).to_be_bytes()));
            batch.merge(row_key(&term.prefix(), block_of(*first)), &places);
        }
        batch.put(PROGRESS, progress_bytes(&progress));
        self.db.write_opt(batch, &self.unlogged).map_err(rocks::io_error)?;
        self.progress.store(Arc::new(progress));
        Ok(())
    }

    /// Drops everything: what was indexed is not the history there is.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn clear(&self) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        batch.delete_range(ROWS_FROM, ROWS_UNTIL);
        batch.put(PROGRESS, progress_bytes(&Progress::default()));
        self.progress.store(Arc::default());
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.db.write_opt(batch, &self.unlogged).map_err(rocks::io_error)?;
        self.flush()
    }

    /// Makes everything added so far durable.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn flush(&self) -> io::Result<()> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db.flush_opt(&options).map_err(rocks::io_error)
    }

    /// The positions of the leaves with a term, as they are now.
    #[must_use]
    pub fn postings(&self, term: &Term) -> Postings<'_> {
        let prefix = term.prefix();
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(row_key(&prefix, 0));
        // The bound itself is left out; no log has that many blocks.
        options.set_iterate_upper_bound(row_key(&prefix, u64::MAX));
        Postings { rows: self.db.raw_iterator_opt(options), prefix, row: None, reads: 0 }
    }

    /// Bytes of the tables on the disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.db.property_int_value("rocksdb.total-sst-files-size").ok().flatten().unwrap_or(0)
    }
}

/// A walk over the positions of one term, in either direction.
pub struct Postings<'a> {
    rows: DBRawIterator<'a>,
    prefix: Vec<u8>,
    row: Option<Row>,
    reads: u32,
}

struct Row {
    block: u64,
    /// Two bytes each, ascending.
    places: Vec<u8>,
}

impl Postings<'_> {
    /// The first position that is not before `position`.
    ///
    /// # Errors
    /// If the disk cannot be read or what is on it is damaged.
    pub fn at_or_after(&mut self, position: u64) -> io::Result<Option<u64>> {
        let block = block_of(position);
        if self.row.as_ref().is_none_or(|row| row.block != block) {
            self.rows.seek(row_key(&self.prefix, block));
            self.read()?;
        }
        if let Some(found) = self.row.as_ref().and_then(|row| row.at_or_after(position)) {
            return Ok(Some(found));
        }
        if self.row.as_ref().is_none_or(|row| row.block > block) {
            return Ok(None);
        }
        self.rows.seek(row_key(&self.prefix, block + 1));
        self.read()?;
        Ok(self.row.as_ref().and_then(|row| row.at_or_after(position)))
    }

    /// The last position that is not after `position`.
    ///
    /// # Errors
    /// As [`Self::at_or_after`].
    pub fn at_or_before(&mut self, position: u64) -> io::Result<Option<u64>> {
        let block = block_of(position);
        if self.row.as_ref().is_none_or(|row| row.block != block) {
            self.rows.seek_for_prev(row_key(&self.prefix, block));
            self.read()?;
        }
        if let Some(found) = self.row.as_ref().and_then(|row| row.at_or_before(position)) {
            return Ok(Some(found));
        }
        if self.row.as_ref().is_none_or(|row| row.block < block) || block == 0 {
            return Ok(None);
        }
        self.rows.seek_for_prev(row_key(&self.prefix, block - 1));
        self.read()?;
        Ok(self.row.as_ref().and_then(|row| row.at_or_before(position)))
    }

    /// Rows read so far: what the walk has cost.
    #[must_use]
    pub const fn reads(&self) -> u32 {
        self.reads
    }

    /// Takes the row that the iterator stands at, if there is one.
    fn read(&mut self) -> io::Result<()> {
        self.reads += 1;
        self.row = None;
        let Some((key, value)) = self.rows.item() else {
            return self.rows.status().map_err(rocks::io_error);
        };
        let block = key.strip_prefix(self.prefix.as_slice()).and_then(|block| block.try_into().ok());
        let block = u64::from_be_bytes(block.ok_or_else(|| malformed("a row of the audit index"))?);
        if value.is_empty() || value.len() % 2 == 1 {
            return Err(malformed("a row of the audit index"));
        }
        self.row = Some(Row { block, places: value.to_vec() });
        Ok(())
    }
}

impl Row {
    fn at_or_after(&self, position: u64) -> Option<u64> {
        let (places, _) = self.places.as_chunks::<2>();
        let from = match self.block.cmp(&block_of(position)) {
            std::cmp::Ordering::Less => return None,
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Equal => {
                places.partition_point(|place| u16::from_be_bytes(*place) < place_of(position))
            }
        };
        places.get(from).map(|place| self.position(*place))
    }

    fn at_or_before(&self, position: u64) -> Option<u64> {
        let (places, _) = self.places.as_chunks::<2>();
        let until = match self.block.cmp(&block_of(position)) {
            std::cmp::Ordering::Greater => return None,
            std::cmp::Ordering::Less => places.len(),
            std::cmp::Ordering::Equal => {
                places.partition_point(|place| u16::from_be_bytes(*place) <= place_of(position))
            }
        };
        until.checked_sub(1).and_then(|last| places.get(last)).map(|place| self.position(*place))
    }

    const fn position(&self, place: [u8; 2]) -> u64 {
        let place = u16::from_be_bytes(place);
        (self.block << BLOCK_BITS) | place as u64
    }
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    table.set_format_version(5);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_background_jobs(2);
    options.set_compression_type(DBCompressionType::Lz4);
    set_merge(&mut options);
    rocks::quiet(&mut options, "audit index");
    options
}

/// Without it, rows that were written in several rounds cannot be read.
pub(super) fn set_merge(options: &mut Options) {
    options.set_merge_operator_associative("append places", append);
}

/// Leaves are added in order, so that rows joined end to end are sorted.
fn append(_: &[u8], before: Option<&[u8]>, added: &MergeOperands) -> Option<Vec<u8>> {
    let parts = || before.into_iter().chain(added);
    let mut row = Vec::with_capacity(parts().map(<[u8]>::len).sum());
    parts().for_each(|part| row.extend_from_slice(part));
    Some(row)
}

const fn block_of(position: u64) -> u64 {
    position >> BLOCK_BITS
}

fn place_of(position: u64) -> u16 {
    u16::try_from(position % BLOCK_LEAVES).expect("a block has fewer leaves than 16 bits count")
}

fn row_key(prefix: &[u8], block: u64) -> Vec<u8> {
    [prefix, &block.to_be_bytes()].concat()
}

fn progress_bytes(progress: &Progress) -> [u8; PROGRESS_BYTES] {
    let mut bytes = [VERSION; PROGRESS_BYTES];
    bytes[1..9].copy_from_slice(&progress.leaves.to_be_bytes());
    bytes[9..].copy_from_slice(&progress.last);
    bytes
}

fn progress_of(bytes: &[u8]) -> Option<Progress> {
    let bytes: &[u8; PROGRESS_BYTES] = bytes.try_into().ok()?;
    let (version, rest) = bytes.split_first()?;
    let (leaves, last) = rest.split_first_chunk()?;
    let last = last.try_into().ok()?;
    (*version == VERSION).then_some(Progress { leaves: u64::from_be_bytes(*leaves), last })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const BLOCK: u64 = BLOCK_LEAVES;

    fn open(folder: &Path) -> AuditIndex {
        AuditIndex::open(folder).unwrap()
    }

    fn add(index: &AuditIndex, terms: &mut [(Term, u64)], leaves: u64) {
        terms.sort_unstable();
        index.add(terms, Progress { leaves, last: [1; 32] }).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// However leaves are cut into rounds, flushed and opened again, walks find what a set finds.
        #[test]
        fn walks_agree_with_a_set(
            gaps in proptest::collection::vec((1_u64..BLOCK * 2, 0_u8..3, any::<bool>(), any::<bool>()), 1..60),
            asked in proptest::collection::vec(0_u64..BLOCK * 60, 1..40),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut index = open(folder.path());
            let term = |which: u8| Term::Portal(u32::from(which));
            let mut model = vec![BTreeSet::new(); 3];
            let (mut position, mut round) = (0, Vec::new());
            for (gap, which, ends, reopens) in gaps {
                position += if ends { gap } else { gap % 5 + 1 };
                model[usize::from(which)].insert(position);
                round.push((term(which), position));
                round.push((Term::Outcome(which, 0), position));
                if ends {
                    add(&index, &mut std::mem::take(&mut round), position + 1);
                }
                if reopens && ends {
                    index.flush().unwrap();
                    drop(index);
                    index = open(folder.path());
                    prop_assert_eq!(index.progress().leaves, position + 1);
                }
            }
            add(&index, &mut round, position + 1);
            for which in 0..3 {
                let (mut up, mut down) = (index.postings(&term(which)), index.postings(&term(which)));
                let model = &model[usize::from(which)];
                for at in &asked {
                    prop_assert_eq!(up.at_or_after(*at).unwrap(), model.range(at..).next().copied());
                    prop_assert_eq!(down.at_or_before(*at).unwrap(), model.range(..=at).next_back().copied());
                }
                let all: Vec<u64> = model.iter().copied().collect();
                let mut walk = index.postings(&term(which));
                let mut found = Vec::new();
                let mut next = walk.at_or_after(0).unwrap();
                while let Some(at) = next {
                    found.push(at);
                    next = walk.at_or_after(at + 1).unwrap();
                }
                prop_assert_eq!(found, all);
            }
        }
    }

    #[test]
    fn what_is_not_flushed_is_lost_with_its_progress_and_what_is_cleared_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let index = open(folder.path());
        add(&index, &mut [(Term::Portal(1), 0), (Term::Official([1; 16]), 0)], 1);
        index.flush().unwrap();
        let image = tempfile::tempdir().unwrap();
        add(&index, &mut [(Term::Portal(1), 1)], 2);
        // What a crash leaves: the files as they are while the database is open.
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), image.path().join(file.file_name())).unwrap();
        }
        let crashed = open(image.path());
        assert_eq!(crashed.progress().leaves, 1);
        assert_eq!(crashed.postings(&Term::Portal(1)).at_or_before(u64::MAX >> 20).unwrap(), Some(0));
        let epoch = crashed.epoch();
        crashed.clear().unwrap();
        assert_eq!((crashed.progress(), crashed.epoch()), (Progress::default(), epoch + 1));
        assert_eq!(crashed.postings(&Term::Portal(1)).at_or_after(0).unwrap(), None);
        add(&crashed, &mut [(Term::Portal(1), 5)], 6);
        assert_eq!(crashed.postings(&Term::Portal(1)).at_or_after(0).unwrap(), Some(5));
    }

    #[test]
    fn another_layout_is_built_anew() {
        let folder = tempfile::tempdir().unwrap();
        let index = open(folder.path());
        add(&index, &mut [(Term::Portal(1), 0)], 1);
        let mut bytes = progress_bytes(&index.progress());
        bytes[0] = VERSION + 1;
        index.db.put(PROGRESS, bytes).unwrap();
        drop(index);
        let index = open(folder.path());
        assert_eq!(index.progress(), Progress::default());
        assert_eq!(index.postings(&Term::Portal(1)).at_or_after(0).unwrap(), None);
    }
}
