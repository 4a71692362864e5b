//! `xacminh receipt print`: one A4 page of a receipt that verifies, to be filed in place of a copy.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use xacminh_proto::transparency::Verified;

use crate::cli::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    screen::Lang,
};

use super::{
    facts::{Fact, Facts},
    qr::{Code, PageArgs},
    source::{self, OutArgs},
};

/// A4, in millimetres.
const PAGE_WIDTH_MM: f64 = 210.0;
const PAGE_HEIGHT_MM: f64 = 297.0;
const MARGIN_MM: f64 = 18.0;

/// Where the second column begins.
const TEXT_X_MM: f64 = 66.0;

/// Where facts begin, under title and verdict.
const FACTS_Y_MM: f64 = 46.0;

/// Half a millimetre a module is what an office printer and a telephone agree on.
const MODULE_MM: f64 = 0.5;
const CODE_MM_MIN: f64 = 50.0;

/// Heights of a line: comfortable, and the smallest that is still read.
const LINE_MM: f64 = 5.0;
const LINE_MM_MIN: f64 = 2.6;

/// Of a line's height; and what a letter of a wide face takes of its size.
const FONT_OF_LINE: f64 = 0.68;
const WIDTH_OF_FONT: f64 = 0.6;

#[derive(Debug, Args)]
pub(super) struct PrintArgs {
    /// The receipt; `-` reads standard input
    file: PathBuf,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    out: OutArgs,
}

pub(super) fn run(global: &GlobalArgs, args: &PrintArgs) -> Result<Exit, CliError> {
    let policy = global.trust()?;
    let receipt = source::receipt(&args.file)?;
    let verified = receipt.verify(&policy).map_err(source::refused(&args.file))?;
    let code = Code::of(&receipt, &args.page).map_err(|why| CliError::file(&args.file, why))?;
    let screen = global.screen();
    let svg = page(&verified, &code, screen.lang).map_err(|why| CliError::file(&args.file, why))?;
    args.out.write(svg.as_bytes())?;
    if screen.json && !args.out.is_standard() {
        screen.json(&json!({ "written": args.out.path().display().to_string() }))?;
    }
    Ok(Exit::Good)
}

fn page(verified: &Verified, code: &Code, lang: Lang) -> Result<String, String> {
    let facts = Facts::of(verified, lang);
    let code_mm = (as_mm(code.side_with_quiet()) * MODULE_MM).max(CODE_MM_MIN);
    let code_y = PAGE_HEIGHT_MM - MARGIN_MM - code_mm;
    let rows: Vec<Fact> = facts.statements.into_iter().chain(facts.circumstances).collect();
    let (line_mm, rows) = fitted(&rows, code_y - FACTS_Y_MM - LINE_MM)
        .ok_or("too much for one page; `xacminh receipt redact` shows less")?;
    let mut svg = Svg::new();
    svg.text(MARGIN_MM, 26.0, 6.5, Weight::Bold, lang.say("PHIẾU XÁC MINH", "VERIFICATION RECEIPT"));
    svg.text(MARGIN_MM, 36.0, 5.0, Weight::Bold, &facts.headline);
    svg.rule(40.0);
    let mut y = FACTS_Y_MM;
    for row in rows {
        for (x, weight, lines) in [(MARGIN_MM, Weight::Bold, &row.label), (TEXT_X_MM, Weight::Plain, &row.text)] {
            for (number, line) in lines.iter().enumerate() {
                svg.text(x, y + as_mm(number) * line_mm, line_mm * FONT_OF_LINE, weight, line);
            }
        }
        y += as_mm(row.height()) * line_mm;
    }
    svg.rule(code_y - 3.0);
    svg.code(code, code_y, code_mm);
    let x = MARGIN_MM + code_mm + 4.0;
    let font_mm = 3.0;
    let mut y = code_y + 6.0;
    for paragraph in how_to_verify(verified, lang) {
        for line in wrapped(&paragraph, letters(PAGE_WIDTH_MM - MARGIN_MM - x, font_mm)) {
            svg.text(x, y, font_mm, Weight::Plain, &line);
            y += 4.2;
        }
        y += 1.6;
    }
    Ok(svg.finish(lang))
}

fn how_to_verify(verified: &Verified, lang: Lang) -> [String; 3] {
    let origin = verified.origin();
    [
        lang.say(
            "Trang này chỉ là bản in: điều đáng tin nằm trong mã vuông, và ai cũng kiểm tra được mà không cần mạng.",
            "This page is a print; what can be believed is in the code, and anybody can check it without a network.",
        )
        .to_owned(),
        lang.say(
            "Quét mã, dán nội dung vào trang verify.html, hoặc chạy: xacminh receipt verify - --log-key KHÓA",
            "Scan the code and paste its text into the page verify.html, or run: xacminh receipt verify - --log-key KEY",
        )
        .to_owned(),
        format!(
            "{} {origin}",
            lang.say(
                "Lấy khóa công khai từ nơi tỉnh công bố, không lấy từ giấy này. Nhật ký:",
                "Take the public key from where the province publishes it, not from this paper. Log:",
            )
        ),
    ]
}

/// A fact on as many lines as it needs.
struct Row {
    label: Vec<String>,
    text: Vec<String>,
}

