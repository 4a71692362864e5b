//! The disclosure: a leaf and as many of its openings as somebody wants to show. It travels in `extra` of a receipt.
//!
//! ```text
//! version u8 (1) ‖ leaf length u16 ‖ leaf
//! ‖ subject: 0, or 1 ‖ salt 32 ‖ length u8 ‖ digits of the number
//! ‖ opened u8 ‖ { name length u8 ‖ name ‖ salt 32 ‖ value length u16 ‖ value } …    in the order of the names
//! ‖ closed u8 ‖ { commitment 32 } …                                                  ascending
//! ```
//!
//! Integers are big-endian. Every byte is bound: the leaf by its place in the tree, the number by the leaf's subject,
//! names, salts, values and closed commitments by the leaf's attributes root; counts and lengths have one spelling.

use std::fmt;

use super::{
    Hash, Leaf, LeafError, Opening, Salt, attributes_root,
    leaf::LEAF_BYTES_MAX,
    statement::{Statement, StatementError, StatementName},
    subject_commitment,
};
use crate::vocab::{Attribute, CLAIMS_MAX, PersonNumber};

/// Statements a leaf may commit to: those of the largest outcome, and room for kinds to come.
pub const STATEMENTS_MAX: usize = 64;

/// Longest value of a statement: an address of the longest text takes under 320 bytes.
const VALUE_BYTES_MAX: usize = 512;

/// Longest name of a statement.
const NAME_BYTES_MAX: usize = 64;

/// Largest disclosure.
pub const DISCLOSURE_BYTES_MAX: usize = 1
    + (2 + LEAF_BYTES_MAX)
    + (1 + HASH_BYTES + 1 + NUMBER_BYTES_MAX)
    + 2
    + STATEMENTS_MAX * (1 + NAME_BYTES_MAX + HASH_BYTES + 2 + VALUE_BYTES_MAX);

const VERSION: u8 = 1;
const HASH_BYTES: usize = 32;
const NUMBER_BYTES_MAX: usize = 12;

const _: () = assert!(1 + CLAIMS_MAX + Attribute::ALL.len() <= STATEMENTS_MAX, "every outcome fits");

/// A leaf with some of its commitments opened and the others closed.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    leaf: Vec<u8>,
    subject: Option<(Salt, PersonNumber)>,
    /// In the order of their names.
    opened: Vec<(StatementName, Opening)>,
    /// Ascending.
    closed: Vec<Hash>,
}

/// What a disclosure says once it was checked against its own leaf. Whether that leaf is in a log is for the receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disclosed {
    pub(super) leaf: Leaf,
    pub(super) subject: Option<PersonNumber>,
    pub(super) statements: Vec<Statement>,
    pub(super) closed: usize,
}

