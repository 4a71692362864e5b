//! Replication to one peer: many append frames on their way at once, over one stream, answered in order.
//!
//! ```text
//! requests of the leader ─► writer ─► frames ─► peer
//!                             │ window: what is on its way
//! answers in order  ◄──── reader ◄─ replies ◄─ peer
//! ```
//!
//! Writer and reader are driven by whoever polls the answers and by nobody else: a task of our own could outlive the
//! session and take requests that belong to the next one.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use openraft::{
    error::{NetworkError, RPCError, Unreachable},
    raft::AppendEntriesRequest,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    Silence, WRITE_TIME,
    link::Link,
    messages::{AppendReply, REPLY_BYTES_MAX, decode, encode_append, split},
};
use crate::{
    quic::{Exchange, FrameError, FrameReader, FrameWriter},
    raft::TypeConfig,
};

/// Frames on their way at once; openraft's own pipeline on the other side holds as many.
const FRAMES_MAX: usize = 64;
/// Bytes on their way at once: what a follower must hold that is slower than its leader.
const BYTES_MAX: usize = 16 * 1024 * 1024;

type Answer = Result<AppendReply, RPCError<TypeConfig>>;
/// Ends once all requests are sent, or one could not be.
type Writing = Pin<Box<dyn Future<Output = Result<(), RPCError<TypeConfig>>> + Send>>;

/// Sends `input` over `exchange`, and yields the answers until both have ended or one failed.
pub(super) fn pipeline<S>(exchange: Exchange, input: S, link: Arc<Link>, silence: Silence) -> BoxStream<'static, Answer>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
{
    let window = Arc::new(Window::default());
    let session = Session {
        writing: Some(Box::pin(write(exchange.writer, input, Arc::clone(&window)))),
        reader: exchange.reader,
        window,
        link,
        silence,
    };
    Box::pin(stream::unfold(Some(session), |session| async {
        let mut session = session?;
        let answer = session.next().await?;
        // Whatever is not a success ends the session, as the trait demands.
        let next = matches!(answer, Ok(Ok(_))).then_some(session);
        Some((answer, next))
    }))
}

struct Session {
    writing: Option<Writing>,
    reader: FrameReader,
    window: Arc<Window>,
    link: Arc<Link>,
    silence: Silence,
}

impl Session {
    async fn next(&mut self) -> Option<Answer> {
        loop {
            let writing = async {
                match &mut self.writing {
                    Some(writing) => writing.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                written = writing => {
                    self.writing = None;
                    if let Err(error) = written {
                        return Some(Err(error));
                    }
                }
                frame = self.reader.next(REPLY_BYTES_MAX, WRITE_TIME) => return self.answer(frame),
                () = self.window.overdue(self.silence.time) => {
                    self.link.unanswered(self.silence.time);
                    return Some(Err(self.silence.timeout()));
                }
            }
        }
    }

    fn answer(&self, frame: Result<Option<Bytes>, FrameError>) -> Option<Answer> {
        let frame = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) if self.writing.is_none() && self.window.is_empty() => return None,
            Ok(None) => return Some(Err(broken("the peer ended the stream early"))),
            Err(error) => return Some(Err(explain(&error))),
        };
        let reply = decode::<REPLY_BYTES_MAX, AppendReply>(&frame);
        if !self.window.leave() {
            return Some(Err(broken("the peer answered what was not asked")));
        }
        self.link.answered();
        Some(reply.map_err(|_| broken("the peer's answer is malformed")))
    }
}

async fn write<S>(mut writer: FrameWriter, mut input: S, window: Arc<Window>) -> Result<(), RPCError<TypeConfig>>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    while let Some(request) = input.next().await {
        let parts = split(request).map_err(|_| broken("an entry exceeds the limit of a frame"))?;
        for part in parts {
            let frame = encode_append(part).map_err(|_| broken("an append frame exceeds its limit"))?;
            window.enter(frame.iter().map(Bytes::len).sum()).await;
            writer.send_parts(frame, WRITE_TIME).await.map_err(|error| explain(&error))?;
        }
    }
    writer.finish();
    Ok(())
}

/// What is on its way and not yet answered.
#[derive(Default)]
struct Window {
    frames: Mutex<VecDeque<(Instant, usize)>>,
    /// The oldest frame is another one now.
    moved: Notify,
    /// There may be room.
    room: Notify,
}

impl Window {
    /// Waits for room, then enters a frame; one frame always has room, however large.
    async fn enter(&self, bytes: usize) {
        loop {
            {
                let mut frames = self.lock();
                let on_their_way: usize = frames.iter().map(|(_, bytes)| bytes).sum();
                if frames.is_empty() || (frames.len() < FRAMES_MAX && on_their_way + bytes <= BYTES_MAX) {
                    frames.push_back((Instant::now(), bytes));
                    self.moved.notify_one();
                    return;
                }
            }
            self.room.notified().await;
        }
    }

    /// Takes the oldest frame out; false if there was none.
    ///
    /// The next one's time starts now: a deep pipeline over a slow disk makes progress, and that is what counts.
    fn leave(&self) -> bool {
        let was_there = {
            let mut frames = self.lock();
            let was_there = frames.pop_front().is_some();
            if let Some((since, _)) = frames.front_mut() {
                *since = Instant::now();
            }
            was_there
        };
        self.moved.notify_one();
        self.room.notify_one();
        was_there
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Waits until the oldest frame has been on its way for `time` without any answer coming in.
    async fn overdue(&self, time: Duration) {
        loop {
            let oldest = self.lock().front().map(|(since, _)| *since);
            match oldest {
                None => self.moved.notified().await,
                Some(since) => tokio::select! {
                    () = sleep_until(since + time) => return,
                    () = self.moved.notified() => {}
                },
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, usize)>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something went wrong on the way; trying again at once is right.
pub(super) fn broken(why: &str) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::from_string(why))
}

/// What openraft should make of a broken stream: without a connection it must back off.
pub(super) fn explain(error: &FrameError) -> RPCError<TypeConfig> {
    match error {
        FrameError::Gone(_) | FrameError::Reset(_) => RPCError::Unreachable(Unreachable::from_string(error)),
        FrameError::TooLarge { .. } | FrameError::Truncated | FrameError::Slow => {
            RPCError::Network(NetworkError::from_string(error))
        }
    }
}
