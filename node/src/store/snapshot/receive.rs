//! A snapshot on its way in.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Manifest, ManifestFile, SnapshotDir};
use crate::store::disk;

/// Files that may be open at once; a sender sends one after the other.
const OPEN_FILES_MAX: usize = 8;

/// Tells the folders of one process apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Receives the files of a snapshot; dropped before [`Receiving::finish`], nothing of it is left.
pub struct Receiving {
    path: PathBuf,
    manifest: Manifest,
    wanted: HashMap<String, ManifestFile>,
    open: HashMap<String, Incoming>,
    kept: bool,
}

struct Incoming {
    file: File,
    hasher: blake3::Hasher,
    received: u64,
}

impl Receiving {
    pub(super) fn begin(incoming: &Path, manifest: Manifest) -> io::Result<Self> {
        manifest.check()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let index = manifest.log_id.map_or(0, |log_id| log_id.index);
        let path = incoming.join(format!("{index}-{number}"));
        disk::make_folder(incoming).map_err(io::Error::other)?;
        // Left by nobody: the start of the process emptied `incoming`.
        fs::create_dir(&path)?;
        let wanted = manifest.files.iter().map(|file| (file.name.clone(), file.clone())).collect();
        let mut receiving = Self { path, manifest, wanted, open: HashMap::new(), kept: false };
        receiving.make_empty_files()?;
        Ok(receiving)
    }

    /// Takes the next piece of a file. Pieces of one file come in order.
    ///
    /// # Errors
    /// A file that the manifest does not name or that is whole already, more bytes than it should have, content that is
    /// not the manifest's, or a disk that refuses. The snapshot must be given up then.
    pub fn write(&mut self, name: &str, chunk: &[u8]) -> io::Result<()> {
        if !self.open.contains_key(name) {
            self.open_file(name)?;
        }
        let (Some(wanted), Some(incoming)) = (self.wanted.get(name), self.open.get_mut(name)) else {
            return refuse(name, "is not expected");
        };
        incoming.received = incoming.received.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if incoming.received > wanted.size {
            return refuse(name, "is larger than announced");
        }
        incoming.hasher.update(chunk);
        incoming.file.write_all(chunk)?;
        if incoming.received == wanted.size { self.close(name) } else { Ok(()) }
    }

    /// Ends the transfer: every file must be whole and what the manifest says.
    ///
    /// # Errors
    /// If a file is missing or short, or the disk refuses.
    pub fn finish(mut self) -> io::Result<SnapshotDir> {
        if let Some(name) = self.wanted.keys().next() {
            return refuse(name, "is missing or cut off");
        }
        self.manifest.write(&self.path)?;
        disk::sync_folder(&self.path).map_err(io::Error::other)?;
        self.kept = true;
        let snapshot = SnapshotDir::verified(self.path.clone(), self.manifest.clone());
        // It lives until it is installed or given up, and not beyond this process.
        snapshot.retire();
        Ok(snapshot)
    }

    fn open_file(&mut self, name: &str) -> io::Result<()> {
        if !self.wanted.contains_key(name) {
            return refuse(name, "is not expected");
        }
        if self.open.len() >= OPEN_FILES_MAX {
            return refuse(name, "comes while too many others are unfinished");
        }
        let file = File::options().write(true).create_new(true).mode(0o600).open(self.path.join(name))?;
        self.open.insert(name.to_owned(), Incoming { file, hasher: blake3::Hasher::new(), received: 0 });
        Ok(())
    }

    fn close(&mut self, name: &str) -> io::Result<()> {
        let (Some(wanted), Some(incoming)) = (self.wanted.remove(name), self.open.remove(name)) else {
            return refuse(name, "is not expected");
        };
        if incoming.hasher.finalize() != wanted.blake3 {
            return refuse(name, "does not have the announced content");
        }
        incoming.file.sync_all()
    }

    /// No piece ever comes for a file without bytes.
    fn make_empty_files(&mut self) -> io::Result<()> {
        let empty: Vec<String> =
            self.manifest.files.iter().filter(|file| file.size == 0).map(|file| file.name.clone()).collect();
        for name in empty {
            self.open_file(&name)?;
            self.close(&name)?;
        }
        Ok(())
    }
}

fn refuse<T>(name: &str, problem: &str) -> io::Result<T> {
    // A name from elsewhere may contain anything.
    let message = format!("snapshot file {name:?} {problem}");
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "half a snapshot could not be removed");
        }
    }
}
