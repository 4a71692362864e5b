//! The other end: what peers ask of this node.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use openraft::{
    RPCTypes, Raft, Snapshot,
    raft::{AppendEntriesRequest, SnapshotResponse},
    storage::RaftStateMachine,
};
use serde::Serialize;
use tokio::{sync::Semaphore, task::JoinSet};
use tracing::{debug, error, info, warn};
use xacminh_proto::close::CloseCode;

use super::{
    Silence, WRITE_TIME,
    link::{HELLO_TIME, LinkError, Peers},
    messages::{
        APPEND_FRAME_BYTES_MAX, FORWARD_BYTES_MAX, HELLO_BYTES_MAX, Hello, OPENING_BYTES_MAX, Opening, REPLY_BYTES_MAX,
        Reply, decode, decode_append, encode,
    },
    snapshot::{self, SnapshotSpool},
};
use crate::{
    quic::{Caller, Door, Exchange, FrameError, FrameReader, FrameWriter, Gone},
    raft::TypeConfig,
};

/// Snapshots received at once: each fills the disk.
const SNAPSHOTS_MAX: usize = 1;

/// Append replies sent with one write when they are ready together.
const REPLIES_AT_ONCE: usize = 64;

/// Why a node does not take forwarded leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardRefused {
    /// It is not the leader, or no longer.
    NotLeader,
    /// It has too much to do.
    Busy,
    /// The bytes are not leaves.
    Malformed,
}

/// Takes the leaves that followers forward.
pub trait ForwardSink: Send + Sync + 'static {
    /// Takes a batch of leaves of node `from`; must not block. Batches of one node come in the order it sent them.
    ///
    /// # Errors
    /// Ends the stream; the follower learns that what it sent may be lost, and sends again.
    fn forwarded(&self, from: u64, leaves: Bytes) -> Result<(), ForwardRefused>;
}

/// Serves the peers that come through `door` until it is closed.
pub async fn serve_peers<SM, P>(
    mut door: Door,
    peers: Arc<Peers>,
    raft: Raft<TypeConfig, SM>,
    forwarded: Arc<dyn ForwardSink>,
    spool: Arc<P>,
) where
    SM: RaftStateMachine<TypeConfig>,
    P: SnapshotSpool<Data = SM::SnapshotData>,
{
    let snapshots = Arc::new(Semaphore::new(SNAPSHOTS_MAX));
    let server = Arc::new(Server { peers, raft, forwarded, spool, snapshots });
    // Ended with this function, so that nobody talks to a node that has stopped.
    let mut visits = JoinSet::new();
    while let Some(caller) = door.accept().await {
        while visits.try_join_next().is_some() {}
        let server = Arc::clone(&server);
        visits.spawn(async move { server.receive(&caller).await });
    }
}

struct Server<SM: RaftStateMachine<TypeConfig>, P> {
    peers: Arc<Peers>,
    raft: Raft<TypeConfig, SM>,
    forwarded: Arc<dyn ForwardSink>,
    spool: Arc<P>,
    snapshots: Arc<Semaphore>,
}

