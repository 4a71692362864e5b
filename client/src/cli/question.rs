//! From the command line to a question: who is asked about, by whom, for which dossier, until when.

use std::{
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde::Deserialize;
use xacminh_proto::{
    vocab::{
        AttributeSet, BirthDate, CardQr, Claim, Date, DateError, DossierId, FullName, OfficialId, PersonNumber,
        ProcedureCode, RequestId,
    },
    wire::{Ask, ReceiptWish},
};

use crate::fresh_request_id;

use super::exit::CliError;

/// A person file is a few hundred bytes; more is not one.
const PERSON_BYTES_MAX: u64 = 16 * 1024;

/// Longest deadline; a procedure at a counter does not wait longer.
const DEADLINE_MAX: Duration = Duration::from_secs(600);

/// The three keys of a person.
#[derive(Debug, Args)]
#[command(next_help_heading = "Person")]
pub(crate) struct PersonArgs {
    /// Citizen number (12 digits) or old number (9); `-` reads it from standard input [default: $XACMINH_NUMBER].
    /// Numbers on a command line end up in the shell's history: prefer the other ways.
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// Full name
    #[arg(long)]
    name: Option<String>,
    /// Birth date: YYYY-MM-DD, DD/MM/YYYY or YYYY
    #[arg(long, value_name = "DATE")]
    birth: Option<String>,
    /// Text of the card's QR code, as a scanner types it; `-` reads it from standard input. It gives number, name and
    /// birth date, and its fields are checked as claims
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["number", "name", "birth", "person_file"])]
    card_qr: Option<String>,
    /// JSON file {"number": …, "name": …, "birth": …}; `-` reads it from standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["number", "name", "birth"])]
    person_file: Option<PathBuf>,
}

/// Who asks, and for what.
#[derive(Debug, Args, Clone)]
#[command(next_help_heading = "Purpose")]
pub(crate) struct PurposeArgs {
    /// Procedure code (mã thủ tục)
    #[arg(long, value_name = "CODE")]
    pub(super) procedure: String,
    /// The official who asks (mã cán bộ)
    #[arg(long, value_name = "ID")]
    pub(super) official: String,
    /// Oldest data accepted, e.g. 1h, 30m [default: the procedure's contract]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) max_age: Option<Duration>,
    /// How long to wait for the answer, e.g. 5s
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(super) deadline: Duration,
}

/// The dossier and the request's name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Purpose")]
pub(crate) struct RequestArgs {
    /// Dossier (mã hồ sơ)
    #[arg(long, value_name = "ID")]
    pub(super) dossier: String,
    /// Ask again under this id; needed when an outcome is unknown [default: a new one]
    #[arg(long, value_name = "UUID", value_parser = request_id)]
    pub(super) request_id: Option<RequestId>,
}

/// The three keys, as typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    pub(super) number: String,
    pub(super) name: String,
    pub(super) birth: String,
}

impl PersonArgs {
    /// The keys, and the card they were read from if they were.
    pub(super) fn read(self) -> Result<(Person, Option<CardQr>), CliError> {
        if let Some(scanned) = &self.card_qr {
            let card = match scanned.as_str() {
                "-" => card(&read_bounded(io::stdin(), Path::new("standard input"))?),
                scanned => card(scanned),
            };
            return card.map(|card| (Person::of(&card), Some(card))).map_err(CliError::Usage);
        }
        self.read_typed().map(|person| (person, None))
    }

    fn read_typed(self) -> Result<Person, CliError> {
        let missing = |what: &str| CliError::Usage(format!("--{what}, --card-qr or --person-file is needed"));
        if let Some(path) = &self.person_file {
            return read_person_file(path);
        }
        let number = number_or_env(self.number)?;
        let name = self.name.ok_or_else(|| missing("name"))?;
        let birth = self.birth.ok_or_else(|| missing("birth"))?;
        Ok(Person { number, name, birth })
    }
}

/// What was read from a card. An error names the field and never repeats it.
pub(super) fn card(scanned: &str) -> Result<CardQr, String> {
    CardQr::parse(scanned).map_err(|error| error.to_string())
}

/// A number as it was given, `-` for a line of standard input: on a command line everybody on the machine sees it.
pub(super) fn number(typed: String) -> Result<String, CliError> {
    if typed != "-" {
        return Ok(typed);
    }
    let failed = |error| CliError::file(Path::new("standard input"), error);
    let mut line = String::new();
    io::stdin().lock().take(PERSON_BYTES_MAX).read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}

/// As [`number`]; without one, that of the environment.
pub(super) fn number_or_env(typed: Option<String>) -> Result<String, CliError> {
    match typed {
        Some(typed) => number(typed),
        None => std::env::var("XACMINH_NUMBER").map_err(|_| {
            CliError::Usage("--number or $XACMINH_NUMBER is needed; --number - reads standard input".into())
        }),
    }
}

impl Person {
    /// The keys that a card gives.
    pub(super) fn of(card: &CardQr) -> Self {
        Self {
            number: String::from(&card.person_number()),
            name: card.name.reveal().to_owned(),
            birth: card.birth.reveal(),
        }
    }

