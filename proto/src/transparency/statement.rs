//! Canonical statements read back: what an opened commitment says.
//!
//! The layout is that of [`statements`](super::statements). Every statement has one spelling: bytes that would be
//! written otherwise are none.

use std::{fmt, str};

use super::canonical::{of_claim, of_value};
use crate::vocab::{
    Address, AsOf, Attribute, BirthDate, CLAIMS_MAX, CardAddress, Cause, CitizenNumber, Claim, ClaimKind, ClaimVerdict,
    Date, ErrorNumber, FullName, Living, Marital, OldNumber, Place, Reason, ResidenceKind, Sex, Value, Verdict, text,
};

/// What a statement is about; the order is that in which salts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatementName {
    /// `outcome`
    Outcome,
    /// `claim/<i>/<kind>`
    Claim(u8, ClaimKind),
    /// `attribute/<name>`
    Attribute(Attribute),
}

/// One statement of an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The outcome as a whole.
    Outcome(Stated),
    /// A claim with its verdict.
    Claim {
        /// Its place in the question, from 0.
        index: u8,
        /// What was claimed.
        claim: Claim,
        /// What the record says of it.
        verdict: Verdict,
        /// Why.
        reason: Reason,
    },
    /// A disclosed attribute.
    Attribute(Attribute, Value),
}

/// The outcome as a whole, as its statement says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// The three keys name one person.
    Confirmed {
        /// When the record was read from the authority, Unix milliseconds.
        as_of_ms: u64,
        /// Whether the number asked about was cancelled and another one's record confirmed.
        reissued: bool,
    },
    /// They do not.
    NotConfirmed,
    /// It cannot be told: the ground for accepting paper.
    Undetermined(Cause),
    /// The rules do not allow the question.
    Refused(ErrorNumber),
}

/// Why an opened commitment is not read. The statement itself is never part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// No statement has this name, or this version does not know it.
    #[error("a statement has an unknown name")]
    Name,
    /// No statement of this name has these bytes, or this version does not know what they mean.
    #[error("a statement has an unknown value")]
    Value,
}

impl StatementName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`StatementError::Name`].
    pub fn parse(name: &str) -> Result<Self, StatementError> {
        let parsed = match name.split_once('/') {
            None if name == "outcome" => Some(Self::Outcome),
            Some(("attribute", attribute)) => Attribute::by_name(attribute).map(Self::Attribute),
            Some(("claim", rest)) => rest.split_once('/').and_then(|(index, kind)| {
                let index = index.parse().ok().filter(|index| usize::from(*index) < CLAIMS_MAX)?;
                Some(Self::Claim(index, ClaimKind::by_name(kind)?))
            }),
            _ => None,
        };
        // One spelling: no leading zeros and no sign.
        parsed.filter(|parsed| parsed.to_string() == name).ok_or(StatementError::Name)
    }
}

impl fmt::Display for StatementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome => f.write_str("outcome"),
            Self::Claim(index, kind) => write!(f, "claim/{index}/{}", kind.name()),
            Self::Attribute(attribute) => write!(f, "attribute/{}", attribute.name()),
        }
    }
}

