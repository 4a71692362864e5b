//! QUIC to one node: handshakes, streams and frames with a bound. Nothing outside this room names quinn.

mod stream;
mod tls;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, OnceLock},
    time::Duration,
};

use quinn::{VarInt, crypto::rustls::QuicClientConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use xacminh_proto::close::CloseCode;

use crate::error::Breach;

pub(crate) use stream::{FrameSink, FrameSource};
pub use tls::{CertificateError, ServerRefusal};
pub(crate) use tls::{read_certificates, read_key};

/// A connection on which nothing at all came back for so long is dead; keep-alives see to it that a live one is heard.
const IDLE_MS_MAX: u32 = 10_000;

/// Three keep-alives fit into the idle time, so that one lost packet costs no connection.
const KEEP_ALIVE_MS: u64 = 3_000;

/// First guess of the round trip: nodes are in the same province. A lost first packet is sent again after three of it.
const INITIAL_RTT_MS: u64 = 80;

/// Bytes of packets that a local port holds until they are read: a gateway's connections share one port, and an answer that
/// finds no room in it comes some hundred milliseconds later.
const SOCKET_BYTES: usize = 4 * 1024 * 1024;

/// Time for the last packets of a client that closes.
const CLOSE_MS_MAX: u64 = 500;

/// TLS alert "no application protocol" (RFC 7301).
const ALERT_NO_PROTOCOL: u64 = 120;

/// TLS alerts travel as QUIC error codes from here to 0x1ff (RFC 9001 §4.8).
const CRYPTO_CODES: std::ops::Range<u64> = 0x100..0x200;

/// Why a node could not be reached or heard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// We do not trust the node.
    #[error("{0}")]
    Server(#[from] ServerRefusal),
    /// The node does not trust us.
    #[error("the node refuses our certificate: {0}")]
    Caller(String),
    /// The node broke the protocol.
    #[error("{0}")]
    Breach(#[from] Breach),
    /// Cut off, silent or unreachable.
    #[error("{0}")]
    Lost(String),
}

/// Makes connections from one local port per address family.
#[derive(Debug)]
pub(crate) struct Dialer {
    v4: Option<quinn::Endpoint>,
    v6: Option<quinn::Endpoint>,
    identity: tls::Identity,
    transport: Arc<quinn::TransportConfig>,
}

/// A connection to one node, which proved who it is.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    quic: quinn::Connection,
}

impl Dialer {
    /// Opens the local ports; needs a tokio runtime around it.
    pub(crate) fn new(
        cluster: &str,
        endpoints: &[SocketAddr],
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        ca: &[CertificateDer<'static>],
    ) -> Result<Self, CertificateError> {
        let identity = tls::Identity::new(cluster, chain, key, ca)?;
        // The first handshake of a process is not the place to learn that rustls and QUIC do not fit.
        quic_config(&identity)?;
        Ok(Self {
            v4: local_port(endpoints, SocketAddr::is_ipv4)?,
            v6: local_port(endpoints, SocketAddr::is_ipv6)?,
            identity,
            transport: Arc::new(transport()),
        })
    }

    /// Connects and checks who answers.
    pub(crate) async fn dial(&self, node: SocketAddr) -> Result<Connection, LinkError> {
        let endpoint = if node.is_ipv4() { &self.v4 } else { &self.v6 };
        let endpoint = endpoint.as_ref().ok_or_else(|| LinkError::Lost("no local port for this address".into()))?;
        let (config, refusal) = quic_config(&self.identity).map_err(|error| LinkError::Lost(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(config));
        config.transport_config(Arc::clone(&self.transport));
        let connecting = endpoint
            .connect_with(config, node, &node.ip().to_string())
            .map_err(|error| LinkError::Lost(error.to_string()))?;
        match connecting.await {
            Ok(quic) => Ok(Connection { quic }),
            Err(error) => Err(refusal.get().map_or_else(|| link_error(&error), |refusal| refusal.clone().into())),
        }
    }

    /// Says goodbye on every connection.
    pub(crate) async fn close(&self) {
        for endpoint in [&self.v4, &self.v6].into_iter().flatten() {
            endpoint.close(VarInt::from_u32(0), b"done");
            // A node that is gone does not hold the caller up.
            let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS_MAX), endpoint.wait_idle()).await;
        }
    }
}

impl Connection {
    /// Sends one request on a stream of its own and waits for its reply. `sent` is called before the first byte leaves.
    pub(crate) async fn exchange(&self, frame: &[u8], sent: impl FnOnce()) -> Result<Vec<u8>, LinkError> {
        let (sink, source) = self.quic.open_bi().await.map_err(|error| link_error(&error))?;
        sent();
        stream::one(sink, source, frame).await
    }

    /// Opens a session stream, one that nobody waits for if it is in the background.
    pub(crate) async fn session(&self, background: bool) -> Result<(FrameSink, FrameSource), LinkError> {
        let (sink, source) = self.quic.open_bi().await.map_err(|error| link_error(&error))?;
        FrameSink::open(sink, source, background).await
    }

    /// Whether it is known to be dead.
    pub(crate) fn is_closed(&self) -> bool {
        self.quic.close_reason().is_some()
    }

    /// Gives up a connection that is not worth waiting for.
    pub(crate) fn abandon(&self) {
        self.quic.close(VarInt::from_u32(0), b"no answer in time");
    }
}

fn quic_config(identity: &tls::Identity) -> Result<(QuicClientConfig, Arc<OnceLock<ServerRefusal>>), CertificateError> {
    let (config, refusal) = identity.handshake();
    let unusable = |error: quinn::crypto::rustls::NoInitialCipherSuite| CertificateError::Unusable {
        what: "TLS configuration",
        why: error.to_string(),
    };
    Ok((QuicClientConfig::try_from(config).map_err(unusable)?, refusal))
}

/// A port for the nodes of one address family, on loopback if all of them are there.
fn local_port(
    endpoints: &[SocketAddr],
    family: impl Fn(&SocketAddr) -> bool,
) -> Result<Option<quinn::Endpoint>, CertificateError> {
    let mut nodes = endpoints.iter().filter(|node| family(node)).peekable();
    let Some(first) = nodes.peek() else { return Ok(None) };
    let v4 = first.is_ipv4();
    let local: IpAddr = match (v4, nodes.all(|node| node.ip().is_loopback())) {
        (true, true) => Ipv4Addr::LOCALHOST.into(),
        (true, false) => Ipv4Addr::UNSPECIFIED.into(),
        (false, true) => Ipv6Addr::LOCALHOST.into(),
        (false, false) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let unusable =
        |error: std::io::Error| CertificateError::Unusable { what: "local UDP port", why: error.to_string() };
    let socket = UdpSocket::bind(SocketAddr::new(local, 0)).map_err(unusable)?;
    give_room(&socket).map_err(unusable)?;
    let runtime = Arc::new(quinn::TokioRuntime);
    quinn::Endpoint::new(quinn::EndpointConfig::default(), None, socket, runtime).map(Some).map_err(unusable)
}

/// Asks for [`SOCKET_BYTES`]; what the kernel does not grant is done without.
fn give_room(socket: &UdpSocket) -> std::io::Result<()> {
    let state = quinn::udp::UdpSocketState::new(socket.into())?;
    // Linux grants what `net.core.rmem_max` allows and calls that a success; elsewhere the default stays.
    let _ = state.set_recv_buffer_size(socket.into(), SOCKET_BYTES);
    Ok(())
}

fn transport() -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_MS_MAX).into()))
        .keep_alive_interval(Some(Duration::from_millis(KEEP_ALIVE_MS)))
        .initial_rtt(Duration::from_millis(INITIAL_RTT_MS))
        // Nodes answer on our streams and open none.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0));
    transport
}

