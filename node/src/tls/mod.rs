//! TLS configurations and the identities they prove.
//!
//! ```text
//! port      own certificate   callers are signed by   ALPN              who may come in
//! clients   role node         client-ca               xacminh/1         portal, official-client, operator, auditor
//! peers     role peer         peer-ca                 xacminh-peer/1    peer
//! web       any               client-ca, or nobody    http/1.1          everybody; see `web` for who reads what
//! ```
//!
//! TLS 1.3 only, both sides show a certificate, no session tickets and no early data: a resumed session would skip the
//! look at the caller's certificate, and with it every revocation.

mod files;
mod web;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::{Resumption, WebPkiServerVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationOptionsBuilder};
use xacminh_proto::{
    close::CloseCode,
    identity::{Identity, Role},
};

pub use files::TlsFiles;
pub use web::WebTls;

/// Application protocol of the client port; its number is the version of the wire.
pub const ALPN_CLIENTS: &[u8] = b"xacminh/1";
/// Application protocol of the peer port.
pub const ALPN_PEERS: &[u8] = b"xacminh-peer/1";

/// Separates the key for stateless resets from every other use of the private key.
const RESET_KEY_CONTEXT: &str = "xacminh 2026-11 quic stateless reset key";

/// Which of the node's two ports a configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Where questions come in.
    Clients,
    /// Where the cluster talks to itself.
    Peers,
}

impl Port {
    /// The role of this node's own certificate.
    #[must_use]
    pub fn own_role(self) -> Role {
        match self {
            Self::Clients => Role::Node,
            Self::Peers => Role::Peer,
        }
    }

    /// Whether a caller of this role may come in.
    #[must_use]
    pub fn admits(self, role: Role) -> bool {
        match self {
            Self::Clients => {
                matches!(
                    role,
                    Role::Portal | Role::OfficialClient | Role::Operator | Role::Auditor | Role::CitizenService
                )
            }
            Self::Peers => role == Role::Peer,
        }
    }

    fn alpn(self) -> &'static [u8] {
        match self {
            Self::Clients => ALPN_CLIENTS,
            Self::Peers => ALPN_PEERS,
        }
    }
}

/// Why TLS could not be set up; every text names the file and the way out, and none ever shows key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}; check that it exists and that the node's account may read it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} holds no {expected} in PEM form; issue it again with `xacminh cert` or your own authority", .path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
    },
    /// Key and certificate are not of a pair.
    #[error("the key {} does not belong to the certificate {}; copy both from one issue", .key.display(), .certificate.display())]
    KeyMismatch {
        /// Key file.
        key: PathBuf,
        /// Certificate file.
        certificate: PathBuf,
    },
    /// The certificate speaks for somebody else.
    #[error("{} speaks for {found}, but this node needs {wanted}; configure the node's own certificate", .path.display())]
    WrongIdentity {
        /// Certificate file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What it should say.
        wanted: Identity,
    },
    /// The node's own certificate would be refused by everybody.
    #[error("{} is expired, revoked, not yet valid or not signed by {}; renew it", .path.display(), .authority.display())]
    NotAccepted {
        /// Certificate file.
        path: PathBuf,
        /// Authority file.
        authority: PathBuf,
        /// Which of these it is.
        source: webpki::Error,
    },
    /// The authority's certificate cannot serve as one.
    #[error("{} is not an authority's certificate", .path.display())]
    BadAuthority {
        /// Authority file.
        path: PathBuf,
    },
    /// A revocation list cannot be understood.
    #[error("{} is not a revocation list that this node understands; fetch it again", .path.display())]
    BadRevocationList {
        /// The list's file.
        path: PathBuf,
    },
    /// The TLS library refused a configuration of ours.
    #[error("cannot set up TLS")]
    Setup(#[from] rustls::Error),
}

/// TLS of one port: what is in force now, and the files it came from.
pub struct PortTls {
    port: Port,
    identity: Identity,
    files: TlsFiles,
    current: ArcSwap<Loaded>,
}

