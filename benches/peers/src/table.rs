//! The table of a run, as the page shows it.

use std::collections::BTreeMap;

use anyhow::Context;

use crate::notes::{Label, Measured, Note, Pace, Row, Sync, float};

/// This system's name in the table.
pub(crate) const OURS: &str = "Xác Minh";

/// Between these lines of the page the program writes; the rest is people's.
const BEGIN: &str = "<!-- peers: begin, written by benches/peers/run -->";
const END: &str = "<!-- peers: end -->";

/// What a cell shows of a reason; the run's own output has all of it.
const REASON_CHARS_MAX: usize = 160;

/// Everything measured of one case.
pub(crate) struct Case {
    /// Which.
    pub(crate) label: Label,
    saturation: Vec<Row>,
    quarter: Vec<Row>,
    paced: BTreeMap<u64, Vec<Row>>,
}

/// What a cell shows of several rounds.
#[derive(Clone, Copy)]
pub(crate) struct Medians {
    /// Right answers a second.
    pub(crate) answers_per_s: f64,
    /// Milliseconds.
    pub(crate) p50_ms: f64,
    /// Milliseconds.
    pub(crate) p99_ms: f64,
    /// Microseconds of all processes of the system for an answer.
    pub(crate) server_us: f64,
    client_us: f64,
}

impl Case {
    /// At saturation, as far as it was measured.
    pub(crate) fn saturation(&self) -> Option<Medians> {
        medians(&self.saturation)
    }

    /// At a quarter of it.
    pub(crate) fn quarter(&self) -> Option<Medians> {
        medians(&self.quarter)
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.saturation.iter().chain(&self.quarter).chain(self.paced.values().flatten())
    }

    fn markdown(&self, paces: &[u64]) -> String {
        let Label { system, question, shape } = &self.label;
        let rates = || self.saturation.iter().map(|row| row.measured.answers_per_s);
        let (least, most) = (rates().fold(f64::MAX, f64::min), rates().fold(0.0, f64::max));
        let latency =
            |of: Option<Medians>| of.map_or("–".to_owned(), |of| format!("{:.2} / {:.2}", of.p50_ms, of.p99_ms));
        let Some(at_most) = self.saturation() else { return String::new() };
        let mut cells = vec![
            system.clone(),
            question.clone(),
            format!("{shape}{}", self.flags()),
            format!("{:.0} ({least:.0}–{most:.0}, n={})", at_most.answers_per_s, self.saturation.len()),
            latency(Some(at_most)),
            format!("{:.1}", at_most.server_us),
            format!("{:.1}", at_most.client_us),
            self.quarter().map_or("–".to_owned(), |of| format!("{} at {:.0}/s", latency(Some(of)), of.answers_per_s)),
        ];
        cells.extend(paces.iter().map(|pace| latency(self.paced.get(pace).and_then(|rows| medians(rows)))));
        format!("| {} |", cells.join(" | "))
    }

    /// What makes a reader careful.
    fn flags(&self) -> String {
        let count = |of: fn(&Measured) -> u64| self.rows().map(|row| of(&row.measured)).sum::<u64>();
        let all = self.rows().count();
        let contended = self.rows().filter(|row| row.measured.contended).count();
        let (errors, wrong) = (count(|measured| measured.errors), count(|measured| measured.wrong));
        let mut flags = String::new();
        for (name, text) in [
            (contended, format!(" [contended {contended}/{all}]")),
            (usize::from(errors > 0), format!(" [{errors} errors]")),
            (usize::from(wrong > 0), format!(" [{wrong} wrong]")),
        ] {
            if name > 0 {
                flags.push_str(&text);
            }
        }
        flags
    }
}

/// Notes by case, in the order in which cases were first measured.
pub(crate) fn cases(notes: &[Note]) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for row in notes.iter().filter_map(|note| if let Note::Row(row) = note { Some(row) } else { None }) {
        let at = cases.iter().position(|case| case.label == row.label).unwrap_or_else(|| {
            let label = row.label.clone();
            cases.push(Case { label, saturation: Vec::new(), quarter: Vec::new(), paced: BTreeMap::new() });
            cases.len() - 1
        });
        let case = &mut cases[at];
        match row.pace {
            Pace::Saturation => case.saturation.push(row.clone()),
            Pace::Quarter => case.quarter.push(row.clone()),
            Pace::Paced(pace) => case.paced.entry(whole(pace)).or_default().push(row.clone()),
        }
    }
    // Rounds take systems in turn, and a system that failed at first comes later; a reader wants them together.
    let mut order: Vec<String> = Vec::new();
    for case in &cases {
        if !order.contains(&case.label.system) {
            order.push(case.label.system.clone());
        }
    }
    cases.sort_by_key(|case| {
        let ours = case.label.system == OURS;
        (ours, order.iter().position(|system| *system == case.label.system))
    });
    cases
}

