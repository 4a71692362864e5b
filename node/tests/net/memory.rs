//! A log and a state in memory, just enough for Raft to run.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs, io,
    ops::RangeBounds,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use futures::{Stream, StreamExt};
use openraft::{
    EntryPayload, LogId, LogState, OptionalSend, RaftLogReader, RaftSnapshotBuilder, RaftTypeConfig, Snapshot,
    SnapshotMeta, StoredMembership,
    storage::{ApplyResponder, IOFlushed, RaftLogStorage, RaftStateMachine},
    vote::RaftLeaderId,
};
use xacminh_node::raft::{
    Applied, Member, TypeConfig,
    network::{SnapshotFile, SnapshotSink, SnapshotSource, SnapshotSpool},
};

type Leader = <<TypeConfig as RaftTypeConfig>::LeaderId as RaftLeaderId>::Committed;
type Vote = <TypeConfig as RaftTypeConfig>::Vote;
type Entry = <TypeConfig as RaftTypeConfig>::Entry;
type Id = LogId<Leader>;
type Membership = StoredMembership<Leader, u64, Member>;

#[derive(Default)]
struct LogInner {
    entries: BTreeMap<u64, Entry>,
    vote: Option<Vote>,
    purged: Option<Id>,
}

/// A log that forgets with the process.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<LogInner>>);

impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> io::Result<Vec<Entry>> {
        Ok(self.0.lock().unwrap().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.0.lock().unwrap().vote)
    }
}

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let inner = self.0.lock().unwrap();
        let last = inner.entries.values().next_back().map(|entry| entry.log_id).or(inner.purged);
        Ok(LogState { last_purged_log_id: inner.purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.0.lock().unwrap().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().map(|entry| (entry.log_id.index(), entry));
        self.0.lock().unwrap().entries.extend(entries);
        callback.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<Id>) -> io::Result<()> {
        let from = last.map_or(0, |last| last.index() + 1);
        self.0.lock().unwrap().entries.split_off(&from);
        Ok(())
    }

    async fn purge(&mut self, upto: Id) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        inner.entries = inner.entries.split_off(&(upto.index() + 1));
        inner.purged = Some(upto);
        Ok(())
    }
}

#[derive(Clone, Default)]
struct StateInner {
    applied: Option<Id>,
    membership: Membership,
    commands: Vec<Vec<u8>>,
}

/// Remembers every command it applied, in order.
#[derive(Clone)]
pub(crate) struct State {
    inner: Arc<Mutex<StateInner>>,
    folder: PathBuf,
}

impl State {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { inner: Arc::default(), folder }
    }

    pub(crate) fn commands(&self) -> Vec<Vec<u8>> {
        self.inner.lock().unwrap().commands.clone()
    }
}

/// Commands in files of up to a hundred, so that a snapshot has several; the first is empty.
#[derive(Debug)]
pub(crate) struct Files(PathBuf);

const FILES: [&str; 3] = ["EMPTY", "a/odd", "a/even"];

impl Files {
    fn save(folder: PathBuf, commands: &[Vec<u8>]) -> io::Result<Self> {
        fs::create_dir_all(folder.join("a"))?;
        let mut halves = [Vec::new(), Vec::new()];
        for (number, command) in commands.iter().enumerate() {
            let half = &mut halves[number % 2];
            half.extend_from_slice(&u32::try_from(command.len()).unwrap().to_be_bytes());
            half.extend_from_slice(command);
        }
        fs::write(folder.join(FILES[0]), b"")?;
        fs::write(folder.join(FILES[2]), &halves[0])?;
        fs::write(folder.join(FILES[1]), &halves[1])?;
        Ok(Self(folder))
    }

    fn load(&self) -> io::Result<Vec<Vec<u8>>> {
        let split = |name: &str| -> io::Result<Vec<Vec<u8>>> {
            let bytes = fs::read(self.0.join(name))?;
            let (mut rest, mut commands) = (bytes.as_slice(), Vec::new());
            while let Some((header, tail)) = rest.split_first_chunk::<4>() {
                let (command, tail) = tail.split_at(u32::from_be_bytes(*header) as usize);
                commands.push(command.to_vec());
                rest = tail;
            }
            Ok(commands)
        };
        let (even, mut odd) = (split(FILES[2])?.into_iter(), split(FILES[1])?.into_iter());
        let mut commands = Vec::new();
        for command in even {
            commands.push(command);
            commands.extend(odd.next());
        }
        Ok(commands)
    }
}

impl SnapshotSource for Files {
    fn manifest(&self) -> Vec<u8> {
        b"three files".to_vec()
    }

    fn files(&self) -> Vec<SnapshotFile> {
        let size = |name: &str| fs::metadata(self.0.join(name)).unwrap().len();
        FILES.iter().map(|name| SnapshotFile { name: (*name).to_owned(), bytes: size(name) }).collect()
    }

    fn open(&self, name: &str) -> io::Result<fs::File> {
        fs::File::open(self.0.join(name))
    }
}

/// Receives snapshots into a folder of their own.
pub(crate) struct Spool(pub(crate) PathBuf);

impl SnapshotSpool for Spool {
    type Data = Files;

    fn begin(&self, manifest: &[u8]) -> io::Result<Box<dyn SnapshotSink<Files>>> {
        assert_eq!(manifest, b"three files");
        fs::create_dir_all(self.0.join("a"))?;
        Ok(Box::new(Sink(self.0.clone())))
    }
}

struct Sink(PathBuf);

impl SnapshotSink<Files> for Sink {
    fn write(&mut self, name: &str, chunk: &[u8]) -> io::Result<()> {
        use io::Write;
        fs::OpenOptions::new().create(true).append(true).open(self.0.join(name))?.write_all(chunk)
    }

    fn finish(self: Box<Self>) -> io::Result<Files> {
        Ok(Files(self.0))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for State {
    type SnapshotData = Files;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot<Leader, u64, Member, Files>> {
        self.get_current_snapshot().await.map(|snapshot| snapshot.expect("a state can always be saved"))
    }
}

impl RaftStateMachine<TypeConfig> for State {
    type SnapshotData = Files;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<Id>, Membership)> {
        let inner = self.inner.lock().unwrap();
        Ok((inner.applied, inner.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<(Entry, Option<ApplyResponder<TypeConfig>>)>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            {
                let mut inner = self.inner.lock().unwrap();
                inner.applied = Some(entry.log_id);
                match entry.payload {
                    EntryPayload::Blank => {}
                    EntryPayload::Normal(command) => inner.commands.push(command.0.to_vec()),
                    EntryPayload::Membership(membership) => {
                        inner.membership = StoredMembership::new(Some(entry.log_id), membership);
                    }
                }
            }
            if let Some(responder) = responder {
                responder.send(Applied);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta<Leader, u64, Member>, files: Files) -> io::Result<()> {
        let commands = files.load()?;
        *self.inner.lock().unwrap() =
            StateInner { applied: meta.last_log_id, membership: meta.last_membership.clone(), commands };
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot<Leader, u64, Member, Files>>> {
        let inner = self.inner.lock().unwrap().clone();
        let Some(applied) = inner.applied else {
            return Ok(None);
        };
        let folder = self.folder.join(format!("snapshot-{}", applied.index()));
        let meta = SnapshotMeta { last_log_id: Some(applied), last_membership: inner.membership };
        Ok(Some(Snapshot { meta, snapshot: Files::save(folder, &inner.commands)? }))
    }
}
