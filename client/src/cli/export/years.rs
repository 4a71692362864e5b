//! Which years a log has, and where in it each begins.
//!
//! ```text
//! newest year   begins where stamps begin to be of it, found by halving
//! year before   ends there; its checkpoint tells how long it is, and its first entry says that it opens it
//! ```

use xacminh_proto::{
    transparency::{Checkpoint, Leaf, LeafKind, note::Note},
    vocab::{Date, ErrorNumber},
    wire::{AuditPage, Pruned},
};

use super::{ExportError, Pages};
use crate::{ClientError, cli::exit::CliError};

/// No log is older; whoever says so has entries that are of no year.
const FIRST_YEAR: u16 = 2000;

/// A year of the log.
pub(super) struct Year {
    /// The year.
    pub(super) number: u16,
    /// Position of its first entry in the whole log.
    pub(super) first: u64,
}

/// The years of the log, the newest first; as far back as the one that is wanted, if one is.
pub(super) async fn held(pages: &Pages<'_>, wanted: Option<u16>) -> Result<Vec<Year>, CliError> {
    // A page of nothing tells how long the log is.
    let page = AuditPage { from: u64::MAX, limit: 1 };
    let leaves = pages.client.audit_page(page, pages.deadline).await?.leaves;
    let last = leaves.checked_sub(1).ok_or_else(|| pages.args.failed(&ExportError::Behind(0)))?;
    let mut number = leaf(pages, last, &pages.entry(last).await?)?.1;
    let mut first = first_of(pages, number, leaves).await?;
    let mut years = vec![Year { number, first }];
    while first > 0 && wanted.is_none_or(|wanted| wanted < number) {
        let ends = first;
        let (note, year) = before(pages, number).await?;
        let size = size_of(pages, &note)?;
        first = ends.checked_sub(size).ok_or_else(|| pages.args.failed(&ExportError::Years(number)))?;
        number = year;
        if !opens(pages, first, number).await? {
            // A witness may have cosigned the last entries of a year that ended this minute, or not yet.
            return Err(pages.args.failed(&ExportError::Unended(number)));
        }
        years.push(Year { number, first });
    }
    Ok(years)
}

/// The checkpoint of the last year before one, in which there may have been no entry.
async fn before(pages: &Pages<'_>, year: u16) -> Result<(Note, u16), CliError> {
    for earlier in (FIRST_YEAR..year).rev() {
        match pages.client.checkpoint_of(earlier, pages.deadline).await {
            Ok(note) => return Ok((note, earlier)),
            Err(ClientError::Rejected { number: ErrorNumber::RequestUnknown, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(pages.args.failed(&ExportError::Years(year)))
}

/// How many entries a checkpoint counts.
fn size_of(pages: &Pages<'_>, note: &Note) -> Result<u64, CliError> {
    let head = Checkpoint::parse(note.text());
    head.map(|head| head.size()).map_err(|error| pages.args.failed(&ExportError::Checkpoint(error.to_string())))
}

/// Position of the newest year's first entry. Stamps only grow, so it is found by halving.
async fn first_of(pages: &Pages<'_>, year: u16, leaves: u64) -> Result<u64, CliError> {
    let (mut low, mut high) = (0, leaves);
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = pages.entry(middle).await?;
        // What is no longer kept is of an earlier year.
        let is_before = Pruned::read(&entry).is_some() || leaf(pages, middle, &entry)?.1 < year;
        if is_before { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// Whether a year begins at a position.
async fn opens(pages: &Pages<'_>, position: u64, year: u16) -> Result<bool, CliError> {
    let entry = pages.entry(position).await?;
    if let Some(pruned) = Pruned::read(&entry) {
        return Ok(pruned.opens == Some(year));
    }
    let (leaf, of) = leaf(pages, position, &entry)?;
    Ok(of == year && (position == 0 || leaf.kind == LeafKind::ShardOpen))
}

/// An entry, and the year in Vietnam that it is of.
fn leaf(pages: &Pages<'_>, position: u64, entry: &[u8]) -> Result<(Leaf, u16), CliError> {
    let failed = |error: &dyn std::fmt::Display| pages.args.failed(&ExportError::Entry(position, error.to_string()));
    let leaf = Leaf::decode(entry).map_err(|error| failed(&error))?;
    let year = Date::in_vietnam(leaf.time_ms).year();
    Ok((leaf, year))
}
