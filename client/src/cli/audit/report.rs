//! `audit report`: what portals asked and what they were told, by month in Vietnam.
//!
//! A match or a no match is an answer a clerk can act on: a certificate that nobody had to bring. Why something could not
//! be told stands in the addendum alone, so that causes cost an opening each, and each opening leaves an entry.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use xacminh_proto::{
    transparency::Leaf,
    vocab::{Date, ErrorNumber, Outcome},
    wire::Happened,
};

use super::{
    leaf::{decoded, output},
    plot::{self, Bars, Series},
    read::{WhenArgs, remark_pruned},
};
use crate::{
    Client, ClientError,
    cli::{
        exit::{CliError, Exit},
        screen::{Lang, Screen, table},
        texts,
    },
};

/// What is counted, in the order of columns and colours.
const COUNTED: [Happened; 4] = [Happened::Match, Happened::NoMatch, Happened::Undetermined, Happened::Refused];

/// Options of `report`
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    when: WhenArgs,
    /// Open what could not be told and count the causes; each opening leaves an entry
    #[arg(long)]
    open_causes: bool,
    /// CSV instead of a table
    #[arg(long)]
    csv: bool,
    /// Write report.csv and plots (SVG) into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// The counts of one portal in one month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    outcomes: [u64; COUNTED.len()],
    /// Causes of what could not be told, by their word; empty if they were not opened.
    causes: BTreeMap<&'static str, u64>,
}

/// Year and month.
type Month = (u16, u8);

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    rows: BTreeMap<(Month, u32), Counts>,
    /// Undetermined entries, to be opened.
    tickets: Vec<(u64, (Month, u32))>,
}

impl Tally {
    fn add(&mut self, position: u64, leaf: &Leaf) {
        let Some(at) = Happened::of(leaf).and_then(|happened| COUNTED.iter().position(|counted| *counted == happened))
        else {
            return;
        };
        let day = Date::in_vietnam(leaf.time_ms);
        let key = ((day.year(), day.month()), leaf.portal.0);
        self.rows.entry(key).or_default().outcomes[at] += 1;
        if COUNTED[at] == Happened::Undetermined {
            self.tickets.push((position, key));
        }
    }

    /// The counts by one part of the key.
    fn by<K: Ord>(&self, part: impl Fn(&(Month, u32)) -> K) -> BTreeMap<K, Counts> {
        let mut sums: BTreeMap<K, Counts> = BTreeMap::new();
        for (key, counts) in &self.rows {
            sums.entry(part(key)).or_default().merge(counts);
        }
        sums
    }
}

impl Counts {
    fn questions(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Answers that spare a certificate.
    const fn papers_spared(&self) -> u64 {
        self.outcomes[0] + self.outcomes[1]
    }

    fn merge(&mut self, other: &Self) {
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(sum, more)| *sum += more);
        other.causes.iter().for_each(|(cause, more)| *self.causes.entry(cause).or_default() += more);
    }

    fn causes_text(&self) -> String {
        self.causes.iter().map(|(cause, count)| format!("{cause}:{count}")).collect::<Vec<_>>().join(" ")
    }
}

pub(super) async fn report(
    screen: Screen,
    client: &Client,
    args: &ReportArgs,
    deadline: Duration,
) -> Result<Exit, CliError> {
    if screen.json && args.csv {
        return Err(CliError::Usage("--json or --csv, not both".into()));
    }
    let mut tally = Tally::default();
    let mut query = args.when.query()?;
    loop {
        let found = client.audit_query(query.clone(), deadline).await?;
        for entry in &found.entries {
            let (position, leaf) = decoded(entry)?;
            tally.add(position, &leaf);
        }
        query.cursor = found.next;
        if found.next.is_none() {
            remark_pruned(screen, found.pruned);
            break;
        }
    }
    if args.open_causes {
        open_causes(screen, client, &mut tally, deadline).await?;
    }
    if let Some(folder) = &args.out {
        write(folder, screen.lang, &tally)?;
    }
    show(screen, args.csv, &tally)?;
    Ok(Exit::Good)
}

