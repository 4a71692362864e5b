//! `RaftLogReader`: what openraft reads to replicate and to apply.

use std::{
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
};

use bytes::Bytes;
use futures::{Stream, stream};
use openraft::{
    OptionalSend,
    errors::LeaderChanged,
    storage::{LeaderBoundedStreamError, LeaderBoundedStreamResult, RaftLogReader},
};
use rocksdb::{Direction, IteratorMode, ReadOptions};
use tokio::task;

use super::{Index, LOG, LogStore, cache};
use crate::{
    raft::TypeConfig,
    store::{
        encoding::{self, Entry, VoteOf, malformed},
        rocks,
    },
};

/// Bytes read in one go: a follower far behind is served in pieces of this size.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

type LeaderId = openraft::type_config::alias::LeaderIdOf<TypeConfig>;

impl RaftLogReader<TypeConfig> for LogStore {
    async fn leader_bounded_stream<RB>(
        &mut self,
        leader: LeaderId,
        range: RB,
    ) -> impl Stream<Item = LeaderBoundedStreamResult<TypeConfig>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds_of(&range);
        let store = self.clone();
        let pieces = stream::try_unfold(start, move |start| {
            let store = store.clone();
            async move {
                store.check_leader(leader)?;
                let piece = store.read(start, end, READ_BYTES_MAX).await?;
                // Entries read while another leader took over may be a mixture of both.
                store.check_leader(leader)?;
                Ok(next_piece(piece))
            }
        });
        Box::pin(flat(pieces))
    }

    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds_of(&range);
        let store = self.clone();
        let pieces = stream::try_unfold(start, move |start| {
            let store = store.clone();
            async move { Ok(next_piece(store.read(start, end, READ_BYTES_MAX).await?)) }
        });
        Box::pin(flat(pieces))
    }

    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds_of(&range);
        self.read(start, end, usize::MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<VoteOf>> {
        Ok(self.inner.index().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, READ_BYTES_MAX).await
    }
}

impl LogStore {
    /// The entries of `start..end` that the log has, as many as fit into `bytes_max` and at least one.
    async fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let (start, end) = {
            let index = self.inner.index();
            let (start, end) = index.clamp(start, end);
            if start >= end {
                return Ok(Vec::new());
            }
            if let Some(entries) = index.cache.read(start, end, bytes_max) {
                return Ok(entries);
            }
            (start, end)
        };
        let store = self.clone();
        let entries = task::spawn_blocking(move || store.read_disk(start, end, bytes_max));
        let entries = entries.await.map_err(io::Error::other)??;
        // What the log has may have changed while we read; what it has now and had then must be here.
        let (start, end) = self.inner.index().clamp(start, end);
        let complete = match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => {
                first.log_id.index <= start && (last.log_id.index + 1 >= end || bytes_max != usize::MAX)
            }
            _ => start >= end,
        };
        if complete { Ok(entries) } else { Err(malformed("entries are missing from the log")) }
    }

    fn read_disk(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end.to_be_bytes());
        let from = start.to_be_bytes();
        let mode = IteratorMode::From(&from, Direction::Forward);
        let mut room = bytes_max;
        let mut entries: Vec<Entry> = Vec::new();
        for pair in self.inner.db.iterator_cf_opt(self.inner.family(LOG), options, mode) {
            let (key, value) = pair.map_err(rocks::io_error)?;
            let entry = encoding::entry_of(&Bytes::from(value))?;
            let follows = entries.last().is_none_or(|last| last.log_id.index + 1 == entry.log_id.index);
            if !follows || key.as_ref() != entry.log_id.index.to_be_bytes() {
                return Err(malformed("entries are missing from the log"));
            }
            let cost = cache::cost(&entry);
            if cost > room && !entries.is_empty() {
                break;
            }
            room = room.saturating_sub(cost);
            entries.push(entry);
        }
        Ok(entries)
    }

    fn check_leader(&self, leader: LeaderId) -> Result<(), LeaderBoundedStreamError<TypeConfig>> {
        let vote = self.inner.index().vote;
        match vote {
            Some(vote) if vote.leader_id == leader && vote.committed => Ok(()),
            _ => Err(LeaderBoundedStreamError::LeaderChanged(LeaderChanged::new(leader, vote))),
        }
    }
}

impl Index {
    /// The part of `start..end` that the log has.
    fn clamp(&self, start: u64, end: u64) -> (u64, u64) {
        let after = self.last.map_or(0, |last| last.index + 1);
        (start.max(self.first), end.min(after))
    }
}

/// A piece and where the next one starts; an empty one is the end.
fn next_piece(piece: Vec<Entry>) -> Option<(Vec<Entry>, u64)> {
    let next = piece.last()?.log_id.index + 1;
    Some((piece, next))
}

fn flat<E>(pieces: impl Stream<Item = Result<Vec<Entry>, E>>) -> impl Stream<Item = Result<Entry, E>> {
    use futures::{StreamExt, TryStreamExt};
    pieces.map_ok(|piece| stream::iter(piece).map(Ok)).try_flatten()
}

fn bounds_of<RB: RangeBounds<u64>>(range: &RB) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last + 1,
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}
