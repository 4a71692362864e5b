//! A cluster of real processes on one loopback address of its own.
//!
//! A test tells a story to [`Cluster::tell`], which takes turns with other tests of this process, ends the story after
//! its time, and on failure shows the nodes' last words and the line that repeats the run.

pub mod files;
pub mod process;

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::{sync::Mutex, time::timeout};
use xacminh_client::{Client, ClientConfig, Patience};
use xacminh_proto::wire::Status;

pub use files::{CLUSTER, Files, Tuning, make_certs};
pub use process::{Process, Signal};

use crate::{http, people::People, postgres::PostgresServer, seed, wait};

/// One cluster at a time: three nodes, their clients and a database are enough for two cores.
static TURN: Mutex<()> = Mutex::const_new(());

/// Longest story; a test that takes longer hangs.
const STORY_SECS_MAX: u64 = 180;

/// A start of nodes: RocksDB, election and first canary, with other tests' compilers beside.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// A status or a page of a node that answers at all.
const ASK_PATIENCE: Duration = Duration::from_secs(5);

/// Last words of a node that a failing test shows.
const LAST_LINES_MAX: usize = 20;

/// Bytes of one line of them.
const LINE_BYTES_MAX: usize = 300;

/// What nodes log, so that last words tell a story: not every message of every vote.
const LOG_LEVEL: &str = "info,xacminh_node=debug,xacminh_node::store::rocks=warn,openraft=warn";

/// Timing for two cores that run three nodes and their load.
const TIMING: &str = "heartbeat_ms = 100\nelection_timeout_min_ms = 600\nelection_timeout_max_ms = 1200\n";

/// How a cluster differs from the usual one.
#[derive(Debug)]
pub struct Options {
    /// Number of nodes.
    pub nodes: u64,
    /// Nodes that are started at first; the others are started by the story.
    pub started: Vec<u64>,
    /// Citizens of the population.
    pub citizens: u64,
    /// The population and all questions follow from it.
    pub seed: u64,
    /// A PostgreSQL server as authority, instead of the embedded one.
    pub postgres: Option<PostgresServer>,
    /// Misses an official may have.
    pub misses_per_official_hour: u32,
    /// More lines for `[authority]`.
    pub authority: String,
    /// More lines for `[raft]`.
    pub raft: String,
    /// More lines for `[client.limits]`.
    pub limits: String,
    /// What nodes log.
    pub log_level: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            started: vec![1, 2, 3],
            citizens: 400,
            seed: seed::of_run(),
            postgres: None,
            misses_per_official_hour: 1_000_000,
            authority: String::new(),
            raft: String::new(),
            limits: String::new(),
            log_level: LOG_LEVEL.to_owned(),
        }
    }
}

/// Whose certificate a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Portal 1 of the development register: everything a one-stop office does.
    Office,
    /// Portal 2: business households only.
    Business,
    /// Reads the log.
    Auditor,
    /// Changes the register.
    Operator,
}

impl Caller {
    /// The name of its certificate's files.
    #[must_use]
    pub const fn stem(self) -> &'static str {
        match self {
            Self::Office => "portal-1",
            Self::Business => "portal-2",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }
}

/// Nodes, their files, their people and their authority.
#[derive(Debug)]
pub struct Cluster {
    /// What lies where.
    pub files: Files,
    /// What is in the configurations.
    pub tuning: Tuning,
    /// The people of the authority.
    pub people: People,
    /// The seed of the run.
    pub seed: u64,
    /// The PostgreSQL server, if that is the authority.
    pub postgres: Option<PostgresServer>,
    processes: BTreeMap<u64, Process>,
    // Last, so that it goes after the processes that write to it.
    _folder: TempDir,
}

impl Cluster {
    /// Starts a cluster, lets `story` happen, and fails with everything one needs to know.
    ///
    /// # Panics
    /// When the story fails or takes too long: this is what fails the test.
    #[expect(clippy::panic, reason = "the one place where a story's error becomes a failed test")]
    pub async fn tell(test: &str, options: Options, story: impl AsyncFnOnce(&mut Self) -> Result<()>) {
        let _turn = TURN.lock().await;
        let again = seed::again(test, options.seed);
        let mut cluster = match Box::pin(Self::start(options)).await {
            Ok(cluster) => cluster,
            Err(error) => panic!("{test}: the cluster does not start: {error:#}\n{again}"),
        };
        let told = timeout(Duration::from_secs(STORY_SECS_MAX), Box::pin(story(&mut cluster))).await;
        let error = match told {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("the story took longer than {STORY_SECS_MAX} s"),
        };
        let words = cluster.last_words();
        panic!("{test}: {error:#}\n{words}\n{again}");
    }

