//! What the notary has signed last, on disk before any signature leaves: two slots written in turn, one of them whole
//! whenever the machine stops.
//!
//! ```text
//! slot    "XMNOTARY" | version u8 (1) | count u64 | shards u16 | { year u16 | size u64 | root 32 } … | BLAKE3 of it all
//! ```
//!
//! The record is never restored from a backup: an older one would let the notary sign a history it has contradicted.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use xacminh_proto::transparency::{Hash, witness::Head};

/// The record, in its folder.
const FILE: &str = "signed-heads";

const MAGIC: &[u8] = b"XMNOTARY\x01";
const SLOT_BYTES: usize = 4096;
const SLOT_BYTES_U64: u64 = 4096;
const SHARD_BYTES: usize = 2 + 8 + 32;
const HASH_BYTES: usize = 32;

/// Shards one slot holds: the life of the system.
const SHARDS_MAX: usize = (SLOT_BYTES - MAGIC.len() - 8 - 2 - HASH_BYTES) / SHARD_BYTES;

/// The newest head signed of each year's shard, durable.
pub(super) struct Record {
    file: File,
    /// Writes so far; the slot with the greater count is the newer one.
    count: u64,
    heads: BTreeMap<u16, Head>,
    /// A write failed: what is on the disk is unknown, and it is never tried again.
    has_failed: bool,
}

impl Record {
    /// Opens the record in a folder; a node that `is_new` has nothing yet, and its record is made.
    ///
    /// # Errors
    /// If the disk refuses, neither slot is whole, or there is no record although the node has a history: whatever was
    /// signed last is then unknown.
    pub(super) fn open(folder: &Path, is_new: bool) -> io::Result<Self> {
        let path = folder.join(FILE);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => return Self::make(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is missing", path.display())));
            }
            Err(error) => return Err(error),
        };
        let slots = [0, SLOT_BYTES_U64].map(|at| {
            let mut bytes = vec![0; SLOT_BYTES];
            file.read_exact_at(&mut bytes, at).ok().and_then(|()| decode(&bytes))
        });
        let newest = slots.into_iter().flatten().max_by_key(|(count, _)| *count);
        let Some((count, heads)) = newest else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the record of signed heads is damaged"));
        };
        Ok(Self { file, count, heads, has_failed: false })
    }

    /// Makes an empty record. If we crash here there is none, or a whole one: it gets its name once it is durable.
    fn make(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(FILE);
        let unfinished = path.with_extension("new");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        let mut record = Self { file, count: 0, heads: BTreeMap::new(), has_failed: false };
        // Both slots, so that a crash in the middle of the next write leaves a whole one.
        record.write(BTreeMap::new())?;
        record.write(BTreeMap::new())?;
        record.file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(folder)?.sync_all()?;
        if let Some(parent) = folder.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(record)
    }

    /// The newest head signed of each shard.
    pub(super) const fn heads(&self) -> &BTreeMap<u16, Head> {
        &self.heads
    }

    /// Makes a head durable. If we crash before it is, no signature over it has left; after it, none was lost that
    /// could not be made again.
    ///
    /// # Errors
    /// If the disk refuses, and ever after: the kernel may have forgotten the bytes of a failed fsync, and the slot that
    /// is still whole is not to be written over. [`Self::heads`] tells of what is durable only.
    pub(super) fn keep(&mut self, year: u16, head: Head) -> io::Result<()> {
        let mut heads = self.heads.clone();
        heads.insert(year, head);
        self.write(heads)
    }

    fn write(&mut self, heads: BTreeMap<u16, Head>) -> io::Result<()> {
        if self.has_failed {
            return Err(io::Error::other("an earlier write of the record failed"));
        }
        if heads.len() > SHARDS_MAX {
            return Err(io::Error::other("more shards than a record holds"));
        }
        let count = self.count + 1;
        let at = if count.is_multiple_of(2) { 0 } else { SLOT_BYTES_U64 };
        let written = self.file.write_all_at(&encode(count, &heads), at).and_then(|()| self.file.sync_data());
        self.has_failed = written.is_err();
        written?;
        (self.count, self.heads) = (count, heads);
        Ok(())
    }

    /// The disk fails from now on: the file cannot be written.
    #[cfg(test)]
    pub(super) fn break_disk(&mut self, folder: &Path) {
        self.file = File::open(folder.join(FILE)).expect("the record is there");
    }
}

