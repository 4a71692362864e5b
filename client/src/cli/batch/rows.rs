//! The file of questions: one row, one question; a bad row is told by its line and stops nobody else.
//!
//! Columns `number,name,birth,dossier` are needed, or `card_qr,dossier`, where a card's QR code gives the three keys and
//! its fields are claims; `procedure`, `official`, `attributes` and every claim of `xacminh
//! verify` (with `_` for `-`) may follow. An empty cell is no claim; `=` in `full_name` or `birth_date` repeats the key.
//!
//! A file that ends in `.jsonl` has an object on each line, with the same names and texts or whole numbers as values; its
//! lines may have different names, so that a name that is not known is that line's mistake.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use csv::StringRecord;
use sha2::{Digest, Sha256};
use xacminh_proto::{
    vocab::{AttributeSet, CardQr},
    wire::{Ask, ReceiptWish},
};

use crate::cli::{
    claims::{self, ClaimArgs},
    exit::CliError,
    question::{self, Person, PurposeArgs},
};

/// Longest header line looked at for the separator.
const HEADER_BYTES_MAX: u64 = 16 * 1024;

/// Longest line of a JSON Lines file: a row with every claim has a few hundred bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Names a row across runs: a hash of all that is asked, and of how often the same was asked before it in the file.
pub(super) type RowKey = [u8; 16];

/// A row as read.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) key: RowKey,
    pub(super) dossier: String,
    /// The question without its request id, or what is wrong with the row.
    pub(super) ask: Result<Ask, String>,
}

/// Reads rows in the order of the file.
pub(super) struct Rows {
    path: PathBuf,
    source: Source,
    columns: Vec<String>,
    seed: [u8; 32],
    seen: HashMap<RowKey, u32>,
    record: StringRecord,
}

/// How rows stand in the file.
enum Source {
    Csv(csv::Reader<File>),
    /// With the number of the line read last.
    Lines(BufReader<File>, u64),
}

/// The cells of one row by meaning.
#[derive(Default)]
struct Cells {
    card_qr: String,
    number: String,
    name: String,
    birth: String,
    dossier: String,
    procedure: String,
    official: String,
    attributes: String,
    claims: ClaimArgs,
}

