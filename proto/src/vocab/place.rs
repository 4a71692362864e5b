//! Places: codes of today's two-level administration, and the older code an address may still carry.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use super::{
    Date,
    text::{self, TEXT_BYTES_MAX},
};

/// A place: a province, or a commune within it.
///
/// Codes after Decision 19/2025/QĐ-TTg unless an [`AsOf`] stands beside it: provinces have two digits, communes five.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PlaceRead")]
pub struct Place {
    /// Province code, 1 to 99.
    pub province: u8,
    /// Commune code, if the claim goes that far.
    pub commune: Option<u32>,
}

/// The day as of which a claim names its place, for a place of an earlier administration.
///
/// Eight province codes kept their digits on 1 July 2025 and changed their meaning (15 was Yên Bái and is Lào Cai), so a
/// code without a day is always today's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "AsOfRead")]
pub struct AsOf {
    /// The day: of the paper that names the place, or the last one of the administration it belongs to.
    pub on: Date,
    /// Code of the district, 1 to 999, where the place is named in three levels; there are none since 1 July 2025.
    pub district: Option<u16>,
}

/// A day and a district as they were read, before the code is checked.
#[derive(Deserialize)]
struct AsOfRead {
    on: Date,
    district: Option<u16>,
}

/// A place as it was read, before its codes are checked.
#[derive(Deserialize)]
struct PlaceRead {
    province: u8,
    commune: Option<u32>,
}

/// An address as the national database holds it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "AddressRead")]
pub struct Address {
    /// Today's place.
    pub place: Place,
    /// House, street, hamlet: free text in NFC, at most [`TEXT_BYTES_MAX`] bytes; see [`Address::checked`].
    #[serde(serialize_with = "crate::bounds::plain_text::serialize")]
    pub detail: String,
    /// The commune's code before 1 July 2025, when the authority still carries it: the same digits may have meant
    /// another place then.
    pub commune_before_2025: Option<u32>,
}

/// An address as it was read, before it is checked.
#[derive(Deserialize)]
struct AddressRead {
    place: Place,
    detail: String,
    commune_before_2025: Option<u32>,
}

/// Why something is not a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not a two-digit province code.
    #[error("a province code has two digits, 01 to 99")]
    Province,
    /// Not a three-digit district code.
    #[error("a district code has three digits")]
    District,
    /// Not a five-digit commune code.
    #[error("a commune code has five digits")]
    Commune,
    /// The street part is too long or has characters that cannot be seen.
    #[error("the street part of an address has at most {TEXT_BYTES_MAX} bytes and no control or invisible characters")]
    Detail,
}

impl Place {
    /// A province as a whole.
    ///
    /// # Errors
    /// [`PlaceError::Province`].
    pub fn of_province(province: u8) -> Result<Self, PlaceError> {
        Self::new(province, None)
    }

    /// A province, and a commune if given.
    ///
    /// # Errors
    /// [`PlaceError::Province`] or [`PlaceError::Commune`].
    pub fn new(province: u8, commune: Option<u32>) -> Result<Self, PlaceError> {
        if !(1..=99).contains(&province) {
            return Err(PlaceError::Province);
        }
        check_commune(commune)?;
        Ok(Self { province, commune })
    }

    /// Checks codes that came from outside.
    ///
    /// # Errors
    /// As [`Place::new`].
    pub fn checked(self) -> Result<Self, PlaceError> {
        Self::new(self.province, self.commune)
    }
}

impl AsOf {
    /// A day, and a district of then if given.
    ///
    /// # Errors
    /// [`PlaceError::District`].
    pub fn new(on: Date, district: Option<u16>) -> Result<Self, PlaceError> {
        let known = district.is_none_or(|code| (1..=999).contains(&code));
        if known { Ok(Self { on, district }) } else { Err(PlaceError::District) }
    }
}

