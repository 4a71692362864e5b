//! Statements to check about a person.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    AsOf, AttributeClass, BirthDate, CardAddress, CitizenNumber, Date, FullName, Living, Marital, OldNumber, Place, Sex,
};

/// Claims one question may carry: more than any procedure asks for, few enough to bound the work of one question.
pub const CLAIMS_MAX: usize = 16;

/// Claims that are still decoded: a little too many get their own error number, many too many are malformed, because
/// the smallest claim is one byte on the wire and fifty in memory.
pub const CLAIMS_DECODED_MAX: usize = 4 * CLAIMS_MAX;

/// A statement to check against the record.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Claim {
    /// The full name is this (besides the name among the three keys, e.g. an earlier spelling).
    FullName(FullName),
    /// The birth date, or year, is this.
    BirthDate(BirthDate),
    /// The sex is this.
    Sex(Sex),
    /// The nationality is this: two capital letters of ISO 3166-1.
    Nationality(#[serde(deserialize_with = "country")] [u8; 2]),
    /// At least so many whole years old on a day (the day of the answer if none is given).
    AgeAtLeast {
        /// Whole years.
        years: u8,
        /// The day that counts.
        on: Option<Date>,
    },
    /// Lives in this place, or at this address of it.
    Residence {
        /// Which of the three residences.
        kind: ResidenceKind,
        /// Province or commune.
        place: Place,
        /// The day as of which the place is named; today's place if none.
        as_of: Option<AsOf>,
        /// The street part, if the full address is claimed; bounded as [`text::check`](super::text::check) does.
        #[serde(with = "crate::bounds::plain_text_if_any")]
        detail: Option<String>,
    },
    /// The marital status is this.
    MaritalStatus(Marital),
    /// The living status is this.
    LivingStatus(Living),
    /// The old number is this.
    OldNumber(OldNumber),
    /// The identity card was issued on this day.
    CardIssued(Date),
    /// The identity card is valid until this day.
    CardExpires(Date),
    /// Is a parent of this person.
    ParentOf(CitizenNumber),
    /// Is a child of this person.
    ChildOf(CitizenNumber),
    /// Is married to this person.
    SpouseOf(CitizenNumber),
    /// Is the legal guardian of this person.
    GuardianOf(CitizenNumber),
    /// Is the head of the household.
    HeadOfHousehold,
    /// Is registered in the same household as this person.
    SameHousehold(CitizenNumber),
    /// At most so many whole years old on a day (the day of the answer if none is given): a child under six is at most
    /// five.
    AgeAtMost {
        /// Whole years.
        years: u8,
        /// The day that counts.
        on: Option<Date>,
    },
    /// The identity card bears this number. Cards have borne the citizen number since there are twelve digits.
    CardNumber(CitizenNumber),
    /// An identity card is valid on a day (the day of the answer if none is given).
    CardValid(Option<Date>),
    /// The identity card bears this address: free text, as it was written when the card was made.
    CardAddress(CardAddress),
}

fn country<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 2], D::Error> {
    let letters = <[u8; 2]>::deserialize(deserializer)?;
    if letters.iter().all(u8::is_ascii_uppercase) { Ok(letters) } else { Err(D::Error::custom("not a country code")) }
}

/// Which residence a claim speaks of (Law on Residence 68/2020/QH14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ResidenceKind {
    /// Nơi thường trú.
    Permanent,
    /// Nơi tạm trú.
    Temporary,
    /// Nơi ở hiện tại.
    Current,
}

/// The kind of a claim. The number is its bit in registers and, shifted by 32, in the leaf: never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ClaimKind {
    /// [`Claim::FullName`]
    FullName = 0,
    /// [`Claim::BirthDate`]
    BirthDate = 1,
    /// [`Claim::Sex`]
    Sex = 2,
    /// [`Claim::Nationality`]
    Nationality = 3,
    /// [`Claim::AgeAtLeast`]
    AgeAtLeast = 4,
    /// [`Claim::Residence`]
    Residence = 5,
    /// [`Claim::MaritalStatus`]
    MaritalStatus = 6,
    /// [`Claim::LivingStatus`]
    LivingStatus = 7,
    /// [`Claim::OldNumber`]
    OldNumber = 8,
    /// [`Claim::CardIssued`]
    CardIssued = 9,
    /// [`Claim::CardExpires`]
    CardExpires = 10,
    /// [`Claim::ParentOf`]
    ParentOf = 11,
    /// [`Claim::ChildOf`]
    ChildOf = 12,
    /// [`Claim::SpouseOf`]
    SpouseOf = 13,
    /// [`Claim::GuardianOf`]
    GuardianOf = 14,
    /// [`Claim::HeadOfHousehold`]
    HeadOfHousehold = 15,
    /// [`Claim::SameHousehold`]
    SameHousehold = 16,
    /// [`Claim::AgeAtMost`]
    AgeAtMost = 17,
    /// [`Claim::CardNumber`]
    CardNumber = 18,
    /// [`Claim::CardValid`]
    CardValid = 19,
    /// [`Claim::CardAddress`]
    CardAddress = 20,
}

