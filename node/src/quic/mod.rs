//! QUIC endpoints and who is calling.
//!
//! ```text
//! Door ── accept ──► Caller { identity, conn }      everybody who got in is who the certificate says
//!   └──── dialer ──► Conn                           nodes only: the way to a peer
//! Conn ── open / accept ──► Exchange { reader, writer }      length-framed, bounded, with patience
//! Registry: who is in, so that a revoked caller can be put out
//! ```
//!
//! Architecture invariant: nothing outside this folder and `raft::network` names a quinn type.

mod conn;
mod door;
mod frames;
mod registry;
mod socket;
mod transport;

use std::{io, net::SocketAddr};

use xacminh_proto::close::CloseCode;

pub use conn::{Caller, Conn, Exchange};
pub use door::{Dialer, Door, Now};
pub use frames::{FrameError, FrameReader, FrameWriter, HEADER_BYTES};
pub use registry::{Registry, Side};
pub use transport::Limits;

/// Why a connection is no more, as seen from this side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// The other side closed it and said why.
    Closed(CloseCode),
    /// The other side's TLS refused us; the text is TLS's alert.
    Refused(String),
    /// Nothing was heard for too long, or the node restarted.
    Lost,
    /// We closed it ourselves.
    Ours,
}

/// Why a door could not be opened or a peer not be reached.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The port cannot be bound.
    #[error("cannot listen on udp {address}; is another node running, or the address not of this machine?")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS configuration does not suit QUIC; a mistake of ours.
    #[error("TLS configuration unfit for QUIC")]
    Setup,
    /// The address cannot be called.
    #[error("`{0}` cannot be called")]
    Address(String),
    /// Nobody took the call in time.
    #[error("no handshake within its time")]
    Timeout,
    /// The connection ended before it began.
    #[error("connection refused or lost: {0}")]
    Gone(Gone),
    /// Somebody else is at that address; the call was ended.
    #[error("called {0}, but its certificate does not pass: {1}")]
    Stranger(SocketAddr, CloseCode),
}

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed(code) => write!(f, "closed by the other side: {code}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Lost => f.write_str("lost"),
            Self::Ours => f.write_str("closed by us"),
        }
    }
}

impl From<quinn::ConnectionError> for Gone {
    fn from(error: quinn::ConnectionError) -> Self {
        match error {
            quinn::ConnectionError::ApplicationClosed(close) => {
                CloseCode::from_code(close.error_code.into_inner()).map_or(Self::Lost, Self::Closed)
            }
            quinn::ConnectionError::ConnectionClosed(close) => Self::Refused(close.error_code.to_string()),
            quinn::ConnectionError::TransportError(error) => Self::Refused(error.code.to_string()),
            quinn::ConnectionError::LocallyClosed => Self::Ours,
            quinn::ConnectionError::VersionMismatch
            | quinn::ConnectionError::Reset
            | quinn::ConnectionError::TimedOut
            | quinn::ConnectionError::CidsExhausted => Self::Lost,
        }
    }
}
