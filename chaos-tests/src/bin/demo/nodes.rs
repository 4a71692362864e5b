//! Three nodes and what they need: certificates, keys, people, configurations, in a folder that goes with them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{Read, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::{
    stage::Stage,
    tool::{program, run},
    watch::Watch,
};

/// The nodes.
pub(crate) const IDS: [u64; 3] = [1, 2, 3];

/// People of the invented population.
const CITIZENS: u32 = 20_000;

/// A start: RocksDB, election, register, first canary.
const READY_PATIENCE: Duration = Duration::from_secs(60);

/// A stop: a drain waits for questions, of which there are none left.
const STOP_PATIENCE: Duration = Duration::from_secs(45);

/// How long a local admin port may take to say one line.
const ADMIN_PATIENCE: Duration = Duration::from_secs(2);

/// Last lines of a node's log that a failure shows.
const LAST_LINES: usize = 8;

/// Three processes; those that still run are killed when this is dropped.
pub(crate) struct Nodes {
    running: BTreeMap<u64, Child>,
    address: IpAddr,
    /// The public key of the province's log.
    log_key: String,
    // Last, so that it goes after the processes that write to it.
    folder: TempDir,
}

impl Nodes {
    /// Makes everything a cluster needs before its first start.
    pub(crate) fn prepare(watch: &Watch, stage: &Stage) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("xacminh-demo-").tempdir()?;
        let mut nodes = Self { running: BTreeMap::new(), address: own_address(), log_key: String::new(), folder };
        stage.scene(0, "Certificates, keys, people");
        let path = |name: &str| nodes.path(name).display().to_string();
        let host = nodes.address.to_string();
        let count = IDS.len().to_string();
        nodes.make(
            watch,
            "xacminh",
            &["cert", "--out", &path("certs"), "--cluster", "demo", "dev", "--nodes", &count, "--host", &host],
        )?;
        stage.checked("two certificate authorities; certificates for three nodes, two portals, an auditor");
        nodes.make(watch, "xacminh-node", &["keyring", "new", "--out", &path("keyring.toml")])?;
        stage.checked("a keyring: the keys under which personal data is encrypted before it reaches a disk");
        let (citizens, to) = (CITIZENS.to_string(), format!("sqlite:{}", path("population.sqlite")));
        let generate = ["population", "generate", "--citizens", &citizens, "--province", "48", "--seed", "1"];
        nodes.make(watch, "xacminh", &[&generate[..], &["--to", &to]].concat())?;
        stage.checked("20,000 invented citizens of Đà Nẵng, in place of the national population database");
        for id in IDS {
            fs::write(nodes.path(&format!("node-{id}.toml")), nodes.configuration(id)?)?;
        }
        let vkey = ["vkey", "--config", &nodes.path("node-1.toml").display().to_string()].map(str::to_owned);
        let told = run(watch, Command::new(program("xacminh-node")?).args(vkey))?;
        told.expect(0, &["log.xacminh.example/48/"], &[])?;
        told.text.trim().clone_into(&mut nodes.log_key);
        stage.checked(format!("the log's public key: {}", nodes.log_key));
        for (name, certificate) in [("office", "portal-1"), ("business", "portal-2"), ("auditor", "auditor")] {
            fs::write(nodes.path(&format!("{name}.toml")), nodes.caller(certificate))?;
        }
        Ok(nodes)
    }

    fn make(&self, watch: &Watch, name: &str, arguments: &[&str]) -> Result<()> {
        let told = run(watch, Command::new(program(name)?).args(arguments))?;
        told.expect(0, &[], &[]).with_context(|| format!("{name} {}", arguments.join(" ")))
    }

    /// The public key of the province's log.
    pub(crate) fn log_key(&self) -> &str {
        &self.log_key
    }

    /// A file of this cluster.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn endpoint(&self, base: u16, id: u64) -> SocketAddr {
        SocketAddr::new(self.address, base + u16::try_from(id).expect("three nodes"))
    }

    fn configuration(&self, id: u64) -> Result<String> {
        let register = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster-configs/registers/dev.toml");
        let register = fs::canonicalize(&register).with_context(|| register.display().to_string())?;
        let mut text = format!(
            "[cluster]\nname = \"demo\"\nprovince = \"48\"\ndomain = \"log.xacminh.example\"\n\
             [node]\nid = {id}\ndata_dir = \"data-{id}\"\n"
        );
        for member in IDS {
            let (peer, client) = (self.endpoint(7500, member), self.endpoint(7400, member));
            writeln!(text, "[[members]]\nid = {member}\npeer_addr = \"{peer}\"\nclient_addr = \"{client}\"")?;
        }
        for (section, port, stem, ca) in [("client", 7400, "node", "client-ca"), ("peer", 7500, "peer", "peer-ca")] {
            let listen = self.endpoint(port, id);
            writeln!(
                text,
                "[{section}]\nlisten = \"{listen}\"\n[{section}.tls]\ncert = \"certs/{stem}-{id}.pem\"\n\
                 key = \"certs/{stem}-{id}.key\"\nca = \"certs/{ca}.pem\""
            )?;
        }
        // Elections wait as long as on a laptop that does other things besides.
        writeln!(
            text,
            "[authority]\nkind = \"embedded\"\npath = \"population.sqlite\"\n[keyring]\nfile = \"keyring.toml\"\n\
             [raft]\nheartbeat_ms = 100\nelection_timeout_min_ms = 600\nelection_timeout_max_ms = 1200\n\
             [admin]\nlisten = \"{}\"\n[log]\nformat = \"text\"\nlevel = \"info,openraft=warn\"\n\
             [bootstrap]\nregister = \"{}\"",
            self.endpoint(7600, id),
            register.display(),
        )?;
        Ok(text)
    }

    /// What `xacminh` needs to know to ask with a certificate.
    fn caller(&self, certificate: &str) -> String {
        let endpoints: Vec<String> = IDS.iter().map(|id| format!("\"{}\"", self.endpoint(7400, *id))).collect();
        format!(
            "cluster = \"demo\"\nendpoints = [{}]\ncert = \"certs/{certificate}.pem\"\nkey = \"certs/{certificate}.key\"\n\
             ca = \"certs/client-ca.pem\"\nlog_key = \"{}\"\n",
            endpoints.join(", "),
            self.log_key
        )
    }

    /// Starts a node; the one that forms the cluster is told so.
    pub(crate) fn start(&mut self, id: u64, bootstrap: bool) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(self.log(id))?;
        let mut command = Command::new(program("xacminh-node")?);
        command.arg("run").arg("--config").arg(self.path(&format!("node-{id}.toml")));
        if bootstrap {
            command.arg("--bootstrap");
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        self.running.insert(id, child);
        Ok(())
    }

    /// Waits until a node is ready: it knows a leader, reads its state, and an audit entry of its own commits.
    pub(crate) fn wait_ready(&mut self, watch: &Watch, id: u64) -> Result<()> {
        let admin = self.endpoint(7600, id);
        let child = self.running.get_mut(&id).context("the node was started")?;
        watch.wait(&format!("node {id} to be ready"), READY_PATIENCE, || {
            if let Some(status) = child.try_wait()? {
                bail!("node {id} ended at its start: {status}");
            }
            Ok(is_ready(admin).unwrap_or(false).then_some(()))
        })
    }

    /// Its process number.
    pub(crate) fn pid(&self, id: u64) -> Result<u32> {
        Ok(self.running.get(&id).context("the node runs")?.id())
    }

    /// kill -9, of this very process and no other.
    pub(crate) fn kill(&mut self, id: u64) -> Result<()> {
        let mut child = self.running.remove(&id).context("the node runs")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM to each of our processes, all at once; every one must drain and end with 0.
    pub(crate) fn stop(&mut self, watch: &Watch) -> Result<()> {
        for child in self.running.values() {
            // The shell's own `kill`: the program of that name is not on every machine.
            let script = format!("kill -s TERM {}", child.id());
            ensure!(Command::new("sh").args(["-c", &script]).status()?.success(), "{script} failed");
        }
        for (id, child) in &mut self.running {
            let status = watch.wait(&format!("node {id} to stop"), STOP_PATIENCE, || Ok(child.try_wait()?))?;
            ensure!(status.code() == Some(0), "node {id} did not stop cleanly: {status}");
        }
        self.running.clear();
        Ok(())
    }

    fn log(&self, id: u64) -> PathBuf {
        self.path(&format!("node-{id}.log"))
    }

    /// The end of what each node said.
    pub(crate) fn last_words(&self) -> String {
        let mut words = String::new();
        for id in IDS {
            let mut log = Vec::new();
            let read = File::open(self.log(id)).and_then(|mut file| file.read_to_end(&mut log));
            let log = read.map(|_| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
            words.push_str(&format!("last words of node {id}:\n{last}\n"));
        }
        words
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            // One that has ended already needs no second end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks `/readyz`.
fn is_ready(admin: SocketAddr) -> Result<bool> {
    let mut stream = TcpStream::connect_timeout(&admin, ADMIN_PATIENCE)?;
    stream.set_read_timeout(Some(ADMIN_PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}

/// A loopback address of this process alone, so that the demo disturbs neither `make cluster` nor another demo.
fn own_address() -> IpAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, (high & 0x7f) | 0x80, low, 48).into()
}
