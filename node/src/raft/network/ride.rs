//! A commit rides along with the next entries instead of travelling alone.
//!
//! openraft tells followers at once how far the log is committed; where it has no entries to send, it sends a request
//! without any, which every follower answers. While questions keep coming, a batch has waited for just this commit, and is
//! appended a moment later (docs/decisions/0018): what is sent then says the same. So openraft is not asked for a request as long
//! as all entries are sent and more are coming.
//!
//! No commit depends on this: the next entries carry it, and who waits is also woken once a batch has settled and nothing
//! more is coming, whatever became of it. openraft's heartbeats, which do not come through here, carry it besides.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::Stream;
use openraft::raft::AppendEntriesRequest;

use crate::{
    raft::{TypeConfig, propose::Coming},
    store::{Growth, LogEnd},
};

/// What the leader's log will grow by.
#[derive(Clone)]
pub struct Upcoming {
    /// Items of questions that are not in the log yet.
    pub coming: Coming,
    /// Where the log ends.
    pub end: Arc<LogEnd>,
}

/// The append requests of one session.
pub(super) struct Riding<S> {
    requests: S,
    coming: Coming,
    growth: Growth,
    /// Index of the last entry that was sent; 0 if none was, or the first request was not asked for yet.
    sent: u64,
}

impl Upcoming {
    /// Requests of a session that begins.
    pub(super) fn riding<S>(&self, requests: S) -> Riding<S> {
        let growth = self.end.growth();
        self.coming.join(growth.waker());
        Riding { requests, coming: self.coming.clone(), growth, sent: 0 }
    }
}

impl<S> Stream for Riding<S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    type Item = AppendEntriesRequest<TypeConfig>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // In this order: what comes to nothing after the second look finds the waker that the first one left.
        if self.sent > 0 && self.growth.poll_behind(self.sent, context).is_pending() && self.coming.any() {
            return Poll::Pending;
        }
        let next = Pin::new(&mut self.requests).poll_next(context);
        if let Poll::Ready(Some(request)) = &next {
            self.sent = request.entries.last().map_or(self.sent, |entry| entry.log_id.index);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use futures::{
        StreamExt,
        channel::mpsc::{self, UnboundedSender},
        task::{ArcWake, waker},
    };
    use openraft::{EntryPayload, impls::Vote, vote::RaftLeaderId};

    use super::*;
    use crate::raft::{
        CommandBytes,
        network::alias::{Entry, LogId},
    };

    /// Counts how often the task is woken.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl ArcWake for Wakes {
        fn wake_by_ref(wakes: &Arc<Self>) {
            wakes.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A session whose requests the test makes, as openraft does once it is asked.
    struct Session {
        requests: UnboundedSender<AppendEntriesRequest<TypeConfig>>,
        riding: Riding<mpsc::UnboundedReceiver<AppendEntriesRequest<TypeConfig>>>,
        coming: Coming,
        end: Arc<LogEnd>,
        wakes: Arc<Wakes>,
    }

    impl Session {
        fn begin() -> Self {
            let (requests, made) = mpsc::unbounded();
            let (coming, end) = (Coming::default(), Arc::new(LogEnd::default()));
            let riding = Upcoming { coming: coming.clone(), end: Arc::clone(&end) }.riding(made);
            Self { requests, riding, coming, end, wakes: Arc::default() }
        }

        /// Makes a request with an entry at each of these indexes.
        fn make(&self, indexes: std::ops::Range<u64>) {
            let payload = EntryPayload::Normal(CommandBytes(Bytes::new()));
            let entries = indexes.map(|index| Entry { log_id: log_id(index), payload: payload.clone() }).collect();
            let request = AppendEntriesRequest {
                vote: Vote::new_committed(3, 1),
                prev_log_id: Some(log_id(9)),
                entries,
                leader_commit: None,
            };
            self.requests.unbounded_send(request).expect("the session goes on");
        }

        /// Entries of the next request, if there is one now.
        fn next(&mut self) -> Option<usize> {
            let waker = waker(Arc::clone(&self.wakes));
            match self.riding.poll_next_unpin(&mut Context::from_waker(&waker)) {
                Poll::Ready(request) => Some(request.expect("the session goes on").entries.len()),
                Poll::Pending => None,
            }
        }

        fn woken(&self) -> usize {
            self.wakes.0.swap(0, Ordering::SeqCst)
        }
    }

    fn log_id(index: u64) -> LogId {
        LogId::new(openraft::impls::leader_id_adv::LeaderId::new(3, 1).to_committed(), index)
    }

    #[test]
    fn a_commit_waits_for_the_entries_that_are_coming() {
        let mut session = Session::begin();
        session.end.set(12);
        session.make(10..13);
        assert_eq!(session.next(), Some(3));
        assert_eq!(session.next(), None);
        session.coming.more(2);
        // The commit of these three, which has nothing else to say.
        session.make(0..0);
        assert_eq!(session.next(), None, "more is coming");
        session.woken();
        session.end.set(13);
        assert_eq!(session.woken(), 1, "it has come");
        assert_eq!(session.next(), Some(0), "openraft is asked again, whatever it has to say now");
    }

    #[test]
    fn nothing_waits_where_nothing_is_coming_or_something_is_not_sent_yet() {
        let mut session = Session::begin();
        session.end.set(12);
        session.coming.more(1);
        session.make(0..0);
        assert_eq!(session.next(), Some(0), "a session's first word waits for nothing");
        session.make(10..12);
        assert_eq!(session.next(), Some(2));
        session.make(12..13);
        assert_eq!(session.next(), Some(1), "entry 12 was not sent yet");
        session.coming.gone(1);
        session.make(0..0);
        assert_eq!(session.next(), Some(0), "nothing is coming");
    }

    /// Found by a review: a question's own commit could be held, since it was handed over before it was counted as gone;
    /// and one that was turned away left the commit before it to the next heartbeat.
    #[test]
    fn whoever_waits_is_woken_when_nothing_comes_of_what_was_coming() {
        let mut session = Session::begin();
        session.end.set(12);
        session.make(10..13);
        assert_eq!(session.next(), Some(3));
        session.coming.more(2);
        session.make(0..0);
        assert_eq!(session.next(), None);
        session.woken();
        session.coming.gone(1);
        session.coming.settled();
        assert_eq!(session.woken(), 0, "one is still coming");
        session.coming.gone(1);
        assert_eq!(session.woken(), 0, "it may be on its way into the log");
        session.coming.settled();
        assert_eq!(session.woken(), 1);
        assert_eq!(session.next(), Some(0));
    }

    /// openraft may have been at something else when it was asked last, and wakes nobody for what is appended.
    #[test]
    fn whoever_waits_is_woken_by_the_log_itself() {
        let mut session = Session::begin();
        session.end.set(12);
        session.make(10..13);
        assert_eq!(session.next(), Some(3));
        session.coming.more(1);
        assert_eq!(session.next(), None);
        assert_eq!(session.woken(), 0);
        session.end.set(13);
        assert_eq!(session.woken(), 1);
    }
}
