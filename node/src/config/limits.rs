//! What no single field can know of itself: ranges, and fields that must fit each other.

use std::{collections::HashSet, ops::RangeInclusive};

use tracing_subscriber::EnvFilter;

use xacminh_proto::transparency::{
    Checkpoint,
    merkle::empty_root,
    note::{KeyKind, VerifierKey},
};

use super::{Authority, AuthoritySource, ClientCertificates, Config, Member};

/// An election timeout below three heartbeats calls an election when two packets are lost.
const HEARTBEATS_PER_ELECTION_MIN: u64 = 3;
/// Voters of one cluster; more than seven only makes every answer wait for more disks.
const MEMBERS_MAX: usize = 7;
/// Streams one connection may be permitted: quinn reserves map entries for every one of them (370 KiB at 4096).
const STREAMS_MAX: u32 = 4096;

/// Memory for blocks of tables: with less hardly any block is met twice, and more than a tebibyte is a slip of the pen.
const BLOCK_CACHE_MIB: RangeInclusive<u32> = 8..=1 << 20;

/// Longest step in which answers leave that confirm nothing: more than a second only makes clerks wait.
const UNCONFIRMED_STEP_MS_MAX: u64 = 1_000;

/// Witnesses asked for each checkpoint: with the log's own keys they fit the lines that every verifier must accept.
const WITNESSES_MAX: usize = 14;
/// Shortest time between two checkpoints offered to witnesses: each costs them a signature and a durable write.
const COSIGNING_MS_MIN: u64 = 100;

/// A value that cannot work.
pub(super) struct Problem {
    /// The key with its section, parts joined by dots.
    pub(super) key: String,
    /// What is wrong and what would do.
    pub(super) message: String,
}

/// The first value that cannot work.
pub(super) fn first_problem(config: &Config) -> Option<Problem> {
    names(config)
        .or_else(|| members(config))
        .or_else(|| doors(config))
        .or_else(|| authority(&config.authority))
        .or_else(|| keyring(config))
        .or_else(|| raft(config))
        .or_else(|| admin_and_log(config))
        .or_else(|| log_server(config))
        .or_else(|| witnesses(config))
}

fn problem(key: &str, message: impl Into<String>) -> Option<Problem> {
    Some(Problem { key: key.to_owned(), message: message.into() })
}

fn names(config: &Config) -> Option<Problem> {
    let cluster = &config.cluster;
    if !is_label(&cluster.name) {
        return problem("cluster.name", "1 to 63 of a-z, 0-9 and inner hyphens are needed");
    }
    let province = cluster.province.as_str();
    if province.len() != 2 || !province.bytes().all(|byte| byte.is_ascii_digit()) || province == "00" {
        return problem("cluster.province", "two digits from \"01\" to \"99\" are needed, in quotes");
    }
    if cluster.domain.len() > 253 || !cluster.domain.contains('.') || !cluster.domain.split('.').all(is_label) {
        return problem("cluster.domain", "a domain name in lower case is needed, for example \"log.example.gov.vn\"");
    }
    // The rules above are tighter than those of an origin; should they ever drift apart, no start makes an unsigned log.
    if Checkpoint::new(format!("{}/{province}/9999", cluster.domain), 0, empty_root()).is_err() {
        return problem("cluster.domain", "with province and year it makes no origin of a log");
    }
    if config.node.data_dir.as_os_str().is_empty() {
        return problem("node.data_dir", "a directory is needed");
    }
    if !BLOCK_CACHE_MIB.contains(&config.node.block_cache_mib) {
        let (least, most) = (BLOCK_CACHE_MIB.start(), BLOCK_CACHE_MIB.end());
        return problem("node.block_cache_mib", format!("{least} to {most} are needed"));
    }
    None
}

