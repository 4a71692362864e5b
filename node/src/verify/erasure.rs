//! The erasure of a person, as it goes into the log: whom is in the command, by a keyed digest; the leaf tells why and by
//! whom.

use xacminh_core::command::{Erasure, Urgency};
use xacminh_proto::{
    transparency::LeafKind,
    vocab::{ErrorNumber, PersonNumber, RequestId},
};

use super::{
    Desk,
    administrative::{Administrative, Words},
    internal,
};

/// Why somebody is erased, and at whose word.
#[derive(Clone, PartialEq, Eq)]
pub struct ErasureReason {
    /// The operator who carries it out.
    pub operator: String,
    /// The legal ground.
    pub ground: String,
    /// Who ordered it.
    pub ordered_by: String,
}

/// An erasure that can be proposed.
pub struct PreparedErasure {
    /// The change, not stamped yet.
    pub erasure: Erasure,
    /// The id by which its leaf is found.
    pub id: RequestId,
    /// Whether anything is kept about the person. If not, it only turns away what is under way about them.
    pub kept: bool,
}

impl Desk {
    /// The erasure of a person with its leaf, to be stamped and proposed by the leader.
    ///
    /// # Errors
    /// [`ErrorNumber::Internal`].
    pub fn erasure(&self, number: PersonNumber, reason: &ErasureReason) -> Result<PreparedErasure, ErrorNumber> {
        let person = self.keyring.row_key(number);
        let own = self.state.person(&person).map_err(internal)?;
        let kept = own.is_some() || self.state.record(&person).map_err(internal)?.is_some();
        let revision = self.state.meta().register_revision;
        let words = Words { by: &reason.operator, dossier: &reason.ordered_by, procedure: &reason.ground };
        let Administrative { leaf, envelope, request } = self.administrative(LeafKind::Erased, revision, &words)?;
        let created = own.map_or(0, |(created, ..)| created);
        let erasure =
            Erasure { ticket: self.submitter.ticket(Urgency::Background), at_ms: 0, person, created, leaf, envelope };
        Ok(PreparedErasure { erasure, id: request.id, kept })
    }
}
