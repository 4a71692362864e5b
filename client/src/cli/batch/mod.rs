//! `xacminh batch`: a CSV of questions, answered over sessions, resumable.
//!
//! ```text
//! rows ─ id from the journal ─ questions over a session, as many as `pace` lets go ─ answers into the journal
//!                                             ─ receipts, if wanted ─ result, made at the end
//! ```

mod journal;
mod pace;
mod receipts;
mod result;
mod rows;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use futures::{StreamExt, stream::FuturesUnordered};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;
use xacminh_proto::{
    vocab::Outcome,
    wire::{Answer, Ask},
};

use crate::{Client, ClientError, IN_FLIGHT_MAX, clock};

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit},
    question::{PurposeArgs, bounded},
    report::AnswerJson,
    screen::Screen,
};
use journal::Journal;
use pace::Pace;
use result::{Problem, Summary};
use rows::{RowKey, Rows};

/// So many questions without an answer one after the other: the cluster is away, and waiting for the rest is no use.
const UNREACHED_MAX: usize = 16;

/// Bad rows named one by one on the screen; all of them are in the problems file.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Ask many questions from a CSV or JSON Lines file
///
/// Columns number,name,birth,dossier are needed, or card_qr,dossier; procedure, official, attributes and the claims of
/// `xacminh verify` (with _ for -, e.g. age_at_least) may follow. An empty cell is no claim; = under full_name or
/// birth_date claims what stands under name or birth. A FILE.jsonl has an object with these names on each line instead.
/// `xacminh population sample --batch` prints such a file of invented people.
///
/// Rows count against budgets as questions asked one by one do. They give way to people at counters, unless --full-speed:
/// a node has few of them in work while anybody else asks, and fewer are sent when answers become slow.
///
/// Run the same command again after an interruption: answered rows are skipped, and the others are asked again under
/// the same request ids, so that nothing is asked twice. OUT.journal keeps what is needed for that; OUT.problems.csv
/// names the rows that have no answer. --receipts DIR keeps DIR/REQUEST-ID.receipt for each answer.
///
/// It ends with 5 if rows are left unanswered or receipts are missing, else with 6 if rows are bad, else with the code of
/// the worst answer.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// The questions; a file, for they are read more than once
    #[arg(value_name = "FILE.csv|jsonl")]
    file: PathBuf,
    /// The answers: .csv or .jsonl
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    /// Questions in flight at once, at most
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = in_flight)]
    in_flight: usize,
    /// Keep so many in flight whoever else waits, and ask as those at a counter do
    #[arg(long)]
    full_speed: bool,
    /// Keep the receipts of the answers in this folder
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
    #[command(flatten)]
    purpose: PurposeArgs,
}

/// A batch under way.
struct Run<'a> {
    client: &'a Client,
    journal: Journal,
    pace: Pace,
    began: Instant,
    deadline: Duration,
    progress: ProgressBar,
    problems: Vec<Problem>,
    unreached_in_a_row: usize,
}

pub(super) async fn run(global: &GlobalArgs, args: BatchArgs) -> Result<Exit, CliError> {
    let screen = global.screen();
    let deadline = bounded(args.purpose.deadline)?;
    if args.file == Path::new("-") {
        let why =
            "the questions are read more than once, and again after an interruption: name a file, not standard input";
        return Err(CliError::Usage(why.into()));
    }
    let format = result::Format::of(&args.out)?;
    let journal_path = beside(&args.out, "journal");
    let (client, cluster) = global.client_of(!args.full_speed).await?;
    let journal = Journal::open(&journal_path, &cluster, clock::unix_ms())?;
    let seed = journal.seed();
    let total = count(&args, seed)?;
    if journal.answered() > 0 {
        let told = screen.lang.say("tiếp tục; số dòng đã có trả lời:", "going on; rows answered already:");
        screen.note(&format!("{told} {}", journal.answered()));
    }
    let mut run = Run {
        client: &client,
        journal,
        pace: Pace::new(args.in_flight, !args.full_speed),
        began: Instant::now(),
        deadline,
        progress: progress(screen, total),
        problems: Vec::new(),
        unreached_in_a_row: 0,
    };
    let ended = run.ask_all(&args, seed).await;
    run.progress.finish_and_clear();
    let fetched = match (&ended, &args.receipts) {
        (Ok(false), Some(folder)) => {
            let progress = progress(screen, total);
            let fetched = receipts::fetch(&client, &run.journal, &args, folder, deadline, &progress).await;
            progress.finish_and_clear();
            Some(fetched)
        }
        _ => None,
    };
    client.close().await;
    let stopped = ended?;
    let mut summary = result::write(&args, format, &run.journal, &run.problems)?;
    if let Some(fetched) = fetched.transpose()? {
        if let Some(why) = &fetched.why {
            screen.complain(&format!("{} {why}", screen.lang.say("thiếu phiếu:", "a receipt is missing:")));
        }
        summary.keep(&fetched);
    }
    tell(screen, &summary, &run.problems, stopped)?;
    Ok(summary.exit())
}

