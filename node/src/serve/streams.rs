//! The two ways of asking: a stream a question, and sessions.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use xacminh_proto::{
    close::CloseCode,
    codec,
    vocab::ErrorNumber,
    wire::{self, Failure, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request, Tagged},
};

use super::{Hall, Rights, handle::fail};
use crate::{
    quic::{Exchange, FrameError, FrameReader, FrameWriter},
    telemetry::{Stage, Stopwatch},
};

/// Replies that wait for the writer of a session; questions in work are bounded, so that it never fills.
const REPLIES_WAITING_MAX: usize = 1024;

/// Replies written with one passage through the connection's lock.
const REPLIES_TOGETHER_MAX: usize = 64;

/// How long the end of a stream may take to reach the caller before the connection is closed under it.
const GOODBYE: Duration = Duration::from_millis(500);

/// Serves one stream of either kind.
pub(super) async fn serve(hall: Arc<Hall>, rights: Arc<Rights>, room: Arc<Semaphore>, mut exchange: Exchange) {
    // A stream that is opened and says nothing is given up: half-open streams must not use up the caller's own places.
    match exchange.reader.raw(1, hall.bounds.frame_time).await.ok().flatten().as_deref() {
        Some([wire::STREAM_ONE]) => one(&hall, &rights, exchange).await,
        Some([wire::STREAM_SESSION]) => session(hall, rights, room, exchange).await,
        _ => {
            exchange.reader.stop(CloseCode::Protocol);
            exchange.writer.reset(CloseCode::Protocol);
        }
    }
}

/// `0x01 | frame(Request) FIN → frame(Reply) FIN`; a caller that resets the stream cancels its question.
async fn one(hall: &Arc<Hall>, rights: &Rights, mut exchange: Exchange) {
    let mut watch = Stopwatch::start();
    let reply = match exchange.reader.expect(REQUEST_BYTES_MAX, hall.bounds.frame_time).await {
        Ok(frame) => match codec::decode::<REQUEST_BYTES_MAX, Request>(&frame) {
            Ok(request) => hall.reply(rights, request, &mut watch).await,
            Err(_) => fail(ErrorNumber::MalformedMessage, "no request of version 1"),
        },
        Err(error) => match failure(&error) {
            Some(failure) => Reply::Failure(failure),
            None => return,
        },
    };
    if let Some(frame) = encoded(&reply) {
        let _ = exchange.writer.send(frame, hall.bounds.frame_time).await;
        exchange.writer.finish();
        watch.lap(Stage::Reply, &hall.metrics);
        exchange.writer.settled(GOODBYE).await;
    }
}

/// `0x02 | frame(Tagged<Request>)… → frame(Tagged<Reply>)…` until either side ends it.
async fn session(hall: Arc<Hall>, rights: Arc<Rights>, room: Arc<Semaphore>, exchange: Exchange) {
    let Exchange { mut reader, writer } = exchange;
    let (replies, waiting) = mpsc::channel(REPLIES_WAITING_MAX);
    let writing = tokio::spawn(write(writer, waiting, hall.bounds.frame_time));
    let mut stop = hall.stop.clone();
    let mut questions = JoinSet::new();
    loop {
        // A session with too many questions in work is read no further: the caller's own flow control holds it back.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { break };
        let request = tokio::select! {
            request = next(&mut reader, &replies, hall.bounds.frame_time) => request,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(request) = request else { break };
        questions.spawn(question(Arc::clone(&hall), Arc::clone(&rights), request, replies.clone(), place));
        while questions.try_join_next().is_some() {}
    }
    while questions.join_next().await.is_some() {}
    drop(replies);
    let _ = writing.await;
}

async fn question(
    hall: Arc<Hall>,
    rights: Arc<Rights>,
    request: Tagged<Request>,
    replies: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
) {
    let mut watch = Stopwatch::start();
    let body = hall.reply(&rights, request.body, &mut watch).await;
    if let Some(frame) = encoded(&Tagged { tag: request.tag, body }) {
        // The writer is gone when the caller is; nobody waits for the reply then.
        let _ = replies.send(frame).await;
        watch.lap(Stage::Reply, &hall.metrics);
    }
}

/// The next request of a session. A frame that cannot be read ends it: what follows could not be told apart.
async fn next(
    reader: &mut FrameReader,
    replies: &mpsc::Sender<Bytes>,
    frame_time: Duration,
) -> Option<Tagged<Request>> {
    let wrong = match reader.next(REQUEST_BYTES_MAX, frame_time).await {
        Ok(Some(frame)) => match codec::decode::<REQUEST_BYTES_MAX, Tagged<Request>>(&frame) {
            Ok(request) => return Some(request),
            Err(_) => Failure { number: ErrorNumber::MalformedMessage, detail: "no request of version 1".to_owned() },
        },
        Ok(None) => return None,
        Err(error) => failure(&error)?,
    };
    // Tag 0 is nobody's question: clients count from 1.
    if let Some(frame) = encoded(&Tagged { tag: 0, body: Reply::Failure(wrong) }) {
        let _ = replies.send(frame).await;
    }
    reader.stop(CloseCode::Protocol);
    None
}

async fn write(mut writer: FrameWriter, mut replies: mpsc::Receiver<Bytes>, frame_time: Duration) {
    let mut together = Vec::with_capacity(REPLIES_TOGETHER_MAX);
    while replies.recv_many(&mut together, REPLIES_TOGETHER_MAX).await > 0 {
        if writer.send_all(together.drain(..), frame_time).await.is_err() {
            return;
        }
    }
    writer.finish();
    writer.settled(GOODBYE).await;
}

/// What to tell a caller whose frame did not arrive whole; nothing if nobody is there to be told.
fn failure(error: &FrameError) -> Option<Failure> {
    let number = match error {
        FrameError::TooLarge { .. } => ErrorNumber::MessageTooLarge,
        FrameError::Truncated => ErrorNumber::MalformedMessage,
        FrameError::Slow => ErrorNumber::TooSlow,
        FrameError::Reset(_) | FrameError::Gone(_) => return None,
    };
    Some(Failure { number, detail: error.to_string() })
}

fn encoded<T: serde::Serialize>(reply: &T) -> Option<Bytes> {
    match codec::encode::<REPLY_BYTES_MAX, T>(reply) {
        Ok(bytes) => Some(Bytes::from(bytes)),
        Err(error) => {
            tracing::error!(%error, "a reply does not fit into a frame");
            None
        }
    }
}
