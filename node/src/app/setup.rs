//! From the configuration to open rooms; whatever is wrong refuses the start and says what to do.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use xacminh_proto::transparency::note::VerifierKey;

use crate::{
    config::{AuthoritySource, ClientCertificates, Config},
    env::{self, Clock},
    keyring::{KekSource, Keyring, KeyringError},
    notary::Notary,
    publish::{self, Cosigned, Witness, WitnessError, Witnesses},
    quic::{Door, Limits, Now, QuicError},
    raft::{Settings, start::StartError},
    serve::Bounds,
    store::{ApplySink, LogError, Options, State, Store, StoreError},
    telemetry::{ExitCode, Metrics, WitnessMetrics},
    tls::{Port, PortTls, TlsError, TlsFiles, WebTls},
    upstream::{self, AuthorityConfig, EmbeddedConfig, FlightLimits, PostgresConfig, Upstream},
};

use super::stop_at_once;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The keyring.
    #[error("keyring: {0}")]
    Keyring(#[from] KeyringError),
    /// The keyring has no key of the log.
    #[error(
        "keyring {}: it has no key to sign the log with, so no answer could have a receipt: add one with `xacminh-node keyring rotate-signing`, and copy the file to every node", .path.display()
    )]
    NoSigningKey {
        /// The file.
        path: PathBuf,
    },
    /// The data directory or what is in it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Certificates, keys or authorities.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The population database can never work like this.
    #[error("authority: {0}")]
    Authority(#[from] upstream::StartError),
    /// A UDP port.
    #[error("{0}")]
    Door(#[from] QuicError),
    /// The admin port, or the log server's.
    #[error("cannot listen on tcp {address}: {source}; is another node running, or the address not of this machine?")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The record of what the notary signed last.
    #[error("notary: {0}; the record is needed to never sign two histories, and is not restored from a backup")]
    Notary(io::Error),
    /// What witnesses are asked with.
    #[error("{0}")]
    Cosigning(#[from] WitnessError),
    /// Metrics that are there already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The auditor's index.
    #[error("audit index: {0}; all of it is in the state, too: its folder may be deleted")]
    AuditIndex(io::Error),
    /// Replication.
    #[error("{0}")]
    Replication(#[from] StartError),
}

impl Refusal {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Keyring(_) | Self::NoSigningKey { .. } => ExitCode::KeyringRefused,
            Self::Store(StoreError::Log(LogError::Shortened { .. } | LogError::Hole { .. })) => ExitCode::LogTruncated,
            Self::Replication(StartError::Settings(_)) | Self::Cosigning(_) | Self::Metrics(_) => ExitCode::Config,
            Self::Store(_) | Self::Replication(_) | Self::Notary(_) | Self::AuditIndex(_) => ExitCode::DataDirRefused,
            Self::Tls(_) => ExitCode::TlsRefused,
            Self::Authority(_) => ExitCode::AuthorityRefused,
            Self::Door(_) | Self::Listen { .. } => ExitCode::BindFailed,
        }
    }
}

/// The two UDP ports.
pub(super) struct Doors {
    pub(super) clients: Door,
    pub(super) peers: Door,
}

/// Where the key-encryption key of a configuration comes from.
#[must_use]
pub fn keyring_source(config: &crate::config::Keyring) -> KekSource {
    match (&config.encryption_key_env, &config.encryption_key_file) {
        (Some(name), _) => KekSource::Env(name.clone()),
        (None, Some(path)) => KekSource::File(path.clone()),
        (None, None) => KekSource::None,
    }
}

pub(super) fn keyring(config: &Config) -> Result<Arc<Keyring>, Refusal> {
    let keyring = Keyring::load(&config.keyring.file, &keyring_source(&config.keyring))?;
    if keyring.log_keys().is_empty() {
        return Err(Refusal::NoSigningKey { path: config.keyring.file.clone() });
    }
    Ok(Arc::new(keyring))
}

pub(super) fn store(config: &Config, sink: Arc<dyn ApplySink>) -> Result<Store, Refusal> {
    let options = Options {
        directory: &config.node.data_dir,
        cluster: &config.cluster.name,
        node: config.node.id,
        incarnation: env::random_u128(),
        block_cache_bytes: config.node.block_cache_bytes(),
    };
    Ok(Store::open(&options, sink, Arc::new(|fatal| stop_at_once(&fatal)))?)
}

pub(super) async fn authority(config: &Config) -> Result<Arc<Upstream>, Refusal> {
    let authority = &config.authority;
    let source = match &authority.source {
        AuthoritySource::Embedded { path } => {
            AuthorityConfig::Embedded(EmbeddedConfig { path: path.clone(), connections: 4 })
        }
        AuthoritySource::Postgres { url, ca_file, password_file, pool_size, connect_timeout_ms } => {
            AuthorityConfig::Postgres(PostgresConfig {
                url: url.clone(),
                ca_file: ca_file.clone(),
                password_file: password_file.clone(),
                pool_size: size(*pool_size),
                connect_ms_max: *connect_timeout_ms,
                statement_ms_max: authority.deadline_ms,
            })
        }
    };
    let limits = FlightLimits {
        fetch_ms_max: authority.deadline_ms,
        fetches_max: size(authority.concurrency_max),
        breaker_failures_max: authority.breaker_failures,
        breaker_open_ms: authority.breaker_open_ms,
        ..FlightLimits::default()
    };
    Ok(Arc::new(Upstream::open(&source, limits).await?))
}

pub(super) fn doors(config: &Config, clock: &Arc<dyn Clock>) -> Result<Doors, Refusal> {
    let clock = Arc::clone(clock);
    let now: Now = Arc::new(move || Duration::from_millis(clock.now_ms()));
    let tls = |port, files: &crate::config::TlsFiles| {
        let files = TlsFiles {
            certificate: files.cert.clone(),
            key: files.key.clone(),
            authority: files.ca.clone(),
            revoked: files.crl.iter().cloned().collect(),
        };
        PortTls::load(port, &config.cluster.name, config.node.id, files, now()).map(Arc::new)
    };
    let clients = tls(Port::Clients, &config.client.tls)?;
    let peers = tls(Port::Peers, &config.peer.tls)?;
    Ok(Doors {
        clients: Door::open(config.client.listen, clients, client_limits(config), Arc::clone(&now))?,
        peers: Door::open(config.peer.listen, peers, Limits::peers(), now)?,
    })
}

/// The log server's port, if the log is served.
pub(super) async fn log_door(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<publish::Door>, Refusal> {
    let Some(server) = &config.log_server else { return Ok(None) };
    let files = TlsFiles {
        certificate: server.tls.cert.clone(),
        key: server.tls.key.clone(),
        authority: server.tls.ca.clone().unwrap_or_default(),
        revoked: server.tls.crl.iter().cloned().collect(),
    };
    let asks = server.client_certificates == ClientCertificates::Required;
    let tls = Arc::new(WebTls::load(&config.cluster.name, files, asks)?);
    let limits = &server.limits;
    let bounds = publish::Bounds {
        connections_max: size(limits.connections_max),
        connections_per_address_max: size(limits.connections_per_address_max),
        handshake: Duration::from_millis(limits.handshake_timeout_ms),
        header: Duration::from_millis(limits.header_timeout_ms),
        connection: Duration::from_millis(limits.connection_ms_max),
    };
    let listen = server.listen;
    let door = publish::Door::open(listen, tls, bounds, Arc::clone(clock)).await;
    door.map(Some).map_err(|source| Refusal::Listen { address: listen, source })
}

/// The rooms that know the log.
pub(super) struct Log<'a> {
    pub(super) state: &'a State,
    pub(super) notary: &'a Notary,
    pub(super) cosigned: Arc<Cosigned>,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) metrics: &'a Metrics,
}

