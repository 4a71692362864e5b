//! Where the entry of a request is, after the cluster has forgotten the request itself.
//!
//! The state remembers request ids for as long as they may be sent again, and no longer. Behind that the index has a short
//! form of each ([`Term::Request`]), and leaves have the whole: what the index names is compared with its leaf. When a
//! request was asked bounds when its entry was stamped, so that it is known what would have to be looked at.

use std::io;

use xacminh_core::{
    apply::{REQUEST_AHEAD_MS, REQUEST_WINDOW_MS},
    command::RequestKey,
};
use xacminh_proto::transparency::Leaf;

use crate::store::{AuditIndex, State, Term};

/// What is known of where a request's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Located {
    /// There, and it is kept.
    At {
        /// Its position.
        position: u64,
        /// Pseudonym of the official who asked.
        official: [u8; 16],
    },
    /// If there was one, it is not kept any more.
    Pruned,
    /// There is none.
    Nowhere,
    /// The index has not come so far yet, or is being made anew.
    Behind,
}

/// Looks for the entry of a request that the state does not remember.
///
/// # Errors
/// If a disk cannot be read or what is on it is damaged.
pub fn locate(index: &AuditIndex, state: &State, request: &RequestKey) -> io::Result<Located> {
    let epoch = index.epoch();
    let asked_ms = request.id.unix_ms();
    if asked_ms.saturating_add(REQUEST_WINDOW_MS) >= state.meta().last_at_ms {
        // The state would remember it: what it forgets is older.
        return Ok(Located::Nowhere);
    }
    let indexed = index.progress().leaves;
    let pruned = state.pruned();
    let from = state.position_at(asked_ms.saturating_sub(REQUEST_AHEAD_MS))?;
    let until = state.position_at(asked_ms.saturating_add(REQUEST_WINDOW_MS).saturating_add(1))?;
    let mut walk = index.postings(&Term::request(request.id, request.portal));
    let mut next = walk.at_or_after(from.max(pruned))?;
    while let Some(position) = next.filter(|position| *position < until) {
        // One that was dropped this very moment is missing.
        let Some(bytes) = state.leaf(position)? else { return Ok(Located::Pruned) };
        let leaf = Leaf::decode(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if (leaf.request_id, leaf.portal) == (request.id, request.portal) {
            return Ok(Located::At { position, official: leaf.official });
        }
        next = walk.at_or_after(position + 1)?;
    }
    if indexed < until || index.epoch() != epoch {
        Ok(Located::Behind)
    } else if from < pruned {
        Ok(Located::Pruned)
    } else {
        Ok(Located::Nowhere)
    }
}

#[cfg(test)]
mod tests;
