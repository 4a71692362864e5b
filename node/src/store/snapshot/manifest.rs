//! The manifest: what a snapshot is, and which files with which content it consists of.

use std::{collections::HashSet, fs::File, io, io::Read, path::Path};

use serde::{Deserialize, Serialize};
use xacminh_proto::codec;

use crate::store::{
    disk,
    encoding::{LogIdOf, StoredMembership, malformed},
    tables::Head,
};

/// Name of the manifest beside the files.
const NAME: &str = "snapshot.manifest";

/// Files in a snapshot: a terabyte in tables of 64 MB has a quarter of this.
pub const FILES_MAX: usize = 64 * 1024;

/// Largest encoded manifest: a name, a size and a hash for each file.
pub const MANIFEST_BYTES_MAX: usize = 8 * 1024 * 1024;

const VERSION: u8 = 1;
const NAME_BYTES_MAX: usize = 64;
const HASH_BYTES: usize = 32;
const READ_BYTES: usize = 1024 * 1024;

/// What a snapshot holds; travels to the receiver before the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout: 1.
    pub version: u8,
    /// The last entry whose effect is in the snapshot.
    pub log_id: Option<LogIdOf>,
    /// The last membership at that entry.
    pub membership: StoredMembership,
    /// Leaves at that entry.
    pub leaves: u64,
    /// The last stamp at that entry.
    pub last_at_ms: u64,
    /// Register revision at that entry.
    pub register_revision: u64,
    /// Root of the log's tree at that entry.
    pub root: [u8; 32],
    /// The files, each named once.
    pub files: Vec<ManifestFile>,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its name within the folder.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// BLAKE3 of its content.
    pub blake3: [u8; 32],
}

impl Manifest {
    pub(super) fn new(head: &Head, files: Vec<ManifestFile>) -> Self {
        Self {
            version: VERSION,
            log_id: head.applied,
            membership: head.membership.clone(),
            leaves: head.meta.leaves,
            last_at_ms: head.meta.last_at_ms,
            register_revision: head.meta.register_revision,
            root: head.root,
            files,
        }
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Whether a state is what the manifest says.
    pub(in crate::store) fn describes(&self, head: &Head) -> bool {
        *self == Self::new(head, self.files.clone())
    }

    /// A manifest from elsewhere names files in one folder, each once, and nothing outside it.
    pub(super) fn check(&self) -> io::Result<()> {
        let refuse =
            |problem: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, format!("snapshot manifest: {problem}")));
        if self.version != VERSION {
            return refuse("of a version that this program does not know");
        }
        if self.files.len() > FILES_MAX {
            return refuse("names too many files");
        }
        let mut names = HashSet::new();
        for file in &self.files {
            if !is_sound(&file.name) {
                return refuse("a file name that no snapshot has");
            }
            if !names.insert(file.name.as_str()) {
                return refuse("names a file twice");
            }
        }
        Ok(())
    }

    /// Writes the manifest into the snapshot's folder, durably, with a hash of itself.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut bytes = codec::encode::<MANIFEST_BYTES_MAX, _>(self).map_err(io::Error::other)?;
        bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
        disk::replace(folder, NAME, &bytes).map_err(io::Error::other)
    }

    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let damaged = || malformed("the manifest of a snapshot; remove its folder, it is a copy made for others");
        let mut bytes = Vec::new();
        let limit = u64::try_from(MANIFEST_BYTES_MAX + HASH_BYTES + 1).expect("a few megabytes fit 64 bits");
        File::open(folder.join(NAME))?.take(limit).read_to_end(&mut bytes)?;
        let (body, hash) = bytes.split_last_chunk::<HASH_BYTES>().ok_or_else(damaged)?;
        if blake3::hash(body) != *hash {
            return Err(damaged());
        }
        let manifest: Self = codec::decode::<MANIFEST_BYTES_MAX, _>(body).map_err(|_| damaged())?;
        manifest.check()?;
        Ok(manifest)
    }
}

impl ManifestFile {
    /// Describes a file as it is.
    pub(super) fn of(folder: &Path, name: &str) -> io::Result<Self> {
        let mut file = File::open(folder.join(name))?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut size = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok(Self { name: name.to_owned(), size, blake3: *hasher.finalize().as_bytes() });
            }
            hasher.update(&buffer[..read]);
            size += u64::try_from(read).expect("a buffer's length fits 64 bits");
        }
    }

    /// Whether the file in `folder` is the one that is meant.
    pub(super) fn check(&self, folder: &Path) -> io::Result<()> {
        if Self::of(folder, &self.name)? == *self {
            return Ok(());
        }
        Err(malformed(&format!("{} of the snapshot at {}", self.name, folder.display())))
    }
}

fn is_sound(name: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && name != NAME
        && name.bytes().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(names: &[&str]) -> Manifest {
        let file = |name: &&str| ManifestFile { name: (*name).to_owned(), size: 1, blake3: [0; 32] };
        Manifest::new(&Head::default(), names.iter().map(file).collect())
    }

    #[test]
    fn only_names_within_the_folder_are_accepted() {
        manifest(&["CURRENT", "MANIFEST-000004", "000012.sst"]).check().unwrap();
        for bad in ["", "..", ".hidden", "a/b", "../../etc/passwd", "/etc/passwd", "a\0b", "é", NAME, &"a".repeat(65)]
        {
            assert!(manifest(&[bad]).check().is_err(), "{bad:?}");
        }
        assert!(manifest(&["CURRENT", "CURRENT"]).check().is_err());
        let mut other = manifest(&["CURRENT"]);
        other.version = 2;
        assert!(other.check().is_err());
    }

    #[test]
    fn a_changed_manifest_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let written = manifest(&["CURRENT", "000012.sst"]);
        written.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), written);
        let path = folder.path().join(NAME);
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(&path, changed).unwrap();
            assert!(Manifest::read(folder.path()).is_err(), "byte {at}");
        }
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(Manifest::read(folder.path()).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(Manifest::read(folder.path()).is_err());
    }
}
