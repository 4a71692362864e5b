//! People of a population, drawn at random, for demos, load tests and integration tests.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;
use xacminh_proto::schema::{self, code};

use super::chance::Chance;
use super::store::{self, Store};
use super::{PopulationError, sqlite};

/// People fetched from PostgreSQL by one query.
const FETCH_MAX: usize = 1_000;

/// A person as a question names them, with what may be claimed of them. Not for printing but by `population sample`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Sampled {
    /// Twelve digits.
    pub citizen_number: String,
    /// Nine digits.
    pub old_number: Option<String>,
    /// Full name in NFC.
    pub full_name: String,
    /// `YYYY-MM-DD`, or `YYYY` if only the year is known.
    pub birth_date: String,
    /// `male`, `female` or `unknown`.
    pub sex: &'static str,
    /// Province of permanent residence, two digits.
    pub province: Option<String>,
    /// Commune of permanent residence, five digits.
    pub commune: Option<String>,
    /// Marital status: `single`, `married`, `divorced_or_widowed`, `unknown`.
    pub marital: &'static str,
    /// The father's number.
    pub father: Option<String>,
    /// The mother's number.
    pub mother: Option<String>,
    /// The spouse's number.
    pub spouse: Option<String>,
    /// The number of the head of the household.
    pub head: Option<String>,
}

/// A row of the file that `xacminh batch` reads: is this person named and born so?
#[derive(Serialize)]
pub struct BatchRow {
    number: String,
    name: String,
    birth: String,
    dossier: String,
    /// `=` claims what the key says.
    full_name: &'static str,
    birth_date: &'static str,
}

impl Sampled {
    /// The question whether name and birth date are those of the number, for a dossier of the row's own: `SAMPLE.1` is that
    /// of place 0.
    #[must_use]
    pub fn question(self, place: usize) -> BatchRow {
        BatchRow {
            number: self.citizen_number,
            name: self.full_name,
            birth: self.birth_date,
            dossier: format!("SAMPLE.{}", place + 1),
            full_name: "=",
            birth_date: "=",
        }
    }
}

/// Draws `count` living people with numbers in force, none twice; fewer if there are fewer. Same seed, same people.
///
/// # Errors
/// [`PopulationError`].
pub async fn sample(
    store: &Store,
    ca_file: Option<&Path>,
    count: usize,
    seed: u64,
) -> Result<Vec<Sampled>, PopulationError> {
    match store {
        Store::Sqlite(path) => {
            let path = path.clone();
            let drawn = tokio::task::spawn_blocking(move || from_sqlite(&sqlite::open(&path)?, count, seed));
            drawn.await.map_err(|_| PopulationError::Writer)?
        }
        Store::Postgres(config) => from_postgres(&store::connect(config, ca_file).await?, count, seed).await,
    }
}

/// Every number that may be drawn, in order, so that both databases give the same draw.
fn numbers_query() -> String {
    let (active, alive) = (code::NUMBER_ACTIVE, code::LIVING_ALIVE);
    format!(
        "SELECT citizen_number FROM persons WHERE number_status = {active} AND living = {alive} ORDER BY citizen_number"
    )
}

const COLUMNS: &str = "citizen_number, old_number, full_name, birth_year, birth_month, birth_day, sex, \
    permanent_province, permanent_commune, marital, father_number, mother_number, spouse_number, head_number";

fn from_sqlite(connection: &Connection, count: usize, seed: u64) -> Result<Vec<Sampled>, PopulationError> {
    let mut numbers = connection.prepare(&numbers_query()).map_err(PopulationError::Sqlite)?;
    let numbers =
        numbers.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(PopulationError::Sqlite)?;
    let text = format!("SELECT {COLUMNS} FROM persons WHERE citizen_number = ?1");
    let mut person = connection.prepare(&text).map_err(PopulationError::Sqlite)?;
    let people = draw(numbers, count, seed).into_iter().map(|number| {
        person.query_row([number], |row| {
            Ok(Row {
                number: row.get(0)?,
                old_number: row.get(1)?,
                full_name: row.get(2)?,
                birth: (row.get(3)?, row.get(4)?, row.get(5)?),
                sex: row.get(6)?,
                permanent: (row.get(7)?, row.get(8)?),
                marital: row.get(9)?,
                relatives: [row.get(10)?, row.get(11)?, row.get(12)?, row.get(13)?],
            })
        })
    });
    people.map(|row| row.map(Row::sampled).map_err(PopulationError::Sqlite)).collect()
}