async fn open_causes(screen: Screen, client: &Client, tally: &mut Tally, deadline: Duration) -> Result<(), CliError> {
    let tickets = std::mem::take(&mut tally.tickets);
    let say = screen.lang.say("mục sẽ được mở, mỗi lần mở để lại một mục", "entries are opened, each leaves an entry");
    screen.note(&format!("{} {say}", tickets.len()));
    for (position, key) in tickets {
        let cause = match client.audit_open(position, deadline).await {
            Ok(opened) => match opened.addendum.outcome {
                Some(Outcome::Undetermined(cause)) => texts::cause_code(cause),
                // Confirmed, but some claim could not be told: its reasons are its own.
                _ => "claim",
            },
            Err(ClientError::Rejected { number: ErrorNumber::Erased, .. }) => "erased",
            Err(error) => return Err(error.into()),
        };
        *tally.rows.entry(key).or_default().causes.entry(cause).or_default() += 1;
    }
    Ok(())
}

fn month_text((year, month): Month) -> String {
    format!("{year}-{month:02}")
}

const HEADER: [&str; 9] =
    ["month", "portal", "questions", "match", "no_match", "undetermined", "refused", "papers_spared", "causes"];

fn record(month: Month, portal: u32, counts: &Counts) -> Vec<String> {
    let mut record = vec![month_text(month), portal.to_string(), counts.questions().to_string()];
    record.extend(counts.outcomes.iter().map(u64::to_string));
    record.extend([counts.papers_spared().to_string(), counts.causes_text()]);
    record
}

fn show(screen: Screen, csv: bool, tally: &Tally) -> Result<(), CliError> {
    let records = tally.rows.iter().map(|((month, portal), counts)| record(*month, *portal, counts));
    if csv {
        let mut writer = csv::Writer::from_writer(std::io::stdout());
        writer.write_record(HEADER).map_err(output)?;
        records.into_iter().try_for_each(|record| writer.write_record(record).map_err(output))?;
        writer.flush()?;
        return Ok(());
    }
    if screen.json {
        for ((month, portal), counts) in &tally.rows {
            let [matched, no_match, undetermined, refused] = counts.outcomes;
            screen.json(&serde_json::json!({
                "month": month_text(*month), "portal": portal, "questions": counts.questions(), "match": matched,
                "no_match": no_match, "undetermined": undetermined, "refused": refused,
                "papers_spared": counts.papers_spared(), "causes": counts.causes,
            }))?;
        }
        return Ok(());
    }
    let (vi, en) = (
        ["tháng", "cổng", "câu hỏi", "khớp", "không khớp", "chưa rõ", "từ chối", "giấy tờ đỡ phải nộp", "nguyên nhân"],
        ["month", "portal", "questions", "match", "no match", "cannot tell", "refused", "papers spared", "causes"],
    );
    let header = vi.iter().zip(en).map(|(vi, en)| screen.lang.say(vi, en).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(records).collect();
    table(&rows).iter().try_for_each(|line| screen.line(line))?;
    Ok(())
}

fn write(folder: &Path, lang: Lang, tally: &Tally) -> Result<(), CliError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| CliError::file(&path, error)
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let path = folder.join("report.csv");
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).map_err(output)?;
    for ((month, portal), counts) in &tally.rows {
        writer.write_record(record(*month, *portal, counts)).map_err(output)?;
    }
    let bytes = writer.into_inner().map_err(|error| CliError::Internal(error.to_string()))?;
    std::fs::write(&path, bytes).map_err(failed(&path))?;
    for (name, bars) in plots(lang, tally) {
        let path = folder.join(name);
        std::fs::write(&path, plot::svg(&bars)).map_err(failed(&path))?;
    }
    Ok(())
}

