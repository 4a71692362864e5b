//! A page of the population, in the order of citizen numbers: for sweeps, which remember everybody.

use std::collections::HashMap;

use rusqlite::Connection;
use tokio_postgres::Row;
use xacminh_core::record::{NumberStatus, Record};
use xacminh_proto::schema::PERSON_COLUMNS;
use xacminh_proto::vocab::CitizenNumber;

use super::row::{self, Cells, RELATIVES, RELATIVES_MAX, Relatives};
use super::{AuthorityError, embedded, postgres};

/// Some people, and how far they reach.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Page {
    /// Those whose numbers are in force and whose rows are understood. Others are asked about when a question comes: behind
    /// a cancelled number stand others, and what is not understood is told to nobody but those who name the person.
    pub people: Vec<Record>,
    /// The last number of the page, also of somebody left out; none if nobody was left.
    pub last: Option<CitizenNumber>,
    /// Rows that are not understood; on the last page, where nobody is, those whose keys are nobody's number, in SQLite.
    pub malformed: u32,
}

impl Page {
    fn add(
        &mut self,
        citizen: i64,
        row: &impl Cells,
        relatives: Result<Relatives, AuthorityError>,
    ) -> Result<(), AuthorityError> {
        self.last = Some(row::relative(citizen)?);
        match relatives.and_then(|relatives| row::record(row, relatives)) {
            Ok(record) if record.status == NumberStatus::Active => self.people.push(record),
            Ok(_) => {}
            Err(AuthorityError::Malformed { column }) => {
                tracing::warn!(column, "the authority holds a value that is not understood");
                self.malformed = self.malformed.saturating_add(1);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Reads the page after the first parameter, of at most the second many. A key of more than twelve digits, or in SQLite of
/// letters, is nobody's number: a sweep must not stop at it.
fn select(relatives: &str) -> String {
    format!(
        "SELECT {}, p.citizen_number{relatives} FROM persons p WHERE p.citizen_number > $1 AND p.citizen_number <= 999999999999 ORDER BY p.citizen_number LIMIT $2",
        row::person_columns()
    )
}

/// Before the first number: citizen numbers are not negative.
pub(super) fn start_of(after: Option<CitizenNumber>) -> i64 {
    after.map_or(-1, |number| i64::try_from(u64::from(number)).unwrap_or(i64::MAX))
}

/// The last number of the page after the first parameter, of at most the second many.
const END: &str = "SELECT max(citizen_number) FROM (SELECT citizen_number FROM persons \
    WHERE citizen_number > $1 AND citizen_number <= 999999999999 ORDER BY 1 LIMIT $2)";

/// How many keys are nobody's number, of which a sweep tells at its end; a million stands for more.
const NOT_NUMBERS: &str = "SELECT count(*) FROM (SELECT 1 FROM persons \
    WHERE citizen_number < 0 OR citizen_number > 999999999999 LIMIT 1000000) AS keys";

/// Children in force of the people from the first parameter to the second, behind their fathers.
///
/// One statement for each kind of relatives and page costs half of one for each kind and person.
const CHILDREN_OF_FATHERS: &str = "SELECT r.father_number, r.citizen_number FROM persons r \
    WHERE r.father_number BETWEEN $1 AND $2 AND r.number_status = 1";

/// The same, behind their mothers.
const CHILDREN_OF_MOTHERS: &str = "SELECT r.mother_number, r.citizen_number FROM persons r \
    WHERE r.mother_number BETWEEN $1 AND $2 AND r.number_status = 1";

/// Wards, behind their guardians.
const WARDS: &str = "SELECT r.guardian_number, r.citizen_number FROM persons r \
    WHERE r.guardian_number BETWEEN $1 AND $2 AND r.number_status = 1";

/// The others of the household, behind each member.
const MEMBERS: &str = "SELECT p.citizen_number, r.citizen_number FROM persons p \
    JOIN persons r ON r.household_id = p.household_id \
    WHERE p.citizen_number BETWEEN $1 AND $2 AND r.citizen_number <> p.citizen_number AND r.number_status = 1";

/// Memory in which a connection that reads pages of people keeps pages of the file, KiB: relatives are all over it.
const CACHE_KIB: i32 = 16 * 1024;

/// Numbers of relatives by the person's number.
#[derive(Default)]
struct Related(HashMap<i64, Vec<i64>>);

impl Related {
    fn read(&mut self, connection: &Connection, text: &str, from: i64, to: i64) -> Result<(), AuthorityError> {
        let failed = embedded::failed;
        let mut statement = connection.prepare_cached(text).map_err(failed)?;
        let mut rows = statement.query((from, to)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let (person, relative) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
            let numbers = self.0.entry(person).or_default();
            numbers.push(relative);
            // Whoever has a million relatives costs no more memory than others.
            if numbers.len() >= 2 * RELATIVES_MAX {
                cut(numbers);
            }
        }
        Ok(())
    }

    /// In ascending order, each once.
    fn of(&mut self, person: i64) -> Result<Vec<CitizenNumber>, AuthorityError> {
        let mut numbers = self.0.remove(&person).unwrap_or_default();
        cut(&mut numbers);
        numbers.into_iter().map(row::relative).collect()
    }
}

/// The smallest numbers, each once, as many as are read.
fn cut(numbers: &mut Vec<i64>) {
    numbers.sort_unstable();
    numbers.dedup();
    numbers.truncate(RELATIVES_MAX);
}

/// One read transaction, so that each person and the relatives are of the same moment.
pub(super) fn of_sqlite(connection: &Connection, after: i64, limit: u32) -> Result<Page, AuthorityError> {
    let failed = embedded::failed;
    // Here and not where it is opened: it reads the file, which may be locked then.
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failed)?;
    let moment = connection.unchecked_transaction().map_err(failed)?;
    let mut end = moment.prepare_cached(END).map_err(failed)?;
    let end: Option<i64> = end.query_row((after, limit), |row| row.get(0)).map_err(failed)?;
    let mut page = Page::default();
    let Some(end) = end else {
        page.malformed = moment.query_row(NOT_NUMBERS, [], |row| row.get(0)).map_err(failed)?;
        return Ok(page);
    };
    let (mut children, mut wards, mut members) = (Related::default(), Related::default(), Related::default());
    children.read(&moment, CHILDREN_OF_FATHERS, after + 1, end)?;
    children.read(&moment, CHILDREN_OF_MOTHERS, after + 1, end)?;
    wards.read(&moment, WARDS, after + 1, end)?;
    members.read(&moment, MEMBERS, after + 1, end)?;
    let mut people = moment.prepare_cached(&select("")).map_err(failed)?;
    let mut rows = people.query((after, limit)).map_err(failed)?;
    while let Some(found) = rows.next().map_err(failed)? {
        let citizen: i64 = found.get(PERSON_COLUMNS.len()).map_err(failed)?;
        let mut relatives = || {
            let (children, wards) = (children.of(citizen)?, wards.of(citizen)?);
            Ok(Relatives { children, wards, members: members.of(citizen)? })
        };
        page.add(citizen, found, relatives())?;
    }
    Ok(page)
}

/// The statement of [`of_postgres`]: a person and the relatives in one row.
pub(super) fn postgres_text() -> String {
    let arrays = RELATIVES.map(|related| {
        format!(", ARRAY(SELECT r.citizen_number FROM persons r WHERE {related} AND r.number_status = 1 ORDER BY 1 LIMIT {RELATIVES_MAX})")
    });
    select(&arrays.concat())
}

/// Rows of [`postgres_text`].
pub(super) fn of_postgres(rows: &[Row]) -> Result<Page, AuthorityError> {
    let mut page = Page::default();
    for found in rows {
        let citizen = found.try_get(PERSON_COLUMNS.len()).map_err(|_| AuthorityError::Damaged)?;
        page.add(citizen, found, postgres::relatives(found, PERSON_COLUMNS.len() + 1))?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a review: all numbers were kept until the page ended.
    #[test]
    fn a_million_relatives_take_the_memory_of_a_few() {
        let connection = Connection::open_in_memory().expect("opened");
        let text = "WITH RECURSIVE relatives(number) AS (SELECT ?2 UNION ALL SELECT number - 1 FROM relatives WHERE number > 1) \
            SELECT ?1, number % 700000 FROM relatives";
        let mut related = Related::default();
        related.read(&connection, text, 7, 1_000_000).expect("read");
        assert!(related.0[&7].capacity() <= 4 * RELATIVES_MAX);
        let first: Vec<u64> = related.of(7).expect("numbers").into_iter().map(u64::from).collect();
        assert_eq!(first, (0..64).collect::<Vec<u64>>());
    }
}
