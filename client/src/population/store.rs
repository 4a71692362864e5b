//! Where a population is kept: `sqlite:FILE` or `postgres://…`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PopulationError;

/// A population database. Printing it shows no password.
#[derive(Clone)]
pub enum Store {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server and database.
    Postgres(Box<Config>),
}

impl FromStr for Store {
    type Err = PopulationError;

    fn from_str(text: &str) -> Result<Self, PopulationError> {
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            Ok(Self::Sqlite(path.into()))
        } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            text.parse().map(|config| Self::Postgres(Box::new(config))).map_err(PopulationError::Url)
        } else {
            Err(PopulationError::StoreForm)
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

/// Connects to PostgreSQL: with TLS if a CA is given, else without.
pub(super) async fn connect(config: &Config, ca_file: Option<&Path>) -> Result<Client, PopulationError> {
    match ca_file {
        Some(path) => {
            let mut config = config.clone();
            config.ssl_mode(SslMode::Require);
            let (client, connection) = config.connect(tls(path)?).await.map_err(PopulationError::Postgres)?;
            tokio::spawn(connection);
            Ok(client)
        }
        None if config.get_ssl_mode() == SslMode::Require => Err(PopulationError::CaNeeded),
        None => {
            let (client, connection) = config.connect(NoTls).await.map_err(PopulationError::Postgres)?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

fn tls(ca_file: &Path) -> Result<MakeRustlsConnect, PopulationError> {
    let unusable = || PopulationError::CaFile(ca_file.into());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).map_err(|_| unusable())? {
        roots.add(certificate.map_err(|_| unusable())?).map_err(|_| unusable())?;
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(|_| unusable())?.with_root_certificates(roots).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_told_apart_and_hide_passwords() {
        assert!(matches!("sqlite:a/b.db".parse(), Ok(Store::Sqlite(path)) if path == Path::new("a/b.db")));
        let store: Store = "postgres://writer:secret@127.0.0.1/people".parse().expect("a URL");
        assert!(!format!("{store:?}").contains("secret"));
        assert!(matches!("sqlite:".parse::<Store>(), Err(PopulationError::StoreForm)));
        assert!(matches!("people.db".parse::<Store>(), Err(PopulationError::StoreForm)));
        assert!(matches!("postgres://h:port/x".parse::<Store>(), Err(PopulationError::Url(_))));
    }
}
