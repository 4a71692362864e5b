//! Development certificates: `xacminh cert`.
//!
//! ```text
//! client-ca ──┬── node-N            what a node shows to its callers
//!             └── portal, official-client, operator, auditor
//! peer-ca ────── peer-N             what nodes show to one another, on another port
//! ```
//!
//! Two authorities, so that no caller's certificate ever opens the peer port, whatever its role says.
//! A province in production issues from its own authority; the shape of the certificates is the same
//! (`docs/OPERATING.md`).

mod files;
mod issue;

use std::{io, path::PathBuf};

use clap::{Args, Subcommand};
use time::OffsetDateTime;
use xacminh_proto::identity::{Identity, IdentityError, Role};

use crate::clock;

use files::NewFile;
use issue::Authority;

/// How long a certificate lives unless told otherwise: long enough for a demo, short enough to meet renewal early.
const LEAF_DAYS: u32 = 30;

/// How long an authority lives at least: it must outlive what it signs.
const AUTHORITY_DAYS_MIN: u32 = 365;

/// Longest life that can be asked for; a longer one is a slip of the finger.
const DAYS_MAX: u32 = 3650;

/// Most nodes `cert dev` makes certificates for.
const DEV_NODES_MAX: u64 = 16;

/// `xacminh cert`: makes certificates for development and demos.
#[derive(Debug, Clone, Args)]
pub struct CertArgs {
    /// Folder the files are written to and the authorities are read from.
    #[arg(long, global = true, value_name = "DIR", default_value = "certs")]
    pub out: PathBuf,
    /// Name of the cluster the certificates are for.
    #[arg(long, global = true, value_name = "NAME", default_value = "dev")]
    pub cluster: String,
    /// Days until the certificates expire [default: 30; an authority lives at least 365].
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    pub days: Option<u32>,
    /// Overwrite files that exist.
    #[arg(long, global = true)]
    pub force: bool,
    /// What to make.
    #[command(subcommand)]
    pub what: CertCommand,
}

/// What `xacminh cert` can make.
#[derive(Debug, Clone, Subcommand)]
pub enum CertCommand {
    /// The two authorities: client-ca for callers and node servers, peer-ca for nodes among themselves.
    Ca,
    /// A node's two certificates: node-N for its callers, peer-N for its fellow nodes.
    Node {
        /// Node id; never reuse the id of a node that lost its disk.
        #[arg(long)]
        id: u64,
        /// Host names and addresses the node is reached at.
        #[arg(long = "host", required = true, num_args = 1..)]
        hosts: Vec<String>,
    },
    /// A relying system.
    Portal {
        /// Number of the portal in the register.
        #[arg(long)]
        name: u32,
    },
    /// A workstation of an official.
    OfficialClient {
        /// The portal's number, a hyphen and the official's id, e.g. `1-clerk-01`.
        #[arg(long)]
        name: String,
    },
    /// Somebody who runs the cluster.
    Operator {
        /// Lower-case label.
        #[arg(long)]
        name: String,
    },
    /// Somebody who reads the audit log.
    Auditor {
        /// Lower-case label.
        #[arg(long)]
        name: String,
    },
    /// A service through which citizens see who asked about them.
    CitizenService {
        /// Lower-case label.
        #[arg(long)]
        name: String,
    },
    /// Everything a local cluster needs: authorities, nodes 1 to N, portals 1 and 2, an operator, an auditor and a citizen
    /// service.
    Dev {
        /// Number of nodes.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=DEV_NODES_MAX))]
        nodes: u64,
        /// Host names and addresses all nodes are reached at.
        #[arg(long = "host", num_args = 1.., default_values_t = [String::from("127.0.0.1"), String::from("localhost")])]
        hosts: Vec<String>,
    },
}

