//! What a batch has learnt so far, kept beside its result so that a run can be killed at any moment.
//!
//! ```text
//! {"journal":1,"cluster":…,"seed":…}          first line: the seed that row keys and request ids come from
//! {"epoch_ms":…}                              request ids made from here on carry this time
//! {"key":…,"answer":{…}}                      one answered row
//! ```
//!
//! The result is made from the journal, never the other way round.
//! If we crash after a question was sent and before its answer is here, the next run derives the same request id from
//! seed, epoch and row, and the cluster gives the same answer again.
//! The journal holds what the answers disclosed: it is readable by its owner only, and may be deleted with the batch.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xacminh_proto::{hex, vocab::RequestId};

use crate::cli::{exit::CliError, report::AnswerJson};

use super::rows::RowKey;

/// Request ids are remembered for 24 hours; an epoch ends early enough for a slow run and a clock that is wrong.
const EPOCH_MS_MAX: u64 = 20 * 3_600_000;

/// Longest line: an answer with every attribute has a few kilobytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

const VERSION: u32 = 1;

/// An open journal; the process holds its lock.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    writer: File,
    seed: [u8; 32],
    epoch_ms: u64,
    /// Where the line of each answered row begins.
    answered: HashMap<RowKey, u64>,
    end: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Head { journal: u32, cluster: String, seed: String },
    Answer { key: String, answer: Box<AnswerJson> },
    Epoch { epoch_ms: u64 },
}

impl Journal {
    /// Opens or begins the journal at `path` for questions to `cluster`.
    pub(super) fn open(path: &Path, cluster: &str, now_ms: u64) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::file(path, error);
        let file = private(path).map_err(failed)?;
        file.try_lock().map_err(|_| CliError::file(path, "another batch is writing it"))?;
        let mut journal = Self {
            path: path.to_owned(),
            writer: file.try_clone().map_err(failed)?,
            seed: [0; 32],
            epoch_ms: 0,
            answered: HashMap::new(),
            end: 0,
        };
        journal.replay(file, cluster)?;
        if journal.end == 0 {
            journal.seed = rand::random();
            let head = Line::Head { journal: VERSION, cluster: cluster.to_owned(), seed: hex::text(&journal.seed) };
            journal.append(&head)?;
        }
        journal.keep_epoch(now_ms)?;
        Ok(journal)
    }

    /// Keys the row keys of this batch.
    pub(super) fn seed(&self) -> [u8; 32] {
        self.seed
    }

    pub(super) fn is_answered(&self, key: &RowKey) -> bool {
        self.answered.contains_key(key)
    }

    pub(super) fn answered(&self) -> usize {
        self.answered.len()
    }

    /// The request id of a row: the same in every run of the epoch.
    pub(super) fn request_id(&self, key: &RowKey) -> RequestId {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.epoch_ms.to_be_bytes());
        hash.update(key);
        let digest: [u8; 32] = hash.finalize().into();
        let random = digest.first_chunk::<10>().expect("ten of thirty-two bytes");
        RequestId::new(self.epoch_ms, *random)
    }

    /// Begins a new epoch if the ids of the old one are about to be forgotten by the cluster.
    ///
    /// A row that was asked in an epoch that ended and never answered is asked as a new question: its old id would be
    /// refused.
    pub(super) fn keep_epoch(&mut self, now_ms: u64) -> Result<(), CliError> {
        // A clock that was set back would give ids from the future.
        if (self.epoch_ms..self.epoch_ms.saturating_add(EPOCH_MS_MAX)).contains(&now_ms) {
            return Ok(());
        }
        self.epoch_ms = now_ms;
        self.append(&Line::Epoch { epoch_ms: now_ms })?;
        // If we crash here, no question of the epoch was sent. After this, every run derives the same ids.
        self.sync()
    }

    /// Remembers the answer of a row. If we crash before it reaches the disk, the row is asked again under its id.
    pub(super) fn record(&mut self, key: RowKey, answer: AnswerJson) -> Result<(), CliError> {
        let at = self.end;
        self.append(&Line::Answer { key: hex::text(&key), answer: Box::new(answer) })?;
        self.answered.insert(key, at);
        Ok(())
    }

    /// The answer of a row.
    pub(super) fn answer(&self, key: &RowKey) -> Result<Option<AnswerJson>, CliError> {
        let Some(at) = self.answered.get(key).copied() else { return Ok(None) };
        let failed = |error: std::io::Error| CliError::file(&self.path, error);
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        let mut text = String::new();
        BufReader::new(file.take(LINE_BYTES_MAX)).read_line(&mut text).map_err(failed)?;
        match serde_json::from_str(&text) {
            Ok(Line::Answer { answer, .. }) => Ok(Some(*answer)),
            _ => Err(CliError::file(&self.path, "changed while the batch ran")),
        }
    }

    fn sync(&self) -> Result<(), CliError> {
        self.writer.sync_data().map_err(|error| CliError::file(&self.path, error))
    }

    /// One write a line and no buffer: a killed process keeps what it was answered.
    fn append(&mut self, line: &Line) -> Result<(), CliError> {
        let mut text = serde_json::to_string(line).map_err(|error| CliError::Internal(error.to_string()))?;
        text.push('\n');
        self.writer.write_all(text.as_bytes()).map_err(|error| CliError::file(&self.path, error))?;
        self.end += u64::try_from(text.len()).unwrap_or(0);
        Ok(())
    }

    /// Reads what earlier runs left. A last line without its end was torn by a crash and is cut off.
    fn replay(&mut self, file: File, cluster: &str) -> Result<(), CliError> {
        let mut reader = BufReader::new(file);
        let mut text = String::new();
        let mut number = 0;
        loop {
            text.clear();
            number += 1;
            let wrong = |why: &str| CliError::File {
                path: self.path.display().to_string(),
                line: Some(number),
                why: format!("not a journal of this batch: {why}; remove it to begin anew"),
            };
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut text).map_err(|_| wrong("not text"))?;
            if !text.ends_with('\n') {
                if u64::try_from(read).is_ok_and(|read| read == LINE_BYTES_MAX) {
                    return Err(wrong("a line is too long"));
                }
                break;
            }
            match serde_json::from_str(&text).map_err(|_| wrong("a line is not understood"))? {
                Line::Head { journal, .. } if journal != VERSION => return Err(wrong("another version")),
                Line::Head { cluster: other, .. } if other != cluster => return Err(wrong("another cluster")),
                Line::Head { seed, .. } if self.end == 0 => {
                    self.seed = hex::array(&seed).ok_or_else(|| wrong("bad seed"))?;
                }
                _ if self.end == 0 => return Err(wrong("no head")),
                Line::Head { .. } => return Err(wrong("a second head")),
                Line::Epoch { epoch_ms } => self.epoch_ms = epoch_ms,
                Line::Answer { key, .. } => {
                    self.answered.insert(hex::array(&key).ok_or_else(|| wrong("bad key"))?, self.end);
                }
            }
            self.end += u64::try_from(read).unwrap_or(0);
        }
        let failed = |error: std::io::Error| CliError::file(&self.path, error);
        self.writer.set_len(self.end).map_err(failed)?;
        self.writer.seek(SeekFrom::Start(self.end)).map_err(failed)?;
        Ok(())
    }
}