impl Claim {
    /// The kind, which is what a procedure allows or does not.
    #[must_use]
    pub const fn kind(&self) -> ClaimKind {
        match self {
            Self::FullName(_) => ClaimKind::FullName,
            Self::BirthDate(_) => ClaimKind::BirthDate,
            Self::Sex(_) => ClaimKind::Sex,
            Self::Nationality(_) => ClaimKind::Nationality,
            Self::AgeAtLeast { .. } => ClaimKind::AgeAtLeast,
            Self::Residence { .. } => ClaimKind::Residence,
            Self::MaritalStatus(_) => ClaimKind::MaritalStatus,
            Self::LivingStatus(_) => ClaimKind::LivingStatus,
            Self::OldNumber(_) => ClaimKind::OldNumber,
            Self::CardIssued(_) => ClaimKind::CardIssued,
            Self::CardExpires(_) => ClaimKind::CardExpires,
            Self::ParentOf(_) => ClaimKind::ParentOf,
            Self::ChildOf(_) => ClaimKind::ChildOf,
            Self::SpouseOf(_) => ClaimKind::SpouseOf,
            Self::GuardianOf(_) => ClaimKind::GuardianOf,
            Self::HeadOfHousehold => ClaimKind::HeadOfHousehold,
            Self::SameHousehold(_) => ClaimKind::SameHousehold,
            Self::AgeAtMost { .. } => ClaimKind::AgeAtMost,
            Self::CardNumber(_) => ClaimKind::CardNumber,
            Self::CardValid(_) => ClaimKind::CardValid,
            Self::CardAddress(_) => ClaimKind::CardAddress,
        }
    }
}

impl ClaimKind {
    /// All kinds in the order of their bits.
    pub const ALL: [Self; 21] = [
        Self::FullName,
        Self::BirthDate,
        Self::Sex,
        Self::Nationality,
        Self::AgeAtLeast,
        Self::Residence,
        Self::MaritalStatus,
        Self::LivingStatus,
        Self::OldNumber,
        Self::CardIssued,
        Self::CardExpires,
        Self::ParentOf,
        Self::ChildOf,
        Self::SpouseOf,
        Self::GuardianOf,
        Self::HeadOfHousehold,
        Self::SameHousehold,
        Self::AgeAtMost,
        Self::CardNumber,
        Self::CardValid,
        Self::CardAddress,
    ];

    /// The bit of this kind in a 32-bit set.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self as u8
    }

    /// The name used in registers, commitments and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullName => "full_name",
            Self::BirthDate => "birth_date",
            Self::Sex => "sex",
            Self::Nationality => "nationality",
            Self::AgeAtLeast => "age_at_least",
            Self::Residence => "residence",
            Self::MaritalStatus => "marital_status",
            Self::LivingStatus => "living_status",
            Self::OldNumber => "old_number",
            Self::CardIssued => "card_issued",
            Self::CardExpires => "card_expires",
            Self::ParentOf => "parent_of",
            Self::ChildOf => "child_of",
            Self::SpouseOf => "spouse_of",
            Self::GuardianOf => "guardian_of",
            Self::HeadOfHousehold => "head_of_household",
            Self::SameHousehold => "same_household",
            Self::AgeAtMost => "age_at_most",
            Self::CardNumber => "card_number",
            Self::CardValid => "card_valid",
            Self::CardAddress => "card_address",
        }
    }

    /// The kind of a name, as [`ClaimKind::name`] writes it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The class of attributes it is decided from, which sets how old the record may be.
    #[must_use]
    pub const fn class(self) -> AttributeClass {
        match self {
            Self::FullName
            | Self::BirthDate
            | Self::Sex
            | Self::Nationality
            | Self::AgeAtLeast
            | Self::OldNumber
            | Self::CardIssued
            | Self::CardExpires
            | Self::AgeAtMost
            | Self::CardNumber
            | Self::CardValid => AttributeClass::Identity,
            // The address on a card is compared with the permanent residence.
            Self::Residence | Self::HeadOfHousehold | Self::SameHousehold | Self::CardAddress => {
                AttributeClass::Residence
            }
            Self::MaritalStatus | Self::ParentOf | Self::ChildOf | Self::SpouseOf | Self::GuardianOf => {
                AttributeClass::Family
            }
            Self::LivingStatus => AttributeClass::Status,
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim::{}(…)", self.kind().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_names_are_in_step() {
        for (bit, kind) in ClaimKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, bit);
            assert_eq!(kind.bit(), 1 << bit);
            assert_eq!(ClaimKind::by_name(kind.name()), Some(kind));
        }
        assert!(ClaimKind::ALL.len() <= 32, "the leaf has 32 bits for kinds of claims");
    }
}
