//! One node process: started, signalled by its own number, waited for.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::wait;

/// How much of a node's last words a failing test shows.
const LAST_WORDS_BYTES_MAX: u64 = 6 * 1024;

/// A node that is to end must do so within this time: a drain waits for questions, which may wait 30 s.
const EXIT_PATIENCE: Duration = Duration::from_secs(45);

/// The program under test.
///
/// # Errors
/// When it was not built.
pub fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe().context("the test's own path")?;
    // target/debug/deps/chaos-… → target/debug/xacminh-node
    let place = test.parent().and_then(Path::parent).context("the test lies in a target directory")?;
    let binary = place.join("xacminh-node");
    if !binary.is_file() {
        bail!("{} is missing: run `cargo build --workspace --bins` first (`make test` does)", binary.display());
    }
    Ok(binary)
}

/// A signal a test may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Stops where it stands.
    Stop,
    /// Goes on.
    Continue,
    /// Asks to end.
    Terminate,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Continue => "CONT",
            Self::Terminate => "TERM",
        }
    }
}

/// A process of the program, and the file that holds its standard error across restarts.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stderr: PathBuf,
}

impl Process {
    /// Starts the program with `arguments`; what it writes goes to the end of `stderr`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(arguments: &[&str], stderr: &Path) -> Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(stderr)?;
        let child = Command::new(binary()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("the node program starts")?;
        Ok(Self { child, stderr: stderr.to_owned() })
    }

    /// Sends a signal by process number.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // The shell's own `kill`: the program of that name is not on every machine.
        let script = format!("kill -s {} {}", signal.name(), self.child.id());
        let status = Command::new("sh").args(["-c", &script]).status().context("sh")?;
        if status.success() { Ok(()) } else { bail!("{script}: {status}") }
    }

    /// kill -9, and waits until the process is gone.
    ///
    /// # Errors
    /// When the system says no.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it still runs; its exit code otherwise (none after a signal).
    ///
    /// # Errors
    /// When the system says no.
    pub fn exited(&mut self) -> Result<Option<Option<i32>>> {
        Ok(self.child.try_wait()?.map(|status| status.code()))
    }

    /// Waits for the end and returns the exit code (none after a signal).
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn wait_exit(&mut self) -> Result<Option<i32>> {
        let deadline = tokio::time::Instant::now() + EXIT_PATIENCE;
        loop {
            if let Some(code) = self.exited()? {
                return Ok(code);
            }
            if tokio::time::Instant::now() > deadline {
                bail!("the process did not end within {} s", EXIT_PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The end of what it wrote.
    #[must_use]
    pub fn last_words(&self) -> String {
        tail(&self.stderr).unwrap_or_default()
    }

    /// Waits until it wrote `text`.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_for_words(&self, text: &str, patience: Duration) -> Result<()> {
        wait::until(&format!("the words {text:?}"), patience, || async {
            let said = std::fs::read(&self.stderr).map_err(|error| error.to_string())?;
            if String::from_utf8_lossy(&said).contains(text) { Ok(()) } else { Err(self.last_words()) }
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already needs no second end.
        let _ = self.kill();
    }
}

fn tail(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
