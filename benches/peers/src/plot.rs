//! The plot: one line for each case, three columns on logarithmic axes.

use std::fmt::Write as _;

use crate::table::{Case, Medians, OURS};

const WIDTH: f64 = 1330.0;
const LABEL: f64 = 470.0;
const COLUMN: f64 = 250.0;
const GAP: f64 = 40.0;
const TOP: f64 = 64.0;
const LINE: f64 = 20.0;

/// This system, and everybody else.
const COLOURS: [&str; 2] = ["#b3261e", "#5f6b7a"];

/// A logarithmic axis from one power of ten to another.
struct Axis {
    title: &'static str,
    left: f64,
    low: f64,
    high: f64,
}

impl Axis {
    /// Where a value lies; what is outside is drawn at the edge.
    fn at(&self, value: f64) -> f64 {
        let share = (value.max(1e-9).log10() - self.low) / (self.high - self.low);
        self.left + COLUMN * share.clamp(0.0, 1.0)
    }

    fn draw(&self, out: &mut String, bottom: f64) {
        let Self { title, left, low, high } = self;
        let _ = writeln!(out, r#"<text x="{left}" y="24" font-weight="bold">{title}</text>"#);
        let mut power = *low;
        while power <= *high {
            let x = self.at(10_f64.powf(power));
            let _ = writeln!(out, r##"<line x1="{x:.1}" y1="46" x2="{x:.1}" y2="{bottom:.1}" stroke="#dde1e6"/>"##);
            let tick = tick(10_f64.powf(power));
            let _ = writeln!(out, r#"<text x="{x:.1}" y="42" text-anchor="middle" font-size="10">{tick}</text>"#);
            power += 1.0;
        }
    }
}

/// Draws all cases that were measured at saturation.
pub(crate) fn draw(cases: &[Case]) -> String {
    let left = |column: f64| LABEL + (COLUMN + GAP) * column;
    let axes = [
        Axis { title: "answers a second at saturation", left: left(0.0), low: 3.0, high: 6.0 },
        Axis { title: "servers' processor time, µs an answer", left: left(1.0), low: 0.0, high: 4.0 },
        Axis { title: "p50 to p99 at a quarter of it, ms", left: left(2.0), low: -1.0, high: 3.0 },
    ];
    let drawn: Vec<(&Case, Medians)> =
        cases.iter().filter_map(|case| case.saturation().map(|medians| (case, medians))).collect();
    let bottom = TOP + LINE * f64::from(u32::try_from(drawn.len()).unwrap_or(u32::MAX)) + 6.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        bottom + 10.0
    );
    axes.iter().for_each(|axis| axis.draw(&mut out, bottom));
    let mut y = TOP;
    for (case, medians) in drawn {
        line(&mut out, &axes, case, medians, y);
        y += LINE;
    }
    out.push_str("</svg>\n");
    out
}

fn line(out: &mut String, [rate, price, delay]: &[Axis; 3], case: &Case, medians: Medians, y: f64) {
    let label = &case.label;
    let colour = COLOURS[usize::from(label.system != OURS)];
    let name = escaped(&format!("{} · {} · {}", label.system, label.question, label.shape));
    let text = y + 4.0;
    let _ = writeln!(
        out,
        r#"<text x="{:.1}" y="{text:.1}" text-anchor="end" font-size="11" fill="{colour}">{name}</text>"#,
        LABEL - 10.0
    );
    for (axis, value) in [(rate, medians.answers_per_s), (price, medians.server_us)] {
        let (from, until) = (axis.left, axis.at(value));
        let _ = writeln!(
            out,
            r#"<rect x="{from:.1}" y="{:.1}" width="{:.1}" height="12" fill="{colour}" opacity="0.75"/>"#,
            y - 6.0,
            (until - from).max(1.0)
        );
        // Beside the bar while there is room, inside it otherwise.
        let fits = until < axis.left + COLUMN - 44.0;
        let (x, anchor, fill) = if fits { (until + 4.0, "start", "#22262b") } else { (until - 4.0, "end", "white") };
        let value = tick(value);
        let _ = writeln!(
            out,
            r#"<text x="{x:.1}" y="{text:.1}" text-anchor="{anchor}" font-size="10" fill="{fill}">{value}</text>"#
        );
    }
    if let Some(Medians { p50_ms, p99_ms, .. }) = case.quarter() {
        let (from, until) = (delay.at(p50_ms), delay.at(p99_ms));
        let _ = writeln!(
            out,
            r#"<line x1="{from:.1}" y1="{y:.1}" x2="{until:.1}" y2="{y:.1}" stroke="{colour}" stroke-width="3"/>"#
        );
        for x in [from, until] {
            let _ = writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}"/>"#);
        }
    }
}

/// A value as short as a tick can be.
fn tick(value: f64) -> String {
    match value {
        value if value >= 999_500.0 => format!("{:.0} M", value / 1e6),
        value if value >= 9_950.0 => format!("{:.0} k", value / 1e3),
        value if value >= 995.0 => format!("{:.1} k", value / 1e3).replace(".0 k", " k"),
        value if value >= 9.95 => format!("{value:.0}"),
        value => format!("{value:.1}").replace(".0", ""),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        notes::{Label, Measured, Note, Pace, Row},
        table::cases,
    };

    #[test]
    fn every_case_is_drawn_and_nothing_breaks_the_markup() {
        let row = |system: &str, pace| {
            let label = Label { system: system.to_owned(), question: "a < b & c".to_owned(), shape: "c1".to_owned() };
            let measured =
                Measured { answers_per_s: 5e3, p50_ms: 1.0, p99_ms: 9.0, server_us: 80.0, ..Measured::default() };
            Note::Row(Row { label, pace, round: 1, rate_per_s: None, measured })
        };
        let notes = [row(OURS, Pace::Saturation), row("etcd", Pace::Saturation), row("etcd", Pace::Quarter)];
        let svg = draw(&cases(&notes));
        assert_eq!((svg.matches("<rect").count(), svg.matches("<circle").count()), (1 + 4, 2));
        assert!(svg.contains("etcd · a &lt; b &amp; c · c1") && svg.contains(COLOURS[0]));
        assert_eq!(["1 k", "5.5 k", "35 k", "1 M", "0.1", "10"], [1e3, 5.5e3, 35e3, 1e6, 0.1, 10.0].map(tick)[..]);
    }
}
