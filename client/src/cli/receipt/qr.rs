//! `xacminh receipt qr`: the packed receipt as a QR code.

use std::path::PathBuf;

use clap::Args;
use qrcode::{Color, EcLevel, QrCode, Version};
use serde_json::json;
use xacminh_proto::transparency::Receipt;

use crate::cli::{
    config::GlobalArgs,
    exit::{CliError, Exit},
};

use super::source::{self, OutArgs};

/// "The quiet zone shall be 4X wide" (ISO/IEC 18004 §6.3.8).
const QUIET_MODULES: usize = 4;

#[derive(Debug, Args)]
pub(super) struct QrArgs {
    /// The receipt; `-` reads standard input
    file: PathBuf,
    #[command(flatten)]
    page: PageArgs,
    /// Draw SVG instead of showing the code on the terminal
    #[arg(long)]
    svg: bool,
    #[command(flatten)]
    out: OutArgs,
}

/// Where whoever scans the code is led to.
#[derive(Debug, Args)]
pub(super) struct PageArgs {
    /// Address of the verifying page: the code becomes a link to it. What stands behind the `#` stays in the browser.
    #[arg(long = "page", value_name = "URL")]
    address: Option<String>,
}

/// A QR code.
pub(super) struct Code {
    dark: Vec<bool>,
    side: usize,
    version: i16,
}

pub(super) fn run(global: &GlobalArgs, args: &QrArgs) -> Result<Exit, CliError> {
    let receipt = source::receipt(&args.file)?;
    receipt.check().map_err(source::refused(&args.file))?;
    let code = Code::of(&receipt, &args.page).map_err(|why| CliError::file(&args.file, why))?;
    let screen = global.screen();
    if args.svg || !args.out.is_standard() {
        args.out.write(code.svg().as_bytes())?;
        if screen.json && !args.out.is_standard() {
            let written = args.out.path().display().to_string();
            screen.json(&json!({ "written": written, "version": code.version, "modules": code.side }))?;
        }
        return Ok(Exit::Good);
    }
    for line in code.lines() {
        screen.line(&line)?;
    }
    screen.note(&format!(
        "{} {} · {} × {}",
        screen.lang.say("phiên bản", "version"),
        code.version,
        code.side,
        code.side
    ));
    Ok(Exit::Good)
}

impl PageArgs {
    fn text(&self, packed: &str) -> String {
        match &self.address {
            // One `#` only: what the address has behind its own is not part of the page's.
            Some(address) => format!("{}#{packed}", address.split('#').next().unwrap_or_default()),
            None => packed.to_owned(),
        }
    }
}

impl Code {
    /// The code of a receipt, or what to do if it is too large for one.
    pub(super) fn of(receipt: &Receipt, page: &PageArgs) -> Result<Self, String> {
        let packed = receipt.pack().map_err(|error| error.to_string())?;
        let code = encoded(&page.text(&packed)).ok_or_else(|| too_large(receipt, page))?;
        let Version::Normal(version) = code.version() else { return Err("not an ordinary QR code".into()) };
        let dark = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        Ok(Self { dark, side: code.width(), version })
    }

    /// Modules of a side, with the quiet zone.
    pub(super) const fn side_with_quiet(&self) -> usize {
        self.side + 2 * QUIET_MODULES
    }

    /// The dark modules as a path of SVG, a module being one unit, the quiet zone included: one rectangle a run.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for row in 0..self.side {
            let mut column = 0;
            while column < self.side {
                let run = (column..self.side).take_while(|at| self.is_dark(row, *at)).count();
                if run > 0 {
                    let (x, y) = (column + QUIET_MODULES, row + QUIET_MODULES);
                    path.push_str(&format!("M{x} {y}h{run}v1h-{run}z"));
                }
                column += run.max(1);
            }
        }
        path
    }

    fn svg(&self) -> String {
        let side = self.side_with_quiet();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\n\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\n<path d=\"{}\"/>\n</svg>\n",
            self.path()
        )
    }

    /// Two modules a character, light ones drawn: terminals are dark.
    fn lines(&self) -> Vec<String> {
        let light = |row: usize, column: usize| {
            let inside = |at: usize| at.checked_sub(QUIET_MODULES).filter(|at| *at < self.side);
            !matches!((inside(row), inside(column)), (Some(row), Some(column)) if self.is_dark(row, column))
        };
        let character = |row: usize, column: usize| match (light(row, column), light(row + 1, column)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        let side = self.side_with_quiet();
        (0..side).step_by(2).map(|row| (0..side).map(|column| character(row, column)).collect()).collect()
    }

    fn is_dark(&self, row: usize, column: usize) -> bool {
        self.dark[row * self.side + column]
    }
}

/// Least error correction: a code of a thousand bytes is read for the size of its modules, not for its repairs.
fn encoded(text: &str) -> Option<QrCode> {
    QrCode::with_error_correction_level(text, EcLevel::L).ok()
}

/// Says so, and which names to close so that it fits.
fn too_large(receipt: &Receipt, page: &PageArgs) -> String {
    let text = |receipt: &Receipt| receipt.pack().map(|packed| page.text(&packed)).unwrap_or_default();
    let characters = text(receipt).len();
    let mut smaller = receipt.clone();
    let mut dropped: Vec<String> = Vec::new();
    while encoded(&text(&smaller)).is_none() {
        // The outcome stays: without it a receipt says little.
        let open = smaller.opened().into_iter().filter(|name| name != "outcome");
        let without = |name: String| (smaller.redact(|it| it != name), name);
        let Some((next, name)) = open.map(without).min_by_key(|(next, _)| text(next).len()) else {
            return format!("{characters} characters are too many for a QR code, whatever is closed");
        };
        dropped.push(name);
        smaller = next;
    }
    format!(
        "{characters} characters are too many for one QR code; they fit after \
         `xacminh receipt redact FILE --drop {}`",
        dropped.join(",")
    )
}