    /// Makes files and starts the nodes; node 1 bootstraps.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(options: Options) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("xacminh-chaos-").tempdir()?;
        let files =
            Files { folder: folder.path().to_owned(), address: own_address(), nodes: (1..=options.nodes).collect() };
        let (people, authority) =
            People::generate(&files.people(), options.postgres.as_ref(), options.citizens, options.seed).await?;
        let raft = format!("{TIMING}{}", options.raft);
        let (limits, log_level) = (options.limits, options.log_level);
        let authority = format!("{authority}\n{}", options.authority);
        let tuning = Tuning { raft, limits, log_level, authority };
        files.make(options.misses_per_official_hour, &tuning)?;
        let mut cluster = Self {
            files,
            tuning,
            people,
            seed: options.seed,
            postgres: options.postgres,
            processes: BTreeMap::new(),
            _folder: folder,
        };
        // The others first: the first node's bootstrap then finds a quorum at once.
        for node in options.started.iter().copied().filter(|node| *node != 1) {
            cluster.spawn(node, false)?;
        }
        if options.started.contains(&1) {
            cluster.spawn(1, true)?;
        }
        for node in options.started {
            if let Err(error) = cluster.wait_ready(node).await {
                bail!("{error:#}\n{}", cluster.last_words());
            }
        }
        Ok(cluster)
    }

    /// Starts a node's process and does not wait for it.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn spawn(&mut self, node: u64, bootstrap: bool) -> Result<()> {
        ensure!(!self.is_running(node)?, "node {node} runs already");
        let config = self.files.config(node);
        let config = config.to_str().context("a plain path")?;
        let mut arguments = vec!["run", "--config", config];
        if bootstrap {
            arguments.push("--bootstrap");
        }
        let process = Process::start(&arguments, &self.files.stderr(node))?;
        self.processes.insert(node, process);
        Ok(())
    }

    /// Starts a node again and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn restart(&mut self, node: u64) -> Result<()> {
        self.spawn(node, false)?;
        self.wait_ready(node).await
    }

    /// Runs the program with a configuration that it is expected to refuse: its exit code and all it said.
    ///
    /// # Errors
    /// When it runs on instead.
    pub async fn refusal(&self, config: &Path) -> Result<(Option<i32>, String)> {
        let said = self.files.folder.join("refusal.stderr");
        // What an earlier refusal said is not this one's.
        let _ = fs::remove_file(&said);
        let config = config.to_str().context("a plain path")?;
        let mut process = Process::start(&["run", "--config", config], &said)?;
        let code = process.wait_exit().await.with_context(|| process.last_words())?;
        Ok((code, process.last_words()))
    }

    /// A node's configuration with one text in place of another, in a file of its own.
    ///
    /// # Errors
    /// When the text is not there.
    pub fn altered_config(&self, node: u64, from: &str, to: &str) -> Result<std::path::PathBuf> {
        let text = fs::read_to_string(self.files.config(node))?;
        ensure!(text.contains(from), "the configuration has no {from:?}");
        let path = self.files.folder.join(format!("altered-{node}.toml"));
        fs::write(&path, text.replacen(from, to, 1))?;
        Ok(path)
    }

    /// kill -9.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill9(&mut self, node: u64) -> Result<()> {
        self.processes.remove(&node).with_context(|| format!("node {node} does not run"))?.kill()
    }

    /// SIGTERM, and the exit code of the drained node.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self, node: u64) -> Result<Option<i32>> {
        let mut process = self.processes.remove(&node).with_context(|| format!("node {node} does not run"))?;
        process.signal(Signal::Terminate)?;
        process.wait_exit().await.with_context(|| process.last_words())
    }

    /// Stops all that run, all at once, and wants exit code 0 of each.
    ///
    /// # Errors
    /// When one ends otherwise.
    pub async fn stop_all(&mut self) -> Result<()> {
        let processes = std::mem::take(&mut self.processes);
        for process in processes.values() {
            process.signal(Signal::Terminate)?;
        }
        for (node, mut process) in processes {
            let code = process.wait_exit().await.with_context(|| process.last_words())?;
            ensure!(code == Some(0), "node {node} ended with {code:?}:\n{}", process.last_words());
        }
        Ok(())
    }

    /// Freezes a node where it stands.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self, node: u64) -> Result<()> {
        self.process(node)?.signal(Signal::Stop)
    }

    /// Lets a frozen node go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self, node: u64) -> Result<()> {
        self.process(node)?.signal(Signal::Continue)
    }

    /// Removes a stopped node's disk.
    ///
    /// # Errors
    /// When it still runs.
    pub fn wipe(&mut self, node: u64) -> Result<()> {
        ensure!(!self.is_running(node)?, "node {node} still runs");
        fs::remove_dir_all(self.files.data(node)).context("its data directory")
    }

    /// A node's process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&self, node: u64) -> Result<&Process> {
        self.processes.get(&node).with_context(|| format!("node {node} does not run"))
    }

    /// A node's process, to wait for its end.
    ///
    /// # Errors
    /// When it was not started.
    pub fn process_mut(&mut self, node: u64) -> Result<&mut Process> {
        self.processes.get_mut(&node).with_context(|| format!("node {node} does not run"))
    }

    /// The nodes that run.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn running(&mut self) -> Result<Vec<u64>> {
        let mut running = Vec::new();
        for (node, process) in &mut self.processes {
            if process.exited()?.is_none() {
                running.push(*node);
            }
        }
        Ok(running)
    }

    fn is_running(&mut self, node: u64) -> Result<bool> {
        Ok(self.running()?.contains(&node))
    }

    /// What `/readyz` of a node says: the status and the reasons.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn readiness(&self, node: u64) -> Result<(u16, String)> {
        http::get(self.files.admin(node), "/readyz").await
    }

    /// Waits until a node is ready; at once an error when its process has ended.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn wait_ready(&mut self, node: u64) -> Result<()> {
        let deadline = tokio::time::Instant::now() + READY_PATIENCE;
        loop {
            let seen = self.readiness(node).await;
            if matches!(seen, Ok((200, _))) {
                return Ok(());
            }
            let process = self.process_mut(node)?;
            if let Some(code) = process.exited()? {
                bail!("node {node} ended with {code:?}:\n{}", process.last_words());
            }
            ensure!(tokio::time::Instant::now() < deadline, "node {node} is not ready: {seen:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until every node that runs is ready.
    ///
    /// # Errors
    /// When one is not in time.
    pub async fn wait_all_ready(&mut self) -> Result<()> {
        for node in self.running()? {
            self.wait_ready(node).await?;
        }
        Ok(())
    }

    /// A client of all nodes.
    ///
    /// # Errors
    /// When its certificate cannot be used.
    pub fn client(&self, caller: Caller) -> Result<Client> {
        self.client_of(caller, &self.files.nodes)
    }

    /// A client of one node alone: what it says is what that node says.
    ///
    /// # Errors
    /// When its certificate cannot be used.
    pub fn client_at(&self, caller: Caller, node: u64) -> Result<Client> {
        self.client_of(caller, &[node])
    }

    fn client_of(&self, caller: Caller, nodes: &[u64]) -> Result<Client> {
        let endpoints = nodes.iter().map(|node| self.files.client(*node)).collect();
        let certs = self.files.certs();
        let file = |name: &str| certs.join(name);
        let stem = caller.stem();
        let mut config = ClientConfig::from_files(
            CLUSTER.to_owned(),
            endpoints,
            &file(&format!("{stem}.pem")),
            &file(&format!("{stem}.key")),
            &file("client-ca.pem"),
        )?;
        config.patience = Patience { connect_ms_max: 1_000, attempt_ms_max: 4_000, ..Patience::default() };
        Ok(Client::new(config)?)
    }

    /// What a node says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self, node: u64) -> Result<Status> {
        Ok(self.client_at(Caller::Auditor, node)?.status(ASK_PATIENCE).await?)
    }

    /// The node that leads and is believed to by a majority of those that run.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn leader(&mut self) -> Result<u64> {
        let running = self.running()?;
        let majority = self.files.nodes.len() / 2 + 1;
        let cluster = &*self;
        wait::until("a leader", READY_PATIENCE, || async {
            let mut votes = BTreeMap::<(u64, u64), usize>::new();
            for node in &running {
                if let Ok(Status { leader: Some(leader), term, .. }) = cluster.status(*node).await {
                    *votes.entry((term, leader)).or_default() += 1;
                }
            }
            let found = votes.iter().find(|((_, leader), count)| **count >= majority && running.contains(leader));
            found.map(|((_, leader), _)| *leader).ok_or_else(|| format!("{votes:?}"))
        })
        .await
    }

    /// The end of what each node wrote, for a failing test.
    #[must_use]
    pub fn last_words(&self) -> String {
        let words = |node: &u64| {
            let path = self.files.stderr(*node);
            let text = fs::read(&path).map(|bytes| tail_lines(&bytes)).unwrap_or_default();
            format!("--- node {node}, last words ---\n{text}")
        };
        self.files.nodes.iter().map(words).collect::<Vec<_>>().join("\n")
    }
}

fn tail_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let all: Vec<&str> = text.lines().collect();
    let last = &all[all.len().saturating_sub(LAST_LINES_MAX)..];
    last.iter().map(|line| &line[..line.floor_char_boundary(LINE_BYTES_MAX)]).collect::<Vec<_>>().join("\n")
}

/// A loopback address nobody else uses: 127.0.0.0/8 is all ours, so that fixed ports need no search for free ones.
fn own_address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    // Never 127.0.0.x, where developers' own clusters listen.
    Ipv4Addr::new(127, (high & 0x7f) | 0x80, low, nth.max(1)).into()
}

/// Copies a folder with everything in it, as an operator's backup would.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