impl Statement {
    /// Reads the value of a statement.
    ///
    /// # Errors
    /// [`StatementError::Value`].
    pub fn read(name: StatementName, value: &[u8]) -> Result<Self, StatementError> {
        match name {
            StatementName::Outcome => stated(value).map(Self::Outcome),
            StatementName::Claim(index, kind) => claim(kind, value)
                .filter(|(verdict, claim)| of_claim(verdict, claim) == value)
                .map(|(verdict, claim)| Self::Claim { index, claim, verdict: verdict.verdict, reason: verdict.reason }),
            StatementName::Attribute(attribute) => {
                self::value(value).filter(|read| of_value(read) == value).map(|value| Self::Attribute(attribute, value))
            }
        }
        .ok_or(StatementError::Value)
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> StatementName {
        match self {
            Self::Outcome(_) => StatementName::Outcome,
            Self::Claim { index, claim, .. } => StatementName::Claim(*index, claim.kind()),
            Self::Attribute(attribute, _) => StatementName::Attribute(*attribute),
        }
    }
}

fn stated(value: &[u8]) -> Option<Stated> {
    match value.split_first()? {
        (kind @ (1 | 5), as_of) => {
            Some(Stated::Confirmed { as_of_ms: u64::from_be_bytes(as_of.try_into().ok()?), reissued: *kind == 5 })
        }
        (2, []) => Some(Stated::NotConfirmed),
        (3, number) => cause(number).map(Stated::Undetermined),
        (4, number) => error_number(number).map(Stated::Refused),
        _ => None,
    }
}

fn claim(kind: ClaimKind, value: &[u8]) -> Option<(ClaimVerdict, Claim)> {
    let (&[verdict, n0, n1, r0, r1], argument) = value.split_first_chunk::<5>()?;
    let verdict = match (verdict, [n0, n1]) {
        (1, [0, 0]) => Verdict::Match,
        (2, [0, 0]) => Verdict::NoMatch,
        (3, number) => Verdict::Undetermined(cause(&number)?),
        _ => return None,
    };
    let number = u16::from_be_bytes([r0, r1]);
    let reason = Reason::ALL.into_iter().find(|reason| reason.number() == number)?;
    Some((ClaimVerdict { kind, verdict, reason }, argument_of(kind, argument)?))
}

fn argument_of(kind: ClaimKind, bytes: &[u8]) -> Option<Claim> {
    let citizen = || CitizenNumber::parse(str::from_utf8(bytes).ok()?).ok();
    Some(match kind {
        ClaimKind::FullName => Claim::FullName(FullName::parse(str::from_utf8(bytes).ok()?).ok()?),
        ClaimKind::BirthDate => Claim::BirthDate(birth(bytes)?),
        ClaimKind::Sex => Claim::Sex(sex(bytes)?),
        ClaimKind::Nationality => {
            let letters: [u8; 2] = bytes.try_into().ok()?;
            Claim::Nationality(Some(letters).filter(|letters| letters.iter().all(u8::is_ascii_uppercase))?)
        }
        ClaimKind::AgeAtLeast => {
            let (years, on) = age(bytes)?;
            Claim::AgeAtLeast { years, on }
        }
        ClaimKind::Residence => residence(bytes)?,
        ClaimKind::MaritalStatus => Claim::MaritalStatus(marital(bytes)?),
        ClaimKind::LivingStatus => Claim::LivingStatus(living(bytes)?),
        ClaimKind::OldNumber => Claim::OldNumber(OldNumber::parse(str::from_utf8(bytes).ok()?).ok()?),
        ClaimKind::CardIssued => Claim::CardIssued(day(bytes)?),
        ClaimKind::CardExpires => Claim::CardExpires(day(bytes)?),
        ClaimKind::ParentOf => Claim::ParentOf(citizen()?),
        ClaimKind::ChildOf => Claim::ChildOf(citizen()?),
        ClaimKind::SpouseOf => Claim::SpouseOf(citizen()?),
        ClaimKind::GuardianOf => Claim::GuardianOf(citizen()?),
        ClaimKind::HeadOfHousehold => Claim::HeadOfHousehold,
        ClaimKind::SameHousehold => Claim::SameHousehold(citizen()?),
        ClaimKind::AgeAtMost => {
            let (years, on) = age(bytes)?;
            Claim::AgeAtMost { years, on }
        }
        ClaimKind::CardNumber => Claim::CardNumber(citizen()?),
        ClaimKind::CardValid => Claim::CardValid(day_if_any(bytes)?),
        ClaimKind::CardAddress => Claim::CardAddress(CardAddress::parse(str::from_utf8(bytes).ok()?).ok()?),
    })
}

fn age(bytes: &[u8]) -> Option<(u8, Option<Date>)> {
    let (&years, on) = bytes.split_first()?;
    Some((years, day_if_any(on)?))
}

/// The outer none is bytes that are no day.
fn day_if_any(bytes: &[u8]) -> Option<Option<Date>> {
    if bytes.is_empty() { Some(None) } else { day(bytes).map(Some) }
}

fn residence(bytes: &[u8]) -> Option<Claim> {
    let (kind, rest) = bytes.split_first()?;
    let kind = match kind {
        1 => ResidenceKind::Permanent,
        2 => ResidenceKind::Temporary,
        3 => ResidenceKind::Current,
        _ => return None,
    };
    let (place, rest) = place(rest)?;
    let (parts, rest) = rest.split_first()?;
    let (as_of, rest) =
        if parts & 2 == 0 { (None, rest) } else { as_of(rest).map(|(as_of, rest)| (Some(as_of), rest))? };
    let detail = match (parts & !2, rest) {
        (0, []) => None,
        (1, detail) => Some(plain(detail)?),
        _ => return None,
    };
    Some(Claim::Residence { kind, place, as_of, detail })
}

/// A day and a district, 0 for none.
fn as_of(bytes: &[u8]) -> Option<(AsOf, &[u8])> {
    let (on, rest) = bytes.split_first_chunk::<10>()?;
    let (district, rest) = rest.split_first_chunk()?;
    let district = Some(u16::from_be_bytes(*district)).filter(|code| *code != 0);
    Some((AsOf::new(day(on)?, district).ok()?, rest))
}

fn value(bytes: &[u8]) -> Option<Value> {
    let (tag, body) = bytes.split_first()?;
    Some(match tag {
        0 => Value::Absent,
        1 => Value::Text(plain(body)?),
        2 => Value::Birth(birth(body)?),
        3 => Value::Day(day(body)?),
        4 => Value::Sex(sex(body)?),
        5 => Value::Marital(marital(body)?),
        6 => Value::Living(living(body)?),
        7 => Value::Citizen(CitizenNumber::parse(str::from_utf8(body).ok()?).ok()?),
        8 => Value::Old(OldNumber::parse(str::from_utf8(body).ok()?).ok()?),
        9 => {
            let (place, rest) = place(body)?;
            let (before, detail) = rest.split_first_chunk()?;
            let before = Some(u32::from_be_bytes(*before)).filter(|commune| *commune != 0);
            Value::Address(Address { place, detail: plain(detail)?, commune_before_2025: before }.checked().ok()?)
        }
        _ => return None,
    })
}

fn place(bytes: &[u8]) -> Option<(Place, &[u8])> {
    let (province, rest) = bytes.split_first()?;
    let (commune, rest) = rest.split_first_chunk()?;
    let commune = Some(u32::from_be_bytes(*commune)).filter(|commune| *commune != 0);
    Some((Place::new(*province, commune).ok()?, rest))
}

fn plain(bytes: &[u8]) -> Option<String> {
    str::from_utf8(bytes).ok().filter(|detail| text::check(detail).is_ok()).map(str::to_owned)
}

fn birth(bytes: &[u8]) -> Option<BirthDate> {
    BirthDate::parse(str::from_utf8(bytes).ok()?).ok()
}

fn day(bytes: &[u8]) -> Option<Date> {
    Date::parse(str::from_utf8(bytes).ok()?).ok()
}

fn sex(bytes: &[u8]) -> Option<Sex> {
    match bytes {
        [0] => Some(Sex::Unknown),
        [1] => Some(Sex::Male),
        [2] => Some(Sex::Female),
        _ => None,
    }
}

fn marital(bytes: &[u8]) -> Option<Marital> {
    match bytes {
        [0] => Some(Marital::Unknown),
        [1] => Some(Marital::Single),
        [2] => Some(Marital::Married),
        [3] => Some(Marital::DivorcedOrWidowed),
        _ => None,
    }
}

fn living(bytes: &[u8]) -> Option<Living> {
    match bytes {
        [1] => Some(Living::Alive),
        [2] => Some(Living::Dead),
        [3] => Some(Living::Missing),
        _ => None,
    }
}

fn cause(bytes: &[u8]) -> Option<Cause> {
    let number = error_number(bytes)?;
    Cause::ALL.into_iter().find(|cause| cause.number() == number)
}

fn error_number(bytes: &[u8]) -> Option<ErrorNumber> {
    ErrorNumber::try_from(u16::from_be_bytes(bytes.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &[u8]) -> Result<Statement, StatementError> {
        Statement::read(StatementName::parse(name)?, value)
    }

    #[test]
    fn names_have_one_spelling() {
        for name in ["outcome", "claim/0/sex", "claim/15/age_at_least", "attribute/full_name"] {
            assert_eq!(StatementName::parse(name).map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for name in [
            "",
            "Outcome",
            "outcome/",
            "claim/16/sex",
            "claim/00/sex",
            "claim/+1/sex",
            "claim/1",
            "claim/1/",
            "claim//sex",
            "claim/1/shoe_size",
            "claim/1/sex/",
            "attribute/",
            "attribute/shoe_size",
            "attribute",
            "subject",
        ] {
            assert_eq!(StatementName::parse(name), Err(StatementError::Name), "{name}");
        }
        let ordered = ["outcome", "claim/2/sex", "claim/10/full_name", "attribute/full_name", "attribute/sex"];
        assert!(ordered.map(|name| StatementName::parse(name).expect("a name")).is_sorted());
    }

    #[test]
    fn outcomes() {
        let said = |bytes: &[u8]| read("outcome", bytes);
        let as_of_ms = 1_803_859_200_123;
        let confirmed = [&[1][..], &u64::to_be_bytes(as_of_ms)].concat();
        assert_eq!(said(&confirmed), Ok(Statement::Outcome(Stated::Confirmed { as_of_ms, reissued: false })));
        let reissued = [&[5][..], &u64::to_be_bytes(as_of_ms)].concat();
        assert_eq!(said(&reissued), Ok(Statement::Outcome(Stated::Confirmed { as_of_ms, reissued: true })));
        assert_eq!(said(&[2]), Ok(Statement::Outcome(Stated::NotConfirmed)));
        let unavailable = Stated::Undetermined(Cause::AuthorityUnavailable);
        assert_eq!(said(&[3, 0x0b, 0xb9]), Ok(Statement::Outcome(unavailable)));
        let refused = Stated::Refused(ErrorNumber::ClaimNotAllowed);
        assert_eq!(said(&[4, 0x07, 0xd7]), Ok(Statement::Outcome(refused)));
        let not_a_cause = [3, 0x07, 0xd7];
        for bytes in [
            &[][..],
            &[0],
            &[1],
            &[1, 0],
            &[2, 0],
            &not_a_cause,
            &[4, 0, 0],
            &[5],
            &reissued[..8],
            &[6],
            &confirmed[..8],
        ] {
            assert_eq!(said(bytes), Err(StatementError::Value), "{bytes:?}");
        }
    }

    #[test]
    fn bytes_that_would_be_written_otherwise_are_no_statement() {
        let head = [1, 0, 0, 0, 1];
        let claimed = |kind: &str, argument: &[u8]| read(&format!("claim/0/{kind}"), &[&head[..], argument].concat());
        assert!(claimed("birth_date", b"2004-02-29").is_ok());
        assert_eq!(claimed("birth_date", b"29/02/2004"), Err(StatementError::Value));
        assert_eq!(claimed("birth_date", b"2003-02-29"), Err(StatementError::Value));
        assert_eq!(claimed("head_of_household", b"x"), Err(StatementError::Value));
        assert_eq!(claimed("nationality", b"vn"), Err(StatementError::Value));
        assert_eq!(claimed("full_name", b"  An"), Err(StatementError::Value));
        assert_eq!(claimed("same_household", b"04820300001"), Err(StatementError::Value));
        assert_eq!(claimed("residence", &[1, 48, 0, 0, 0, 0, 0, b'x']), Err(StatementError::Value));
        assert_eq!(read("claim/0/sex", &[1, 0x0b, 0xb9, 0, 1, 1]), Err(StatementError::Value), "a match has no cause");
        assert_eq!(read("claim/0/sex", &[1, 0, 0, 0, 99, 1]), Err(StatementError::Value), "an unknown reason");
        assert_eq!(read("attribute/sex", &[0, 0]), Err(StatementError::Value));
        assert_eq!(read("attribute/sex", &[10]), Err(StatementError::Value));
    }
}
