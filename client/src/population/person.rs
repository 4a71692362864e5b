//! One row of the population database, as the generator makes it.

use std::fmt;

use xacminh_proto::schema::code;

/// A person under one citizen number: the row of `persons`, column by column.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// `citizen_number`
    pub number: u64,
    /// `old_number`
    pub old_number: Option<u32>,
    /// `number_status`
    pub number_status: i16,
    /// `replaced_by`
    pub replaced_by: Option<u64>,
    /// `replaces`
    pub replaces: Option<u64>,
    /// `full_name`, NFC
    pub full_name: String,
    /// `other_name`
    pub other_name: Option<String>,
    /// `birth_year`, `birth_month`, `birth_day`
    pub birth: Birth,
    /// `sex`
    pub sex: i16,
    /// `ethnicity`
    pub ethnicity: i16,
    /// `birth_registration_code`: what the first three digits of a number code
    pub registration_code: i16,
    /// `birth_registration_*`: absent abroad
    pub registration: Option<Commune>,
    /// `hometown_*`
    pub hometown: Option<Commune>,
    /// `marital`
    pub marital: i16,
    /// `living`
    pub living: i16,
    /// `living_changed_on`
    pub living_changed_on: Option<i32>,
    /// `permanent_*`
    pub permanent: Option<Residence>,
    /// `temporary_*`
    pub temporary: Option<Residence>,
    /// `current_*`
    pub current: Option<Residence>,
    /// `household_id`
    pub household: u64,
    /// `head_number`
    pub head: u64,
    /// `relation_to_head`
    pub relation: i16,
    /// `father_number`
    pub father: Option<u64>,
    /// `mother_number`
    pub mother: Option<u64>,
    /// `spouse_number`
    pub spouse: Option<u64>,
    /// `guardian_number`
    pub guardian: Option<u64>,
    /// `card_issued_on`; the card carries the citizen number
    pub card_issued_on: Option<i32>,
    /// `card_expires_on`
    pub card_expires_on: Option<i32>,
    /// `under_correction`
    pub under_correction: bool,
    /// `version`
    pub version: i64,
}

/// A birth date: a day, or a year alone when month and day are 0.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Birth {
    /// The year.
    pub year: i16,
    /// 1 to 12, or 0.
    pub month: i16,
    /// 1 to 31, or 0.
    pub day: i16,
}

/// A commune of today.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commune {
    /// Two-digit province code.
    pub province: i16,
    /// Five-digit commune code.
    pub commune: i32,
}

/// An address with the codes it carried before July 2025.
#[derive(Clone, PartialEq, Eq)]
pub struct Residence {
    /// Where it lies today.
    pub place: Commune,
    /// House and street, or hamlet.
    pub detail: String,
    /// Province, district and commune until 30 June 2025.
    pub old: (i16, i16, i32),
}

/// A column's value on its way into a database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// `SMALLINT`
    Small(Option<i16>),
    /// `INTEGER`
    Int(Option<i32>),
    /// `BIGINT`
    Big(Option<i64>),
    /// `TEXT`
    Text(Option<&'a str>),
}

impl Person {
    /// Hands every column to `put`, in the order of [`xacminh_proto::schema::PERSON_COLUMNS`].
    pub fn cells(&self, put: &mut impl FnMut(Cell<'_>)) {
        put(big(Some(self.number)));
        put(Cell::Big(self.old_number.map(i64::from)));
        put(Cell::Small(Some(self.number_status)));
        put(big(self.replaced_by));
        put(big(self.replaces));
        put(Cell::Text(Some(&self.full_name)));
        put(Cell::Text(self.other_name.as_deref()));
        put(Cell::Small(Some(self.birth.year)));
        put(Cell::Small(self.birth.known_day().then_some(self.birth.month)));
        put(Cell::Small(self.birth.known_day().then_some(self.birth.day)));
        put(Cell::Small(Some(self.sex)));
        put(Cell::Text(Some("VN")));
        put(Cell::Small(Some(self.ethnicity)));
        put(Cell::Small(Some(self.registration_code)));
        put_commune(self.registration, put);
        put_commune(self.hometown, put);
        put(Cell::Small(Some(self.marital)));
        put(Cell::Small(Some(self.living)));
        put(Cell::Int(self.living_changed_on));
        for residence in [&self.permanent, &self.temporary, &self.current] {
            put_residence(residence.as_ref(), put);
        }
        put(big(Some(self.household)));
        put(big(Some(self.head)));
        put(Cell::Small(Some(self.relation)));
        put(big(self.father));
        put(big(self.mother));
        put(big(self.spouse));
        put(big(self.guardian));
        let card = self.card_issued_on.map(|_| format!("{:012}", self.number));
        put(Cell::Text(card.as_deref()));
        put(Cell::Int(self.card_issued_on));
        put(Cell::Int(self.card_expires_on));
        put(Cell::Small(Some(i16::from(self.under_correction))));
        put(Cell::Big(Some(self.version)));
    }
}

impl Birth {
    /// Whether more than the year is known.
    #[must_use]
    pub fn known_day(self) -> bool {
        self.month != 0
    }
}

fn put_commune(commune: Option<Commune>, put: &mut impl FnMut(Cell<'_>)) {
    put(Cell::Small(commune.map(|place| place.province)));
    put(Cell::Int(commune.map(|place| place.commune)));
}

fn put_residence(residence: Option<&Residence>, put: &mut impl FnMut(Cell<'_>)) {
    put_commune(residence.map(|at| at.place), put);
    put(Cell::Text(residence.map(|at| at.detail.as_str())));
    put(Cell::Small(residence.map(|_| code::CODE_SET_UNTIL_2025)));
    put(Cell::Small(residence.map(|at| at.old.0)));
    put(Cell::Small(residence.map(|at| at.old.1)));
    put(Cell::Int(residence.map(|at| at.old.2)));
}

/// Numbers of people and households stay below 10^15, far from the sign bit.
fn big(number: Option<u64>) -> Cell<'static> {
    Cell::Big(number.map(|number| i64::try_from(number).expect("below 2^63")))
}

/// Invented or not, a person prints as nothing: logs look the same in tests and in service.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(…)")
    }
}

impl fmt::Debug for Residence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Residence(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xacminh_proto::schema::{Kind, PERSON_COLUMNS};

    #[test]
    fn cells_have_the_kinds_of_the_columns() {
        let mut kinds = Vec::new();
        Person::default().cells(&mut |cell| {
            kinds.push(match cell {
                Cell::Small(_) => Kind::Small,
                Cell::Int(_) => Kind::Int,
                Cell::Big(_) => Kind::Big,
                Cell::Text(_) => Kind::Text,
            });
        });
        assert_eq!(kinds, PERSON_COLUMNS.map(|(_, kind)| kind));
    }
}
