//! What is remembered of a person: attributes with the authority's version and the time they were read.

use std::fmt;

use serde::{Deserialize, Serialize};
use xacminh_proto::{
    codec::{self, CodecError},
    vocab::{Address, BirthDate, CitizenNumber, Date, FullName, Living, Marital, OldNumber, Place, Sex},
};

/// Largest encoded [`Known`]: eight people under one old number, each with a large family.
pub const KNOWN_BYTES_MAX: usize = 32 * 1024;

/// People remembered under one number: old numbers were issued twice, hardly ever more often.
pub const PEOPLE_MAX: usize = 8;

const VERSION: u8 = 1;

/// What the authority said under one number, and when.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Nobody, one person, or several who share an old number; and, behind a record whose number was cancelled, those of
    /// the numbers issued in its place, see [`lineage`](crate::lineage). At most [`PEOPLE_MAX`].
    pub people: Vec<Record>,
    /// When the authority was read, Unix milliseconds.
    pub read_at_ms: u64,
}

/// One person as the national database describes them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The citizen number.
    pub number: CitizenNumber,
    /// Whether the number is in force.
    pub status: NumberStatus,
    /// The old number, if one was issued.
    pub old_number: Option<OldNumber>,
    /// Full name.
    pub name: FullName,
    /// Other name in use.
    pub other_name: Option<FullName>,
    /// Birth date, or the year alone.
    pub birth: BirthDate,
    /// Sex.
    pub sex: Sex,
    /// Nationality: two letters of ISO 3166-1.
    pub nationality: [u8; 2],
    /// Ethnicity, 01–54 of decision 121-TCTK/PPCĐ.
    pub ethnicity: Option<u8>,
    /// Place of birth registration: the three-digit code that starts citizen numbers.
    pub birth_place: Option<u16>,
    /// Home town.
    pub home_town: Option<Place>,
    /// Permanent residence.
    pub permanent: Option<Address>,
    /// Temporary residence.
    pub temporary: Option<Address>,
    /// Current residence.
    pub current: Option<Address>,
    /// Marital status.
    pub marital: Marital,
    /// Whether the person lives.
    pub living: Living,
    /// Father's number.
    pub father: Option<CitizenNumber>,
    /// Mother's number.
    pub mother: Option<CitizenNumber>,
    /// Spouse's number.
    pub spouse: Option<CitizenNumber>,
    /// Children's numbers.
    pub children: Vec<CitizenNumber>,
    /// Numbers of those the person is legal guardian of.
    pub wards: Vec<CitizenNumber>,
    /// The household.
    pub household: Option<Household>,
    /// The identity card.
    pub card: Option<Card>,
    /// Whether the authority is correcting the record.
    pub under_correction: bool,
    /// The authority's version of the record.
    pub version: u64,
}

/// Whether a citizen number is in force (Decree 70/2024: numbers are cancelled and issued anew).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NumberStatus {
    /// In force.
    Active,
    /// Cancelled, and perhaps replaced.
    Cancelled {
        /// The number issued instead.
        replaced_by: Option<CitizenNumber>,
    },
}

/// A household as registered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Household {
    /// The head's number.
    pub head: Option<CitizenNumber>,
    /// Relation to the head, in the database's words.
    pub relation: String,
    /// Numbers of the other members.
    pub members: Vec<CitizenNumber>,
}

/// Dates of the identity card.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Day of issue.
    pub issued: Date,
    /// Last day of validity; none for holders over 60.
    pub expires: Option<Date>,
}

/// Why bytes are not a remembered record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another version.
    #[error("record version {0} is not known here")]
    Version(u8),
    /// Not a record.
    #[error("record: {0}")]
    Codec(#[from] CodecError),
}

impl Known {
    /// The plaintext to seal: version byte, then bincode.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] beyond [`KNOWN_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut bytes = vec![VERSION];
        codec::encode_into::<KNOWN_BYTES_MAX, _>(self, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads an opened record.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            Some((&VERSION, body)) => Ok(codec::decode::<KNOWN_BYTES_MAX, _>(body)?),
            Some((version, _)) => Err(RecordError::Version(*version)),
            None => Err(RecordError::Codec(CodecError::Malformed)),
        }
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(…)")
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(…)")
    }
}

impl fmt::Debug for Household {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Household(…)")
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Card(…)")
    }
}
