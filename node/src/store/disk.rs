//! The data directory: whose it is, who holds it, and which state in it is in force.
//!
//! ```text
//! identity.toml         cluster, node and a random incarnation; another's directory is refused
//! LOCK                  held while a process uses the directory
//! log/                  RocksDB: entries, vote, committed
//! state/ACTIVE          number of the generation in force; replaced by rename
//! state/<generation>/   RocksDB: the state
//! snapshots/<name>/     checkpoints to send to others; the newest is kept
//! incoming/<name>/      snapshots on their way in; nothing here outlives a start
//! ```
//!
//! Trust: nothing here authenticates itself. Who can write the directory can roll the node back to an older copy of it,
//! which is why a restored directory must never join its old cluster again.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use xacminh_core::command::TreeHead;

const IDENTITY: &str = "identity.toml";
const LOCK: &str = "LOCK";
const ACTIVE: &str = "ACTIVE";
const TEMPORARY: &str = "tmp";
const VERSION: u32 = 1;

/// For the owner only: sealed values still tell how many people are known.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A data directory, held by this process for as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    incarnation: u128,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process holds it.
    #[error("data directory {path} is in use by another process: one directory serves one node")]
    InUse {
        /// The directory.
        path: String,
    },
    /// It belongs to another cluster.
    #[error("data directory {path} belongs to cluster `{found}`, this node is configured for `{expected}`")]
    OtherCluster {
        /// The directory.
        path: String,
        /// The cluster it belongs to.
        found: String,
        /// The cluster configured.
        expected: String,
    },
    /// It belongs to another node.
    #[error("data directory {path} belongs to node {found}, this is node {expected}: ids are never reused")]
    OtherNode {
        /// The directory.
        path: String,
        /// The node it belongs to.
        found: u64,
        /// The node configured.
        expected: u64,
    },
    /// There are files in it, but none that says whose it is.
    #[error("directory {path} is not empty and no data directory: choose an empty one")]
    Foreign {
        /// The directory.
        path: String,
    },
    /// A file in it does not say what it should.
    #[error("{path}: {problem}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    version: u32,
    cluster: String,
    node: u64,
    incarnation: String,
}

impl DataDir {
    /// Opens the directory of a node, making it if it does not exist or is empty.
    ///
    /// `incarnation` is a fresh random number, used only if the directory is new.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn open(root: &Path, cluster: &str, node: u64, incarnation: u128) -> Result<Self, DiskError> {
        make_folder(root)?;
        let lock = hold(root)?;
        let identity = match fs::read_to_string(root.join(IDENTITY)) {
            Ok(text) => read_identity(root, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_foreign(root)?;
                let identity = Identity {
                    version: VERSION,
                    cluster: cluster.to_owned(),
                    node,
                    incarnation: format!("{incarnation:032x}"),
                };
                let text = toml::to_string(&identity).expect("four plain fields are TOML");
                // If we crash before the rename the directory is still new; after it, it is ours for ever.
                replace(root, IDENTITY, text.as_bytes())?;
                identity
            }
            Err(source) => return Err(io_error(&root.join(IDENTITY), source)),
        };
        check_owner(root, &identity, cluster, node)?;
        let incarnation = u128::from_str_radix(&identity.incarnation, 16)
            .map_err(|_| damaged(&root.join(IDENTITY), "the incarnation is not a hexadecimal number"))?;
        let directory = Self { root: root.to_owned(), incarnation, _lock: lock };
        for folder in [directory.states(), directory.snapshots(), directory.incoming()] {
            make_folder(&folder)?;
        }
        directory.settle()?;
        Ok(directory)
    }

    /// Random number given to the directory when it was made: a wiped disk has another.
    #[must_use]
    pub const fn incarnation(&self) -> u128 {
        self.incarnation
    }

    /// Where the log lives.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Where snapshots to send lie.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Where snapshots arrive.
    #[must_use]
    pub fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Where a generation of the state lives.
    #[must_use]
    pub fn state(&self, generation: u64) -> PathBuf {
        self.states().join(generation.to_string())
    }

    /// The generation in force.
    ///
    /// # Errors
    /// [`DiskError`] if the pointer is lost or unreadable: a state is never taken for new because of that.
    pub fn active(&self) -> Result<u64, DiskError> {
        let path = self.states().join(ACTIVE);
        let text = fs::read_to_string(&path).map_err(|source| io_error(&path, source))?;
        text.trim().parse().map_err(|_| damaged(&path, "not the number of a generation"))
    }

    /// Puts a generation in force, durably.
    ///
    /// # Errors
    /// [`DiskError::Io`].
    pub fn activate(&self, generation: u64) -> Result<(), DiskError> {
        sync_folder(&self.states())?;
        // If we crash before the rename the old generation is in force and the new one is removed at the next start;
        // after it, the other way round.
        replace(&self.states(), ACTIVE, format!("{generation}\n").as_bytes())
    }

    /// Keeps a committed entry that contradicts the state, and what the state was, in `evidence/`.
    ///
    /// # Errors
    /// [`DiskError::Io`].
    pub fn keep_evidence(&self, index: u64, entry: &[u8], tree: &TreeHead, problem: &str) -> Result<(), DiskError> {
        let folder = self.root.join("evidence");
        make_folder(&folder)?;
        let root: String = tree.root.iter().map(|byte| format!("{byte:02x}")).collect();
        let report = format!("entry = {index}\nproblem = {problem:?}\nleaves = {}\nroot = \"{root}\"\n", tree.leaves);
        replace(&folder, &format!("entry-{index}.toml"), report.as_bytes())?;
        replace(&folder, &format!("entry-{index}.command"), entry)
    }

    fn states(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Makes the first generation, or removes what a crash left behind.
    fn settle(&self) -> Result<(), DiskError> {
        if !self.states().join(ACTIVE).exists() {
            // The pointer is written before the log is made, so a log without a pointer means that it was lost.
            if self.log().exists() {
                return Err(damaged(
                    &self.states().join(ACTIVE),
                    "lost: restore it, or start this node anew with a new id",
                ));
            }
            make_folder(&self.state(1))?;
            self.activate(1)?;
        }
        let active = self.active()?.to_string();
        remove_all_but(&self.states(), &[ACTIVE, &active])?;
        remove_all_but(&self.incoming(), &[])?;
        for entry in entries(&self.snapshots())? {
            if entry.extension().is_some_and(|extension| extension == TEMPORARY) {
                remove(&entry)?;
            }
        }
        Ok(())
    }
}

