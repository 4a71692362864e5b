//! Entries in the order of the log, and by what they say.

use std::time::Duration;

use clap::{Args, ValueEnum};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};
use xacminh_proto::{
    vocab::PortalId,
    wire::{AuditOrder, AuditPage, AuditQuery, Happened, Pruned},
};

use super::{PAGE_ENTRIES, leaf::Shown};
use crate::{
    Client,
    cli::{
        exit::{CliError, Exit},
        question::number,
        report::moment,
        screen::Screen,
    },
};

/// First and longest pause of `--follow` between two looks at a log that did not grow.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Options of `list`
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// First position; the log's first entry has 0
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    from: u64,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u64,
    /// CSV instead of a table
    #[arg(long)]
    csv: bool,
}

/// Options of `tail`
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u64,
    /// Go on showing entries as they come, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// CSV instead of a table
    #[arg(long)]
    csv: bool,
}

/// Options of `query`
#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// Number of the portal that asked
    #[arg(long, value_name = "NUMBER")]
    portal: Option<u32>,
    /// The official who asked; without --portal, whoever has this id at any portal
    #[arg(long, value_name = "ID")]
    official: Option<String>,
    /// Code of the procedure
    #[arg(long, value_name = "CODE")]
    procedure: Option<String>,
    /// The dossier
    #[arg(long, value_name = "ID")]
    dossier: Option<String>,
    /// Number of the person asked about, `-` to read it from standard input; each page leaves an entry in the log
    #[arg(long, value_name = "NUMBER")]
    person: Option<String>,
    #[command(flatten)]
    when: WhenArgs,
    /// What happened
    #[arg(long, value_enum)]
    outcome: Option<OutcomeArg>,
    /// The oldest entry first
    #[arg(long)]
    oldest_first: bool,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// CSV instead of a table
    #[arg(long)]
    csv: bool,
}

/// A range of time
#[derive(Debug, Args)]
pub(super) struct WhenArgs {
    /// Not before: a day in Vietnam (YYYY-MM-DD) or a moment (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = moment_ms)]
    from: Option<u64>,
    /// Before: a day in Vietnam (YYYY-MM-DD) or a moment (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = moment_ms)]
    until: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum OutcomeArg {
    Match,
    NoMatch,
    Undetermined,
    Refused,
    Admin,
    Policy,
    Erased,
    ShardOpen,
    Canary,
}

impl OutcomeArg {
    const fn happened(self) -> Happened {
        match self {
            Self::Match => Happened::Match,
            Self::NoMatch => Happened::NoMatch,
            Self::Undetermined => Happened::Undetermined,
            Self::Refused => Happened::Refused,
            Self::Admin => Happened::Admin,
            Self::Policy => Happened::Policy,
            Self::Erased => Happened::Erased,
            Self::ShardOpen => Happened::ShardOpen,
            Self::Canary => Happened::Canary,
        }
    }
}

impl WhenArgs {
    /// A query of everything in the range, the oldest first. A range that ends before it begins is a slip of the hand: an
    /// empty answer to it would be read as if nothing had happened.
    ///
    /// # Errors
    /// [`CliError::Usage`].
    pub(super) fn query(&self) -> Result<AuditQuery, CliError> {
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            return Err(CliError::Usage(format!(
                "--from {} is not before --until {}: nothing lies between them",
                moment(from),
                moment(until)
            )));
        }
        Ok(AuditQuery {
            from_ms: self.from,
            until_ms: self.until,
            order: AuditOrder::OldestFirst,
            limit: PAGE_ENTRIES,
            ..AuditQuery::default()
        })
    }
}

pub(super) async fn list(
    screen: Screen,
    client: &Client,
    args: ListArgs,
    deadline: Duration,
) -> Result<Exit, CliError> {
    let mut shown = Shown::of(screen, args.csv)?;
    let reached = range(screen, client, &mut shown, (args.from, args.limit), deadline).await?;
    if reached == args.from {
        shown.nothing(screen);
    }
    Ok(Exit::Good)
}

pub(super) async fn tail(
    screen: Screen,
    client: &Client,
    args: TailArgs,
    deadline: Duration,
) -> Result<Exit, CliError> {
    let mut shown = Shown::of(screen, args.csv)?;
    // A page of nothing tells how long the log is.
    let leaves = client.audit_page(AuditPage { from: u64::MAX, limit: 1 }, deadline).await?.leaves;
    let from = leaves.saturating_sub(args.limit);
    let mut next = range(screen, client, &mut shown, (from, args.limit), deadline).await?;
    if !args.follow {
        return Ok(Exit::Good);
    }
    let mut pause = PAUSE_FIRST;
    loop {
        let seen = next;
        // A node that went away comes back, or another answers: whoever follows wants to see what is next.
        match range(screen, client, &mut shown, (next, u64::MAX), deadline).await {
            Ok(reached) => next = reached,
            Err(CliError::Client(error)) => screen.complain(&error.to_string()),
            Err(error) => return Err(error),
        }
        pause = if next > seen { PAUSE_FIRST } else { (pause * 2).min(PAUSE_MAX) };
        tokio::time::sleep(pause).await;
    }
}

