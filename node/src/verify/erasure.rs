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

impl Desk {
    /// An erasure with its leaf, to be stamped and proposed by the leader, and the id by which the leaf is found.
    ///
    /// None if nothing is kept about the number, unless sweeps remember everybody (`sweeps`): then a page with the person in
    /// it may be under way, and only an entry of the log turns it away.
    ///
    /// # Errors
    /// [`ErrorNumber::Internal`].
    pub fn erasure(
        &self,
        number: PersonNumber,
        reason: &ErasureReason,
        sweeps: bool,
    ) -> Result<Option<(Erasure, RequestId)>, ErrorNumber> {
        let person = self.keyring.row_key(number);
        let own = self.state.person(&person).map_err(internal)?;
        if !sweeps && own.is_none() && self.state.record(&person).map_err(internal)?.is_none() {
            return Ok(None);
        }
        let revision = self.state.meta().register_revision;
        let words = Words { by: &reason.operator, dossier: &reason.ordered_by, procedure: &reason.ground };
        let Administrative { leaf, envelope, request } = self.administrative(LeafKind::Erased, revision, &words)?;
        let created = own.map_or(0, |(created, ..)| created);
        let erasure =
            Erasure { ticket: self.submitter.ticket(Urgency::Background), at_ms: 0, person, created, leaf, envelope };
        Ok(Some((erasure, request.id)))
    }
}
