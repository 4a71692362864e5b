//! Who a client is, whom it asks, and whom it believes.

use std::{fmt, net::SocketAddr, path::Path, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use xacminh_proto::transparency::Policy;

use crate::{
    connection::{CertificateError, read_certificates, read_key},
    patience::Patience,
};

/// Who we are and whom we ask.
pub struct ClientConfig {
    /// The cluster's name, which every node's certificate must carry.
    pub cluster: String,
    /// The client endpoints of its nodes.
    pub endpoints: Vec<SocketAddr>,
    /// Our certificate chain, leaf first.
    pub certificate: Vec<CertificateDer<'static>>,
    /// Our private key.
    pub key: PrivateKeyDer<'static>,
    /// The CAs that sign the nodes' certificates.
    pub ca: Vec<CertificateDer<'static>>,
    /// How long to wait for what.
    pub patience: Patience,
    /// Whose signatures receipts must bear; without it nothing is known of who signed them. The cosignatures that the
    /// policy wants come later, so that they are not asked of answers.
    pub log: Option<Arc<Policy>>,
    /// Start with the first endpoint instead of a random one; for tests and for "the nearest first".
    pub in_order: bool,
    /// Nobody waits for what is asked over sessions: nodes let those at a counter go first.
    pub background: bool,
}

impl ClientConfig {
    /// A configuration from PEM files.
    ///
    /// # Errors
    /// [`CertificateError`] names the file and what is wrong with it, never its content.
    pub fn from_files(
        cluster: String,
        endpoints: Vec<SocketAddr>,
        certificate: &Path,
        key: &Path,
        ca: &Path,
    ) -> Result<Self, CertificateError> {
        Ok(Self {
            cluster,
            endpoints,
            certificate: read_certificates("certificate", certificate)?,
            key: read_key(key)?,
            ca: read_certificates("CA", ca)?,
            patience: Patience::default(),
            in_order: false,
            background: false,
            log: None,
        })
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("cluster", &self.cluster)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}
