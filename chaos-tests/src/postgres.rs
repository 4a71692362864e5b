//! A real PostgreSQL server of our own, in a temporary folder, on a loopback address nobody else uses.
//!
//! PostgreSQL refuses to run as root; as root the server runs as user `postgres`, otherwise as whoever runs the test.

use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// Where distributions put the server's programs, when they are not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What we use of it.
const PROGRAMS: [&str; 4] = ["initdb", "pg_ctl", "createdb", "postgres"];

/// The account PostgreSQL runs under when the test is root.
const ACCOUNT: &str = "postgres";

/// The role that owns the population.
const ROLE: &str = "xacminh";

/// A running or stopped server with an empty database.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    programs: PathBuf,
    address: Ipv4Addr,
    as_root: bool,
}

/// A connection that holds everybody else's reads of people up while it lives.
pub struct Held {
    _client: tokio_postgres::Client,
}

/// How a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ends running queries, then itself.
    Fast,
    /// As in a crash.
    Immediate,
}

impl Server {
    /// Makes a database and starts the server.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Result<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("xacminh-postgres-").tempdir()?;
        // Who owns a folder we just made tells who we are.
        let as_root = fs::metadata(folder.path())?.uid() == 0;
        if as_root {
            hand_over(folder.path())?;
        }
        let [.., high, low] = std::process::id().to_be_bytes();
        // The low half of 127.0.0.0/8 is the databases', the high half the nodes'.
        let address = Ipv4Addr::new(127, (high & 0x3f) + 1, low, NEXT.fetch_add(1, Ordering::Relaxed).max(1));
        let server = Self { folder, programs, address, as_root };
        let data = server.data();
        let data = data.to_str().context("a plain path")?;
        server.run("initdb", &["-D", data, "-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"])?;
        server.go()?;
        server.run("createdb", &["-h", &server.address.to_string(), "-U", ROLE, "people"])?;
        Ok(server)
    }

    /// Starts a server that was stopped.
    ///
    /// # Errors
    /// When it does not start.
    pub fn go(&self) -> Result<()> {
        let (data, folder) = (self.data(), self.folder.path().display());
        let log = self.folder.path().join("server.log");
        // What the authority loses in a crash is the authority's matter, so that it need not wait for the disk.
        let options = format!(
            "-c listen_addresses={} -c unix_socket_directories={folder} -c fsync=off -c shared_buffers=64MB",
            self.address
        );
        let arguments = [
            "-D",
            data.to_str().context("a plain path")?,
            "-l",
            log.to_str().context("a plain path")?,
            "-o",
            &options,
            "-w",
            "-t",
            "30",
            "start",
        ];
        self.run("pg_ctl", &arguments).with_context(|| fs::read_to_string(&log).unwrap_or_default())
    }

    /// Stops the server; [`Self::go`] starts it again.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&self, how: Stop) -> Result<()> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        let data = self.data();
        self.run("pg_ctl", &["-D", data.to_str().context("a plain path")?, "-m", mode, "-w", "-t", "30", "stop"])
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{ROLE}@{}:5432/people", self.address)
    }

    /// The `[authority]` section of a node that reads it.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("kind = \"postgres\"\nurl = \"{}\"", self.url())
    }

    /// The authority of its certificate: none, for it speaks in clear on a loopback address.
    #[must_use]
    pub const fn ca_file(&self) -> Option<&Path> {
        None
    }

    /// Takes the table of people for itself: every read that begins from now on waits in the middle of its query.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn hold_people(&self) -> Result<Held> {
        let (client, connection) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute("BEGIN; LOCK TABLE persons IN ACCESS EXCLUSIVE MODE").await?;
        Ok(Held { _client: client })
    }

    /// How many reads wait for the table of people.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn waiting(&self) -> Result<i64> {
        let (client, connection) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'persons'::regclass";
        Ok(client.query_one(waiting, &[]).await?.get(0))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let path = self.programs.join(program);
        let mut command = if self.as_root {
            let mut command = Command::new("runuser");
            command.args(["-u", ACCOUNT, "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        // The server inherits what its starter has open: pipes of ours would then never end, so that files take them.
        let said = tempfile::tempfile()?;
        let status = command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(std::process::Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said.try_clone()?)
            .status()
            .with_context(|| program.to_owned())?;
        if status.success() {
            return Ok(());
        }
        let mut words = String::new();
        let mut said = said;
        std::io::Seek::rewind(&mut said)?;
        std::io::Read::read_to_string(&mut said, &mut words)?;
        bail!("{program} {arguments:?}: {status}\n{words}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that was stopped already says so, which is fine.
        let _ = self.stop(Stop::Immediate);
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

/// Lets the server's account use the folder.
fn hand_over(folder: &Path) -> Result<()> {
    let number = |flag: &str| -> Result<u32> {
        let said = Command::new("id").args([flag, ACCOUNT]).output()?;
        ensure!(said.status.success(), "there is no account `{ACCOUNT}`: install postgresql");
        Ok(String::from_utf8_lossy(&said.stdout).trim().parse()?)
    };
    chown(folder, Some(number("-u")?), Some(number("-g")?))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The folder of `initdb`, `pg_ctl` and the rest.
fn programs() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir(DEBIAN) {
        folders.extend(versions.filter_map(|version| Some(version.ok()?.path().join("bin"))));
    }
    let found = folders.into_iter().find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()));
    found.with_context(|| format!("PostgreSQL's {PROGRAMS:?} are missing: install postgresql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_starts_stops_and_starts_again() {
        let server = Server::start().expect("PostgreSQL is there");
        let version = || async {
            let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            client.query_one("SELECT 1", &[]).await
        };
        assert!(version().await.is_ok());
        server.stop(Stop::Immediate).expect("it stops");
        assert!(version().await.is_err());
        server.go().expect("it starts again");
        assert!(version().await.is_ok());
        server.stop(Stop::Fast).expect("it stops");
    }
}