/// Opens a file for its owner only, keeping its content.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const NOW_MS: u64 = 1_780_000_000_000;

    fn answer(position: u64) -> AnswerJson {
        let json = serde_json::json!({
            "request_id": "x", "outcome": "not_confirmed", "all_match": false, "position": position, "at_ms": 1,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_journal_survives_its_process_and_a_torn_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv.journal");
        let mut journal = Journal::open(&path, "da-nang", NOW_MS).unwrap();
        let id = journal.request_id(&[7; 16]);
        assert_eq!(id.unix_ms(), NOW_MS);
        assert_ne!(id, journal.request_id(&[8; 16]));
        journal.record([7; 16], answer(41)).unwrap();
        drop(journal);
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(b"{\"key\":\"0808080808080808080808080808").unwrap();
        drop(torn);

        let mut journal = Journal::open(&path, "da-nang", NOW_MS + HOUR_MS).unwrap();
        assert_eq!(journal.request_id(&[7; 16]), id);
        assert!(!journal.is_answered(&[8; 16]));
        journal.record([8; 16], answer(42)).unwrap();
        assert_eq!(journal.answer(&[7; 16]).unwrap().unwrap().position, 41);
        assert_eq!(journal.answer(&[8; 16]).unwrap().unwrap().position, 42);
    }

    #[test]
    fn a_new_day_has_new_ids_and_keeps_the_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, "da-nang", NOW_MS).unwrap();
        let id = journal.request_id(&[7; 16]);
        journal.record([7; 16], answer(41)).unwrap();
        drop(journal);
        let journal = Journal::open(&path, "da-nang", NOW_MS + 21 * HOUR_MS).unwrap();
        assert_ne!(journal.request_id(&[7; 16]), id);
        assert!(journal.is_answered(&[7; 16]));
    }

    #[test]
    fn what_is_no_journal_of_this_batch_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, "not a journal\n").unwrap();
        assert!(Journal::open(&path, "da-nang", NOW_MS).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a journal\n");
        std::fs::remove_file(&path).unwrap();
        let first = Journal::open(&path, "da-nang", NOW_MS).unwrap();
        assert!(Journal::open(&path, "da-nang", NOW_MS).unwrap_err().to_string().contains("another batch"));
        drop(first);
        assert!(Journal::open(&path, "hue", NOW_MS).unwrap_err().to_string().contains("another cluster"));
    }
}
