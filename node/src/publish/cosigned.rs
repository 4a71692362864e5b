//! The newest cosigned checkpoint of each year, one small file each, replaced as a whole.
//!
//! ```text
//! <data_dir>/notary/cosigned-<year>     received <Unix milliseconds, our clock>
//!                                       <the checkpoint with its signatures and cosignatures>
//! ```
//!
//! Nothing here is needed to be right: a lost file costs readers some seconds without cosignatures. What is read back
//! is looked at again all the same, because it is handed out under the log's name.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use xacminh_proto::transparency::{
    Checkpoint,
    note::{NOTE_BYTES_MAX, Note, VerifierKey},
};

const PREFIX: &str = "cosigned-";
const DRAFT: &str = "cosigned.new";

/// Largest file: a note and its first line.
const FILE_BYTES_MAX: usize = NOTE_BYTES_MAX + 64;

/// What is known of each year; shared by those who cosign and those who hand out.
pub struct Cosigned {
    folder: PathBuf,
    newest: Mutex<BTreeMap<u16, Arc<Entry>>>,
}

/// A checkpoint that witnesses have cosigned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) size: u64,
    /// When the newest of the cosignatures came in, by our clock.
    pub(super) at_ms: u64,
    pub(super) note: Note,
}

impl Cosigned {
    /// Reads what there is in a folder. `keys` gives the log's keys of a year: what none of them signed is left alone,
    /// as is what cannot be read.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn open(folder: &Path, keys: impl Fn(u16) -> Vec<VerifierKey>) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut newest = BTreeMap::new();
        for file in fs::read_dir(folder)? {
            let file = file?;
            let name = file.file_name();
            let Some(year) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok()) else { continue };
            match fs::read(file.path()).map(|bytes| Entry::parse(&bytes, &keys(year))) {
                Ok(Some(entry)) => drop(newest.insert(year, Arc::new(entry))),
                Ok(None) => {
                    tracing::warn!(year, "the kept cosigned checkpoint is damaged or another log's: left alone");
                }
                Err(error) => tracing::warn!(year, %error, "the kept cosigned checkpoint cannot be read"),
            }
        }
        Ok(Self { folder: folder.to_owned(), newest: Mutex::new(newest) })
    }

    /// The newest cosigned checkpoint of a year.
    pub(super) fn of(&self, year: u16) -> Option<Arc<Entry>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).get(&year).map(Arc::clone)
    }

    /// Keeps a checkpoint for good, then lets it be seen. If we crash before the rename, the one before it is still
    /// there; after it, this one is.
    pub(super) fn keep(&self, year: u16, entry: Entry) -> io::Result<()> {
        let draft = self.folder.join(DRAFT);
        let mut file = File::create(&draft)?;
        file.write_all(entry.encode().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, self.folder.join(format!("{PREFIX}{year}")))?;
        File::open(&self.folder)?.sync_all()?;
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).insert(year, Arc::new(entry));
        Ok(())
    }
}

impl Entry {
    fn encode(&self) -> String {
        format!("received {}\n{}", self.at_ms, self.note)
    }

    fn parse(bytes: &[u8], keys: &[VerifierKey]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok().filter(|text| text.len() <= FILE_BYTES_MAX)?;
        let (first, note) = text.split_once('\n')?;
        let at_ms = first.strip_prefix("received ")?.parse().ok()?;
        let note = Note::parse(note.as_bytes()).ok()?;
        let checkpoint = Checkpoint::parse(note.text()).ok()?;
        note.open(keys.iter().filter(|key| key.name() == checkpoint.origin())).ok()?;
        Some(Self { size: checkpoint.size(), at_ms, note })
    }
}

impl std::fmt::Debug for Cosigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cosigned").field("folder", &self.folder).finish_non_exhaustive()
    }
}