fn encode(count: u64, heads: &BTreeMap<u16, Head>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&count.to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(heads.len()).expect("a record has few shards").to_be_bytes());
    for (year, head) in heads {
        bytes.extend_from_slice(&year.to_be_bytes());
        bytes.extend_from_slice(&head.size.to_be_bytes());
        bytes.extend_from_slice(&head.root);
    }
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes.resize(SLOT_BYTES, 0);
    bytes
}

fn decode(slot: &[u8]) -> Option<(u64, BTreeMap<u16, Head>)> {
    let rest = slot.strip_prefix(MAGIC)?;
    let (count, rest) = rest.split_first_chunk()?;
    let (shards, mut rest) = rest.split_first_chunk()?;
    let mut heads = BTreeMap::new();
    for _ in 0..u16::from_be_bytes(*shards) {
        let (year, after) = rest.split_first_chunk()?;
        let (size, after) = after.split_first_chunk()?;
        let (root, after) = after.split_first_chunk::<HASH_BYTES>()?;
        let root: Hash = *root;
        heads.insert(u16::from_be_bytes(*year), Head { size: u64::from_be_bytes(*size), root });
        rest = after;
    }
    let (hash, _) = rest.split_first_chunk::<HASH_BYTES>()?;
    let hashed = slot.len() - rest.len();
    (blake3::hash(slot.get(..hashed)?) == *hash).then_some((u64::from_be_bytes(*count), heads))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64) -> Head {
        Head { size, root: [u8::try_from(size).unwrap(); 32] }
    }

    #[test]
    fn what_was_kept_last_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        {
            let mut record = Record::open(folder.path(), true).unwrap();
            assert!(record.heads().is_empty());
            record.keep(2026, head(3)).unwrap();
            record.keep(2026, head(5)).unwrap();
            record.keep(2027, head(1)).unwrap();
        }
        let record = Record::open(folder.path(), false).unwrap();
        assert_eq!(record.heads(), &BTreeMap::from([(2026, head(5)), (2027, head(1))]));
    }

    #[test]
    fn a_node_with_a_history_does_not_begin_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let notary = folder.path().join("notary");
        let error = Record::open(&notary, false).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("signed-heads is missing"), "{error}");
        assert!(!notary.exists(), "the next start refuses, too");
        // A first start that was cut short left a part of a record, which has no name yet.
        fs::create_dir(&notary).unwrap();
        fs::write(notary.join("signed-heads.new"), b"XMNO").unwrap();
        Record::open(&notary, true).unwrap().keep(2026, head(3)).unwrap();
        assert_eq!(
            Record::open(&notary, true).unwrap().heads(),
            &BTreeMap::from([(2026, head(3))]),
            "it is not begun anew"
        );
        assert!(!notary.join("signed-heads.new").exists());
        // Where there is a file, an empty one is a damaged one.
        fs::write(notary.join(FILE), b"").unwrap();
        assert!(Record::open(&notary, true).is_err());
    }

    #[test]
    fn what_could_not_be_written_is_not_kept_and_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::open(folder.path(), true).unwrap();
        record.keep(2026, head(3)).unwrap();
        let whole = fs::read(folder.path().join(FILE)).unwrap();
        let file = record.file.try_clone().unwrap();
        record.break_disk(folder.path());
        assert!(record.keep(2026, head(5)).is_err());
        assert_eq!(record.heads(), &BTreeMap::from([(2026, head(3))]), "only what is durable");
        // The disk takes writes again, and has perhaps lost some.
        record.file = file;
        assert!(record.keep(2026, head(7)).is_err());
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), whole);
    }

    #[test]
    fn a_write_cut_short_leaves_the_head_before_it_and_two_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signed-heads");
        let mut record = Record::open(folder.path(), true).unwrap();
        for size in 1..=4 {
            record.keep(2026, head(size)).unwrap();
        }
        let newest = if record.count.is_multiple_of(2) { 0 } else { SLOT_BYTES };
        drop(record);
        let mut bytes = fs::read(&path).unwrap();
        bytes[newest + 40] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(Record::open(folder.path(), false).unwrap().heads(), &BTreeMap::from([(2026, head(3))]));
        bytes[SLOT_BYTES - newest + 40] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(Record::open(folder.path(), false).is_err());
    }
}
