//! Which keys have sealed what lies in a data directory: a small file in it that a start compares with the keyring.
//!
//! Without it, a node with another cluster's keyring, or one that lost a retired key, would start, be ready, and answer
//! questions about what it cannot open with a defect. Looking at sealed values instead would not do: after a crash the
//! state may be empty until the log is replayed.
//!
//! Trust: the file is a help against mistakes, not against an attacker; it holds key numbers and a keyed digest.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use xacminh_proto::hex;

use super::{Keyring, KeyringError};

const NAME: &str = "sealed-with.toml";
const VERSION: u32 = 1;
const FILE_MODE: u32 = 0o600;

/// What the digest that names a keyring is made of.
const CHECKED: &[u8] = b"xacminh keyring of a data directory v1";

#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Marks {
    version: u32,
    /// Keys that were current at some start.
    keys: BTreeSet<u32>,
    /// Keyed digest: the same for every keyring of one cluster, whatever keys were added to it.
    keyring: String,
}

impl Keyring {
    /// Refuses a keyring that cannot have sealed, or cannot open, what lies in `directory`; remembers the current key.
    ///
    /// # Errors
    /// [`KeyringError::Foreign`], [`KeyringError::KeyMissing`], or [`KeyringError::File`].
    pub fn fit(&self, directory: &Path) -> Result<(), KeyringError> {
        let path = directory.join(NAME);
        let failed = |source| KeyringError::File { path: path.display().to_string(), source };
        let keyring = hex::text(&self.question_digest(CHECKED));
        let found = match fs::read_to_string(&path) {
            Ok(text) => Some(parse(&text).map_err(failed)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let mut keys = BTreeSet::new();
        if let Some(found) = found {
            if found.keyring != keyring {
                return Err(KeyringError::Foreign { path: directory.display().to_string() });
            }
            if let Some(id) = found.keys.iter().find(|id| !self.has(**id)) {
                return Err(KeyringError::KeyMissing { id: *id });
            }
            keys = found.keys;
        }
        if keys.insert(self.current_id()) {
            let marks = Marks { version: VERSION, keys, keyring };
            write(directory, &path, &marks).map_err(failed)?;
        }
        Ok(())
    }

    fn has(&self, id: u32) -> bool {
        self.keys.binary_search_by_key(&id, |key| key.id).is_ok()
    }
}

fn parse(text: &str) -> io::Result<Marks> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "does not say which keys sealed this directory");
    let marks: Marks = toml::from_str(text).map_err(|_| malformed())?;
    if marks.version == VERSION { Ok(marks) } else { Err(malformed()) }
}

/// If we crash in here, the file is as it was: nothing has been sealed with the new key yet.
fn write(directory: &Path, path: &Path, marks: &Marks) -> io::Result<()> {
    let draft: PathBuf = path.with_extension("tmp");
    let text = toml::to_string(marks).map_err(io::Error::other)?;
    let mut file = File::options().write(true).create(true).truncate(true).mode(FILE_MODE).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::KeyringFile;
    use super::*;

    #[test]
    fn a_directory_stays_with_its_keyring_through_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = KeyringFile::fresh().unwrap();
        let first = Keyring::from_file(&file).unwrap();
        first.fit(directory.path()).unwrap();
        first.fit(directory.path()).unwrap();
        file.rotate().unwrap();
        Keyring::from_file(&file).unwrap().fit(directory.path()).unwrap();
        // The old keyring lacks key 2, which may have sealed since.
        assert!(matches!(first.fit(directory.path()), Err(KeyringError::KeyMissing { id: 2 })));
        // A retired key is still needed.
        file.keys.remove(0);
        let pruned = Keyring::from_file(&file).unwrap();
        assert!(matches!(pruned.fit(directory.path()), Err(KeyringError::KeyMissing { id: 1 })));
        let other = Keyring::from_file(&KeyringFile::fresh().unwrap()).unwrap();
        assert!(matches!(other.fit(directory.path()), Err(KeyringError::Foreign { .. })));
    }

    #[test]
    fn a_file_that_says_something_else_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(NAME), b"keys = [1]").unwrap();
        let keyring = Keyring::from_file(&KeyringFile::fresh().unwrap()).unwrap();
        assert!(matches!(keyring.fit(directory.path()), Err(KeyringError::File { .. })));
    }
}