/// Shows entries from a position on; gives the position after the last one.
async fn range(
    screen: Screen,
    client: &Client,
    shown: &mut Shown,
    (mut from, mut left): (u64, u64),
    deadline: Duration,
) -> Result<u64, CliError> {
    while left > 0 {
        let limit = u16::try_from(left.min(u64::from(PAGE_ENTRIES))).unwrap_or(PAGE_ENTRIES);
        let page = client.audit_page(AuditPage { from, limit }, deadline).await?;
        let Some(last) = page.entries.last() else { break };
        if Pruned::read(&last.leaf).is_some() {
            let oldest = AuditQuery { order: AuditOrder::OldestFirst, limit: 1, ..AuditQuery::default() };
            from = client.audit_query(oldest, deadline).await?.pruned.max(last.position + 1);
            remark_pruned(screen, from);
            continue;
        }
        from = last.position + 1;
        left -= u64::try_from(page.entries.len()).unwrap_or(left).min(left);
        let kept = page.entries.iter().position(|entry| Pruned::read(&entry.leaf).is_none()).unwrap_or(0);
        shown.page(screen, &page.entries[kept..])?;
    }
    Ok(from)
}

/// Says where the log begins that can still be read.
pub(in crate::cli) fn remark_pruned(screen: Screen, pruned: u64) {
    if pruned > 0 {
        let say =
            screen.lang.say("các mục trước vị trí này không còn lưu:", "entries before this one are no longer kept:");
        screen.note(&format!("{say} {pruned}"));
    }
}

pub(super) async fn query(
    screen: Screen,
    client: &Client,
    args: QueryArgs,
    deadline: Duration,
) -> Result<Exit, CliError> {
    let mut shown = Shown::of(screen, args.csv)?;
    let range = args.when.query()?;
    let person = args.person.map(number).transpose()?;
    let mut query = AuditQuery {
        portal: args.portal.map(PortalId),
        official: args.official,
        procedure: args.procedure,
        dossier: args.dossier,
        person,
        happened: args.outcome.map(OutcomeArg::happened),
        order: if args.oldest_first { AuditOrder::OldestFirst } else { AuditOrder::NewestFirst },
        ..range
    };
    let (mut left, mut any) = (args.limit, false);
    let (mut behind, mut pruned) = (0, 0);
    while left > 0 {
        query.limit = u16::try_from(left.min(u64::from(PAGE_ENTRIES))).unwrap_or(PAGE_ENTRIES);
        let found = client.audit_query(query.clone(), deadline).await?;
        shown.page(screen, &found.entries)?;
        any |= !found.entries.is_empty();
        left -= u64::try_from(found.entries.len()).unwrap_or(left).min(left);
        behind = found.leaves - found.indexed.min(found.leaves);
        pruned = found.pruned;
        if let Some(recorded) = found.recorded {
            let say = screen.lang.say("truy vấn này được ghi tại mục", "this query is recorded as entry");
            screen.note(&format!("{say} {recorded}"));
        }
        query.cursor = found.next;
        if found.next.is_none() {
            break;
        }
    }
    if !any {
        shown.nothing(screen);
    }
    remark_pruned(screen, pruned);
    if behind > 0 {
        let say =
            screen.lang.say("mục mới nhất chưa vào chỉ mục", "of the newest entries are not in the node's index yet");
        screen.note(&format!("{behind} {say}"));
    }
    Ok(Exit::Good)
}

/// Midnight in Vietnam of a day, or a moment with its own offset.
pub(in crate::cli) fn moment_ms(typed: &str) -> Result<u64, String> {
    let day = time::Date::parse(typed, format_description!("[year]-[month]-[day]"));
    let moment = match day {
        Ok(day) => day.midnight().assume_offset(time::macros::offset!(+7)),
        Err(_) => OffsetDateTime::parse(typed, &Rfc3339).map_err(|_| "a day YYYY-MM-DD or a moment of RFC 3339")?,
    };
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).map_err(|_| "a moment after 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_in_vietnam() {
        assert_eq!(moment_ms("2027-01-01"), Ok(1_798_736_400_000));
        assert_eq!(moment_ms("2026-12-31T17:00:00Z"), Ok(1_798_736_400_000));
        assert_eq!(moment_ms("2027-01-01T00:00:00+07:00"), Ok(1_798_736_400_000));
        for wrong in ["", "2027", "2027-02-30", "1960-01-01", "tomorrow"] {
            assert!(moment_ms(wrong).is_err(), "{wrong}");
        }
    }
}
