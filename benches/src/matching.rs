//! What the rules say of the corpus: counts, shares with confidence intervals, and the page that tells them.

use std::fmt::Write as _;

use xacminh_core::matching::names::{NameClass, NameThreshold, compare};
use xacminh_proto::vocab::FullName;

use crate::corpus::{Kind, Maker, Pair};

/// The seed of the figures on the page.
pub const SEED: u64 = 2026;

/// Pairs of each kind on the page: with none wrong, the interval ends below 0.02 %.
pub const PAIRS_EACH: u64 = 20_000;

/// What was said of the pairs of one kind.
#[derive(Clone)]
pub struct Row {
    /// How they were made.
    pub kind: Kind,
    /// How many.
    pub pairs: u64,
    /// How many by the most serious class found, in the order of [`NameClass::ALL`].
    pub told: [u64; 12],
    /// How many each threshold accepts, in the order of [`NameThreshold::ALL`].
    pub accepted: [u64; 4],
    /// Scores, ascending, in hundredths of a bit.
    pub scores: Vec<i32>,
    /// The first pairs on which the default errs.
    pub errors: Vec<Pair>,
}

/// A share with its 95 % interval after Wilson (1927), each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// What was found.
    pub found: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Share {
    /// `part` of `whole`.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Self {
        /// The 97.5th percentile of the normal distribution.
        const Z: f64 = 1.959_964;
        let (part, whole) = (count(part), count(whole));
        let found = part / whole;
        let spread = Z / (1.0 + Z * Z / whole) * (found * (1.0 - found) / whole + Z * Z / (4.0 * whole * whole)).sqrt();
        let middle = (found + Z * Z / (2.0 * whole)) / (1.0 + Z * Z / whole);
        Self { found, low: (middle - spread).max(0.0), high: (middle + spread).min(1.0) }
    }

    fn text(self) -> String {
        format!("{:.3} % ({:.3}–{:.3})", 100.0 * self.found, 100.0 * self.low, 100.0 * self.high)
    }
}

fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("counts are small"))
}

impl Row {
    /// Pairs on which the default errs: refused though one name, or accepted though not.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        let accepted = self.accepted[NameThreshold::default() as usize];
        if self.kind.is_one_name() { self.pairs - accepted } else { accepted }
    }

    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.scores.len() - 1) * percent / 100;
        f64::from(self.scores[at]) / 100.0
    }
}

/// Asks the rules about `pairs_each` pairs of every kind.
#[must_use]
pub fn measure(seed: u64, pairs_each: u64) -> Vec<Row> {
    let mut maker = Maker::new(seed);
    Kind::ALL.into_iter().map(|kind| row(&mut maker, kind, pairs_each)).collect()
}

fn row(maker: &mut Maker, kind: Kind, pairs: u64) -> Row {
    let mut row = Row { kind, pairs, told: [0; 12], accepted: [0; 4], scores: Vec::new(), errors: Vec::new() };
    for _ in 0..pairs {
        let pair = maker.pair(kind);
        let [asked, recorded] =
            [&pair.asked, &pair.recorded].map(|name| FullName::parse(name).expect("the maker makes names"));
        let comparison = compare(&asked, &recorded);
        row.told[comparison.class() as usize] += 1;
        row.scores.push(comparison.score);
        for (accepted, threshold) in row.accepted.iter_mut().zip(NameThreshold::ALL) {
            *accepted += u64::from(comparison.classes.iter().all(|class| threshold.accepts(class)));
        }
        let is_accepted = comparison.classes.iter().all(|class| NameThreshold::default().accepts(class));
        if is_accepted != kind.is_one_name() && row.errors.len() < 20 {
            row.errors.push(pair);
        }
    }
    row.scores.sort_unstable();
    row
}

/// The table of errors at the default threshold.
#[must_use]
pub fn errors_table(rows: &[Row]) -> String {
    let mut text = String::from("| made by | pairs | error | wrong | share (95 % interval) |\n|---|---|---|---|---|\n");
    for row in rows {
        let error = if row.kind.is_one_name() { "refused" } else { "accepted" };
        let share = Share::of(row.wrong(), row.pairs).text();
        writeln!(text, "| {} | {} | {error} | {} | {share} |", row.kind.text(), row.pairs, row.wrong())
            .expect("a string takes all");
    }
    text
}