/// Why certificates could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// The cluster's or the holder's name cannot stand in a certificate.
    #[error("the certificate cannot be named so")]
    Name(#[source] IdentityError),
    /// A host is neither a name nor an address.
    #[error("`{0}` is neither a host name nor an IP address")]
    Host(String),
    /// A file is in the way.
    #[error("{} exists; give --force to overwrite it", .0.display())]
    Exists(PathBuf),
    /// The authority is not there.
    #[error("no authority at {}; make one with `xacminh cert ca`", .0.display())]
    NoAuthority(PathBuf),
    /// The authority's files cannot be understood.
    #[error("{} is not a PEM file of the expected kind", .0.display())]
    BadAuthority(PathBuf),
    /// The authority's certificate does not verify what its key signed.
    #[error("{} does not belong to its key or is not the authority of cluster `{cluster}`", .path.display())]
    ForeignAuthority {
        /// Certificate of the authority.
        path: PathBuf,
        /// Cluster that was asked for.
        cluster: String,
    },
    /// A file could not be read or written.
    #[error("cannot access {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate library refused; not the user's fault.
    #[error("cannot make the certificate")]
    Make(#[from] rcgen::Error),
}

/// A moment of the client's clock, to the second, as certificates carry it.
fn moment(unix_ms: u64) -> OffsetDateTime {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
    // A clock beyond the calendar's end gives certificates nobody accepts, which says so.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Makes what `args` ask for and returns the files written.
///
/// # Errors
/// [`CertError`] says what to do; nothing is overwritten without `--force`.
pub fn run(args: CertArgs) -> Result<Vec<PathBuf>, CertError> {
    let CertArgs { out, cluster, days, force, what } = args;
    // The cluster's name stands in every certificate, in the authorities' subjects too.
    identity(&cluster, Role::Operator, "check")?;
    let maker = Maker { out, cluster, days, now: moment(clock::unix_ms()) };
    let made = match what {
        CertCommand::Ca => maker.new_authorities()?.files(),
        CertCommand::Dev { nodes, hosts } => maker.dev(nodes, &hosts)?,
        CertCommand::Node { id, hosts } => maker.node(&maker.load_authorities()?, id, &hosts)?,
        CertCommand::Portal { name } => maker.caller(&maker.load_client_ca()?, Role::Portal, &name.to_string())?,
        CertCommand::OfficialClient { name } => maker.caller(&maker.load_client_ca()?, Role::OfficialClient, &name)?,
        CertCommand::Operator { name } => maker.caller(&maker.load_client_ca()?, Role::Operator, &name)?,
        CertCommand::Auditor { name } => maker.caller(&maker.load_client_ca()?, Role::Auditor, &name)?,
        CertCommand::CitizenService { name } => maker.caller(&maker.load_client_ca()?, Role::CitizenService, &name)?,
    };
    files::write(&maker.out, &made, force)
}

/// The client authority and the peer authority of one cluster.
struct Authorities {
    client: Authority,
    peer: Authority,
}

impl Authorities {
    fn files(&self) -> Vec<NewFile> {
        [self.client.files(), self.peer.files()].concat()
    }
}

struct Maker {
    out: PathBuf,
    cluster: String,
    days: Option<u32>,
    now: OffsetDateTime,
}

impl Maker {
    fn dev(&self, nodes: u64, hosts: &[String]) -> Result<Vec<NewFile>, CertError> {
        let authorities = self.new_authorities()?;
        let mut made = authorities.files();
        for id in 1..=nodes {
            made.extend(self.node(&authorities, id, hosts)?);
        }
        let callers = [
            (Role::Portal, "1"),
            (Role::Portal, "2"),
            (Role::Operator, "operator"),
            (Role::Auditor, "auditor"),
            (Role::CitizenService, "citizen"),
        ];
        for (role, name) in callers {
            made.extend(self.caller(&authorities.client, role, name)?);
        }
        Ok(made)
    }

    fn node(&self, from: &Authorities, id: u64, hosts: &[String]) -> Result<Vec<NewFile>, CertError> {
        let server = identity(&self.cluster, Role::Node, &id.to_string())?;
        let peer = identity(&self.cluster, Role::Peer, &id.to_string())?;
        let mut made = from.client.issue(&format!("node-{id}"), &server, hosts, self.now, self.leaf_days())?;
        made.extend(from.peer.issue(&format!("peer-{id}"), &peer, hosts, self.now, self.leaf_days())?);
        Ok(made)
    }

    /// Files are called `portal-1`, and `auditor` rather than `auditor-auditor`.
    fn caller(&self, from: &Authority, role: Role, name: &str) -> Result<Vec<NewFile>, CertError> {
        let holder = identity(&self.cluster, role, name)?;
        let stem = if name == role.as_str() { name.to_owned() } else { format!("{role}-{name}") };
        from.issue(&stem, &holder, &[], self.now, self.leaf_days())
    }

    fn new_authorities(&self) -> Result<Authorities, CertError> {
        let days = self.days.unwrap_or(0).max(AUTHORITY_DAYS_MIN);
        Ok(Authorities {
            client: Authority::create(issue::CLIENT_CA, &self.cluster, self.now, days)?,
            peer: Authority::create(issue::PEER_CA, &self.cluster, self.now, days)?,
        })
    }

    fn load_authorities(&self) -> Result<Authorities, CertError> {
        let peer = Authority::load(&self.out, issue::PEER_CA, &self.cluster)?;
        Ok(Authorities { client: self.load_client_ca()?, peer })
    }

    fn leaf_days(&self) -> u32 {
        self.days.unwrap_or(LEAF_DAYS)
    }

    fn load_client_ca(&self) -> Result<Authority, CertError> {
        Authority::load(&self.out, issue::CLIENT_CA, &self.cluster)
    }
}

fn identity(cluster: &str, role: Role, name: &str) -> Result<Identity, CertError> {
    Identity::new(cluster, role, name).map_err(CertError::Name)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::*;

    fn args(out: &Path, what: CertCommand) -> CertArgs {
        CertArgs { out: out.to_owned(), cluster: "dev".to_owned(), days: None, force: false, what }
    }

    fn dev(out: &Path) -> CertArgs {
        args(out, CertCommand::Dev { nodes: 3, hosts: vec!["127.0.0.1".to_owned(), "localhost".to_owned()] })
    }

    #[test]
    fn dev_makes_everything_a_cluster_needs() {
        let folder = tempfile::tempdir().unwrap();
        let written = run(dev(folder.path())).unwrap();
        for stem in [
            "client-ca",
            "peer-ca",
            "node-1",
            "peer-3",
            "portal-1",
            "portal-2",
            "operator",
            "auditor",
            "citizen-service-citizen",
        ] {
            assert!(written.contains(&folder.path().join(format!("{stem}.pem"))), "{stem}");
            assert!(written.contains(&folder.path().join(format!("{stem}.key"))), "{stem}");
        }
        assert_eq!(written.len(), 2 * (2 + 2 * 3 + 5));
        for path in written.iter().filter(|path| path.extension().is_some_and(|kind| kind == "key")) {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
    }

    #[test]
    fn nothing_is_overwritten_without_force() {
        let folder = tempfile::tempdir().unwrap();
        run(dev(folder.path())).unwrap();
        let before = fs::read(folder.path().join("client-ca.key")).unwrap();
        assert!(matches!(run(dev(folder.path())), Err(CertError::Exists(_))));
        assert_eq!(fs::read(folder.path().join("client-ca.key")).unwrap(), before);
        run(CertArgs { force: true, ..dev(folder.path()) }).unwrap();
        assert_ne!(fs::read(folder.path().join("client-ca.key")).unwrap(), before);
    }

    #[test]
    fn one_file_in_the_way_stops_all() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("peer-2.key"), b"mine").unwrap();
        assert!(matches!(run(dev(folder.path())), Err(CertError::Exists(path)) if path.ends_with("peer-2.key")));
        assert!(!folder.path().join("client-ca.pem").exists());
    }

    #[test]
    fn an_authority_signs_later_certificates() {
        let folder = tempfile::tempdir().unwrap();
        run(args(folder.path(), CertCommand::Ca)).unwrap();
        let node = CertCommand::Node { id: 7, hosts: vec!["node7.example.vn".to_owned(), "127.0.0.7".to_owned()] };
        assert_eq!(run(args(folder.path(), node)).unwrap().len(), 4);
        run(args(folder.path(), CertCommand::Portal { name: 9 })).unwrap();
        run(args(folder.path(), CertCommand::OfficialClient { name: "quay-3".to_owned() })).unwrap();
        assert!(folder.path().join("official-client-quay-3.pem").exists());
    }

    #[test]
    fn an_absent_or_foreign_authority_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let portal = || args(folder.path(), CertCommand::Portal { name: 1 });
        assert!(matches!(run(portal()), Err(CertError::NoAuthority(_))));
        run(args(folder.path(), CertCommand::Ca)).unwrap();
        let other = CertArgs { cluster: "other".to_owned(), ..portal() };
        assert!(matches!(run(other), Err(CertError::ForeignAuthority { .. })));
        fs::copy(folder.path().join("peer-ca.key"), folder.path().join("client-ca.key")).unwrap();
        assert!(matches!(run(portal()), Err(CertError::ForeignAuthority { .. })));
        fs::write(folder.path().join("client-ca.key"), b"no key").unwrap();
        assert!(matches!(run(portal()), Err(CertError::BadAuthority(_))));
    }

    #[test]
    fn bad_names_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        run(args(folder.path(), CertCommand::Ca)).unwrap();
        let auditor = CertCommand::Auditor { name: "Thanh Tra".to_owned() };
        assert!(matches!(run(args(folder.path(), auditor)), Err(CertError::Name(IdentityError::Name))));
        let upper = CertArgs { cluster: "Yên Bái".to_owned(), ..args(folder.path(), CertCommand::Ca) };
        assert!(matches!(run(upper), Err(CertError::Name(IdentityError::Cluster))));
        let node = CertCommand::Node { id: 1, hosts: vec!["not a host".to_owned()] };
        assert!(matches!(run(args(folder.path(), node)), Err(CertError::Host(_))));
    }
}
