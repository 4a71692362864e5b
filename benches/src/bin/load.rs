//! `load`: asks a running cluster questions, in an open or a closed loop, and reports what it saw.

use std::{io::Write, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use xacminh_benches::{
    beside::{self, beside},
    callers::{self, callers},
    distinguish::{Trial, distinguish},
    figures::{Course, figures},
    line::{Place, Way},
    measure::{Plan, Setting, acquaint, measure},
    people::{Asker, Mix},
    report::Report,
};
use xacminh_proto::wire::ReceiptWish;

/// Load generator of Xác Minh.
#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(flatten)]
    whom: Whom,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args)]
struct Whom {
    /// The cluster's name.
    #[arg(long, default_value = "dev")]
    cluster: String,
    /// A node's client endpoint; repeat it, connections are dealt out in turn.
    #[arg(long = "endpoint", required = true)]
    endpoints: Vec<SocketAddr>,
    /// Our certificate: a portal's.
    #[arg(long)]
    cert: PathBuf,
    /// Its key.
    #[arg(long)]
    key: PathBuf,
    /// The CA of the nodes.
    #[arg(long)]
    ca: PathBuf,
    /// SQLite file of the population that the cluster's authority serves.
    #[arg(long)]
    population: PathBuf,
    /// How many people of it are asked about.
    #[arg(long, default_value_t = 20_000)]
    people: usize,
    /// Shares of the kinds of questions.
    #[arg(long, default_value = "match=90,mismatch=0,lookup=10")]
    mix: Mix,
    /// What answers bring along: `full` receipts, or the `position` of the leaf alone.
    #[arg(long, default_value = "full", value_parser = wish)]
    receipt: ReceiptWish,
    /// The official who asks.
    #[arg(long, default_value = "clerk-01")]
    official: String,
    /// The procedure asked under.
    #[arg(long, default_value = "1.004222")]
    procedure: String,
    /// Process of a node, whose processor time is counted; repeat it.
    #[arg(long = "pid")]
    pids: Vec<u32>,
    /// Leave out asking about everybody once: records are then fetched from the authority as they are met.
    #[arg(long)]
    cold: bool,
    /// Results as JSON lines.
    #[arg(long)]
    json: bool,
    /// Seconds at the beginning of a measurement that do not count.
    #[arg(long, default_value_t = 2)]
    warm_up_s: u64,
    /// Seconds that count.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds to wait for a quiet machine before measuring.
    #[arg(long, default_value_t = 0)]
    quiet_s: u64,
    /// Threads of the generator.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

#[derive(Subcommand)]
enum Verb {
    /// One measurement.
    Once {
        /// `session` or `stream`.
        #[arg(long, default_value = "session")]
        way: Way,
        /// Connections.
        #[arg(long, default_value_t = 12)]
        connections: usize,
        /// Questions under way on each connection.
        #[arg(long, default_value_t = 32)]
        in_flight: usize,
        /// Questions a second in an open loop; without it, a closed loop.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Whether the time of an answer tells why nothing was confirmed (promise P8).
    Distinguish {
        /// Questions of each way.
        #[arg(long, default_value_t = 3_000)]
        questions: usize,
        /// Questions under way at once.
        #[arg(long, default_value_t = 4)]
        askers: usize,
        /// Microseconds by which the control is late.
        #[arg(long, default_value_t = 1_000)]
        delay_us: u64,
    },
    /// From one connection to thousands, one question under way on each, and memory of idle ones, as a Markdown table.
    /// Nodes must grant one caller so many: `LIMITS='connections_per_caller_max = 8192'`.
    Callers {
        /// Connections, in rising order; repeat it.
        #[arg(long = "connections", default_values = ["1", "10", "100", "1000", "5000"])]
        counts: Vec<usize>,
    },
    /// Paced questions alone and beside `xacminh batch`, medians of rounds that take turns, as a Markdown table.
    Beside {
        /// The program `xacminh`; the one beside this program if it is not given.
        #[arg(long)]
        program: Option<PathBuf>,
        /// Rows of the batch.
        #[arg(long, default_value_t = 100_000)]
        rows: usize,
        /// Questions a second.
        #[arg(long, default_value_t = 500.0)]
        rate: f64,
        /// Connections that the questions come over.
        #[arg(long, default_value_t = 12)]
        connections: usize,
        /// Rounds.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Flags of one more batch to stand beside, for example `--also="--full-speed --in-flight 16"`; repeat it.
        #[arg(long)]
        also: Vec<String>,
    },
    /// Saturation, then a quarter of it, medians of rounds, as a Markdown table.
    Figures {
        /// `session` or `stream`; repeat it.
        #[arg(long = "way", default_values = ["session", "stream"])]
        ways: Vec<Way>,
        /// Connections.
        #[arg(long, default_value_t = 12)]
        connections: usize,
        /// Questions under way on each connection, tried for saturation; repeat it.
        #[arg(long = "in-flight", default_values = ["4", "16", "64"])]
        in_flights: Vec<usize>,
        /// Rounds.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let threads = arguments.whom.threads.max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(Arguments { whom, verb }: Arguments) -> anyhow::Result<()> {
    let asker =
        Asker::draw(&whom.population, whom.people, 1, whom.mix, whom.official.clone(), whom.procedure.clone()).await?;
    let setting = Setting {
        place: Place { cluster: whom.cluster, endpoints: whom.endpoints, cert: whom.cert, key: whom.key, ca: whom.ca },
        asker: Arc::new(asker.wishing(whom.receipt)),
        pids: whom.pids,
    };
    let [warm_up, length, quiet] = [whom.warm_up_s, whom.seconds, whom.quiet_s].map(Duration::from_secs);
    let acquaints_itself = matches!(verb, Verb::Distinguish { .. });
    if !whom.cold && !acquaints_itself {
        acquaint(&setting).await.context("before measuring")?;
    }
    match verb {
        Verb::Distinguish { questions, askers, delay_us } => {
            let trial = Trial { questions, askers: askers.max(1), delay: Duration::from_micros(delay_us) };
            say(&distinguish(&setting, trial).await?.to_string())
        }
        Verb::Once { way, connections, in_flight, rate } => {
            let plan = Plan { way, connections, in_flight, rate_per_s: rate, warm_up, length, quiet, seed: 1 };
            let report = measure(&setting, &plan).await?;
            say(&if whom.json { serde_json::to_string(&report)? } else { report.to_string() })
        }
        Verb::Callers { counts } => {
            let course = callers::Course { counts, warm_up, length, quiet };
            let table = callers(&setting, &course, |report| tell(report, whom.json)).await?;
            if whom.json { Ok(()) } else { say(&format!("\n{table}")) }
        }
        Verb::Beside { program, rows, rate, connections, rounds, also } => {
            let program = match program {
                Some(program) => program,
                None => std::env::current_exe()?.with_file_name("xacminh"),
            };
            let course =
                beside::Course { program, rows, rate_per_s: rate, connections, rounds, also, warm_up, length, quiet };
            let table = beside(&setting, &course, |report| tell(report, whom.json)).await?;
            if whom.json { Ok(()) } else { say(&format!("\n{table}")) }
        }
        Verb::Figures { ways, connections, in_flights, rounds } => {
            let course = Course { ways, connections, in_flights, rounds, warm_up, length, quiet };
            let table = figures(&setting, &course, |report| tell(report, whom.json)).await?;
            if whom.json { Ok(()) } else { say(&format!("\n{table}")) }
        }
    }
}

fn wish(word: &str) -> Result<ReceiptWish, String> {
    match word {
        "full" => Ok(ReceiptWish::Full),
        "position" => Ok(ReceiptWish::Position),
        _ => Err("`full` or `position`".to_owned()),
    }
}

/// One result as it comes. A closed pipe ends the run at the table below it.
fn tell(report: &Report, json: bool) {
    drop(say(&if json { serde_json::to_string(report).unwrap_or_default() } else { report.to_string() }));
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}
