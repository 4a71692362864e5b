//! A real PostgreSQL server of a test's own: a cluster in a temporary folder, on a loopback port.
//!
//! PostgreSQL refuses to run as root; root runs it as the user `postgres`, whom Debian's package creates.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Where Debian keeps the servers it has installed.
const DEBIAN_SERVERS: &str = "/usr/lib/postgresql";

/// Attempts to connect while the server starts, and the pause between them: half a minute on a busy machine.
const CONNECT_ATTEMPTS_MAX: usize = 300;
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// A free port may be taken by another program before the server has it.
const PORT_ATTEMPTS_MAX: usize = 3;

/// Certificate and key the server shows, in PEM.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// Its key.
    pub key_pem: String,
}

/// A running (or stopped) server; dropped, it is stopped and its data removed.
pub struct PostgresServer {
    folder: TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    process: Option<Child>,
}

impl PostgresServer {
    /// Starts a fresh server without TLS.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(None).await
    }

    /// Starts a fresh server that offers TLS with this certificate.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub async fn start_with_tls(certificate: &ServerCertificate) -> anyhow::Result<Self> {
        Self::start_with(Some(certificate)).await
    }

    async fn start_with(certificate: Option<&ServerCertificate>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let user = server_user(folder.path())?;
        let mut server = Self { folder, programs: programs()?, user, port: 0, process: None };
        server.give(server.folder.path())?;
        server.run(
            "initdb",
            &["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
        )?;
        if let Some(certificate) = certificate {
            server.configure_tls(certificate)?;
        }
        for _ in 0..PORT_ATTEMPTS_MAX {
            server.port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            if server.resume().await.is_ok() {
                return Ok(server);
            }
        }
        bail!("PostgreSQL did not start: {}", fs::read_to_string(server.log()).unwrap_or_default())
    }

    /// Where to connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A connection of the test's own.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Stops the server at once, in the middle of whatever it does: its connections break.
    ///
    /// # Errors
    /// It could not be stopped.
    pub fn crash(&mut self) -> anyhow::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let stopped = self.run("pg_ctl", &["stop", "--mode=immediate"]);
        if stopped.is_err() {
            // Only this process, which we started; its children notice that it is gone.
            process.kill()?;
        }
        process.wait()?;
        stopped
    }

    /// Starts it again on the same port with the same data.
    ///
    /// # Errors
    /// It does not start, or does not answer in time.
    pub async fn resume(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the server runs already");
        let log = fs::File::create(self.log())?;
        let mut command = self.command("postgres");
        command.arg("-p").arg(self.port.to_string()).arg("-k").arg(self.folder.path());
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        self.process = Some(command.stdout(Stdio::null()).stderr(log).spawn().context("postgres")?);
        for _ in 0..CONNECT_ATTEMPTS_MAX {
            if self.connect().await.is_ok() {
                return Ok(());
            }
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            if ended.is_some() {
                break;
            }
            tokio::time::sleep(CONNECT_PAUSE).await;
        }
        self.crash()?;
        bail!("PostgreSQL does not answer")
    }

    /// The `[authority]` section of a node that reads it.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("kind = \"postgres\"\nurl = \"{}\"", self.url())
    }

    /// Takes the table of people away: while the connection lives, every read that begins waits in its middle.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn hold_people(&self) -> anyhow::Result<Client> {
        let client = self.connect().await?;
        client.batch_execute("BEGIN; LOCK TABLE persons IN ACCESS EXCLUSIVE MODE").await?;
        Ok(client)
    }

    /// How many reads wait for the table of people.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn reads_waiting(&self) -> anyhow::Result<i64> {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'persons'::regclass";
        Ok(self.connect().await?.query_one(waiting, &[]).await?.get(0))
    }

    fn configure_tls(&self, certificate: &ServerCertificate) -> anyhow::Result<()> {
        let (certificate_file, key_file) = (self.data().join("server.crt"), self.data().join("server.key"));
        fs::write(&certificate_file, &certificate.certificate_pem)?;
        fs::write(&key_file, &certificate.key_pem)?;
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600))?;
        self.give(&certificate_file)?;
        self.give(&key_file)?;
        let settings = self.data().join("postgresql.auto.conf");
        fs::write(settings, "ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n")?;
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// A program of this PostgreSQL, as the user it may run as, for this data.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-D").arg(self.data()).current_dir(self.folder.path()).env_clear().env("LC_ALL", "C.UTF-8");
        if let Some((user, group)) = self.user {
            command.gid(group).uid(user);
        }
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.command(program).args(arguments).output().with_context(|| program.to_owned())?;
        ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn give(&self, path: &Path) -> anyhow::Result<()> {
        if let Some((user, group)) = self.user {
            chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // A test that ends has nothing left to say about a server that will not stop.
        let _ = self.crash();
    }
}

impl std::fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresServer").field("port", &self.port).finish_non_exhaustive()
    }
}

/// The newest server installed.
fn programs() -> anyhow::Result<PathBuf> {
    let installed = fs::read_dir(DEBIAN_SERVERS).context("PostgreSQL is not installed: apt-get install postgresql")?;
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, programs)| programs).context("PostgreSQL is not installed: apt-get install postgresql")
}

/// User and group to run the server as, if the test runs as root (who owns what it creates).
fn server_user(folder: &Path) -> anyhow::Result<Option<(u32, u32)>> {
    if fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let entry = users.lines().find(|line| line.starts_with("postgres:")).context("there is no user `postgres`")?;
    let mut fields = entry.split(':').skip(2).map(str::parse);
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(group))) => Ok(Some((user, group))),
        _ => bail!("the entry of user `postgres` is not understood"),
    }
}
