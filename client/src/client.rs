//! One question, one answer: finds a node that lives, asks again where asking again is safe, and stops at the deadline.
//!
//! ```text
//! ask → flight to the node that answered last ──no answer within the hedge time──→ a second flight to the next node
//!         │ reply: check it, believe it                │ trouble: next node at once; all nodes tired: pause, then again
//! ```
//!
//! Every flight of a question carries the same request id, so however many arrive, one leaf is written.

mod auditing;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};
use xacminh_proto::{
    codec,
    transparency::Policy,
    vocab::{ErrorNumber, Fault, RequestId},
    wire::{
        Answer, Ask, Failure, OPERATOR_REQUEST_BYTES_MAX, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request, Status,
        frame, padding,
    },
};

use crate::patience::Patience;
use crate::{
    clock,
    config::ClientConfig,
    connection::{Connection, Dialer, LinkError},
    error::{Breach, ClientError},
    judge::{judge, kind_of},
    roster::{Roster, Round},
    session::{ExchangeError, IN_FLIGHT_MAX, Session},
};

/// Flights of one question at a time: the first and one hedge, so that a slow cluster is asked twice and not thrice.
const FLIGHTS_MAX: usize = 2;

/// Room left for the reply's way back when a node is told how long it may take.
const RETURN_MS: u64 = 100;

/// A client of one cluster; cheap to share by reference, one per process is enough.
#[derive(Debug)]
pub struct Client {
    dialer: Arc<Dialer>,
    nodes: Vec<Node>,
    roster: Roster,
    patience: Patience,
    log: Option<Arc<Policy>>,
    /// Nobody waits for what its sessions ask.
    background: bool,
}

#[derive(Debug)]
struct Node {
    addr: SocketAddr,
    connection: Mutex<Option<Connection>>,
    session: Mutex<Option<Arc<Session>>>,
}

/// How a question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// On a stream of its own.
    Stream,
    /// On the node's session stream.
    Session,
}

/// What went wrong with one flight.
#[derive(Debug)]
enum FlightError {
    /// Encoding failed: no node will do better.
    Question(codec::CodecError),
    /// The node or the way to it.
    Link(LinkError),
    /// The node says no.
    Failure(Failure),
}

struct Landing {
    node: usize,
    result: Result<Reply, FlightError>,
}

