//! A session: many questions over one stream, answered in any order.
//!
//! ```text
//! ask → slot (a permit, a tag, a waiter) → writer task → node → reader task → waiter
//! ```
//!
//! A caller that stops waiting leaves its slot behind until the node's reply frees it: what is bounded is what the node
//! has in hand, not what callers still care for.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use xacminh_proto::{
    codec,
    transparency::Policy,
    vocab::ErrorNumber,
    wire::{Answer, Ask, Failure, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request, Tagged, frame, padding},
};

use crate::{
    connection::{FrameSink, FrameSource, LinkError},
    error::{Breach, ClientError},
    judge::judge,
};

/// Questions a session may have in flight: four of the node's batches of 256, so that its next batch never waits for us.
pub const IN_FLIGHT_MAX: usize = 1024;

/// Frames the writer takes in one go.
const WRITE_FRAMES_MAX: usize = 64;

/// How long past a question's own deadline its reply may come; later, the session is taken for dead.
const GRACE_MS: u64 = 500;

/// Tag and body around the largest reply.
const TAGGED_REPLY_BYTES_MAX: usize = REPLY_BYTES_MAX;

/// A session stream to one node.
#[derive(Debug)]
pub struct Session {
    node: std::net::SocketAddr,
    log: Option<Arc<Policy>>,
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Bytes>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Shared {
    slots: Arc<Semaphore>,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    next_tag: u64,
    by_tag: HashMap<u64, Waiter>,
    /// Why the session ended; no question is taken after that.
    ended: Option<LinkError>,
}

#[derive(Debug)]
struct Waiter {
    reply: oneshot::Sender<Result<Reply, LinkError>>,
    _slot: OwnedSemaphorePermit,
}

impl Session {
    pub(crate) fn open(
        node: std::net::SocketAddr,
        (sink, source): (FrameSink, FrameSource),
        in_flight_max: usize,
        log: Option<Arc<Policy>>,
    ) -> Self {
        let in_flight_max = in_flight_max.clamp(1, IN_FLIGHT_MAX);
        // Tag 0 is the node's, for what belongs to no question.
        let waiters = Mutex::new(Waiters { next_tag: 1, ..Waiters::default() });
        let shared = Arc::new(Shared { slots: Arc::new(Semaphore::new(in_flight_max)), waiters });
        // Every queued frame holds a slot, so that the queue cannot be longer than there are slots.
        let (outgoing, frames) = mpsc::channel(in_flight_max);
        let tasks =
            [tokio::spawn(write(sink, frames, Arc::clone(&shared))), tokio::spawn(read(source, Arc::clone(&shared)))];
        Self { node, log, shared, outgoing, tasks }
    }

    /// Asks one question and waits for its answer, once: no retry, no other node. Safe to cancel.
    ///
    /// # Errors
    /// [`ClientError::Unknown`] when the session ended or the answer is overdue (the same request id may be sent again),
    /// [`ClientError::Rejected`], [`ClientError::NodeDefect`] or [`ClientError::Protocol`] when the node says so, and
    /// [`ClientError::Unreachable`] when the node took nothing.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, ClientError> {
        let request_id = ask.request_id;
        let unknown = |last: String| ClientError::Unknown { request_id: Some(request_id), last };
        let request = Request::Ask(Box::new(ask));
        let sent = AtomicBool::new(false);
        let reply = match self.exchange(&request, || sent.store(true, Ordering::Relaxed)).await {
            Ok(reply) => reply,
            Err(ExchangeError::TooLarge(error)) => return Err(ClientError::Question(error)),
            Err(ExchangeError::Link(LinkError::Breach(breach))) => {
                return Err(ClientError::Protocol { node: self.node, breach });
            }
            Err(ExchangeError::Link(error)) if sent.load(Ordering::Relaxed) => return Err(unknown(error.to_string())),
            Err(ExchangeError::Link(error)) => return Err(ClientError::Unreachable { last: error.to_string() }),
        };
        match judge(&request, reply, self.log.as_deref()) {
            Ok(Reply::Answer(answer)) => Ok(*answer),
            Ok(Reply::Failure(Failure { number, detail })) => match number {
                ErrorNumber::DeadlineExceeded => Err(unknown(detail)),
                ErrorNumber::Internal => Err(ClientError::NodeDefect { detail }),
                number => Err(ClientError::Rejected { number, detail }),
            },
            Ok(_) => Err(ClientError::Protocol { node: self.node, breach: Breach::Kind }),
            Err(breach) => Err(ClientError::Protocol { node: self.node, breach }),
        }
    }

    /// The node at the other end.
    #[must_use]
    pub fn node(&self) -> std::net::SocketAddr {
        self.node
    }