/// Sorts what quinn reports by whose fault it is.
fn link_error(error: &quinn::ConnectionError) -> LinkError {
    let code = match error {
        quinn::ConnectionError::TransportError(error) => u64::from(error.code),
        quinn::ConnectionError::ConnectionClosed(close) => u64::from(close.error_code),
        quinn::ConnectionError::ApplicationClosed(close) => return closed(close.error_code.into_inner()),
        _ => return LinkError::Lost(error.to_string()),
    };
    if !CRYPTO_CODES.contains(&code) {
        return LinkError::Lost(error.to_string());
    }
    if code - CRYPTO_CODES.start == ALERT_NO_PROTOCOL {
        return ServerRefusal::OtherVersion.into();
    }
    match error {
        quinn::ConnectionError::ConnectionClosed(_) => LinkError::Caller(error.to_string()),
        _ => ServerRefusal::Chain(error.to_string()).into(),
    }
}

/// What the node meant by closing: its number counts, not its words.
fn closed(code: u64) -> LinkError {
    use CloseCode::{NoIdentity, Revoked, WrongCluster, WrongRole};
    match CloseCode::from_code(code) {
        Some(code @ (NoIdentity | Revoked | WrongCluster | WrongRole)) => LinkError::Caller(code.to_string()),
        Some(code) => LinkError::Lost(format!("closed by the node: {code}")),
        None => LinkError::Lost(format!("closed by the node with code {code}")),
    }
}
