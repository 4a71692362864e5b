//! What the user sees: results on standard output, everything else on standard error.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::receipt::Place;

/// A language of the clerk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// Tiếng Việt.
    Vi,
    /// English.
    En,
}

/// Where a command writes to, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) lang: Lang,
    pub(super) json: bool,
    pub(super) quiet: bool,
    /// Standard output has something else, so that results go to standard error.
    aside: bool,
}

impl Lang {
    /// The language of the environment: Vietnamese if `LANG` or `LC_ALL` says so.
    pub(super) fn of_environment() -> Self {
        let says_vi = |name: &str| std::env::var(name).is_ok_and(|value| value.starts_with("vi"));
        let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
        if if set("LC_ALL") { says_vi("LC_ALL") } else { says_vi("LANG") } { Self::Vi } else { Self::En }
    }

    /// The text in this language.
    pub(super) const fn say<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Vi => vi,
            Self::En => en,
        }
    }
}

impl Screen {
    pub(super) const fn new(lang: Lang, json: bool, quiet: bool) -> Self {
        Self { lang, json, quiet, aside: false }
    }

    /// The same beside a file that is written: where that is standard output, it stands there alone.
    pub(super) fn beside(self, place: &Place) -> Self {
        Self { aside: place.is_standard(), ..self }
    }

    /// A line of the result.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        if self.aside { writeln!(io::stderr().lock(), "{text}") } else { writeln!(io::stdout().lock(), "{text}") }
    }

    /// One JSON document on one line.
    pub(super) fn json(&self, document: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(document).map_err(io::Error::other)?;
        self.line(&text)
    }

    /// A remark beside the result; silent under `--quiet`.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// An error; never silent. Nothing can be done if standard error is gone.
    pub(super) fn complain(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Columns padded to their widest cell, two spaces between them. Widths count characters, which fits Vietnamese in NFC.
pub(super) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_line_up_under_vietnamese_letters() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["họ tên", "khớp"]), row(["giới", "x"])]), ["họ tên  khớp", "giới    x"]);
    }
}
