//! A page of the population, in the order of citizen numbers: for sweeps, which remember everybody.

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
    /// Rows that are not understood.
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

/// Reads the page after the first parameter, of at most the second many.
fn select(relatives: &str) -> String {
    format!(
        "SELECT {}, p.citizen_number{relatives} FROM persons p WHERE p.citizen_number > $1 ORDER BY p.citizen_number LIMIT $2",
        row::person_columns()
    )
}

/// Before the first number: citizen numbers are not negative.
pub(super) fn start_of(after: Option<CitizenNumber>) -> i64 {
    after.map_or(-1, |number| i64::try_from(u64::from(number)).unwrap_or(i64::MAX))
}

/// One read transaction, so that each person and the relatives are of the same moment.
pub(super) fn of_sqlite(connection: &Connection, after: i64, limit: u32) -> Result<Page, AuthorityError> {
    let failed = embedded::failed;
    let moment = connection.unchecked_transaction().map_err(failed)?;
    let mut people = moment.prepare_cached(&select("")).map_err(failed)?;
    let texts = RELATIVES.map(embedded::relatives_of);
    let mut kinds = texts.iter().map(|text| moment.prepare_cached(text)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut rows = people.query((after, limit)).map_err(failed)?;
    let mut page = Page::default();
    while let Some(found) = rows.next().map_err(failed)? {
        let citizen: i64 = found.get(PERSON_COLUMNS.len()).map_err(failed)?;
        let mut next = |kind: usize| embedded::numbers(&mut kinds[kind], citizen);
        let mut relatives = || Ok(Relatives { children: next(0)?, wards: next(1)?, members: next(2)? });
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