    /// Checks the keys here already: a typing error should not cost a round trip. What was typed is never repeated.
    pub(super) fn check(&self) -> Result<(), String> {
        PersonNumber::parse(self.number.trim()).map_err(|error| format!("number: {error}"))?;
        FullName::typed(&self.name).map_err(|error| format!("name: {error}"))?;
        birth(&self.birth).map_err(|why| format!("birth: {why}"))?;
        Ok(())
    }
}

/// A day as typed.
pub(super) fn day(typed: &str) -> Result<Date, String> {
    Date::parse(typed.trim()).map_err(|error| wrong_date(error, "YYYY-MM-DD or DD/MM/YYYY"))
}

/// A birth date as typed.
pub(super) fn birth(typed: &str) -> Result<BirthDate, String> {
    let accepted = "YYYY-MM-DD, DD/MM/YYYY or, if only the year is known, YYYY";
    BirthDate::parse(typed.trim()).map_err(|error| wrong_date(error, accepted))
}

/// What is wrong with a date and what would be right, without what was typed.
fn wrong_date(error: DateError, accepted: &str) -> String {
    let why = match error {
        DateError::NoSuchDay => "no such day",
        DateError::Form => "not a date",
    };
    format!("{why}; accepted: {accepted}, 1800 to 2399")
}

/// A question, checked as far as it can be without the register.
pub(super) fn ask(
    person: Person,
    purpose: &PurposeArgs,
    dossier: &str,
    request_id: Option<RequestId>,
    claims: Vec<Claim>,
    attributes: AttributeSet,
    receipt: ReceiptWish,
) -> Result<Ask, String> {
    person.check()?;
    ProcedureCode::parse(&purpose.procedure).map_err(|error| format!("procedure: {error}"))?;
    OfficialId::parse(&purpose.official).map_err(|error| format!("official: {error}"))?;
    DossierId::parse(dossier).map_err(|error| format!("dossier: {error}"))?;
    if claims.is_empty() && attributes.is_empty() {
        return Err("the question asks nothing: name a claim (e.g. --full-name) or attributes".into());
    }
    Ok(Ask {
        request_id: request_id.unwrap_or_else(fresh_request_id),
        official: purpose.official.clone(),
        dossier: dossier.to_owned(),
        procedure: purpose.procedure.clone(),
        number: person.number.trim().to_owned(),
        name: person.name,
        birth: person.birth.trim().to_owned(),
        claims,
        attributes,
        max_age_s: purpose.max_age.map(|age| u32::try_from(age.as_secs()).unwrap_or(u32::MAX)),
        deadline_ms: u32::try_from(purpose.deadline.as_millis()).unwrap_or(u32::MAX),
        receipt,
    })
}

fn read_person_file(path: &Path) -> Result<Person, CliError> {
    let text = if path == Path::new("-") {
        read_bounded(io::stdin(), Path::new("standard input"))?
    } else {
        read_bounded(std::fs::File::open(path).map_err(|error| CliError::file(path, error))?, path)?
    };
    // serde's text may repeat what was typed, so that only the place is told.
    serde_json::from_str(&text).map_err(|error| CliError::File {
        path: path.display().to_string(),
        line: Some(u64::try_from(error.line()).unwrap_or(0)),
        why: "not a JSON object with `number`, `name` and `birth` as strings and nothing else".into(),
    })
}

fn read_bounded(source: impl Read, path: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    let read =
        source.take(PERSON_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| CliError::file(path, error))?;
    if u64::try_from(read).is_ok_and(|read| read <= PERSON_BYTES_MAX) {
        Ok(text)
    } else {
        Err(CliError::file(path, format!("more than {PERSON_BYTES_MAX} bytes")))
    }
}

fn request_id(typed: &str) -> Result<RequestId, String> {
    RequestId::parse(typed).map_err(|error| error.to_string())
}

/// `500ms`, `5s`, `30m`, `1h`, `2d`; at least a millisecond.
pub(super) fn duration(typed: &str) -> Result<Duration, String> {
    let wrong = || "a whole number and a unit: 500ms, 5s, 30m, 1h or 2d".to_owned();
    let unit_at = typed.find(|character: char| !character.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = typed.split_at(unit_at);
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    if number == 0 { Err(wrong()) } else { Ok(Duration::from_millis(u64::from(number) * unit_ms)) }
}

/// A deadline within its bound.
pub(super) fn bounded(deadline: Duration) -> Result<Duration, CliError> {
    if deadline <= DEADLINE_MAX {
        Ok(deadline)
    } else {
        Err(CliError::Usage(format!("--deadline is at most {} s", DEADLINE_MAX.as_secs())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "5", "s", "0s", "-1s", "1w", "99999999999s", "1.5h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_person_is_told_without_telling_the_person() {
        let person = |number: &str, name: &str, birth: &str| Person {
            number: number.into(),
            name: name.into(),
            birth: birth.into(),
        };
        assert_eq!(person("048190000017", "Trần Thị Hoa", "17/05/1990").check(), Ok(()));
        for (number, name, birth) in [
            ("04819000001", "Trần Thị Hoa", "1990"),
            ("04819000001x", "Trần Thị Hoa", "1990"),
            ("048190000017", "Trần\0Hoa", "1990"),
            ("048190000017", "Trần Thị Hoa", "31/02/1990"),
        ] {
            let told = person(number, name, birth).check().unwrap_err();
            assert!(!told.contains(number) && !told.contains("Hoa") && !told.contains("31/02"), "{told}");
        }
    }
}
