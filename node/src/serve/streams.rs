//! The two ways of asking: a stream a question, and sessions.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{self, JoinSet},
};
use xacminh_core::command::Urgency;
use xacminh_proto::{
    close::CloseCode,
    codec::{self, CodecError},
    vocab::ErrorNumber,
    wire::{
        self, Failure, OPERATOR_REQUEST_BYTES_MAX, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request, Tagged, frame,
        padding,
    },
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
        Some([wire::STREAM_SESSION]) => session(hall, rights, room, exchange, Urgency::Counter).await,
        Some([wire::STREAM_BACKGROUND]) => session(hall, rights, room, exchange, Urgency::Background).await,
        _ => {
            exchange.reader.stop(CloseCode::Protocol);
            exchange.writer.reset(CloseCode::Protocol);
        }
    }
}

/// `0x01 | frame(Request) FIN → frame(Reply) FIN`; a caller that resets the stream cancels its question.
async fn one(hall: &Arc<Hall>, rights: &Rights, mut exchange: Exchange) {
    let mut watch = Stopwatch::start();
    // Only who may send a register may send anything that large, or announce it inside.
    let is_operator = matches!(rights, Rights::Operator(_));
    let bytes_max = if is_operator { OPERATOR_REQUEST_BYTES_MAX } else { REQUEST_BYTES_MAX };
    let reply = match exchange.reader.expect(bytes_max, hall.bounds.frame_time).await {
        Ok(frame) => match decode(&frame, is_operator) {
            Ok(request) => tokio::select! {
                reply = hall.reply(rights, request, Urgency::Counter, &mut watch) => reply,
                // Nobody waits for the answer any more; what was proposed may become a leaf all the same.
                () = exchange.writer.given_up() => return,
            },
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

fn decode(frame: &[u8], is_operator: bool) -> Result<Request, CodecError> {
    if is_operator {
        codec::decode::<OPERATOR_REQUEST_BYTES_MAX, Request>(frame)
    } else {
        codec::decode::<REQUEST_BYTES_MAX, Request>(frame)
    }
}

/// `0x02 or 0x03 | frame(Tagged<Request>)… → frame(Tagged<Reply>)…` until either side ends it.
async fn session(hall: Arc<Hall>, rights: Arc<Rights>, room: Arc<Semaphore>, exchange: Exchange, urgency: Urgency) {
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
        match request {
            None => break,
            // Every session has tags of its own; this one's question could not be read, the others go on.
            Some(Err(tag)) => tell(&replies, tag, malformed()).await,
            Some(Ok(request)) => {
                let (hall, rights, replies) = (Arc::clone(&hall), Arc::clone(&rights), replies.clone());
                // Boxed, for what is spawned is moved ten times on its way through the runtime, and this is a kilobyte.
                questions.spawn(Box::pin(question(hall, rights, request, urgency, replies, place)));
            }
        }
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
    urgency: Urgency,
    replies: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
) {
    let mut watch = Stopwatch::start();
    let body = hall.reply(&rights, request.body, urgency, &mut watch).await;
    if let Some(frame) = encoded(&Tagged { tag: request.tag, body }) {
        // The writer is gone when the caller is; nobody waits for the reply then.
        let _ = replies.send(frame).await;
        watch.lap(Stage::Reply, &hall.metrics);
    }
}

/// The next request of a session, or the tag of one that is whole but cannot be read. A frame that is not whole, or has
/// not even a tag, ends the session: what follows could not be told apart.
async fn next(
    reader: &mut FrameReader,
    replies: &mpsc::Sender<Bytes>,
    frame_time: Duration,
) -> Option<Result<Tagged<Request>, u64>> {
    let wrong = match reader.next(REQUEST_BYTES_MAX, frame_time).await {
        Ok(Some(body)) => match (codec::decode::<REQUEST_BYTES_MAX, Tagged<Request>>(&body), frame::tag(&body)) {
            (Ok(request), _) => return Some(Ok(request)),
            (Err(_), Ok(tag)) => return Some(Err(tag)),
            (Err(_), Err(_)) => malformed(),
        },
        Ok(None) => return None,
        Err(error) => failure(&error)?,
    };
    // Tag 0 is nobody's question: clients count from 1.
    tell(replies, 0, wrong).await;
    reader.stop(CloseCode::Protocol);
    None
}

fn malformed() -> Failure {
    Failure { number: ErrorNumber::MalformedMessage, detail: "no request of version 1".to_owned() }
}

async fn tell(replies: &mpsc::Sender<Bytes>, tag: u64, failure: Failure) {
    if let Some(frame) = encoded(&Tagged { tag, body: Reply::Failure(failure) }) {
        // The writer is gone when the caller is.
        let _ = replies.send(frame).await;
    }
}

async fn write(mut writer: FrameWriter, mut replies: mpsc::Receiver<Bytes>, frame_time: Duration) {
    let mut together = Vec::with_capacity(REPLIES_TOGETHER_MAX);
    while replies.recv_many(&mut together, REPLIES_TOGETHER_MAX).await > 0 {
        // One entry settles many questions, and the first that is done wakes this task: the others, which are ready to run,
        // go before it, and a few packets take what would have been one each.
        task::yield_now().await;
        while together.len() < REPLIES_TOGETHER_MAX
            && let Ok(reply) = replies.try_recv()
        {
            together.push(reply);
        }
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
    match padding::encode::<REPLY_BYTES_MAX, T>(reply) {
        Ok(bytes) => Some(Bytes::from(bytes)),
        Err(error) => {
            tracing::error!(%error, "a reply does not fit into a frame");
            None
        }
    }
}
