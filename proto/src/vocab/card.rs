//! What is printed on a citizen card, as its QR code carries it.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{
    BirthDate, CitizenNumber, Claim, Date, DateError, FullName, NameError, NumberError, OldNumber, PersonNumber, Sex,
    text::{self, TextError},
};

/// Longest text looked at, in bytes: seven fields within their own bounds stay under it.
pub const CARD_QR_BYTES_MAX: usize = 1_200;

/// Fields of a card's QR code.
const FIELDS: usize = 7;

/// The text of the QR code on a citizen card, parsed.
///
/// Seven fields separated by `|`, in UTF-8: `citizen number|old number|full name|ddMMyyyy|Nam or Nữ|address|ddMMyyyy`,
/// the last the day of issue; the old number is empty where there never was one. The layout is that of cards in use
/// since 2021; no published text fixes it, so that anything else is refused and not guessed at.
#[derive(Clone, PartialEq, Eq)]
pub struct CardQr {
    /// The number on the card.
    pub number: CitizenNumber,
    /// The old number, if the card names one.
    pub old_number: Option<OldNumber>,
    /// The full name.
    pub name: FullName,
    /// The birth date; four digits are a year alone.
    pub birth: BirthDate,
    /// The sex.
    pub sex: Sex,
    /// The address, as it was when the card was made; none if the card has none.
    pub address: Option<CardAddress>,
    /// The day of issue.
    pub issued: Date,
}

/// An address as a card bears it: free text in NFC, often with the districts and provinces of before 1 July 2025.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CardAddress(String);

/// A field of the QR code, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CardField {
    /// 1: the citizen number.
    Number,
    /// 2: the old number.
    OldNumber,
    /// 3: the full name.
    Name,
    /// 4: the birth date.
    Birth,
    /// 5: the sex.
    Sex,
    /// 6: the address.
    Address,
    /// 7: the day of issue.
    Issued,
}

/// Why a text is not that of a card's QR code; the text is never part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardQrError {
    /// Longer than any card's.
    #[error("the QR code of a citizen card has at most {CARD_QR_BYTES_MAX} bytes")]
    TooLong,
    /// Another count of fields.
    #[error("the QR code of a citizen card has {FIELDS} fields separated by `|`, this one has {found}")]
    Fields {
        /// How many there are.
        found: usize,
    },
    /// A field that is not what stands there on a card.
    #[error("field {} of the card's QR code ({}): {why}", .field.place(), .field.name())]
    Field {
        /// Which field.
        field: CardField,
        /// What is wrong with it.
        why: CardFieldError,
    },
}

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardFieldError {
    /// Not a number of its length.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// Not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Eight digits that are no day.
    #[error(transparent)]
    Date(#[from] DateError),
    /// Not eight digits.
    #[error("a day is written ddMMyyyy")]
    DayForm,
    /// Neither Nam nor Nữ.
    #[error("Nam or Nữ")]
    Sex,
    /// Not a text.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl CardQr {
    /// Parses what a scanner read. White space around the whole and around fields does not count: scanners end a code
    /// with a line end.
    ///
    /// # Errors
    /// [`CardQrError`], which names the field.
    pub fn parse(scanned: &str) -> Result<Self, CardQrError> {
        if scanned.len() > CARD_QR_BYTES_MAX {
            return Err(CardQrError::TooLong);
        }
        let fields: Vec<&str> = scanned.trim_start_matches('\u{feff}').trim().split('|').map(str::trim).collect();
        let [number, old_number, name, birth, sex, address, issued] = fields[..] else {
            return Err(CardQrError::Fields { found: fields.len() });
        };
        let in_field = |field| move |why| CardQrError::Field { field, why };
        Ok(Self {
            number: CitizenNumber::parse(number).map_err(|error| in_field(CardField::Number)(error.into()))?,
            old_number: if_any(old_number, |text| OldNumber::parse(text).map_err(CardFieldError::from))
                .map_err(in_field(CardField::OldNumber))?,
            name: FullName::parse(name).map_err(|error| in_field(CardField::Name)(error.into()))?,
            birth: birth_date(birth).map_err(in_field(CardField::Birth))?,
            sex: sex_of(sex).ok_or(CardFieldError::Sex).map_err(in_field(CardField::Sex))?,
            address: if_any(address, |text| CardAddress::parse(text).map_err(CardFieldError::from))
                .map_err(in_field(CardField::Address))?,
            issued: day(issued).map_err(in_field(CardField::Issued))?,
        })
    }

    /// The number of the three keys; name and birth date are the other two.
    #[must_use]
    pub const fn person_number(&self) -> PersonNumber {
        PersonNumber::Citizen(self.number)
    }

    /// Every field as a claim, in the order of the card.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims = vec![Claim::CardNumber(self.number)];
        claims.extend(self.old_number.map(Claim::OldNumber));
        claims.extend([Claim::FullName(self.name.clone()), Claim::BirthDate(self.birth), Claim::Sex(self.sex)]);
        claims.extend(self.address.clone().map(Claim::CardAddress));
        claims.push(Claim::CardIssued(self.issued));
        claims
    }
}

