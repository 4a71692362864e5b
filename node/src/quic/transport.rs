//! The limits of a port: what one connection, and all of them together, may cost.

use std::{sync::Arc, time::Duration};

use quinn::{IdleTimeout, TransportConfig, VarInt};

use crate::tls::Port;

/// What a port grants.
///
/// quinn's own defaults are made for the open internet and unlimited memory: they let a connection make the receiver
/// hold as much as it likes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Streams a caller may have open; quinn reserves about 90 bytes for each it permits, so this is memory per
    /// connection.
    pub streams_max: u32,
    /// Bytes of packets that the port's socket holds until they are read, as far as the kernel grants them.
    pub socket_bytes: usize,
    /// Bytes of one stream the receiver holds before the sender must wait.
    pub stream_window_bytes: u32,
    /// Bytes of one connection the receiver holds, all streams together.
    pub receive_window_bytes: u32,
    /// Bytes of one connection the sender holds until they are acknowledged.
    pub send_window_bytes: u32,
    /// Silence after which a connection is dead.
    pub idle_ms_max: u32,
    /// Interval of the packets that keep a silent connection alive; `None` leaves it to the other side.
    pub keep_alive_ms: Option<u32>,
    /// First guess of the round trip; wrong by too much, a lost first packet costs as much.
    pub initial_rtt_ms: u32,
    /// Whether a caller may change its address in mid-connection.
    pub migration: bool,
    /// Time a handshake may take; a half-open one holds a seat for no longer.
    pub handshake_ms_max: u32,
    /// Handshakes under way at once; more are refused.
    pub handshakes_max: usize,
    /// Handshakes under way above which a caller must first prove its address.
    pub handshakes_unproven_max: usize,
    /// Connections at once, all callers together.
    pub connections_max: usize,
    /// Connections at once of one identity, so that one caller cannot take all seats.
    pub connections_per_caller_max: usize,
}

/// Some five thousand questions, or three thousand full packets, that come before one of them is read. The kernel counts
/// twice as many bytes at most, and only while packets wait.
const SOCKET_BYTES: usize = 4 * 1024 * 1024;
/// Bytes buffered for one connection attempt that was not yet accepted.
const INCOMING_BYTES_MAX: u64 = 64 * 1024;
/// Bytes buffered for all of them.
const INCOMING_TOTAL_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of handshake data buffered out of order.
const CRYPTO_BYTES_MAX: usize = 16 * 1024;

impl Limits {
    /// The client port: many callers that we do not run, each small.
    #[must_use]
    pub fn clients() -> Self {
        Self {
            streams_max: 128,
            socket_bytes: SOCKET_BYTES,
            stream_window_bytes: 256 * 1024,
            receive_window_bytes: 4 * 1024 * 1024,
            send_window_bytes: 2 * 1024 * 1024,
            idle_ms_max: 30_000,
            keep_alive_ms: None,
            initial_rtt_ms: 50,
            migration: true,
            handshake_ms_max: 5_000,
            handshakes_max: 512,
            handshakes_unproven_max: 64,
            connections_max: 8_192,
            connections_per_caller_max: 512,
        }
    }

    /// The peer port: a handful of nodes that send much.
    ///
    /// Windows hold two full append frames, so that a follower that is catching up never waits for a round trip.
    #[must_use]
    pub fn peers() -> Self {
        Self {
            streams_max: 256,
            socket_bytes: SOCKET_BYTES,
            stream_window_bytes: 16 * 1024 * 1024,
            receive_window_bytes: 32 * 1024 * 1024,
            send_window_bytes: 32 * 1024 * 1024,
            idle_ms_max: 10_000,
            keep_alive_ms: Some(2_000),
            initial_rtt_ms: 10,
            migration: false,
            handshake_ms_max: 3_000,
            handshakes_max: 64,
            handshakes_unproven_max: 16,
            connections_max: 256,
            connections_per_caller_max: 16,
        }
    }

    /// The defaults of a port.
    #[must_use]
    pub fn of(port: Port) -> Self {
        match port {
            Port::Clients => Self::clients(),
            Port::Peers => Self::peers(),
        }
    }

    pub(super) fn handshake(&self) -> Duration {
        Duration::from_millis(u64::from(self.handshake_ms_max))
    }

    pub(super) fn transport(&self, port: Port) -> Arc<TransportConfig> {
        let uni_streams: u32 = match port {
            Port::Clients => 0,
            Port::Peers => self.streams_max,
        };
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(self.streams_max))
            .max_concurrent_uni_streams(VarInt::from_u32(uni_streams))
            .stream_receive_window(VarInt::from_u32(self.stream_window_bytes))
            .receive_window(VarInt::from_u32(self.receive_window_bytes))
            .send_window(u64::from(self.send_window_bytes))
            .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(self.idle_ms_max))))
            .keep_alive_interval(self.keep_alive_ms.map(|ms| Duration::from_millis(u64::from(ms))))
            .initial_rtt(Duration::from_millis(u64::from(self.initial_rtt_ms)))
            .crypto_buffer_size(CRYPTO_BYTES_MAX)
            .datagram_receive_buffer_size(None);
        Arc::new(transport)
    }

    pub(super) fn server(
        &self,
        port: Port,
        crypto: Arc<quinn::crypto::rustls::QuicServerConfig>,
    ) -> quinn::ServerConfig {
        let mut server = quinn::ServerConfig::with_crypto(crypto);
        server
            .transport_config(self.transport(port))
            .migration(self.migration)
            .max_incoming(self.handshakes_max)
            .incoming_buffer_size(INCOMING_BYTES_MAX)
            .incoming_buffer_size_total(INCOMING_TOTAL_BYTES_MAX);
        server
    }
}
