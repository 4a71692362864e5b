//! Raft over QUIC: one connection to each peer for log, votes, heartbeats and forwarded leaves, another for snapshots.
//!
//! ```text
//! Peers ── Link ──► peer       dialled in the background, introduced by a hello, dialled again when silent
//!   PeerNetwork                openraft's calls become streams: append (pipelined), vote, snapshot, …
//!     Upcoming                 what is about to be appended: a commit waits for it, and rides along
//!   Forwarder                  leaves of this node to the leader, one way, in order
//! serve_peers                  the other end of all of these
//! ```
//!
//! A stream per conversation: QUIC keeps them apart, so that a large append frame delays no vote.

mod alias;
mod append;
mod forward;
mod link;
mod messages;
mod peer_book;
mod ride;
mod server;
mod snapshot;

use std::{future::Future, marker::PhantomData, sync::Arc, time::Duration};

use futures::Stream;
use openraft::{
    OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2,
    base::{BoxFuture, BoxStream},
    error::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable},
    network::{Backoff, RPCOption},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::types::{Member, TypeConfig};
use alias::{Snapshot, Vote};
use append::{broken, explain};
use link::Link;
use messages::{OPENING_BYTES_MAX, Opening, REPLY_BYTES_MAX, Reply, decode, encode, encode_append, split};

pub use forward::{ForwardError, Forwarder};
pub use link::Peers;
pub use messages::{FORWARD_BYTES_MAX, SnapshotFile};
pub use peer_book::{PeerBook, PeerBookError};
pub use ride::Upcoming;
pub use server::{ForwardRefused, ForwardSink, serve_peers};
pub use snapshot::{SnapshotSink, SnapshotSource, SnapshotSpool};

/// Time for a frame that has begun to be sent or to arrive; a peer that takes longer is as good as gone.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// Time a follower has to make an append frame durable before the session is given up.
///
/// openraft offers the heartbeat interval here, which no disk under load can promise.
const APPEND_TIME_MIN: Duration = Duration::from_secs(5);

/// Heartbeats and votes go before everything else on the connection.
const URGENT: i32 = 1;

/// First pause after a peer was unreachable; the link dials on in the background meanwhile.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
/// Longest pause: a peer that comes back waits no longer for its log.
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// Makes openraft's ways to the peers; `D` is the store's snapshot.
pub struct PeerNetwork<D> {
    peers: Arc<Peers>,
    upcoming: Option<Upcoming>,
    snapshot: PhantomData<fn() -> D>,
}

/// openraft's way to one peer.
pub struct PeerClient<D> {
    peers: Arc<Peers>,
    /// None where nothing is known of it, and where it is of no use.
    upcoming: Option<Upcoming>,
    link: Arc<Link>,
    /// Whether this client carries heartbeats only.
    heartbeat: bool,
    snapshot: PhantomData<fn() -> D>,
}

/// How long to wait for an answer, and what to say when none comes.
#[derive(Debug, Clone, Copy)]
struct Silence {
    action: RPCTypes,
    from: u64,
    to: u64,
    time: Duration,
}

impl<D> PeerNetwork<D> {
    /// The network of this node.
    #[must_use]
    pub fn new(peers: Arc<Peers>) -> Self {
        Self { peers, upcoming: None, snapshot: PhantomData }
    }

    /// The same, told what will be appended next.
    #[must_use]
    pub fn with_upcoming(self, upcoming: Upcoming) -> Self {
        Self { upcoming: Some(upcoming), ..self }
    }

    fn client(&self, link: Arc<Link>, heartbeat: bool) -> PeerClient<D> {
        let peers = Arc::clone(&self.peers);
        let upcoming = self.upcoming.clone().filter(|_| !heartbeat);
        PeerClient { peers, upcoming, link, heartbeat, snapshot: PhantomData }
    }
}

impl<D: SnapshotSource> RaftNetworkFactory<TypeConfig> for PeerNetwork<D> {
    type Network = PeerClient<D>;

    async fn new_client(&mut self, target: u64, node: &Member) -> PeerClient<D> {
        self.client(self.peers.link(target, &node.peer_addr), false)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Member) -> PeerClient<D> {
        self.client(self.peers.link(target, &node.peer_addr), true)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &Member) -> PeerClient<D> {
        self.client(self.peers.bulk_link(target, &node.peer_addr), false)
    }
}

impl<D> PeerClient<D> {
    fn silence(&self, action: RPCTypes, time: Duration) -> Silence {
        Silence { action, from: self.peers.node_id, to: self.link.target, time }
    }

