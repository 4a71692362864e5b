//! `xacminh receipt redact`: the same receipt, saying less.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use xacminh_proto::transparency::{Receipt, ReceiptError};

use crate::cli::{
    config::GlobalArgs,
    exit::{CliError, Exit},
};

use super::source::{self, OutArgs};

#[derive(Debug, Args)]
pub(super) struct RedactArgs {
    /// The receipt; `-` reads standard input
    file: PathBuf,
    /// Names to keep, all others are closed: subject, outcome, claim/0/sex, attribute/full_name
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',', conflicts_with_all = ["drop", "list"])]
    keep: Vec<String>,
    /// Names to close, all others are kept
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',', conflicts_with = "list")]
    drop: Vec<String>,
    /// List the names that are open, and write nothing
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    out: OutArgs,
}

pub(super) fn run(global: &GlobalArgs, args: &RedactArgs) -> Result<Exit, CliError> {
    let receipt = source::receipt(&args.file)?;
    // Without a key nobody can say who signed, but what does not hold together is not worth redacting.
    receipt.check().map_err(source::refused(&args.file))?;
    let open = receipt.opened();
    if args.list {
        return list(global, &receipt, &open);
    }
    let (given, keeps) = if args.drop.is_empty() { (&args.keep, true) } else { (&args.drop, false) };
    if given.is_empty() {
        return Err(CliError::Usage("--keep, --drop or --list is needed".into()));
    }
    if let Some(stranger) = given.iter().find(|name| !open.contains(name)) {
        return Err(CliError::Usage(format!(
            "`{stranger}` is not open in this receipt; open are: {}",
            open.join(", ")
        )));
    }
    let redacted = receipt.redact(|name| given.iter().any(|it| it == name) == keeps);
    let bytes = sound_bytes(&redacted).map_err(|fault| CliError::Internal(format!("the redacted receipt: {fault}")))?;
    args.out.write(&bytes)
}

/// The bytes of the receipt, read again as their next reader will: what does not verify never leaves.
fn sound_bytes(redacted: &Receipt) -> Result<Vec<u8>, ReceiptError> {
    let text = redacted.encode()?;
    let read = Receipt::parse(text.as_bytes())?;
    read.check()?;
    if read == *redacted { Ok(text.into_bytes()) } else { Err(ReceiptError::Malformed) }
}

fn list(global: &GlobalArgs, receipt: &Receipt, open: &[String]) -> Result<Exit, CliError> {
    let screen = global.screen();
    if screen.json {
        screen.json(&json!({ "open": open, "closed": receipt.closed() }))?;
        return Ok(Exit::Good);
    }
    for name in open {
        screen.line(name)?;
    }
    let closed = screen.lang.say("mục đã đóng", "closed already");
    screen.note(&format!("{} {closed}", receipt.closed()));
    Ok(Exit::Good)
}
