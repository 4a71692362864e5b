//! A connection whose other end is known.

use std::{net::SocketAddr, sync::Arc};

use quinn::VarInt;
use rustls::pki_types::CertificateDer;
use xacminh_proto::{close::CloseCode, identity::Identity};

use super::{FrameReader, FrameWriter, Gone, registry::Seat};

/// A connection; cloning shares it.
#[derive(Debug, Clone)]
pub struct Conn {
    inner: quinn::Connection,
}

/// Somebody who came in: who it is, and the way to talk to it.
///
/// The connection's seat is given up when the last clone goes.
#[derive(Debug, Clone)]
pub struct Caller {
    identity: Identity,
    conn: Conn,
    _seat: Arc<Seat>,
}

/// A stream in both directions.
#[derive(Debug)]
pub struct Exchange {
    /// What the other side says.
    pub reader: FrameReader,
    /// What we say.
    pub writer: FrameWriter,
}

impl Conn {
    pub(super) fn new(inner: quinn::Connection) -> Self {
        Self { inner }
    }

    /// Opens a stream in both directions.
    ///
    /// # Errors
    /// [`Gone`] when the connection ended.
    pub async fn open(&self) -> Result<Exchange, Gone> {
        let (send, recv) = self.inner.open_bi().await?;
        Ok(Exchange { reader: FrameReader::new(recv), writer: FrameWriter::new(send) })
    }

    /// Waits for a stream that the other side opens.
    ///
    /// # Errors
    /// [`Gone`] when the connection ended.
    pub async fn accept(&self) -> Result<Exchange, Gone> {
        let (send, recv) = self.inner.accept_bi().await?;
        Ok(Exchange { reader: FrameReader::new(recv), writer: FrameWriter::new(send) })
    }

    /// Ends the connection at once.
    pub fn close(&self, code: CloseCode) {
        self.inner.close(VarInt::from_u32(code.code()), code.phrase().as_bytes());
    }

    /// Waits for the end of the connection.
    pub async fn closed(&self) -> Gone {
        self.inner.closed().await.into()
    }

    /// Whether and why the connection ended.
    #[must_use]
    pub fn gone(&self) -> Option<Gone> {
        self.inner.close_reason().map(Gone::from)
    }

    /// Where the other side is.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.inner.remote_address()
    }

    /// Lets the other side open more streams than the port's limit, or fewer.
    pub fn set_streams_max(&self, streams_max: u32) {
        self.inner.set_max_concurrent_bi_streams(VarInt::from_u32(streams_max));
    }

    /// The certificates the other side showed.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        let shown = self.inner.peer_identity().and_then(|any| any.downcast().ok());
        shown.map_or_else(Vec::new, |chain: Box<Vec<CertificateDer<'static>>>| *chain)
    }
}

impl Caller {
    pub(super) fn new(identity: Identity, conn: Conn, seat: Seat) -> Self {
        Self { identity, conn, _seat: Arc::new(seat) }
    }

    /// Who is calling, from the certificate.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The way to talk.
    #[must_use]
    pub fn conn(&self) -> &Conn {
        &self.conn
    }
}
