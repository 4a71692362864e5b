//! What a batch does to those who wait at a counter: paced questions alone, then beside `xacminh batch`, in turn.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use crate::{
    line::Way,
    measure::{Plan, Setting, measure},
    report::Report,
};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Course {
    /// The program `xacminh`.
    pub program: PathBuf,
    /// Rows of the batch.
    pub rows: usize,
    /// Paced questions a second, of clerks.
    pub rate_per_s: f64,
    /// Connections they come over.
    pub connections: usize,
    /// Rounds; cases take turns within each.
    pub rounds: usize,
    /// Flags of further batches, each a case of its own, for example `--full-speed --in-flight 16`.
    pub also: Vec<String>,
    /// What does not count at the beginning of each measurement.
    pub warm_up: Duration,
    /// What counts of each.
    pub length: Duration,
    /// How long to wait for a quiet machine before each round.
    pub quiet: Duration,
}

/// What stands beside the clerks: a name, and the flags of a batch if there is one.
const CASES: [(&str, Option<&str>); 3] =
    [("nobody", None), ("a batch", Some("")), ("a batch that does not give way", Some("--full-speed"))];

/// How long a batch waits that is to be alone: nodes take clerks for gone some seconds after the last.
const GONE: Duration = Duration::from_secs(6);

/// Clerks and what stands beside them.
struct Case<'a> {
    name: &'a str,
    /// Of the batch, between spaces; none if there is no batch.
    flags: Option<&'a str>,
    seen: Vec<Seen>,
}

/// One measurement.
struct Seen {
    report: Report,
    /// Rows a second of the batch while clerks asked.
    rows_per_s: Option<f64>,
    /// Whether the batch went on until the end of the window.
    covered: bool,
}

