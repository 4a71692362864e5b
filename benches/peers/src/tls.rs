//! Mutual TLS 1.3 to every system alike.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How long a connection may take; hundreds are made at once.
const CONNECT_MAX: Duration = Duration::from_secs(20);

/// Who we are, and whom we believe.
#[derive(Args, Clone, Debug)]
pub(crate) struct Papers {
    /// Our certificate chain, PEM.
    #[arg(long)]
    pub(crate) cert: PathBuf,
    /// Our key, PEM.
    #[arg(long)]
    pub(crate) key: PathBuf,
    /// The CA of the servers, PEM.
    #[arg(long)]
    pub(crate) ca: PathBuf,
}

impl Papers {
    /// The client side of TLS, with a protocol name where the server wants one.
    ///
    /// # Errors
    /// If a file cannot be read or is not PEM.
    pub(crate) fn config(&self, protocol: Option<&[u8]>) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for each in CertificateDer::pem_file_iter(&self.ca).with_context(|| format!("{}", self.ca.display()))? {
            roots.add(each?)?;
        }
        let chain = CertificateDer::pem_file_iter(&self.cert).with_context(|| format!("{}", self.cert.display()))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).with_context(|| format!("{}", self.key.display()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain.collect::<Result<Vec<_>, _>>()?, key)?;
        config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
        Ok(config)
    }
}

/// Connects and shakes hands.
///
/// # Errors
/// If nobody listens, or either side does not believe the other.
pub(crate) async fn connect(config: &Arc<ClientConfig>, address: SocketAddr) -> anyhow::Result<TlsStream<TcpStream>> {
    let connecting = async {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(Arc::clone(config)).connect(ServerName::from(address.ip()), tcp).await
    };
    timeout(CONNECT_MAX, connecting).await.context("connecting took too long")?.with_context(|| format!("{address}"))
}
