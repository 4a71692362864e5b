//! What size costs, as `benches/scale` wrote it down: tables and plots for a page.

use std::fmt::Write as _;

/// Lines of numbers under names, as they stand in a file of commas.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    names: Vec<String>,
    /// In ascending order of the first column; of lines with the same first number the last counts.
    rows: Vec<Vec<f64>>,
}

/// What is drawn: a name in the file, a title, a colour.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    /// The column.
    pub name: &'static str,
    /// The title in the plot, with its unit.
    pub title: &'static str,
    /// Its colour.
    pub colour: &'static str,
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 50.0;
const PLOT_WIDTH: f64 = 560.0;
const PLOT_HEIGHT: f64 = 260.0;

impl Lines {
    /// Reads the file; none if it has no numbers, or a line has another length than the names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let names: Vec<String> = lines.next()?.split(',').map(str::to_owned).collect();
        let mut rows = Vec::<Vec<f64>>::new();
        for line in lines {
            let row: Vec<f64> = line.split(',').map(|cell| cell.parse().ok()).collect::<Option<_>>()?;
            if row.len() != names.len() {
                return None;
            }
            rows.retain(|other| other.first() != row.first());
            rows.push(row);
        }
        rows.sort_by(|one, other| one[0].total_cmp(&other[0]));
        if rows.is_empty() { None } else { Some(Self { names, rows }) }
    }

    /// A Markdown table under the given titles, one for each column.
    #[must_use]
    pub fn table(&self, titles: &[&str]) -> String {
        let mut text = format!("| {} |\n|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|value| number(*value)).collect();
            writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes all");
        }
        text
    }

    /// An SVG plot of columns against the first one, both axes logarithmic.
    #[must_use]
    pub fn plot(&self, title: &str, curves: &[Curve]) -> String {
        let drawn: Vec<(&Curve, Vec<(f64, f64)>)> =
            curves.iter().filter_map(|curve| Some((curve, self.points(curve.name)?))).collect();
        let all = || drawn.iter().flat_map(|(_, points)| points.iter().copied());
        let (across, up) = (Axis::over(all().map(|(x, _)| x)), Axis::over(all().map(|(_, y)| y)));
        let x = |value: f64| LEFT + PLOT_WIDTH * across.share(value);
        let y = |value: f64| TOP + PLOT_HEIGHT * (1.0 - up.share(value));
        let bottom = TOP + PLOT_HEIGHT;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"20\" y=\"24\" font-size=\"14\">{title}</text>\n",
            bottom + 50.0
        );
        for power in across.powers() {
            let (at, tick) = (x(power), number(power));
            let _ = writeln!(
                out,
                r##"<line x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom}" stroke="#dde1e6"/><text x="{at:.1}" y="{:.1}" text-anchor="middle">{tick}</text>"##,
                bottom + 18.0
            );
        }
        for power in up.powers() {
            let (at, tick) = (y(power), number(power));
            let _ = writeln!(
                out,
                r##"<line x1="{LEFT}" y1="{at:.1}" x2="{:.1}" y2="{at:.1}" stroke="#dde1e6"/><text x="{:.1}" y="{:.1}" text-anchor="end">{tick}</text>"##,
                LEFT + PLOT_WIDTH,
                LEFT - 6.0,
                at + 4.0
            );
        }
        for (line, (curve, points)) in (0_u32..).zip(&drawn) {
            let (colour, path) = (curve.colour, points.iter().map(|(px, py)| format!("{:.1},{:.1} ", x(*px), y(*py))));
            let path: String = path.collect();
            let _ = writeln!(out, r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>"#);
            for (px, py) in points {
                let _ = writeln!(out, r#"<circle cx="{:.1}" cy="{:.1}" r="4" fill="{colour}"/>"#, x(*px), y(*py));
            }
            let at = TOP + 20.0 * f64::from(line) + 10.0;
            let (from, title) = (LEFT + PLOT_WIDTH + 20.0, curve.title);
            let _ = writeln!(
                out,
                r#"<rect x="{from:.1}" y="{:.1}" width="12" height="12" fill="{colour}"/><text x="{:.1}" y="{at:.1}">{title}</text>"#,
                at - 10.0,
                from + 18.0
            );
        }
        out.push_str("</svg>\n");
        out
    }

    fn points(&self, name: &str) -> Option<Vec<(f64, f64)>> {
        let column = self.names.iter().position(|known| known == name)?;
        Some(self.rows.iter().map(|row| (row[0], row[column])).filter(|(_, value)| *value > 0.0).collect())
    }
}

/// A logarithmic axis between two powers of ten.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = (low.min(high).log10().floor(), high.log10().ceil());
        Self { low, high: high.max(low + 1.0) }
    }

    fn share(&self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    fn powers(&self) -> impl Iterator<Item = f64> {
        std::iter::successors(Some(self.low), |power| Some(power + 1.0))
            .take_while(|power| *power <= self.high)
            .map(|power| 10_f64.powf(power))
    }
}

/// With as many digits as tell something, thousands apart.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let grouped = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    grouped.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "records,us\n1000,5\n10,2.5\n1000,4\n";

    #[test]
    fn the_last_line_of_a_size_counts() {
        let lines = Lines::parse(TEXT).expect("lines");
        assert_eq!(lines.table(&["records", "µs"]), "| records | µs |\n|---|---|\n| 10 | 2.5 |\n| 1,000 | 4 |\n");
        assert_eq!(Lines::parse("records,us\n10\n"), None);
        assert_eq!(Lines::parse("records,us\n10,x\n"), None);
        assert_eq!(Lines::parse("records,us\n"), None);
    }

    #[test]
    fn a_plot_has_a_point_for_each_line() {
        let curve = |name| Curve { name, title: "µs", colour: "#17637a" };
        let plot = Lines::parse(TEXT).expect("lines").plot("Cost", &[curve("us"), curve("unknown")]);
        assert_eq!(plot.matches("<circle").count(), 2);
        assert!(plot.contains("points=\"70.0,") && plot.contains(">1,000</text>"), "{plot}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.5, 12.0, 99.994, 1234.5, 14e6].map(number), ["0.5", "12", "99.99", "1,234", "14,000,000"]);
    }
}