/// Why a disclosure is refused. What it discloses is never part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// Another version.
    #[error("disclosure version {0} is not known here")]
    Version(u8),
    /// The bytes end early, go on too long, or are not in the one order there is.
    #[error("malformed disclosure")]
    Malformed,
    /// The leaf is none.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// The number is not the one the leaf commits to.
    #[error("the person's number is not the one the leaf commits to")]
    Subject,
    /// The openings are not those the leaf commits to.
    #[error("the statements are not those the leaf commits to")]
    Statements,
    /// An opened statement cannot be read.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl Disclosure {
    /// A disclosure of everything that is given; what is not wanted is dropped by [`Disclosure::redact`].
    ///
    /// # Errors
    /// [`DisclosureError`] when the openings are not all those of the leaf: it would prove nothing.
    pub fn new(
        leaf: &[u8],
        subject: Option<(Salt, PersonNumber)>,
        openings: Vec<Opening>,
    ) -> Result<Self, DisclosureError> {
        let (disclosure, _) = Self::written(leaf, subject, openings)?;
        disclosure.check()?;
        Ok(disclosure)
    }

    /// A disclosure and its bytes, from which it was read back; that it is the leaf's is still to be checked.
    pub(super) fn written(
        leaf: &[u8],
        subject: Option<(Salt, PersonNumber)>,
        openings: Vec<Opening>,
    ) -> Result<(Self, Vec<u8>), DisclosureError> {
        let named = |opening: Opening| Ok((StatementName::parse(&opening.name)?, opening));
        let mut opened = openings.into_iter().map(named).collect::<Result<Vec<_>, DisclosureError>>()?;
        opened.sort_by_key(|(name, _)| *name);
        let bytes = Self { leaf: leaf.to_vec(), subject, opened, closed: Vec::new() }.encode()?;
        // What is written here must be read everywhere: bounds and order are checked by the reader itself.
        Ok((Self::decode(&bytes)?, bytes))
    }

    /// The leaf's bytes, as they are hashed into the tree.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// The same leaf with less said of it: the person's number stays if `keep("subject")`, a statement if `keep` of its
    /// name. What is dropped leaves its commitment behind, which tells nothing without its salt.
    #[must_use]
    pub fn redact(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut redacted = self.clone();
        redacted.subject = redacted.subject.filter(|_| keep("subject"));
        redacted.opened.retain(|(_, opening)| keep(&opening.name));
        let dropped = self.opened.iter().filter(|(_, opening)| !keep(&opening.name));
        redacted.closed.extend(dropped.map(|(_, opening)| opening.commitment()));
        redacted.closed.sort_unstable();
        redacted
    }

    /// Names of all that is opened: `subject`, then statements in their order.
    pub(super) fn names(&self) -> Vec<String> {
        let subject = self.subject.iter().map(|_| "subject".to_owned());
        subject.chain(self.opened.iter().map(|(name, _)| name.to_string())).collect()
    }

    /// Whether it opens this person's number, exactly these statements, and closes none.
    pub(super) fn opens(&self, number: PersonNumber, mut statements: Vec<(String, Vec<u8>)>) -> bool {
        statements.sort_unstable();
        let mut opened: Vec<(&str, &[u8])> =
            self.opened.iter().map(|(_, opening)| (opening.name.as_str(), opening.value.as_slice())).collect();
        opened.sort_unstable();
        self.closed.is_empty()
            && self.subject.is_some_and(|(_, subject)| subject == number)
            && statements.iter().map(|(name, value)| (name.as_str(), value.as_slice())).eq(opened)
    }

    /// How many statements are closed.
    pub(super) const fn closed(&self) -> usize {
        self.closed.len()
    }

    /// Checks the openings against the leaf, and reads them.
    pub(super) fn check(&self) -> Result<Disclosed, DisclosureError> {
        let leaf = Leaf::decode(&self.leaf)?;
        if let Some((salt, number)) = &self.subject
            && subject_commitment(salt, digits(number).as_bytes()) != leaf.subject
        {
            return Err(DisclosureError::Subject);
        }
        let opened = self.opened.iter().map(|(_, opening)| opening.commitment());
        let mut commitments: Vec<Hash> = opened.chain(self.closed.iter().copied()).collect();
        if attributes_root(&mut commitments) != leaf.attributes_root {
            return Err(DisclosureError::Statements);
        }
        let read = |(name, opening): &(StatementName, Opening)| Statement::read(*name, &opening.value);
        let statements = self.opened.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let subject = self.subject.map(|(_, number)| number);
        Ok(Disclosed { leaf, subject, statements, closed: self.closed.len() })
    }

    /// The bytes of the layout above.
    ///
    /// # Errors
    /// [`DisclosureError::Malformed`] when something is longer than its bound.
    pub fn encode(&self) -> Result<Vec<u8>, DisclosureError> {
        let mut bytes = vec![VERSION];
        put_u16(&mut bytes, self.leaf.len())?;
        bytes.extend_from_slice(&self.leaf);
        match &self.subject {
            None => bytes.push(0),
            Some((salt, number)) => {
                bytes.push(1);
                bytes.extend_from_slice(&salt.0);
                let digits = digits(number);
                put_u8(&mut bytes, digits.len())?;
                bytes.extend_from_slice(digits.as_bytes());
            }
        }
        put_u8(&mut bytes, self.opened.len())?;
        for (_, opening) in &self.opened {
            put_u8(&mut bytes, opening.name.len())?;
            bytes.extend_from_slice(opening.name.as_bytes());
            bytes.extend_from_slice(&opening.salt.0);
            put_u16(&mut bytes, opening.value.len())?;
            bytes.extend_from_slice(&opening.value);
        }
        put_u8(&mut bytes, self.closed.len())?;
        bytes.extend(self.closed.iter().flatten());
        Ok(bytes)
    }

    /// Reads the bytes of the layout above. What is accepted is written again with the same bytes.
    ///
    /// # Errors
    /// [`DisclosureError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DisclosureError> {
        if bytes.len() > DISCLOSURE_BYTES_MAX {
            return Err(DisclosureError::Malformed);
        }
        match bytes.split_first() {
            Some((&VERSION, rest)) => Self::read(&mut Reader(rest)).ok_or(DisclosureError::Malformed),
            Some((&version, _)) => Err(DisclosureError::Version(version)),
            None => Err(DisclosureError::Malformed),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let length = reader.u16()?;
        let leaf = reader.take(length).filter(|leaf| leaf.len() <= LEAF_BYTES_MAX)?.to_vec();
        let subject = match reader.u8()? {
            0 => None,
            1 => {
                let salt = Salt(reader.hash()?);
                let length = reader.u8()?;
                let digits = str::from_utf8(reader.take(length)?).ok()?;
                Some((salt, PersonNumber::parse(digits).ok()?))
            }
            _ => return None,
        };
        let opened_count = Some(reader.u8()?).filter(|count| *count <= STATEMENTS_MAX)?;
        let opened = (0..opened_count).map(|_| reader.opening()).collect::<Option<Vec<_>>>()?;
        let closed_count = Some(reader.u8()?).filter(|count| opened_count + count <= STATEMENTS_MAX)?;
        let closed = (0..closed_count).map(|_| reader.hash()).collect::<Option<Vec<_>>>()?;
        let in_order = opened.is_sorted_by(|(before, _), (after, _)| before < after) && is_one_question(&opened);
        let is_canonical = in_order && closed.is_sorted_by(|before, after| before < after) && reader.0.is_empty();
        is_canonical.then_some(Self { leaf, subject, opened, closed })
    }
}