    /// Opens a stream and says what it is for.
    async fn open(&self, opening: &Opening, time: Duration) -> Result<crate::quic::Exchange, RPCError<TypeConfig>> {
        let unreachable = |why: String| RPCError::Unreachable(Unreachable::from_string(why));
        let caller = self.link.up(time).await.map_err(unreachable)?;
        let mut exchange = caller.conn().open().await.map_err(|gone| unreachable(gone.to_string()))?;
        if self.heartbeat || matches!(opening, Opening::Vote(_) | Opening::PreVote(_)) {
            exchange.writer.prefer(URGENT);
        }
        let opening = encode::<OPENING_BYTES_MAX, _>(opening).map_err(|_| broken("an opening exceeds its limit"))?;
        exchange.writer.send(opening, WRITE_TIME).await.map_err(|error| explain(&error))?;
        Ok(exchange)
    }

    /// One question, one answer, within the time openraft grants.
    async fn ask<T: DeserializeOwned>(
        &self,
        opening: Opening,
        action: RPCTypes,
        option: &RPCOption,
    ) -> Result<T, RPCError<TypeConfig>> {
        let silence = self.silence(action, option.soft_ttl());
        let asked = async {
            let mut exchange = self.open(&opening, silence.time).await?;
            exchange.writer.finish();
            let frame = exchange.reader.expect(REPLY_BYTES_MAX, silence.time).await;
            let reply: Reply<T> = decode::<REPLY_BYTES_MAX, _>(&frame.map_err(|error| explain(&error))?)
                .map_err(|_| broken("the peer's answer is malformed"))?;
            reply.map_err(|why| RPCError::Unreachable(Unreachable::from_string(why)))
        };
        match timeout(silence.time, asked).await {
            Ok(answer) => {
                // A peer that was not even reached has not broken its silence.
                if answer.is_ok() {
                    self.link.answered();
                }
                answer
            }
            Err(_) => {
                self.link.unanswered(silence.time);
                Err(silence.timeout())
            }
        }
    }
}

impl<D: SnapshotSource> RaftNetworkV2<TypeConfig> for PeerClient<D> {
    type SnapshotData = D;

    /// openraft replicates through [`Self::stream_append`]; this is the same with a single request.
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let parts = split(request).map_err(|_| broken("an entry exceeds the limit of a frame"))?;
        let is_partial = parts.len() > 1;
        let Some(part) = parts.into_iter().next() else {
            return Ok(AppendEntriesResponse::Success);
        };
        let silence = self.silence(RPCTypes::AppendEntries, option.soft_ttl());
        let asked = async {
            let mut exchange = self.open(&Opening::Append, silence.time).await?;
            let frame = encode_append(part).map_err(|_| broken("an append frame exceeds its limit"))?;
            exchange.writer.send_parts(frame, WRITE_TIME).await.map_err(|error| explain(&error))?;
            exchange.writer.finish();
            let reply = exchange.reader.expect(REPLY_BYTES_MAX, silence.time).await.map_err(|error| explain(&error))?;
            decode::<REPLY_BYTES_MAX, messages::AppendReply>(&reply)
                .map_err(|_| broken("the peer's answer is malformed"))
        };
        match timeout(silence.time, asked).await.map_err(|_| silence.timeout())?? {
            Ok(last) if is_partial => Ok(AppendEntriesResponse::PartialSuccess(last)),
            Ok(_) => Ok(AppendEntriesResponse::Success),
            Err(StreamAppendError::Conflict(_)) => Ok(AppendEntriesResponse::Conflict),
            Err(StreamAppendError::HigherVote(vote)) => Ok(AppendEntriesResponse::HigherVote(vote)),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>>, RPCError<TypeConfig>>,
    >
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let exchange = self.open(&Opening::Append, option.soft_ttl()).await?;
            let time = if self.heartbeat { option.soft_ttl() } else { option.soft_ttl().max(APPEND_TIME_MIN) };
            let silence = self.silence(RPCTypes::AppendEntries, time);
            let link = Arc::clone(&self.link);
            let answers: BoxStream<'s, _> = match &self.upcoming {
                Some(upcoming) => append::pipeline(exchange, upcoming.riding(input), link, silence),
                None => append::pipeline(exchange, input, link, silence),
            };
            Ok(answers)
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask(Opening::Vote(request), RPCTypes::Vote, &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask(Opening::PreVote(request), RPCTypes::Vote, &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<D>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let silence = self.silence(RPCTypes::InstallSnapshot, option.soft_ttl());
        let sending = async {
            let exchange = self.open(&Opening::Snapshot, silence.time).await?;
            snapshot::send(exchange, vote, snapshot, silence).await
        };
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask(Opening::TransferLeader(request), RPCTypes::TransferLeader, &option).await
    }

    fn backoff(&self) -> Option<Backoff> {
        let pauses = std::iter::successors(Some(BACKOFF_MIN), |pause| Some((*pause * 2).min(BACKOFF_MAX)));
        Some(Backoff::new(pauses))
    }
}

impl Silence {
    fn timeout(&self) -> RPCError<TypeConfig> {
        RPCError::Timeout(Timeout { action: self.action, id: self.from, target: self.to, timeout: self.time })
    }

    /// The moment after which there is nothing to wait for.
    fn deadline(&self) -> Instant {
        Instant::now() + self.time
    }
}