fn hold(root: &Path) -> Result<File, DiskError> {
    let path = root.join(LOCK);
    let lock = File::options().write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
    let lock = lock.map_err(|source| io_error(&path, source))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DiskError::InUse { path: root.display().to_string() }),
        Err(TryLockError::Error(source)) => Err(io_error(&path, source)),
    }
}

fn read_identity(root: &Path, text: &str) -> Result<Identity, DiskError> {
    let path = root.join(IDENTITY);
    let identity: Identity =
        toml::from_str(text).map_err(|_| damaged(&path, "does not say whose directory this is"))?;
    if identity.version == VERSION { Ok(identity) } else { Err(damaged(&path, "of another version than this program")) }
}

fn check_owner(root: &Path, identity: &Identity, cluster: &str, node: u64) -> Result<(), DiskError> {
    let path = root.display().to_string();
    if identity.cluster != cluster {
        return Err(DiskError::OtherCluster { path, found: identity.cluster.clone(), expected: cluster.to_owned() });
    }
    if identity.node != node {
        return Err(DiskError::OtherNode { path, found: identity.node, expected: node });
    }
    Ok(())
}

/// A directory without an identity may hold the lock and what a crash left of writing the identity, nothing else.
fn refuse_foreign(root: &Path) -> Result<(), DiskError> {
    let ours = [LOCK.to_owned(), format!("{IDENTITY}.{TEMPORARY}"), "lost+found".to_owned()];
    let foreign = entries(root)?.iter().any(|path| !ours.iter().any(|name| path.ends_with(name)));
    if foreign { Err(DiskError::Foreign { path: root.display().to_string() }) } else { Ok(()) }
}

fn remove_all_but(folder: &Path, kept: &[&str]) -> Result<(), DiskError> {
    for path in entries(folder)? {
        if !kept.iter().any(|name| path.ends_with(name)) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), DiskError> {
    tracing::info!(path = %path.display(), "removing what an earlier process left unfinished");
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(|source| io_error(path, source))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    read().map_err(|source| io_error(folder, source))
}

/// Makes a folder, and those above it that are missing, durably: what is fsynced in a folder that a power cut takes away
/// is gone all the same.
pub(super) fn make_folder(path: &Path) -> Result<(), DiskError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !is_there(folder)).collect();
    fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(|source| io_error(path, source))?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_folder(above)?;
    }
    Ok(())
}