impl Run<'_> {
    /// Asks every row that has no answer yet. `true` if it stopped before the end.
    async fn ask_all(&mut self, args: &BatchArgs, seed: [u8; 32]) -> Result<bool, CliError> {
        let client = self.client;
        let deadline = self.deadline;
        let mut rows = Rows::open(&args.file, seed)?;
        let mut flights = FuturesUnordered::new();
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        let mut rows_left = true;
        loop {
            while rows_left && flights.len() < self.pace.window() {
                let Some(row) = rows.next(&args.purpose)? else {
                    rows_left = false;
                    break;
                };
                if let Some((line, dossier, key, ask)) = self.prepare(row)? {
                    flights.push(async move {
                        // The line and key come back with the answer, which may overtake others.
                        let asked = Instant::now();
                        let answer: Result<Answer, ClientError> = client.ask_in_session(ask, deadline).await;
                        (line, dossier, key, answer, asked.elapsed())
                    });
                }
            }
            tokio::select! {
                landed = flights.next() => match landed {
                    Some((line, dossier, key, answer, latency)) => {
                        // Answers that confirm nothing leave in steps of time, which say nothing of a queue.
                        if matches!(&answer, Ok(Answer { outcome: Outcome::Confirmed { .. }, .. })) {
                            self.pace.landed(self.began.elapsed(), latency);
                        }
                        self.land(line, dossier, key, answer)?;
                    }
                    None => return Ok(false),
                },
                _ = &mut interrupted => return Ok(true),
            }
            if self.unreached_in_a_row >= UNREACHED_MAX {
                return Ok(true);
            }
        }
    }

    /// A row's question with its id, unless it is answered already or bad.
    fn prepare(&mut self, row: rows::Row) -> Result<Option<(u64, String, RowKey, Ask)>, CliError> {
        let rows::Row { line, key, dossier, ask } = row;
        match ask {
            Err(why) => {
                self.progress.inc(1);
                self.problems.push(Problem { line, dossier, bad: true, why });
                Ok(None)
            }
            Ok(_) if self.journal.is_answered(&key) => {
                self.progress.inc(1);
                Ok(None)
            }
            Ok(mut ask) => {
                self.journal.keep_epoch(clock::unix_ms())?;
                ask.request_id = self.journal.request_id(&key);
                Ok(Some((line, dossier, key, ask)))
            }
        }
    }

    /// Keeps an answer; what is wrong with one row stops the batch only if it is wrong with all of them.
    fn land(
        &mut self,
        line: u64,
        dossier: String,
        key: RowKey,
        answer: Result<Answer, ClientError>,
    ) -> Result<(), CliError> {
        self.progress.inc(1);
        let error = match answer {
            Ok(answer) => {
                self.unreached_in_a_row = 0;
                return self.journal.record(key, AnswerJson::from(&answer));
            }
            Err(error) => error,
        };
        let exit = CliError::from(error.clone()).exit();
        match exit {
            Exit::Certificate | Exit::Internal => return Err(error.into()),
            Exit::Unreached => self.unreached_in_a_row += 1,
            _ => self.unreached_in_a_row = 0,
        }
        // A question the node calls wrong is a bad row; everything else may be asked again.
        self.problems.push(Problem { line, dossier, bad: exit == Exit::Usage, why: error.to_string() });
        Ok(())
    }
}

/// Reads the file once to know how much there is to do, and that it can be read to its end.
fn count(args: &BatchArgs, seed: [u8; 32]) -> Result<u64, CliError> {
    let mut rows = Rows::open(&args.file, seed)?;
    let mut total = 0;
    while rows.next(&args.purpose)?.is_some() {
        total += 1;
    }
    Ok(total)
}

fn tell(screen: Screen, summary: &Summary, problems: &[Problem], stopped: bool) -> Result<(), CliError> {
    for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
        screen.complain(&format!("{} {}: {}", screen.lang.say("dòng", "line"), problem.line, problem.why));
    }
    if problems.len() > PROBLEMS_SHOWN_MAX {
        let rest = problems.len() - PROBLEMS_SHOWN_MAX;
        screen.complain(&format!("… {} {rest}", screen.lang.say("và số dòng khác:", "and so many more:")));
    }
    if stopped {
        let told = screen.lang.say(
            "đã dừng giữa chừng; chạy lại lệnh này để tiếp tục",
            "stopped before the end; run the same command again to go on",
        );
        screen.complain(told);
    }
    if screen.json {
        screen.json(summary)?;
    } else {
        screen.line(&summary.text(screen.lang))?;
    }
    Ok(())
}

fn progress(screen: Screen, total: u64) -> ProgressBar {
    if screen.quiet {
        return ProgressBar::hidden();
    }
    // The bar hides itself when standard error is no terminal.
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// `OUT` with a suffix more.
fn beside(out: &Path, suffix: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn in_flight(typed: &str) -> Result<usize, String> {
    let count = typed.parse().ok().filter(|count| (1..=IN_FLIGHT_MAX).contains(count));
    count.ok_or_else(|| format!("1 to {IN_FLIGHT_MAX}"))
}
