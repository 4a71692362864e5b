//! The numbers that name a person.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Sex;

/// Personal identification number (số định danh cá nhân): 12 digits, no check digit.
///
/// Law on Identification 26/2023/QH15 article 12; structure after Decree 137/2015 article 13.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct CitizenNumber(u64);

/// Old identity number (số chứng minh nhân dân): 9 digits, still found on deeds; duplicates exist.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct OldNumber(u64);

/// The number by which a question names a person.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum PersonNumber {
    /// By citizen number.
    Citizen(CitizenNumber),
    /// By old number; the authority may know several people under it.
    Old(OldNumber),
}

/// What the digits of a citizen number say; the record may disagree, which is a flag and never a rejection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NumberStructure {
    /// Province (001–096) or country (000, 101–295) of birth registration.
    pub place: u16,
    /// Sex coded in the fourth digit.
    pub sex: Sex,
    /// Birth year coded in digits four to six.
    pub birth_year: u16,
}

/// Why a text is not a citizen number or an old number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It has another count of digits.
    #[error("a number of {expected} digits is needed, {found} characters were given")]
    Length {
        /// Digits needed.
        expected: usize,
        /// Characters found.
        found: usize,
    },
    /// Something in it is no decimal digit.
    #[error("only the digits 0 to 9 are allowed")]
    NotDigits,
}

impl CitizenNumber {
    /// Digits of a citizen number.
    pub const DIGITS: usize = 12;

    /// Parses twelve ASCII digits.
    ///
    /// # Errors
    /// [`NumberError`]; the text itself is never part of the error.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        parse_digits(text, Self::DIGITS).map(Self)
    }

    /// The twelve digits in ASCII.
    #[must_use]
    pub fn digits(&self) -> [u8; Self::DIGITS] {
        to_digits(self.0)
    }

    /// The digits as text, for those entitled to read them.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{:012}", self.0)
    }

    /// Place, sex and birth year as the digits code them.
    #[must_use]
    pub fn structure(&self) -> NumberStructure {
        let digits = self.digits().map(|digit| u16::from(digit - b'0'));
        let century = 19 + digits[3] / 2;
        NumberStructure {
            place: digits[0] * 100 + digits[1] * 10 + digits[2],
            sex: if digits[3].is_multiple_of(2) { Sex::Male } else { Sex::Female },
            birth_year: century * 100 + digits[4] * 10 + digits[5],
        }
    }
}

impl OldNumber {
    /// Digits of an old number.
    pub const DIGITS: usize = 9;

    /// Parses nine ASCII digits.
    ///
    /// # Errors
    /// [`NumberError`]; the text itself is never part of the error.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        parse_digits(text, Self::DIGITS).map(Self)
    }

    /// The nine digits in ASCII.
    #[must_use]
    pub fn digits(&self) -> [u8; Self::DIGITS] {
        to_digits(self.0)
    }

    /// The digits as text, for those entitled to read them.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{:09}", self.0)
    }
}

impl PersonNumber {
    /// Parses a number of either kind, told apart by its length.
    ///
    /// # Errors
    /// [`NumberError`] as for a citizen number, unless the text has nine characters.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.len() == OldNumber::DIGITS {
            OldNumber::parse(text).map(Self::Old)
        } else {
            CitizenNumber::parse(text).map(Self::Citizen)
        }
    }
}

fn parse_digits(text: &str, expected: usize) -> Result<u64, NumberError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::NotDigits);
    }
    if text.len() != expected {
        return Err(NumberError::Length { expected, found: text.len() });
    }
    Ok(text.bytes().fold(0, |number, byte| number * 10 + u64::from(byte - b'0')))
}

fn in_digits(number: u64, expected: usize) -> Result<u64, NumberError> {
    let found = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    if found <= expected { Ok(number) } else { Err(NumberError::Length { expected, found }) }
}

fn to_digits<const N: usize>(number: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).expect("a remainder of ten fits a byte");
        rest /= 10;
    }
    digits
}

