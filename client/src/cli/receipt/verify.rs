//! `xacminh receipt verify`: what receipts prove, recomputed from their bytes and a key alone.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use xacminh_proto::transparency::{LeafVerdict, Policy, ReceiptError, Verified};

use crate::cli::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    screen::{Screen, table},
    texts,
};

use super::{facts::Facts, json, source};

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Receipts, as files or as the text of their QR codes; `-` reads standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(global: &GlobalArgs, args: &VerifyArgs) -> Result<Exit, CliError> {
    let policy = global.trust()?;
    let screen = global.screen();
    let exits = args.files.iter().map(|file| one(screen, file, &policy)).collect::<Result<Vec<_>, _>>()?;
    Ok(weightiest(&exits))
}

/// Verifies one receipt and shows what became of it. Only a lost output ends the run: the other files still count.
fn one(screen: Screen, file: &Path, policy: &Policy) -> Result<Exit, CliError> {
    let verified = source::receipt(file).and_then(|it| it.verify(policy).map_err(source::refused(file)));
    let (exit, path) = match &verified {
        Ok(verified) => (exit_of(verified), source::name_of(file)),
        Err(error) => (error.exit(), source::name_of(file)),
    };
    if screen.json {
        screen.json(&match &verified {
            Ok(verified) => json::verified(&path, verified),
            Err(CliError::Receipt { fault, .. }) => json!({
                "file": path, "verifies": false, "fault": fault_code(*fault), "why": fault.to_string(),
            }),
            Err(error) => json!({ "file": path, "verifies": false, "fault": error.kind(), "why": error.to_string() }),
        })?;
        return Ok(exit);
    }
    match &verified {
        Ok(verified) => show(screen, &path, verified)?,
        Err(CliError::Receipt { fault, .. }) => {
            let (said, fault) =
                (screen.lang.say("PHIẾU KHÔNG HỢP LỆ", "DOES NOT VERIFY"), texts::fault(*fault, screen.lang));
            screen.line(&format!("{said}: {path}: {fault}"))?;
        }
        Err(error) => screen.complain(&format!("{}: {error}", screen.lang.say("lỗi", "error"))),
    }
    Ok(exit)
}

fn show(screen: Screen, path: &str, verified: &Verified) -> Result<(), CliError> {
    let facts = Facts::of(verified, screen.lang);
    screen.line(&format!("{}: {path}", facts.headline))?;
    // One table, so that everything said stands under the same margin.
    let facts = facts.statements.into_iter().chain(facts.circumstances);
    let rows: Vec<Vec<String>> = facts.map(|fact| vec![fact.label, fact.text]).collect();
    for line in table(&rows) {
        screen.line(&format!("  {line}"))?;
    }
    Ok(())
}

/// What a receipt that verifies is worth to a script. An entry that answers nobody's question confirms nothing.
pub(super) const fn exit_of(verified: &Verified) -> Exit {
    match verified.verdict() {
        LeafVerdict::Match => Exit::Good,
        LeafVerdict::NoMatch | LeafVerdict::None => Exit::NoMatch,
        LeafVerdict::Undetermined => Exit::Undetermined,
        LeafVerdict::Refused => Exit::Refused,
    }
}

/// The exit code of several receipts: the worst of them, and nothing is worse than one that does not verify.
fn weightiest(exits: &[Exit]) -> Exit {
    let from_the_worst =
        [Exit::Internal, Exit::Unproven, Exit::BadFile, Exit::NoMatch, Exit::Refused, Exit::Undetermined];
    from_the_worst.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Good)
}

/// A stable word for what is wrong with a receipt.
pub(super) const fn fault_code(fault: ReceiptError) -> &'static str {
    match fault {
        ReceiptError::Malformed | ReceiptError::TooLarge => "malformed",
        ReceiptError::Note(_) => "note",
        ReceiptError::Checkpoint(_) => "checkpoint",
        ReceiptError::Policy(_) => "policy",
        ReceiptError::Proof(_) => "proof",
        ReceiptError::Disclosure(_) => "disclosure",
        ReceiptError::Contradiction(_) => "contradiction",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_receipt_decides() {
        use Exit::{BadFile, Good, NoMatch, Refused, Undetermined, Unproven};
        for (exits, expected) in [
            (vec![Good, Good], Good),
            (vec![Good, Undetermined], Undetermined),
            (vec![Undetermined, Refused, Good], Refused),
            (vec![Refused, NoMatch], NoMatch),
            (vec![NoMatch, BadFile], BadFile),
            (vec![BadFile, Unproven, Good], Unproven),
        ] {
            assert_eq!(weightiest(&exits), expected, "{exits:?}");
        }
    }
}