/// One reading of the files.
pub struct Loaded {
    /// For those who call us.
    pub(crate) server: Arc<ServerConfig>,
    /// For those we call; only nodes call, and only each other.
    pub(crate) client: Arc<ClientConfig>,
    callers: Arc<dyn ClientCertVerifier>,
    callees: Callees,
    reset_key: [u8; 32],
}

/// What is needed to look at a certificate again that somebody showed us when we called.
struct Callees {
    roots: Arc<RootCertStore>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl PortTls {
    /// Reads the files of `port`; the certificate must speak for node `node_id` of `cluster`.
    ///
    /// `now` is handed in because time is data: only `env` looks at the clock.
    ///
    /// # Errors
    /// [`TlsError`] names the file and the way out.
    pub fn load(port: Port, cluster: &str, node_id: u64, files: TlsFiles, now: Duration) -> Result<Self, TlsError> {
        let identity = Identity::new(cluster, port.own_role(), &node_id.to_string()).map_err(|_| {
            // The cluster's name came from a configuration that should have been checked; say it as a mismatch.
            rustls::Error::General(format!("`{cluster}` cannot be the name of a cluster"))
        })?;
        let loaded = Loaded::read(port, &identity, &files, now)?;
        Ok(Self { port, identity, files, current: ArcSwap::from_pointee(loaded) })
    }

    /// Reads the files again and swaps them in; on an error everything stays as it was.
    ///
    /// New connections see the change once the endpoint was given the new configuration (`quic`), which also looks
    /// again at the connections that live.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn reload(&self, now: Duration) -> Result<(), TlsError> {
        let loaded = Loaded::read(self.port, &self.identity, &self.files, now)?;
        self.current.store(Arc::new(loaded));
        Ok(())
    }

    /// What is in force now.
    #[must_use]
    pub fn current(&self) -> Arc<Loaded> {
        self.current.load_full()
    }

    /// Which port this is for.
    #[must_use]
    pub fn port(&self) -> Port {
        self.port
    }

    /// Who this node is on this port.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Decides whether the holder of `chain` may use this port of this cluster.
    ///
    /// The chain itself was verified in the handshake; this looks at what it says.
    ///
    /// # Errors
    /// The code to close the connection with.
    pub fn admit(&self, chain: &[CertificateDer<'_>]) -> Result<Identity, CloseCode> {
        let identity = identity_of(chain).ok_or(CloseCode::NoIdentity)?;
        if !self.port.admits(identity.role()) {
            return Err(CloseCode::WrongRole);
        }
        if identity.cluster() != self.identity.cluster() {
            return Err(CloseCode::WrongCluster);
        }
        Ok(identity)
    }
}

impl Loaded {
    fn read(port: Port, identity: &Identity, files: &TlsFiles, now: Duration) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = files.chain()?;
        let key = files.key()?;
        let roots = Arc::new(files.roots()?);
        let revoked = files.revocation_lists()?;

        match identity_of(&chain) {
            Some(found) if found == *identity => {}
            found => {
                return Err(TlsError::WrongIdentity {
                    path: files.certificate.clone(),
                    found: found.map_or_else(|| "nobody".to_owned(), |found| found.to_string()),
                    wanted: identity.clone(),
                });
            }
        }
        let callees = Callees { roots: Arc::clone(&roots), revoked: revoked.clone() };
        check_own(port, &chain, &callees, files, now)?;

        let callers = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .with_crls(revoked.clone())
            .enforce_revocation_expiration()
            .build()
            .map_err(|_| files.bad_verifier())?;
        let called = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .with_crls(revoked)
            .enforce_revocation_expiration()
            .build()
            .map_err(|_| files.bad_verifier())?;