    /// Whether it takes no more questions.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.shared.lock().ended.is_some()
    }

    /// One request and its raw reply. `sent` is called before the frame may leave.
    pub(crate) async fn exchange(&self, request: &Request, sent: impl FnOnce()) -> Result<Reply, ExchangeError> {
        let patience = match request {
            Request::Ask(ask) => Duration::from_millis(u64::from(ask.deadline_ms) + GRACE_MS),
            _ => Duration::from_millis(5_000 + GRACE_MS),
        };
        // A session whose places are all taken owes this question nothing yet: waiting in vain ends the question only.
        let slot = tokio::time::timeout(patience, Arc::clone(&self.shared.slots).acquire_owned())
            .await
            .map_err(|_| LinkError::Lost("no place on the session in time".into()))?
            .map_err(|_| LinkError::Lost("the session ended".into()))?;
        let exchange = self.exchange_unbounded(slot, request, sent);
        tokio::time::timeout(patience, exchange).await.unwrap_or_else(|_| {
            // The node owes an answer past its deadline. Whoever else waits here asks again elsewhere, with the same id.
            let error = LinkError::Lost("no answer on the session in time".into());
            self.shared.end(&error);
            Err(error.into())
        })
    }

    async fn exchange_unbounded(
        &self,
        slot: OwnedSemaphorePermit,
        request: &Request,
        sent: impl FnOnce(),
    ) -> Result<Reply, ExchangeError> {
        let ended = || LinkError::Lost("the session ended".into());
        let room = self.outgoing.reserve().await.map_err(|_| ended())?;
        let (reply, waiting) = oneshot::channel();
        let tag = self.shared.enter(Waiter { reply, _slot: slot })?;
        let mut bytes = Vec::with_capacity(512);
        // The request is borrowed: a tagged reference encodes as a tagged value does.
        if let Err(error) = frame::append::<REQUEST_BYTES_MAX, _>(&TaggedRef { tag, body: request }, &mut bytes) {
            self.shared.leave(tag);
            return Err(ExchangeError::TooLarge(error));
        }
        sent();
        room.send(bytes.into());
        waiting.await.map_err(|_| ended())?.map_err(ExchangeError::Link)
    }
}

/// Why an exchange on a session gave no reply.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    /// Nothing was sent.
    TooLarge(codec::CodecError),
    /// The node or the way to it.
    Link(LinkError),
}

impl From<LinkError> for ExchangeError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

/// [`Tagged`] without owning the body; the bytes are the same.
#[derive(serde::Serialize)]
struct TaggedRef<'a> {
    tag: u64,
    body: &'a Request,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiters> {
        // A panic between two assignments cannot leave the table half changed.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, waiter: Waiter) -> Result<u64, LinkError> {
        let mut waiters = self.lock();
        if let Some(error) = &waiters.ended {
            return Err(error.clone());
        }
        let tag = waiters.next_tag;
        waiters.next_tag += 1;
        waiters.by_tag.insert(tag, waiter);
        Ok(tag)
    }

    fn leave(&self, tag: u64) -> Option<Waiter> {
        self.lock().by_tag.remove(&tag)
    }

    /// Ends the session: everybody who waits learns why, and nobody enters any more.
    fn end(&self, error: &LinkError) {
        let waiters = {
            let mut waiters = self.lock();
            waiters.ended.get_or_insert_with(|| error.clone());
            std::mem::take(&mut waiters.by_tag)
        };
        self.slots.close();
        for waiter in waiters.into_values() {
            // A waiter that left needs no news.
            let _ = waiter.reply.send(Err(error.clone()));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn write(mut sink: FrameSink, mut frames: mpsc::Receiver<Bytes>, shared: Arc<Shared>) {
    let mut batch = Vec::with_capacity(WRITE_FRAMES_MAX);
    while frames.recv_many(&mut batch, WRITE_FRAMES_MAX).await > 0 {
        if let Err(error) = sink.write(&mut batch).await {
            shared.end(&error);
            return;
        }
        batch.clear();
    }
    sink.finish();
}

async fn read(mut source: FrameSource, shared: Arc<Shared>) {
    let error = loop {
        match source.next().await {
            Ok(Some(body)) => {
                if let Err(error) = deliver(&shared, &body) {
                    break error;
                }
            }
            Ok(None) => break LinkError::Lost("the node ended the session".into()),
            Err(error) => break error,
        }
    };
    shared.end(&error);
}

fn deliver(shared: &Shared, body: &[u8]) -> Result<(), LinkError> {
    let reply: Tagged<Reply> = padding::decode::<TAGGED_REPLY_BYTES_MAX, _>(body).map_err(|_| Breach::Malformed)?;
    if let (0, Reply::Failure(failure)) = (reply.tag, &reply.body) {
        return Err(LinkError::Lost(format!("the node ends the session: {}", failure.number.advice_en())));
    }
    let waiter = shared.leave(reply.tag).ok_or(Breach::Tag)?;
    // The caller may have stopped waiting; its slot is free again either way.
    let _ = waiter.reply.send(Ok(reply.body));
    Ok(())
}
