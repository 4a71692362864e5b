//! A row of the population database, parsed into a record. Both databases come through here.

use xacminh_core::{
    question::PersonKeys,
    record::{Card, Household, NumberStatus, PEOPLE_MAX, Record},
};
use xacminh_proto::schema::{PERSON_COLUMNS, code};
use xacminh_proto::vocab::{
    Address, BirthDate, CitizenNumber, Date, FullName, Living, Marital, OldNumber, PersonNumber, Place, Sex,
};

use super::{AuthorityError, Change, ChangeKind};

/// Relatives of one kind that are read: no family has more, and a record stays small.
pub(super) const RELATIVES_MAX: usize = 64;

/// A database row, by position in the select list, which begins with [`PERSON_COLUMNS`].
pub(super) trait Cells {
    /// A whole number, or NULL; an error if the column holds anything else.
    fn number(&self, index: usize) -> Result<Option<i64>, AuthorityError>;
    /// A text, or NULL; an error if the column holds anything else.
    fn text(&self, index: usize) -> Result<Option<&str>, AuthorityError>;
}

/// Numbers of those related to a person, besides the ones in the person's own row.
#[derive(Default)]
pub(super) struct Relatives {
    pub children: Vec<CitizenNumber>,
    pub wards: Vec<CitizenNumber>,
    pub members: Vec<CitizenNumber>,
}

/// Which relatives a query is for, and the condition that finds them for the person `p`.
pub(super) const RELATIVES: [&str; 3] = [
    "(r.father_number = p.citizen_number OR r.mother_number = p.citizen_number)",
    "r.guardian_number = p.citizen_number",
    "r.household_id = p.household_id AND r.citizen_number <> p.citizen_number",
];

/// The person columns of `persons p`.
pub(super) fn person_columns() -> String {
    PERSON_COLUMNS.map(|(name, _)| format!("p.{name}")).join(", ")
}

/// The condition that finds a number, given as the first parameter, and its value.
///
/// Under an old number those whose citizen numbers are in force come first; nobody needs more than [`PEOPLE_MAX`].
pub(super) fn condition(number: PersonNumber) -> (String, i64) {
    match number {
        PersonNumber::Citizen(number) => ("p.citizen_number = $1".into(), signed(u64::from(number))),
        PersonNumber::Old(number) => {
            let text = format!("p.old_number = $1 ORDER BY p.number_status, p.citizen_number LIMIT {PEOPLE_MAX}");
            (text, signed(u64::from(number)))
        }
    }
}

/// Reads the change feed after the first parameter, at most the second many.
pub(super) const CHANGES: &str =
    "SELECT position, citizen_number, kind, version FROM changes WHERE position > $1 ORDER BY position LIMIT $2";

/// Leaves out cancelled numbers if one in force was found: the same person under an earlier number.
pub(super) fn in_force(mut people: Vec<Record>) -> Vec<Record> {
    if people.iter().any(|person| person.status == NumberStatus::Active) {
        people.retain(|person| person.status == NumberStatus::Active);
    }
    people
}

/// The record of a row, for who asks by `keys`; none if it is not understood and the keys do not name the person.
///
/// A row that is not understood tells nobody anything but those who name the person by all three keys: they are told that
/// nothing can be told. Everybody else is told what they would be of a number that nobody has (promise P8). So a row whose
/// name cannot be read is nobody's, and is for the operator to have put right.
pub(super) fn record_for(
    keys: &PersonKeys,
    row: &impl Cells,
    relatives: Result<Relatives, AuthorityError>,
) -> Result<Option<Record>, AuthorityError> {
    let column = match relatives.and_then(|relatives| record(row, relatives)) {
        Ok(record) => return Ok(Some(record)),
        Err(AuthorityError::Malformed { column }) => column,
        Err(error) => return Err(error),
    };
    tracing::warn!(column, "the authority holds a value that is not understood");
    let name = Reader::at(row, "full_name").name().ok().flatten();
    let birth = Reader::at(row, "birth_year").birth().ok();
    if name.is_some_and(|name| keys.may_name(&name, birth)) {
        Err(AuthorityError::Malformed { column })
    } else {
        Ok(None)
    }
}

