//! `xacminh receipt upgrade`: the same receipt, proved against a checkpoint that witnesses have cosigned since.
//!
//! ```text
//! receipt (signed by the log)  ──consistency──▶  newest checkpoint (signed and cosigned, as the policy wants)
//!        leaf ───────────────────inclusion────▶       ↑ both proofs are made from the log's tiles and checked here
//! ```
//!
//! Nothing the log serves is believed: a receipt that comes out verifies under the policy, or none comes out.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use xacminh_proto::transparency::{
    Checkpoint, Policy, Receipt, ReceiptError, Verified,
    merkle::{ProofError, ProveError, check_consistency, prove_consistency, prove_inclusion},
    note::Note,
    policy::PolicyError,
    tiles::{TileHashes, TileReadError},
};
use xacminh_web::{Http, HttpError, LogError, LogFiles, Tiles};

use super::source::{self, OutArgs};
use crate::cli::{
    config::GlobalArgs,
    exit::{CliError, Exit, chain},
    question::duration,
    texts,
};

/// Prove a receipt against a newer checkpoint that witnesses cosigned
#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    /// The receipt, in either form; `-` reads standard input
    file: PathBuf,
    /// The log: a directory of its files, or the http(s) address they are served below
    #[arg(long, value_name = "URL|DIR")]
    log: String,
    /// CA of the log's web server (PEM) [default: the system's]
    #[arg(long = "log-ca", value_name = "FILE")]
    log_ca: Option<PathBuf>,
    /// How long to wait for each file of the log
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    timeout: Duration,
    #[command(flatten)]
    out: OutArgs,
}

