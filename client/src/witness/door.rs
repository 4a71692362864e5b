//! The witness's door: `POST /add-checkpoint` over plain HTTP/1.1, for callers of whom none is known.
//!
//! Whoever can reach it may ask: what authenticates a request is the log's signature in it. It speaks no TLS: it stands
//! behind a proxy that does, or on a link of its own to the log's operator. What a listener in between could change is
//! whether an answer arrives, never what it is worth.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tracing::warn;
use xacminh_proto::transparency::witness::{ADD_CHECKPOINT, REQUEST_BYTES_MAX, Refusal, SIZE_CONTENT_TYPE};

use super::{
    config::Limits,
    desk::{Desk, Fatal},
};

/// How long requests that are being answered keep a stopped witness alive.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Rest after a connection could not be taken, most likely for want of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Headers of a request, and bytes of its head: proxies add some.
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 16 * 1024;

const TEXT: &str = "text/plain; charset=utf-8";

struct Door {
    desk: Arc<Desk>,
    request_timeout: Duration,
    fatal: mpsc::Sender<Fatal>,
}

/// Serves until `stop`, or until the disk fails.
pub(super) async fn serve(
    listener: TcpListener,
    desk: Arc<Desk>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Result<(), Fatal> {
    let (fatal, mut fatals) = mpsc::channel(1);
    let door = Arc::new(Door { desk, request_timeout: limits.request_timeout, fatal });
    let routes = Router::new().route(&format!("/{ADD_CHECKPOINT}"), post(add_checkpoint)).with_state(door);
    let mut settings = http1::Builder::new();
    settings
        .timer(TokioTimer::new())
        // From the first byte, and from the end of an answer: an idle connection is kept so long and no longer.
        .header_read_timeout(limits.idle_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let connections = GracefulShutdown::new();
    tokio::pin!(stop);
    let ended = loop {
        // Who comes when all slots are taken waits in the system's queue.
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut stop => break Ok(()),
            Some(fatal) = fatals.recv() => break Err(fatal),
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let service = TowerToHyperService::new(routes.clone());
                let connection = connections.watch(settings.serve_connection(TokioIo::new(stream), service));
                tokio::spawn(async move {
                    // A caller who breaks off is the caller's affair.
                    let _ = connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                warn!(%error, "a connection could not be taken");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    };
    drop(listener);
    // Whoever is not answered by then asks again: nothing is lost, for what was cosigned was remembered first.
    let _ = timeout(DRAIN_MAX, connections.shutdown()).await;
    ended
}

async fn add_checkpoint(State(door): State<Arc<Door>>, body: Body) -> Response {
    let body = match timeout(door.request_timeout, axum::body::to_bytes(body, REQUEST_BYTES_MAX)).await {
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
        // Too long, or torn; whoever tore it does not read the answer.
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Ok(Ok(body)) => body,
    };
    let desk = Arc::clone(&door.desk);
    match tokio::task::spawn_blocking(move || desk.add_checkpoint(&body)).await {
        Ok(Ok(Ok(line))) => ([(CONTENT_TYPE, TEXT)], line).into_response(),
        Ok(Ok(Err(refusal))) => refused(refusal),
        Ok(Err(fatal)) => {
            // If the channel is full, the process is about to end for an earlier one.
            let _ = door.fatal.try_send(fatal);
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        // A defect of ours; the desk has put itself out of use if it was in the middle of something.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refused(refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).expect("a status of HTTP");
    let kind = if matches!(refusal, Refusal::Conflict { .. }) { SIZE_CONTENT_TYPE } else { TEXT };
    (status, [(CONTENT_TYPE, kind)], refusal.body()).into_response()
}