/// The record of a row.
pub(super) fn record(row: &impl Cells, relatives: Relatives) -> Result<Record, AuthorityError> {
    let mut row = Reader { row, next: 0 };
    let number = row.citizen()?.ok_or(row.malformed())?;
    let old_number = row.parsed(|value| OldNumber::try_from(value).ok())?;
    let status = row.status()?;
    let name = row.name()?.ok_or(row.malformed())?;
    let other_name = row.name()?;
    let birth = row.birth()?;
    let sex =
        row.coded(&[(code::SEX_UNKNOWN, Sex::Unknown), (code::SEX_MALE, Sex::Male), (code::SEX_FEMALE, Sex::Female)])?;
    let nationality = row.nationality()?;
    let ethnicity = row.parsed(|value| u8::try_from(value).ok())?;
    let birth_place = row.parsed(|value| u16::try_from(value).ok())?;
    row.skip(2);
    let home_town = row.place()?;
    let marital = row.marital()?;
    let living = row.living()?;
    row.skip(1);
    let (permanent, temporary, current) = (row.address()?, row.address()?, row.address()?);
    let household_id = row.number()?;
    let head = row.citizen()?;
    let relation = row.relation()?;
    let (father, mother, spouse) = (row.citizen()?, row.citizen()?, row.citizen()?);
    row.skip(2);
    let card = row.card()?;
    let under_correction = row.coded(&[(0, false), (1, true)])?;
    let version = row.parsed(Some)?.ok_or(row.malformed())?;
    let Relatives { children, wards, members } = relatives;
    let household = household_id.map(|_| Household { head, relation: relation.to_owned(), members });
    Ok(Record {
        number,
        status,
        old_number,
        name,
        other_name,
        birth,
        sex,
        nationality,
        ethnicity,
        birth_place,
        home_town,
        permanent,
        temporary,
        current,
        marital,
        living,
        father,
        mother,
        spouse,
        children,
        wards,
        household,
        card,
        under_correction,
        version,
    })
}

/// A row of the change feed.
pub(super) fn change(position: i64, number: i64, kind: i16, version: i64) -> Result<Change, AuthorityError> {
    let malformed = |column| AuthorityError::Malformed { column };
    Ok(Change {
        position: u64::try_from(position).map_err(|_| malformed("position"))?,
        number: citizen(number).ok_or(malformed("citizen_number"))?,
        kind: match kind {
            code::CHANGE_RECORDED => ChangeKind::Recorded,
            code::CHANGE_CANCELLED => ChangeKind::Cancelled,
            _ => return Err(malformed("kind")),
        },
        version: u64::try_from(version).map_err(|_| malformed("version"))?,
    })
}

/// A relative's number.
pub(super) fn relative(number: i64) -> Result<CitizenNumber, AuthorityError> {
    citizen(number).ok_or(AuthorityError::Malformed { column: "citizen_number" })
}

/// Takes the columns in their order.
struct Reader<'a, R> {
    row: &'a R,
    next: usize,
}

impl<'a, R: Cells> Reader<'a, R> {
    /// From this column on.
    fn at(row: &'a R, column: &str) -> Self {
        let next = PERSON_COLUMNS.iter().position(|(name, _)| *name == column);
        Self { row, next: next.expect("a column of the schema") }
    }

    /// The column that was taken last is not understood.
    fn malformed(&self) -> AuthorityError {
        AuthorityError::Malformed { column: PERSON_COLUMNS[self.next - 1].0 }
    }

    fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    fn number(&mut self) -> Result<Option<i64>, AuthorityError> {
        self.next += 1;
        self.row.number(self.next - 1)
    }

    /// A number from 0, as `parse` understands it.
    fn parsed<T>(&mut self, parse: impl Fn(u64) -> Option<T>) -> Result<Option<T>, AuthorityError> {
        let Some(value) = self.number()? else { return Ok(None) };
        let value = u64::try_from(value).ok().and_then(parse).ok_or(self.malformed())?;
        Ok(Some(value))
    }

    fn citizen(&mut self) -> Result<Option<CitizenNumber>, AuthorityError> {
        self.parsed(|value| CitizenNumber::try_from(value).ok())
    }

    /// A code that is always there.
    fn coded<T: Copy>(&mut self, codes: &[(i16, T)]) -> Result<T, AuthorityError> {
        let value = self.number()?;
        let known = codes.iter().find(|(code, _)| Some(i64::from(*code)) == value);
        known.map(|(_, meaning)| *meaning).ok_or(self.malformed())
    }

    fn name(&mut self) -> Result<Option<FullName>, AuthorityError> {
        self.next += 1;
        let text = self.row.text(self.next - 1)?;
        text.map(|text| FullName::recorded(text).map_err(|_| self.malformed())).transpose()
    }

    /// `number_status`, `replaced_by`, `replaces`.
    fn status(&mut self) -> Result<NumberStatus, AuthorityError> {
        let active = self.coded(&[(code::NUMBER_ACTIVE, true), (code::NUMBER_CANCELLED, false)])?;
        let replaced_by = self.citizen()?;
        self.skip(1);
        Ok(if active { NumberStatus::Active } else { NumberStatus::Cancelled { replaced_by } })
    }

