//! A caller that does not keep to the protocol: bare QUIC streams with whatever bytes.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::time::timeout;
use xacminh_proto::{
    close::CloseCode,
    wire::{self, REPLY_BYTES_MAX, Reply, frame, padding},
};

/// Longest wait for a handshake, a reply or a close.
const PATIENCE: Duration = Duration::from_secs(12);

/// A local port that calls with a certificate.
#[derive(Debug)]
pub struct Raw {
    endpoint: quinn::Endpoint,
}

/// How a call ended before it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A TLS alert (its number).
    Alert(u8),
    /// One of our own close codes.
    Closed(CloseCode),
    /// Anything else.
    Other(String),
}

impl Raw {
    /// A caller that shows `certificate`, or none, and offers `alpn`.
    ///
    /// # Errors
    /// When the files are no certificates.
    pub fn new(certificate: Option<(&Path, &str)>, ca: &Path, alpn: &[u8]) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots);
        let mut config = match certificate {
            Some((folder, stem)) => {
                let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{stem}.pem")))?];
                let key = PrivateKeyDer::from_pem_file(folder.join(format!("{stem}.key")))?;
                builder.with_client_auth_cert(chain, key)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        let mut endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config)?)));
        Ok(Self { endpoint })
    }

    /// Calls, and learns whether the call is taken: the node's refusal comes after our side of the handshake is done.
    ///
    /// # Errors
    /// When nothing comes in time.
    pub async fn call(&self, node: SocketAddr) -> Result<Result<quinn::Connection, Refused>> {
        let connecting = self.endpoint.connect(node, &node.ip().to_string())?;
        let connection = match timeout(PATIENCE, connecting).await.context("the handshake")? {
            Ok(connection) => connection,
            Err(error) => return Ok(Err(refused(&error))),
        };
        // A taken caller hears nothing; a refused one hears within a round trip and the time of two cores.
        match timeout(Duration::from_millis(400), connection.closed()).await {
            Ok(error) => Ok(Err(refused(&error))),
            Err(_) => Ok(Ok(connection)),
        }
    }

    /// Sends bytes on a stream of their own, ends it, and returns what comes back.
    ///
    /// # Errors
    /// When nothing comes in time or what comes is no reply.
    pub async fn tell(connection: &quinn::Connection, bytes: &[u8]) -> Result<Told> {
        let (mut send, mut receive) = connection.open_bi().await?;
        // A node that has read enough stops the stream; what it says counts.
        let _ = send.write_all(bytes).await;
        let _ = send.finish();
        reply(&mut receive).await
    }
}

/// What a stream brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A reply.
    Reply(Box<Reply>),
    /// The stream was reset with this code.
    Reset(u64),
    /// The connection was closed.
    Closed(String),
    /// The stream ended with nothing on it.
    Nothing,
}

/// Reads what a stream brings.
///
/// # Errors
/// When nothing comes in time or what comes is no reply.
pub async fn reply(receive: &mut quinn::RecvStream) -> Result<Told> {
    let read = timeout(PATIENCE, receive.read_to_end(REPLY_BYTES_MAX + frame::PREFIX_BYTES));
    match read.await.context("a reply")? {
        Ok(bytes) if bytes.is_empty() => Ok(Told::Nothing),
        Ok(bytes) => {
            let body = bytes.get(frame::PREFIX_BYTES..).context("a frame")?;
            Ok(Told::Reply(Box::new(padding::decode::<REPLY_BYTES_MAX, Reply>(body)?)))
        }
        Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => Ok(Told::Reset(code.into_inner())),
        Err(error) => Ok(Told::Closed(error.to_string())),
    }
}

/// The bytes of a request on a stream of its own, as a good client would send them.
///
/// # Errors
/// When it does not fit.
pub fn one(request: &wire::Request) -> Result<Vec<u8>> {
    let mut bytes = vec![wire::STREAM_ONE];
    frame::append::<{ wire::REQUEST_BYTES_MAX }, _>(request, &mut bytes)?;
    Ok(bytes)
}

fn refused(error: &quinn::ConnectionError) -> Refused {
    let code = match error {
        quinn::ConnectionError::ApplicationClosed(close) => {
            return CloseCode::from_code(close.error_code.into_inner())
                .map_or_else(|| Refused::Other(error.to_string()), Refused::Closed);
        }
        quinn::ConnectionError::ConnectionClosed(close) => u64::from(close.error_code),
        quinn::ConnectionError::TransportError(error) => u64::from(error.code),
        other => return Refused::Other(other.to_string()),
    };
    // RFC 9001 §4.8: alerts travel as 0x100 + their number.
    match code.checked_sub(0x100).and_then(|alert| u8::try_from(alert).ok()) {
        Some(alert) => Refused::Alert(alert),
        None => Refused::Other(error.to_string()),
    }
}
