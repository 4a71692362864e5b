//! The thread that makes the log durable: one fsync for everybody who waits.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use openraft::storage::IOFlushed;
use rocksdb::DB;
use tokio::sync::oneshot;

use crate::{
    raft::TypeConfig,
    store::{
        encoding::malformed,
        fatal::{Fatal, FatalHook},
        rocks,
    },
};

const SYNCED: &str = "SYNCED";
const SYNCED_VERSION: u8 = 1;
const SYNCED_BYTES: usize = 1 + 8 + 8;

/// How long the note of what is durable may stay in memory only: it is exact after a crash of the process in any case,
/// and this old at most after a power cut.
const NOTE_AGE_MAX: Duration = Duration::from_secs(1);

/// Who waits for an fsync.
pub(super) enum Waiter {
    /// openraft, for appended entries.
    Append(IOFlushed<TypeConfig>),
    /// Whoever saves a vote.
    Vote(oneshot::Sender<io::Result<()>>),
}

/// The thread; ends when it is dropped, after a last fsync.
pub(super) struct SyncThread {
    waiters: Option<mpsc::Sender<Waiter>>,
    thread: Option<JoinHandle<()>>,
}

/// Notes how far the log is durable, so that a log that lost its middle is told from one with a torn tail.
pub(super) struct Synced {
    file: File,
    flushed: Instant,
}

/// What the thread needs from the log.
trait Durable: Send + 'static {
    /// The mark that covers everything written so far.
    fn mark(&self) -> u64;
    /// Makes everything written so far durable.
    fn sync(&self) -> io::Result<()>;
}

impl SyncThread {
    pub(super) fn start(db: Arc<DB>, synced: Synced, fatal: FatalHook) -> io::Result<Self> {
        Self::over(db, synced, fatal)
    }

    fn over<D: Durable>(log: D, mut synced: Synced, fatal: FatalHook) -> io::Result<Self> {
        let (waiters, queue) = mpsc::channel();
        let run = move || {
            let mut waiting: Vec<Waiter> = Vec::new();
            while let Ok(first) = queue.recv() {
                waiting.push(first);
                waiting.extend(queue.try_iter());
                if let Err(error) = sync_once(&log, &mut synced) {
                    fatal(Fatal::LogSync(error.to_string()));
                    fail_all(waiting.drain(..).chain(queue.iter()), &error);
                    return;
                }
                waiting.drain(..).for_each(|waiter| waiter.tell(Ok(())));
            }
            if let Err(error) = sync_once(&log, &mut synced).and_then(|()| synced.flush()) {
                fatal(Fatal::LogSync(error.to_string()));
            }
        };
        let thread = thread::Builder::new().name("log-sync".into()).spawn(run)?;
        Ok(Self { waiters: Some(waiters), thread: Some(thread) })
    }

    /// Tells `waiter` once everything written before this call is durable.
    pub(super) fn enqueue(&self, waiter: Waiter) {
        let sent = self.waiters.as_ref().map(|waiters| waiters.send(waiter));
        if let Some(Err(mpsc::SendError(waiter))) = sent {
            waiter.tell(Err(io::Error::other("the log's sync thread has stopped")));
        }
    }
}

/// The mark is taken first: it covers no more than the fsync that follows.
fn sync_once<D: Durable>(log: &D, synced: &mut Synced) -> io::Result<()> {
    let mark = log.mark();
    log.sync()?;
    // If we crash here, the note is a little behind what is durable, which allows no less than the truth.
    synced.note(mark)
}

/// No second fsync is tried; whoever asks from now on is told the same until the process ends.
fn fail_all(waiters: impl Iterator<Item = Waiter>, error: &io::Error) {
    for waiter in waiters {
        waiter.tell(Err(io::Error::new(error.kind(), error.to_string())));
    }
}

impl Durable for Arc<DB> {
    fn mark(&self) -> u64 {
        self.latest_sequence_number()
    }

