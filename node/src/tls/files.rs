//! The PEM files behind a port's TLS.

use std::path::{Path, PathBuf};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

use super::{TlsError, unreadable};

/// Most certificates in a chain or an authority file; a longer one is the wrong file.
const CERTIFICATES_MAX: usize = 16;

/// Where the certificates of one port are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The node's own certificate, followed by intermediates if there are any.
    pub certificate: PathBuf,
    /// The key of the certificate.
    pub key: PathBuf,
    /// Certificates of the authorities whose callers are let in.
    pub authority: PathBuf,
    /// Revocation lists; when there is one, every authority in use must have one that has not expired.
    pub revoked: Vec<PathBuf>,
}

impl TlsFiles {
    pub(super) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        certificates(&self.certificate)
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_file(&self.key).map_err(|error| explain(&self.key, "private key", error))
    }

    pub(super) fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.authority)? {
            roots.add(certificate).map_err(|_| TlsError::BadAuthority { path: self.authority.clone() })?;
        }
        Ok(roots)
    }

    pub(super) fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let mut lists = Vec::new();
        for path in &self.revoked {
            let explain = |error| explain(path, "revocation list", error);
            let before = lists.len();
            for list in CertificateRevocationListDer::pem_file_iter(path).map_err(explain)? {
                let list = list.map_err(explain)?;
                webpki::OwnedCertRevocationList::from_der(&list)
                    .map_err(|_| TlsError::BadRevocationList { path: path.clone() })?;
                lists.push(list);
            }
            if lists.len() == before {
                return Err(explain(pem::Error::NoItemsFound));
            }
        }
        Ok(lists)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let explain = |error| explain(path, "certificate", error);
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(explain)?
        .take(CERTIFICATES_MAX + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(explain)?;
    if certificates.is_empty() || certificates.len() > CERTIFICATES_MAX {
        return Err(explain(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// The PEM reader's own error may quote the file, so it stops here.
fn explain(path: &Path, expected: &'static str, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(source) => unreadable(path, source),
        _ => TlsError::NotPem { path: path.to_owned(), expected },
    }
}
