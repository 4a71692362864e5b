//! What an auditor can find in the log without reading all of it.
//!
//! ```text
//! apply ── leaves, marks ──▶ state ◀── follow, in rounds ── index thread ──▶ store::AuditIndex
//! question of an auditor ── verify resolves it into terms ──▶ search: walks of the index meet ──▶ a page of positions
//! ```
//!
//! The index is never on the way of an answer: it is made from the state by a thread of the lowest priority, and what it
//! does not have yet it says ([`Found::indexed`]). A page costs a bounded number of steps, however large the log is.
//!
//! Architecture invariant: nothing here opens anything sealed, and no wire type is seen.

mod index;
mod search;

pub use index::{Follower, ROUND_LEAVES_MAX, Stepped};
pub use search::{Found, PAGE_MAX, Search, SearchError, find, position_at};

use xacminh_proto::{
    transparency::{LeafKind, LeafVerdict},
    vocab::{DossierId, OfficialId, PersonNumber, PortalId, ProcedureCode},
};

/// What an auditor asks for, in words: everything given must hold of a leaf.
#[derive(Clone, Default)]
pub struct Inquiry {
    /// The portal that asked.
    pub portal: Option<PortalId>,
    /// The official who asked; without a portal, the official of this id at any portal.
    pub official: Option<OfficialId>,
    /// The procedure.
    pub procedure: Option<ProcedureCode>,
    /// The dossier.
    pub dossier: Option<DossierId>,
    /// The person asked about: asking so is an access to their data, and leaves a leaf of its own.
    pub person: Option<PersonNumber>,
    /// Stamped not before, Unix milliseconds.
    pub from_ms: Option<u64>,
    /// Stamped before, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// What happened.
    pub outcome: Option<(LeafKind, LeafVerdict)>,
    /// The newest first.
    pub newest_first: bool,
    /// Where a page before this one ended.
    pub cursor: Option<u64>,
    /// Entries at the most.
    pub limit: usize,
}

/// It may name a person and officials: nothing of it is shown.
impl std::fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inquiry(…)")
    }
}
