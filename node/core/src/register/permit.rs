//! Whether one question may be asked, and under which terms.

use xacminh_proto::vocab::{AttributeClass, AttributeSet, ErrorNumber, ProcedureCode};

use crate::{command::MissLimits, matching::names::NameThreshold, question::Question};

use super::{Procedure, Register, Visibility};

/// The terms under which a question may be asked. Only [`permit`] makes one: whoever holds it has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permit {
    /// What the procedure processes personal data for.
    pub purpose: u16,
    /// The procedure's number.
    pub procedure: u32,
    /// Revision of the register that permits it.
    pub register_revision: u64,
    /// How old the record may be: the tightest over the caller's wish and every class the question touches.
    pub max_age_ms: u64,
    /// Names that count as the same.
    pub name_threshold: NameThreshold,
    /// Misses the official, the portal and everybody may have.
    pub misses: MissLimits,
    /// Questions the portal may have in flight at one node.
    pub questions_in_flight_max: u32,
    /// The attributes that are both asked for and allowed.
    pub attributes: AttributeSet,
    /// When the citizen sees the question.
    pub visibility: Visibility,
}

/// What a leaf says about the rules its question was decided under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grounds {
    /// Purpose of the procedure; 0 if the register does not know it.
    pub purpose: u16,
    /// Number of the procedure; 0 if the register does not know it.
    pub procedure: u32,
    /// Revision of the register.
    pub register_revision: u64,
}

/// Checks a question against the register: who asks, for which procedure, and what.
///
/// # Errors
/// The number of the first rule that forbids it, from the caller inwards.
pub fn permit(question: &Question, register: &Register) -> Result<Permit, ErrorNumber> {
    let portal = register.portal(question.portal).ok_or(ErrorNumber::PortalUnknown)?;
    if portal.suspended {
        return Err(ErrorNumber::PortalSuspended);
    }
    if !portal.enrolled(&question.official) {
        return Err(ErrorNumber::OfficialUnknown);
    }
    let procedure = register.procedure(&question.procedure).ok_or(ErrorNumber::ProcedureUnknown)?;
    if !portal.may_use(procedure) {
        return Err(ErrorNumber::ProcedureNotGranted);
    }
    if !portal.granted(&question.official, procedure) {
        return Err(ErrorNumber::OfficialNotGranted);
    }
    if !question.claims.iter().all(|claim| procedure.allows(claim.kind())) {
        return Err(ErrorNumber::ClaimNotAllowed);
    }
    if !question.attributes.without(procedure.attributes).is_empty() {
        return Err(ErrorNumber::AttributeNotAllowed);
    }
    Ok(Permit {
        purpose: procedure.purpose,
        procedure: procedure.id,
        register_revision: register.revision,
        max_age_ms: max_age_ms(question, procedure),
        name_threshold: procedure.name_threshold,
        misses: portal.misses,
        questions_in_flight_max: portal.questions_in_flight_max,
        attributes: question.attributes,
        visibility: procedure.visibility,
    })
}

/// The tightest age over what the question touches. Identity is always touched: the three keys are compared with it.
fn max_age_ms(question: &Question, procedure: &Procedure) -> u64 {
    let claimed = question.claims.iter().map(|claim| claim.kind().class());
    let disclosed = question.attributes.iter().map(|attribute| attribute.class());
    let classes = claimed.chain(disclosed).chain([AttributeClass::Identity]);
    // A class without an age cannot be asked for; if it could, nothing remembered would be young enough.
    let contract = classes.map(|class| procedure.max_age_ms(class).unwrap_or(0)).min().unwrap_or(0);
    question.max_age_ms.map_or(contract, |wished| wished.min(contract))
}

impl Permit {
    /// What the leaf says about the rules.
    #[must_use]
    pub const fn grounds(&self) -> Grounds {
        Grounds { purpose: self.purpose, procedure: self.procedure, register_revision: self.register_revision }
    }
}

impl Register {
    /// What the leaf of a refused question says about the rules: the procedure may be unknown.
    #[must_use]
    pub fn grounds(&self, procedure: &ProcedureCode) -> Grounds {
        let known = self.procedure(procedure);
        Grounds {
            purpose: known.map_or(0, |procedure| procedure.purpose),
            procedure: known.map_or(0, |procedure| procedure.id),
            register_revision: self.revision,
        }
    }
}
