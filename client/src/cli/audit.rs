//! `xacminh audit`: the leaves of the province's log, decoded (role auditor).

use std::time::Duration;

use clap::{Args, Subcommand};
use xacminh_proto::{
    transparency::{Leaf, LeafKind, LeafVerdict},
    vocab::{Attribute, ClaimKind},
    wire::{AuditEntry, AuditPage},
};

use crate::Client;

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    question::{bounded, duration},
    report::moment,
    screen::{Screen, table},
};

/// Entries a node gives at once.
const PAGE_ENTRIES: u16 = 256;

/// Read the audit log
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// How long to wait for a page
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "5s")]
    deadline: Duration,
    #[command(subcommand)]
    what: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Entries from a position on
    List {
        /// First position
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many at the most
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
    Trail(super::trail::TrailArgs),
    /// The last entries
    Tail {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u64,
    },
    /// A year of the log as files for any web server
    Export(super::export::ExportArgs),
}

pub(super) async fn run(global: &GlobalArgs, args: AuditArgs) -> Result<Exit, CliError> {
    let deadline = bounded(args.deadline)?;
    if let AuditCommand::Trail(trail) = args.what {
        return super::trail::run(global, trail, deadline).await;
    }
    let client = global.client().await?;
    let shown = match args.what {
        AuditCommand::Export(export) => super::export::run(global, &client, export, deadline).await,
        what => show_range(global.screen(), &client, what, deadline).await,
    };
    client.close().await;
    shown
}

async fn show_range(screen: Screen, client: &Client, what: AuditCommand, deadline: Duration) -> Result<Exit, CliError> {
    let (mut from, mut left) = match what {
        AuditCommand::List { from, limit } => (from, limit),
        AuditCommand::Tail { limit } => {
            // A page of nothing tells how long the log is.
            let leaves = client.audit_page(AuditPage { from: u64::MAX, limit: 1 }, deadline).await?.leaves;
            (leaves.saturating_sub(limit), limit)
        }
        AuditCommand::Export(_) => return Err(CliError::Internal("an export is no range".into())),
        AuditCommand::Trail(_) => return Err(CliError::Internal("a trail is shown elsewhere".into())),
    };
    while left > 0 {
        let limit = u16::try_from(left.min(u64::from(PAGE_ENTRIES))).unwrap_or(PAGE_ENTRIES);
        let page = client.audit_page(AuditPage { from, limit }, deadline).await?;
        let Some(last) = page.entries.last() else { break };
        from = last.position + 1;
        left -= u64::try_from(page.entries.len()).unwrap_or(left).min(left);
        show_page(screen, &page.entries)?;
    }
    Ok(Exit::Good)
}

fn show_page(screen: Screen, entries: &[AuditEntry]) -> Result<(), CliError> {
    let decoded = entries.iter().map(|entry| {
        Leaf::decode(&entry.leaf)
            .map(|leaf| (entry.position, leaf))
            .map_err(|error| CliError::Internal(format!("audit entry {}: {error}", entry.position)))
    });
    let decoded = decoded.collect::<Result<Vec<_>, _>>()?;
    if screen.json {
        for (position, leaf) in &decoded {
            screen.json(&leaf_json(*position, leaf))?;
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = decoded
        .iter()
        .map(|(position, leaf)| {
            vec![
                position.to_string(),
                moment(leaf.time_ms),
                kind(leaf.kind).to_owned(),
                verdict(leaf.verdict).to_owned(),
                format!("portal {}", leaf.portal.0),
                format!("procedure {}", leaf.procedure),
                fields(leaf.fields).join("+"),
                leaf.request_id.to_string(),
            ]
        })
        .collect();
    for line in table(&rows) {
        screen.line(&line)?;
    }
    Ok(())
}

fn leaf_json(position: u64, leaf: &Leaf) -> serde_json::Value {
    serde_json::json!({
        "position": position,
        "kind": kind(leaf.kind),
        "time_ms": leaf.time_ms,
        "request_id": leaf.request_id.to_string(),
        "portal": leaf.portal.0,
        "official_pseudonym": hex(&leaf.official),
        "purpose": leaf.purpose,
        "procedure_number": leaf.procedure,
        "register_revision": leaf.register_revision,
        "fields": fields(leaf.fields),
        "verdict": verdict(leaf.verdict),
        "subject_commitment": hex(&leaf.subject),
        "attributes_root": hex(&leaf.attributes_root),
        "addendum_digest": hex(&leaf.addendum_digest),
        "record_version": leaf.record_version,
    })
}

pub(super) fn kind(kind: LeafKind) -> &'static str {
    match kind {
        LeafKind::Disclosed => "disclosed",
        LeafKind::Refused => "refused",
        LeafKind::Admin => "admin",
        LeafKind::Policy => "policy",
        LeafKind::Erased => "erased",
        LeafKind::ShardOpen => "shard_open",
        LeafKind::Canary => "canary",
    }
}

pub(super) fn verdict(verdict: LeafVerdict) -> &'static str {
    match verdict {
        LeafVerdict::None => "none",
        LeafVerdict::Match => "match",
        LeafVerdict::NoMatch => "no_match",
        LeafVerdict::Undetermined => "undetermined",
        LeafVerdict::Refused => "refused",
    }
}

/// Attributes as their names, claims with `?`; bits of a later version as numbers.
fn fields(bits: u64) -> Vec<String> {
    (0..64)
        .filter(|bit| bits & (1 << bit) != 0)
        .map(|bit| {
            let attribute = Attribute::ALL.into_iter().find(|attribute| *attribute as u32 == bit);
            let claim = ClaimKind::ALL.into_iter().find(|claim| *claim as u32 + 32 == bit);
            match (attribute, claim) {
                (Some(attribute), _) => attribute.name().to_owned(),
                (_, Some(claim)) => format!("{}?", claim.name()),
                _ => format!("bit{bit}"),
            }
        })
        .collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_read_as_names() {
        assert_eq!(
            super::fields(1 | 1 << 11 | 1 << 36 | 1 << 63),
            ["full_name", "permanent_residence", "age_at_least?", "bit63"]
        );
    }
}
