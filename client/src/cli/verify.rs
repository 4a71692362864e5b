//! `xacminh verify`: are the claims true of this person?

use std::path::PathBuf;

use clap::Args;
use xacminh_proto::{vocab::AttributeSet, wire::ReceiptWish};

use super::{
    claims::{self, ClaimArgs},
    config::GlobalArgs,
    exit::{CliError, Exit},
    question::{self, PersonArgs, PurposeArgs, RequestArgs},
    receipt, report,
};

/// Check claims about a person: `verify … --full-name --age-at-least 18`
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    purpose: PurposeArgs,
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    claims: ClaimArgs,
    /// Values asked for besides, by name, separated by commas
    #[arg(long, value_name = "NAMES", value_parser = claims::attributes)]
    attributes: Option<AttributeSet>,
    #[command(flatten)]
    receipt: KeepReceipt,
}

/// Where the receipt goes.
#[derive(Debug, Args)]
struct KeepReceipt {
    /// Write the receipt, which is evidence instead of a paper copy, to a new file (.tlog-proof)
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

/// Read values of a person: `lookup … --attributes full_name,permanent_residence`
#[derive(Debug, Args)]
pub(crate) struct LookupArgs {
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    purpose: PurposeArgs,
    #[command(flatten)]
    request: RequestArgs,
    /// Values asked for, by name, separated by commas
    #[arg(long, value_name = "NAMES", value_parser = claims::attributes)]
    attributes: AttributeSet,
    #[command(flatten)]
    receipt: KeepReceipt,
}

pub(super) async fn verify(global: &GlobalArgs, args: VerifyArgs) -> Result<Exit, CliError> {
    let VerifyArgs { person, purpose, request, claims, attributes, receipt } = args;
    run(global, person, &purpose, &request, &claims, attributes.unwrap_or_default(), &receipt).await
}

pub(super) async fn lookup(global: &GlobalArgs, args: LookupArgs) -> Result<Exit, CliError> {
    let LookupArgs { person, purpose, request, attributes, receipt } = args;
    run(global, person, &purpose, &request, &ClaimArgs::default(), attributes, &receipt).await
}

async fn run(
    global: &GlobalArgs,
    person: PersonArgs,
    purpose: &PurposeArgs,
    request: &RequestArgs,
    claims: &ClaimArgs,
    attributes: AttributeSet,
    keep: &KeepReceipt,
) -> Result<Exit, CliError> {
    let deadline = question::bounded(purpose.deadline)?;
    let person = person.read()?;
    let claims = claims.parse(&person.name, &person.birth).map_err(CliError::Usage)?;
    let wish = if keep.receipt.is_some() { ReceiptWish::Full } else { ReceiptWish::Position };
    let ask = question::ask(person, purpose, &request.dossier, request.request_id, claims, attributes, wish)
        .map_err(CliError::Usage)?;
    let (screen, policy) = (global.screen(), global.log_policy()?);
    // Before anything is asked: what is asked is logged, and its receipt must not be lost.
    let place = keep.receipt.as_deref().map(receipt::place).transpose()?;
    let client = global.client().await?;
    let answer = client.ask(ask, deadline).await;
    client.close().await;
    let answer = answer?;
    let exit = report::show(screen, &answer)?;
    if let (Some(place), Some(receipt)) = (place, &answer.receipt) {
        place.write(receipt.as_bytes()).inspect_err(|_| {
            let say = screen.lang.say("lấy lại phiếu bằng", "the receipt can be had again with");
            screen.complain(&format!("{say} `xacminh receipt get --request-id {}`", answer.request_id));
        })?;
        receipt::remark_uncosigned(screen, policy.as_ref(), receipt);
    }
    Ok(exit)
}
