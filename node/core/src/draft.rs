//! From a decision to the parts of its audit entry: commitments, addendum, leaf.
//!
//! ```text
//! statements(outcome, claims) ── with a salt each ──→ attributes root ─┐
//! number asked about ── with its salt ──→ subject ─────────────────────┼─→ leaf, unstamped
//! addendum (number, official, salts, outcome) ── sealed outside ── digest ─┘
//! ```
//!
//! The order is: count the statements, draw the salts, write the addendum, seal it, write the leaf over its digest.
//! Sealing and drawing happen outside: this room knows neither a key nor chance.

use std::fmt;

use xacminh_proto::{
    transparency::{
        Addendum, Hash, Leaf, LeafBytes, LeafKind, LeafVerdict, Opening, Salt, attribute_commitment, attributes_root,
        statements, subject_commitment,
    },
    vocab::{Claim, Outcome, PersonNumber, Verdict},
};

use crate::{decide::Decision, question::Question, register::Grounds};

/// Fresh random salts for one leaf. They open commitments: only the sealed addendum and receipts hold them.
#[derive(Clone, PartialEq, Eq)]
pub struct Salts {
    /// Of the commitment to the person asked about.
    pub subject: Salt,
    /// One for each statement, in order: see [`statement_count`].
    pub statements: Vec<Salt>,
}

/// What a leaf holds besides question and decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Pseudonym of the official, under an epoch key.
    pub official: [u8; 16],
    /// The rules decided under: of the permit, or of the register for a question it refuses.
    pub grounds: Grounds,
    /// SHA-256 of the sealed addendum.
    pub addendum_digest: Hash,
}

/// How many salts the statements of an outcome need: one for the outcome itself, each claim and each attribute.
#[must_use]
pub fn statement_count(outcome: &Outcome, claims: &[Claim]) -> usize {
    match outcome {
        Outcome::Confirmed { attributes, .. } => 1 + claims.len() + attributes.len(),
        Outcome::NotConfirmed | Outcome::Undetermined(_) | Outcome::Refused(_) => 1,
    }
}

/// The verdict as the leaf tells it.
///
/// A confirmed question with any `no match` is no match; else with any `cannot tell`, undetermined.
#[must_use]
pub fn leaf_verdict(outcome: &Outcome) -> LeafVerdict {
    match outcome {
        Outcome::Confirmed { verdicts, .. } => {
            let any = |is: fn(&Verdict) -> bool| verdicts.iter().any(|verdict| is(&verdict.verdict));
            if any(|verdict| matches!(verdict, Verdict::NoMatch)) {
                LeafVerdict::NoMatch
            } else if any(|verdict| matches!(verdict, Verdict::Undetermined(_))) {
                LeafVerdict::Undetermined
            } else {
                LeafVerdict::Match
            }
        }
        Outcome::NotConfirmed => LeafVerdict::NoMatch,
        Outcome::Undetermined(_) => LeafVerdict::Undetermined,
        Outcome::Refused(_) => LeafVerdict::Refused,
    }
}

/// What an auditor may read about the leaf, in clear: to be sealed before it goes anywhere.
#[must_use]
pub fn addendum(question: &Question, decision: &Decision, salts: &Salts, decided_at_ms: u64) -> Addendum {
    Addendum {
        number: match question.person.number {
            PersonNumber::Citizen(number) => number.reveal(),
            PersonNumber::Old(number) => number.reveal(),
        },
        official: question.official.as_str().to_owned(),
        dossier: question.dossier.as_str().to_owned(),
        procedure: question.procedure.as_str().to_owned(),
        decided_at_ms,
        as_of_ms: decision.as_of_ms(),
        subject_salt: salts.subject,
        salts: salts.statements.clone(),
        claims: question.claims.clone(),
        outcome: Some(decision.outcome.clone()),
    }
}

/// What opens every commitment of a leaf, from its addendum: what a receipt holds.
///
/// The statements are those of [`leaf`], in the same order with the same salts.
#[must_use]
pub fn openings(addendum: &Addendum) -> Vec<Opening> {
    let Some(outcome) = &addendum.outcome else { return Vec::new() };
    let opening = |((name, value), salt): ((String, Vec<u8>), &Salt)| Opening { name, salt: *salt, value };
    statements(outcome, &addendum.claims).into_iter().zip(&addendum.salts).map(opening).collect()
}

/// The leaf, with time 0 and without link: the leader stamps it when it is proposed, apply links it.
///
/// # Panics
/// When there is not one salt for each statement: a commitment without its own salt would give its value away.
#[must_use]
pub fn leaf(question: &Question, decision: &Decision, salts: &Salts, context: &Context) -> LeafBytes {
    let refused = matches!(decision.outcome, Outcome::Refused(_));
    // Registers whose revision a leaf cannot hold are refused where they are parsed.
    let register_revision = u32::try_from(context.grounds.register_revision).expect("a parsed revision fits");
    Leaf {
        kind: if refused { LeafKind::Refused } else { LeafKind::Disclosed },
        time_ms: 0,
        request_id: question.request_id,
        portal: question.portal,
        official: context.official,
        purpose: context.grounds.purpose,
        procedure: context.grounds.procedure,
        register_revision,
        fields: question.fields(),
        verdict: leaf_verdict(&decision.outcome),
        subject: subject(&question.person.number, &salts.subject),
        attributes_root: root(&decision.outcome, &question.claims, &salts.statements),
        addendum_digest: context.addendum_digest,
        record_version: decision.record_version,
        // Written at apply, when it is known which leaf of the person's is the one before.
        previous: [0; 32],
    }
    .encode()
}

fn subject(number: &PersonNumber, salt: &Salt) -> Hash {
    match number {
        PersonNumber::Citizen(number) => subject_commitment(salt, &number.digits()),
        PersonNumber::Old(number) => subject_commitment(salt, &number.digits()),
    }
}

fn root(outcome: &Outcome, claims: &[Claim], salts: &[Salt]) -> Hash {
    let statements = statements(outcome, claims);
    assert_eq!(statements.len(), salts.len(), "every statement has its own salt");
    let commitment = |((name, value), salt): (&(String, Vec<u8>), &Salt)| attribute_commitment(name, salt, value);
    let mut commitments: Vec<Hash> = statements.iter().zip(salts).map(commitment).collect();
    attributes_root(&mut commitments)
}

impl fmt::Debug for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salts(…)")
    }
}
