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
    /// With --card-qr: which of the card's fields are checked, by the names of claims [default: all of them]
    #[arg(long, value_name = "NAMES", value_parser = claims::kinds, requires = "card_qr")]
    card_claims: Option<claims::Kinds>,
    /// Values to be told besides, by name, separated by commas: full_name,permanent_residence
    #[arg(long, value_name = "NAMES", value_parser = claims::attributes, help_heading = None::<&str>)]
    attributes: Option<AttributeSet>,
    #[command(flatten)]
    receipt: KeepReceipt,
}

/// Where the receipt goes.
#[derive(Debug, Args)]
struct KeepReceipt {
    /// Write the receipt, which is filed instead of a paper copy, to a new file (.tlog-proof); `-` is standard output, and
    /// the answer goes to standard error then
    #[arg(long, value_name = "FILE", help_heading = None::<&str>)]
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
    /// Values to be told, by name, separated by commas: full_name,permanent_residence
    #[arg(long, value_name = "NAMES", value_parser = claims::attributes, help_heading = None::<&str>)]
    attributes: AttributeSet,
    #[command(flatten)]
    receipt: KeepReceipt,
}

pub(super) async fn verify(global: &GlobalArgs, args: VerifyArgs) -> Result<Exit, CliError> {
    let VerifyArgs { person, purpose, request, claims, card_claims, attributes, receipt } = args;
    let asked = Asked {
        claims,
        card_claims: Some(card_claims.unwrap_or_default()),
        attributes: attributes.unwrap_or_default(),
    };
    run(global, person, &purpose, &request, &asked, &receipt).await
}

pub(super) async fn lookup(global: &GlobalArgs, args: LookupArgs) -> Result<Exit, CliError> {
    let LookupArgs { person, purpose, request, attributes, receipt } = args;
    // A card names the person here, and is not itself in question.
    let asked = Asked { claims: ClaimArgs::default(), card_claims: None, attributes };
    run(global, person, &purpose, &request, &asked, &receipt).await
}

/// What is asked about the person.
struct Asked {
    claims: ClaimArgs,
    /// Which fields of a card become claims; none if none may.
    card_claims: Option<claims::Kinds>,
    attributes: AttributeSet,
}

async fn run(
    global: &GlobalArgs,
    person: PersonArgs,
    purpose: &PurposeArgs,
    request: &RequestArgs,
    asked: &Asked,
    keep: &KeepReceipt,
) -> Result<Exit, CliError> {
    let deadline = question::bounded(purpose.deadline)?;
    let (person, card) = person.read()?;
    // Before claims that repeat the keys: what is wrong is told by the option that was typed.
    person.check().map_err(CliError::Usage)?;
    let mut claims = asked.claims.parse(&person.name, &person.birth).map_err(CliError::Usage)?;
    if let (Some(card), Some(kinds)) = (card, &asked.card_claims) {
        claims::add_card(&mut claims, &card, kinds).map_err(CliError::Usage)?;
    }
    let wish = if keep.receipt.is_some() { ReceiptWish::Full } else { ReceiptWish::Position };
    let ask = question::ask(person, purpose, &request.dossier, request.request_id, claims, asked.attributes, wish)
        .map_err(CliError::Usage)?;
    let (screen, policy) = (global.screen(), global.log_policy()?);
    // Before anything is asked: what is asked is logged, and its receipt must not be lost.
    let place = keep.receipt.as_deref().map(receipt::place).transpose()?;
    let client = global.client().await?;
    let answer = client.ask(ask, deadline).await;
    client.close().await;
    let answer = answer?;
    let screen = place.as_ref().map_or(screen, |place| screen.beside(place));
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
