//! `RaftLogStorage`: what openraft writes.

use std::{io, sync::PoisonError};

use openraft::{
    LogState, OptionalSend,
    storage::{IOFlushed, RaftLogStorage},
};
use rocksdb::WriteBatch;
use tokio::{sync::oneshot, task};

use super::{COMMITTED, LOG, LogStore, META, PURGED, VOTE, cache, sync::Waiter};
use crate::{
    raft::TypeConfig,
    store::encoding::{self, Entry, LogIdOf, VoteOf},
};

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let index = self.inner.index();
        Ok(LogState { last_purged_log_id: index.purged, last_log_id: index.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    /// The vote travels through the same write-ahead log as entries, so the two cannot change order.
    async fn save_vote(&mut self, vote: &VoteOf) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.inner.family(META), VOTE, encoding::vote_bytes(vote));
        self.write(batch)?;
        let (sender, synced) = oneshot::channel();
        self.inner.sync.enqueue(Waiter::Vote(sender));
        // If we crash here, the vote may be kept or not: nobody was told of it.
        synced.await.map_err(|_| io::Error::other("the log's sync thread has stopped"))??;
        self.inner.index().vote = Some(*vote);
        Ok(())
    }

    /// Kept in memory and written beside the next entries: losing it costs a round of asking, not data.
    async fn save_committed(&mut self, committed: Option<LogIdOf>) -> io::Result<()> {
        let mut index = self.inner.index();
        index.committed = committed;
        index.committed_unsaved = true;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogIdOf>> {
        Ok(self.inner.index().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.check_next(&entries)?;
        // Grown by doubling, a batch of some hundred kilobytes would be moved to fresh pages several times.
        let bytes = entries.iter().map(cache::cost).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        {
            let mut encoded = self.inner.encoded.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in &entries {
                encoded.clear();
                encoding::put_entry(&mut encoded, entry)?;
                batch.put_cf(self.inner.family(LOG), entry.log_id.index.to_be_bytes(), &*encoded);
            }
        }
        self.write(batch)?;
        {
            let mut index = self.inner.index();
            if index.last.is_none() {
                index.first = entries.first().map_or(0, |entry| entry.log_id.index);
            }
            index.last = entries.last().map_or(index.last, |entry| Some(entry.log_id));
            entries.into_iter().for_each(|entry| index.cache.push(entry));
            self.inner.end.set(index.last.map_or(0, |last| last.index));
        }
        // If we crash here, the entries may be kept, or their end torn: nobody was told of them.
        self.inner.sync.enqueue(Waiter::Append(callback));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf>) -> io::Result<()> {
        let from = last.map_or(0, |last| last.index + 1);
        let end = self.inner.index().last.map_or(0, |last| last.index + 1);
        if from < end {
            let mut batch = WriteBatch::default();
            batch.delete_range_cf(self.inner.family(LOG), from.to_be_bytes(), end.to_be_bytes());
            // Durable with whatever is appended next. If we crash before that, the entries are back, as if this node
            // had not yet heard from the leader that overrules them.
            self.write(batch)?;
        }
        let mut index = self.inner.index();
        index.cache.truncate(from);
        index.last = index.last.min(last).max(index.purged);
        self.inner.end.set(index.last.map_or(0, |last| last.index));
        Ok(())
    }

    /// Forgets entries whose effect the state has on disk; asks the state to flush if it has not.
    async fn purge(&mut self, upto: LogIdOf) -> io::Result<()> {
        self.ensure_flushed(upto.index).await?;
        let from = self.inner.index().purged.map_or(0, |purged| purged.index + 1);
        let end = upto.index + 1;
        if from >= end {
            return Ok(());
        }
        let log = self.inner.family(LOG);
        let mut batch = WriteBatch::default();
        batch.put_cf(self.inner.family(META), PURGED, encoding::log_id_bytes(&upto));
        batch.delete_range_cf(log, from.to_be_bytes(), end.to_be_bytes());
        // If we crash before this is durable, the entries are back and are purged again later.
        self.write(batch)?;
        // Whole files go at once; what shares a file with later entries is hidden, and goes with compaction.
        // This range has its end within it, unlike the one above: a file that ends with the first entry kept must stay.
        let dropped = self.inner.db.delete_file_in_range_cf(log, from.to_be_bytes(), upto.index.to_be_bytes());
        dropped.map_err(|error| self.inner.fail(error))?;
        let mut index = self.inner.index();
        index.purged = Some(upto);
        index.first = end;
        index.last = index.last.max(Some(upto));
        self.inner.end.set(index.last.map_or(0, |last| last.index));
        index.cache.purge(upto.index);
        Ok(())
    }
}

impl LogStore {
    /// Writes without waiting for the disk, taking along how far the log is committed.
    fn write(&self, mut batch: WriteBatch) -> io::Result<()> {
        let committed = {
            let mut index = self.inner.index();
            let unsaved = std::mem::take(&mut index.committed_unsaved);
            index.committed.filter(|_| unsaved)
        };
        if let Some(committed) = committed {
            batch.put_cf(self.inner.family(META), COMMITTED, encoding::log_id_bytes(&committed));
        }
        self.inner.db.write(batch).map_err(|error| self.inner.fail(error))
    }

    /// A hole in the log can never be repaired, so it is refused before it is written.
    fn check_next(&self, entries: &[Entry]) -> io::Result<()> {
        let mut last = self.inner.index().last;
        for entry in entries {
            if last.is_some_and(|last| last.index + 1 != entry.log_id.index) {
                let message = format!("entry {} would leave a hole in the log", entry.log_id.index);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            last = Some(entry.log_id);
        }
        Ok(())
    }

    async fn ensure_flushed(&self, index: u64) -> io::Result<()> {
        let floor = self.inner.floor.clone();
        if floor.covers(index) {
            return Ok(());
        }
        let flushing = floor.clone();
        task::spawn_blocking(move || flushing.flush()).await.map_err(io::Error::other)??;
        if floor.covers(index) {
            return Ok(());
        }
        let message = format!("entry {index} may not be purged: the state is durable only up to {}", floor.next());
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}
