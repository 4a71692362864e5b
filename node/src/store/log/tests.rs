//! The log alone: what survives, and what is refused.

use futures::TryStreamExt;
use openraft::{
    EntryPayload, LogId, Vote,
    entry::RaftEntry,
    storage::{IOFlushed, RaftLogReader, RaftLogStorage},
    type_config::TypeConfigExt,
    vote::leader_id_adv::LeaderId,
};
use rocksdb::WriteBatch;

use super::*;
use crate::{
    raft::{CommandBytes, TypeConfig},
    store::encoding::Entry,
};

impl LogStore {
    /// Writes entries that nobody syncs, as if the power went before the fsync.
    pub(in crate::store) fn write_unsynced(&self, entries: &[Entry]) {
        let mut batch = WriteBatch::default();
        for entry in entries {
            let key = entry.log_id.index.to_be_bytes();
            let mut encoded = Vec::new();
            encoding::put_entry(&mut encoded, entry).unwrap();
            batch.put_cf(self.inner.family(LOG), key, encoded);
        }
        self.inner.db.write(batch).unwrap();
    }
}

fn open(path: &Path) -> Result<LogStore, LogError> {
    let floor = FlushedFloor::default();
    floor.advance(u64::MAX - 1);
    LogStore::open(path, floor, Arc::new(|fatal| panic!("unexpected: {fatal}")))
}

fn log_id(term: u64, index: u64) -> LogIdOf {
    LogId { leader_id: LeaderId { term, node_id: 1 }, index }
}

fn entries(term: u64, range: std::ops::Range<u64>, bytes: usize) -> Vec<Entry> {
    let payload = || EntryPayload::Normal(CommandBytes(Bytes::from(vec![7; bytes])));
    range.map(|index| Entry::new(log_id(term, index), payload())).collect()
}

async fn append(log: &mut LogStore, entries: Vec<Entry>) -> io::Result<()> {
    let (sender, receiver) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(sender)).await?;
    receiver.await.unwrap()
}

#[tokio::test]
async fn the_end_is_told_as_it_moves() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    let growth = log.end().growth();
    let is_behind = |index| {
        let mut context = std::task::Context::from_waker(futures::task::noop_waker_ref());
        growth.poll_behind(index, &mut context).is_ready()
    };
    assert!(!is_behind(0));
    append(&mut log, entries(1, 0..10, 100)).await.unwrap();
    assert!(is_behind(8) && !is_behind(9));
    log.truncate_after(Some(log_id(1, 5))).await.unwrap();
    assert!(is_behind(4) && !is_behind(5));
    append(&mut log, entries(2, 6..8, 100)).await.unwrap();
    // A task of its own, which only a wake can end.
    let waited = tokio::spawn(std::future::poll_fn(move |context| growth.poll_behind(7, context)));
    tokio::task::yield_now().await;
    assert!(!waited.is_finished());
    append(&mut log, entries(2, 8..9, 100)).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(20), waited).await.expect("woken").unwrap();
    drop(log);
    assert!(
        open(folder.path())
            .unwrap()
            .end()
            .growth()
            .poll_behind(7, &mut std::task::Context::from_waker(futures::task::noop_waker_ref()))
            .is_ready()
    );
}

#[tokio::test]
async fn votes_and_entries_survive_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    append(&mut log, entries(1, 0..10, 100)).await.unwrap();
    let vote = Vote { leader_id: LeaderId { term: 2, node_id: 3 }, committed: true };
    log.save_vote(&vote).await.unwrap();
    log.truncate_after(Some(log_id(1, 6))).await.unwrap();
    append(&mut log, entries(2, 7..9, 50)).await.unwrap();
    log.purge(log_id(1, 3)).await.unwrap();
    log.save_committed(Some(log_id(2, 7))).await.unwrap();
    append(&mut log, entries(2, 9..10, 50)).await.unwrap();
    drop(log);
    let mut log = open(folder.path()).unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(vote));
    assert_eq!(log.bounds(), [Some(log_id(1, 3)), Some(log_id(2, 9)), Some(log_id(2, 7))]);
    let terms: Vec<_> =
        log.try_get_log_entries(..).await.unwrap().iter().map(|entry| entry.log_id.leader_id.term).collect();
    assert_eq!(terms, [1, 1, 1, 2, 2, 2]);
}

/// Found by the chaos test of many erasures: the file went with the first entry that was to stay, and the node could not start.
#[tokio::test]
async fn a_purge_leaves_a_file_that_ends_with_the_first_entry_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    append(&mut log, entries(1, 0..6, 100)).await.unwrap();
    // Off the first level, where whole files may go.
    log.inner.db.flush_cf(log.inner.family(LOG)).unwrap();
    log.inner.db.compact_range_cf(log.inner.family(LOG), None::<&[u8]>, None::<&[u8]>);
    append(&mut log, entries(1, 6..8, 100)).await.unwrap();
    log.purge(log_id(1, 4)).await.unwrap();
    drop(log);
    let mut log = open(folder.path()).unwrap();
    let kept = log.try_get_log_entries(..).await.unwrap();
    assert_eq!(kept.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(), [5, 6, 7]);
}

