//! Who the node must be, and who we are.
//!
//! A node is known by its CA and by the URI SAN `xacminh://<cluster>/node/<id>` of its certificate, not by its address:
//! addresses change, and a portal's certificate from the same CA must not be able to play the node.

use std::{
    fmt,
    path::Path,
    sync::{Arc, OnceLock},
};

use rustls::{
    DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature},
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use xacminh_proto::{
    identity::{self, Role},
    wire,
};

/// Certificates a chain or CA file may hold: a leaf, an intermediate, and roots during a change of CA.
const CERTIFICATES_MAX: usize = 16;

/// Why our own certificate, key or CA cannot be used. Key material is never part of the error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read as PEM.
    #[error("{what} file `{path}`: {why}")]
    File {
        /// Which of the three.
        what: &'static str,
        /// The path.
        path: String,
        /// What was wrong.
        why: String,
    },
    /// There is no certificate in it, or too many.
    #[error("{what}: 1 to {CERTIFICATES_MAX} certificates are needed, {found} were given")]
    Count {
        /// Which of the three.
        what: &'static str,
        /// How many there were.
        found: usize,
    },
    /// rustls does not accept it.
    #[error("{what}: {why}")]
    Unusable {
        /// Which of the three.
        what: &'static str,
        /// What was wrong.
        why: String,
    },
}

/// Why a node's certificate was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerRefusal {
    /// Not signed by our CA, expired, or not for servers.
    #[error("its certificate does not verify: {0}")]
    Chain(String),
    /// No identity of ours in it.
    #[error("its certificate names no identity `xacminh://cluster/role/name`")]
    NoIdentity,
    /// Another cluster.
    #[error("it belongs to cluster `{found}`, not to `{expected}`")]
    OtherCluster {
        /// Ours.
        expected: String,
        /// Its.
        found: String,
    },
    /// Another role than a node.
    #[error("its certificate is for role `{0}`, not `node`")]
    OtherRole(String),
    /// It speaks another version.
    #[error("it does not speak {}", String::from_utf8_lossy(wire::ALPN))]
    OtherVersion,
}

/// Our certificate, key and the CA we trust, checked.
#[derive(Clone)]
pub(super) struct Identity {
    cluster: Arc<str>,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    template: rustls::ClientConfig,
}

impl Identity {
    pub(super) fn new(
        cluster: &str,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        ca: &[CertificateDer<'static>],
    ) -> Result<Self, CertificateError> {
        count("certificate", chain.len())?;
        count("CA", ca.len())?;
        let mut roots = RootCertStore::empty();
        for certificate in ca {
            let unusable = |error: rustls::Error| CertificateError::Unusable { what: "CA", why: error.to_string() };
            roots.add(certificate.clone()).map_err(unusable)?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let template = template(provider, Arc::clone(&roots), chain, key)?;
        Ok(Self { cluster: cluster.into(), roots, algorithms, template })
    }

    /// A TLS configuration for one handshake, and the place where a refusal of the node will be found.
    ///
    /// quinn keeps the text of a TLS error only; the slot keeps its type.
    pub(super) fn handshake(&self) -> (rustls::ClientConfig, Arc<OnceLock<ServerRefusal>>) {
        let refusal = Arc::new(OnceLock::new());
        let verifier = NodeVerifier {
            cluster: Arc::clone(&self.cluster),
            roots: Arc::clone(&self.roots),
            algorithms: self.algorithms,
            refusal: Arc::clone(&refusal),
        };
        let mut config = self.template.clone();
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        (config, refusal)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

fn count(what: &'static str, found: usize) -> Result<(), CertificateError> {
    if (1..=CERTIFICATES_MAX).contains(&found) { Ok(()) } else { Err(CertificateError::Count { what, found }) }
}

fn template(
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<rustls::ClientConfig, CertificateError> {
    let unusable =
        |error: rustls::Error| CertificateError::Unusable { what: "certificate or key", why: error.to_string() };
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![wire::ALPN.to_vec()];
    // A resumed session would skip the check of the node's certificate, and early data could be replayed.
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(config)
}

/// Reads the certificates of a PEM file.
pub(crate) fn read_certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let failed = |error: rustls_pki_types::pem::Error| file_error(what, path, &error);
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    count(what, certificates.len())?;
    Ok(certificates)
}

/// Reads the private key of a PEM file.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| file_error("key", path, &error))
}

fn file_error(what: &'static str, path: &Path, error: &rustls_pki_types::pem::Error) -> CertificateError {
    CertificateError::File { what, path: path.display().to_string(), why: error.to_string() }
}

/// Accepts the nodes of one cluster.
#[derive(Debug)]
struct NodeVerifier {
    cluster: Arc<str>,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    refusal: Arc<OnceLock<ServerRefusal>>,
}

impl NodeVerifier {
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), ServerRefusal> {
        let chain = |error: rustls::Error| ServerRefusal::Chain(error.to_string());
        let parsed = ParsedCertificate::try_from(certificate).map_err(chain)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, self.algorithms.all)
            .map_err(chain)?;
        let certificate =
            webpki::EndEntityCert::try_from(certificate).map_err(|error| ServerRefusal::Chain(error.to_string()))?;
        check_identity(certificate.valid_uri_names(), &self.cluster)
    }
}

/// Exactly one identity, of this cluster and role `node`.
#[expect(single_use_lifetimes, reason = "anonymous lifetimes in `impl Trait` are unstable")]
fn check_identity<'a>(names: impl Iterator<Item = &'a str>, cluster: &str) -> Result<(), ServerRefusal> {
    let mut ours = names.filter(|name| name.starts_with(identity::SCHEME));
    let (Some(uri), None) = (ours.next(), ours.next()) else { return Err(ServerRefusal::NoIdentity) };
    let identity = identity::Identity::parse(uri).map_err(|_| ServerRefusal::NoIdentity)?;
    if identity.cluster() != cluster {
        let found = identity.cluster().to_owned();
        return Err(ServerRefusal::OtherCluster { expected: cluster.to_owned(), found });
    }
    match identity.role() {
        Role::Node => Ok(()),
        role => Err(ServerRefusal::OtherRole(role.as_str().to_owned())),
    }
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion()).map_err(|refusal| {
            // The first refusal stands; a handshake has one.
            let _ = self.refusal.set(refusal);
            rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure)
        })
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_accepted_and_refused() {
        let check = |names: &[&'static str]| check_identity(names.iter().copied(), "da-nang");
        assert_eq!(check(&["https://elsewhere.example/", "xacminh://da-nang/node/1"]), Ok(()));
        assert_eq!(check(&[]), Err(ServerRefusal::NoIdentity));
        assert_eq!(check(&["xacminh://da-nang/node/1", "xacminh://da-nang/node/2"]), Err(ServerRefusal::NoIdentity));
        assert_eq!(check(&["xacminh://da-nang/node/one"]), Err(ServerRefusal::NoIdentity));
        assert_eq!(check(&["xacminh://da-nang/node/1/2"]), Err(ServerRefusal::NoIdentity));
        assert_eq!(check(&["xacminh://da-nang/portal/7"]), Err(ServerRefusal::OtherRole("portal".into())));
        let other = ServerRefusal::OtherCluster { expected: "da-nang".into(), found: "hue".into() };
        assert_eq!(check(&["xacminh://hue/node/1"]), Err(other));
    }
}
