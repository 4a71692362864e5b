//! Every knob of a node: its unit, its default and the cost of getting it wrong.
//!
//! The names here are the names in the file.
//! A knob without a default is marked *required*; `cluster-configs/production-example.toml` shows all of them.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[cluster]`: which cluster this node belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Required. Name of the cluster, the same in every node's file and in every certificate (`xacminh://<name>/…`).
    /// Wrong: no certificate fits, and a data directory of another cluster is refused.
    pub name: String,
    /// Required. Province the cluster serves, two digits of today's list (for example `"48"`).
    /// Wrong: receipts name another province's log for ever.
    pub province: String,
    /// Required. Domain that owns the audit log; the log's origin is `<domain>/<province>/<year>`.
    /// Wrong: auditors look for the log's key in the wrong place.
    pub domain: String,
}

/// `[node]`: which of the members this process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Required. This node's number, one of `[[members]]`. A wiped disk needs a new number:
    /// a number that comes back with an empty log can undo what a quorum has promised.
    pub id: u64,
    /// Required. Directory of the log, the state and the snapshots; one process at a time owns it.
    /// Wrong: a directory of another node or cluster is refused at start.
    pub data_dir: PathBuf,
    /// MiB of memory for blocks of the state's tables, 8 to 1,048,576; default 512. A million people who are asked about
    /// take about 600 MiB. Too little: look-ups read the disk; too much: the kernel ends the process.
    #[serde(default = "defaults::block_cache_mib")]
    pub block_cache_mib: u32,
}

/// `[[members]]`: the first membership of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Required. The member's node number, never used before by another disk.
    pub id: u64,
    /// Required. `host:port` (UDP) where the other members reach it.
    /// Wrong: the member looks dead to its peers and the cluster has one life less.
    pub peer_addr: String,
    /// Required. `host:port` (UDP) where portals reach it; handed to clients that ask who else is there.
    /// Wrong: clients cannot find another node when this one dies.
    pub client_addr: String,
}

/// The files of one TLS endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Required. PEM chain of this node's certificate, leaf first.
    pub cert: PathBuf,
    /// Required. PEM private key of that certificate; readable by the node's user only.
    pub key: PathBuf,
    /// Required. PEM of the authority whose certificates are accepted on this endpoint.
    /// Wrong (the other endpoint's authority): every caller is refused in the handshake.
    pub ca: PathBuf,
    /// PEM revocation list; default none. Without one a revoked certificate works until it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
}

/// `[client]`: the door for portals (QUIC, ALPN `xacminh/1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// UDP address to listen on; default `[::]:7400`.
    #[serde(default = "defaults::client_listen")]
    pub listen: SocketAddr,
    /// Required: `[client.tls]`.
    pub tls: TlsFiles,
    /// `[client.limits]`.
    #[serde(default)]
    pub limits: ClientLimits,
}

/// `[client.limits]`: what one caller, and all callers together, may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientLimits {
    /// Connections at once; default 8192. Higher costs about 40 KiB each when idle; lower turns portals away.
    pub connections_max: u32,
    /// Connections at once of one certificate; default 512. Higher lets one portal take the places of the others.
    pub connections_per_caller_max: u32,
    /// Handshakes under way at once; default 512. Higher lets a flood take memory and 0.6 ms of processor each.
    pub handshakes_max: u32,
    /// Handshakes under way above which a caller must first prove its address; default 64.
    /// Higher makes spoofed floods cheaper; 0 costs every caller a round trip.
    pub address_validation_above: u32,
    /// Milliseconds a handshake may take; default 5000. Higher helps slow-handshake attacks, lower cuts slow links.
    pub handshake_timeout_ms: u64,
    /// Milliseconds without a packet until a connection is closed; default 30000.
    /// Lower makes quiet portals shake hands again; higher keeps the memory of the dead.
    pub idle_timeout_ms: u64,
    /// Question streams at once on one connection; default 128. Every permitted stream costs about 80 bytes at once.
    pub streams_max: u32,
    /// Questions in flight on one connection, sessions included; default 256, enough to fill one batch.
    pub in_flight_connection_max: u32,
    /// Questions in flight on the whole node; default 8192. Higher turns overload into waiting instead of a typed
    /// refusal, lower refuses in peaks the node could have served.
    pub in_flight_max: u32,
    /// Questions of batches in work on this node while somebody at a counter asks, on any node; default 8. Higher makes
    /// batches faster and clerks wait for them; without clerks a batch may have what a connection may.
    pub background_in_flight_max: u32,
    /// Milliseconds a caller may take to send one question once begun; default 5000 (slow streams are cut).
    pub question_timeout_ms: u64,
    /// Milliseconds in whose multiples answers leave that confirm nothing, so that their time does not tell why; default
    /// 50. Lower, and who asks often enough can tell an unknown person from a wrong name by the time; higher, and clerks
    /// wait for it.
    pub unconfirmed_step_ms: u64,
}

