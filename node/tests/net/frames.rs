//! Frames that are too large, too slow, torn, empty, or many in one packet.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use xacminh_node::{
    quic::{Caller, Door, Exchange, FrameError, Limits},
    tls::{Port, PortTls},
};

use super::{
    callers::Client,
    certs::{Ca, Spec, load, open},
};

/// More than any machine needs for a frame that does come.
const PATIENCE: Duration = Duration::from_secs(20);

struct Line {
    _folder: tempfile::TempDir,
    _tls: Arc<PortTls>,
    _door: Door,
    connection: quinn::Connection,
    caller: Caller,
}

impl Line {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::new(folder.path(), "client-ca");
        let node = ca.issue("node-1", &Spec::of("xacminh://dev/node/1"));
        let tls = load(Port::Clients, 1, node.clone());
        let mut door = open(&tls, Limits::clients());
        let portal = ca.issue("portal-1", &Spec::of("xacminh://dev/portal/1"));
        let client = Client::new(Some(&portal), &node, b"xacminh/1");
        let connection = client.call(door.address()).await.unwrap();
        let caller = door.accept().await.unwrap();
        Self { _folder: folder, _tls: tls, _door: door, connection, caller }
    }

    /// A stream on which the client has sent `bytes`.
    async fn stream(&self, bytes: &[u8]) -> (quinn::SendStream, quinn::RecvStream, Exchange) {
        let (mut send, recv) = self.connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        (send, recv, self.caller.conn().accept().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_frames_cost_their_stream_only() {
    let line = Line::new().await;

    let (_send, _recv, mut oversize) = line.stream(&u32::MAX.to_be_bytes()).await;
    let announced = u32::MAX as usize;
    let error = oversize.reader.next(100, PATIENCE).await.unwrap_err();
    assert_eq!(error, FrameError::TooLarge { announced, bytes_max: 100 });

    let (_send, _recv, mut slow) = line.stream(b"\0\0\0\x05ab").await;
    assert_eq!(slow.reader.next(100, Duration::from_millis(50)).await, Err(FrameError::Slow));

    let (_send, _recv, mut half_header) = line.stream(b"\0\0").await;
    assert_eq!(half_header.reader.next(100, Duration::from_millis(50)).await, Err(FrameError::Slow));

    for torn in [b"\0\0\0\x05abcd".as_slice(), b"\0\0\0\x05", b"\0"] {
        let (mut send, _recv, mut truncated) = line.stream(torn).await;
        send.finish().unwrap();
        assert_eq!(truncated.reader.next(100, PATIENCE).await, Err(FrameError::Truncated));
    }

    let (mut send, _recv, mut reset) = line.stream(b"\0\0\0\x05ab").await;
    send.reset(77u32.into()).unwrap();
    assert_eq!(reset.reader.next(100, PATIENCE).await, Err(FrameError::Reset(77)));

    let (mut send, _recv, mut silent) = line.stream(b"\0\0\0\0").await;
    send.finish().unwrap();
    assert_eq!(silent.reader.next(100, PATIENCE).await, Ok(Some(Bytes::new())));
    assert_eq!(silent.reader.next(100, PATIENCE).await, Ok(None));
    assert!(line.connection.close_reason().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_all_sizes_arrive_in_order() {
    let line = Line::new().await;
    let sizes = [0, 1, 3, 4, 5, 1199, 1200, 1201, 70_000, 2, 300_000, 0, 7];
    let frames: Vec<Bytes> = sizes.iter().zip(0u8..).map(|(size, fill)| Bytes::from(vec![fill; *size])).collect();
    let mut bytes = Vec::new();
    for frame in &frames {
        bytes.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(frame);
    }
    let (mut send, mut recv) = line.connection.open_bi().await.unwrap();
    let sending = tokio::spawn(async move {
        send.write_all(&bytes).await.unwrap();
        send.finish().unwrap();
        bytes
    });
    let mut exchange = line.caller.conn().accept().await.unwrap();
    let mut echoed = Vec::new();
    while let Some(frame) = exchange.reader.next(300_000, PATIENCE).await.unwrap() {
        echoed.push(frame);
    }
    assert_eq!(echoed, frames);

    let answering = tokio::spawn(async move {
        exchange.writer.send_all(echoed, PATIENCE).await.unwrap();
        exchange.writer.finish();
        exchange.writer.settled(PATIENCE).await;
    });
    let received = recv.read_to_end(1 << 20).await.unwrap();
    assert_eq!(received, sending.await.unwrap());
    answering.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_read_loses_nothing() {
    let line = Line::new().await;
    let (mut send, _recv, mut exchange) = line.stream(b"\0\0\0\x06abc").await;
    for _ in 0..3 {
        let cancelled = tokio::time::timeout(Duration::from_millis(20), exchange.reader.next(100, PATIENCE)).await;
        assert!(cancelled.is_err());
    }
    send.write_all(b"def").await.unwrap();
    assert_eq!(exchange.reader.next(100, PATIENCE).await, Ok(Some(Bytes::from_static(b"abcdef"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_is_given_up() {
    let line = Line::new().await;
    let (_send, recv, mut exchange) = line.stream(b"\0\0\0\0").await;
    let flood = Bytes::from(vec![1; 64 * 1024 * 1024]);
    assert_eq!(exchange.writer.send(flood, Duration::from_millis(200)).await, Err(FrameError::Slow));
    drop(exchange);
    // A frame that was cut short must not look like an end.
    let mut recv = recv;
    let mut ended = Ok(None);
    for _ in 0..100_000 {
        ended = recv.read_chunk(1 << 20, true).await;
        if !matches!(ended, Ok(Some(_))) {
            break;
        }
    }
    assert!(matches!(ended, Err(quinn::ReadError::Reset(_))), "{ended:?}");
}