/// A question has one claim at each place.
fn is_one_question(opened: &[(StatementName, Opening)]) -> bool {
    opened.is_sorted_by(|(before, _), (after, _)| match (before, after) {
        (StatementName::Claim(before, _), StatementName::Claim(after, _)) => before < after,
        _ => true,
    })
}

fn digits(number: &PersonNumber) -> String {
    match number {
        PersonNumber::Citizen(number) => number.reveal(),
        PersonNumber::Old(number) => number.reveal(),
    }
}

fn put_u8(bytes: &mut Vec<u8>, number: usize) -> Result<(), DisclosureError> {
    bytes.push(u8::try_from(number).map_err(|_| DisclosureError::Malformed)?);
    Ok(())
}

fn put_u16(bytes: &mut Vec<u8>, number: usize) -> Result<(), DisclosureError> {
    bytes.extend_from_slice(&u16::try_from(number).map_err(|_| DisclosureError::Malformed)?.to_be_bytes());
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<usize> {
        Some(usize::from(*self.take(1)?.first()?))
    }

    fn u16(&mut self) -> Option<usize> {
        Some(usize::from(u16::from_be_bytes(self.take(2)?.try_into().ok()?)))
    }

    fn hash(&mut self) -> Option<Hash> {
        self.take(HASH_BYTES)?.try_into().ok()
    }

    fn opening(&mut self) -> Option<(StatementName, Opening)> {
        let length = Some(self.u8()?).filter(|length| *length <= NAME_BYTES_MAX)?;
        let name = str::from_utf8(self.take(length)?).ok()?.to_owned();
        let salt = Salt(self.hash()?);
        let length = Some(self.u16()?).filter(|length| *length <= VALUE_BYTES_MAX)?;
        let value = self.take(length)?.to_vec();
        Some((StatementName::parse(&name).ok()?, Opening { name, salt, value }))
    }
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disclosure({} opened, {} closed)", self.opened.len(), self.closed.len())
    }
}