impl Client {
    /// A client that connects when it is first asked. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`ClientError::NoEndpoint`] or [`ClientError::Certificate`].
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        if config.endpoints.is_empty() {
            return Err(ClientError::NoEndpoint);
        }
        let dialer = Dialer::new(&config.cluster, &config.endpoints, config.certificate, config.key, &config.ca)?;
        let dialer = Arc::new(dialer);
        let nodes: Vec<Node> = config.endpoints.into_iter().map(Node::new).collect();
        let roster = Roster::new(nodes.len());
        if !config.in_order {
            // Clients that all start at the first endpoint would make it the busiest.
            roster.prefer(rand::random_range(0..nodes.len()));
        }
        // What a node gives this moment, no witness has seen yet.
        let log = config.log.map(|log| Arc::new(log.without_quorum()));
        Ok(Self { dialer, nodes, roster, patience: config.patience, log, background: config.background })
    }

    /// Another client of the same cluster and caller that asks one node, over connections of its own and the same local
    /// port: thousands of them need one port. [`Client::close`] of any of them closes all.
    ///
    /// A node of an address family that the first client was not made for is never reached.
    #[must_use]
    pub fn beside(&self, node: SocketAddr) -> Self {
        Self {
            dialer: Arc::clone(&self.dialer),
            nodes: vec![Node::new(node)],
            roster: Roster::new(1),
            patience: self.patience,
            log: self.log.clone(),
            background: self.background,
        }
    }

    /// Asks one question on a stream of its own, until `deadline` from now.
    ///
    /// `ask.deadline_ms` is set to what is left for each attempt. Safe to cancel; what was sent may still be decided.
    ///
    /// # Errors
    /// [`ClientError`]; after [`ClientError::Unknown`] only the same request id may be sent again.
    pub async fn ask(&self, ask: Ask, deadline: Duration) -> Result<Answer, ClientError> {
        self.ask_by(Way::Stream, ask, deadline).await
    }

    /// As [`Client::ask`], over the node's session stream: several times cheaper when many questions are in flight.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn ask_in_session(&self, ask: Ask, deadline: Duration) -> Result<Answer, ClientError> {
        self.ask_by(Way::Session, ask, deadline).await
    }

    async fn ask_by(&self, way: Way, ask: Ask, deadline: Duration) -> Result<Answer, ClientError> {
        match self.exchange(way, Request::Ask(Box::new(ask)), deadline).await? {
            Reply::Answer(answer) => Ok(*answer),
            other => unreachable!("judge lets no other reply to a question pass: {}", kind_of(&other)),
        }
    }

    /// The receipt of a request of this portal that was answered before, byte for byte as then (role portal or
    /// official-client).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn receipt(&self, request_id: RequestId, deadline: Duration) -> Result<String, ClientError> {
        match self.exchange(Way::Stream, Request::Receipt(request_id), deadline).await? {
            Reply::Receipt(receipt) => Ok(receipt),
            other => unreachable!("judge lets no other reply to a receipt request pass: {}", kind_of(&other)),
        }
    }

    /// Puts a new revision of the register, as TOML, in force and returns its number (role operator).
    ///
    /// # Errors
    /// [`ClientError`]; after [`ClientError::Unknown`] look at the status before putting it again.
    pub async fn put_register(&self, toml: String, deadline: Duration) -> Result<u64, ClientError> {
        match self.exchange(Way::Stream, Request::PutRegister(toml), deadline).await? {
            Reply::RegisterAccepted { revision } => Ok(revision),
            other => unreachable!("judge lets no other reply to a register pass: {}", kind_of(&other)),
        }
    }

    /// The status of whichever node answers first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self, deadline: Duration) -> Result<Status, ClientError> {
        match self.exchange(Way::Stream, Request::Status, deadline).await? {
            Reply::Status(status) => Ok(status),
            other => unreachable!("judge lets no other reply to a status request pass: {}", kind_of(&other)),
        }
    }

    /// The status of every endpoint, in their order, each within the deadline.
    pub async fn status_of_all(&self, deadline: Duration) -> Vec<(SocketAddr, Result<Status, ClientError>)> {
        let replies = self.ask_all(&Request::Status, deadline).await.into_iter();
        let status = |(node, reply)| match reply {
            Ok(Reply::Status(status)) => (node, Ok(status)),
            Ok(_) => (node, Err(ClientError::Protocol { node, breach: Breach::Kind })),
            Err(error) => (node, Err(error)),
        };
        replies.map(status).collect()
    }

    /// One request to every endpoint, each within the deadline; replies in their order.
    async fn ask_all(&self, request: &Request, deadline: Duration) -> Vec<(SocketAddr, Result<Reply, ClientError>)> {
        let asked = (0..self.nodes.len()).map(|node| async move {
            let sent = AtomicBool::new(false);
            let landing = tokio::time::timeout(deadline, self.fly(Way::Stream, node, request.clone(), &sent)).await;
            let result = match landing.map(|landing| landing.result) {
                Ok(Ok(reply)) => Ok(reply),
                Ok(Err(error)) => Err(self.report(node, error)),
                Err(_) => Err(ClientError::Unreachable { last: "no answer in time".into() }),
            };
            (self.nodes[node].addr, result)
        });
        futures::future::join_all(asked).await
    }

    /// A session of the caller's own with the node that answered last, or the next one that can be reached.
    ///
    /// # Errors
    /// [`ClientError`] of the last node tried.
    pub async fn open_session(&self, in_flight_max: usize) -> Result<Session, ClientError> {
        let mut round = self.roster.round();
        let mut last = ClientError::NoEndpoint;
        while let Some(node) = round.take() {
            match self.open_session_with(node, in_flight_max).await {
                Ok(session) => {
                    self.roster.prefer(node);
                    return Ok(session);
                }
                Err(error) => last = self.report(node, FlightError::Link(error)),
            }
        }
        Err(last)
    }

    /// Closes all connections politely.
    pub async fn close(&self) {
        self.dialer.close().await;
    }

    /// Sends one request until a node replies to it or the deadline passes.
    pub(crate) async fn exchange(&self, way: Way, request: Request, deadline: Duration) -> Result<Reply, ClientError> {
        let deadline = Instant::now() + deadline;
        let sent = AtomicBool::new(false);
        let mut round = self.roster.round();
        let mut backoff = self.patience.backoff();
        let mut flights = FuturesUnordered::new();
        let flights_max = if auditing::is_recorded(&request) { 1 } else { FLIGHTS_MAX };
        let mut next_start = Instant::now();
        let mut last = "no node answered yet".to_owned();
        let mut hopeless = None;
        loop {
            tokio::select! {
                biased;
                Some(Landing { node, result }) = flights.next(), if !flights.is_empty() => {
                    let error = match result {
                        Ok(reply) => {
                            self.roster.prefer(node);
                            return Ok(reply);
                        }
                        Err(error) => error,
                    };
                    last = error.to_string();
                    let pause = self.learn(&mut round, node, error, &mut hopeless)?;
                    next_start = Instant::now() + if pause { backoff.pause() } else { Duration::ZERO };
                }
                () = sleep_until(next_start), if flights.len() < flights_max && next_start < deadline => {
                    if round.is_over() {
                        round.rest();
                    }
                    match round.take() {
                        Some(node) => {
                            next_start = Instant::now() + self.hedge_after(node);
                            let request = within(&request, deadline, &self.patience);
                            flights.push(self.fly(way, node, request, &sent));
                        }
                        // Everybody who could be asked is being asked: only landings and the deadline count now.
                        None => next_start = deadline,
                    }
                }
                () = sleep_until(deadline) => {
                    return Err(out_of_time(&request, sent.load(Ordering::Relaxed), last, hopeless));
                }
            }
        }
    }

    /// What a failed flight teaches: `Err` ends the question, `Ok(true)` asks for a pause before the next flight.
    fn learn(
        &self,
        round: &mut Round<'_>,
        node: usize,
        error: FlightError,
        hopeless: &mut Option<ClientError>,
    ) -> Result<bool, ClientError> {
        match &error {
            FlightError::Question(_) => return Err(self.report(node, error)),
            FlightError::Failure(failure) if !failure.number.is_retryable() => return Err(self.report(node, error)),
            FlightError::Failure(failure) => {
                round.tire(node);
                // Going round the nodes at once would make everybody's overload worse.
                let crowded = matches!(failure.number, ErrorNumber::Overloaded | ErrorNumber::TooManyInFlight);
                return Ok(crowded || round.is_over());
            }
            FlightError::Link(LinkError::Lost(_)) => round.tire(node),
            FlightError::Link(LinkError::Server(_) | LinkError::Caller(_) | LinkError::Breach(_)) => {
                round.give_up(node);
                *hopeless = Some(self.report(node, error));
            }
        }
        match hopeless.take_if(|_| round.is_hopeless()) {
            Some(error) => Err(error),
            None => Ok(round.is_over()),
        }
    }

    /// The error to report for a node's last word.
    fn report(&self, node: usize, error: FlightError) -> ClientError {
        let node = self.nodes[node].addr;
        match error {
            FlightError::Question(error) => ClientError::Question(error),
            FlightError::Link(LinkError::Server(refusal)) => ClientError::Server { node, refusal },
            FlightError::Link(LinkError::Caller(reason)) => ClientError::CallerRefused { node, reason },
            FlightError::Link(LinkError::Breach(breach)) => ClientError::Protocol { node, breach },
            FlightError::Link(LinkError::Lost(last)) => ClientError::Unreachable { last },
            FlightError::Failure(Failure { number, detail }) => match number.fault() {
                Fault::Us if number == ErrorNumber::Internal => ClientError::NodeDefect { detail },
                _ => ClientError::Rejected { number, detail },
            },
        }
    }

    /// A node we are connected to gets the time of a question, another one only that of a handshake.
    fn hedge_after(&self, node: usize) -> Duration {
        let connected = self.nodes[node].connection.try_lock().is_ok_and(|link| link.is_some());
        Duration::from_millis(if connected { self.patience.hedge_ms } else { self.patience.hedge_connect_ms })
    }

    async fn fly(&self, way: Way, node: usize, request: Request, sent: &AtomicBool) -> Landing {
        Landing { node, result: self.attempt(way, node, &request, sent).await }
    }

    async fn attempt(&self, way: Way, node: usize, request: &Request, sent: &AtomicBool) -> Result<Reply, FlightError> {
        let mark = || sent.store(true, Ordering::Relaxed);
        let reply = match way {
            Way::Stream => self.attempt_on_stream(node, request, mark).await?,
            Way::Session => {
                let session = self.session_with(node).await.map_err(FlightError::Link)?;
                session.exchange(request, mark).await.map_err(|error| match error {
                    ExchangeError::TooLarge(error) => FlightError::Question(error),
                    ExchangeError::Link(error) => FlightError::Link(error),
                })?
            }
        };
        match judge(request, reply, self.log.as_deref()) {
            Ok(Reply::Failure(failure)) => Err(FlightError::Failure(failure)),
            Ok(reply) => Ok(reply),
            Err(breach) => Err(FlightError::Link(breach.into())),
        }
    }

    async fn attempt_on_stream(
        &self,
        node: usize,
        request: &Request,
        mark: impl FnOnce(),
    ) -> Result<Reply, FlightError> {
        let mut bytes = Vec::with_capacity(512);
        let framed = match request {
            Request::PutRegister(_) => frame::append::<OPERATOR_REQUEST_BYTES_MAX, _>(request, &mut bytes),
            _ => frame::append::<REQUEST_BYTES_MAX, _>(request, &mut bytes),
        };
        framed.map_err(FlightError::Question)?;
        let connection = self.connect(node).await.map_err(FlightError::Link)?;
        let bounded = Duration::from_millis(self.patience.attempt_ms_max.saturating_add(RETURN_MS));
        let body = match tokio::time::timeout(bounded, connection.exchange(&bytes, mark)).await {
            Ok(result) => result.map_err(FlightError::Link)?,
            Err(_) => {
                // The node was told to answer by then: it hangs, and so will the next question on this connection.
                connection.abandon();
                return Err(FlightError::Link(LinkError::Lost("no answer in time".into())));
            }
        };
        padding::decode::<REPLY_BYTES_MAX, _>(&body).map_err(|_| FlightError::Link(Breach::Malformed.into()))
    }

    /// The connection to a node, made if there is none; whoever comes meanwhile waits for the same handshake.
    async fn connect(&self, node: usize) -> Result<Connection, LinkError> {
        let node = &self.nodes[node];
        let mut slot = node.connection.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        *slot = None;
        let bounded = Duration::from_millis(self.patience.connect_ms_max);
        let connection = tokio::time::timeout(bounded, self.dialer.dial(node.addr))
            .await
            .map_err(|_| LinkError::Lost(format!("{} does not answer", node.addr)))??;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// The shared session with a node, opened if there is none.
    async fn session_with(&self, node: usize) -> Result<Arc<Session>, LinkError> {
        let mut slot = self.nodes[node].session.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| !session.is_ended()) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(self.open_session_with(node, IN_FLIGHT_MAX).await?);
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn open_session_with(&self, node: usize, in_flight_max: usize) -> Result<Session, LinkError> {
        let connection = self.connect(node).await?;
        let streams = connection.session(self.background).await?;
        Ok(Session::open(self.nodes[node].addr, streams, in_flight_max, self.log.clone()))
    }
}

