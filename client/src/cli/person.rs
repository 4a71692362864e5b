//! `xacminh person`: what is done to what is kept about one person.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use xacminh_proto::{vocab::PersonNumber, wire::ErasureOrder};

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    question::{bounded, duration, number as typed_number},
};

/// Act on what is kept about one person (role operator)
#[derive(Debug, Args)]
pub(crate) struct PersonArgs {
    /// How long to wait for the answer, e.g. 5s
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "10s")]
    deadline: Duration,
    #[command(subcommand)]
    what: PersonCommand,
}

#[derive(Debug, Subcommand)]
enum PersonCommand {
    /// Destroy the person's record, key and trail for good; the log keeps that it was done, and why
    Erase {
        /// The person's number; `-` reads it from standard input
        #[arg(long)]
        number: String,
        /// The legal ground
        #[arg(long)]
        ground: String,
        /// Who ordered it, and under which number
        #[arg(long)]
        ordered_by: String,
        /// Do not ask for the number again
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(global: &GlobalArgs, args: PersonArgs) -> Result<Exit, CliError> {
    let deadline = bounded(args.deadline)?;
    let PersonCommand::Erase { number, ground, ordered_by, yes } = args.what;
    let number = typed_number(number)?;
    PersonNumber::parse(&number).map_err(|error| CliError::Usage(format!("--number: {error}")))?;
    let screen = global.screen();
    if !yes {
        screen.complain(screen.lang.say(
            "Xoá vĩnh viễn, không thể khôi phục. Nhập lại số định danh để xác nhận:",
            "This destroys for good and cannot be undone. Type the number again to confirm:",
        ));
        if typed_number("-".to_owned())? != number.trim() {
            return Err(CliError::Usage("the numbers differ: nothing was erased".into()));
        }
    }
    let client = global.client().await?;
    let erased = client.erase(ErasureOrder { number, ground, ordered_by }, deadline).await;
    client.close().await;
    let position = erased?;
    if screen.json {
        screen.json(&json!({ "erased": true, "position": position }))?;
    } else {
        screen.line(&format!(
            "{} {position}",
            screen.lang.say("Đã xoá; mục kiểm toán số", "Erased; the log says so at position")
        ))?;
    }
    Ok(Exit::Good)
}