impl Address {
    /// Checks an address that came from outside, and composes its street part (NFC).
    ///
    /// Reading an address from bytes does this too. A street part that must be taken as it is goes through
    /// [`text::tidy`] first.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn checked(self) -> Result<Self, PlaceError> {
        self.place.checked()?;
        check_commune(self.commune_before_2025)?;
        let composed = match text::composed(&self.detail) {
            Cow::Owned(composed) => Some(composed),
            Cow::Borrowed(_) => None,
        };
        let detail = composed.unwrap_or(self.detail);
        text::check(&detail).map_err(|_| PlaceError::Detail)?;
        Ok(Self { detail, ..self })
    }
}

fn check_commune(code: Option<u32>) -> Result<(), PlaceError> {
    if code.is_none_or(|code| (1..=99_999).contains(&code)) { Ok(()) } else { Err(PlaceError::Commune) }
}

impl TryFrom<PlaceRead> for Place {
    type Error = PlaceError;
    fn try_from(read: PlaceRead) -> Result<Self, PlaceError> {
        Self::new(read.province, read.commune)
    }
}

impl TryFrom<AsOfRead> for AsOf {
    type Error = PlaceError;
    fn try_from(read: AsOfRead) -> Result<Self, PlaceError> {
        Self::new(read.on, read.district)
    }
}

impl TryFrom<AddressRead> for Address {
    type Error = PlaceError;
    fn try_from(read: AddressRead) -> Result<Self, PlaceError> {
        let AddressRead { place, detail, commune_before_2025 } = read;
        // A long text is refused before it is composed: composing it would be work for its sender's pleasure.
        text::check(&detail).map_err(|_| PlaceError::Detail)?;
        Self { place, detail, commune_before_2025 }.checked()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(…)")
    }
}

impl fmt::Debug for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsOf(…)")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;
    use crate::codec;

    fn address(detail: &str) -> Address {
        let place = Place::new(48, Some(20_194)).expect("codes in bounds");
        Address { place, detail: detail.to_owned(), commune_before_2025: Some(20_195) }
    }

    #[test]
    fn codes_have_bounds() {
        assert!(Place::of_province(1).is_ok());
        assert_eq!(Place::of_province(0), Err(PlaceError::Province));
        assert_eq!(Place::of_province(100), Err(PlaceError::Province));
        assert_eq!(Place::new(48, Some(0)), Err(PlaceError::Commune));
        assert_eq!(Place::new(48, Some(100_000)), Err(PlaceError::Commune));
        let on = Date::new(2024, 12, 31).expect("a day");
        assert!(AsOf::new(on, Some(502)).is_ok());
        assert_eq!(AsOf::new(on, Some(0)), Err(PlaceError::District));
        assert_eq!(AsOf::new(on, Some(1000)), Err(PlaceError::District));
        assert_eq!(
            Address { commune_before_2025: Some(100_000), ..address("Số 1") }.checked(),
            Err(PlaceError::Commune)
        );
    }

    #[test]
    fn a_street_part_is_visible_composed_and_short() {
        let decomposed: String = "Số 12 đường Lê Lợi".nfd().collect();
        assert_eq!(address(&decomposed).checked(), Ok(address("Số 12 đường Lê Lợi")));
        for odd in ["a\0", "a\u{202e}b", "a\nb"] {
            assert_eq!(address(odd).checked(), Err(PlaceError::Detail), "{odd:?}");
        }
        assert_eq!(address(&"a".repeat(TEXT_BYTES_MAX + 1)).checked(), Err(PlaceError::Detail));
    }

    #[test]
    fn reading_checks_and_writing_refuses_what_could_not_be_read() {
        let bytes = codec::encode::<1024, _>(&address("Số 1")).expect("in bounds");
        assert_eq!(codec::decode::<1024, Address>(&bytes), Ok(address("Số 1")));
        assert!(codec::encode::<1024, _>(&address("a\0")).is_err());
        assert!(codec::decode::<1024, Place>(&[0, 0]).is_err(), "province 0");
        assert!(codec::decode::<1024, Place>(&[100, 0]).is_err(), "province 100");
        assert!(codec::decode::<1024, Place>(&[48, 1, 0]).is_err(), "commune 0");
        assert!(codec::decode::<1024, Place>(&[48, 0]).is_ok());
    }
}
