//! What a cluster has on disk before its first start: certificates, keyring, people, register, configurations.

use std::{
    fmt::Write,
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use xacminh_client::cert::{self, CertArgs, CertCommand};

use super::process::binary;

/// The cluster's name in certificates and configurations.
pub const CLUSTER: &str = "chaos";

/// Where everything of one cluster lies.
#[derive(Clone, Debug)]
pub struct Files {
    /// The folder of all.
    pub folder: PathBuf,
    /// The loopback address all nodes share; ports tell them apart.
    pub address: IpAddr,
    /// Node numbers.
    pub nodes: Vec<u64>,
}

/// What differs from the defaults in a configuration.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Lines of `[raft]` after the timing.
    pub raft: String,
    /// Lines of `[client.limits]`.
    pub limits: String,
    /// What nodes log.
    pub log_level: String,
    /// The section `[authority]`.
    pub authority: String,
}

impl Files {
    /// The port portals use on a node.
    #[must_use]
    pub fn client(&self, node: u64) -> SocketAddr {
        self.port(7400, node)
    }

    /// The port other nodes use.
    #[must_use]
    pub fn peer(&self, node: u64) -> SocketAddr {
        self.port(7500, node)
    }

    /// The admin port.
    #[must_use]
    pub fn admin(&self, node: u64) -> SocketAddr {
        self.port(7600, node)
    }

    fn port(&self, base: u16, node: u64) -> SocketAddr {
        SocketAddr::new(self.address, base + u16::try_from(node).expect("a test has a handful of nodes"))
    }

    /// A node's configuration.
    #[must_use]
    pub fn config(&self, node: u64) -> PathBuf {
        self.folder.join(format!("node-{node}.toml"))
    }

    /// A node's data directory.
    #[must_use]
    pub fn data(&self, node: u64) -> PathBuf {
        self.folder.join(format!("data-{node}"))
    }

    /// What a node wrote to standard error, all lives together.
    #[must_use]
    pub fn stderr(&self, node: u64) -> PathBuf {
        self.folder.join(format!("node-{node}.stderr"))
    }

    /// The folder of certificates.
    #[must_use]
    pub fn certs(&self) -> PathBuf {
        self.folder.join("certs")
    }

    /// The keyring all nodes share.
    #[must_use]
    pub fn keyring(&self) -> PathBuf {
        self.folder.join("keyring.toml")
    }

    /// The population of the embedded authority.
    #[must_use]
    pub fn people(&self) -> PathBuf {
        self.folder.join("people.sqlite")
    }

    /// The register the cluster starts with.
    #[must_use]
    pub fn register(&self) -> PathBuf {
        self.folder.join("register.toml")
    }

    /// Everything that is made once.
    pub(super) fn make(&self, misses_per_official_hour: u32, tuning: &Tuning) -> Result<()> {
        let hosts = vec![self.address.to_string()];
        make_certs(&self.certs(), CLUSTER, 30, CertCommand::Dev { nodes: self.nodes.len() as u64, hosts })?;
        new_keyring(&self.keyring())?;
        fs::write(self.register(), register(misses_per_official_hour)?)?;
        for node in &self.nodes {
            fs::write(self.config(*node), self.config_text(*node, tuning))?;
        }
        Ok(())
    }

    /// The text of a node's configuration.
    #[must_use]
    pub fn config_text(&self, node: u64, tuning: &Tuning) -> String {
        let certs = self.certs();
        let certs = certs.display();
        let mut text = format!(
            "[cluster]\nname = \"{CLUSTER}\"\nprovince = \"48\"\ndomain = \"log.xacminh.example\"\n\
             [node]\nid = {node}\ndata_dir = \"{}\"\n",
            self.data(node).display()
        );
        for member in &self.nodes {
            let (peer, client) = (self.peer(*member), self.client(*member));
            writeln!(text, "[[members]]\nid = {member}\npeer_addr = \"{peer}\"\nclient_addr = \"{client}\"")
                .expect("a string takes everything");
        }
        for (section, listen, stem, ca) in
            [("client", self.client(node), "node", "client-ca"), ("peer", self.peer(node), "peer", "peer-ca")]
        {
            writeln!(
                text,
                "[{section}]\nlisten = \"{listen}\"\n[{section}.tls]\ncert = \"{certs}/{stem}-{node}.pem\"\n\
                 key = \"{certs}/{stem}-{node}.key\"\nca = \"{certs}/{ca}.pem\""
            )
            .expect("a string takes everything");
        }
        writeln!(
            text,
            "[client.limits]\n{}\n[keyring]\nfile = \"{}\"\n[authority]\n{}\n[raft]\n{}\n\
             [admin]\nlisten = \"{}\"\n[log]\nformat = \"json\"\nlevel = \"{}\"\n\
             [bootstrap]\nregister = \"{}\"",
            tuning.limits,
            self.keyring().display(),
            tuning.authority,
            tuning.raft,
            self.admin(node),
            tuning.log_level,
            self.register().display(),
        )
        .expect("a string takes everything");
        text
    }
}

/// Makes certificates into a folder, overwriting what is there.
///
/// # Errors
/// When the maker refuses.
pub fn make_certs(folder: &Path, cluster: &str, days: u32, what: CertCommand) -> Result<()> {
    let args = CertArgs { out: folder.to_owned(), cluster: cluster.to_owned(), days: Some(days), force: true, what };
    cert::run(args).context("certificates")?;
    Ok(())
}

/// Makes a keyring with the program's own command.
///
/// # Errors
/// When the program fails.
pub fn new_keyring(file: &Path) -> Result<()> {
    let made = Command::new(binary()?).args(["keyring", "new", "--out"]).arg(file).output()?;
    ensure!(made.status.success(), "keyring new: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// The development register with another number of misses: load asks more than a clerk may.
fn register(misses_per_official_hour: u32) -> Result<String> {
    const DEFAULT: &str = "misses_per_official_hour = 20";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster-configs/registers/dev.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    ensure!(text.contains(DEFAULT), "{} has no `{DEFAULT}`", path.display());
    Ok(text.replace(DEFAULT, &format!("misses_per_official_hour = {misses_per_official_hour}")))
}
