//! Whether one question may be asked, and under which terms.

use xacminh_proto::vocab::{
    Attribute, AttributeClass, AttributeSet, ClaimKind, ErrorNumber, OfficialId, ProcedureCode,
};

use crate::{command::MissLimits, matching::names::NameThreshold, question::Question};

use super::{Portal, Procedure, Register, Visibility};

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
    /// When what was granted to portal and official ends, Unix milliseconds; never if none. Asked again at apply, by the
    /// leader's stamp.
    pub granted_until_ms: Option<u64>,
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

/// Checks a question against the register: who asks, for which procedure, what, and whether the time granted for it is
/// over at `now_ms`.
///
/// # Errors
/// The number of the first rule that forbids it, from the caller inwards.
pub fn permit(question: &Question, register: &Register, now_ms: u64) -> Result<Permit, ErrorNumber> {
    let portal = register.portal(question.portal).ok_or(ErrorNumber::PortalUnknown)?;
    let fields = Fields { claims: question.claim_bits(), attributes: question.attributes };
    let find = || register.procedure(&question.procedure);
    let (procedure, granted_until_ms) = rule(portal, Asker::Named(&question.official), find, fields, now_ms)?;
    let contract_ms = max_age_ms(fields, procedure);
    Ok(Permit {
        purpose: procedure.purpose,
        procedure: procedure.id,
        register_revision: register.revision,
        max_age_ms: question.max_age_ms.map_or(contract_ms, |wished_ms| wished_ms.min(contract_ms)),
        name_threshold: procedure.name_threshold,
        misses: portal.misses,
        questions_in_flight_max: portal.questions_in_flight_max,
        attributes: question.attributes,
        visibility: procedure.visibility,
        granted_until_ms,
    })
}

/// What is asked for, as a leaf tells it.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    /// Bits of claim kinds.
    pub(super) claims: u32,
    /// Attributes.
    pub(super) attributes: AttributeSet,
}

/// Who asks, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker<'a> {
    /// This official.
    Named(&'a OfficialId),
    /// An official of no register at hand.
    Stranger,
    /// Somebody to whom no rule about officials is to be applied.
    Anybody,
}

/// The rules in their order, from the caller inwards.
///
/// Gives the procedure, and when what was granted ends.
pub(super) fn rule<'a>(
    portal: &Portal,
    asker: Asker<'_>,
    procedure: impl FnOnce() -> Option<&'a Procedure>,
    fields: Fields,
    now_ms: u64,
) -> Result<(&'a Procedure, Option<u64>), ErrorNumber> {
    if portal.suspended {
        return Err(ErrorNumber::PortalSuspended);
    }
    let enrolled = match asker {
        Asker::Named(official) => portal.enrolled(official),
        Asker::Stranger => false,
        Asker::Anybody => true,
    };
    if !enrolled {
        return Err(ErrorNumber::OfficialUnknown);
    }
    let procedure = procedure().ok_or(ErrorNumber::ProcedureUnknown)?;
    if !portal.may_use(procedure) {
        return Err(ErrorNumber::ProcedureNotGranted);
    }
    let until_ms = match asker {
        Asker::Named(official) if !portal.granted(official, procedure) => return Err(ErrorNumber::OfficialNotGranted),
        Asker::Named(official) => portal.granted_until_ms(official, procedure),
        Asker::Stranger | Asker::Anybody => portal.until_ms(procedure),
    };
    if until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
        return Err(ErrorNumber::GrantEnded);
    }
    if fields.claims & !procedure.claims != 0 {
        return Err(ErrorNumber::ClaimNotAllowed);
    }
    if !fields.attributes.without(procedure.attributes).is_empty() {
        return Err(ErrorNumber::AttributeNotAllowed);
    }
    Ok((procedure, until_ms))
}

/// The tightest age over what is touched. Identity always is: the three keys are compared with it.
pub(super) fn max_age_ms(fields: Fields, procedure: &Procedure) -> u64 {
    let claimed = ClaimKind::ALL.into_iter().filter(|kind| fields.claims & kind.bit() != 0).map(ClaimKind::class);
    let disclosed = fields.attributes.iter().map(Attribute::class);
    let classes = claimed.chain(disclosed).chain([AttributeClass::Identity]);
    // A class without an age cannot be asked for; if it could, nothing remembered would be young enough.
    classes.map(|class| procedure.max_age_ms(class).unwrap_or(0)).min().unwrap_or(0)
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
