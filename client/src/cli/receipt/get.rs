//! `xacminh receipt get`: the receipt of a question answered before, byte for byte as then.

use std::time::Duration;

use clap::Args;
use xacminh_proto::vocab::RequestId;

use crate::cli::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    question::{bounded, duration},
};

use super::source::OutArgs;

/// Which receipt to fetch.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Id of the request, as `verify` showed it
    #[arg(long, value_name = "ID", value_parser = |text: &str| RequestId::parse(text).map_err(|error| error.to_string()))]
    request_id: RequestId,
    /// How long to wait for the answer, e.g. 5s
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    deadline: Duration,
    #[command(flatten)]
    out: OutArgs,
}

pub(super) async fn run(global: &GlobalArgs, args: GetArgs) -> Result<Exit, CliError> {
    let deadline = bounded(args.deadline)?;
    let policy = global.log_policy()?;
    let client = global.client().await?;
    let receipt = client.receipt(args.request_id, deadline).await;
    client.close().await;
    let receipt = receipt?;
    args.out.write(receipt.as_bytes())?;
    super::remark_uncosigned(global.screen(), policy.as_ref(), &receipt);
    Ok(Exit::Good)
}