pub(super) fn witnesses(config: &Config, log: Log<'_>) -> Result<Witnesses, Refusal> {
    // A configuration that loads has keys that are keys.
    let witness = |witness: &crate::config::Witness| {
        let key = VerifierKey::parse(&witness.vkey).ok()?;
        Some(Witness { url: witness.url.clone(), key })
    };
    let all: Vec<Witness> = config.witnesses.iter().filter_map(witness).collect();
    let names: Vec<&str> = all.iter().map(|one| one.key.name()).collect();
    let metrics = WitnessMetrics::new(&names, log.metrics)?;
    let cosigning = &config.cosigning;
    let times = (Duration::from_millis(cosigning.every_ms), Duration::from_millis(cosigning.timeout_ms));
    let (state, notary) = (log.state.clone(), log.notary.clone());
    let clock = Arc::clone(log.clock);
    Ok(Witnesses::new(all, times, cosigning.ca.as_deref(), state, notary, log.cosigned, clock, metrics)?)
}

pub(super) fn bounds(config: &Config) -> Bounds {
    let limits = &config.client.limits;
    Bounds {
        in_flight_connection_max: size(limits.in_flight_connection_max),
        in_flight_max: size(limits.in_flight_max),
        background_max: size(limits.background_in_flight_max),
        frame_time: Duration::from_millis(limits.question_timeout_ms),
        unconfirmed_step: Duration::from_millis(limits.unconfirmed_step_ms),
    }
}

pub(super) fn replication(config: &Config) -> Settings {
    let raft = &config.raft;
    Settings {
        heartbeat: Duration::from_millis(raft.heartbeat_ms),
        election_min: Duration::from_millis(raft.election_timeout_min_ms),
        election_max: Duration::from_millis(raft.election_timeout_max_ms),
        snapshot_every_entries: raft.snapshot_every_entries,
        log_keep_entries: raft.log_keep_entries,
        snapshot_time: Duration::from_millis(raft.snapshot_timeout_ms),
        appends_in_flight: size(raft.appends_in_flight),
    }
}

fn client_limits(config: &Config) -> Limits {
    let limits = &config.client.limits;
    let ms = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX);
    Limits {
        streams_max: limits.streams_max,
        idle_ms_max: ms(limits.idle_timeout_ms),
        handshake_ms_max: ms(limits.handshake_timeout_ms),
        handshakes_max: size(limits.handshakes_max),
        handshakes_unproven_max: size(limits.address_validation_above),
        connections_max: size(limits.connections_max),
        connections_per_caller_max: size(limits.connections_per_caller_max),
        ..Limits::clients()
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).expect("addresses have at least 32 bits here")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operators restart on other numbers; on this one they must not.
    #[test]
    fn a_log_that_lost_writes_has_an_exit_code_of_its_own() {
        let path = "log".to_owned();
        let shortened = LogError::Shortened { path: path.clone(), expected: 9, found: 7 };
        let hole = LogError::Hole { path: path.clone(), index: 4 };
        let disk = LogError::Io { path, source: io::Error::other("no space left") };
        let code = |error: LogError| Refusal::from(StoreError::from(error)).exit_code();
        assert_eq!(
            [shortened, hole, disk].map(code),
            [ExitCode::LogTruncated, ExitCode::LogTruncated, ExitCode::DataDirRefused]
        );
    }
}
