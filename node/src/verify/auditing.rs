//! What auditors get to see, and the entries that record that they saw it.
//!
//! ```text
//! open      the leaf is there? ▶ entry "audit/open", durable on a quorum ▶ addendum in clear
//! inquire   a person named?    ▶ entry "audit/person", likewise          ▶ a page of leaves
//! ```
//!
//! An entry names the auditor and, sealed, what was opened. It names a searched person by the trail, not by number: when
//! the person is erased, the trail's name leads to nobody any more, and the entry with it.

use tokio::time::Instant;
use xacminh_core::apply::ItemOutcome;
use xacminh_proto::{
    hex,
    transparency::{Addendum, Leaf, LeafBytes, LeafKind},
    vocab::{ErrorNumber, OfficialId, PortalId},
};

use super::{Desk, administrative::Words, internal, trail::bounded};
use crate::{
    audit::{Found, Inquiry, PAGE_MAX, Search, SearchError, Searcher},
    store::Term,
};

/// Portals at which an official is looked for at once; beyond, the auditor names one.
const PORTALS_SEARCHED_MAX: usize = 256;

/// An opened leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its position.
    pub position: u64,
    /// The leaf.
    pub leaf: LeafBytes,
    /// What it says, in clear.
    pub addendum: Addendum,
    /// Position of the entry that records the opening.
    pub recorded: u64,
}

/// A page of leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquired {
    /// The page.
    pub found: Found,
    /// Position of the entry that records the query, if it named a person.
    pub recorded: Option<u64>,
}

/// An act of an auditor has its leaf, durable on a quorum. Only [`Desk::record`] makes one, and only from an outcome.
struct Recorded(u64);

impl Desk {
    /// Opens the addendum of a leaf for an auditor. The entry that records it is durable on a quorum before.
    ///
    /// # Errors
    /// [`ErrorNumber::RequestUnknown`] where there is nothing to open, [`ErrorNumber::NoLongerKept`],
    /// [`ErrorNumber::Erased`] (recorded all the same), and those of the node: without its entry nothing is opened.
    pub async fn open_for(&self, auditor: &str, position: u64, deadline: Instant) -> Result<Opened, ErrorNumber> {
        if position < self.state.pruned() {
            return Err(ErrorNumber::NoLongerKept);
        }
        let leaf = self.state.leaf(position).map_err(internal)?.ok_or(ErrorNumber::RequestUnknown)?;
        if Leaf::decode(&leaf).map_err(internal)?.kind == LeafKind::ShardOpen {
            return Err(ErrorNumber::RequestUnknown);
        }
        let act = Words { by: auditor, dossier: &position.to_string(), procedure: "audit/open" };
        let recorded = self.record(act, deadline).await?;
        self.disclose(position, leaf, &recorded)
    }

    /// A page of the leaves that an auditor asks for. Asking by person is recorded first, as opening is.
    ///
    /// # Errors
    /// [`ErrorNumber::ProcedureUnknown`], [`ErrorNumber::BadIdentifier`] if an official's portal must be named,
    /// [`ErrorNumber::NotReady`] while the index is made anew, [`ErrorNumber::MessageTooLarge`] of a person with more
    /// accesses than a trail may have, and those of the node.
    pub async fn inquire(
        &self,
        searcher: &Searcher,
        auditor: &str,
        inquiry: &Inquiry,
        deadline: Instant,
    ) -> Result<Inquired, ErrorNumber> {
        let mut search = self.search_of(inquiry)?;
        let mut recorded = None;
        if let Some(number) = inquiry.person {
            let trail = self.state.trail(&self.keyring.row_key(number)).map_err(internal)?;
            trail.as_ref().map_or(Ok(()), bounded)?;
            let to = trail.map_or_else(String::new, |trail| hex::text(&trail.id));
            let act = Words { by: auditor, dossier: &to, procedure: "audit/person" };
            recorded = Some(self.record(act, deadline).await?.0);
            search.trail = trail;
            if trail.is_none() {
                // Nobody asked about the person, or they were erased.
                search.within = 0..0;
            }
        }
        let found = searcher.find(search).await.map_err(|error| match error {
            SearchError::Rebuilding => ErrorNumber::NotReady,
            SearchError::Disk(error) => internal(error),
        })?;
        Ok(Inquired { found, recorded })
    }

    fn disclose(&self, position: u64, leaf: LeafBytes, recorded: &Recorded) -> Result<Opened, ErrorNumber> {
        let addendum = self.opened(position)?;
        Ok(Opened { position, leaf, addendum, recorded: recorded.0 })
    }

    /// Commits the entry of an auditor's act.
    async fn record(&self, words: Words<'_>, deadline: Instant) -> Result<Recorded, ErrorNumber> {
        match self.act(&words, deadline).await?.outcome {
            ItemOutcome::Appended { position } => Ok(Recorded(position)),
            other => Err(internal(format!("an auditor's act was not recorded: {other:?}"))),
        }
    }

    /// What the words of an inquiry are in the index.
    fn search_of(&self, inquiry: &Inquiry) -> Result<Search, ErrorNumber> {
        let mut groups = Vec::new();
        match (&inquiry.official, inquiry.portal) {
            // An official's pseudonym is another at every portal.
            (Some(official), Some(portal)) => groups.push(vec![self.official_at(portal, official)]),
            (Some(official), None) => {
                let register = self.register()?;
                let terms: Vec<Term> = register.portals().map(|portal| self.official_at(portal.id, official)).collect();
                if terms.len() > PORTALS_SEARCHED_MAX {
                    return Err(ErrorNumber::BadIdentifier);
                }
                groups.push(terms);
            }
            (None, Some(portal)) => groups.push(vec![Term::Portal(portal.0)]),
            (None, None) => {}
        }
        if let Some(code) = &inquiry.procedure {
            let register = self.register()?;
            let procedure = register.procedure(code).ok_or(ErrorNumber::ProcedureUnknown)?;
            groups.push(vec![Term::Procedure(procedure.id)]);
        }
        groups.extend(inquiry.dossier.as_ref().map(|dossier| vec![Term::Dossier(self.keyring.dossier_mark(dossier))]));
        groups.extend(inquiry.outcome.map(|(kind, verdict)| vec![Term::outcome(kind, verdict)]));
        let at = |at_ms: Option<u64>, otherwise: u64| match at_ms {
            Some(at_ms) => self.state.position_at(at_ms).map_err(internal),
            None => Ok(otherwise),
        };
        let mut within = at(inquiry.from_ms, 0)?..at(inquiry.until_ms, u64::MAX)?;
        match inquiry.cursor {
            Some(cursor) if inquiry.newest_first => within.end = within.end.min(cursor.saturating_add(1)),
            Some(cursor) => within.start = within.start.max(cursor),
            None => {}
        }
        let (newest_first, limit) = (inquiry.newest_first, inquiry.limit.clamp(1, PAGE_MAX));
        Ok(Search { groups, trail: None, within, newest_first, limit })
    }

    fn official_at(&self, portal: PortalId, official: &OfficialId) -> Term {
        Term::Official(self.keyring.official_pseudonym(portal, official))
    }
}

#[cfg(test)]
mod tests;
