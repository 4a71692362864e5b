//! `xacminh receipt`: receipts read offline, with no cluster, no configuration file and no network; fetched; upgraded.
//!
//! ```text
//! source  a receipt from a file or standard input, a result into a file
//! facts   what a verified receipt says, for people                          json   the same for machines
//! verify, redact, qr, print                                                 the verbs that stay offline
//! get  from the cluster      upgrade  against a checkpoint that witnesses cosigned
//! ```

mod facts;
mod get;
mod json;
#[cfg(test)]
mod page;
mod print;
mod qr;
mod redact;
mod source;
mod upgrade;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use xacminh_proto::transparency::{Policy, Receipt, policy::PolicyError};

pub(super) use source::{Place, bytes, name_of, receipt, refused};
pub use upgrade::UpgradeError;

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    screen::Screen,
};

/// Verify receipts offline, show less of them, put them on paper
#[derive(Debug, Args)]
pub(crate) struct ReceiptArgs {
    #[command(subcommand)]
    what: ReceiptCommand,
}

#[derive(Debug, Subcommand)]
enum ReceiptCommand {
    /// Recompute everything and say what the receipts prove: `receipt verify FILE… --log-key VKEY`
    Verify(verify::VerifyArgs),
    /// Write a receipt that says less and verifies all the same
    Redact(redact::RedactArgs),
    /// Draw the receipt as a QR code, on the terminal or as SVG
    Qr(qr::QrArgs),
    /// Draw a page (A4, SVG) of a receipt that verifies, to be filed
    Print(print::PrintArgs),
    /// Fetch the receipt of a question answered before
    Get(get::GetArgs),
    /// Prove a receipt against a newer checkpoint that witnesses cosigned
    Upgrade(upgrade::UpgradeArgs),
    /// Write the receipt as the text that its QR code holds
    Pack(FormArgs),
    /// Write the receipt as a file `.tlog-proof`, from the text that its QR code holds
    Unpack(FormArgs),
}

/// A receipt that is only written in another form.
#[derive(Debug, Args)]
struct FormArgs {
    /// The receipt, in either form; `-` reads standard input
    file: PathBuf,
    #[command(flatten)]
    out: source::OutArgs,
}

impl ReceiptArgs {
    /// Whether nothing but files is needed.
    pub(super) const fn is_offline(&self) -> bool {
        !matches!(self.what, ReceiptCommand::Get(_) | ReceiptCommand::Upgrade(_))
    }
}

/// A place for the receipt of an answer, under a new name, taken before anything is asked: a file that is there is kept,
/// for it may be another's evidence, and an answer whose receipt cannot be kept had better not be asked for.
pub(super) fn place(path: &Path) -> Result<Place, CliError> {
    source::OutArgs::new_file(path).place()
}

/// As [`place`], over what is there.
pub(super) fn place_over(path: &Path) -> Result<Place, CliError> {
    source::OutArgs::any_file(path).place()
}

/// Says that a receipt that has just been issued lacks the cosignatures that the policy wants: no witness has seen it yet.
pub(super) fn remark_uncosigned(screen: Screen, policy: Option<&Policy>, receipt: &str) {
    let uncosigned = |policy: &Policy| {
        Receipt::parse(receipt.as_bytes())
            .is_ok_and(|receipt| policy.accept(receipt.checkpoint()) == Err(PolicyError::Quorum))
    };
    if policy.is_some_and(uncosigned) {
        screen.note(screen.lang.say(
            "phiếu chưa có nhân chứng đồng ký; `xacminh receipt upgrade` bổ sung sau vài giây",
            "no witnesses have cosigned the receipt yet; `xacminh receipt upgrade` adds them some seconds later",
        ));
    }
}

/// The verbs that need the cluster or the log's files.
pub(super) async fn fetch(global: &GlobalArgs, args: ReceiptArgs) -> Result<Exit, CliError> {
    match args.what {
        ReceiptCommand::Get(args) => get::run(global, args).await,
        ReceiptCommand::Upgrade(args) => upgrade::run(global, args).await,
        what => run(global, ReceiptArgs { what }),
    }
}

/// The verbs that need files only.
pub(super) fn run(global: &GlobalArgs, args: ReceiptArgs) -> Result<Exit, CliError> {
    match args.what {
        ReceiptCommand::Verify(args) => verify::run(global, &args),
        ReceiptCommand::Redact(args) => redact::run(global, &args),
        ReceiptCommand::Qr(args) => qr::run(global, &args),
        ReceiptCommand::Print(args) => print::run(global, &args),
        ReceiptCommand::Pack(FormArgs { file, out }) => {
            let packed = receipt(&file)?.pack().map_err(refused(&file))?;
            out.write(format!("{packed}\n").as_bytes())
        }
        ReceiptCommand::Unpack(FormArgs { file, out }) => {
            let text = receipt(&file)?.encode().map_err(refused(&file))?;
            out.write(text.as_bytes())
        }
        ReceiptCommand::Get(_) | ReceiptCommand::Upgrade(_) => {
            Err(CliError::Internal("this verb needs the network".into()))
        }
    }
}