impl Rows {
    /// Opens the file and checks its columns. `seed` keys the row keys, so that they say nothing to who lacks it.
    pub(super) fn open(path: &Path, seed: [u8; 32]) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::file(path, error);
        let mut file = File::open(path).map_err(failed)?;
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            return Ok(Self::over(path, Source::Lines(BufReader::new(file), 0), Vec::new(), seed));
        }
        let delimiter = delimiter(&file).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
        let header = reader.headers().map_err(|error| CliError::file(path, kind_of(&error)))?;
        // Excel marks UTF-8 with a byte order mark.
        let columns: Vec<String> =
            header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_lowercase()).collect();
        check(&columns).map_err(|why| CliError::File { path: path.display().to_string(), line: Some(1), why })?;
        Ok(Self::over(path, Source::Csv(reader), columns, seed))
    }

    fn over(path: &Path, source: Source, columns: Vec<String>, seed: [u8; 32]) -> Self {
        Self { path: path.to_owned(), source, columns, seed, seen: HashMap::new(), record: StringRecord::new() }
    }

    /// The next row, or none at the end. Only a file that cannot be read any further is an error.
    pub(super) fn next(&mut self, defaults: &PurposeArgs) -> Result<Option<Row>, CliError> {
        let (line, read) = match &mut self.source {
            Source::Csv(reader) => {
                let line = reader.position().line();
                match reader.read_record(&mut self.record) {
                    Ok(true) => (self.record.position().map_or(line, csv::Position::line), Ok(())),
                    Ok(false) => return Ok(None),
                    // A row that is not UTF-8: the reader goes on behind it.
                    Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                        (error.position().map_or(line, csv::Position::line), Err("not UTF-8".to_owned()))
                    }
                    Err(error) => return Err(CliError::file(&self.path, kind_of(&error))),
                }
            }
            Source::Lines(reader, line) => match json_line(reader, line) {
                Ok(Some(bytes)) => {
                    let read = object(&bytes).map(|(columns, record)| (self.columns, self.record) = (columns, record));
                    (*line, read)
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    let (path, why) = (self.path.display().to_string(), error.to_string());
                    return Err(CliError::File { path, line: Some(*line), why });
                }
            },
        };
        if let Err(why) = read {
            return Ok(Some(Row { line, key: [0; 16], dossier: String::new(), ask: Err(why) }));
        }
        let key = self.key(defaults);
        let cells = self.cells();
        let dossier = cells.as_ref().map_or_else(|_| String::new(), |cells| cells.dossier.clone());
        let ask = cells.and_then(|cells| cells.ask(defaults));
        Ok(Some(Row { line, key, dossier, ask }))
    }

    fn cells(&self) -> Result<Cells, String> {
        if self.record.len() != self.columns.len() {
            return Err(format!("{} cells where the header has {}", self.record.len(), self.columns.len()));
        }
        let mut cells = Cells::default();
        for (column, cell) in self.columns.iter().zip(&self.record) {
            cells.put(column, cell.trim());
        }
        Ok(cells)
    }

    /// Hashes what the question says, not where it stands: rows may move between runs.
    fn key(&mut self, defaults: &PurposeArgs) -> RowKey {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        let mut part = |text: &str| {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text);
        };
        part(&defaults.procedure);
        part(&defaults.official);
        part(&format!("{:?}", defaults.max_age.map(|age| age.as_secs())));
        for (column, cell) in self.columns.iter().zip(&self.record) {
            part(column);
            part(cell.trim());
        }
        let base = first_sixteen(hash.clone());
        let seen = self.seen.entry(base).or_default();
        hash.update(seen.to_be_bytes());
        *seen += 1;
        first_sixteen(hash)
    }
}

/// The next line with something on it, or none at the end.
fn json_line(reader: &mut BufReader<File>, line: &mut u64) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        let mut bytes = Vec::new();
        if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        *line += 1;
        if u64::try_from(bytes.len()).is_ok_and(|length| length == LINE_BYTES_MAX) && !bytes.ends_with(b"\n") {
            return Err(std::io::Error::other("the line is too long"));
        }
        if !bytes.trim_ascii().is_empty() {
            return Ok(Some(bytes));
        }
    }
}

/// Names and values of one line of JSON; never repeats what stands in it.
fn object(bytes: &[u8]) -> Result<(Vec<String>, StringRecord), String> {
    use serde_json::Value;
    let object: serde_json::Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| "not a JSON object")?;
    let (mut columns, mut record) = (Vec::new(), StringRecord::new());
    for (name, value) in object {
        match value {
            Value::String(text) => record.push_field(&text),
            Value::Number(number) if number.is_u64() => record.push_field(&number.to_string()),
            Value::Null => record.push_field(""),
            // The name may be anything, even a person's, before it is checked.
            _ => return Err("values are texts or whole numbers".to_owned()),
        }
        columns.push(name);
    }
    // A name that is not known may be anything, even a person's.
    check(&columns).map_err(|why| if why.ends_with(NOT_KNOWN) { "a name is not known".to_owned() } else { why })?;
    Ok((columns, record))
}

impl Cells {
    fn put(&mut self, column: &str, cell: &str) {
        let slot = match column {
            "card_qr" => &mut self.card_qr,
            "number" => &mut self.number,
            "name" => &mut self.name,
            "birth" => &mut self.birth,
            "dossier" => &mut self.dossier,
            "procedure" => &mut self.procedure,
            "official" => &mut self.official,
            "attributes" => &mut self.attributes,
            claim => {
                if let (Some(slot), false) = (self.claims.slot(claim), cell.is_empty()) {
                    *slot = Some(cell.to_owned());
                }
                return;
            }
        };
        cell.clone_into(slot);
    }

