//! A question, parsed: inside, no field can be wrong.

use xacminh_proto::vocab::{
    AttributeSet, BirthDate, Claim, ClaimKind, DossierId, FullName, OfficialId, PersonNumber, PortalId, ProcedureCode,
    RequestId,
};

use crate::matching::{
    dates,
    names::{self, NameThreshold},
};

/// A question about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The caller's name for this request.
    pub request_id: RequestId,
    /// The portal, from its certificate.
    pub portal: PortalId,
    /// The official who asks.
    pub official: OfficialId,
    /// The dossier.
    pub dossier: DossierId,
    /// The procedure that is to allow it.
    pub procedure: ProcedureCode,
    /// Whom it is about.
    pub person: PersonKeys,
    /// Statements to check.
    pub claims: Vec<Claim>,
    /// Values asked for.
    pub attributes: AttributeSet,
    /// Oldest record the caller accepts, milliseconds.
    pub max_age_ms: Option<u64>,
}

/// The three keys that name a person: number, full name, birth date (Decree 70/2024 article 10).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PersonKeys {
    /// Citizen number or old number.
    pub number: PersonNumber,
    /// Full name.
    pub name: FullName,
    /// Birth date or year.
    pub birth: BirthDate,
}

impl PersonKeys {
    /// Whether some procedure would take these keys for those of a person with this name and birth date; a birth date that
    /// is not known is left aside.
    #[must_use]
    pub fn may_name(&self, name: &FullName, birth: Option<BirthDate>) -> bool {
        let birth = birth.is_none_or(|birth| dates::key_matches(self.birth, birth));
        names::key_matches(&self.name, name, NameThreshold::Unsigned) & birth
    }
}

impl Question {
    /// What is asked for, as the leaf tells it: attributes in bits 0–31, claim kinds in bits 32–63.
    #[must_use]
    pub fn fields(&self) -> u64 {
        const { assert!(ClaimKind::ALL.len() <= 32, "claim kinds have 32 bits in the leaf") };
        self.attributes.bits() | (u64::from(self.claim_bits()) << 32)
    }

    /// The kinds of claims it makes, one bit each.
    #[must_use]
    pub fn claim_bits(&self) -> u32 {
        self.claims.iter().map(|claim| claim.kind().bit()).fold(0, |set, bit| set | bit)
    }
}