/// Measures clerks alone and beside batches, and a batch alone; gives a Markdown table.
///
/// # Errors
/// If a node is not there, or a batch alone does not end with every row answered.
pub async fn beside(setting: &Setting, course: &Course, mut tell: impl FnMut(&Report)) -> anyhow::Result<String> {
    let folder = std::env::temp_dir().join(format!("xacminh-batch-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let file = folder.join("questions.csv");
    fs::write(&file, setting.asker.rows(course.rows))?;
    let also = course.also.iter().map(|flags| (flags.as_str(), Some(flags.as_str())));
    let mut cases: Vec<Case<'_>> =
        CASES.into_iter().chain(also).map(|(name, flags)| Case { name, flags, seen: Vec::new() }).collect();
    let mut alone_per_s = Vec::new();
    for round in 0..course.rounds {
        for (at, case) in cases.iter_mut().enumerate() {
            let plan = Plan {
                way: Way::Stream,
                connections: course.connections,
                in_flight: 1,
                rate_per_s: Some(course.rate_per_s),
                warm_up: course.warm_up,
                length: course.length,
                quiet: if at == 0 { course.quiet } else { Duration::ZERO },
                seed: u64::try_from(round).unwrap_or(u64::MAX),
            };
            let out = folder.join(format!("answers-{round}-{at}.csv"));
            let batch = case.flags.map(|flags| (file.as_path(), out.as_path(), flags));
            let seen = once(setting, course, &plan, batch).await?;
            tell(&seen.report);
            case.seen.push(seen);
        }
        let out = folder.join(format!("answers-{round}-alone.csv"));
        alone_per_s.push(alone(setting, course, &file, &out).await?);
    }
    fs::remove_dir_all(&folder)?;
    Ok(table(course, &cases, alone_per_s))
}

async fn once(
    setting: &Setting,
    course: &Course,
    plan: &Plan,
    batch: Option<(&Path, &Path, &str)>,
) -> anyhow::Result<Seen> {
    let Some((file, out, flags)) = batch else {
        return Ok(Seen { report: measure(setting, plan).await?, rows_per_s: None, covered: true });
    };
    let begun = Instant::now();
    let mut batch = start(setting, course, file, out, flags)?;
    let report = measure(setting, plan).await;
    let (answered, elapsed) = (answered(out), begun.elapsed());
    // What it does without clerks says nothing about them, and it is not left behind if the measurement failed.
    let covered = batch.try_wait()?.is_none();
    batch.kill()?;
    batch.wait()?;
    Ok(Seen { report: report?, rows_per_s: Some(f64::from(answered?) / elapsed.as_secs_f64()), covered })
}

/// Rows a second of a batch that has the cluster for itself, from its first line to its last.
async fn alone(setting: &Setting, course: &Course, file: &Path, out: &Path) -> anyhow::Result<f64> {
    tokio::time::sleep(GONE).await;
    let begun = Instant::now();
    let mut batch = start(setting, course, file, out, "")?;
    let status = tokio::task::spawn_blocking(move || batch.wait()).await??;
    // A few records of a population are being corrected, as in life: 3 is "cannot be told".
    ensure!(matches!(status.code(), Some(0 | 3)), "the batch ended with {status}");
    Ok(f64::from(u32::try_from(course.rows).context("rows")?) / begun.elapsed().as_secs_f64())
}

/// Rows that a batch has answers of: its journal has a line for each, and one for its seed and one for the time.
fn answered(out: &Path) -> anyhow::Result<u32> {
    let journal = fs::read(out.with_extension("csv.journal"))?;
    let lines = journal.iter().filter(|byte| **byte == b'\n').count();
    Ok(u32::try_from(lines.saturating_sub(2))?)
}

fn start(setting: &Setting, course: &Course, file: &Path, out: &Path, flags: &str) -> anyhow::Result<Child> {
    let place = &setting.place;
    let mut command = Command::new(&course.program);
    command.args(["--cluster", &place.cluster, "--quiet"]);
    for endpoint in &place.endpoints {
        command.args(["--endpoint", &endpoint.to_string()]);
    }
    command.arg("--cert").arg(&place.cert).arg("--key").arg(&place.key).arg("--ca").arg(&place.ca);
    command.arg("batch").arg(file).arg("--out").arg(out).args(flags.split_whitespace());
    command.args(["--procedure", setting.asker.procedure(), "--official", setting.asker.official()]);
    command.args(["--deadline", "30s"]).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().with_context(|| course.program.display().to_string())
}

fn table(course: &Course, cases: &[Case<'_>], alone_per_s: Vec<f64>) -> String {
    let mut lines = vec![
        format!(
            "| {:.0} questions a second beside | answered/s | p50 ms | p99 ms | p99.9 ms | rows/s of the batch | errors |",
            course.rate_per_s
        ),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    for Case { name, seen, .. } in cases {
        let median = |of: &dyn Fn(&Seen) -> f64| median(seen.iter().map(of).collect());
        let contended = seen.iter().filter(|each| each.report.contended).count();
        let uncovered = seen.iter().filter(|each| !each.covered).count();
        let rows = seen.iter().any(|each| each.rows_per_s.is_some());
        lines.push(format!(
            "| {name}{}{} | {:.0} | {:.2} | {:.2} | {:.2} | {} | {} |",
            if contended > 0 { format!(" [contended {contended}/{}]", seen.len()) } else { String::new() },
            if uncovered > 0 {
                format!(" [ended before the window {uncovered}/{}]", seen.len())
            } else {
                String::new()
            },
            median(&|each| each.report.verify_per_s),
            median(&|each| each.report.latency_ms.p50),
            median(&|each| each.report.latency_ms.p99),
            median(&|each| each.report.latency_ms.p99_9),
            if rows { format!("{:.0}", median(&|each| each.rows_per_s.unwrap_or_default())) } else { String::new() },
            seen.iter().map(|each| each.report.errors.values().sum::<u64>() + each.report.unexpected).sum::<u64>(),
        ));
    }
    lines.push(format!("| no clerks, a batch alone | | | | | {:.0} | |", median(alone_per_s)));
    lines.join("\n")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
