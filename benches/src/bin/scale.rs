//! `scale`: brings the tables and plots of what size costs up to date, from the lines that `benches/scale` wrote.

use std::fs;

use anyhow::{Context, Result};
use xacminh_benches::scale::{Curve, Lines};

const PAGE: &str = "benches/README.md";

const RECORDS: [&str; 13] = [
    "records",
    "loaded/s",
    "nodes µs each",
    "state MiB",
    "log MiB",
    "memory MiB",
    "answers/s",
    "nodes µs an answer",
    "p50 ms at 1,000/s",
    "p99 ms",
    "restart s",
    "after kill -9 s",
    "catch-up s",
];

const LEAVES: [&str; 5] = ["leaves", "answers/s", "nodes µs an answer", "state MiB", "log MiB"];

fn main() -> Result<()> {
    let mut page = fs::read_to_string(PAGE).context(PAGE)?;
    let curve = |name, title, colour| Curve { name, title, colour };
    let kinds: [(&str, &[&str], &str, Vec<Curve>); 2] = [
        (
            "records",
            &RECORDS,
            "What records cost",
            vec![
                curve("load_us", "to load one, µs of all nodes", "#7a4a17"),
                curve("answer_us", "to answer, µs of all nodes", "#17637a"),
                curve("p99_ms", "p99 at 1,000/s, ms", "#b3261e"),
                curve("restart_s", "restart, s", "#5f6b7a"),
                curve("catch_up_s", "catch-up by snapshot, s", "#6a3d9a"),
            ],
        ),
        ("leaves", &LEAVES, "What leaves cost", vec![curve("answer_us", "to answer, µs of all nodes", "#17637a")]),
    ];
    for (kind, titles, title, curves) in kinds {
        let file = format!("benches/scale-{kind}.csv");
        let lines = Lines::parse(&fs::read_to_string(&file).context(file.clone())?).context(file)?;
        fs::write(format!("benches/scale-{kind}.svg"), lines.plot(title, &curves))?;
        let (begin, end) = (format!("<!-- scale {kind} -->\n"), format!("<!-- end of scale {kind} -->"));
        let (before, rest) = page.split_once(&begin).with_context(|| begin.clone())?;
        let (_, after) = rest.split_once(&end).with_context(|| end.clone())?;
        page = format!("{before}{begin}{}{end}{after}", lines.table(titles));
    }
    fs::write(PAGE, page).context(PAGE)
}
