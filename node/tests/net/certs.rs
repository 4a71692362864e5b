//! Certificates of every kind a test may want, good and bad.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::UnixTime;
use xacminh_node::{
    quic::{Door, Limits, Now},
    tls::{Port, PortTls, TlsFiles},
};

/// A certificate authority of a test.
pub(crate) struct Ca {
    folder: PathBuf,
    name: String,
    params: CertificateParams,
    key: KeyPair,
}

/// What a certificate says.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) uris: Vec<String>,
    pub(crate) expired: bool,
    pub(crate) serial: u64,
}

impl Spec {
    pub(crate) fn of(uri: &str) -> Self {
        Self { uris: vec![uri.to_owned()], expired: false, serial: 1 }
    }
}

impl Ca {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        fs::write(folder.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder: folder.to_owned(), name: name.to_owned(), params, key }
    }

    pub(crate) fn issue(&self, stem: &str, spec: &Spec) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.subject_alt_names.extend(spec.uris.iter().map(|uri| SanType::URI(uri.as_str().try_into().unwrap())));
        params.distinguished_name.push(DnType::CommonName, stem);
        params.serial_number = Some(SerialNumber::from(spec.serial));
        params.not_before = date_time_ymd(2019, 1, 1);
        if spec.expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let certificate = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        let files = TlsFiles {
            certificate: self.folder.join(format!("{stem}.pem")),
            key: self.folder.join(format!("{stem}.key")),
            authority: self.folder.join(format!("{}.pem", self.name)),
            revoked: Vec::new(),
        };
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    /// Writes a revocation list of `serials`.
    pub(crate) fn revoke(&self, file: &str, serials: &[u64], expired: bool) -> PathBuf {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2019, 1, 1),
            next_update: if expired { date_time_ymd(2020, 1, 1) } else { date_time_ymd(2090, 1, 1) },
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: date_time_ymd(2019, 6, 1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.folder.join(file);
        let signed = list.signed_by(&Issuer::from_params(&self.params, &self.key)).unwrap();
        fs::write(&path, signed.pem().unwrap()).unwrap();
        path
    }
}

pub(crate) fn now() -> Duration {
    Duration::from_secs(UnixTime::now().as_secs())
}

pub(crate) fn clock() -> Now {
    Arc::new(now)
}

pub(crate) fn load(port: Port, node: u64, files: TlsFiles) -> Arc<PortTls> {
    Arc::new(PortTls::load(port, "dev", node, files, now()).unwrap())
}

pub(crate) fn open(tls: &Arc<PortTls>, limits: Limits) -> Door {
    Door::open("127.0.0.1:0".parse().unwrap(), Arc::clone(tls), limits, clock()).unwrap()
}