async fn from_postgres(
    client: &tokio_postgres::Client,
    count: usize,
    seed: u64,
) -> Result<Vec<Sampled>, PopulationError> {
    let found = client.query_one(schema::SELECT_VERSION, &[]).await.map_err(PopulationError::Postgres)?;
    let found: Option<i32> = found.get(0);
    if found != Some(schema::VERSION) {
        return Err(PopulationError::SchemaVersion { found: found.unwrap_or(0) });
    }
    let numbers = client.query(&numbers_query(), &[]).await.map_err(PopulationError::Postgres)?;
    let drawn = draw(numbers.iter().map(|row| row.get(0)).collect(), count, seed);
    let text = format!("SELECT {COLUMNS} FROM persons WHERE citizen_number = ANY($1)");
    let mut people = Vec::with_capacity(drawn.len());
    for wanted in drawn.chunks(FETCH_MAX) {
        let rows = client.query(&text, &[&wanted]).await.map_err(PopulationError::Postgres)?;
        let mut found: HashMap<i64, Row> = rows.iter().map(|row| (row.get(0), from_row(row))).collect();
        people.extend(wanted.iter().filter_map(|number| found.remove(number)).map(Row::sampled));
    }
    Ok(people)
}

fn from_row(row: &tokio_postgres::Row) -> Row {
    Row {
        number: row.get(0),
        old_number: row.get(1),
        full_name: row.get(2),
        birth: (row.get(3), row.get(4), row.get(5)),
        sex: row.get(6),
        permanent: (row.get(7), row.get(8)),
        marital: row.get(9),
        relatives: [row.get(10), row.get(11), row.get(12), row.get(13)],
    }
}

struct Row {
    number: i64,
    old_number: Option<i64>,
    full_name: String,
    birth: (i16, Option<i16>, Option<i16>),
    sex: i16,
    permanent: (Option<i16>, Option<i32>),
    marital: i16,
    relatives: [Option<i64>; 4],
}

impl Row {
    fn sampled(self) -> Sampled {
        let [father, mother, spouse, head] = self.relatives.map(|number| number.map(|number| format!("{number:012}")));
        let birth_date = match self.birth {
            (year, Some(month), Some(day)) => format!("{year:04}-{month:02}-{day:02}"),
            (year, ..) => format!("{year:04}"),
        };
        Sampled {
            citizen_number: format!("{:012}", self.number),
            old_number: self.old_number.map(|number| format!("{number:09}")),
            full_name: self.full_name,
            birth_date,
            sex: match self.sex {
                code::SEX_MALE => "male",
                code::SEX_FEMALE => "female",
                _ => "unknown",
            },
            province: self.permanent.0.map(|province| format!("{province:02}")),
            commune: self.permanent.1.map(|commune| format!("{commune:05}")),
            marital: match self.marital {
                code::MARITAL_SINGLE => "single",
                code::MARITAL_MARRIED => "married",
                code::MARITAL_DIVORCED_OR_WIDOWED => "divorced_or_widowed",
                _ => "unknown",
            },
            father,
            mother,
            spouse,
            head,
        }
    }
}

/// The first `count` of a shuffle.
fn draw(mut numbers: Vec<i64>, count: usize, seed: u64) -> Vec<i64> {
    let mut chance = Chance::of(seed, 0);
    let count = count.min(numbers.len());
    for place in 0..count {
        let left = u32::try_from(numbers.len() - place).unwrap_or(u32::MAX);
        numbers.swap(place, place + chance.below(left) as usize);
    }
    numbers.truncate(count);
    numbers
}

/// People print as nothing; the command writes them out field by field.
impl std::fmt::Debug for Sampled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sampled(…)")
    }
}

/// As people do.
impl std::fmt::Debug for BatchRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BatchRow(…)")
    }
}
