//! Audit entries that answer no question: canaries and changes of the register.

use tokio::time::Instant;
use xacminh_core::{
    apply::ItemOutcome,
    command::{Entry, Item, RegisterChange, RequestKey},
};
use xacminh_proto::{
    transparency::{
        Addendum, Envelope, Leaf, LeafBytes, LeafKind, LeafVerdict, Salt, attributes_root, subject_commitment,
    },
    vocab::{ErrorNumber, PortalId, RequestId},
};

use crate::{env, raft::submit::SubmitError};

use super::{Desk, internal};

/// The portal number of the node itself; the register begins at 1.
const NOBODY: PortalId = PortalId(0);

/// A sealed administrative entry, before its stamp.
pub(super) struct Administrative {
    leaf: LeafBytes,
    envelope: Vec<u8>,
    request: RequestKey,
}

/// Who did what: the content of an administrative addendum.
#[derive(Clone, Copy, Default)]
pub(super) struct Act<'a> {
    /// Name in the certificate.
    pub(super) by: &'a str,
    /// The act, as a word; in the addendum's `procedure`.
    pub(super) what: &'a str,
    /// What it was done to, never a person's number; in the addendum's `dossier`.
    pub(super) to: &'a str,
}

impl Desk {
    /// Commits an audit entry that says nothing, to see that one can be committed (rule 14 of `transparency-log.md`).
    ///
    /// # Errors
    /// [`SubmitError`]; an entry that was applied with any other outcome than appended counts as a deadline missed.
    pub async fn canary(&self, deadline: Instant) -> Result<(), SubmitError> {
        let revision = self.state.meta().register_revision;
        let entry =
            self.administrative(LeafKind::Canary, revision, Act::default()).map_err(|_| SubmitError::Stopping)?;
        match self.submitter.submit(self.administrative_item(entry, revision), deadline).await?.outcome {
            // The register changed in this very moment: the log can be written, which is all that was asked.
            ItemOutcome::Appended { .. } | ItemOutcome::Stale => Ok(()),
            _ => Err(SubmitError::Deadline),
        }
    }

    /// A change of the register with its leaf, to be stamped and proposed by the leader.
    ///
    /// # Errors
    /// [`ErrorNumber::Internal`] if it cannot be sealed.
    pub fn register_change(
        &self,
        operator: &str,
        revision: u64,
        document: String,
    ) -> Result<RegisterChange, ErrorNumber> {
        let before = self.state.meta().register_revision;
        let Administrative { leaf, envelope, .. } =
            self.administrative(LeafKind::Policy, revision, Act { by: operator, ..Act::default() })?;
        Ok(RegisterChange { ticket: self.submitter.ticket(), at_ms: 0, before, revision, document, leaf, envelope })
    }

    /// The item that carries an administrative entry into the log.
    pub(super) fn administrative_item(&self, entry: Administrative, register_revision: u64) -> Item {
        let Administrative { leaf, envelope, request } = entry;
        Item {
            ticket: self.submitter.ticket(),
            decided_at_ms: self.clock.now_ms(),
            remember: None,
            read: None,
            entry: Entry {
                leaf,
                envelope,
                request,
                person: None,
                dossier: [0; 16],
                question: [0; 16],
                register_revision,
                miss: None,
            },
        }
    }

    pub(super) fn administrative(
        &self,
        kind: LeafKind,
        revision: u64,
        act: Act<'_>,
    ) -> Result<Administrative, ErrorNumber> {
        let now_ms = self.clock.now_ms();
        let id: RequestId = env::request_id(self.clock.as_ref());
        let subject_salt = Salt(env::random());
        let addendum = Addendum {
            number: String::new(),
            official: act.by.to_owned(),
            dossier: act.to.to_owned(),
            procedure: act.what.to_owned(),
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