impl<SM, P> Server<SM, P>
where
    SM: RaftStateMachine<TypeConfig>,
    P: SnapshotSpool<Data = SM::SnapshotData>,
{
    async fn receive(self: Arc<Self>, caller: &Caller) {
        let from = match self.introduce(caller).await {
            Ok(hello) => hello.node_id,
            Err(why) => {
                if why.code() == CloseCode::NewDisk {
                    error!(peer = %caller.identity(), "{why}");
                } else {
                    info!(peer = %caller.identity(), %why, "peer refused");
                }
                return caller.conn().close(why.code());
            }
        };
        let mut streams = JoinSet::new();
        let gone = loop {
            match caller.conn().accept().await {
                Ok(exchange) => {
                    while streams.try_join_next().is_some() {}
                    let (server, caller) = (Arc::clone(&self), caller.clone());
                    streams.spawn(async move {
                        if let Err(why) = server.converse(from, exchange).await {
                            debug!(peer = from, %why, "stream ended");
                            if matches!(why, FrameError::TooLarge { .. }) {
                                caller.conn().close(CloseCode::Protocol);
                            }
                        }
                    });
                }
                Err(gone) => break gone,
            }
        };
        debug!(peer = from, %gone, "peer left");
    }

    async fn introduce(&self, caller: &Caller) -> Result<Hello, LinkError> {
        let accepted = tokio::time::timeout(HELLO_TIME, caller.conn().accept()).await;
        let mut exchange = accepted.map_err(|_| LinkError::Hello(FrameError::Slow))?.map_err(LinkError::Gone)?;
        let theirs = exchange.reader.expect(HELLO_BYTES_MAX, HELLO_TIME).await.map_err(LinkError::Hello)?;
        let malformed = |_| LinkError::Stranger(CloseCode::Protocol);
        let theirs: Hello = decode::<HELLO_BYTES_MAX, _>(&theirs).map_err(malformed)?;
        self.peers.check(&theirs, caller.identity()).await?;
        let ours = encode::<HELLO_BYTES_MAX, _>(&self.peers.hello(theirs.lane)).map_err(malformed)?;
        exchange.writer.send(ours, HELLO_TIME).await.map_err(LinkError::Hello)?;
        exchange.writer.finish();
        Ok(theirs)
    }

    async fn converse(&self, from: u64, exchange: Exchange) -> Result<(), FrameError> {
        let Exchange { mut reader, mut writer } = exchange;
        let opening = reader.expect(OPENING_BYTES_MAX, HELLO_TIME).await?;
        let Ok(opening) = decode::<OPENING_BYTES_MAX, Opening>(&opening) else {
            warn!(peer = from, "a stream opened with something that is not the protocol");
            reader.stop(CloseCode::Protocol);
            writer.reset(CloseCode::Protocol);
            return Ok(());
        };
        match opening {
            Opening::Append => self.append(from, reader, writer).await,
            Opening::Vote(request) => {
                let voted = self.raft.vote(request).await;
                answer(&mut writer, voted.map_err(|error| error.to_string())).await
            }
            Opening::PreVote(request) => {
                let voted = self.raft.pre_vote(request).await;
                answer(&mut writer, voted.map_err(|error| error.to_string())).await
            }
            Opening::TransferLeader(request) => {
                let handled = self.raft.handle_transfer_leader(request).await;
                answer(&mut writer, handled.map_err(|error| error.to_string())).await
            }
            Opening::Snapshot => {
                let installed = self.install(from, &mut reader).await;
                reader.stop(CloseCode::Done);
                answer(&mut writer, installed).await
            }
            Opening::Forward => self.take_leaves(from, reader).await,
        }
    }

    /// Frames go into Raft as they come, replies go out as they are ready; Raft keeps the order.
    async fn append(&self, from: u64, reader: FrameReader, mut writer: FrameWriter) -> Result<(), FrameError> {
        let trouble = Arc::new(Mutex::new(None));
        let requests = stream::unfold((reader, Arc::clone(&trouble)), move |(mut reader, trouble)| async move {
            match next_append(from, &mut reader).await {
                Ok(request) => request.map(|request| (request, (reader, trouble))),
                Err(error) => {
                    *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    None
                }
            }
        });
        let mut replies = pin!(self.raft.stream_append(requests).ready_chunks(REPLIES_AT_ONCE));
        while let Some(ready) = replies.next().await {
            let mut frames = Vec::with_capacity(ready.len());
            for reply in ready {
                let Ok(reply) = reply else {
                    // Raft has stopped on this node; the leader must look elsewhere.
                    writer.reset(CloseCode::ShuttingDown);
                    return Ok(());
                };
                let Ok(frame) = encode::<REPLY_BYTES_MAX, _>(&reply) else {
                    writer.reset(CloseCode::Protocol);
                    return Ok(());
                };
                frames.push(frame);
            }
            writer.send_all(frames, WRITE_TIME).await?;
        }
        let trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        match trouble {
            Some(error) => {
                writer.reset(CloseCode::Protocol);
                Err(error)
            }
            None => {
                writer.finish();
                Ok(())
            }
        }
    }

    async fn install(&self, from: u64, reader: &mut FrameReader) -> Reply<SnapshotResponse<TypeConfig>> {
        let Ok(_permit) = self.snapshots.try_acquire() else {
            return Err("already receiving a snapshot".to_owned());
        };
        let silence = Silence { action: RPCTypes::InstallSnapshot, from, to: self.peers.node_id, time: WRITE_TIME };
        let received = snapshot::receive(reader, Arc::clone(&self.spool), silence).await?;
        let snapshot = Snapshot { meta: received.meta, snapshot: received.data };
        self.raft.install_full_snapshot(received.vote, snapshot).await.map_err(|error| error.to_string())
    }

    async fn take_leaves(&self, from: u64, mut reader: FrameReader) -> Result<(), FrameError> {
        while let Some(leaves) = reader.next(FORWARD_BYTES_MAX, WRITE_TIME).await? {
            if let Err(why) = self.forwarded.forwarded(from, leaves) {
                debug!(peer = from, ?why, "forwarded leaves refused");
                reader.stop(CloseCode::Done);
                return Ok(());
            }
        }
        Ok(())
    }
}

async fn next_append(
    from: u64,
    reader: &mut FrameReader,
) -> Result<Option<AppendEntriesRequest<TypeConfig>>, FrameError> {
    let Some(frame) = reader.next(APPEND_FRAME_BYTES_MAX, WRITE_TIME).await? else {
        return Ok(None);
    };
    match decode_append(frame) {
        Ok(request) => Ok(Some(request)),
        Err(why) => {
            warn!(peer = from, %why, "an append frame is malformed");
            reader.stop(CloseCode::Protocol);
            Err(FrameError::Gone(Gone::Ours))
        }
    }
}

async fn answer<T: Serialize>(writer: &mut FrameWriter, reply: Reply<T>) -> Result<(), FrameError> {
    // A sentence too long for a reply is cut to one that fits.
    let frame = encode::<REPLY_BYTES_MAX, _>(&reply)
        .or_else(|_| encode::<REPLY_BYTES_MAX, Reply<T>>(&Err("the answer exceeds its limit".to_owned())));
    let Ok(frame) = frame else {
        writer.reset(CloseCode::Protocol);
        return Ok(());
    };
    writer.send(frame, WRITE_TIME).await?;
    writer.finish();
    Ok(())
}