    fn ask(mut self, defaults: &PurposeArgs) -> Result<Ask, String> {
        let card = self.card()?;
        let mut purpose = defaults.clone();
        if !self.procedure.is_empty() {
            purpose.procedure = self.procedure;
        }
        if !self.official.is_empty() {
            purpose.official = self.official;
        }
        let person = Person { number: self.number, name: self.name, birth: self.birth };
        person.check()?;
        let mut claims = self.claims.parse(&person.name, &person.birth)?;
        if let Some(card) = &card {
            claims::add_card(&mut claims, card, &claims::Kinds::default())?;
        }
        let attributes = match self.attributes.as_str() {
            "" => AttributeSet::EMPTY,
            names => claims::attributes(names)?,
        };
        // A file of receipts for a hundred thousand people is fetched later, for those who need one.
        question::ask(person, &purpose, &self.dossier, None, claims, attributes, ReceiptWish::Position)
    }
}

/// Names a person twice if a row has both.
const BOTH: &str = "card_qr stands beside number, name or birth";

impl Cells {
    /// The card, if the row has one; its keys are those of the row then.
    fn card(&mut self) -> Result<Option<CardQr>, String> {
        if self.card_qr.is_empty() {
            return Ok(None);
        }
        if [&self.number, &self.name, &self.birth].iter().any(|cell| !cell.is_empty()) {
            return Err(BOTH.to_owned());
        }
        let card = question::card(&self.card_qr)?;
        Person { number: self.number, name: self.name, birth: self.birth } = Person::of(&card);
        Ok(Some(card))
    }
}

/// A column of what `population sample` prints of people, which are no questions.
const SAMPLED: &str = "citizen_number";
const SAMPLED_HINT: &str =
    ": these are people and no questions; `xacminh population sample --batch` prints them in the columns of a batch";

/// The end of what is told of a column that is not one of ours.
const NOT_KNOWN: &str = "is not known";

fn check(columns: &[String]) -> Result<(), String> {
    let by_card = columns.iter().any(|column| column == "card_qr");
    let needed: &[&str] = if by_card { &["dossier"] } else { &["number", "name", "birth", "dossier"] };
    for needed in needed {
        if !columns.iter().any(|column| column == needed) {
            let people = if columns.iter().any(|column| column == SAMPLED) { SAMPLED_HINT } else { "" };
            return Err(format!("column `{needed}` is missing{people}"));
        }
    }
    for (index, column) in columns.iter().enumerate() {
        let known = matches!(
            column.as_str(),
            "card_qr" | "number" | "name" | "birth" | "dossier" | "procedure" | "official" | "attributes"
        ) || ClaimArgs::default().slot(column).is_some();
        if !known {
            return Err(format!("column `{column}` {NOT_KNOWN}"));
        }
        if columns[..index].contains(column) {
            return Err(format!("column `{column}` stands twice"));
        }
    }
    Ok(())
}

/// Vietnamese Excel separates by semicolons.
fn delimiter(file: &File) -> std::io::Result<u8> {
    let mut header = Vec::new();
    BufReader::new(file.take(HEADER_BYTES_MAX)).read_until(b'\n', &mut header)?;
    let count = |wanted: u8| header.iter().filter(|byte| **byte == wanted).count();
    Ok(if count(b';') > count(b',') { b';' } else { b',' })
}

/// What is wrong with the file, without the cell that is wrong.
fn kind_of(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => "not a CSV file".to_owned(),
    }
}

fn first_sixteen(hash: Sha256) -> RowKey {
    let digest: [u8; 32] = hash.finalize().into();
    let (first, _) = digest.split_at(16);
    first.try_into().expect("sixteen of thirty-two bytes")
}
