//! `peers`: one load program for this system and for what a user would choose instead.
//!
//! ```text
//! people ── a number and 500 bytes ─┐
//! tls ── mutual, 1.3 ───────────────┼─▶ resp, etcd, postgres: desks ──▶ drive: closed and open loops ─┐
//! xacminh_benches::measure ─────────┘   (this system, by its own generator)                           │
//!                        case: saturation, a quarter of it, fixed paces ◀──────────────────────────────┘
//!                        notes: every result at once, a JSON line ──▶ table (README), plot (SVG)
//! disk: what a sync costs, measured beside it
//! ```
//!
//! `benches/peers/run` starts and stops the systems and calls this.

mod case;
mod disk;
mod drive;
mod etcd;
mod notes;
mod people;
mod plot;
mod postgres;
mod resp;
mod table;
mod tls;

use std::{net::SocketAddr, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use anyhow::Context;
use case::{Desks, How, Ours, case};
use clap::{Args, Parser, Subcommand};
use drive::Course;
use notes::{Label, Note, append};
use tls::Papers;
use tokio::task::JoinError;
use xacminh_benches::{
    line::{Place, Way},
    measure::{Plan, Setting, acquaint},
    people::{Asker, Mix},
    processor::wait_until_quiet,
};
use xacminh_proto::wire::ReceiptWish;

/// Measures this system and its peers alike.
#[derive(Parser)]
#[command(about)]
enum Verb {
    /// Writes everybody's record.
    Load(Whom),
    /// One case of somebody else's system.
    Ask(Ask),
    /// Cases of this system; takes what `benches/run` gives `load`.
    Ours(OurCases),
    /// Waits until nobody else uses the machine, but not for ever.
    Quiet {
        /// Seconds to wait at most.
        #[arg(long)]
        patience_s: u64,
        /// A process of the system that may be busy; repeat it.
        #[arg(long = "pid")]
        pids: Vec<u32>,
    },
    /// What a sync of a directory's disk costs.
    Sync {
        /// The directory.
        #[arg(long)]
        directory: PathBuf,
        /// For how long.
        #[arg(long, default_value_t = 2)]
        seconds: u64,
        /// Where to note it.
        #[arg(long)]
        notes: PathBuf,
    },
    /// Notes something the reader should know, or a failure.
    Note {
        /// Where to note it.
        #[arg(long)]
        notes: PathBuf,
        #[command(subcommand)]
        what: What,
    },
    /// Writes the table between its markers, and the plot.
    Report {
        /// Notes of the run.
        #[arg(long)]
        notes: PathBuf,
        /// The page with the markers.
        #[arg(long)]
        page: PathBuf,
        /// The plot.
        #[arg(long)]
        plot: PathBuf,
    },
}

#[derive(Subcommand)]
enum What {
    /// Something the reader should know.
    Fact { name: String, value: String },
    /// Something that could not be measured.
    Failure { system: String, case: String, why: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum System {
    Redis,
    Valkey,
    Etcd,
    Postgres,
}

#[derive(Args)]
struct Whom {
    /// Whose protocol to speak.
    #[arg(long)]
    system: System,
    /// Where it listens; repeat it, connections are dealt out in turn.
    #[arg(long = "address", required = true)]
    addresses: Vec<SocketAddr>,
    /// How many people there are.
    #[arg(long, default_value_t = 1_000_000)]
    people: u32,
    #[command(flatten)]
    papers: Papers,
}

#[derive(Args)]
struct Ask {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    length: Length,
    /// The system's name in the table.
    #[arg(long)]
    name: String,
    /// What it is asked, in the table.
    #[arg(long)]
    question: String,
    /// Read and write an audit entry, instead of reading.
    #[arg(long)]
    audited: bool,
    /// Connections.
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Streams on each connection, where it has them.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Questions that travel together.
    #[arg(long, default_value_t = 1)]
    batch: usize,
}

#[derive(Args, Clone)]
struct Length {
    /// Seconds at the beginning of a measurement that do not count.
    #[arg(long, default_value_t = 1.0)]
    warm_up_s: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// A process of the system; its children count with it; repeat it.
    #[arg(long = "pid")]
    pids: Vec<u32>,
}

#[derive(Args)]
struct OurCases {
    /// The cluster's name.
    #[arg(long)]
    cluster: String,
    #[command(flatten)]
    papers: Papers,
    /// A node's client endpoint; repeat it.
    #[arg(long = "endpoint", required = true)]
    endpoints: Vec<SocketAddr>,
    /// SQLite file of the population that the cluster's authority serves.
    #[arg(long)]
    population: PathBuf,
    /// How many people of it are asked about.
    #[arg(long)]
    people: usize,
    /// Shares of the kinds of questions.
    #[arg(long)]
    mix: Mix,
    /// Seconds to wait for a quiet machine before the first measurement.
    #[arg(long, default_value_t = 0)]
    quiet_s: u64,
    #[command(flatten)]
    length: Length,
    #[command(flatten)]
    how: How,
    /// The people are known from an earlier round.
    #[arg(long)]
    acquainted: bool,
    /// A case as `session|stream:full|position:CONNECTIONSxIN_FLIGHT`; with `:open` behind it also at a quarter and at
    /// the paces; repeat it.
    #[arg(long = "case", required = true)]
    cases: Vec<OurCase>,
}

#[derive(Clone, Debug)]
struct OurCase {
    way: Way,
    receipt: ReceiptWish,
    connections: usize,
    in_flight: usize,
    open: bool,
}

fn main() -> anyhow::Result<()> {
    let verb = Verb::parse();
    // As many threads as `load` has.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(verb))
}

async fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Load(whom) => load(&whom).await,
        Verb::Ask(ask) => {
            let label = ask.label();
            let asked = Box::pin(one_case(&ask, &label)).await;
            noting_failure(&ask.how, &label, asked)
        }
        Verb::Ours(ours) => Box::pin(our_cases(&ours)).await,
        Verb::Quiet { patience_s, pids } => Ok(quiet(patience_s, pids).await?),
        Verb::Sync { directory, seconds, notes } => {
            append(&notes, &Note::Sync(disk::sync(&directory, Duration::from_secs(seconds))?))
        }
        Verb::Note { notes, what: What::Fact { name, value } } => append(&notes, &Note::Fact { name, value }),
        Verb::Note { notes, what: What::Failure { system, case, why } } => {
            append(&notes, &Note::Failure { system, case, why })
        }
        Verb::Report { notes, page, plot } => report(&notes, &page, &plot),
    }
}

/// A case that fails is noted and ends its own program only.
fn noting_failure(how: &How, label: &Label, result: anyhow::Result<()>) -> anyhow::Result<()> {
    if let Err(failure) = &result {
        let case = format!("{}, {}", label.question, label.shape);
        append(&how.notes, &Note::Failure { system: label.system.clone(), case, why: format!("{failure:#}") })?;
    }
    result
}

/// A machine that is not quiet in time is measured all the same, and the measurements say so.
async fn quiet(patience_s: u64, pids: Vec<u32>) -> Result<(), JoinError> {
    let wait = move || wait_until_quiet(&pids, Duration::from_secs(patience_s));
    if patience_s > 0 {
        tokio::task::spawn_blocking(wait).await?;
    }
    Ok(())
}

async fn load(whom: &Whom) -> anyhow::Result<()> {
    let address = *whom.addresses.first().context("an address")?;
    match whom.system {
        System::Redis | System::Valkey => {
            // Valkey's replicas take part: everything is on three disks before anything is measured.
            let disks = if whom.system == System::Valkey { 3 } else { 0 };
            let config = Arc::new(whom.papers.config(None)?);
            resp::Resp::connect(&config, address, false).await?.load(whom.people, disks).await
        }
        System::Etcd => {
            let send = etcd::connect(&Arc::new(whom.papers.config(Some(b"h2"))?), address).await?;
            etcd::Etcd::new(send, address, false, String::new()).load(whom.people).await
        }
        System::Postgres => postgres::load(&whom.papers, address, whom.people).await,
    }
}

async fn one_case(ask: &Ask, label: &Label) -> anyhow::Result<()> {
    let Ask { whom, how, length, audited, .. } = ask;
    let course = Course {
        people: whom.people,
        batch: ask.batch.max(1),
        warm_up: Duration::from_secs_f64(length.warm_up_s),
        length: Duration::from_secs_f64(length.seconds),
        pids: length.pids.clone(),
        seed: u64::from(how.round),
    };
    let addresses = whom.addresses.iter().cycle().take(ask.connections);
    match whom.system {
        System::Redis | System::Valkey => {
            let config = Arc::new(whom.papers.config(None)?);
            let mut desks = Vec::new();
            for address in addresses {
                desks.push(resp::Resp::connect(&config, *address, *audited).await?);
            }
            case(label, how, &mut Desks { desks, course }).await
        }
        System::Etcd => {
            let config = Arc::new(whom.papers.config(Some(b"h2"))?);
            let mut desks = Vec::new();
            for (at, address) in addresses.enumerate() {
                let send = etcd::connect(&config, *address).await?;
                for stream in 0..ask.streams {
                    let name = format!("{}/{at}/{stream}", std::process::id());
                    desks.push(etcd::Etcd::new(send.clone(), *address, *audited, name));
                }
            }
            case(label, how, &mut Desks { desks, course }).await
        }
        System::Postgres => {
            let mut desks = Vec::new();
            for address in addresses {
                desks.push(postgres::Postgres::connect(&whom.papers, *address, *audited).await?);
            }
            case(label, how, &mut Desks { desks, course }).await
        }
    }
}

async fn our_cases(ours: &OurCases) -> anyhow::Result<()> {
    let Papers { cert, key, ca } = ours.papers.clone();
    let place = Place { cluster: ours.cluster.clone(), endpoints: ours.endpoints.clone(), cert, key, ca };
    let setting = async |receipt| {
        let [official, procedure] = ["clerk-01", "1.004222"].map(str::to_owned);
        let asker = Asker::draw(&ours.population, ours.people, 1, ours.mix, official, procedure).await?;
        let (place, pids) = (place.clone(), ours.length.pids.clone());
        anyhow::Ok(Arc::new(Setting { place, asker: Arc::new(asker.wishing(receipt)), pids }))
    };
    let (full, position) = (setting(ReceiptWish::Full).await?, setting(ReceiptWish::Position).await?);
    if !ours.acquainted {
        acquaint(&position).await.context("before measuring")?;
    }
    quiet(ours.quiet_s, ours.length.pids.clone()).await?;
    for each in &ours.cases {
        let is_full = each.receipt == ReceiptWish::Full;
        let plan = Plan {
            way: each.way,
            connections: each.connections,
            in_flight: each.in_flight,
            rate_per_s: None,
            warm_up: Duration::from_secs_f64(ours.length.warm_up_s),
            length: Duration::from_secs_f64(ours.length.seconds),
            quiet: Duration::ZERO,
            seed: u64::from(ours.how.round),
        };
        let label = each.label();
        let mut how = ours.how.clone();
        if each.open {
            how.quarter = true;
        } else {
            (how.quarter, how.paced) = (false, Vec::new());
        }
        let setting = Arc::clone(if is_full { &full } else { &position });
        let measured = Box::pin(case(&label, &how, &mut Ours { setting, plan })).await;
        // The next case may go well all the same.
        drop(noting_failure(&how, &label, measured));
    }
    Ok(())
}

fn report(notes: &std::path::Path, page: &std::path::Path, plot: &std::path::Path) -> anyhow::Result<()> {
    let notes = notes::read(notes)?;
    let cases = table::cases(&notes);
    std::fs::write(plot, plot::draw(&cases))?;
    let text = std::fs::read_to_string(page)?;
    Ok(std::fs::write(page, table::between_markers(&text, &table::section(&notes, &cases))?)?)
}

impl Ask {
    fn label(&self) -> Label {
        let shape = match (self.streams, self.batch) {
            (0 | 1, 0 | 1) => format!("c{}", self.connections),
            (0 | 1, batch) => format!("c{}, {batch} at once", self.connections),
            (streams, _) => format!("c{} × {streams}", self.connections),
        };
        Label { system: self.name.clone(), question: self.question.clone(), shape }
    }
}

impl OurCase {
    fn label(&self) -> Label {
        let receipt = if self.receipt == ReceiptWish::Full { "full receipt" } else { "position" };
        let way = match self.way {
            Way::Session => "session",
            Way::Stream => "stream each",
        };
        let shape = match self.in_flight {
            1 => format!("{way} c{}", self.connections),
            in_flight => format!("{way} c{} × {in_flight}", self.connections),
        };
        Label { system: table::OURS.to_owned(), question: format!("audited verify, {receipt}"), shape }
    }
}

impl FromStr for OurCase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not WAY:RECEIPT:CONNECTIONSxIN_FLIGHT[:open]");
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or_else(bad);
        let way = part()?.parse()?;
        let receipt = match part()? {
            "full" => ReceiptWish::Full,
            "position" => ReceiptWish::Position,
            _ => return Err(bad()),
        };
        let (connections, in_flight) = part()?.split_once('x').ok_or_else(bad)?;
        let [connections, in_flight] = [connections, in_flight].map(|count| count.parse().map_err(|_| bad()));
        let open = match parts.next() {
            None => false,
            Some("open") => true,
            Some(_) => return Err(bad()),
        };
        Ok(Self { way, receipt, connections: connections?, in_flight: in_flight?, open })
    }
}
