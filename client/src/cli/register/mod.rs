//! `xacminh register`: the rules that answer, for those who write them.
//!
//! ```text
//! check    a file, by itself                        show     what is in force
//! diff     two files: who gains and loses what      apply    a file comes into force
//! dry_run  the questions of the past, asked of a draft
//! ```
//!
//! Architecture invariant: this room alone of the client knows the rules (`xacminh_core::register`), so that a draft is
//! judged here by the very code that will judge by it there.

mod apply;
mod check;
mod diff;
mod dry_run;
mod tally;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use xacminh_core::register::{REGISTER_BYTES_MAX, Register, RegisterError};

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    question::{bounded, duration},
    receipt::{bytes, name_of},
};

pub(super) use apply::apply;

/// Check, compare and change the register: who may ask what
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// How long to wait for the cluster
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "5s")]
    deadline: Duration,
    #[command(subcommand)]
    what: RegisterCommand,
}

#[derive(Debug, Subcommand)]
enum RegisterCommand {
    /// Whether a file is a register, and what its author may not have meant; reaches no cluster
    Check {
        /// The register (TOML); `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put a register in force (role operator)
    Apply {
        /// The register (TOML); `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// The register in force, as it was written (role operator or auditor)
    Show,
    /// What each portal, official and procedure gains and loses; reaches no cluster if both files are given
    Diff {
        /// The register of before; `-` stands for the one in force
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The register of after; `-` reads standard input
        #[arg(value_name = "NEW")]
        new: PathBuf,
    },
    DryRun(dry_run::DryRunArgs),
}

/// A register and the text it was read from.
struct Document {
    text: String,
    register: Register,
}

/// Commands that reach no cluster; the others are given back.
pub(super) fn offline(global: &GlobalArgs, args: RegisterArgs) -> Result<Result<Exit, RegisterArgs>, CliError> {
    let screen = global.screen();
    match &args.what {
        RegisterCommand::Check { file } => check::check(screen, file).map(Ok),
        RegisterCommand::Diff { old, new } if old != Path::new("-") => {
            diff::diff(screen, &read(old)?.register, &read(new)?.register).map(Ok)
        }
        _ => Ok(Err(args)),
    }
}

pub(super) async fn run(global: &GlobalArgs, args: RegisterArgs) -> Result<Exit, CliError> {
    let deadline = bounded(args.deadline)?;
    let screen = global.screen();
    match args.what {
        RegisterCommand::Apply { file } => apply(global, deadline, &file).await,
        RegisterCommand::Show => {
            let client = global.client().await?;
            let shown = client.register(deadline).await;
            client.close().await;
            apply::show(screen, &shown?)
        }
        RegisterCommand::Diff { new, .. } => {
            let new = read(&new)?;
            let client = global.client().await?;
            let in_force = client.register(deadline).await;
            client.close().await;
            diff::diff(screen, &in_force_register(&in_force?.1)?, &new.register)
        }
        RegisterCommand::DryRun(args) => dry_run::dry_run(global, args, deadline).await,
        RegisterCommand::Check { file } => check::check(screen, &file),
    }
}

/// Reads a register from a file; what is wrong with it is told by its line.
fn read(path: &Path) -> Result<Document, CliError> {
    let name = name_of(path);
    let bytes = bytes(path, REGISTER_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| CliError::file(Path::new(&name), "not UTF-8"))?;
    let register = Register::parse(&text).map_err(|error| wrong(name, &error))?;
    Ok(Document { text, register })
}

/// The register in force was sound when it was applied; a newer client may know better.
fn in_force_register(text: &str) -> Result<Register, CliError> {
    Register::parse(text).map_err(|error| wrong("the register in force".to_owned(), &error))
}

fn wrong(path: String, error: &RegisterError) -> CliError {
    let (line, why) = match error {
        RegisterError::TooLarge(_) => (None, error.to_string()),
        RegisterError::Toml { line, message } => (Some(*line), message.clone()),
        RegisterError::Rule { line, problem } => (Some(*line), problem.to_string()),
    };
    CliError::File { path, line: line.and_then(|line| u64::try_from(line).ok()), why }
}
