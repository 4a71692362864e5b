//! Attributes that may be disclosed, as a bitset, and the values they take.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Address, BirthDate, CitizenNumber, Date, Living, Marital, OldNumber, Sex,
    text::{self, TextError},
};

/// One attribute of a person. The number is its bit in [`AttributeSet`] and in the leaf: never renumbered.
///
/// After the fields of the national database (Law on Identification 26/2023/QH15 article 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Attribute {
    /// Full name as recorded.
    FullName = 0,
    /// Birth date, or the year alone.
    BirthDate = 1,
    /// Sex.
    Sex = 2,
    /// Nationality.
    Nationality = 3,
    /// Citizen number (of use when the question named an old number).
    CitizenNumber = 4,
    /// Old number.
    OldNumber = 5,
    /// Other name in use.
    OtherName = 6,
    /// Day the identity card was issued.
    CardIssued = 7,
    /// Day the identity card expires.
    CardExpires = 8,
    /// Place of birth registration.
    BirthPlace = 9,
    /// Home town (quê quán).
    HomeTown = 10,
    /// Permanent residence.
    PermanentResidence = 11,
    /// Temporary residence.
    TemporaryResidence = 12,
    /// Current residence.
    CurrentResidence = 13,
    /// Marital status.
    MaritalStatus = 14,
    /// Father's citizen number.
    Father = 15,
    /// Mother's citizen number.
    Mother = 16,
    /// Spouse's citizen number.
    Spouse = 17,
    /// Relation to the head of the household.
    RelationToHead = 18,
    /// Whether the person lives.
    LivingStatus = 19,
    /// Ethnicity (sensitive under Law 91/2025).
    Ethnicity = 20,
}

/// Classes of attributes that age and are granted alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeClass {
    /// Names, birth date, sex, nationality, numbers, card.
    Identity,
    /// Birth registration and home town.
    Origin,
    /// Addresses.
    Residence,
    /// Marital status and relatives.
    Family,
    /// Living or not.
    Status,
    /// Sensitive data under Law 91/2025.
    Sensitive,
}

/// A set of attributes, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct AttributeSet(u64);

/// The value of a disclosed attribute.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// The authority has none recorded.
    Absent,
    /// Free text: a name, a relation, a country or place code. Make it with [`Value::text`]: a longer or invisible
    /// text cannot be encoded.
    Text(#[serde(with = "crate::bounds::plain_text")] String),
    /// A birth date.
    Birth(BirthDate),
    /// A day.
    Day(Date),
    /// Sex.
    Sex(Sex),
    /// Marital status.
    Marital(Marital),
    /// Living status.
    Living(Living),
    /// A citizen number.
    Citizen(CitizenNumber),
    /// An old number.
    Old(OldNumber),
    /// An address.
    Address(Address),
}

impl Attribute {
    /// All attributes in the order of their bits.
    pub const ALL: [Self; 21] = [
        Self::FullName,
        Self::BirthDate,
        Self::Sex,
        Self::Nationality,
        Self::CitizenNumber,
        Self::OldNumber,
        Self::OtherName,
        Self::CardIssued,
        Self::CardExpires,
        Self::BirthPlace,
        Self::HomeTown,
        Self::PermanentResidence,
        Self::TemporaryResidence,
        Self::CurrentResidence,
        Self::MaritalStatus,
        Self::Father,
        Self::Mother,
        Self::Spouse,
        Self::RelationToHead,
        Self::LivingStatus,
        Self::Ethnicity,
    ];

