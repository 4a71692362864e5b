//! Making a snapshot of the state, and putting one in its place.

use std::{
    collections::HashMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::Ordering},
};

use openraft::{Snapshot, SnapshotMeta, storage::RaftSnapshotBuilder, type_config::alias};
use rocksdb::checkpoint::Checkpoint;
use tokio::task;

use super::{Manifest, ManifestFile, SnapshotDir};
use crate::{
    raft::TypeConfig,
    store::{
        disk,
        encoding::{LogIdOf, malformed},
        generation::Generation,
        rocks,
        state::Shared,
        tables::{self, Head},
    },
};

pub(in crate::store) type SnapshotOf = alias::SnapshotOf<TypeConfig, SnapshotDir>;
pub(in crate::store) type SnapshotMetaOf = alias::SnapshotMetaOf<TypeConfig>;

/// Builds snapshots beside the applying of entries.
pub struct SnapshotBuilder {
    pub(in crate::store) shared: Arc<Shared>,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotDir;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf> {
        let shared = Arc::clone(&self.shared);
        let built = task::spawn_blocking(move || shared.build_snapshot());
        Ok(described(built.await.map_err(io::Error::other)??))
    }
}

/// A snapshot as openraft knows it.
pub(in crate::store) fn described(snapshot: SnapshotDir) -> SnapshotOf {
    let manifest = snapshot.manifest();
    let meta = SnapshotMeta { last_log_id: manifest.log_id, last_membership: manifest.membership.clone() };
    Snapshot { meta, snapshot }
}

impl Shared {
    /// The newest snapshot.
    pub(in crate::store) fn newest(&self) -> Option<SnapshotDir> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a snapshot of what is applied, and keeps it as the newest.
    ///
    /// Entries go on being applied meanwhile: the checkpoint flushes all tables in one atomic step, and what it says of
    /// itself decides which entry the snapshot stands at.
    pub(in crate::store) fn build_snapshot(&self) -> io::Result<SnapshotDir> {
        let _one_at_a_time = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.generation.load_full();
        // The bulk of the memory goes to disk first, so that the checkpoint's own flush is short.
        self.flush()?;
        let applied = generation.head().applied;
        let scrubs = generation.scrubs.load(Ordering::Acquire);
        let is_new = self.newest_scrubs.load(Ordering::Acquire) == scrubs;
        if let Some(newest) = self.newest().filter(|newest| is_new && newest.manifest().log_id == applied) {
            return Ok(newest);
        }
        let temporary = self.directory.snapshots().join("building.tmp");
        remove_if_there(&temporary)?;
        let checkpoint = Checkpoint::new(&generation.db).map_err(|error| self.fail(error))?;
        checkpoint.create_checkpoint(&temporary).map_err(|error| self.fail(error))?;
        let manifest = describe(&temporary, self.newest().as_ref())?;
        manifest.write(&temporary)?;
        // If we crash here, the folder has no name that counts, and the next start removes it.
        let name = name_of(manifest.log_id.as_ref(), generation.number);
        let path = free(&self.directory.snapshots(), &name);
        fs::rename(&temporary, &path)?;
        disk::sync_folder(&self.directory.snapshots()).map_err(io::Error::other)?;
        // The checkpoint flushed the state itself.
        if let Some(applied) = &manifest.log_id {
            self.floor.advance(applied.index);
        }
        let snapshot = SnapshotDir::verified(path, manifest);
        self.keep(&snapshot, scrubs);
        Ok(snapshot)
    }

    /// Puts a snapshot in the place of the state. Crash-atomic: the pointer to the generation in force decides.
    pub(in crate::store) fn install(&self, meta: &SnapshotMetaOf, snapshot: &SnapshotDir) -> io::Result<()> {
        let _no_build = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let manifest = snapshot.manifest();
        if (manifest.log_id, &manifest.membership) != (meta.last_log_id, &meta.last_membership) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the snapshot's files are those of another snapshot"));
        }
        snapshot.verify()?;
        let number = self.generation.load().number + 1;
        let path = self.directory.state(number);
        remove_if_there(&path)?;
        link_files(snapshot, &path)?;
        let next = Generation::open(number, &path, &self.block_cache)?;
        if !manifest.describes(&next.head()) {
            next.discard();
            return Err(malformed("a snapshot whose content is not what its manifest says"));
        }
        // If we crash here, the old state is in force and the next start removes the new one.
        self.directory.activate(number).map_err(io::Error::other)?;
        // If we crash here, the new state is in force; openraft finds its log behind it and purges it.
        let old = self.generation.swap(next);
        old.discard();
        if let Some(applied) = &manifest.log_id {
            self.floor.advance(applied.index);
        }
        self.adopt(snapshot, number)
    }

    /// Keeps an installed snapshot among our own, to be sent on.
    fn adopt(&self, snapshot: &SnapshotDir, generation: u64) -> io::Result<()> {
        let manifest = snapshot.manifest();
        let path = self.directory.snapshots().join(name_of(manifest.log_id.as_ref(), generation));
        if path == snapshot.path() {
            self.keep(snapshot, 0);
            return Ok(());
        }
        let temporary = self.directory.snapshots().join("adopting.tmp");
        remove_if_there(&temporary)?;
        remove_if_there(&path)?;
        link_files(snapshot, &temporary)?;
        manifest.write(&temporary)?;
        fs::rename(&temporary, &path)?;
        disk::sync_folder(&self.directory.snapshots()).map_err(io::Error::other)?;
        self.keep(&SnapshotDir::verified(path, manifest.clone()), 0);
        Ok(())
    }

    /// Makes a snapshot the newest, of tables that were scrubbed so often; the one before goes when nobody sends it any more.
    fn keep(&self, snapshot: &SnapshotDir, scrubs: u64) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        self.newest_scrubs.store(scrubs, Ordering::Release);
        let before = newest.replace(snapshot.clone());
        if let Some(before) = before.filter(|before| before.path() != snapshot.path()) {
            before.retire();
        }
    }
}

