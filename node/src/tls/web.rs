//! TLS of the log server: readers may come without a certificate, and then read checkpoints only.
//!
//! The server's own certificate needs no identity of ours: it may be one of a public authority, for browsers. What a
//! reader's certificate says is looked at again for every request, so that one that was revoked opens nothing from the
//! next request on.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, UnixTime},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use xacminh_proto::identity::Identity;

use super::{TlsError, TlsFiles, identity_of};

/// Application protocol of the log server.
const ALPN_HTTP: &[u8] = b"http/1.1";

/// TLS of the log server: what is in force now, and the files it came from.
pub struct WebTls {
    cluster: String,
    files: TlsFiles,
    asks: bool,
    current: ArcSwap<Web>,
}

/// One reading of the files.
struct Web {
    server: Arc<ServerConfig>,
    /// None when nobody is asked for a certificate.
    readers: Option<Arc<dyn ClientCertVerifier>>,
}

impl WebTls {
    /// Reads the files. With `asks`, readers may show certificates of `files.authority`; else nobody is asked, and that
    /// file and the revocation lists are not read.
    ///
    /// # Errors
    /// [`TlsError`] names the file and the way out.
    pub fn load(cluster: &str, files: TlsFiles, asks: bool) -> Result<Self, TlsError> {
        let web = Web::read(&files, asks)?;
        Ok(Self { cluster: cluster.to_owned(), files, asks, current: ArcSwap::from_pointee(web) })
    }

    /// Reads the files again and swaps them in; on an error everything stays as it was.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(Web::read(&self.files, self.asks)?));
        Ok(())
    }

    /// For the next connection.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().server)
    }

    /// Whether readers are asked for a certificate.
    #[must_use]
    pub const fn asks(&self) -> bool {
        self.asks
    }

    /// Whom a chain speaks for, if it still counts at `now` and is of this cluster.
    #[must_use]
    pub fn reader(&self, chain: &[CertificateDer<'_>], now: Duration) -> Option<Identity> {
        let current = self.current.load();
        let (own, intermediates) = chain.split_first()?;
        current.readers.as_ref()?.verify_client_cert(own, intermediates, UnixTime::since_unix_epoch(now)).ok()?;
        identity_of(chain).filter(|identity| identity.cluster() == self.cluster)
    }
}

impl Web {
    fn read(files: &TlsFiles, asks: bool) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let readers: Option<Arc<dyn ClientCertVerifier>> = if asks {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(files.roots()?), Arc::clone(&provider))
                .with_crls(files.revocation_lists()?)
                .enforce_revocation_expiration()
                .allow_unauthenticated()
                .build()
                .map_err(|_| files.bad_verifier())?;
            Some(verifier)
        } else {
            None
        };
        let builder =
            ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
        let builder = match &readers {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder.with_single_cert(files.chain()?, files.key()?).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::KeyMismatch { key: files.key.clone(), certificate: files.certificate.clone() }
            }
            other => TlsError::Setup(other),
        })?;
        // A resumed session would skip the look at the reader's certificate.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.max_early_data_size = 0;
        server.alpn_protocols = vec![ALPN_HTTP.to_vec()];
        Ok(Self { server: Arc::new(server), readers })
    }
}

impl fmt::Debug for WebTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebTls").field("files", &self.files).field("asks", &self.asks).finish_non_exhaustive()
    }
}
