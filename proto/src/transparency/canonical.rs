//! What the attributes root commits to: one named statement for the outcome, each claim and each disclosed attribute.
//!
//! These bytes are final: receipts open them years later, with other programs in other languages.
//! They are laid out by hand, so that no codec and no order of an enum in this code has a say in them.
//!
//! ```text
//! outcome              1 ‖ as_of_ms u64        confirmed; when the record was read from the authority
//!                      5 ‖ as_of_ms u64        confirmed, by the record of the number issued instead of the one asked about
//!                      2                       not confirmed, whichever key was wrong (promise P8)
//!                      3 ‖ number u16          undetermined; the error number of the cause
//!                      4 ‖ number u16          refused; the error number
//! claim/<i>/<kind>     verdict u8 ‖ number u16 ‖ reason u16 ‖ argument
//!                                              verdict 1 match, 2 no match, 3 undetermined; number 0 unless undetermined
//! attribute/<name>     value
//! ```
//!
//! `<i>` is the place of the claim in the question in decimal from 0, `<kind>` and `<name>` are the names of
//! [`ClaimKind`](crate::vocab::ClaimKind) and [`Attribute`](crate::vocab::Attribute). Integers are big-endian, texts
//! UTF-8 and unterminated (they stand last), days ten characters `YYYY-MM-DD`, birth years four, numbers their digits.
//!
//! ```text
//! argument  full_name                 the text
//!           birth_date                the day or the year
//!           sex                       u8: 0 unknown, 1 male, 2 female
//!           nationality               two letters
//!           age_at_least, age_at_most years u8 ‖ the day, or nothing for the day of the answer
//!           residence                 u8: 1 permanent, 2 temporary, 3 current ‖ province u8 ‖ commune u32, 0 for none
//!                                     ‖ u8: 1 with a street part, 2 as of a day, 3 both, 0 neither
//!                                     ‖ if as of a day: the day ‖ district u16, 0 for none ‖ the street part
//!           marital_status            u8: 0 unknown, 1 single, 2 married, 3 divorced or widowed
//!           living_status             u8: 1 alive, 2 dead, 3 missing
//!           old_number                nine digits
//!           card_issued, card_expires the day
//!           card_valid                the day, or nothing for the day of the answer
//!           card_address              the text
//!           parent_of, child_of, spouse_of, guardian_of, same_household, card_number   twelve digits
//!           head_of_household         nothing
//! value     0                         nothing recorded
//!           1 ‖ text                  a text
//!           2 ‖ day or year           a birth date
//!           3 ‖ day                   a day
//!           4 ‖ u8                    sex, as above
//!           5 ‖ u8                    marital status, as above
//!           6 ‖ u8                    living status, as above
//!           7 ‖ twelve digits         a citizen number
//!           8 ‖ nine digits           an old number
//!           9 ‖ province u8 ‖ commune u32 ‖ commune before July 2025 u32 ‖ street part    an address, 0 for no commune
//! ```

use crate::vocab::{
    Address, AsOf, Cause, Claim, ClaimVerdict, ErrorNumber, Living, Marital, Outcome, Place, ResidenceKind, Sex, Value,
    Verdict,
};

/// Names and canonical bytes of everything an outcome says, in the order in which their salts are kept: the outcome,
/// then the claims in the order of the question, then the attributes in the order of their bits.
///
/// # Panics
/// When the verdicts of a confirmed outcome are not for these claims, in this order: a commitment to another question
/// would be worse than none. Whoever took the outcome from elsewhere asks [`Outcome::answers`] first.
#[must_use]
pub fn statements(outcome: &Outcome, claims: &[Claim]) -> Vec<(String, Vec<u8>)> {
    let mut statements = vec![("outcome".to_owned(), of_outcome(outcome))];
    if let Outcome::Confirmed { verdicts, attributes, .. } = outcome {
        assert_eq!(verdicts.len(), claims.len(), "every claim has its verdict");
        statements.reserve(verdicts.len() + attributes.len());
        for (index, (verdict, claim)) in verdicts.iter().zip(claims).enumerate() {
            assert_eq!(verdict.kind, claim.kind(), "every verdict is of its claim");
            statements.push((format!("claim/{index}/{}", verdict.kind.name()), of_claim(verdict, claim)));
        }
        for (attribute, value) in attributes {
            statements.push((format!("attribute/{}", attribute.name()), of_value(value)));
        }
    }
    statements
}

fn of_outcome(outcome: &Outcome) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9);
    match outcome {
        Outcome::Confirmed { as_of_ms, reissued, .. } => {
            bytes.push(if *reissued { 5 } else { 1 });
            bytes.extend_from_slice(&as_of_ms.to_be_bytes());
        }
        Outcome::NotConfirmed => bytes.push(2),
        Outcome::Undetermined(cause) => {
            bytes.push(3);
            put_number(&mut bytes, Some(cause.number()));
        }
        Outcome::Refused(number) => {
            bytes.push(4);
            put_number(&mut bytes, Some(*number));
        }
    }
    bytes
}

pub(super) fn of_claim(verdict: &ClaimVerdict, claim: &Claim) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    let (kind, cause) = match verdict.verdict {
        Verdict::Match => (1, None),
        Verdict::NoMatch => (2, None),
        Verdict::Undetermined(cause) => (3, Some(cause)),
    };
    bytes.push(kind);
    put_number(&mut bytes, cause.map(Cause::number));
    bytes.extend_from_slice(&verdict.reason.number().to_be_bytes());
    put_argument(&mut bytes, claim);
    bytes
}