/// Why a receipt was not upgraded.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    // Not yet.
    /// The newest checkpoint is older than the receipt: the log's files lag behind.
    #[error("the log's files end at {size} leaves, before the receipt's checkpoint of {wanted}: try again later")]
    Behind {
        /// Leaves in the newest checkpoint.
        size: u64,
        /// Leaves in the receipt's.
        wanted: u64,
    },
    /// Too few witnesses have cosigned the newest checkpoint.
    #[error("the log's newest checkpoint has too few cosignatures for this policy: try again later")]
    Uncosigned,

    // The log's, and then it is proof of it; or whoever carries its files.
    /// The receipt does not verify even without witnesses.
    #[error("the receipt does not verify: {0}")]
    Receipt(#[source] ReceiptError),
    /// The newest checkpoint is not one of a log of this policy.
    #[error("the log's newest checkpoint is not to be believed: {0}")]
    Checkpoint(#[source] PolicyError),
    /// The files are those of another log.
    #[error("the files are those of the log {found}, the receipt is of {wanted}")]
    OtherLog {
        /// The origin in the files.
        found: String,
        /// The origin in the receipt.
        wanted: String,
    },
    /// The log's files do not lead from the receipt's checkpoint to the newest one: the log has forked, or its tiles are
    /// wrong. Keep both.
    #[error(
        "the receipt's checkpoint is not consistent with the log's newest one: {0}. Keep both, they may be evidence"
    )]
    Inconsistent(#[source] ProofError),
    /// The upgraded receipt does not verify: the tiles are wrong.
    #[error("the log's tiles do not prove the receipt: {0}")]
    Unproven(#[source] ReceiptError),

    // The way there.
    /// A file of the log cannot be had.
    #[error("{}", chain(.0))]
    Log(#[from] LogError),
    /// A tile has another length than its name says.
    #[error("a tile of the log: {0}")]
    Tile(String),
    /// The web client cannot be used.
    #[error("{}", chain(.0))]
    Http(#[from] HttpError),
}

impl UpgradeError {
    pub(in crate::cli) const fn exit(&self) -> Exit {
        match self {
            Self::Behind { .. } | Self::Uncosigned => Exit::Undetermined,
            Self::Log(LogError::Http { .. } | LogError::Status { .. }) => Exit::Unreached,
            Self::Log(_) | Self::Tile(_) | Self::Http(_) => Exit::BadFile,
            _ => Exit::Unproven,
        }
    }

    pub(in crate::cli) const fn kind(&self) -> &'static str {
        match self {
            Self::Behind { .. } | Self::Uncosigned => "not_yet",
            Self::Log(LogError::Http { .. } | LogError::Status { .. }) => "unreachable",
            Self::Log(_) | Self::Tile(_) | Self::Http(_) => "file",
            _ => "unproven",
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: UpgradeArgs) -> Result<Exit, CliError> {
    let policy = global.trust()?;
    let receipt = source::receipt(&args.file)?;
    let mut http = Http::new(args.timeout, args.log_ca.as_deref()).map_err(UpgradeError::Http)?;
    // Directories ask nobody who reads them.
    if args.log.starts_with("https:")
        && let Some(ours) = global.our_files()?
    {
        http = http.with_certificate(&ours.cert, &ours.key).map_err(UpgradeError::Http)?;
    }
    let files = LogFiles::at(&args.log, http);
    let newest = files.checkpoint().await.map_err(UpgradeError::Log)?;
    let tiles = files.tiles();
    // Tiles are read and waited for in turn, on a thread that may block.
    let upgraded = tokio::task::spawn_blocking(move || upgrade(&receipt, newest, tiles, &policy)).await;
    let (upgraded, verified) = upgraded.map_err(|error| CliError::Internal(error.to_string()))??;
    let text = upgraded.encode().map_err(|error| CliError::Internal(error.to_string()))?;
    args.out.write(text.as_bytes())?;
    if args.out.is_standard() { Ok(Exit::Good) } else { show(global, args.out.path(), &verified) }
}

/// The receipt against the newest checkpoint, and what it says.
fn upgrade(
    receipt: &Receipt,
    newest: Note,
    tiles: Tiles,
    policy: &Policy,
) -> Result<(Receipt, Verified), UpgradeError> {
    let old = believed(receipt, policy)?;
    let accepted = policy.accept(&newest).map_err(|error| match error {
        PolicyError::Quorum => UpgradeError::Uncosigned,
        error => UpgradeError::Checkpoint(error),
    })?;
    let new = accepted.checkpoint();
    if new.origin() != old.origin() {
        return Err(UpgradeError::OtherLog { found: new.origin().into(), wanted: old.origin().into() });
    }
    if new.size() < old.size() {
        return Err(UpgradeError::Behind { size: new.size(), wanted: old.size() });
    }
    let mut hashes = TileHashes::new(tiles, new.size());
    let consistency = prove_consistency(&mut hashes, old.size(), new.size()).map_err(unread)?;
    check_consistency((old.size(), old.root()), (new.size(), new.root()), &consistency)
        .map_err(UpgradeError::Inconsistent)?;
    let inclusion = prove_inclusion(&mut hashes, receipt.index(), new.size()).map_err(unread)?;
    let upgraded = receipt.upgrade(inclusion, newest).map_err(UpgradeError::Unproven)?;
    let verified = upgraded.verify(policy).map_err(UpgradeError::Unproven)?;
    Ok((upgraded, verified))
}

/// The receipt's own checkpoint, once the receipt verifies under a key of the policy's logs: witnesses are what it is
/// about to get.
fn believed(receipt: &Receipt, policy: &Policy) -> Result<Checkpoint, UpgradeError> {
    receipt.verify(&policy.without_quorum()).map_err(UpgradeError::Receipt)?;
    Checkpoint::parse(receipt.checkpoint().text()).map_err(|error| UpgradeError::Receipt(error.into()))
}

fn unread(error: ProveError<TileReadError<LogError>>) -> UpgradeError {
    match error {
        ProveError::Read(TileReadError::Source(error)) => UpgradeError::Log(error),
        ProveError::Read(error) => UpgradeError::Tile(error.to_string()),
        // Sizes were compared, and a receipt was verified: its index lies within.
        error @ ProveError::Beyond { .. } => UpgradeError::Tile(error.to_string()),
    }
}

fn show(global: &GlobalArgs, out: &Path, verified: &Verified) -> Result<Exit, CliError> {
    let screen = global.screen();
    if screen.json {
        let cosigners = verified.cosigners().iter().map(|it| serde_json::json!({"name": it.name, "time_s": it.time_s}));
        screen.json(&serde_json::json!({
            "receipt": out.display().to_string(),
            "origin": verified.origin(),
            "position": verified.position(),
            "log_size": verified.log_size(),
            "cosigners": cosigners.collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Good);
    }
    let names: Vec<&str> = verified.cosigners().iter().map(|it| it.name.as_str()).collect();
    screen.line(&format!(
        "{}: {}; {}: {}",
        out.display(),
        texts::place_in_log(verified.position(), verified.log_size(), screen.lang),
        screen.lang.say("nhân chứng", "cosigned by"),
        if names.is_empty() { texts::no_witness(screen.lang).to_owned() } else { names.join(", ") },
    ))?;
    Ok(Exit::Good)
}
