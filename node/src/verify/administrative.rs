//! Audit entries that answer no question: canaries and changes of the register.

use tokio::time::Instant;
use xacminh_core::{
    apply::ItemOutcome,
    command::{Entry, Item, RegisterChange, RequestKey, Urgency},
    register::Register,
};
use xacminh_proto::{
    transparency::{
        Addendum, Envelope, Leaf, LeafBytes, LeafKind, LeafVerdict, Salt, attributes_root, subject_commitment,
    },
    vocab::{ErrorNumber, PortalId, RequestId},
};

use crate::{
    env,
    raft::submit::{Settled, SubmitError},
};

use super::{Desk, ROUNDS_MAX, internal, submit_error};

/// The portal number of the node itself; the register begins at 1.
const NOBODY: PortalId = PortalId(0);

/// A sealed administrative entry, before its stamp.
pub(super) struct Administrative {
    pub(super) leaf: LeafBytes,
    pub(super) envelope: Vec<u8>,
    pub(super) request: RequestKey,
}

/// What the addendum of an administrative entry says. It is sealed under the audit key and outlives every erasure: no
/// number stands in it.
#[derive(Clone, Copy, Default)]
pub(super) struct Words<'a> {
    /// Who acted.
    pub(super) by: &'a str,
    /// On what.
    pub(super) dossier: &'a str,
    /// What was done, or why.
    pub(super) procedure: &'a str,
}

impl Desk {
    /// Commits an audit entry that says nothing, to see that one can be committed (rule 14 of `transparency-log.md`).
    ///
    /// # Errors
    /// [`SubmitError`]; an entry that was applied with any other outcome than appended counts as a deadline missed.
    pub async fn canary(&self, deadline: Instant) -> Result<(), SubmitError> {
        let item = self.item_of(LeafKind::Canary, &Words::default()).map_err(|_| SubmitError::Stopping)?;
        match self.submitter.submit(item, deadline).await?.outcome {
            // The register changed in this very moment: the log can be written, which is all that was asked.
            ItemOutcome::Appended { .. } | ItemOutcome::Stale => Ok(()),
            _ => Err(SubmitError::Deadline),
        }
    }

    /// Commits an audit entry of somebody's act: what it lets them see may leave only after it.
    ///
    /// # Errors
    /// The number of what went wrong; there may be a leaf all the same.
    pub(super) async fn act(&self, words: &Words<'_>, deadline: Instant) -> Result<Settled, ErrorNumber> {
        for _ in 0..ROUNDS_MAX {
            let item = self.item_of(LeafKind::Admin, words)?;
            let settled = self.submitter.submit(item, deadline).await.map_err(submit_error)?;
            match settled.outcome {
                ItemOutcome::Appended { .. } => return Ok(settled),
                // The register changed meanwhile, or another leader's stamp came first.
                ItemOutcome::Stale => {}
                ItemOutcome::ClockSkewed => return Err(self.skewed(settled)),
                _ => return Err(internal("an administrative entry was turned away")),
            }
        }
        Err(ErrorNumber::Overloaded)
    }

    pub(super) fn item_of(&self, kind: LeafKind, words: &Words<'_>) -> Result<Item, ErrorNumber> {
        let register_revision = self.state.meta().register_revision;
        let Administrative { leaf, envelope, request } = self.administrative(kind, register_revision, words)?;
        let entry = Entry {
            leaf,
            envelope,
            request,
            person: None,
            dossier: [0; 16],
            question: [0; 16],
            register_revision,
            miss: None,
            granted_until_ms: None,
        };
        let (ticket, decided_at_ms) = (self.submitter.ticket(Urgency::Background), self.clock.now_ms());
        Ok(Item { ticket, decided_at_ms, remember: None, read: None, entry })
    }

    /// A change of the register to this one, read from this document, with its leaf, to be stamped and proposed by the leader.
    ///
    /// # Errors
    /// [`ErrorNumber::Internal`] if it cannot be sealed.
    pub fn register_change(
        &self,
        operator: &str,
        register: &Register,
        document: String,
    ) -> Result<RegisterChange, ErrorNumber> {
        let Register { revision, entries_days, .. } = *register;
        let before = self.state.meta().register_revision;
        let words = Words { by: operator, ..Words::default() };
        let Administrative { leaf, envelope, .. } = self.administrative(LeafKind::Policy, revision, &words)?;
        let ticket = self.submitter.ticket(Urgency::Background);
        Ok(RegisterChange { ticket, at_ms: 0, before, revision, entries_days, document, leaf, envelope })
    }

    pub(super) fn administrative(
        &self,
        kind: LeafKind,
        revision: u64,
        words: &Words<'_>,
    ) -> Result<Administrative, ErrorNumber> {
        let now_ms = self.clock.now_ms();
        let id: RequestId = env::request_id(self.clock.as_ref());
        let subject_salt = Salt(env::random());
        let addendum = Addendum {
            number: String::new(),
            official: words.by.to_owned(),
            dossier: words.dossier.to_owned(),
            procedure: words.procedure.to_owned(),
            decided_at_ms: now_ms,
            as_of_ms: 0,
            subject_salt,
            salts: Vec::new(),
            claims: Vec::new(),
            outcome: None,
        };
        let envelope = self.keyring.seal_addendum(&addendum, None).map_err(internal)?;
        let leaf = Leaf {
            kind,
            time_ms: 0,
            request_id: id,
            portal: NOBODY,
            official: [0; 16],
            purpose: 0,
            procedure: 0,
            // A revision is a count of edits; one that does not fit is refused where registers are parsed.
            register_revision: u32::try_from(revision).map_err(internal)?,
            fields: 0,
            verdict: LeafVerdict::None,
            subject: subject_commitment(&subject_salt, b""),
            attributes_root: attributes_root(&mut []),
            addendum_digest: Envelope::digest(&envelope),
            record_version: 0,
            previous: [0; 32],
        };
        Ok(Administrative { leaf: leaf.encode(), envelope, request: RequestKey { id, portal: NOBODY } })
    }
}
