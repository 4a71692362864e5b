//! What the witness has seen: the newest head of each log, in one small file that is replaced as a whole.
//!
//! ```text
//! LOCK      held while a process uses the directory
//! heads     xacminh-witness/v1
//!           cosigner <verifier key>
//!           head <size> <time, Unix seconds> <root, hex> <origin>      one line for each log
//!           sha256 <of everything above, hex>
//! ```
//!
//! **Trust.** The hash finds accidents, not attackers: who can write this file can make the witness forget, and cosign
//! a second history under the same key. So can whoever restores an older copy of it. That is why a witness whose file is
//! gone does not start: `keygen` makes the file together with the key, and nothing else ever does.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use xacminh_proto::{
    hex,
    transparency::{Checkpoint, note::VerifierKey, witness::Head},
};

const HEADS: &str = "heads";
const DRAFT: &str = "heads.new";
const LOCK: &str = "LOCK";
const VERSION: &str = "xacminh-witness/v1";

/// Hundreds of logs with long names fit a hundred times.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Nothing in it is secret, but only the witness may write it.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The heads of every log, and the directory they are kept in, held by this process for as long as this value lives.
pub(super) struct Memory {
    folder: PathBuf,
    heads: Heads,
    _lock: File,
}

/// What is remembered, without where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heads {
    cosigner: String,
    seen: BTreeMap<String, Seen>,
}

/// The newest checkpoint that was cosigned for one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) head: Head,
    /// The time in the newest cosignature, Unix seconds.
    pub(super) time_s: u64,
}

/// Why the memory cannot be used. None of these is to be repaired by deleting a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum MemoryError {
    #[error("state directory {path} is in use by another process: one directory serves one witness")]
    InUse { path: String },
    #[error(
        "{path} is missing: a witness that has forgotten what it cosigned must not go on under its key. \
         Make a new key and a new state with `keygen`, and tell those who trust the old one"
    )]
    Missing { path: String },
    #[error("{path} is damaged: a witness that does not know what it cosigned must not go on under its key")]
    Damaged { path: String },
    #[error("{path} belongs to the cosigner {found}: one state serves one key")]
    OtherCosigner { path: String, found: String },
    #[error("{path} is there already: a state is made once, with its key")]
    Exists { path: String },
    #[error("{path}")]
    Io { path: String, source: io::Error },
}

impl Memory {
    /// Makes the state of a cosigner that has cosigned nothing yet.
    pub(super) fn create(folder: &Path, cosigner: &VerifierKey) -> Result<(), MemoryError> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| MemoryError::Io { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed(folder))?;
        let _lock = lock(folder)?;
        let path = folder.join(HEADS);
        if path.exists() {
            return Err(MemoryError::Exists { path: path.display().to_string() });
        }
        let heads = Heads { cosigner: cosigner.to_string(), seen: BTreeMap::new() };
        replace(folder, &heads).map_err(failed(&path))
    }

    /// Opens the state of this cosigner.
    pub(super) fn open(folder: &Path, cosigner: &VerifierKey) -> Result<Self, MemoryError> {
        let lock = lock(folder)?;
        let heads = Heads::read(folder)?;
        if heads.cosigner != cosigner.to_string() {
            let path = folder.join(HEADS).display().to_string();
            return Err(MemoryError::OtherCosigner { path, found: heads.cosigner });
        }
        // What a crash left is no part of the state: its cosignature never went out.
        match fs::remove_file(folder.join(DRAFT)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(MemoryError::Io { path: folder.join(DRAFT).display().to_string(), source })
            }
            _ => Ok(Self { folder: folder.to_owned(), heads, _lock: lock }),
        }
    }

    /// The newest checkpoint cosigned for a log.
    pub(super) fn seen(&self, origin: &str) -> Option<Seen> {
        self.heads.seen.get(origin).copied()
    }

    /// Remembers a checkpoint for good. On an error nobody knows which of the two is on disk: the process must end, and
    /// the next one reads it.
    pub(super) fn remember(&mut self, origin: &str, seen: Seen) -> io::Result<()> {
        self.heads.seen.insert(origin.to_owned(), seen);
        replace(&self.folder, &self.heads)
    }
}

impl Heads {
    /// Reads the file without holding the directory: it is replaced as a whole, so what is read was true.
    pub(super) fn read(folder: &Path) -> Result<Self, MemoryError> {
        let path = folder.join(HEADS);
        let place = || path.display().to_string();
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
        match read.map_err(|error| (error.kind(), error)) {
            Ok(_) => Self::parse(&text).ok_or_else(|| MemoryError::Damaged { path: place() }),
            Err((io::ErrorKind::NotFound, _)) => Err(MemoryError::Missing { path: place() }),
            Err((io::ErrorKind::InvalidData, _)) => Err(MemoryError::Damaged { path: place() }),
            Err((_, source)) => Err(MemoryError::Io { path: place(), source }),
        }
    }