    fn birth(&mut self) -> Result<BirthDate, AuthorityError> {
        let year = self.parsed(|value| u16::try_from(value).ok())?.ok_or(self.malformed())?;
        let month = self.parsed(|value| u8::try_from(value).ok())?;
        let day = self.parsed(|value| u8::try_from(value).ok())?;
        let birth = match (month, day) {
            (Some(month), Some(day)) => Date::new(year, month, day).map(BirthDate::Day),
            (None, None) => BirthDate::of_year(year),
            _ => return Err(self.malformed()),
        };
        birth.map_err(|_| self.malformed())
    }

    fn nationality(&mut self) -> Result<[u8; 2], AuthorityError> {
        self.next += 1;
        let text = self.row.text(self.next - 1)?.ok_or(self.malformed())?;
        let letters: [u8; 2] = text.as_bytes().try_into().map_err(|_| self.malformed())?;
        if letters.iter().all(u8::is_ascii_uppercase) { Ok(letters) } else { Err(self.malformed()) }
    }

    fn marital(&mut self) -> Result<Marital, AuthorityError> {
        self.coded(&[
            (code::MARITAL_UNKNOWN, Marital::Unknown),
            (code::MARITAL_SINGLE, Marital::Single),
            (code::MARITAL_MARRIED, Marital::Married),
            (code::MARITAL_DIVORCED_OR_WIDOWED, Marital::DivorcedOrWidowed),
        ])
    }

    fn living(&mut self) -> Result<Living, AuthorityError> {
        self.coded(&[
            (code::LIVING_ALIVE, Living::Alive),
            (code::LIVING_DEAD, Living::Dead),
            (code::LIVING_MISSING, Living::Missing),
        ])
    }

    fn place(&mut self) -> Result<Option<Place>, AuthorityError> {
        let province = self.parsed(|value| u8::try_from(value).ok())?;
        let commune = self.parsed(|value| u32::try_from(value).ok())?;
        let Some(province) = province else { return Ok(None) };
        Place::new(province, commune).map(Some).map_err(|_| self.malformed())
    }

    /// Province, commune, detail; then code set, province, district and commune of before July 2025.
    fn address(&mut self) -> Result<Option<Address>, AuthorityError> {
        let place = self.place()?;
        self.next += 1;
        let detail = self.row.text(self.next - 1)?.unwrap_or_default().to_owned();
        let code_set = self.number()?;
        self.skip(2);
        let old_commune = self.parsed(|value| u32::try_from(value).ok())?;
        // Only a code set that is known says what the digits mean.
        let commune_before_2025 = old_commune.filter(|_| code_set == Some(i64::from(code::CODE_SET_UNTIL_2025)));
        let Some(place) = place else { return Ok(None) };
        Address { place, detail, commune_before_2025 }.checked().map(Some).map_err(|_| self.malformed())
    }

    /// The database's words (field 22 of article 9).
    fn relation(&mut self) -> Result<&'static str, AuthorityError> {
        let words = match self.number()?.and_then(|value| i16::try_from(value).ok()) {
            Some(code::RELATION_HEAD) => "Chủ hộ",
            Some(code::RELATION_SPOUSE) => "Vợ/chồng",
            Some(code::RELATION_CHILD) => "Con",
            Some(code::RELATION_PARENT) => "Cha/mẹ",
            Some(code::RELATION_GRANDCHILD) => "Cháu",
            Some(code::RELATION_GRANDPARENT) => "Ông/bà",
            Some(code::RELATION_SIBLING) => "Anh/chị/em",
            _ => "Khác",
        };
        Ok(words)
    }

    fn card(&mut self) -> Result<Option<Card>, AuthorityError> {
        let (issued, expires) = (self.day()?, self.day()?);
        Ok(issued.map(|issued| Card { issued, expires }))
    }

    /// A day as YYYYMMDD.
    fn day(&mut self) -> Result<Option<Date>, AuthorityError> {
        self.parsed(|value| {
            let part = |value: u64| u8::try_from(value % 100).ok();
            Date::new(u16::try_from(value / 10_000).ok()?, part(value / 100)?, part(value)?).ok()
        })
    }
}

fn citizen(number: i64) -> Option<CitizenNumber> {
    u64::try_from(number).ok().and_then(|number| CitizenNumber::try_from(number).ok())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("numbers of people have at most twelve digits")
}

/// Both ends know the same columns: the reader above takes each exactly once.
const _: () = assert!(PERSON_COLUMNS.len() == 54);
