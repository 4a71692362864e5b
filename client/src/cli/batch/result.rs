//! The result of a batch: answers in the order of the file, and the rows that have none.
//!
//! Both files are written whole beside their place and renamed into it: a reader sees the old result or the new one.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use serde::Serialize;

use crate::cli::{
    exit::{CliError, Exit},
    report::{AnswerJson, VerdictJson},
    screen::Lang,
};

use super::{BatchArgs, Journal, Rows, beside, receipts::Fetched};

/// Columns of a CSV result.
const HEADER: [&str; 12] = [
    "line",
    "dossier",
    "outcome",
    "all_match",
    "verdicts",
    "attributes",
    "cause",
    "error",
    "as_of_ms",
    "request_id",
    "position",
    "at_ms",
];

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    JsonLines,
}

/// A row without an answer.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) line: u64,
    pub(super) dossier: String,
    /// The row is wrong; otherwise it may be asked again.
    pub(super) bad: bool,
    pub(super) why: String,
}

/// How a batch ended.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    /// Rows in the file.
    rows: u64,
    /// Confirmed, and every claim matches.
    all_match: u64,
    /// Not confirmed, or some claim does not match.
    no_match: u64,
    undetermined: u64,
    refused: u64,
    /// Rows that are wrong.
    bad: u64,
    /// Rows that may be asked again.
    unanswered: u64,
    /// Receipts kept; only if they are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<u64>,
    /// Answered rows whose receipt is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts_missing: Option<u64>,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    line: u64,
    dossier: &'a str,
    #[serde(flatten)]
    answer: &'a AnswerJson,
}

impl Format {
    pub(super) fn of(out: &Path) -> Result<Self, CliError> {
        match out.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("jsonl") => Ok(Self::JsonLines),
            _ => Err(CliError::Usage("--out ends in .csv or .jsonl".into())),
        }
    }
}

impl Summary {
    /// Tells of receipts too.
    pub(super) fn keep(&mut self, fetched: &Fetched) {
        (self.receipts, self.receipts_missing) = (Some(fetched.there), Some(fetched.missing));
    }

    /// Unanswered rows and missing receipts first, for running again may help; then bad rows; then the answers, worst first.
    pub(super) fn exit(&self) -> Exit {
        let found = [
            (self.unanswered + self.receipts_missing.unwrap_or(0), Exit::Unreached),
            (self.bad, Exit::BadFile),
            (self.refused, Exit::Refused),
            (self.undetermined, Exit::Undetermined),
            (self.no_match, Exit::NoMatch),
        ];
        found.into_iter().find(|(rows, _)| *rows > 0).map_or(Exit::Good, |(_, exit)| exit)
    }

    pub(super) fn text(&self, lang: Lang) -> String {
        let parts = [
            (lang.say("dòng", "rows"), self.rows),
            (lang.say("khớp", "all match"), self.all_match),
            (lang.say("không khớp", "no match"), self.no_match),
            (lang.say("không xác định được", "cannot be told"), self.undetermined),
            (lang.say("từ chối", "refused"), self.refused),
            (lang.say("dòng sai", "bad rows"), self.bad),
            (lang.say("chưa có trả lời", "unanswered"), self.unanswered),
        ];
        let receipts = [
            (lang.say("phiếu", "receipts"), self.receipts),
            (lang.say("thiếu phiếu", "receipts missing"), self.receipts_missing),
        ];
        let receipts = receipts.into_iter().filter_map(|(word, count)| Some((word, count?)));
        let each = parts.into_iter().chain(receipts).map(|(word, rows)| format!("{word} {rows}"));
        each.collect::<Vec<_>>().join(" · ")
    }

    fn count(&mut self, exit: Exit) {
        match exit {
            Exit::Good => self.all_match += 1,
            Exit::Undetermined => self.undetermined += 1,
            Exit::Refused => self.refused += 1,
            _ => self.no_match += 1,
        }
    }
}

/// Writes the answers of the rows the file has now, and the problems of this run.
pub(super) fn write(
    args: &BatchArgs,
    format: Format,
    journal: &Journal,
    problems: &[Problem],
) -> Result<Summary, CliError> {
    let mut summary = Summary { bad: count(problems.iter().filter(|problem| problem.bad)), ..Summary::default() };
    replace(&args.out, |file| {
        if format == Format::Csv {
            write_csv(file, &HEADER)?;
        }
        let mut rows = Rows::open(&args.file, journal.seed())?;
        while let Some(row) = rows.next(&args.purpose)? {
            summary.rows += 1;
            let Some(answer) = journal.answer(&row.key)? else { continue };
            summary.count(answer.exit());
            match format {
                Format::Csv => write_csv(file, &cells(row.line, &row.dossier, &answer)?)?,
                Format::JsonLines => {
                    let line = JsonLine { line: row.line, dossier: &row.dossier, answer: &answer };
                    serde_json::to_writer(&mut *file, &line).map_err(io::Error::other)?;
                    file.write_all(b"\n")?;
                }
            }
        }
        Ok(())
    })?;
    let answered = summary.all_match + summary.no_match + summary.undetermined + summary.refused;
    summary.unanswered = summary.rows.saturating_sub(answered + summary.bad);
    write_problems(&args.out, problems)?;
    Ok(summary)
}

fn write_problems(out: &Path, problems: &[Problem]) -> Result<(), CliError> {
    let path = beside(out, "problems.csv");
    if problems.is_empty() {
        // The problems of an earlier run are solved.
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CliError::file(&path, error)),
            _ => Ok(()),
        };
    }
    replace(&path, |file| {
        write_csv(file, &["line", "dossier", "problem", "detail"])?;
        for Problem { line, dossier, bad, why } in problems {
            let problem = if *bad { "bad_row" } else { "unanswered" };
            write_csv(file, &[&line.to_string(), dossier, problem, why])?;
        }
        Ok(())
    })
}

fn cells(line: u64, dossier: &str, answer: &AnswerJson) -> Result<[String; 12], CliError> {
    let attributes = if answer.attributes.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&answer.attributes).map_err(|error| CliError::Internal(error.to_string()))?
    };
    Ok([
        line.to_string(),
        dossier.to_owned(),
        answer.outcome.clone(),
        answer.all_match.to_string(),
        answer.verdicts.iter().map(verdict).collect::<Vec<_>>().join("; "),
        attributes,
        answer.cause.clone().unwrap_or_default(),
        answer.error.as_ref().map(|error| error.number.to_string()).unwrap_or_default(),
        answer.as_of_ms.map(|ms| ms.to_string()).unwrap_or_default(),
        answer.request_id.clone(),
        answer.position.to_string(),
        answer.at_ms.to_string(),
    ])
}

/// `full_name: no_match (diacritics_differ)`; behind what cannot be told stands its cause too.
fn verdict(VerdictJson { claim, verdict, reason, cause, .. }: &VerdictJson) -> String {
    let cause = cause.as_ref().map(|cause| format!(", {cause}")).unwrap_or_default();
    format!("{claim}: {verdict} ({reason}{cause})")
}

/// Writes a file beside its place, for its owner only, and renames it. If we crash before the rename, the old one stays.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::file(path, error);
    let draft = beside(path, "draft");
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut writer = BufWriter::new(options.open(&draft).map_err(failed)?);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)
}

fn write_csv(file: &mut impl Write, cells: &[impl AsRef<[u8]>]) -> io::Result<()> {
    let mut csv = csv::WriterBuilder::new().buffer_capacity(1024).from_writer(file);
    csv.write_record(cells).map_err(io::Error::other)?;
    csv.flush()
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}
