//! Who is asked about: people of the invented population, the same in every run.

use std::path::Path;

use anyhow::{Context, Result};
use xacminh_client::population::sample::{Sampled, sample};
use xacminh_client::population::store::Store;

/// People drawn, from whom the story takes those it needs.
const DRAWN: usize = 2_000;

/// A seed of the draw whose people are not under correction.
const SEED: u64 = 48;

/// Given names that only a mark tells apart: as recorded, and as somebody might type them.
const NAMESAKES: [(&str, &str); 8] = [
    ("Hùng", "Hưng"),
    ("Dũng", "Dung"),
    ("Phương", "Phượng"),
    ("Tuấn", "Tuân"),
    ("Thảo", "Thao"),
    ("Hương", "Hường"),
    ("Anh", "Ánh"),
    ("Hạnh", "Hành"),
];

/// Somebody at the counter.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) number: String,
    pub(crate) name: String,
    /// `YYYY-MM-DD`.
    pub(crate) birth: String,
    pub(crate) commune: String,
}

/// The people of the story.
pub(crate) struct Cast {
    /// Registers a residence.
    pub(crate) resident: Person,
    /// The resident's name with one mark wrong.
    pub(crate) misspelt: String,
    /// Opens a business.
    pub(crate) trader: Person,
    /// Another name that is not the resident's.
    pub(crate) stranger: String,
}

/// Chooses the people of the story.
pub(crate) fn choose(population: &Path) -> Result<Cast> {
    let store = Store::Sqlite(population.to_owned());
    // The story runs on a thread of its own, so that waiting here holds up nobody.
    let drawn = tokio::runtime::Handle::current().block_on(sample(&store, None, DRAWN, SEED))?;
    let adults: Vec<Person> = drawn.into_iter().filter_map(adult).collect();
    let (at, misspelt) = adults
        .iter()
        .enumerate()
        .find_map(|(at, person)| Some((at, misspell(&person.name)?)))
        .context("nobody with a name that can be misspelt")?;
    let mut others = adults;
    let resident = others.swap_remove(at);
    let (trader, stranger) = others
        .pop()
        .zip(others.pop().map(|other| other.name))
        .filter(|(_, stranger)| *stranger != resident.name)
        .context("too few adults")?;
    Ok(Cast { resident, misspelt, trader, stranger })
}

/// Grown up in any year this is run in, with a full birth date and a commune.
fn adult(drawn: Sampled) -> Option<Person> {
    let year: u16 = drawn.birth_date.get(..4)?.parse().ok()?;
    let Sampled { citizen_number: number, full_name: name, birth_date: birth, commune, province, .. } = drawn;
    let fits = birth.len() == 10 && (1960..=2000).contains(&year) && province.as_deref() == Some("48");
    commune.filter(|_| fits).map(|commune| Person { number, name, birth, commune })
}

fn misspell(name: &str) -> Option<String> {
    let (rest, given) = name.rsplit_once(' ')?;
    let (_, wrong) = NAMESAKES.iter().find(|(right, _)| *right == given)?;
    Some(format!("{rest} {wrong}"))
}