/// A DNS label: it also goes into certificate names and log origins.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn members(config: &Config) -> Option<Problem> {
    if config.members.is_empty() || config.members.len() > MEMBERS_MAX {
        return problem(
            "members",
            format!("1 to {MEMBERS_MAX} members are needed, there are {}", config.members.len()),
        );
    }
    let mut ids = HashSet::new();
    let mut addresses = HashSet::new();
    for (at, Member { id, peer_addr, client_addr }) in config.members.iter().enumerate() {
        if *id == 0 {
            return problem(&format!("members.{at}.id"), "node numbers begin at 1");
        }
        if !ids.insert(*id) {
            return problem(&format!("members.{at}.id"), format!("two members have the number {id}"));
        }
        for (key, address) in [("peer_addr", peer_addr), ("client_addr", client_addr)] {
            if !is_host_port(address) {
                return problem(&format!("members.{at}.{key}"), "host:port is needed, for example \"10.0.0.1:7500\"");
            }
            if !addresses.insert(address) {
                return problem(&format!("members.{at}.{key}"), format!("the address {address} is used twice"));
            }
        }
    }
    if config.own_member().is_none() {
        let known: Vec<String> = config.members.iter().map(|member| member.id.to_string()).collect();
        return problem("node.id", format!("{} is not among the members ({})", config.node.id, known.join(", ")));
    }
    None
}

fn is_host_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn doors(config: &Config) -> Option<Problem> {
    // Both doors are UDP; two sockets on one port would take each other's packets.
    let (client, peer) = (config.client.listen, config.peer.listen);
    let overlap = client.ip() == peer.ip() || client.ip().is_unspecified() || peer.ip().is_unspecified();
    if client.port() == peer.port() && client.port() != 0 && overlap {
        return problem("peer.listen", format!("port {} is the client port already", peer.port()));
    }
    let limits = &config.client.limits;
    let counts = [
        ("connections_max", limits.connections_max, u32::MAX),
        ("connections_per_caller_max", limits.connections_per_caller_max, u32::MAX),
        ("handshakes_max", limits.handshakes_max, u32::MAX),
        ("streams_max", limits.streams_max, STREAMS_MAX),
        ("in_flight_connection_max", limits.in_flight_connection_max, u32::MAX),
        ("in_flight_max", limits.in_flight_max, u32::MAX),
        ("background_in_flight_max", limits.background_in_flight_max, u32::MAX),
    ];
    for (key, value, max) in counts {
        if value == 0 || value > max {
            return problem(&format!("client.limits.{key}"), format!("1 to {max} is needed, not {value}"));
        }
    }
    let times = [
        ("handshake_timeout_ms", limits.handshake_timeout_ms),
        ("idle_timeout_ms", limits.idle_timeout_ms),
        ("question_timeout_ms", limits.question_timeout_ms),
    ];
    if !(1..=UNCONFIRMED_STEP_MS_MAX).contains(&limits.unconfirmed_step_ms) {
        return problem("client.limits.unconfirmed_step_ms", format!("1 to {UNCONFIRMED_STEP_MS_MAX} is needed"));
    }
    let zero = times.into_iter().find(|(_, value)| *value == 0)?;
    problem(&format!("client.limits.{}", zero.0), "more than 0 milliseconds are needed")
}

fn authority(authority: &Authority) -> Option<Problem> {
    if let AuthoritySource::Postgres { url, pool_size, connect_timeout_ms, .. } = &authority.source {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return problem("authority.url", "postgres://user@host:port/database is needed");
        }
        if *pool_size == 0 {
            return problem("authority.pool_size", "at least 1 connection is needed");
        }
        if *connect_timeout_ms == 0 {
            return problem("authority.connect_timeout_ms", "more than 0 milliseconds are needed");
        }
    }
    let values = [
        ("authority.deadline_ms", authority.deadline_ms),
        ("authority.concurrency_max", u64::from(authority.concurrency_max)),
        ("authority.breaker_failures", u64::from(authority.breaker_failures)),
        ("authority.breaker_open_ms", authority.breaker_open_ms),
        ("authority.sweep_every_hours", u64::from(authority.sweep_every_hours)),
    ];
    let zero = values.into_iter().find(|(_, value)| *value == 0)?;
    problem(zero.0, "more than 0 is needed")
}

fn keyring(config: &Config) -> Option<Problem> {
    let keyring = &config.keyring;
    if keyring.encryption_key_env.is_some() && keyring.encryption_key_file.is_some() {
        return problem("keyring.encryption_key_file", "give either this or encryption_key_env, not both");
    }
    let name = keyring.encryption_key_env.as_deref()?;
    let shaped = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !shaped {
        // The value itself may stand here by mistake, so it is not repeated.
        return problem("keyring.encryption_key_env", "the name of an environment variable is needed, not the key");
    }
    None
}