fn put_argument(bytes: &mut Vec<u8>, claim: &Claim) {
    match claim {
        Claim::FullName(name) => bytes.extend_from_slice(name.reveal().as_bytes()),
        Claim::BirthDate(birth) => bytes.extend_from_slice(birth.reveal().as_bytes()),
        Claim::Sex(sex) => bytes.push(of_sex(*sex)),
        Claim::Nationality(letters) => bytes.extend_from_slice(letters),
        Claim::AgeAtLeast { years, on } | Claim::AgeAtMost { years, on } => {
            bytes.push(*years);
            if let Some(day) = on {
                bytes.extend_from_slice(day.to_string().as_bytes());
            }
        }
        Claim::Residence { kind, place, as_of, detail } => {
            bytes.push(match kind {
                ResidenceKind::Permanent => 1,
                ResidenceKind::Temporary => 2,
                ResidenceKind::Current => 3,
            });
            put_place(bytes, *place);
            bytes.push(u8::from(detail.is_some()) | if as_of.is_some() { 2 } else { 0 });
            if let Some(AsOf { on, district }) = as_of {
                bytes.extend_from_slice(on.to_string().as_bytes());
                bytes.extend_from_slice(&district.unwrap_or(0).to_be_bytes());
            }
            bytes.extend_from_slice(detail.as_deref().unwrap_or_default().as_bytes());
        }
        Claim::MaritalStatus(marital) => bytes.push(of_marital(*marital)),
        Claim::LivingStatus(living) => bytes.push(of_living(*living)),
        Claim::OldNumber(number) => bytes.extend_from_slice(&number.digits()),
        Claim::CardIssued(day) | Claim::CardExpires(day) | Claim::CardValid(Some(day)) => {
            bytes.extend_from_slice(day.to_string().as_bytes());
        }
        Claim::CardAddress(address) => bytes.extend_from_slice(address.reveal().as_bytes()),
        Claim::ParentOf(number)
        | Claim::ChildOf(number)
        | Claim::SpouseOf(number)
        | Claim::GuardianOf(number)
        | Claim::SameHousehold(number)
        | Claim::CardNumber(number) => bytes.extend_from_slice(&number.digits()),
        Claim::HeadOfHousehold | Claim::CardValid(None) => {}
    }
}

pub(super) fn of_value(value: &Value) -> Vec<u8> {
    match value {
        Value::Absent => vec![0],
        Value::Text(text) => tagged(1, text.as_bytes()),
        Value::Birth(birth) => tagged(2, birth.reveal().as_bytes()),
        Value::Day(day) => tagged(3, day.to_string().as_bytes()),
        Value::Sex(sex) => vec![4, of_sex(*sex)],
        Value::Marital(marital) => vec![5, of_marital(*marital)],
        Value::Living(living) => vec![6, of_living(*living)],
        Value::Citizen(number) => tagged(7, &number.digits()),
        Value::Old(number) => tagged(8, &number.digits()),
        Value::Address(address) => of_address(address),
    }
}

fn of_address(address: &Address) -> Vec<u8> {
    let mut bytes = vec![9];
    put_place(&mut bytes, address.place);
    bytes.extend_from_slice(&address.commune_before_2025.unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(address.detail.as_bytes());
    bytes
}

fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + body.len());
    bytes.push(tag);
    bytes.extend_from_slice(body);
    bytes
}

fn put_place(bytes: &mut Vec<u8>, place: Place) {
    bytes.push(place.province);
    bytes.extend_from_slice(&place.commune.unwrap_or(0).to_be_bytes());
}

fn put_number(bytes: &mut Vec<u8>, number: Option<ErrorNumber>) {
    bytes.extend_from_slice(&number.map_or(0, ErrorNumber::number).to_be_bytes());
}

const fn of_sex(sex: Sex) -> u8 {
    match sex {
        Sex::Unknown => 0,
        Sex::Male => 1,
        Sex::Female => 2,
    }
}

const fn of_marital(marital: Marital) -> u8 {
    match marital {
        Marital::Unknown => 0,
        Marital::Single => 1,
        Marital::Married => 2,
        Marital::DivorcedOrWidowed => 3,
    }
}

const fn of_living(living: Living) -> u8 {
    match living {
        Living::Alive => 1,
        Living::Dead => 2,
        Living::Missing => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::{ClaimKind, Reason};

    #[test]
    fn not_confirmed_says_one_byte_whatever_was_asked() {
        let claims = [Claim::HeadOfHousehold, Claim::Sex(Sex::Male)];
        for asked in [&claims[..], &claims[..1], &[]] {
            assert_eq!(statements(&Outcome::NotConfirmed, asked), [("outcome".to_owned(), vec![2])]);
        }
    }

    #[test]
    fn what_is_known_of_the_question_only_stands_in_a_refusal() {
        assert_eq!(
            statements(&Outcome::Refused(ErrorNumber::ClaimNotAllowed), &[Claim::HeadOfHousehold]),
            [("outcome".to_owned(), vec![4, 0x07, 0xd7])]
        );
        assert_eq!(
            statements(&Outcome::Undetermined(Cause::AuthorityUnavailable), &[]),
            [("outcome".to_owned(), vec![3, 0x0b, 0xb9])]
        );
    }

    #[test]
    #[should_panic(expected = "every verdict is of its claim")]
    fn a_verdict_on_another_claim_is_never_committed_to() {
        let verdict = ClaimVerdict { kind: ClaimKind::Sex, verdict: Verdict::Match, reason: Reason::Equal };
        let outcome = Outcome::Confirmed { verdicts: vec![verdict], attributes: vec![], as_of_ms: 0, reissued: false };
        let _ = statements(&outcome, &[Claim::HeadOfHousehold]);
    }
}
