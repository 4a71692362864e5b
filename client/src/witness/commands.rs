//! The command line `xacminh-witness`.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Parser, Subcommand};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing::info;

use super::{
    config::{Config, ConfigError},
    desk::{Desk, Fatal},
    door,
    key::{CosignerKey, KeyFileError},
    memory::{Heads, Memory, MemoryError},
};
use crate::clock;

/// Cosignatures are stamped with real time: a clock that stands before this is not set.
/// 2026-01-01, Unix seconds.
const EARLIEST_S: u64 = 1_767_225_600;

const EXIT_CODES: &str = "\
Exit codes:
  0  ended as told
  2  the command line, the configuration, the key or the clock is wrong, or the address cannot be listened on
  3  the state is missing, damaged, in use or another's: do not delete it, see docs/WITNESS.md
  4  a write failed: what is on disk is read at the next start";

/// Cosign the checkpoints of transparency logs (C2SP tlog-witness)
#[derive(Debug, Parser)]
#[command(name = "xacminh-witness", version, after_help = EXIT_CODES, subcommand_required = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key and the state that belongs to it; prints the verifier key
    Keygen(KeygenArgs),
    /// Print the verifier key and the newest head of each log
    Show(ConfigArgs),
    /// Serve until SIGTERM or SIGINT
    Run(ConfigArgs),
}

#[derive(Debug, Args)]
struct KeygenArgs {
    /// Name to cosign under: a URL without scheme, such as witness.example.vn/w1
    #[arg(long)]
    name: String,
    /// Key file to write
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// State directory to make
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("configuration")]
    Config(#[from] ConfigError),
    #[error("key")]
    Key(#[from] KeyFileError),
    #[error("the key's name is `{found}`, the configuration says `{expected}`")]
    Name { found: String, expected: String },
    #[error("the machine's clock stands at {0} seconds after 1970, which is not now: set it")]
    Clock(u64),
    #[error("listening on {listen}")]
    Listen { listen: String, source: io::Error },
    #[error("state")]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Fatal(#[from] Fatal),
    #[error("writing the output")]
    Output(#[from] io::Error),
}

impl Trouble {
    const fn code(&self) -> u8 {
        match self {
            Self::Memory(_) => 3,
            Self::Fatal(_) => 4,
            _ => 2,
        }
    }
}

/// Runs the command line and says what the process ends with.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed and end with 0, everything else ends with 2.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Keygen(args) => keygen(&args),
        Command::Show(args) => show(&args.config),
        Command::Run(args) => serve(&args.config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            let mut text = trouble.to_string();
            let mut cause = std::error::Error::source(&trouble);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            let _ = writeln!(io::stderr(), "xacminh-witness: {text}");
            ExitCode::from(trouble.code())
        }
    }
}

fn keygen(args: &KeygenArgs) -> Result<(), Trouble> {
    let key = CosignerKey::make(&args.name, &args.key)?;
    // If we crash here, there is a key without a state: it does not start, and nobody has seen the key.
    Memory::create(&args.state, key.public())?;
    writeln!(io::stdout(), "{}", key.public())?;
    Ok(())
}

fn show(config: &Path) -> Result<(), Trouble> {
    let config = Config::load(config)?;
    let key = key_of(&config)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", key.public())?;
    for (origin, seen) in Heads::read(&config.state_dir)?.seen() {
        writeln!(out, "{origin} size {} time {}", seen.head.size, seen.time_s)?;
    }
    Ok(())
}

fn serve(config: &Path) -> Result<(), Trouble> {
    let config = Config::load(config)?;
    let key = key_of(&config)?;
    let now_s = unix_s();
    if now_s < EARLIEST_S {
        return Err(Trouble::Clock(now_s));
    }
    let memory = Memory::open(&config.state_dir, key.public())?;
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).json().init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let unheard = |source| Trouble::Listen { listen: config.listen.to_string(), source };
        let listener = TcpListener::bind(config.listen).await.map_err(unheard)?;
        let address = listener.local_addr().map_err(unheard)?;
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        info!(key = %key.public(), %address, logs = config.logs.len(), "watching");
        // For whoever let the system choose the port.
        writeln!(io::stdout(), "listening on {address}")?;
        let desk = Arc::new(Desk::new(config.logs, key, memory, Box::new(unix_s)));
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        door::serve(listener, desk, config.limits, stop).await?;
        info!("ended");
        Ok(())
    })
}

fn key_of(config: &Config) -> Result<CosignerKey, Trouble> {
    let key = CosignerKey::read(&config.key_file)?;
    let found = key.public().name();
    if found == config.name {
        Ok(key)
    } else {
        Err(Trouble::Name { found: found.to_owned(), expected: config.name.clone() })
    }
}

fn unix_s() -> u64 {
    clock::unix_ms() / 1000
}
