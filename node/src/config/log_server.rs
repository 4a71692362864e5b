//! The log as others see it: where its files are served, and which witnesses cosign its checkpoints.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[log_server]`: the log's files (C2SP tlog-tiles) over HTTPS. Without the section they are not served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogServer {
    /// TCP address to listen on; default `[::]:7700`.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Who may read tiles and entries: `required` (default), callers with an auditor's certificate of this cluster;
    /// `none`, everybody who reaches the port. Checkpoints are for everybody either way.
    /// Entries tell how often each portal asked, to the second, and undo `visibility = "delayed"`: `none` is for a closed
    /// network or a proxy that asks.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// Required: `[log_server.tls]`.
    pub tls: WebTlsFiles,
    /// `[log_server.limits]`.
    #[serde(default)]
    pub limits: WebLimits,
}

/// Whether readers of tiles and entries show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// They do, and it is an auditor's.
    #[default]
    Required,
    /// Nobody is asked for one.
    None,
}

/// The files of an HTTPS endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebTlsFiles {
    /// Required. PEM chain of the server's certificate, leaf first. It may be another than the node's own: readers with
    /// a browser want one of a public authority.
    pub cert: PathBuf,
    /// Required. PEM private key of that certificate; readable by the node's user only.
    pub key: PathBuf,
    /// PEM of the authority that signs auditors' certificates; needed when `client_certificates = "required"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// PEM revocation list; default none. Without one a revoked certificate works until it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
}

/// `[log_server.limits]`: what readers may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebLimits {
    /// Connections at once; default 256. Those beyond wait in the system's queue. Higher costs about 60 KiB each.
    pub connections_max: u32,
    /// Connections at once from one address, or of IPv6 from one /64 network; default 64. Those beyond are closed.
    /// Higher lets one reader take the places of the others; lower turns away many readers behind one proxy.
    pub connections_per_address_max: u32,
    /// Milliseconds a TLS handshake may take; default 5000.
    pub handshake_timeout_ms: u64,
    /// Milliseconds until the head of a request is there, counted from the handshake or the answer before; default
    /// 10000. Lower makes quiet readers connect again, higher keeps the places of the dead.
    pub header_timeout_ms: u64,
    /// Milliseconds a connection lives; default 60000. The answer under way then has as long again to be read.
    /// It bounds what a slow reader can hold.
    pub connection_ms_max: u64,
}

/// `[[witness]]`: somebody who cosigns the log's checkpoints (C2SP tlog-witness); default nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Required. The submission prefix, `http://…` or `https://…`, without `/add-checkpoint`.
    pub url: String,
    /// Required. The witness's verifier key, of kind 0x04. Wrong: its cosignatures are thrown away.
    pub vkey: String,
}

/// `[cosigning]`: how witnesses are asked; by the leader alone, and never on the way of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cosigning {
    /// Milliseconds between two checkpoints offered to the witnesses; default 5000.
    /// Higher makes cosigned checkpoints older, lower costs every witness a signature and a write.
    pub every_ms: u64,
    /// Milliseconds one witness may take; default 5000. Higher lets a slow one delay the cosignatures of the others.
    pub timeout_ms: u64,
    /// PEM of the authorities that witnesses' HTTPS certificates come from; default those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl Default for WebLimits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            connections_per_address_max: 64,
            handshake_timeout_ms: 5_000,
            header_timeout_ms: 10_000,
            connection_ms_max: 60_000,
        }
    }
}

impl Default for Cosigning {
    fn default() -> Self {
        Self { every_ms: 5_000, timeout_ms: 5_000, ca: None }
    }
}

fn listen() -> SocketAddr {
    SocketAddr::from((Ipv6Addr::UNSPECIFIED, 7700))
}
