//! A page of positions: walks of several terms meet.
//!
//! ```text
//! each walk is asked for its first position at or after the candidate;
//! one that is further on is the next candidate; one on which all agree is found
//! ```
//!
//! So the rarest term leads, whichever it is, and the others are sought only where it stands.

use std::{io, ops::Range};

use xacminh_core::apply::Trail;
use xacminh_proto::transparency::LeafBytes;

use super::index::terms_of;
use crate::store::{AuditIndex, Indexed, Postings, State, Term};

/// Entries on a page.
pub const PAGE_MAX: usize = 256;

/// Positions that walks are asked for on one page: terms that meet seldom are looked for on the next pages.
const STEPS_MAX: usize = 100_000;

/// Rows that are read for one page.
const ROWS_MAX: u32 = 1_000;

/// What to look for: a leaf has one term of every group, belongs to the trail, and lies in the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// One of each group.
    pub groups: Vec<Vec<Term>>,
    /// The trail of the person.
    pub trail: Option<Trail>,
    /// Positions.
    pub within: Range<u64>,
    /// The last one first.
    pub newest_first: bool,
    /// Entries at the most.
    pub limit: usize,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Leaves in the log.
    pub leaves: u64,
    /// Leaves that were looked at: those after are not in the index yet.
    pub indexed: u64,
    /// Entries before this position are no longer kept, and not found.
    pub pruned: u64,
    /// The leaves, in the order asked for.
    pub entries: Vec<(u64, LeafBytes)>,
    /// Where the next page begins; none if this is the last.
    pub next: Option<u64>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The index was dropped meanwhile.
    #[error("the audit index is being made anew")]
    Rebuilding,
    /// The disk, or what is on it.
    #[error("searching the log: {0}")]
    Disk(#[from] io::Error),
}

/// Looks for a page.
///
/// # Errors
/// [`SearchError`].
pub fn find(index: &AuditIndex, state: &State, search: &Search) -> Result<Found, SearchError> {
    let epoch = index.epoch();
    let leaves = state.meta().leaves;
    // Without a term the state itself says everything, up to its last leaf.
    let indexed = if search.groups.is_empty() { leaves } else { index.progress().leaves.min(leaves) };
    let pruned = state.pruned();
    let mut found = Found { leaves, indexed, pruned, entries: Vec::new(), next: None };
    let mut walks = Walks::new(index, state, search)?;
    let within = search.within.start.max(pruned)..search.within.end.min(indexed);
    let mut candidate = if search.newest_first { within.end.checked_sub(1) } else { Some(within.start) };
    let limit = search.limit.min(PAGE_MAX);
    while let Some(at) = candidate.filter(|at| within.contains(at)) {
        if found.entries.len() == limit || walks.are_spent() {
            found.next = Some(at);
            break;
        }
        let Some(meets) = walks.next(at)? else { break };
        if meets == at {
            let leaf = state.leaf(at)?.ok_or_else(|| damaged("a leaf that was indexed is missing"))?;
            check(state, search, at, &leaf)?;
            found.entries.push((at, leaf));
        }
        candidate = match (meets == at, search.newest_first) {
            (false, _) => Some(meets),
            (true, true) => at.checked_sub(1),
            (true, false) => at.checked_add(1),
        };
    }
    if index.epoch() == epoch { Ok(found) } else { Err(SearchError::Rebuilding) }
}

/// An index that names a leaf wrongly is damaged: nothing of it is told.
fn check(state: &State, search: &Search, position: u64, leaf: &LeafBytes) -> io::Result<()> {
    if search.groups.is_empty() {
        return Ok(());
    }
    let dossier = state.mark(position)?.and_then(|mark| mark.dossier);
    let terms = terms_of(&Indexed { leaf: *leaf, dossier })?;
    let has = |term: &Term| terms.contains(&Some(*term));
    if search.groups.iter().all(|group| group.iter().any(has)) {
        Ok(())
    } else {
        Err(damaged("the audit index names a leaf wrongly: delete its folder while the node is down"))
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The walks of a search.
struct Walks<'a> {
    groups: Vec<Vec<Postings<'a>>>,
    /// Positions of the trail's leaves, ascending.
    trail: Option<Vec<u64>>,
    newest_first: bool,
    steps: usize,
}

impl<'a> Walks<'a> {
    fn new(index: &'a AuditIndex, state: &State, search: &Search) -> io::Result<Self> {
        let groups = search.groups.iter().map(|group| group.iter().map(|term| index.postings(term)).collect());
        let trail = search.trail.as_ref().map(|trail| state.accesses(trail)).transpose()?;
        Ok(Self { groups: groups.collect(), trail, newest_first: search.newest_first, steps: 0 })
    }

    /// The position itself if all walks meet there; else one further on, before which they cannot meet; none at the end.
    fn next(&mut self, at: u64) -> io::Result<Option<u64>> {
        self.steps += 1;
        let newest_first = self.newest_first;
        if let Some(trail) = &self.trail {
            let found = if newest_first {
                trail[..trail.partition_point(|access| *access <= at)].last()
            } else {
                trail[trail.partition_point(|access| *access < at)..].first()
            };
            let found = found.copied();
            if found != Some(at) {
                return Ok(found);
            }
        }
        for group in &mut self.groups {
            let mut nearest = None;
            for walk in group {
                self.steps += 1;
                let found = if newest_first { walk.at_or_before(at)? } else { walk.at_or_after(at)? };
                nearest = match (nearest, found) {
                    (Some(one), Some(other)) if newest_first => Some(u64::max(one, other)),
                    (Some(one), Some(other)) => Some(u64::min(one, other)),
                    (one, other) => one.or(other),
                };
            }
            if nearest != Some(at) {
                return Ok(nearest);
            }
        }
        Ok(Some(at))
    }

    fn are_spent(&self) -> bool {
        let reads: u32 = self.groups.iter().flatten().map(Postings::reads).sum();
        self.steps >= STEPS_MAX || reads >= ROWS_MAX
    }
}

#[cfg(test)]
mod figures;
#[cfg(test)]
pub(super) mod tests;