impl Node {
    fn new(addr: SocketAddr) -> Self {
        Self { addr, connection: Mutex::new(None), session: Mutex::new(None) }
    }
}

/// A request id nobody used before.
#[must_use]
pub fn fresh_request_id() -> RequestId {
    RequestId::new(clock::unix_ms(), rand::random())
}

/// What the deadline means: something sent may have been decided, otherwise the gravest trouble is told.
fn out_of_time(request: &Request, sent: bool, last: String, hopeless: Option<ClientError>) -> ClientError {
    let request_id = if let Request::Ask(ask) = request { Some(ask.request_id) } else { None };
    match hopeless {
        _ if sent => ClientError::Unknown { request_id, last },
        Some(error) => error,
        None => ClientError::Unreachable { last },
    }
}

/// The request with the time this attempt may take.
fn within(request: &Request, deadline: Instant, patience: &Patience) -> Request {
    let mut request = request.clone();
    if let Request::Ask(ask) = &mut request {
        let left_ms = u64::try_from((deadline - Instant::now()).as_millis()).unwrap_or(u64::MAX);
        let attempt_ms = left_ms.saturating_sub(RETURN_MS.min(left_ms / 10)).min(patience.attempt_ms_max).max(1);
        ask.deadline_ms = u32::try_from(attempt_ms).unwrap_or(u32::MAX);
    }
    request
}

impl fmt::Display for FlightError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Question(error) => error.fmt(f),
            Self::Link(error) => error.fmt(f),
            Self::Failure(failure) => write!(f, "{} {}", failure.number.number(), failure.number.advice_en()),
        }
    }
}