/// Finds the newest snapshot an earlier process left, and removes the others.
pub(in crate::store) fn newest_in(folder: &Path) -> io::Result<Option<SnapshotDir>> {
    let mut newest: Option<SnapshotDir> = None;
    for entry in fs::read_dir(folder)? {
        let found = SnapshotDir::load(&entry?.path())?;
        let older = match newest.take() {
            Some(newer) if newer.manifest().log_id >= found.manifest().log_id => {
                newest = Some(newer);
                Some(found)
            }
            older => {
                newest = Some(found);
                older
            }
        };
        if let Some(older) = older {
            older.retire();
        }
    }
    Ok(newest)
}

/// Lists what a checkpoint consists of. Tables never change, so a hash known from the snapshot before is used again.
fn describe(checkpoint: &Path, before: Option<&SnapshotDir>) -> io::Result<Manifest> {
    let head = Head::load(&tables::open_read_only(checkpoint).map_err(rocks::io_error)?)?;
    let known: HashMap<&str, &ManifestFile> = before
        .filter(|before| before.path().parent() == checkpoint.parent())
        .map(|before| before.manifest().files.iter().map(|file| (file.name.as_str(), file)).collect())
        .unwrap_or_default();
    let mut files = Vec::new();
    for entry in fs::read_dir(checkpoint)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| malformed("a file name in a checkpoint"))?;
        if is_table(&name) || name == "CURRENT" || name.starts_with("MANIFEST-") {
            let same = known.get(name.as_str()).filter(|file| is_same_table(file, before, &entry.path()));
            files.push(match same {
                Some(file) => (*file).clone(),
                None => ManifestFile::of(checkpoint, &name)?,
            });
        } else {
            // Options and logs: the receiver opens the tables with its own.
            fs::remove_file(entry.path())?;
        }
    }
    files.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Manifest::new(&head, files))
}

/// Whether two names are one file: both are links to the table as RocksDB wrote it.
fn is_same_table(file: &ManifestFile, before: Option<&SnapshotDir>, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |path: &Path| fs::metadata(path).map(|facts| (facts.dev(), facts.ino())).ok();
    let other = before.and_then(|before| inode(&before.path().join(&file.name)));
    is_table(&file.name) && other.is_some() && other == inode(path)
}

fn is_table(name: &str) -> bool {
    name.ends_with(".sst")
}

/// Tables never change and are linked; the others are small, and a database that opens them may write to them.
fn link_files(snapshot: &SnapshotDir, to: &Path) -> io::Result<()> {
    disk::make_folder(to).map_err(io::Error::other)?;
    for file in &snapshot.manifest().files {
        let (from, into) = (snapshot.path().join(&file.name), to.join(&file.name));
        let linked = is_table(&file.name) && fs::hard_link(&from, &into).is_ok();
        if !linked {
            fs::copy(&from, &into)?;
            fs::File::open(&into)?.sync_all()?;
        }
    }
    disk::sync_folder(to).map_err(io::Error::other)
}

/// Folder of a snapshot: where it stands in the log, and which life of the state it is from.
fn name_of(log_id: Option<&LogIdOf>, generation: u64) -> PathBuf {
    let (index, term) = log_id.map_or((0, 0), |log_id| (log_id.index, log_id.leader_id.term));
    PathBuf::from(format!("{index}-{term}-{generation}"))
}

/// The name, or one like it that nothing has: the snapshot of tables before they were scrubbed may stand at the same place.
fn free(folder: &Path, name: &Path) -> PathBuf {
    let again = (1_u32..).map(|number| folder.join(format!("{}-{number}", name.display())));
    std::iter::once(folder.join(name))
        .chain(again)
        .find(|path| !path.exists())
        .expect("a folder has fewer names than that")
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