impl CardAddress {
    /// Checks an address and composes it (NFC).
    ///
    /// # Errors
    /// [`TextError`].
    pub fn parse(text: &str) -> Result<Self, TextError> {
        // A long text is refused before it is composed: composing it would be work for its sender's pleasure.
        text::check(text)?;
        let composed = text::composed(text).into_owned();
        text::check(&composed)?;
        Ok(Self(composed))
    }

    /// The address as text, for those entitled to read it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl CardField {
    /// Its place on the card, from 1.
    #[must_use]
    pub const fn place(self) -> u8 {
        self as u8 + 1
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "citizen number",
            Self::OldNumber => "old number",
            Self::Name => "full name",
            Self::Birth => "birth date",
            Self::Sex => "sex",
            Self::Address => "address",
            Self::Issued => "day of issue",
        }
    }
}

fn if_any<T>(text: &str, parse: impl Fn(&str) -> Result<T, CardFieldError>) -> Result<Option<T>, CardFieldError> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn birth_date(text: &str) -> Result<BirthDate, CardFieldError> {
    if text.len() == 4 { Ok(BirthDate::parse(text)?) } else { day(text).map(BirthDate::Day) }
}

/// `ddMMyyyy`.
fn day(text: &str) -> Result<Date, CardFieldError> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CardFieldError::DayForm);
    }
    Ok(Date::parse(&format!("{}-{}-{}", &text[4..], &text[2..4], &text[..2]))?)
}

fn sex_of(text: &str) -> Option<Sex> {
    match text.nfc().collect::<String>().to_lowercase().as_str() {
        "nam" => Some(Sex::Male),
        "nữ" => Some(Sex::Female),
        _ => None,
    }
}

impl TryFrom<String> for CardAddress {
    type Error = TextError;
    fn try_from(text: String) -> Result<Self, TextError> {
        Self::parse(&text)
    }
}

impl From<CardAddress> for String {
    fn from(address: CardAddress) -> Self {
        address.0
    }
}

impl fmt::Debug for CardQr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardQr(…)")
    }
}

