//! From a decision to an audit entry: commitments, sealed addendum, leaf.

use tokio::time::Instant;
use xacminh_core::{
    command::{Entry, Item, Miss, RecordKey, RequestKey, Urgency},
    draft,
    question::Question,
};
use xacminh_proto::{
    transparency::{Addendum, Envelope, Salt},
    vocab::{ErrorNumber, Outcome},
};

use crate::env;

use super::{Basis, Decided, Desk, internal};

/// The names that a question and whom it is about have at rest: keyed hashes, made once.
pub(super) struct Marks {
    pub(super) official: [u8; 16],
    pub(super) person: RecordKey,
    pub(super) question: [u8; 16],
}

/// How an answer is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// With its receipt, verified here before any of it leaves.
    pub receipt: bool,
    /// Later it is of no use.
    pub deadline: Instant,
    /// Whether somebody waits for it.
    pub urgency: Urgency,
}

impl Desk {
    pub(super) fn marks(&self, question: &Question, digest: [u8; 16]) -> Marks {
        Marks {
            official: self.keyring.official_pseudonym(question.portal, &question.official),
            person: self.keyring.row_key(question.person.number),
            question: digest,
        }
    }

    /// The item that carries a decision into the log, what was decided, and the addendum sealed in it. Nothing in the item is in clear
    /// (promise P5).
    pub(super) fn item(
        &self,
        question: &Question,
        marks: &Marks,
        decided: Decided,
        urgency: Urgency,
    ) -> Result<(Item, Outcome, Addendum), ErrorNumber> {
        let Decided { decision, grounds, misses, basis, granted_until_ms, .. } = decided;
        let decided_at_ms = self.clock.now_ms();
        let official = marks.official;
        let salts = draft::Salts {
            subject: Salt(env::random()),
            statements: (0..draft::statement_count(&decision.outcome, &question.claims))
                .map(|_| Salt(env::random()))
                .collect(),
        };
        let addendum = draft::addendum(question, &decision, &salts, decided_at_ms);
        let (person, own_key) = self.person(marks.person)?;
        let envelope = self.keyring.seal_addendum(&addendum, Some(&own_key)).map_err(internal)?;
        let context = draft::Context { official, grounds, addendum_digest: Envelope::digest(&envelope) };
        let leaf = draft::leaf(question, &decision, &salts, &context);
        // Refusals need no budget: they must find their way into the log when it is spent.
        let miss = misses.map(|limits| Miss { official, limits, points: decision.miss_points() });
        let (read, remember) = match basis {
            Basis::Nothing => (None, None),
            Basis::Read(read) => (Some(read), None),
            Basis::Said(change) => (None, Some(change)),
        };
        let request = RequestKey { id: question.request_id, portal: question.portal };
        let register_revision = grounds.register_revision;
        let dossier = self.keyring.dossier_mark(&question.dossier);
        let person = Some(person);
        let entry = Entry {
            leaf,
            envelope,
            request,
            person,
            dossier,
            question: marks.question,
            register_revision,
            miss,
            granted_until_ms,
        };
        let ticket = self.submitter.ticket(urgency);
        Ok((Item { ticket, decided_at_ms, remember, read, entry }, decision.outcome, addendum))
    }
}