        let mismatch = |error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::KeyMismatch { key: files.key.clone(), certificate: files.certificate.clone() }
            }
            other => TlsError::Setup(other),
        };
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::clone(&callers))
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(mismatch)?;
        // "verify_client_cert" runs in full handshakes only: without tickets there are no others.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.max_early_data_size = 0;
        server.alpn_protocols = vec![port.alpn().to_vec()];

        let reset_key = blake3::derive_key(RESET_KEY_CONTEXT, key.secret_der());
        let client = client_config(&provider, called, chain, key, port).map_err(mismatch)?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client), callers, callees, reset_key })
    }

    /// The key under which this node says "I do not know this connection" (RFC 9000 §10.3).
    ///
    /// It is the same after a restart, so that a node that comes back tells its peers at once that their connections
    /// are dead, instead of leaving them to time out.
    pub(crate) fn reset_key(&self) -> &[u8; 32] {
        &self.reset_key
    }

    /// Whether a caller that came in earlier would still come in at `now`.
    #[must_use]
    pub fn trusts_caller(&self, chain: &[CertificateDer<'_>], now: Duration) -> bool {
        let Some((own, intermediates)) = chain.split_first() else {
            return false;
        };
        self.callers.verify_client_cert(own, intermediates, UnixTime::since_unix_epoch(now)).is_ok()
    }

    /// Whether a node that we called earlier would still be believed at `now`.
    #[must_use]
    pub fn trusts_callee(&self, chain: &[CertificateDer<'_>], now: Duration) -> bool {
        self.callees.verify(chain, now).is_ok()
    }
}

impl Callees {
    fn verify(&self, chain: &[CertificateDer<'_>], now: Duration) -> Result<(), webpki::Error> {
        let Some((own, intermediates)) = chain.split_first() else {
            return Err(webpki::Error::UnknownIssuer);
        };
        let lists = self
            .revoked
            .iter()
            .map(|list| webpki::OwnedCertRevocationList::from_der(list).map(webpki::CertRevocationList::from))
            .collect::<Result<Vec<_>, _>>()?;
        let lists: Vec<_> = lists.iter().collect();
        // An empty set of lists is no demand for lists.
        let revocation = RevocationOptionsBuilder::new(&lists)
            .ok()
            .map(|options| options.with_expiration_policy(ExpirationPolicy::Enforce).build());
        EndEntityCert::try_from(own)?
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                &self.roots.roots,
                intermediates,
                UnixTime::since_unix_epoch(now),
                KeyUsage::server_auth(),
                revocation,
                None,
            )
            .map(|_| ())
    }
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    chain: Vec<CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
    port: Port,
) -> Result<ClientConfig, rustls::Error> {
    let mut client = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(chain, key)?;
    client.resumption = Resumption::disabled();
    client.enable_early_data = false;
    client.alpn_protocols = vec![port.alpn().to_vec()];
    Ok(client)
}

/// Refuses to start with a certificate that everybody else would refuse, so that the operator reads why here and not
/// in the logs of the callers.
fn check_own(
    port: Port,
    chain: &[CertificateDer<'_>],
    callees: &Callees,
    files: &TlsFiles,
    now: Duration,
) -> Result<(), TlsError> {
    match callees.verify(chain, now) {
        Ok(()) => Ok(()),
        // The node's own certificate on the client port may come from another authority than the callers' do.
        Err(webpki::Error::UnknownIssuer) if port == Port::Clients => Ok(()),
        Err(source) => {
            Err(TlsError::NotAccepted { path: files.certificate.clone(), authority: files.authority.clone(), source })
        }
    }
}

/// Whom a chain speaks for: its end entity must carry exactly one identity of ours.
#[must_use]
pub fn identity_of(chain: &[CertificateDer<'_>]) -> Option<Identity> {
    let certificate = EndEntityCert::try_from(chain.first()?).ok()?;
    let mut found = certificate.valid_uri_names().filter(|uri| uri.starts_with("xacminh:"));
    // Two identities in one certificate would let its holder choose; nobody issues such a thing by accident.
    let (Some(uri), None) = (found.next(), found.next()) else {
        return None;
    };
    Identity::parse(uri).ok()
}

impl fmt::Debug for PortTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortTls").field("port", &self.port).field("files", &self.files).finish_non_exhaustive()
    }
}

impl TlsFiles {
    fn bad_verifier(&self) -> TlsError {
        match self.revoked.first() {
            Some(path) => TlsError::BadRevocationList { path: path.clone() },
            None => TlsError::BadAuthority { path: self.authority.clone() },
        }
    }
}

/// Reads the name of a file for an error text.
fn unreadable(path: &Path, source: io::Error) -> TlsError {
    TlsError::Unreadable { path: path.to_owned(), source }
}
