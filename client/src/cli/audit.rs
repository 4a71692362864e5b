//! `xacminh audit`: the log for those who inspect it (role auditor).
//!
//! ```text
//! read     entries in order, as they come, by what they say      leaf    an entry as it is shown
//! open     an entry's addendum in clear, compared with its leaf
//! check    the whole log computed anew (walk), consistency of two checkpoints
//! report   what portals asked, month by month                    plot    the same as pictures
//! ```

mod check;
mod leaf;
mod open;
mod plot;
mod read;
mod report;
mod walk;

use std::time::Duration;

use clap::{Args, Subcommand};
use xacminh_proto::wire::AUDIT_PAGE_MAX;

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    question::{bounded, duration},
};

pub(super) use leaf::{decoded, kind, verdict};
pub(super) use read::{moment_ms, remark_pruned};

/// Entries a node gives at once.
const PAGE_ENTRIES: u16 = AUDIT_PAGE_MAX;

/// Read, search and check the audit log
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// How long to wait for each answer of the cluster, of which a command may need several
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "5s")]
    deadline: Duration,
    #[command(subcommand)]
    what: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Entries from a position on
    List(read::ListArgs),
    Trail(super::trail::TrailArgs),
    /// The last entries
    Tail(read::TailArgs),
    /// Entries by portal, official, procedure, dossier, person, time and outcome
    Query(Box<read::QueryArgs>),
    /// Compute the whole log anew and compare it with checkpoints and receipts
    Check(check::CheckArgs),
    /// Whether the log of one checkpoint grew into that of another
    Consistency(check::ConsistencyArgs),
    /// An entry's content in clear; the opening leaves an entry of its own
    Open {
        /// Position of the entry
        position: u64,
    },
    /// What portals asked, month by month
    Report(report::ReportArgs),
    /// The log, year by year, as files for any web server
    Export(super::export::ExportArgs),
}

pub(super) async fn run(global: &GlobalArgs, args: AuditArgs) -> Result<Exit, CliError> {
    let deadline = bounded(args.deadline)?;
    if let AuditCommand::Trail(trail) = args.what {
        return super::trail::run(global, trail, deadline).await;
    }
    let (client, screen) = (global.client().await?, global.screen());
    let done = match args.what {
        AuditCommand::List(args) => read::list(screen, &client, args, deadline).await,
        AuditCommand::Tail(args) => read::tail(screen, &client, args, deadline).await,
        AuditCommand::Query(args) => read::query(screen, &client, *args, deadline).await,
        AuditCommand::Check(args) => check::check(global, &client, &args, deadline).await,
        AuditCommand::Consistency(args) => check::consistency(global, &client, &args, deadline).await,
        AuditCommand::Open { position } => open::open(screen, &client, position, deadline).await,
        AuditCommand::Report(args) => report::report(screen, &client, &args, deadline).await,
        AuditCommand::Export(args) => super::export::run(global, &client, args, deadline).await,
        AuditCommand::Trail(_) => Err(CliError::Internal("a trail is shown elsewhere".into())),
    };
    client.close().await;
    done
}