/// Purged entries are hidden at once, and off the tables once they are scrubbed; those after them stay.
#[tokio::test]
async fn what_was_purged_leaves_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    let payload = |content: &'static [u8]| EntryPayload::Normal(CommandBytes(Bytes::from_static(content)));
    let (gone, kept) = (b"what nobody may read any more", b"what is still to be read");
    append(&mut log, vec![Entry::new(log_id(1, 0), payload(gone)), Entry::new(log_id(1, 1), payload(kept))])
        .await
        .unwrap();
    let on_tables = |bytes: &[u8]| {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        let mut tables = files.filter(|file| file.extension().is_some_and(|extension| extension == "sst"));
        tables.any(|file| std::fs::read(file).unwrap().windows(bytes.len()).any(|window| window == bytes))
    };
    // Nothing is purged, so that a scrub writes tables and drops nothing.
    log.inner.db.flush_cf(log.inner.family(LOG)).unwrap();
    assert!(on_tables(gone) && on_tables(kept));
    log.scrub().unwrap();
    assert!(on_tables(gone) && on_tables(kept));
    log.purge(log_id(1, 0)).await.unwrap();
    log.scrub().unwrap();
    assert!(!on_tables(gone) && on_tables(kept));
    assert_eq!(log.try_get_log_entries(..).await.unwrap().len(), 1);
}

/// Neither a purge nor a rewriting that nobody saw end says that what was erased has left the files.
#[tokio::test]
async fn what_was_erased_is_cleared_when_it_was_noted_and_not_when_it_was_purged() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    append(&mut log, entries(1, 0..9, 100)).await.unwrap();
    log.purge(log_id(1, 7)).await.unwrap();
    assert_eq!(log.cleared().unwrap(), Cleared::default(), "an ordinary purge");
    log.scrub().unwrap();
    drop(log);
    let log = open(folder.path()).unwrap();
    assert_eq!((log.cleared().unwrap().index, log.bounds()[0]), (0, Some(log_id(1, 7))), "stopped before it was noted");
    let cleared = Cleared { index: 5, generation: 3 };
    log.note_cleared(cleared).unwrap();
    drop(log);
    assert_eq!(open(folder.path()).unwrap().cleared().unwrap(), cleared);
}

#[tokio::test]
async fn what_is_committed_beyond_the_log_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    log.save_committed(Some(log_id(1, 90))).await.unwrap();
    append(&mut log, entries(1, 0..3, 10)).await.unwrap();
    drop(log);
    let mut log = open(folder.path()).unwrap();
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(1, 2)));
}

#[tokio::test]
async fn entries_out_of_the_cache_are_read_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    for index in 0..90 {
        append(&mut log, entries(1, index..index + 1, 1024 * 1024)).await.unwrap();
    }
    let first = log.try_get_log_entries(0..3).await.unwrap();
    assert_eq!(first, entries(1, 0..3, 1024 * 1024));
    let piece = log.limited_get_log_entries(0, 90).await.unwrap();
    assert_eq!(piece.len(), 3, "four megabytes at a time");
    assert_eq!(piece[0].log_id.index, 0);
    let streamed: Vec<Entry> = log.entries_stream(0..90).await.try_collect().await.unwrap();
    let indexes: Vec<u64> = streamed.iter().map(|entry| entry.log_id.index).collect();
    assert_eq!(indexes, (0..90).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_hole_is_refused_when_written_and_when_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    append(&mut log, entries(1, 0..3, 10)).await.unwrap();
    assert!(append(&mut log, entries(1, 5..6, 10)).await.is_err());
    assert!(append(&mut log, entries(1, 2..3, 10)).await.is_err());
    log.write_unsynced(&entries(1, 4..5, 10));
    drop(log);
    assert!(matches!(open(folder.path()), Err(LogError::Hole { index: 3, .. })));
}

#[tokio::test]
async fn many_appends_share_an_fsync_and_all_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path()).unwrap();
    let mut waiting = Vec::new();
    for index in 0..500 {
        let (sender, receiver) = TypeConfig::oneshot();
        log.append(entries(1, index..index + 1, 200), IOFlushed::signal(sender)).await.unwrap();
        assert_eq!(log.try_get_log_entries(index..).await.unwrap().len(), 1, "readable before it is durable");
        waiting.push(receiver);
    }
    for receiver in waiting {
        receiver.await.unwrap().unwrap();
    }
}
