//! The end of the log in memory: replication and apply read what was just appended without the disk.

use std::collections::VecDeque;

use openraft::EntryPayload;

use crate::store::encoding::Entry;

/// Bytes of entries kept. A follower that lags by more reads from the disk.
const CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What an entry costs beside its command.
const ENTRY_BYTES: usize = 128;

/// The newest entries, without holes. Commands are shared, not copied.
#[derive(Default)]
pub(super) struct Cache {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Cache {
    /// Adds the next entry; forgets the oldest ones as needed.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.back().is_some_and(|last| last.log_id.index + 1 != entry.log_id.index) {
            self.clear();
        }
        self.bytes += cost(&entry);
        self.entries.push_back(entry);
        while self.bytes > CACHE_BYTES_MAX && self.entries.len() > 1 {
            self.pop_front();
        }
    }

    /// The entries of `start..end`, no more than fit into `bytes_max` but at least one; `None` if the first is not here.
    pub(super) fn read(&self, start: u64, end: u64, bytes_max: usize) -> Option<Vec<Entry>> {
        let first = self.entries.front()?.log_id.index;
        let skipped = usize::try_from(start.checked_sub(first)?).ok()?;
        if skipped >= self.entries.len() {
            return None;
        }
        let mut room = bytes_max;
        let mut read = Vec::new();
        for entry in self.entries.range(skipped..).take_while(|entry| entry.log_id.index < end) {
            let cost = cost(entry);
            if cost > room && !read.is_empty() {
                break;
            }
            room = room.saturating_sub(cost);
            read.push(entry.clone());
        }
        Some(read)
    }

    /// Forgets the entries from `index` on.
    pub(super) fn truncate(&mut self, index: u64) {
        while self.entries.back().is_some_and(|entry| entry.log_id.index >= index) {
            if let Some(entry) = self.entries.pop_back() {
                self.bytes -= cost(&entry);
            }
        }
    }

    /// Forgets the entries up to and including `index`.
    pub(super) fn purge(&mut self, index: u64) {
        while self.entries.front().is_some_and(|entry| entry.log_id.index <= index) {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= cost(&entry);
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

/// Bytes an entry takes on the wire and in memory, about.
pub(super) fn cost(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(command) => ENTRY_BYTES + command.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => ENTRY_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use openraft::{LogId, entry::RaftEntry, vote::leader_id_adv::LeaderId};

    use super::*;
    use crate::raft::CommandBytes;

    fn entry(index: u64, bytes: usize) -> Entry {
        let payload = EntryPayload::Normal(CommandBytes(Bytes::from(vec![0; bytes])));
        Entry::new(LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index }, payload)
    }

    #[test]
    fn the_newest_are_kept_within_the_limit() {
        let mut cache = Cache::default();
        for index in 0..200 {
            cache.push(entry(index, 1024 * 1024));
            assert!(cache.bytes <= CACHE_BYTES_MAX);
        }
        assert!(cache.read(0, 200, usize::MAX).is_none());
        assert_eq!(cache.read(195, 200, usize::MAX).unwrap().len(), 5);
        assert!(cache.read(200, 201, usize::MAX).is_none());
        assert_eq!(cache.read(195, 200, 3 * 1024 * 1024).unwrap().len(), 2);
        assert_eq!(cache.read(195, 200, 1).unwrap().len(), 1, "never nothing");
    }

    #[test]
    fn the_count_of_bytes_stays_true() {
        let mut cache = Cache::default();
        (10..20).for_each(|index| cache.push(entry(index, 100)));
        cache.truncate(18);
        cache.purge(12);
        assert_eq!(cache.entries.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(), [13, 14, 15, 16, 17]);
        assert_eq!(cache.bytes, 5 * (100 + ENTRY_BYTES));
        cache.push(entry(40, 100));
        assert_eq!(cache.entries.len(), 1, "a cache with a hole would lie");
        cache.purge(40);
        assert_eq!(cache.bytes, 0);
    }
}