fn raft(config: &Config) -> Option<Problem> {
    let raft = &config.raft;
    if raft.heartbeat_ms == 0 {
        return problem("raft.heartbeat_ms", "more than 0 milliseconds are needed");
    }
    let election_min_ms = raft.heartbeat_ms.saturating_mul(HEARTBEATS_PER_ELECTION_MIN);
    if raft.election_timeout_min_ms < election_min_ms {
        return problem(
            "raft.election_timeout_min_ms",
            format!("at least {HEARTBEATS_PER_ELECTION_MIN} heartbeats ({election_min_ms} ms) are needed"),
        );
    }
    if raft.election_timeout_max_ms <= raft.election_timeout_min_ms {
        return problem("raft.election_timeout_max_ms", "more than election_timeout_min_ms is needed");
    }
    let positive = [
        ("raft.snapshot_every_entries", raft.snapshot_every_entries),
        ("raft.appends_in_flight", u64::from(raft.appends_in_flight)),
        ("raft.snapshot_timeout_ms", raft.snapshot_timeout_ms),
    ];
    let zero = positive.into_iter().find(|(_, value)| *value == 0)?;
    problem(zero.0, "more than 0 is needed")
}

fn admin_and_log(config: &Config) -> Option<Problem> {
    if config.admin.ready_timeout_ms == 0 {
        return problem("admin.ready_timeout_ms", "more than 0 milliseconds are needed");
    }
    if EnvFilter::try_new(&config.log.level).is_err() || config.log.level.trim().is_empty() {
        return problem("log.level", "error, warn, info, debug or trace is needed, or target=level joined by commas");
    }
    None
}

fn log_server(config: &Config) -> Option<Problem> {
    let server = config.log_server.as_ref()?;
    if server.client_certificates == ClientCertificates::Required && server.tls.ca.is_none() {
        return problem(
            "log_server.tls.ca",
            "needed to know auditors by, or set log_server.client_certificates = \"none\"",
        );
    }
    if server.listen.port() == config.admin.listen.port() && server.listen.port() != 0 {
        return problem("log_server.listen", format!("port {} is the admin port already", server.listen.port()));
    }
    let limits = &server.limits;
    let values = [
        ("connections_max", u64::from(limits.connections_max)),
        ("connections_per_address_max", u64::from(limits.connections_per_address_max)),
        ("handshake_timeout_ms", limits.handshake_timeout_ms),
        ("header_timeout_ms", limits.header_timeout_ms),
        ("connection_ms_max", limits.connection_ms_max),
    ];
    let zero = values.into_iter().find(|(_, value)| *value == 0)?;
    problem(&format!("log_server.limits.{}", zero.0), "more than 0 is needed")
}

fn witnesses(config: &Config) -> Option<Problem> {
    if config.witnesses.len() > WITNESSES_MAX {
        return problem("witness", format!("at most {WITNESSES_MAX} are asked"));
    }
    let mut keys = HashSet::new();
    for (at, witness) in config.witnesses.iter().enumerate() {
        if !witness.url.starts_with("http://") && !witness.url.starts_with("https://") {
            return problem(&format!("witness.{at}.url"), "http:// or https:// is needed");
        }
        let key = VerifierKey::parse(&witness.vkey).ok().filter(|key| key.kind() == KeyKind::CosignatureV1);
        let Some(key) = key else {
            return problem(&format!("witness.{at}.vkey"), "the verifier key of a cosigner (kind 0x04) is needed");
        };
        // One name is one line of metrics; one key is one witness.
        if !keys.insert(key.name().to_owned()) {
            return problem(&format!("witness.{at}.vkey"), "two witnesses have the same name");
        }
    }
    let cosigning = &config.cosigning;
    if cosigning.every_ms < COSIGNING_MS_MIN {
        return problem("cosigning.every_ms", format!("at least {COSIGNING_MS_MIN} is needed"));
    }
    if cosigning.timeout_ms == 0 {
        return problem("cosigning.timeout_ms", "more than 0 milliseconds are needed");
    }
    None
}
