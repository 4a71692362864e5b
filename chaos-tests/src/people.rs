//! Who is asked about, and the questions.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use xacminh_client::{
    fresh_request_id,
    population::{self, GenerateArgs, sample::Sampled, store::Store},
};
use xacminh_proto::{
    vocab::{Attribute, AttributeSet, Cause, Claim, ErrorNumber, FullName, Outcome},
    wire::{Ask, ErasureOrder, ReceiptWish},
};

use crate::postgres::PostgresServer;

/// Registering a residence: the procedure that may ask most.
pub const RESIDENCE: &str = "1.004222";

/// A procedure that the office may use and `clerk-02` may not.
pub const BIRTH: &str = "1.001193";

/// Nobody's number: the generator gives none of this century digit.
pub const NOBODYS_NUMBER: &str = "048999999999";

/// A name and a day nobody has.
pub const NOBODYS_NAME: &str = "Tôn Nữ Không Có Thật";

/// People drawn from the population.
pub struct People {
    /// Living people with numbers in force; all different.
    pub people: Vec<Sampled>,
}

/// Questions of a kind, and what must come of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// All three keys right.
    Right,
    /// All three keys right, and values asked for.
    Lookup,
    /// The name is another's.
    WrongName,
    /// The day is another.
    WrongBirth,
    /// Nobody has the number.
    Unknown,
    /// The official may not.
    NotGranted,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Right, Self::Lookup, Self::WrongName, Self::WrongBirth, Self::Unknown, Self::NotGranted];

    /// Whether an outcome is what must come of such a question while the authority answers.
    #[must_use]
    pub fn fits(self, outcome: &Outcome) -> bool {
        // A few people of every population are being corrected; what is right about them cannot be told.
        let corrected = *outcome == Outcome::Undetermined(Cause::UnderCorrection);
        match self {
            Self::Right => {
                corrected || matches!(outcome, Outcome::Confirmed { attributes, .. } if attributes.is_empty())
            }
            Self::Lookup => {
                corrected || matches!(outcome, Outcome::Confirmed { attributes, .. } if attributes.len() == 2)
            }
            Self::WrongName | Self::WrongBirth | Self::Unknown => *outcome == Outcome::NotConfirmed,
            Self::NotGranted => *outcome == Outcome::Refused(ErrorNumber::OfficialNotGranted),
        }
    }
}

impl People {
    /// Makes a population and draws from it; returns the `[authority]` section that reads it, too.
    pub(crate) async fn generate(
        file: &Path,
        postgres: Option<&PostgresServer>,
        citizens: u64,
        seed: u64,
    ) -> Result<(Self, String)> {
        let (to, section) = match postgres {
            Some(server) => (server.url(), server.authority()),
            None => {
                let path = file.display();
                (format!("sqlite:{path}"), format!("kind = \"embedded\"\npath = \"{path}\""))
            }
        };
        let to: Store = to.parse()?;
        let made =
            GenerateArgs { citizens, province: 48, seed, to: to.clone(), replace: true, ca_file: None, quiet: true };
        population::generate(&made).await.context("the population")?;
        let wanted = usize::try_from(citizens).unwrap_or(usize::MAX);
        let people = population::sample::sample(&to, None, wanted, seed).await.context("a sample of it")?;
        ensure!(people.len() > 10, "{} people are too few for a story", people.len());
        Ok((Self { people }, section))
    }

    /// One of them.
    #[must_use]
    pub fn any(&self, chance: &mut ChaCha8Rng) -> &Sampled {
        &self.people[chance.random_range(0..self.people.len())]
    }

    /// A question of a kind about somebody.
    #[must_use]
    pub fn question(&self, kind: Kind, chance: &mut ChaCha8Rng) -> Ask {
        let person = self.any(chance);
        let ask = right(person);
        match kind {
            Kind::Right => ask,
            Kind::Lookup => lookup(person),
            Kind::WrongName => Ask { name: NOBODYS_NAME.to_owned(), ..ask },
            Kind::WrongBirth => Ask { birth: "1901-01-01".to_owned(), ..ask },
            Kind::Unknown => Ask { number: NOBODYS_NUMBER.to_owned(), ..ask },
            Kind::NotGranted => Ask { official: "clerk-02".to_owned(), procedure: BIRTH.to_owned(), ..ask },
        }
    }
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "People({})", self.people.len())
    }
}

/// A question whose keys are right; its claim is the name once more, so that every person has it.
#[must_use]
pub fn right(person: &Sampled) -> Ask {
    let name = FullName::parse(&person.full_name).expect("the generator makes names");
    Ask {
        request_id: fresh_request_id(),
        official: "clerk-01".to_owned(),
        dossier: "H48.2026.000123".to_owned(),
        procedure: RESIDENCE.to_owned(),
        number: person.citizen_number.clone(),
        name: person.full_name.clone(),
        birth: person.birth_date.clone(),
        claims: vec![Claim::FullName(name)],
        attributes: AttributeSet::EMPTY,
        max_age_s: None,
        deadline_ms: 4_000,
        receipt: ReceiptWish::Full,
    }
}

/// The erasure of a person.
#[must_use]
pub fn erasure(number: &str) -> ErasureOrder {
    let (ground, ordered_by) = ("Luật 91/2025/QH15, Điều 16".to_owned(), "QĐ 12".to_owned());
    ErasureOrder { number: number.to_owned(), ground, ordered_by }
}

/// A question for two values.
#[must_use]
pub fn lookup(person: &Sampled) -> Ask {
    let attributes = AttributeSet::EMPTY.with(Attribute::FullName).with(Attribute::PermanentResidence);
    Ask { claims: Vec::new(), attributes, ..right(person) }
}

/// The same question under a fresh id.
#[must_use]
pub fn once_more(ask: &Ask) -> Ask {
    Ask { request_id: fresh_request_id(), ..ask.clone() }
}
