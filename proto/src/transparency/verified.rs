//! What a verified receipt says.

use super::{
    Leaf, LeafKind, LeafVerdict,
    disclosure::Disclosed,
    policy::{Accepted, Cosigner},
    statement::{Stated, Statement},
};
use crate::vocab::{AttributeSet, ClaimKind, PersonNumber, PortalId, RequestId, Verdict};

/// A receipt that holds: only [`Receipt::verify`](super::Receipt::verify) makes one.
///
/// **What is authenticated.** The log of this origin committed, at this position, to exactly this leaf; the leaf commits
/// to exactly these statements and, if shown, to this person's number. Times are the log's own: the leader's clock for
/// the leaf, the authority's answer for `as_of_ms`. Cosigners saw the log this far and consistent with what they saw
/// before. **What is not**: that the authority's record is right; who stands behind the official's pseudonym, which only
/// the inspectorate can tell; and anything about statements that were left closed, but that they exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    disclosed: Disclosed,
    position: u64,
    accepted: Accepted,
}

/// How a leaf contradicts what it commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Something is answered that the leaf's bitmap says was not asked.
    #[error("something was answered that was not asked")]
    NotAsked,
    /// The leaf's verdict is not the one that follows from its statements.
    #[error("its verdict does not follow from them")]
    Verdict,
    /// An answer that confirms nobody makes statements about somebody.
    #[error("statements about nobody")]
    Nobody,
}

impl Verified {
    pub(super) const fn new(disclosed: Disclosed, position: u64, accepted: Accepted) -> Self {
        Self { disclosed, position, accepted }
    }

    /// The leaf.
    #[must_use]
    pub const fn leaf(&self) -> &Leaf {
        &self.disclosed.leaf
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> LeafKind {
        self.disclosed.leaf.kind
    }

    /// Who asked: the portal.
    #[must_use]
    pub const fn portal(&self) -> PortalId {
        self.disclosed.leaf.portal
    }

    /// Who asked: the official, by a pseudonym that the inspectorate can open.
    #[must_use]
    pub const fn official(&self) -> &[u8; 16] {
        &self.disclosed.leaf.official
    }

    /// What for: the purpose's number in the register.
    #[must_use]
    pub const fn purpose(&self) -> u16 {
        self.disclosed.leaf.purpose
    }

    /// What for: the procedure's number in the register.
    #[must_use]
    pub const fn procedure(&self) -> u32 {
        self.disclosed.leaf.procedure
    }

    /// Which request it answers.
    #[must_use]
    pub const fn request_id(&self) -> RequestId {
        self.disclosed.leaf.request_id
    }

    /// What was asked: kinds of claims.
    pub fn claims_asked(&self) -> impl Iterator<Item = ClaimKind> {
        let kinds = claim_bits(&self.disclosed.leaf);
        ClaimKind::ALL.into_iter().filter(move |kind| kinds & u64::from(kind.bit()) != 0)
    }

    /// What was asked: attributes that this version knows.
    #[must_use]
    pub fn attributes_asked(&self) -> AttributeSet {
        asked(&self.disclosed.leaf)
    }

    /// About whom, if the number was opened.
    #[must_use]
    pub const fn subject(&self) -> Option<PersonNumber> {
        self.disclosed.subject
    }

    /// The verdict as the leaf tells it, whatever was opened.
    #[must_use]
    pub const fn verdict(&self) -> LeafVerdict {
        self.disclosed.leaf.verdict
    }

    /// The outcome, if it was opened.
    #[must_use]
    pub fn outcome(&self) -> Option<Stated> {
        stated(&self.disclosed)
    }

    /// Every opened statement: outcome, claims with their verdicts, attributes.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.disclosed.statements
    }

    /// How many statements were left closed.
    #[must_use]
    pub const fn closed(&self) -> usize {
        self.disclosed.closed
    }

    /// When the leader stamped the leaf, Unix milliseconds.
    #[must_use]
    pub const fn at_ms(&self) -> u64 {
        self.disclosed.leaf.time_ms
    }

    /// When the record was read from the authority, Unix milliseconds, if a confirmed outcome was opened.
    #[must_use]
    pub fn as_of_ms(&self) -> Option<u64> {
        match self.outcome() {
            Some(Stated::Confirmed { as_of_ms, .. }) => Some(as_of_ms),
            _ => None,
        }
    }

    /// Where the leaf stands in the log, from 0.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.accepted.checkpoint().origin()
    }

    /// Leaves in the log when the checkpoint was signed.
    #[must_use]
    pub const fn log_size(&self) -> u64 {
        self.accepted.checkpoint().size()
    }

    /// Witnesses of the policy whose cosignatures hold.
    #[must_use]
    pub fn cosigners(&self) -> &[Cosigner] {
        self.accepted.cosigners()
    }
}

/// Whether a leaf contradicts its opened statements.
pub(super) fn contradiction(disclosed: &Disclosed) -> Option<Contradiction> {
    let leaf = &disclosed.leaf;
    let is_asked = |statement: &Statement| match statement {
        Statement::Outcome(_) => true,
        Statement::Claim { claim, .. } => claim_bits(leaf) & u64::from(claim.kind().bit()) != 0,
        Statement::Attribute(attribute, _) => asked(leaf).contains(*attribute),
    };
    if !disclosed.statements.iter().all(is_asked) {
        return Some(Contradiction::NotAsked);
    }
    let tells_of_somebody = disclosed.statements.iter().any(|statement| !matches!(statement, Statement::Outcome(_)));
    let outcome = stated(disclosed);
    if tells_of_somebody && !matches!(outcome, None | Some(Stated::Confirmed { .. })) {
        return Some(Contradiction::Nobody);
    }
    let any = |is: fn(&Verdict) -> bool| {
        disclosed.statements.iter().any(|it| matches!(it, Statement::Claim { verdict, .. } if is(verdict)))
    };
    let no_match = any(|verdict| matches!(verdict, Verdict::NoMatch));
    let cannot_tell = any(|verdict| matches!(verdict, Verdict::Undetermined(_)));
    let follows = match outcome {
        Some(Stated::NotConfirmed) => leaf.verdict == LeafVerdict::NoMatch,
        Some(Stated::Undetermined(_)) => leaf.verdict == LeafVerdict::Undetermined,
        Some(Stated::Refused(_)) => leaf.verdict == LeafVerdict::Refused,
        // A claim that was left closed may have turned the verdict, an opened one must have.
        Some(Stated::Confirmed { .. }) | None => match leaf.verdict {
            LeafVerdict::Match => !no_match && !cannot_tell,
            LeafVerdict::Undetermined => !no_match && (cannot_tell || disclosed.closed > 0),
            LeafVerdict::NoMatch => no_match || disclosed.closed > 0,
            LeafVerdict::None | LeafVerdict::Refused => disclosed.statements.is_empty(),
        },
    };
    let kind_agrees = (leaf.kind == LeafKind::Refused) == (leaf.verdict == LeafVerdict::Refused);
    if follows && kind_agrees { None } else { Some(Contradiction::Verdict) }
}

fn stated(disclosed: &Disclosed) -> Option<Stated> {
    match disclosed.statements.first() {
        Some(Statement::Outcome(stated)) => Some(*stated),
        _ => None,
    }
}

const fn claim_bits(leaf: &Leaf) -> u64 {
    leaf.fields >> 32
}

fn asked(leaf: &Leaf) -> AttributeSet {
    let bits = leaf.fields & u64::from(u32::MAX);
    crate::vocab::Attribute::ALL.into_iter().filter(|attribute| bits >> *attribute as u8 & 1 == 1).collect()
}
