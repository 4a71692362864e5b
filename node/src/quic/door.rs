//! A port of the node: lets in who may come in.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig, Incoming};
use tokio::{sync::mpsc, task::AbortHandle, time::timeout};
use tracing::{debug, info, warn};
use xacminh_proto::{close::CloseCode, identity::Identity};

use super::{Conn, Gone, Limits, QuicError, Registry, Side, conn::Caller, socket};
use crate::tls::PortTls;

/// Where the door gets the time from: since the Unix epoch.
pub type Now = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Callers who are in but were not yet fetched by [`Door::accept`]; beyond this, handshakes wait.
const WAITING_CALLERS_MAX: usize = 64;

/// How often live connections are looked at again: a certificate that expires is refused within this time.
const RECHECK_INTERVAL: Duration = Duration::from_secs(60);

/// Bytes of the connection ids this node chooses.
const CONNECTION_ID_BYTES: usize = 8;

/// A listening port.
#[derive(Debug)]
pub struct Door {
    dialer: Dialer,
    callers: mpsc::Receiver<Caller>,
    tasks: [AbortHandle; 2],
}

/// The port seen from inside: calls others and looks after those who are in.
#[derive(Clone)]
pub struct Dialer {
    endpoint: quinn::Endpoint,
    tls: Arc<PortTls>,
    limits: Limits,
    registry: Arc<Registry>,
    now: Now,
}

impl Door {
    /// Opens the port; must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`QuicError::Bind`] when the address is taken.
    pub fn open(address: SocketAddr, tls: Arc<PortTls>, limits: Limits, now: Now) -> Result<Self, QuicError> {
        let bind = |source| QuicError::Bind { address, source };
        let server = server_config(&tls, &limits)?;
        let mut config = EndpointConfig::new(Arc::new(aws_lc_rs::hmac::Key::new(
            aws_lc_rs::hmac::HMAC_SHA256,
            tls.current().reset_key(),
        )));
        config.cid_generator(|| Box::new(RandomIds));
        let (socket, room_bytes) = socket::bind(address, limits.socket_bytes).map_err(bind)?;
        tell_room(&tls, &limits, room_bytes);
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = quinn::Endpoint::new(config, Some(server), socket, runtime).map_err(bind)?;

        let registry = Registry::new(limits.connections_max, limits.connections_per_caller_max);
        let dialer = Dialer { endpoint, tls, limits, registry, now };
        let (sender, callers) = mpsc::channel(WAITING_CALLERS_MAX);
        let tasks = [
            tokio::spawn(accept_all(dialer.clone(), sender)).abort_handle(),
            tokio::spawn(recheck_for_ever(dialer.clone())).abort_handle(),
        ];
        Ok(Self { dialer, callers, tasks })
    }

    /// Waits for the next caller whose certificate passed; `None` once the door is closed.
    pub async fn accept(&mut self) -> Option<Caller> {
        self.callers.recv().await
    }

    /// The port seen from inside.
    #[must_use]
    pub fn dialer(&self) -> Dialer {
        self.dialer.clone()
    }

    /// The address the port has; useful when port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.dialer.address()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.dialer.endpoint.close(quinn::VarInt::from_u32(CloseCode::ShuttingDown.code()), b"");
    }
}

impl Dialer {
    /// Calls the node at `address` and checks its certificate for `host` and for its right to be on this port.
    ///
    /// # Errors
    /// [`QuicError`].
    pub async fn dial(&self, address: SocketAddr, host: &str) -> Result<Caller, QuicError> {
        let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(Arc::clone(&self.tls.current().client))
            .map_err(|_| QuicError::Setup)?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(self.limits.transport(self.tls.port()));
        let connecting = self
            .endpoint
            .connect_with(config, address, host)
            .map_err(|error| QuicError::Address(format!("{host} at {address}: {error}")))?;
        let connection = timeout(self.limits.handshake(), connecting)
            .await
            .map_err(|_| QuicError::Timeout)?
            .map_err(|error| QuicError::Gone(error.into()))?;
        self.admit(Conn::new(connection), Side::Callee).map_err(|code| QuicError::Stranger(address, code))
    }

    /// Puts the certificates in force that [`PortTls::reload`] has read, and closes the connections that no longer
    /// count; returns how many.
    ///
    /// # Errors
    /// [`QuicError::Setup`].
    pub fn reload(&self) -> Result<usize, QuicError> {
        self.endpoint.set_server_config(Some(server_config(&self.tls, &self.limits)?));
        Ok(self.recheck())
    }

