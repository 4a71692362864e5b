//! Which disk belongs to which node id, as first seen: `peers.toml` in the data directory.
//!
//! A node that comes back under its old id with an empty log could vote for what it has forgotten and split the
//! cluster.
//! Every data directory draws a random incarnation once; each node remembers the first it saw of a peer and refuses
//! another.
//! The file is not a secret and not trusted with anything else: who can write it can make this node refuse a peer or
//! accept a wiped one, and who can write here can do worse.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

/// Name of the file in the data directory.
const FILE: &str = "peers.toml";

/// What went wrong with the book.
#[derive(Debug, thiserror::Error)]
pub enum PeerBookError {
    /// A peer has lost its disk and kept its id.
    #[error("node {0} has a new disk; give it a new id")]
    NewDisk(u64),
    /// The book cannot be understood.
    #[error("{} is damaged; restore it, or remove it if no peer has lost its disk", .0.display())]
    Damaged(PathBuf),
    /// The book cannot be read or written.
    #[error("cannot keep {}", .path.display())]
    File {
        /// The book.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The first incarnation seen of each peer.
#[derive(Debug)]
pub struct PeerBook {
    path: PathBuf,
    seen: Mutex<BTreeMap<u64, u128>>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Node id → incarnation in hexadecimal; TOML has no integers of that size, and its keys are texts.
    incarnations: BTreeMap<String, String>,
}

impl PeerBook {
    /// Opens the book of a data directory; a missing one is empty.
    ///
    /// # Errors
    /// [`PeerBookError`].
    pub fn open(data_dir: &Path) -> Result<Self, PeerBookError> {
        let path = data_dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(PeerBookError::File { path, source }),
        };
        let seen = if text.is_empty() { Some(BTreeMap::new()) } else { parse(&text) };
        match seen {
            Some(seen) => Ok(Self { path, seen: Mutex::new(seen) }),
            None => Err(PeerBookError::Damaged(path)),
        }
    }

    /// Remembers the incarnation of a peer at first sight, durably, and refuses another one ever after.
    ///
    /// Blocks on the disk at first sight of a peer.
    ///
    /// # Errors
    /// [`PeerBookError::NewDisk`], or [`PeerBookError::File`] when it could not be remembered.
    pub fn check(&self, node_id: u64, incarnation: u128) -> Result<(), PeerBookError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(&node_id) {
            Some(known) if *known == incarnation => return Ok(()),
            Some(_) => return Err(PeerBookError::NewDisk(node_id)),
            None => {}
        }
        let mut next = seen.clone();
        next.insert(node_id, incarnation);
        // If we crash before the rename, the peer is unknown and will be seen first again: no harm, nothing was said
        // to it yet. After the rename it is known. It is never half known.
        write(&self.path, &next).map_err(|source| PeerBookError::File { path: self.path.clone(), source })?;
        *seen = next;
        Ok(())
    }
}

fn parse(text: &str) -> Option<BTreeMap<u64, u128>> {
    let page: Page = toml::from_str(text).ok()?;
    let entry = |(node, incarnation): (String, String)| {
        Some((node.parse().ok()?, u128::from_str_radix(&incarnation, 16).ok()?))
    };
    page.incarnations.into_iter().map(entry).collect()
}

fn write(path: &Path, seen: &BTreeMap<u64, u128>) -> io::Result<()> {
    let incarnations = seen.iter().map(|(node, seen)| (node.to_string(), format!("{seen:032x}"))).collect();
    let text = toml::to_string(&Page { incarnations }).map_err(io::Error::other)?;
    let draft = path.with_extension("toml.new");
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_incarnation_counts_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let book = PeerBook::open(folder.path()).unwrap();
        book.check(2, 77).unwrap();
        book.check(2, 77).unwrap();
        book.check(3, u128::MAX).unwrap();
        assert!(matches!(book.check(2, 78), Err(PeerBookError::NewDisk(2))));

        let book = PeerBook::open(folder.path()).unwrap();
        book.check(2, 77).unwrap();
        book.check(3, u128::MAX).unwrap();
        let error = book.check(2, 78).unwrap_err();
        assert_eq!(error.to_string(), "node 2 has a new disk; give it a new id");
    }

    #[test]
    fn a_damaged_book_is_not_an_empty_book() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["incarnations = 1", "[incarnations]\n2 = \"xyz\"", "[incarnations]\nx = \"1\"", "other = 1"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert!(matches!(PeerBook::open(folder.path()), Err(PeerBookError::Damaged(_))), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_remembered_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let book = PeerBook::open(&folder.path().join("gone")).unwrap();
        assert!(matches!(book.check(2, 77), Err(PeerBookError::File { .. })));
        assert!(matches!(book.check(2, 77), Err(PeerBookError::File { .. })));
    }
}