    /// The heads in the order of their origins.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&str, &Seen)> {
        self.seen.iter().map(|(origin, seen)| (origin.as_str(), seen))
    }

    fn encode(&self) -> String {
        let mut text = format!("{VERSION}\ncosigner {}\n", self.cosigner);
        for (origin, Seen { head, time_s }) in &self.seen {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "head {} {time_s} {} {origin}", head.size, hex::text(&head.root));
        }
        let sum = hex::text(&Sha256::digest(text.as_bytes()));
        text + "sha256 " + &sum + "\n"
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, _) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let mut lines = body.strip_prefix(VERSION)?.strip_prefix('\n')?.split('\n');
        let cosigner = lines.next()?.strip_prefix("cosigner ")?.to_owned();
        let mut seen = BTreeMap::new();
        for line in lines {
            let mut words = line.strip_prefix("head ")?.split(' ');
            let (size, time_s) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let root = hex::array(words.next()?)?;
            // Holds what a checkpoint holds: a name that can be one, and the one root of an empty tree.
            let checkpoint = Checkpoint::new(words.next()?, size, root).ok()?;
            let head = Head { size, root };
            seen.insert(checkpoint.origin().to_owned(), Seen { head, time_s });
        }
        let heads = Self { cosigner, seen };
        // The sum is compared, and with it every other spelling refused.
        (heads.encode() == text).then_some(heads)
    }
}

fn lock(folder: &Path) -> Result<File, MemoryError> {
    let path = folder.join(LOCK);
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => MemoryError::Missing { path: folder.display().to_string() },
        _ => MemoryError::Io { path: path.display().to_string(), source },
    };
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(MemoryError::InUse { path: folder.display().to_string() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Replaces the file as a whole.
fn replace(folder: &Path, heads: &Heads) -> io::Result<()> {
    let draft = folder.join(DRAFT);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(&draft)?;
    file.write_all(heads.encode().as_bytes())?;
    file.sync_all()?;
    // If we crash here, the old file is in force: the new head was not cosigned, and the log asks again.
    fs::rename(&draft, folder.join(HEADS))?;
    // If we crash here, either file may be in force after a loss of power; both are whole, and nothing was cosigned.
    File::open(folder)?.sync_all()
    // If we crash from here on, the new file is in force, whether or not the cosignature went out.
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::key::CosignerKey;

    fn seen(size: u64) -> Seen {
        Seen { head: Head { size, root: [u8::try_from(size).unwrap(); 32] }, time_s: 1_803_859_210 + size }
    }

    fn made(folder: &Path) -> CosignerKey {
        let key = CosignerKey::make("witness.example/w1", &folder.join("witness.key")).unwrap();
        Memory::create(&folder.join("state"), key.public()).unwrap();
        key
    }

    #[test]
    fn what_was_seen_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let key = made(folder.path());
        let state = folder.path().join("state");
        let mut memory = Memory::open(&state, key.public()).unwrap();
        assert_eq!(memory.seen("log.example/1"), None);
        for (origin, size) in [("log.example/1", 7), ("log.example/2", 1), ("log.example/1", 9)] {
            memory.remember(origin, seen(size)).unwrap();
        }
        drop(memory);
        // A crash before the rename leaves a draft, torn or whole.
        fs::write(state.join(DRAFT), "torn").unwrap();
        let memory = Memory::open(&state, key.public()).unwrap();
        assert_eq!(memory.seen("log.example/1"), Some(seen(9)));
        assert_eq!(memory.seen("log.example/2"), Some(seen(1)));
        assert_eq!(memory.seen("log.example/3"), None);
        assert!(!state.join(DRAFT).exists());
        assert_eq!(Heads::read(&state).unwrap().seen().count(), 2);
    }

    #[test]
    fn one_directory_serves_one_process_and_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = made(folder.path());
        let state = folder.path().join("state");
        let held = Memory::open(&state, key.public()).unwrap();
        assert!(matches!(Memory::open(&state, key.public()), Err(MemoryError::InUse { .. })));
        drop(held);
        let other = CosignerKey::make("witness.example/w1", &folder.path().join("other.key")).unwrap();
        assert!(matches!(Memory::open(&state, other.public()), Err(MemoryError::OtherCosigner { .. })));
        assert!(matches!(Memory::create(&state, other.public()), Err(MemoryError::Exists { .. })));
        assert!(Memory::open(&state, key.public()).is_ok());
    }

    #[test]
    fn a_lost_memory_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let key = made(folder.path());
        let state = folder.path().join("state");
        fs::remove_file(state.join(HEADS)).unwrap();
        assert!(matches!(Memory::open(&state, key.public()), Err(MemoryError::Missing { .. })));
        let nowhere = folder.path().join("nowhere");
        assert!(matches!(Memory::open(&nowhere, key.public()), Err(MemoryError::Missing { .. })));
        assert!(!nowhere.exists());
    }

    #[test]
    fn every_changed_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let key = made(folder.path());
        let state = folder.path().join("state");
        let mut memory = Memory::open(&state, key.public()).unwrap();
        memory.remember("log.example/1", seen(7)).unwrap();
        memory.remember("log.example/2", seen(9)).unwrap();
        drop(memory);
        let sound = fs::read(state.join(HEADS)).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(state.join(HEADS), bytes).unwrap();
            matches!(Memory::open(&state, key.public()), Err(MemoryError::Damaged { .. }))
        };
        for at in 0..sound.len() {
            let mut changed = sound.clone();
            changed[at] ^= 1;
            assert!(refused(&changed), "byte {at}");
            assert!(refused(&sound[..at]), "the first {at} bytes");
        }
        assert!(refused(&[sound.as_slice(), b"\n"].concat()));
        let lines: Vec<&str> = std::str::from_utf8(&sound).unwrap().lines().collect();
        let without: String =
            lines.iter().filter(|it| !it.ends_with("log.example/1")).map(|it| format!("{it}\n")).collect();
        assert!(refused(without.as_bytes()), "a log that was forgotten");
        fs::write(state.join(HEADS), &sound).unwrap();
        assert!(Memory::open(&state, key.public()).is_ok());
    }
}