/// What stands between the markers.
pub(crate) fn section(notes: &[Note], cases: &[Case]) -> String {
    let mut lines = Vec::new();
    for note in notes {
        if let Note::Fact { name, value } = note {
            lines.push(format!("- {name}: {value}"));
        }
    }
    if let Some((sync, count)) = syncs(notes) {
        let Sync { p50_us, p99_us, per_s } = sync;
        lines.push(format!(
            "- one sync (4 KiB appended, `fdatasync`): p50 {p50_us:.0} µs, p99 {p99_us:.0} µs, {per_s:.0}/s one after \
             the other (medians of {count} probes between the systems)"
        ));
    }
    let mut paces: Vec<u64> = cases.iter().flat_map(|case| case.paced.keys().copied()).collect();
    paces.sort_unstable();
    paces.dedup();
    lines.push(String::new());
    let mut head =
        ["system", "question", "shape", "answers/s at saturation", "p50 / p99 ms", "servers µs", "client µs"]
            .map(str::to_owned)
            .to_vec();
    head.push("p50 / p99 ms at a quarter".to_owned());
    head.extend(paces.iter().map(|pace| format!("at {pace}/s")));
    lines.push(format!("| {} |", head.join(" | ")));
    lines.push(format!("|{}", "---|".repeat(head.len())));
    lines.extend(cases.iter().filter(|case| !case.saturation.is_empty()).map(|case| case.markdown(&paces)));
    for ((system, case, why), rounds) in failures(notes) {
        let blank = " – |".repeat(head.len() - 4);
        lines.push(format!("| {system} | {case} | **failed** in {rounds} | {} |{blank}", why.replace('|', "/")));
    }
    lines.push(String::new());
    lines.push("![Answers a second, processor time and latency of each case](peers/peers.svg)".to_owned());
    lines.join("\n")
}

/// The page with a new section.
///
/// # Errors
/// If it has no markers.
pub(crate) fn between_markers(page: &str, section: &str) -> anyhow::Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no first marker")?;
    let (_, after) = rest.split_once(END).context("the page has no last marker")?;
    Ok(format!("{before}{BEGIN}\n\n{section}\n\n{END}{after}"))
}

fn failures(notes: &[Note]) -> BTreeMap<(&str, &str, String), usize> {
    let mut failures = BTreeMap::new();
    for note in notes {
        if let Note::Failure { system, case, why } = note {
            let line = why.lines().next().unwrap_or_default();
            let why = line.chars().take(REASON_CHARS_MAX).collect();
            *failures.entry((system.as_str(), case.as_str(), why)).or_default() += 1;
        }
    }
    failures
}

fn syncs(notes: &[Note]) -> Option<(Sync, usize)> {
    let syncs: Vec<Sync> =
        notes.iter().filter_map(|note| if let Note::Sync(sync) = note { Some(*sync) } else { None }).collect();
    let of = |what: fn(&Sync) -> f64| median(syncs.iter().map(what).collect());
    let medians = Sync { p50_us: of(|each| each.p50_us), p99_us: of(|each| each.p99_us), per_s: of(|each| each.per_s) };
    (!syncs.is_empty()).then_some((medians, syncs.len()))
}

fn medians(rows: &[Row]) -> Option<Medians> {
    let of = |what: fn(&Measured) -> f64| median(rows.iter().map(|row| what(&row.measured)).collect());
    (!rows.is_empty()).then(|| Medians {
        answers_per_s: of(|each| each.answers_per_s),
        p50_ms: of(|each| each.p50_ms),
        p99_ms: of(|each| each.p99_ms),
        server_us: of(|each| each.server_us),
        client_us: of(|each| each.client_us),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Paces are whole and small.
fn whole(pace: f64) -> u64 {
    (0..64).rev().fold(0, |found, bit| if float(found | 1 << bit) <= pace { found | 1 << bit } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(system: &str, pace: Pace, answers_per_s: f64, errors: u64) -> Note {
        let label = Label { system: system.to_owned(), question: "GET".to_owned(), shape: "c50".to_owned() };
        let measured = Measured { answers_per_s, errors, p50_ms: 1.0, p99_ms: 2.0, ..Measured::default() };
        Note::Row(Row { label, pace, round: 1, rate_per_s: None, measured })
    }

    #[test]
    fn rounds_become_medians_and_failures_are_told() {
        let notes = [
            Note::Fact { name: "date".to_owned(), value: "a day".to_owned() },
            row(OURS, Pace::Saturation, 500.0, 0),
            row("Redis", Pace::Saturation, 300.0, 0),
            row("Redis", Pace::Saturation, 100.0, 3),
            row("Redis", Pace::Saturation, 200.0, 0),
            row("Redis", Pace::Quarter, 50.0, 0),
            row("Redis", Pace::Paced(1000.0), 999.0, 0),
            Note::Failure { system: "etcd".to_owned(), case: "all".to_owned(), why: "not there\nmore".to_owned() },
        ];
        let text = section(&notes, &cases(&notes));
        let redis = "| Redis | GET | c50 [3 errors] | 200 (100–300, n=3) | 1.00 / 2.00 | 0.0 | 0.0 | 1.00 / 2.00 at 50/s | 1.00 / 2.00 |";
        assert!(text.contains(redis), "{text}");
        assert!(text.find(redis) < text.find("| Xác Minh |"), "ours comes last");
        assert!(text.contains("| etcd | all | **failed** in 1 | not there |"), "{text}");
        assert!(text.starts_with("- date: a day\n") && text.contains("| at 1000/s |"));
    }

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(between_markers(&page, "new").unwrap(), format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert!(between_markers("a", "new").is_err());
    }

    #[test]
    fn paces_are_whole() {
        assert_eq!((whole(1000.0), whole(5000.9), whole(0.0)), (1000, 5000, 0));
    }
}