fn plots(lang: Lang, tally: &Tally) -> Vec<(&'static str, Bars)> {
    let series = || {
        vec![
            Series { name: lang.say("khớp", "match").into(), colour: "#2a9d5c" },
            Series { name: lang.say("không khớp", "no match").into(), colour: "#c8553d" },
            Series { name: lang.say("chưa rõ", "cannot tell").into(), colour: "#e0a526" },
            Series { name: lang.say("từ chối", "refused").into(), colour: "#6b7280" },
        ]
    };
    let bars = |title: &str, rows: Vec<(String, Counts)>| Bars {
        title: title.to_owned(),
        series: series(),
        rows: rows.into_iter().map(|(label, counts)| (label, counts.outcomes.to_vec())).collect(),
    };
    let months = tally.by(|(month, _)| *month).into_iter().map(|(month, counts)| (month_text(month), counts)).collect();
    let portal = |(portal, counts)| (format!("{} {portal}", lang.say("cổng", "portal")), counts);
    let portals = tally.by(|(_, portal)| *portal).into_iter().map(portal).collect();
    let mut plots = vec![
        ("months.svg", bars(lang.say("Câu hỏi theo tháng", "Questions by month"), months)),
        ("portals.svg", bars(lang.say("Câu hỏi theo cổng", "Questions by portal"), portals)),
    ];
    let causes: BTreeMap<&str, u64> = tally.by(|_| ()).into_values().flat_map(|counts| counts.causes).collect();
    if !causes.is_empty() {
        let series = vec![Series { name: lang.say("chưa rõ", "cannot tell").into(), colour: "#e0a526" }];
        let title = lang.say("Vì sao chưa rõ", "Why it could not be told").to_owned();
        let rows = causes.into_iter().map(|(cause, count)| (cause.to_owned(), vec![count])).collect();
        plots.push(("causes.svg", Bars { title, series, rows }));
    }
    plots
}

#[cfg(test)]
mod tests {
    use xacminh_proto::{
        transparency::{LeafKind, LeafVerdict},
        vocab::{PortalId, RequestId},
    };

    use super::*;

    fn leaf(time_ms: u64, portal: u32, kind: LeafKind, verdict: LeafVerdict) -> Leaf {
        Leaf {
            kind,
            time_ms,
            request_id: RequestId::new(time_ms, [1; 10]),
            portal: PortalId(portal),
            official: [0; 16],
            purpose: 0,
            procedure: 0,
            register_revision: 1,
            fields: 0,
            verdict,
            subject: [0; 32],
            attributes_root: [0; 32],
            addendum_digest: [0; 32],
            record_version: 0,
            previous: [0; 32],
        }
    }

    #[test]
    fn months_are_those_of_vietnam_and_only_questions_count() {
        const NEW_YEAR_MS: u64 = 1_798_736_400_000;
        let mut tally = Tally::default();
        for (position, (at_ms, portal, kind, verdict)) in (0..).zip([
            (NEW_YEAR_MS - 1, 7, LeafKind::Disclosed, LeafVerdict::Match),
            (NEW_YEAR_MS, 7, LeafKind::Disclosed, LeafVerdict::NoMatch),
            (NEW_YEAR_MS, 7, LeafKind::Disclosed, LeafVerdict::Match),
            (NEW_YEAR_MS + 1, 8, LeafKind::Disclosed, LeafVerdict::Undetermined),
            (NEW_YEAR_MS + 2, 8, LeafKind::Refused, LeafVerdict::Refused),
            (NEW_YEAR_MS + 3, 0, LeafKind::Canary, LeafVerdict::None),
        ]) {
            tally.add(position, &leaf(at_ms, portal, kind, verdict));
        }
        let rows: Vec<_> = tally.rows.iter().map(|((month, portal), counts)| record(*month, *portal, counts)).collect();
        assert_eq!(
            rows,
            [
                ["2026-12", "7", "1", "1", "0", "0", "0", "1", ""],
                ["2027-01", "7", "2", "1", "1", "0", "0", "2", ""],
                ["2027-01", "8", "2", "0", "0", "1", "1", "0", ""],
            ]
        );
        assert_eq!(tally.tickets, [(3, ((2027, 1), 8))]);
        assert_eq!(tally.by(|(month, _)| *month)[&(2027, 1)].questions(), 4);
    }
}