/// `[peer]`: the door for the other members (QUIC, ALPN `xacminh-peer/1`, own socket).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// UDP address to listen on; default `[::]:7500`. It must differ from the client port,
    /// so that a flood of clients cannot starve an election.
    #[serde(default = "defaults::peer_listen")]
    pub listen: SocketAddr,
    /// Required: `[peer.tls]`.
    pub tls: TlsFiles,
}

/// `[keyring]`: the keys at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyring {
    /// Required. The keyring file, the same on every member. Lost: every sealed record and addendum is lost.
    pub file: PathBuf,
    /// Name of the environment variable with the key-encryption key (64 hexadecimal digits); default none.
    /// At most one of this and `encryption_key_file`; without both the keyring file is in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key_env: Option<String>,
    /// File with the key-encryption key, for example a systemd credential; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key_file: Option<PathBuf>,
}

/// `[raft]`: replication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raft {
    /// Milliseconds between heartbeats; default 50. Higher finds a dead leader later, lower costs packets.
    pub heartbeat_ms: u64,
    /// Shortest election timeout in milliseconds; default 300, at least three heartbeats.
    /// Too low: elections under load that nobody needed.
    pub election_timeout_min_ms: u64,
    /// Longest election timeout in milliseconds; default 600. It is also the leader's lease:
    /// a killed leader is replaced after about this time and one election timeout more.
    pub election_timeout_max_ms: u64,
    /// Log entries (batches) between snapshots; default 100000.
    /// Lower copies more often, higher makes a lagging node replay longer and the log larger.
    pub snapshot_every_entries: u64,
    /// Log entries kept behind a snapshot for lagging members; default 20000.
    /// Too low: a short absence costs a whole snapshot.
    pub log_keep_entries: u64,
    /// Appends under way to one follower before waiting; default 8.
    /// Lower leaves the link idle, higher queues more behind a slow follower.
    pub appends_in_flight: u32,
    /// Milliseconds one snapshot may take to travel; default 600000. Too low: a new node never catches up.
    pub snapshot_timeout_ms: u64,
}

/// `[admin]`: metrics, health and status over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// TCP address; default `127.0.0.1:7600`. It has no authentication: anything but loopback shows the cluster's
    /// load and health to the network (`check-config` warns).
    pub listen: SocketAddr,
    /// Milliseconds within which the canary audit entry of `/readyz` must commit; default 1000.
    /// Lower takes a busy node out of rotation, higher leaves a stuck one in.
    pub ready_timeout_ms: u64,
}

/// `[log]`: what the process tells its operator on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `json` (default, one object per line) or `text`.
    pub format: LogFormat,
    /// Level, or directives such as `info,xacminh::question=debug` (one line per question); default `info`.
    pub level: String,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// `[bootstrap]`: what an empty cluster starts with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// Register (portals, officials, procedures) applied once when the cluster has none; default none.
    /// Without a register every question is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register: Option<PathBuf>,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections_max: 8_192,
            connections_per_caller_max: 512,
            handshakes_max: 512,
            address_validation_above: 64,
            handshake_timeout_ms: 5_000,
            idle_timeout_ms: 30_000,
            streams_max: 128,
            in_flight_connection_max: 256,
            in_flight_max: 8_192,
            background_in_flight_max: 8,
            question_timeout_ms: 5_000,
            unconfirmed_step_ms: 50,
        }
    }
}

impl Node {
    /// [`block_cache_mib`](Self::block_cache_mib), in bytes.
    #[must_use]
    pub fn block_cache_bytes(&self) -> usize {
        usize::try_from(u64::from(self.block_cache_mib) << 20).unwrap_or(usize::MAX)
    }
}

impl Default for Raft {
    fn default() -> Self {
        Self {
            heartbeat_ms: 50,
            election_timeout_min_ms: 300,
            election_timeout_max_ms: 600,
            snapshot_every_entries: 100_000,
            log_keep_entries: 20_000,
            appends_in_flight: 8,
            snapshot_timeout_ms: 600_000,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7600)), ready_timeout_ms: 1_000 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".to_owned() }
    }
}

mod defaults {
    use super::{Ipv6Addr, SocketAddr};

    pub(super) const fn block_cache_mib() -> u32 {
        512
    }

    pub(super) fn client_listen() -> SocketAddr {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 7400))
    }

    pub(super) fn peer_listen() -> SocketAddr {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 7500))
    }
}