impl TryFrom<u64> for CitizenNumber {
    type Error = NumberError;
    fn try_from(number: u64) -> Result<Self, NumberError> {
        in_digits(number, Self::DIGITS).map(Self)
    }
}

impl TryFrom<u64> for OldNumber {
    type Error = NumberError;
    fn try_from(number: u64) -> Result<Self, NumberError> {
        in_digits(number, Self::DIGITS).map(Self)
    }
}

impl From<CitizenNumber> for u64 {
    fn from(number: CitizenNumber) -> Self {
        number.0
    }
}

impl From<OldNumber> for u64 {
    fn from(number: OldNumber) -> Self {
        number.0
    }
}

impl fmt::Debug for CitizenNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CitizenNumber(…)")
    }
}

impl fmt::Debug for NumberStructure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberStructure(…)")
    }
}

impl fmt::Debug for OldNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OldNumber(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn twelve_or_nine_ascii_digits_and_nothing_else() {
        assert!(CitizenNumber::parse("048203000015").is_ok());
        assert_eq!(CitizenNumber::parse("04820300001"), Err(NumberError::Length { expected: 12, found: 11 }));
        assert_eq!(CitizenNumber::parse("0482030000150"), Err(NumberError::Length { expected: 12, found: 13 }));
        for odd in ["04820300001O", "+48203000015", "048 20300015", "048203000015\0", "०४८२०३०००००१", "-48203000015"]
        {
            assert_eq!(CitizenNumber::parse(odd), Err(NumberError::NotDigits), "{odd:?}");
        }
        assert_eq!(CitizenNumber::parse(""), Err(NumberError::Length { expected: 12, found: 0 }));
        assert!(CitizenNumber::parse(&"9".repeat(10_000)).is_err());
        assert!(matches!(PersonNumber::parse("201234567"), Ok(PersonNumber::Old(_))));
        assert!(matches!(PersonNumber::parse("000000000000"), Ok(PersonNumber::Citizen(_))));
        assert_eq!(PersonNumber::parse("20123456X"), Err(NumberError::NotDigits));
    }

    #[test]
    fn the_structure_is_read_after_decree_137() {
        let of = |text: &str| CitizenNumber::parse(text).expect("twelve digits").structure();
        assert!(of("048203000015") == NumberStructure { place: 48, sex: Sex::Male, birth_year: 2003 });
        assert!(of("001199123456") == NumberStructure { place: 1, sex: Sex::Female, birth_year: 1999 });
        assert!(of("286999000001") == NumberStructure { place: 286, sex: Sex::Female, birth_year: 2399 });
        assert!(of("000000000000") == NumberStructure { place: 0, sex: Sex::Male, birth_year: 1900 });
    }

    #[test]
    fn nothing_of_a_number_is_printed() {
        let number = PersonNumber::parse("048203000015").expect("twelve digits");
        assert_eq!(format!("{number:?}"), "Citizen(CitizenNumber(…))");
        let PersonNumber::Citizen(number) = number else { panic!("twelve digits are a citizen number") };
        assert_eq!(format!("{:?}", number.structure()), "NumberStructure(…)");
    }

    proptest! {
        #[test]
        fn digits_survive(text in "[0-9]{12}", old in "[0-9]{9}", wild in any::<u64>()) {
            let number = CitizenNumber::parse(&text).expect("twelve digits");
            prop_assert!(number.digits() == text.as_bytes());
            prop_assert_eq!(number.reveal(), text);
            prop_assert_eq!(CitizenNumber::try_from(u64::from(number)), Ok(number));
            let number = OldNumber::parse(&old).expect("nine digits");
            prop_assert_eq!(number.reveal(), old);
            prop_assert_eq!(CitizenNumber::try_from(wild).is_ok(), wild < 1_000_000_000_000);
            prop_assert_eq!(OldNumber::try_from(wild).is_ok(), wild < 1_000_000_000);
        }
    }
}