/// The empty path above a relative one is the current folder.
fn is_there(folder: &Path) -> bool {
    folder.as_os_str().is_empty() || folder.exists()
}

/// Replaces a file so that a crash leaves the old content or the new, never a mixture.
pub(super) fn replace(folder: &Path, name: &str, content: &[u8]) -> Result<(), DiskError> {
    let temporary = folder.join(format!("{name}.{TEMPORARY}"));
    let write = || {
        let mut file = File::options().write(true).create(true).truncate(true).mode(FILE_MODE).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, folder.join(name))?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| io_error(&folder.join(name), source))
}

pub(super) fn sync_folder(path: &Path) -> Result<(), DiskError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: io::Error) -> DiskError {
    DiskError::Io { path: path.display().to_string(), source }
}

fn damaged(path: &Path, problem: &'static str) -> DiskError {
    DiskError::Damaged { path: path.display().to_string(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(root: &Path) -> Result<DataDir, DiskError> {
        DataDir::open(root, "da-nang", 1, 77)
    }

    #[test]
    fn a_new_directory_is_ours_and_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("data");
        let made = open(&root).unwrap();
        assert_eq!((made.incarnation(), made.active().unwrap()), (77, 1));
        drop(made);
        let again = DataDir::open(&root, "da-nang", 1, 78).unwrap();
        assert_eq!(again.incarnation(), 77, "the incarnation is the directory's, not the process's");
        drop(again);
        let error = DataDir::open(&root, "da-nang", 2, 0).unwrap_err();
        assert!(matches!(error, DiskError::OtherNode { found: 1, expected: 2, .. }), "{error}");
        let error = DataDir::open(&root, "hue", 1, 0).unwrap_err();
        assert!(matches!(error, DiskError::OtherCluster { .. }), "{error}");
        assert!(error.to_string().contains("belongs to cluster `da-nang`, this node is configured for `hue`"));
    }

    #[test]
    fn two_holders_of_one_directory_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let held = open(folder.path()).unwrap();
        assert!(matches!(open(folder.path()), Err(DiskError::InUse { .. })));
        drop(held);
        open(folder.path()).unwrap();
    }

    #[test]
    fn folders_are_made_as_deep_as_needed_and_relative_ones_too() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        make_folder(&deep).unwrap();
        make_folder(&deep).unwrap();
        assert!(deep.is_dir());
        assert!(is_there(Path::new("")) && is_there(Path::new(".")));
        let made = open(&folder.path().join("x/y")).unwrap();
        // A log made beside a state that a power cut took away would be taken for a new node's.
        assert!(made.state(1).is_dir(), "the state in force is there before it is said to be");
    }

    #[test]
    fn a_directory_of_other_files_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.doc"), "keep me").unwrap();
        assert!(matches!(open(folder.path()), Err(DiskError::Foreign { .. })));
        assert_eq!(fs::read_to_string(folder.path().join("thesis.doc")).unwrap(), "keep me");
    }

    #[test]
    fn damage_is_an_error_and_never_a_new_start() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        fs::create_dir(folder.path().join("log")).unwrap();
        let active = folder.path().join("state").join(ACTIVE);
        fs::write(&active, "one\n").unwrap();
        assert!(matches!(open(folder.path()), Err(DiskError::Damaged { .. })));
        fs::remove_file(&active).unwrap();
        assert!(matches!(open(folder.path()), Err(DiskError::Damaged { .. })));
        fs::write(folder.path().join(IDENTITY), "cluster = 3").unwrap();
        assert!(matches!(open(folder.path()), Err(DiskError::Damaged { .. })));
    }

    #[test]
    fn leftovers_are_removed_and_the_active_state_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(folder.path()).unwrap();
        for leftover in [
            directory.state(2),
            directory.incoming().join("a"),
            directory.snapshots().join("b.tmp"),
            directory.snapshots().join("c"),
        ] {
            fs::create_dir(leftover).unwrap();
        }
        drop(directory);
        let directory = open(folder.path()).unwrap();
        assert!(directory.state(1).exists() && directory.snapshots().join("c").exists());
        assert!(!directory.state(2).exists() && !directory.incoming().join("a").exists());
        assert!(!directory.snapshots().join("b.tmp").exists());
        directory.activate(5).unwrap();
        assert_eq!(directory.active().unwrap(), 5);
    }
}
