//! The entries of the log: leaves, their marks and their addenda, in rows of a few neighbours.
//!
//! ```text
//! row     key: position of its first leaf     value: up to sixteen leaves, or marks, or addenda, one after the other
//! ```
//!
//! A row is written by one Raft entry and never changed, and ends where the position is a multiple of sixteen: so a batch
//! of 256 costs a few dozen rows instead of hundreds, a lookup reads a few kilobytes, and rows can be pruned up to every
//! multiple of sixteen without cutting one.
//!
//! The newest leaves are in memory too: the receipts of answers are made from them within moments.

use std::{collections::VecDeque, io};

use rocksdb::{DB, DBRawIterator, ReadOptions, WriteBatch};
use xacminh_core::apply::NewLeaf;
use xacminh_proto::transparency::{LEAF_BYTES, LeafBytes, trail::TrailId};

use super::{encoding::malformed, rocks, tables};

/// Leaves in a row at the most.
pub(super) const ROW_LEAVES_MAX: u64 = 16;

/// Leaves kept in memory: many times what is asked for between an entry's apply and the receipts of its answers.
const RECENT_LEAVES: usize = 8 * 1024;

/// Bytes of a mark: trail, dossier, the position before.
const MARK_BYTES: usize = 16 + 16 + 8;

/// A mark's position before that says: this is the first of its trail, or of none.
const NO_POSITION: u64 = u64::MAX;

/// What only the state knows of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mark {
    /// The trail it belongs to; none for entries about nobody.
    pub trail: Option<TrailId>,
    /// Position of the leaf before it in that trail.
    pub previous: Option<u64>,
    /// The dossier's mark; none for administrative entries.
    pub dossier: Option<[u8; 16]>,
}

/// Writes new leaves with what lies beside them into an entry's batch.
pub(super) fn put(db: &DB, batch: &mut WriteBatch, first: u64, leaves: &[NewLeaf]) {
    let families = [tables::LEAVES, tables::MARKS, tables::ADDENDA].map(|name| rocks::family(db, name));
    let (mut at, mut left) = (first, leaves);
    let mut rows: [Vec<u8>; 3] = Default::default();
    while !left.is_empty() {
        let room = usize::try_from(ROW_LEAVES_MAX - at % ROW_LEAVES_MAX).expect("sixteen at the most");
        let (row, rest) = left.split_at(room.min(left.len()));
        rows.iter_mut().for_each(Vec::clear);
        for new in row {
            rows[0].extend_from_slice(&new.leaf);
            rows[1].extend_from_slice(&mark_bytes(new));
            let length = u32::try_from(new.envelope.len()).expect("an addendum fits a command");
            rows[2].extend_from_slice(&length.to_be_bytes());
            rows[2].extend_from_slice(&new.envelope);
        }
        for (family, value) in families.iter().zip(&rows) {
            batch.put_cf(family, at.to_be_bytes(), value);
        }
        at += u64::try_from(row.len()).expect("sixteen at the most");
        left = rest;
    }
}

/// The leaf at a position; none where there is none, or none any more.
pub(super) fn leaf(db: &DB, position: u64) -> io::Result<Option<LeafBytes>> {
    fixed(db, tables::LEAVES, position)
}

/// What the state knows of the leaf at a position.
pub(super) fn mark(db: &DB, position: u64) -> io::Result<Option<Mark>> {
    Ok(fixed(db, tables::MARKS, position)?.as_ref().map(mark_of))
}

