//! Who is asked about, and what: people of the population the cluster's authority serves.

use std::{fmt, path::Path, str::FromStr};

use anyhow::{Context, ensure};
use xacminh_client::{
    fresh_request_id,
    population::{
        chance::Chance,
        sample::{Sampled, sample},
        store::Store,
    },
};
use xacminh_proto::{
    vocab::{Attribute, AttributeSet, Cause, Claim, Outcome, Place, ResidenceKind, Sex},
    wire::{Ask, ReceiptWish},
};

/// A name that the generator gives nobody: the person exists, the name is wrong.
const WRONG_NAME: &str = "Nguyễn Không Có Thật";

/// A day that the generator gives nobody to be born on.
const WRONG_BIRTH: &str = "1901-01-01";

/// How long a question may wait for its answer; a portal's clerk would have given up.
pub const DEADLINE_MS: u32 = 5_000;

/// Shares of the kinds of questions, in parts of their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Two claims that are true: permanent residence in a commune, and the sex.
    pub matches: u32,
    /// A wrong name: the authority is asked every time, and a miss is counted.
    pub mismatches: u32,
    /// Three values instead of claims.
    pub lookups: u32,
}

/// What a question is meant to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Claims that are true.
    Match,
    /// A wrong name.
    Mismatch,
    /// Values.
    Lookup,
}

/// The ways of not being confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Nobody has the number.
    Unknown,
    /// A wrong name for somebody who is remembered.
    WrongName,
    /// A wrong birth date for somebody who is remembered.
    WrongBirth,
    /// A wrong name for somebody who was never asked about.
    NotRemembered,
}

impl Miss {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::WrongName, Self::WrongBirth, Self::NotRemembered];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::WrongName => "wrong name",
            Self::WrongBirth => "wrong date",
            Self::NotRemembered => "wrong name, not remembered",
        }
    }
}

/// Makes questions about people.
pub struct Asker {
    people: Vec<Person>,
    mix: Mix,
    official: String,
    procedure: String,
    receipt: ReceiptWish,
}

struct Person {
    number: String,
    name: String,
    birth: String,
    residence: Option<Place>,
    sex: Option<Sex>,
}

impl Asker {
    /// Draws `count` people from a population's SQLite file.
    ///
    /// # Errors
    /// If the file is no population, or an empty one.
    pub async fn draw(
        file: &Path,
        count: usize,
        seed: u64,
        mix: Mix,
        official: String,
        procedure: String,
    ) -> anyhow::Result<Self> {
        let sampled = sample(&Store::Sqlite(file.to_owned()), None, count, seed).await;
        let people: Vec<Person> =
            sampled.with_context(|| format!("{}", file.display()))?.into_iter().map(Person::of).collect();
        ensure!(!people.is_empty(), "{} holds nobody", file.display());
        Ok(Self { people, mix, official, procedure, receipt: ReceiptWish::Full })
    }

    /// The same questions, with or without receipts in the answers.
    #[must_use]
    pub fn wishing(self, receipt: ReceiptWish) -> Self {
        Self { receipt, ..self }
    }

    /// How many people are asked about.
    #[must_use]
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// A question about somebody, of some kind, under a fresh id.
    pub fn question(&self, chance: &mut Chance) -> (Kind, Ask) {
        let Mix { matches, mismatches, lookups } = self.mix;
        let kind = chance.pick(&[(Kind::Match, matches), (Kind::Mismatch, mismatches), (Kind::Lookup, lookups)]);
        (kind, self.ask(kind, chance.one_of(&self.people)))
    }

    /// A true question about one person, so that the cluster remembers them.
    #[must_use]
    pub fn acquaint(&self, person: usize) -> Ask {
        self.ask(Kind::Match, &self.people[person])
    }

    /// The official who asks.
    #[must_use]
    pub fn official(&self) -> &str {
        &self.official
    }

    /// The procedure asked under.
    #[must_use]
    pub fn procedure(&self) -> &str {
        &self.procedure
    }

    /// A file for `xacminh batch`: so many true questions, about everybody in turn whose sex is recorded.
    #[must_use]
    pub fn rows(&self, count: usize) -> String {
        let mut csv = "number,name,birth,dossier,sex\n".to_owned();
        let known = self.people.iter().filter_map(|person| Some((person, person.sex?)));
        for (row, (Person { number, name, birth, .. }, sex)) in known.cycle().take(count).enumerate() {
            let sex = if sex == Sex::Female { "nữ" } else { "nam" };
            csv += &format!("{number},{name},{birth},H17.12-261121-{row:06},{sex}\n");
        }
        csv
    }

    /// A question that confirms nothing. Each turn asks about people of its own; those below `known` are remembered.
    #[must_use]
    pub fn miss(&self, miss: Miss, turn: usize, known: usize) -> Ask {
        let ask = |person: usize| self.ask(Kind::Match, &self.people[person % self.people.len()]);
        match miss {
            // A digit of a century that nobody was born in.
            Miss::Unknown => Ask { number: format!("0489{:08}", turn % 100_000_000), ..ask(turn) },
            Miss::WrongName => Ask { name: WRONG_NAME.to_owned(), ..ask(turn) },
            Miss::WrongBirth => Ask { birth: WRONG_BIRTH.to_owned(), ..ask(turn) },
            Miss::NotRemembered => Ask { name: WRONG_NAME.to_owned(), ..ask(known + turn) },
        }
    }

