//! Snapshots: a RocksDB checkpoint in a folder, with a manifest that binds its files to a place in the log.
//!
//! A snapshot being made or received lies in a folder that nobody takes for one; it gets its name when it is whole and
//! on the disk. The receiver checks the size and BLAKE3 of every file before that.

mod build;
mod manifest;
mod receive;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

pub use manifest::{FILES_MAX, MANIFEST_BYTES_MAX, Manifest, ManifestFile};
pub use receive::Receiving;

pub use build::SnapshotBuilder;
pub(super) use build::{SnapshotMetaOf, SnapshotOf, described, newest_in};

/// A whole snapshot in a folder. Clones share it; the folder goes with the last of them once it is obsolete.
#[derive(Clone)]
pub struct SnapshotDir {
    folder: Arc<SnapshotFolder>,
}

struct SnapshotFolder {
    path: PathBuf,
    manifest: Manifest,
    /// Whether this process has seen that the files are those of the manifest.
    verified: AtomicBool,
    obsolete: AtomicBool,
}

impl SnapshotDir {
    /// The folder with the files that the manifest names.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder.path
    }

    /// What is in it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.folder.manifest
    }

    /// Begins to receive a snapshot into a new folder below `incoming`.
    ///
    /// # Errors
    /// If the manifest is not sound (bad names, too many files), or the disk refuses.
    pub fn receive(incoming: &Path, manifest: Manifest) -> io::Result<Receiving> {
        Receiving::begin(incoming, manifest)
    }

    /// A folder whose files are known to be those of the manifest.
    fn verified(path: PathBuf, manifest: Manifest) -> Self {
        Self::at(path, manifest, true)
    }

    /// The snapshot at `path`, as an earlier process left it.
    ///
    /// # Errors
    /// If it is damaged: a damaged snapshot is never taken for no snapshot.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        let manifest = Manifest::read(path)?;
        for file in &manifest.files {
            let found = fs::metadata(path.join(&file.name))?.len();
            if found != file.size {
                let message =
                    format!("snapshot {}: {} has {found} bytes, not {}", path.display(), file.name, file.size);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        Ok(Self::at(path.to_owned(), manifest, false))
    }

    fn at(path: PathBuf, manifest: Manifest, verified: bool) -> Self {
        let folder =
            SnapshotFolder { path, manifest, verified: AtomicBool::new(verified), obsolete: AtomicBool::new(false) };
        Self { folder: Arc::new(folder) }
    }

    /// Checks every file against the manifest, unless this process has done so.
    pub(super) fn verify(&self) -> io::Result<()> {
        if self.folder.verified.load(Ordering::Acquire) {
            return Ok(());
        }
        for file in &self.folder.manifest.files {
            file.check(&self.folder.path)?;
        }
        self.folder.verified.store(true, Ordering::Release);
        Ok(())
    }

    /// Removes the folder once nobody uses it any more.
    pub(super) fn retire(&self) {
        self.folder.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for SnapshotFolder {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire)
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            // The next start removes it.
            tracing::warn!(path = %self.path.display(), %error, "an old snapshot could not be removed");
        }
    }
}

impl fmt::Debug for SnapshotDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotDir({})", self.path().display())
    }
}