impl fmt::Debug for CardAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;
    use crate::vocab::ClaimKind;

    const CARD: &str =
        "048085001234|201123456|Nguyễn Văn An|07031985|Nam|12 Lê Lợi, Hải Châu 1, Hải Châu, Đà Nẵng|01052021";

    #[test]
    fn every_field_becomes_a_key_or_a_claim() {
        let card = CardQr::parse(CARD).expect("a card");
        assert_eq!((card.number.reveal().as_str(), card.name.reveal()), ("048085001234", "Nguyễn Văn An"));
        assert_eq!((card.birth.reveal().as_str(), card.sex), ("1985-03-07", Sex::Male));
        assert_eq!(card.issued.to_string(), "2021-05-01");
        let kinds: Vec<ClaimKind> = card.claims().iter().map(Claim::kind).collect();
        assert_eq!(
            kinds,
            [
                ClaimKind::CardNumber,
                ClaimKind::OldNumber,
                ClaimKind::FullName,
                ClaimKind::BirthDate,
                ClaimKind::Sex,
                ClaimKind::CardAddress,
                ClaimKind::CardIssued,
            ]
        );
        let young = CardQr::parse("048215001234||Trần Thị Bé|01022015|Nữ||05012026").expect("a child's card");
        assert_eq!(young.claims().len(), 5, "neither an old number nor an address is claimed");
        assert_eq!(format!("{card:?} {:?}", card.address), "CardQr(…) Some(CardAddress(…))");
    }

    #[test]
    fn scanners_add_white_space_and_decompose() {
        let decomposed: String = CARD.nfd().collect();
        for scanned in [format!("\u{feff}{CARD}\r\n"), CARD.replace('|', " | "), decomposed] {
            assert_eq!(CardQr::parse(&scanned), CardQr::parse(CARD), "{scanned:?}");
        }
    }

    /// field replaced | by | error
    const WRONG: &str = "
        1 | 04808500123             | field 1 of the card's QR code (citizen number): a number of 12 digits is needed, 11 characters were given
        1 |                         | field 1 of the card's QR code (citizen number): a number of 12 digits is needed, 0 characters were given
        1 | O48085001234            | field 1 of the card's QR code (citizen number): only the digits 0 to 9 are allowed
        2 | 048085001234            | field 2 of the card's QR code (old number): a number of 9 digits is needed, 12 characters were given
        3 |                         | field 3 of the card's QR code (full name): a name is needed
        3 | Nguyễn 2                | field 3 of the card's QR code (full name): character 8 is none that a name contains (a control, bidirectional mark, digit or symbol)
        4 | 31021985                | field 4 of the card's QR code (birth date): no such day: years 1800 to 2399, real months and days only
        4 | 07030000                | field 4 of the card's QR code (birth date): no such day: years 1800 to 2399, real months and days only
        4 | 7/3/1985                | field 4 of the card's QR code (birth date): a day is written ddMMyyyy
        5 | Khác                    | field 5 of the card's QR code (sex): Nam or Nữ
        5 |                         | field 5 of the card's QR code (sex): Nam or Nữ
        7 | 2021                    | field 7 of the card's QR code (day of issue): a day is written ddMMyyyy
        7 | 30022021                | field 7 of the card's QR code (day of issue): no such day: years 1800 to 2399, real months and days only
    ";

    #[test]
    fn what_is_wrong_is_named_by_its_field_and_not_repeated() {
        for row in WRONG.lines().filter(|line| !line.trim().is_empty()) {
            let [place, text, told] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("a row has three columns: {row}")
            };
            let mut fields: Vec<&str> = CARD.split('|').collect();
            fields[place.parse::<usize>().expect("a place") - 1] = text;
            let error = CardQr::parse(&fields.join("|")).expect_err(row).to_string();
            assert_eq!(error, told, "{row}");
            assert!(text.is_empty() || text.len() < 5 || !error.contains(text), "{row}");
        }
        let hidden = CARD.replace("12 Lê Lợi", "12\u{202e} Lê Lợi");
        let why = CardFieldError::Text(TextError::Character);
        assert_eq!(CardQr::parse(&hidden), Err(CardQrError::Field { field: CardField::Address, why }));
    }

    #[test]
    fn six_or_nine_fields_are_no_card() {
        let six = CARD.rsplit_once('|').expect("fields").0;
        for (text, found) in
            [(six, 6), (&format!("{CARD}|1|2"), 9), ("", 1), ("048085001234", 1), (&"|".repeat(900), 901)]
        {
            assert_eq!(CardQr::parse(text), Err(CardQrError::Fields { found }));
        }
        assert_eq!(CardQr::parse(&CARD.repeat(20)), Err(CardQrError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_panics(wild in "(?s).{0,200}", near in "[0-9]{0,12}(\\|[0-9A-Za-zĐđưữ ]{0,12}){5,8}") {
            for text in [wild, near] {
                if let Ok(card) = CardQr::parse(&text) {
                    prop_assert!((5..=7).contains(&card.claims().len()));
                }
            }
        }
    }
}