impl Row {
    fn height(&self) -> usize {
        self.label.len().max(self.text.len())
    }
}

/// The largest lines with which all facts fit into this height.
fn fitted(facts: &[Fact], height_mm: f64) -> Option<(f64, Vec<Row>)> {
    let mut line_mm = LINE_MM;
    while line_mm >= LINE_MM_MIN {
        let columns = |width_mm: f64| letters(width_mm, line_mm * FONT_OF_LINE);
        let (left, right) = (columns(TEXT_X_MM - MARGIN_MM), columns(PAGE_WIDTH_MM - MARGIN_MM - TEXT_X_MM));
        let row = |fact: &Fact| Row { label: wrapped(&fact.label, left), text: wrapped(&fact.text, right) };
        let rows: Vec<Row> = facts.iter().map(row).collect();
        let lines: usize = rows.iter().map(Row::height).sum();
        if as_mm(lines) * line_mm <= height_mm {
            return Some((line_mm, rows));
        }
        line_mm -= 0.1;
    }
    None
}

/// Letters of this size that surely fit into a width.
fn letters(width_mm: f64, font_mm: f64) -> usize {
    let mut count = 1;
    while as_mm(count + 1) * font_mm * WIDTH_OF_FONT <= width_mm {
        count += 1;
    }
    count
}

/// Counts of lines, letters and modules are far below what a float holds exactly.
fn as_mm(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The text in lines of so many letters, broken between words where it can be.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().expect("there is a line from the start");
            let used = line.chars().count();
            let room = columns.saturating_sub(used + usize::from(used > 0));
            if word.len() <= room {
                if used > 0 {
                    line.push(' ');
                }
                line.extend(&word);
                break;
            }
            if used == 0 {
                line.extend(word.drain(..columns));
            }
            lines.push(String::new());
        }
    }
    lines
}

#[derive(Clone, Copy)]
enum Weight {
    Plain,
    Bold,
}

/// A page being drawn: texts and shapes, nothing from elsewhere.
struct Svg(String);

impl Svg {
    fn new() -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{PAGE_WIDTH_MM}mm\" height=\"{PAGE_HEIGHT_MM}mm\" \
             viewBox=\"0 0 {PAGE_WIDTH_MM} {PAGE_HEIGHT_MM}\" \
             font-family=\"'Noto Sans', 'DejaVu Sans', Arial, sans-serif\">\n\
             <rect width=\"{PAGE_WIDTH_MM}\" height=\"{PAGE_HEIGHT_MM}\" fill=\"#fff\"/>\n"
        ))
    }

    fn text(&mut self, x: f64, y: f64, font_mm: f64, weight: Weight, text: &str) {
        let bold = match weight {
            Weight::Plain => "",
            Weight::Bold => " font-weight=\"bold\"",
        };
        let text = escaped(text);
        self.0.push_str(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{font_mm:.2}\"{bold}>{text}</text>\n"));
    }

    fn rule(&mut self, y: f64) {
        let right = PAGE_WIDTH_MM - MARGIN_MM;
        self.0.push_str(&format!("<path d=\"M{MARGIN_MM} {y:.1}H{right}\" stroke=\"#000\" stroke-width=\"0.3\"/>\n"));
    }

    fn code(&mut self, code: &Code, y: f64, side_mm: f64) {
        let scale = side_mm / as_mm(code.side_with_quiet());
        self.0.push_str(&format!(
            "<path transform=\"translate({MARGIN_MM} {y:.2}) scale({scale:.5})\" shape-rendering=\"crispEdges\" d=\"{}\"/>\n",
            code.path()
        ));
    }

    fn finish(self, lang: Lang) -> String {
        let language = lang.say("vi", "en");
        self.0.replacen("<svg ", &format!("<svg xml:lang=\"{language}\" "), 1) + "</svg>\n"
    }
}

/// Text as XML. What XML has no place for, control characters, no statement holds.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_within_what_is_too_long() {
        assert_eq!(wrapped("một hai ba", 7), ["một hai", "ba"]);
        assert_eq!(wrapped("", 7), [""]);
        assert_eq!(wrapped("xacminh.example/da-nang", 10), ["xacminh.ex", "ample/da-n", "ang"]);
        assert_eq!(wrapped("số abcdefghij k", 10), ["số", "abcdefghij", "k"]);
        for columns in 1..12 {
            let lines = wrapped("Số 12 đường Lê Lợi, phường Hải Châu", columns);
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:?}");
        }
    }

    #[test]
    fn text_is_no_markup() {
        assert_eq!(escaped("<script>\"&\"</script>"), "&lt;script&gt;&quot;&amp;&quot;&lt;/script&gt;");
    }

    #[test]
    fn more_facts_make_smaller_lines_and_in_the_end_no_page() {
        let facts = |count: usize| -> Vec<Fact> {
            (0..count).map(|_| Fact { label: "Nơi ở".into(), text: "Số 12".repeat(30) }).collect()
        };
        let (large, _) = fitted(&facts(2), 120.0).expect("they fit");
        let (small, _) = fitted(&facts(12), 120.0).expect("they fit");
        assert!(small < large);
        assert!(fitted(&facts(60), 120.0).is_none());
    }
}