/// The sealed addendum of the leaf at a position.
pub(super) fn addendum(db: &DB, position: u64) -> io::Result<Option<Vec<u8>>> {
    let mut rows = Rows::new(db, tables::ADDENDA, true);
    let Some((first, mut row)) = rows.seek(position)? else { return Ok(None) };
    let mut at = first;
    while !row.is_empty() {
        let (length, rest) = row.split_first_chunk().ok_or_else(|| malformed("addendum"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| malformed("addendum"))?;
        let (envelope, rest) = rest.split_at_checked(length).ok_or_else(|| malformed("addendum"))?;
        if at == position {
            return Ok(Some(envelope.to_vec()));
        }
        (at, row) = (at + 1, rest);
    }
    Ok(None)
}

/// Leaves from a position on, at most `limit`; none if there is none at that position.
pub(super) fn leaves(db: &DB, from: u64, limit: usize, fill_cache: bool) -> io::Result<Vec<LeafBytes>> {
    scan(db, tables::LEAVES, from, limit, fill_cache)
}

/// Marks from a position on, at most `limit`.
pub(super) fn marks(db: &DB, from: u64, limit: usize) -> io::Result<Vec<Mark>> {
    Ok(scan(db, tables::MARKS, from, limit, false)?.iter().map(mark_of).collect())
}

/// Forgets leaves and addenda of a range that ends at a multiple of [`ROW_LEAVES_MAX`]; the marks stay, for the trails.
pub(super) fn prune(db: &DB, batch: &mut WriteBatch, from: u64, until: u64) {
    for name in [tables::LEAVES, tables::ADDENDA] {
        batch.delete_range_cf(rocks::family(db, name), from.to_be_bytes(), until.to_be_bytes());
    }
}

fn fixed<const BYTES: usize>(db: &DB, name: &str, position: u64) -> io::Result<Option<[u8; BYTES]>> {
    let mut rows = Rows::new(db, name, true);
    let Some((first, row)) = rows.seek(position)? else { return Ok(None) };
    let at = usize::try_from(position - first).map_err(|_| malformed("row of the log"))?;
    Ok(parts::<BYTES>(row)?.get(at).copied())
}

fn scan<const BYTES: usize>(
    db: &DB,
    name: &str,
    from: u64,
    limit: usize,
    fill_cache: bool,
) -> io::Result<Vec<[u8; BYTES]>> {
    let mut rows = Rows::new(db, name, fill_cache);
    let mut found = Vec::with_capacity(limit.min(1024));
    let mut at = from;
    let mut row = rows.seek(from)?;
    while let Some((first, bytes)) = row {
        let skipped = usize::try_from(at.checked_sub(first).ok_or_else(|| malformed("a leaf is missing"))?);
        let parts = parts::<BYTES>(bytes)?;
        let wanted = parts.get(skipped.map_err(|_| malformed("row of the log"))?..).unwrap_or_default();
        if wanted.is_empty() && !found.is_empty() {
            return Err(malformed("a leaf is missing"));
        }
        let taken = wanted.len().min(limit - found.len());
        found.extend_from_slice(&wanted[..taken]);
        if taken == 0 || found.len() == limit {
            break;
        }
        at += u64::try_from(taken).expect("a row is short");
        row = rows.next()?;
    }
    Ok(found)
}

fn parts<const BYTES: usize>(row: &[u8]) -> io::Result<&[[u8; BYTES]]> {
    let (parts, left_over) = row.as_chunks();
    if left_over.is_empty() { Ok(parts) } else { Err(malformed("row of the log")) }
}

/// Rows of one family, forwards.
struct Rows<'a>(DBRawIterator<'a>);

impl<'a> Rows<'a> {
    fn new(db: &'a DB, name: &str, fill_cache: bool) -> Self {
        let mut options = ReadOptions::default();
        options.fill_cache(fill_cache);
        Self(db.raw_iterator_cf_opt(rocks::family(db, name), options))
    }

    /// The last row that begins at the position or before it.
    fn seek(&mut self, position: u64) -> io::Result<Option<(u64, &[u8])>> {
        self.0.seek_for_prev(position.to_be_bytes());
        self.item()
    }

    fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        self.0.next();
        self.item()
    }

    fn item(&self) -> io::Result<Option<(u64, &[u8])>> {
        let Some((key, value)) = self.0.item() else {
            self.0.status().map_err(rocks::io_error)?;
            return Ok(None);
        };
        let first = key.try_into().map_err(|_| malformed("row of the log"))?;
        Ok(Some((u64::from_be_bytes(first), value)))
    }
}

fn mark_bytes(new: &NewLeaf) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    bytes[..16].copy_from_slice(&new.trail.unwrap_or_default());
    bytes[16..32].copy_from_slice(&new.dossier);
    bytes[32..].copy_from_slice(&new.previous.unwrap_or(NO_POSITION).to_be_bytes());
    bytes
}

fn mark_of(bytes: &[u8; MARK_BYTES]) -> Mark {
    let some = |at: usize| {
        let mark: [u8; 16] = bytes[at..at + 16].try_into().expect("sixteen bytes of a fixed layout");
        (mark != [0; 16]).then_some(mark)
    };
    let previous = u64::from_be_bytes(bytes[32..].try_into().expect("eight bytes of a fixed layout"));
    Mark { trail: some(0), dossier: some(16), previous: (previous != NO_POSITION).then_some(previous) }
}

/// The newest leaves, in memory.
#[derive(Default)]
pub(super) struct RecentLeaves {
    /// Position of the oldest.
    from: u64,
    leaves: VecDeque<LeafBytes>,
}

impl RecentLeaves {
    /// Keeps what an entry brought, after it was written.
    pub(super) fn add(&mut self, first: u64, new: &[NewLeaf]) {
        if self.end() != first {
            // The first since the node started.
            *self = Self { from: first, leaves: VecDeque::with_capacity(RECENT_LEAVES) };
        }
        self.leaves.extend(new.iter().map(|new| new.leaf));
        while self.leaves.len() > RECENT_LEAVES {
            self.leaves.pop_front();
            self.from += 1;
        }
    }

    pub(super) fn get(&self, position: u64) -> Option<LeafBytes> {
        self.leaves.get(usize::try_from(position.checked_sub(self.from)?).ok()?).copied()
    }

    fn end(&self) -> u64 {
        self.from + u64::try_from(self.leaves.len()).expect("a ring is short")
    }
}

const _: () = assert!(LEAF_BYTES == size_of::<LeafBytes>());