    fn ask(&self, kind: Kind, person: &Person) -> Ask {
        let (claims, attributes) = match kind {
            Kind::Lookup => (
                Vec::new(),
                [Attribute::FullName, Attribute::BirthDate, Attribute::PermanentResidence].into_iter().collect(),
            ),
            Kind::Match | Kind::Mismatch => (person.claims(), AttributeSet::EMPTY),
        };
        Ask {
            request_id: fresh_request_id(),
            official: self.official.clone(),
            dossier: "H17.12-261121-0042".to_owned(),
            procedure: self.procedure.clone(),
            number: person.number.clone(),
            name: if kind == Kind::Mismatch { WRONG_NAME.to_owned() } else { person.name.clone() },
            birth: person.birth.clone(),
            claims,
            attributes,
            max_age_s: None,
            deadline_ms: DEADLINE_MS,
            receipt: self.receipt,
        }
    }
}

impl Kind {
    /// Whether an outcome is what the question was meant to come to; a fast wrong answer is no figure.
    #[must_use]
    pub fn is_met_by(self, outcome: &Outcome) -> bool {
        matches!(
            (self, outcome),
            (Self::Match | Self::Lookup, Outcome::Confirmed { .. }) | (Self::Mismatch, Outcome::NotConfirmed)
                // A few records of a population are being corrected, as in life.
                | (_, Outcome::Undetermined(Cause::UnderCorrection | Cause::NumberReissued))
        )
    }
}

impl Person {
    fn of(sampled: Sampled) -> Self {
        let province = sampled.province.as_deref().and_then(|code| code.parse().ok());
        let commune = sampled.commune.as_deref().and_then(|code| code.parse().ok());
        Self {
            number: sampled.citizen_number,
            name: sampled.full_name,
            birth: sampled.birth_date,
            residence: province.and_then(|province| Place::new(province, commune).ok()),
            sex: match sampled.sex {
                "male" => Some(Sex::Male),
                "female" => Some(Sex::Female),
                _ => None,
            },
        }
    }

    /// Claims that are false would be asked of the authority, and be another kind of question.
    fn claims(&self) -> Vec<Claim> {
        let lives = |place| Claim::Residence { kind: ResidenceKind::Permanent, place, as_of: None, detail: None };
        self.residence.map(lives).into_iter().chain(self.sex.map(Claim::Sex)).collect()
    }
}

impl FromStr for Mix {
    type Err = String;

    /// `match=90,mismatch=2,lookup=8`; what is not named is 0.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix = Self { matches: 0, mismatches: 0, lookups: 0 };
        for part in text.split(',') {
            let (kind, share) = part.split_once('=').ok_or("kinds are given as kind=share, joined by commas")?;
            let share = share.parse::<u16>().map_err(|_| format!("`{share}` is no share"))?.into();
            match kind {
                "match" => mix.matches = share,
                "mismatch" => mix.mismatches = share,
                "lookup" => mix.lookups = share,
                _ => return Err(format!("`{kind}` is none of match, mismatch, lookup")),
            }
        }
        if mix.matches + mix.mismatches + mix.lookups == 0 {
            return Err("at least one share must be above 0".to_owned());
        }
        Ok(mix)
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "match={},mismatch={},lookup={}", self.matches, self.mismatches, self.lookups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(mix: &str) -> Asker {
        let person = Person {
            number: "048085001234".to_owned(),
            name: "Nguyễn Văn An".to_owned(),
            birth: "1985-03-07".to_owned(),
            residence: Place::new(48, Some(20_194)).ok(),
            sex: Some(Sex::Male),
        };
        let mix = mix.parse().unwrap();
        Asker {
            people: vec![person],
            mix,
            official: "clerk-01".to_owned(),
            procedure: "1.004222".to_owned(),
            receipt: ReceiptWish::Full,
        }
    }

    #[test]
    fn shares_are_kept() {
        let asker = asker("match=6,mismatch=1,lookup=3");
        let mut chance = Chance::of(1, 1);
        let kinds: Vec<Kind> = (0..10_000).map(|_| asker.question(&mut chance).0).collect();
        for (kind, share) in [(Kind::Match, 6_000), (Kind::Mismatch, 1_000), (Kind::Lookup, 3_000_usize)] {
            let drawn = kinds.iter().filter(|each| **each == kind).count();
            assert!(drawn.abs_diff(share) < 200, "{kind:?}: {drawn}");
        }
    }

    #[test]
    fn a_batch_has_a_row_for_each_question_and_a_dossier_for_each_row() {
        let rows = asker("match=1").rows(3);
        let rows: Vec<&str> = rows.lines().skip(1).collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0], "048085001234,Nguyễn Văn An,1985-03-07,H17.12-261121-000000,nam");
        assert_ne!(rows[0], rows[1]);
    }

    #[test]
    fn every_question_has_an_id_of_its_own() {
        let asker = asker("match=1");
        let mut chance = Chance::of(1, 1);
        assert_ne!(asker.question(&mut chance).1.request_id, asker.question(&mut chance).1.request_id);
    }

    #[test]
    fn a_mix_says_what_is_wrong_with_it() {
        for text in ["", "match", "match=x", "match=0", "other=1", "match=-1"] {
            assert!(text.parse::<Mix>().is_err(), "{text}");
        }
        assert_eq!("lookup=1,match=2".parse::<Mix>().unwrap().to_string(), "match=2,mismatch=0,lookup=1");
    }
}