    /// Closes the connections whose certificate has expired or was revoked; returns how many.
    pub fn recheck(&self) -> usize {
        let closed = self.registry.recheck(&self.tls.current(), (self.now)());
        if closed > 0 {
            warn!(port = ?self.tls.port(), closed, "closed connections whose certificate no longer counts");
        }
        closed
    }

    /// Lets nobody new in and ends all connections, waiting up to `time` for the farewells to be sent.
    pub async fn close(&self, code: CloseCode, time: Duration) {
        self.endpoint.close(quinn::VarInt::from_u32(code.code()), code.phrase().as_bytes());
        let _ = timeout(time, self.endpoint.wait_idle()).await;
    }

    /// Who is in.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// TLS of this port.
    #[must_use]
    pub fn tls(&self) -> &Arc<PortTls> {
        &self.tls
    }

    /// The address the port has.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Role and cluster are checked before the first byte of the conversation; who does not pass hears why.
    fn admit(&self, conn: Conn, side: Side) -> Result<Caller, CloseCode> {
        let admitted: Result<(Identity, _), CloseCode> = self.tls.admit(&conn.chain()).and_then(|identity| {
            let seat = self.registry.enter(&identity, side, &conn)?;
            Ok((identity, seat))
        });
        match admitted {
            Ok((identity, seat)) => Ok(Caller::new(identity, conn, seat)),
            Err(code) => {
                info!(port = ?self.tls.port(), remote = %conn.remote(), %code, "connection refused");
                conn.close(code);
                Err(code)
            }
        }
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("tls", &self.tls).finish_non_exhaustive()
    }
}

async fn accept_all(door: Dialer, callers: mpsc::Sender<Caller>) {
    let under_way = Arc::new(AtomicUsize::new(0));
    while let Some(incoming) = door.endpoint.accept().await {
        let count = under_way.load(Ordering::Relaxed);
        if count >= door.limits.handshakes_max {
            incoming.refuse();
            continue;
        }
        // Above this many, an address that was made up must not cost us a handshake.
        if count >= door.limits.handshakes_unproven_max && incoming.may_retry() {
            let _ = incoming.retry();
            continue;
        }
        let place = Place::take(&under_way);
        let (door, callers) = (door.clone(), callers.clone());
        tokio::spawn(async move {
            let caller = handshake(&door, incoming).await;
            drop(place);
            if let Some(caller) = caller {
                // The receiver is gone only when the node stops; the caller then hears so from the endpoint.
                let _ = callers.send(caller).await;
            }
        });
    }
}

async fn handshake(door: &Dialer, incoming: Incoming) -> Option<Caller> {
    let remote = incoming.remote_address();
    let outcome = match incoming.accept() {
        Ok(connecting) => timeout(door.limits.handshake(), connecting).await,
        Err(error) => Ok(Err(error)),
    };
    match outcome {
        Ok(Ok(connection)) => door.admit(Conn::new(connection), Side::Caller).ok(),
        Ok(Err(error)) => {
            info!(port = ?door.tls.port(), %remote, reason = %Gone::from(error), "handshake failed");
            None
        }
        Err(_) => {
            debug!(port = ?door.tls.port(), %remote, "handshake too slow");
            None
        }
    }
}

/// Once at start: what is lost for want of room shows nowhere else but as callers who wait.
fn tell_room(tls: &PortTls, limits: &Limits, room_bytes: usize) {
    let (port, wanted_bytes) = (tls.port(), limits.socket_bytes);
    if room_bytes < wanted_bytes {
        warn!(
            ?port,
            room_bytes,
            wanted_bytes,
            "packets of a burst may find no room in the port's socket; raise net.core.rmem_max"
        );
    } else {
        info!(?port, room_bytes, "the port's socket has room");
    }
}

async fn recheck_for_ever(door: Dialer) {
    loop {
        tokio::time::sleep(RECHECK_INTERVAL).await;
        door.recheck();
    }
}

fn server_config(tls: &PortTls, limits: &Limits) -> Result<quinn::ServerConfig, QuicError> {
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(Arc::clone(&tls.current().server))
        .map_err(|_| QuicError::Setup)?;
    Ok(limits.server(tls.port(), Arc::new(crypto)))
}

/// A handshake under way, counted while it lives.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connection ids without a check sum: after a restart an id of the former life must be answered with a reset, not
/// dropped as noise.
struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&rand::random::<[u8; CONNECTION_ID_BYTES]>())
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
