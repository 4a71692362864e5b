//! Bars as SVG: one file that needs nothing else, readable on paper and by a screen reader.

use std::fmt::Write;

/// A plot: one bar for each row, stacked from the series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) series: Vec<Series>,
    /// Label, and a value for each series.
    pub(super) rows: Vec<(String, Vec<u64>)>,
}

/// What a colour stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) colour: &'static str,
}

const WIDTH: u64 = 860;
const LABELS: u64 = 170;
const VALUES: u64 = 90;
const BAR: u64 = 22;
const GAP: u64 = 10;
const HEAD: u64 = 84;

/// Draws a plot.
pub(super) fn svg(bars: &Bars) -> String {
    let rows = u64::try_from(bars.rows.len()).unwrap_or(0);
    let height = HEAD + rows * (BAR + GAP) + 20;
    let most = bars.rows.iter().map(|(_, values)| values.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    let room = WIDTH - LABELS - VALUES;
    let title = escaped(&bars.title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<title>{title}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"30\" font-size=\"18\" font-weight=\"600\" fill=\"#111827\">{title}</text>\n"
    );
    let mut x = 16;
    for series in &bars.series {
        let name = escaped(&series.name);
        let letters = u64::try_from(series.name.chars().count()).unwrap_or(0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"46\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/><text x=\"{}\" y=\"57\" fill=\"#374151\">{name}</text>",
            series.colour,
            x + 18,
        );
        x += 18 + letters * 8 + 24;
    }
    for ((label, values), row) in bars.rows.iter().zip(0..) {
        let y = HEAD + row * (BAR + GAP);
        let (text_y, total) = (y + 16, values.iter().sum::<u64>());
        let label = escaped(label);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\" fill=\"#111827\">{label}</text>",
            LABELS - 10
        );
        let (mut before, mut left) = (0_u64, LABELS);
        for (value, series) in values.iter().zip(&bars.series) {
            // Ends are computed from sums, so that parts meet and the whole has its length.
            before += value;
            let right = LABELS + scaled(before, room, most);
            if right > left {
                let name = escaped(&series.name);
                let _ = writeln!(
                    svg,
                    "<rect x=\"{left}\" y=\"{y}\" width=\"{}\" height=\"{BAR}\" fill=\"{}\"><title>{label}: {name} {value}</title></rect>",
                    right - left,
                    series.colour,
                );
            }
            left = right;
        }
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{text_y}\" fill=\"#374151\">{total}</text>", left + 8);
    }
    svg.push_str("</svg>\n");
    svg
}

fn scaled(value: u64, room: u64, most: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(room) / u128::from(most)).unwrap_or(room)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_the_length_of_their_values() {
        let series = |name: &str, colour| Series { name: name.into(), colour };
        let bars = Bars {
            title: "Câu hỏi <theo> tháng".into(),
            series: vec![series("khớp", "#000001"), series("không", "#000002")],
            rows: vec![
                ("2026-12".into(), vec![300, 100]),
                ("2027-01".into(), vec![0, 0]),
                ("2027-02".into(), vec![0, 100]),
            ],
        };
        let svg = svg(&bars);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("&lt;theo&gt;") && !svg.contains("<theo>"));
        let lengths: Vec<&str> = svg
            .lines()
            .filter(|line| line.contains("height=\"22\""))
            .filter_map(|line| line.split("width=\"").nth(1)?.split('"').next())
            .collect();
        assert_eq!(lengths, ["450", "150", "150"], "six hundred is the whole width");
        assert!(svg.contains(">400</text>") && svg.contains(">0</text>"));
    }
}