    /// The name used in registers, commitments and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullName => "full_name",
            Self::BirthDate => "birth_date",
            Self::Sex => "sex",
            Self::Nationality => "nationality",
            Self::CitizenNumber => "citizen_number",
            Self::OldNumber => "old_number",
            Self::OtherName => "other_name",
            Self::CardIssued => "card_issued",
            Self::CardExpires => "card_expires",
            Self::BirthPlace => "birth_place",
            Self::HomeTown => "home_town",
            Self::PermanentResidence => "permanent_residence",
            Self::TemporaryResidence => "temporary_residence",
            Self::CurrentResidence => "current_residence",
            Self::MaritalStatus => "marital_status",
            Self::Father => "father",
            Self::Mother => "mother",
            Self::Spouse => "spouse",
            Self::RelationToHead => "relation_to_head",
            Self::LivingStatus => "living_status",
            Self::Ethnicity => "ethnicity",
        }
    }

    /// The attribute of a name, as [`Attribute::name`] writes it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name() == name)
    }

    /// The class it belongs to.
    #[must_use]
    pub const fn class(self) -> AttributeClass {
        match self {
            Self::FullName
            | Self::BirthDate
            | Self::Sex
            | Self::Nationality
            | Self::CitizenNumber
            | Self::OldNumber
            | Self::OtherName
            | Self::CardIssued
            | Self::CardExpires => AttributeClass::Identity,
            Self::BirthPlace | Self::HomeTown => AttributeClass::Origin,
            Self::PermanentResidence | Self::TemporaryResidence | Self::CurrentResidence => AttributeClass::Residence,
            Self::MaritalStatus | Self::Father | Self::Mother | Self::Spouse | Self::RelationToHead => {
                AttributeClass::Family
            }
            Self::LivingStatus => AttributeClass::Status,
            Self::Ethnicity => AttributeClass::Sensitive,
        }
    }
}

impl Value {
    /// A free text within its bounds.
    ///
    /// # Errors
    /// [`TextError`]; what an authority holds goes through [`text::tidy`] first.
    pub fn text(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        text::check(&text)?;
        Ok(Self::Text(text))
    }
}

impl AttributeSet {
    /// No attribute.
    pub const EMPTY: Self = Self(0);

    /// The bits, lowest for [`Attribute::FullName`].
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// This set with one attribute more.
    #[must_use]
    pub const fn with(self, attribute: Attribute) -> Self {
        Self(self.0 | (1 << attribute as u8))
    }

    /// Whether the attribute is in the set.
    #[must_use]
    pub const fn contains(self, attribute: Attribute) -> bool {
        self.0 & (1 << attribute as u8) != 0
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The attributes in the order of their bits.
    pub fn iter(self) -> impl Iterator<Item = Attribute> {
        Attribute::ALL.into_iter().filter(move |attribute| self.contains(*attribute))
    }
}

impl FromIterator<Attribute> for AttributeSet {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        attributes.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl TryFrom<u64> for AttributeSet {
    type Error = &'static str;
    fn try_from(bits: u64) -> Result<Self, Self::Error> {
        if bits >> Attribute::ALL.len() == 0 { Ok(Self(bits)) } else { Err("an attribute this version does not know") }
    }
}

impl From<AttributeSet> for u64 {
    fn from(set: AttributeSet) -> Self {
        set.0
    }
}

impl fmt::Debug for AttributeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_names_are_in_step() {
        for (bit, attribute) in Attribute::ALL.into_iter().enumerate() {
            assert_eq!(attribute as usize, bit);
            assert_eq!(Attribute::by_name(attribute.name()), Some(attribute));
        }
        assert!(Attribute::ALL.len() <= 32, "the leaf has 32 bits for attributes");
        let all: AttributeSet = Attribute::ALL.into_iter().collect();
        assert_eq!(all.iter().count(), Attribute::ALL.len());
        assert_eq!(AttributeSet::try_from(all.bits()), Ok(all));
        assert!(AttributeSet::try_from(1 << Attribute::ALL.len()).is_err());
        assert!(AttributeSet::try_from(u64::MAX).is_err());
    }

    #[test]
    fn a_text_value_has_bounds() {
        assert!(Value::text("Chủ hộ").is_ok());
        assert!(Value::text("a\u{202e}b").is_err());
        assert!(Value::text("x".repeat(text::TEXT_BYTES_MAX + 1)).is_err());
        assert_eq!(format!("{:?}", Value::Text("Nguyễn Văn An".to_owned())), "Value(…)");
    }
}