/// The table of what each threshold accepts, in per cent.
#[must_use]
pub fn thresholds_table(rows: &[Row]) -> String {
    let mut text =
        String::from("| made by | `exact` | `folded` | `spelling` (default) | `unsigned` |\n|---|---|---|---|---|\n");
    for row in rows {
        write!(text, "| {} |", row.kind.text()).expect("a string takes all");
        for accepted in row.accepted {
            write!(text, " {:.2} |", 100.0 * count(accepted) / count(row.pairs)).expect("a string takes all");
        }
        text.push('\n');
    }
    text
}

/// The table of what class was found, in per cent of the pairs; nothing stands for none.
#[must_use]
pub fn classes_table(rows: &[Row]) -> String {
    let heads = NameClass::ALL
        .map(|class| if class == NameClass::Different { "other".into() } else { format!("N{}", class as u8) });
    let mut text = format!("| made by | {} |\n|---{}|\n", heads.join(" | "), "|---".repeat(heads.len()));
    for row in rows {
        write!(text, "| {} |", row.kind.text()).expect("a string takes all");
        for told in row.told {
            let cell =
                if told == 0 { String::new() } else { format!(" {:.2}", 100.0 * count(told) / count(row.pairs)) };
            write!(text, "{cell} |").expect("a string takes all");
        }
        text.push('\n');
    }
    text
}

/// The table of scores, in bits.
#[must_use]
pub fn scores_table(rows: &[Row]) -> String {
    let mut text = String::from("| made by | 5 % below | median | 5 % above |\n|---|---|---|---|\n");
    for row in rows {
        let [low, median, high] = [5, 50, 95].map(|percent| row.percentile(percent));
        writeln!(text, "| {} | {low:.1} | {median:.1} | {high:.1} |", row.kind.text()).expect("a string takes all");
    }
    text
}

/// The plot of errors at the default threshold: a point for each kind, a line for its interval, on a logarithmic scale.
#[must_use]
pub fn plot(rows: &[Row]) -> String {
    const LEFT: f64 = 240.0;
    const DECADE: f64 = 110.0;
    const LOWEST: f64 = 1e-5;
    let x = |share: f64| LEFT + DECADE * (share.max(LOWEST) / LOWEST).log10();
    let bottom = 50 + 26 * rows.len();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 820 {}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"20\" y=\"24\">Errors at the default threshold, with 95 % intervals (refused for N0–N3, accepted for the others)</text>\n",
        bottom + 40
    );
    for (step, label) in ["≤ 0.001 %", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"].iter().enumerate() {
        let at = x(LOWEST * 10_f64.powi(i32::try_from(step).expect("six steps")));
        let colour = if *label == "0.1 %" { "#c33" } else { "#ccc" };
        writeln!(
            text,
            "<line x1=\"{at:.1}\" y1=\"36\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            bottom + 20
        )
        .expect("a string takes all");
    }
    for (at, row) in rows.iter().enumerate() {
        let y = 54 + 26 * at;
        let share = Share::of(row.wrong(), row.pairs);
        let colour = if row.kind.is_one_name() { "#17637a" } else { "#7a4a17" };
        writeln!(
            text,
            "<text x=\"20\" y=\"{}\">{}</text><line x1=\"{:.1}\" y1=\"{y}\" x2=\"{:.1}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"4\"/>\
             <circle cx=\"{:.1}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\"/>",
            y + 4,
            row.kind.text(),
            x(share.low),
            x(share.high),
            x(share.found)
        )
        .expect("a string takes all");
    }
    text.push_str("</svg>\n");
    text
}

/// The page with its tables brought up to date; each stands between two comments of its name.
#[must_use]
pub fn page(old: &str, rows: &[Row]) -> Option<String> {
    let tables = [
        ("errors", errors_table(rows)),
        ("thresholds", thresholds_table(rows)),
        ("classes", classes_table(rows)),
        ("scores", scores_table(rows)),
    ];
    tables.into_iter().try_fold(old.to_owned(), |page, (name, table)| {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let (before, rest) = page.split_once(&begin)?;
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}{table}{end}{after}"))
    })
}
