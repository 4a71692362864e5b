//! Places: codes of today's two-level administration, and the older code an address may still carry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest street part of an address, in bytes.
const DETAIL_BYTES_MAX: usize = 300;

/// A place a claim names: a province, or a commune within it.
///
/// Codes after Decision 19/2025/QĐ-TTg: provinces have two digits, communes five.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Province code, 1 to 99.
    pub province: u8,
    /// Commune code, if the claim goes that far.
    pub commune: Option<u32>,
}

/// An address as the national database holds it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// Today's place.
    pub place: Place,
    /// House, street, hamlet: free text in NFC, at most 300 bytes.
    pub detail: String,
    /// The commune's code before 1 July 2025, when the authority still carries it: the same digits may have meant
    /// another place then.
    pub commune_before_2025: Option<u32>,
}

/// Why something is not a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not a two-digit province code.
    #[error("a province code has two digits, 01 to 99")]
    Province,
    /// Not a five-digit commune code.
    #[error("a commune code has five digits")]
    Commune,
    /// The street part is too long or has control characters.
    #[error("the street part of an address has at most {DETAIL_BYTES_MAX} bytes and no control characters")]
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
        if commune.is_some_and(|code| !(1..=99_999).contains(&code)) {
            return Err(PlaceError::Commune);
        }
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

impl Address {
    /// Checks an address that came from outside.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn checked(self) -> Result<Self, PlaceError> {
        self.place.checked()?;
        if self.detail.len() > DETAIL_BYTES_MAX || self.detail.chars().any(char::is_control) {
            return Err(PlaceError::Detail);
        }
        Ok(self)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(…)")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}