    fn sync(&self) -> io::Result<()> {
        self.flush_wal(true).map_err(rocks::io_error)
    }
}

impl Synced {
    /// Opens the note in the log's folder and reads it; nothing noted is 0.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, u64)> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(folder.join(SYNCED))?;
        let noted = match file.metadata()?.len() {
            0 => 0,
            _ => read_note(&file)?,
        };
        Ok((Self { file, flushed: Instant::now() }, noted))
    }

    /// One write below the size of a sector: it is there or not.
    fn note(&mut self, mark: u64) -> io::Result<()> {
        let mut bytes = [SYNCED_VERSION; SYNCED_BYTES];
        bytes[1..9].copy_from_slice(&mark.to_be_bytes());
        let check = check_of(bytes[..9].try_into().expect("nine of seventeen bytes"));
        bytes[9..].copy_from_slice(&check);
        self.file.write_all_at(&bytes, 0)?;
        if self.flushed.elapsed() >= NOTE_AGE_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.file.sync_data()
    }
}

fn read_note(file: &File) -> io::Result<u64> {
    let mut bytes = [0; SYNCED_BYTES];
    file.read_exact_at(&mut bytes, 0)?;
    let (noted, check) = bytes.split_first_chunk::<9>().expect("nine of seventeen bytes");
    if noted[0] != SYNCED_VERSION || check != check_of(noted) {
        return Err(malformed("the note of what is durable"));
    }
    Ok(u64::from_be_bytes(noted[1..].try_into().expect("eight of nine bytes")))
}

fn check_of(noted: &[u8; 9]) -> [u8; 8] {
    *blake3::hash(noted).as_bytes().first_chunk().expect("32 bytes begin with 8")
}

impl Waiter {
    fn tell(self, result: io::Result<()>) {
        match self {
            Self::Append(callback) => callback.io_completed(result),
            // Whoever saved the vote may have been cancelled; the vote is durable all the same.
            Self::Vote(sender) => drop(sender.send(result)),
        }
    }
}

impl Drop for SyncThread {
    fn drop(&mut self) {
        drop(self.waiters.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    struct Faulty {
        syncs: Arc<AtomicU64>,
    }

    impl Durable for Faulty {
        fn mark(&self) -> u64 {
            9
        }

        fn sync(&self) -> io::Result<()> {
            // The second call would succeed, as it does in the kernel, with the bytes gone.
            if self.syncs.fetch_add(1, Ordering::SeqCst) == 0 { Err(io::Error::other("EIO")) } else { Ok(()) }
        }
    }

    #[test]
    fn a_failed_fsync_is_fatal_and_never_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let (synced, _) = Synced::open(folder.path()).unwrap();
        let syncs = Arc::new(AtomicU64::new(0));
        let faults = Arc::new(Mutex::new(Vec::new()));
        let hook: FatalHook = {
            let faults = Arc::clone(&faults);
            Arc::new(move |fault: Fatal| faults.lock().unwrap().push(matches!(fault, Fatal::LogSync(_))))
        };
        let thread = SyncThread::over(Faulty { syncs: Arc::clone(&syncs) }, synced, hook).unwrap();
        for _ in 0..3 {
            let (sender, receiver) = oneshot::channel();
            thread.enqueue(Waiter::Vote(sender));
            assert!(receiver.blocking_recv().unwrap().is_err());
        }
        drop(thread);
        assert_eq!(syncs.load(Ordering::SeqCst), 1);
        assert_eq!(*faults.lock().unwrap(), [true]);
        assert_eq!(Synced::open(folder.path()).unwrap().1, 0, "nothing is noted as durable");
    }

    #[test]
    fn the_note_comes_back_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (mut synced, nothing) = Synced::open(folder.path()).unwrap();
        assert_eq!(nothing, 0);
        synced.note(77).unwrap();
        assert_eq!(Synced::open(folder.path()).unwrap().1, 77);
        synced.file.write_all_at(&[1], 5).unwrap();
        assert!(Synced::open(folder.path()).is_err());
    }
}
