//! An authority and what it signs.

use std::{fs, io, net::IpAddr, path::Path, str::FromStr};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use time::{Duration, OffsetDateTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use xacminh_proto::identity::{Identity, Role};

use super::{CertError, files::NewFile};

/// Signs certificates of nodes towards callers, and of callers.
pub(super) const CLIENT_CA: &str = "client-ca";
/// Signs certificates of nodes towards each other.
pub(super) const PEER_CA: &str = "peer-ca";

/// A certificate is valid a little before it was made, because no two clocks agree.
const BACKDATE: Duration = Duration::minutes(5);

/// A certificate authority with its key.
pub(super) struct Authority {
    kind: &'static str,
    cluster: String,
    pem: String,
    key: KeyPair,
}

impl Authority {
    /// Makes a new authority of `kind` for `cluster`.
    pub(super) fn create(kind: &'static str, cluster: &str, now: OffsetDateTime, days: u32) -> Result<Self, CertError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = authority_params(kind, cluster);
        params.not_before = now - BACKDATE;
        params.not_after = now + Duration::days(i64::from(days));
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { kind, cluster: cluster.to_owned(), pem, key })
    }

    /// Reads an authority that [`Self::create`] made.
    pub(super) fn load(folder: &Path, kind: &'static str, cluster: &str) -> Result<Self, CertError> {
        let read = |extension: &str| {
            let path = folder.join(format!("{kind}.{extension}"));
            fs::read_to_string(&path).map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => CertError::NoAuthority(path),
                _ => CertError::File { path, source },
            })
        };
        let pem = read("pem")?;
        let key = KeyPair::from_pem(&read("key")?)
            .map_err(|_| CertError::BadAuthority(folder.join(format!("{kind}.key"))))?;
        let authority = Self { kind, cluster: cluster.to_owned(), pem, key };
        authority.check(folder)?;
        Ok(authority)
    }

    /// The authority's own two files.
    pub(super) fn files(&self) -> Vec<NewFile> {
        pair(self.kind, self.pem.clone(), &self.key)
    }

    /// Makes a key and a certificate for `holder`.
    pub(super) fn issue(
        &self,
        stem: &str,
        holder: &Identity,
        hosts: &[String],
        now: OffsetDateTime,
        days: u32,
    ) -> Result<Vec<NewFile>, CertError> {
        let (pem, key) = self.sign(holder, hosts, now, days)?;
        Ok(pair(stem, pem, &key))
    }

    fn sign(
        &self,
        holder: &Identity,
        hosts: &[String],
        now: OffsetDateTime,
        days: u32,
    ) -> Result<(String, KeyPair), CertError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.not_before = now - BACKDATE;
        params.not_after = now + Duration::days(i64::from(days));
        params.distinguished_name = subject(&format!("{} {}", holder.role(), holder.name()));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = extended_key_usages(holder.role());
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = vec![SanType::URI(holder.to_string().try_into()?)];
        for host in hosts {
            params.subject_alt_names.push(host_name(host)?);
        }
        let parent = authority_params(self.kind, &self.cluster);
        let pem = params.signed_by(&key, &Issuer::from_params(&parent, &self.key))?.pem();
        Ok((pem, key))
    }

    /// Signs a certificate for nobody and verifies it.
    ///
    /// The subject of the authority is derived from its kind and cluster, so this finds a key of another authority and
    /// an authority of another cluster alike, before anything that nobody would accept is written.
    /// Any moment does for this proof, and a fixed one needs no clock.
    fn check(&self, folder: &Path) -> Result<(), CertError> {
        let path = folder.join(format!("{}.pem", self.kind));
        let authority =
            CertificateDer::from_pem_slice(self.pem.as_bytes()).map_err(|_| CertError::BadAuthority(path.clone()))?;
        let anchor = anchor_from_trusted_cert(&authority).map_err(|_| CertError::BadAuthority(path.clone()))?;
        let nobody = Identity::new(&self.cluster, Role::Operator, "check").map_err(CertError::Name)?;
        let (pem, _) = self.sign(&nobody, &[], OffsetDateTime::UNIX_EPOCH + Duration::DAY, 1)?;
        let proof =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
        EndEntityCert::try_from(&proof)
            .and_then(|proof| {
                let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(24 * 60 * 60));
                let usage = KeyUsage::client_auth();
                proof.verify_for_usage(ALL_VERIFICATION_ALGS, &[anchor], &[], at, usage, None, None).map(|_| ())
            })
            .map_err(|_| CertError::ForeignAuthority { path, cluster: self.cluster.clone() })
    }
}

fn authority_params(kind: &str, cluster: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&format!("{kind} of {cluster}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Xac Minh");
    name.push(DnType::CommonName, common_name);
    name
}

/// A caller's certificate cannot pose as a server even before its role is looked at.
fn extended_key_usages(role: Role) -> Vec<ExtendedKeyUsagePurpose> {
    match role {
        Role::Node => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Role::Peer => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        Role::Portal | Role::OfficialClient | Role::Operator | Role::Auditor | Role::CitizenService => {
            vec![ExtendedKeyUsagePurpose::ClientAuth]
        }
    }
}

fn host_name(host: &str) -> Result<SanType, CertError> {
    if let Ok(address) = IpAddr::from_str(host) {
        return Ok(SanType::IpAddress(address));
    }
    let bad = || CertError::Host(host.to_owned());
    rustls_pki_types::DnsName::try_from(host).map_err(|_| bad())?;
    Ok(SanType::DnsName(host.try_into().map_err(|_| bad())?))
}

fn pair(stem: &str, pem: String, key: &KeyPair) -> Vec<NewFile> {
    vec![
        NewFile { name: format!("{stem}.pem"), pem, secret: false },
        NewFile { name: format!("{stem}.key"), pem: key.serialize_pem(), secret: true },
    ]
}
