//! A synthetic population: invented people with the shape of the real one.
//!
//! ```text
//! generator ── household ── member ── names, numbers, places     who they are (pure, from a seed)
//!     └──────► load ──► sqlite | postgres                         where they go
//!              sample ◄─ sqlite | postgres                        questions for demos and tests
//! ```

pub mod chance;
pub mod generator;
mod household;
mod kin;
pub mod load;
mod member;
mod names;
mod numbers;
pub mod person;
pub mod places;
mod postgres;
pub mod sample;
mod sqlite;
pub mod store;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use chance::Chance;
use generator::Population;
use load::{Loaded, Options};
use store::Store;

/// More citizens than the largest province has; the numbers of one year and sex are a million.
const CITIZENS_MAX: u64 = 20_000_000;

/// A name of somebody invented: by the province the family comes from, ethnic group, sex and year of birth.
#[must_use]
pub fn full_name(province: i16, ethnicity: i16, female: bool, birth_year: i16, chance: &mut Chance) -> String {
    let family = names::family(ethnicity, province, chance);
    names::full_name(family, female, birth_year, chance)
}

/// `xacminh population …`
#[derive(Debug, Args)]
pub struct PopulationArgs {
    #[command(subcommand)]
    command: PopulationCommand,
}

#[derive(Debug, Subcommand)]
enum PopulationCommand {
    /// Invent a population and write it into an empty database.
    Generate(GenerateArgs),
    /// Print people of a population as CSV: what is recorded of them, or questions for `xacminh batch`.
    Sample(SampleArgs),
}

/// Arguments of `population generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// How many citizens.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=CITIZENS_MAX))]
    pub citizens: u64,
    /// Province they live in: its two-digit code since 1 July 2025.
    #[arg(long, value_name = "CODE")]
    pub province: i16,
    /// The same seed gives the same people.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// `sqlite:FILE` or `postgres://user@host/database`.
    #[arg(long, value_name = "DATABASE")]
    pub to: Store,
    /// Drop the population that is there.
    #[arg(long)]
    pub replace: bool,
    /// Certificate authority (PEM) of the PostgreSQL server; with it, TLS is required.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Show no progress bar and no summary: the `--quiet` of every command.
    #[arg(skip)]
    pub quiet: bool,
}

/// Arguments of `population sample`.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// `sqlite:FILE` or `postgres://user@host/database`.
    #[arg(long, value_name = "DATABASE")]
    pub from: Store,
    /// How many people.
    #[arg(long, value_name = "N")]
    pub count: usize,
    /// The same seed draws the same people.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print questions in the columns that `xacminh batch` reads: is each of them named and born so?
    #[arg(long)]
    pub batch: bool,
    /// Certificate authority (PEM) of the PostgreSQL server; with it, TLS is required.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Why a population could not be made, written or read; by whose fault.
#[derive(Debug, thiserror::Error)]
pub enum PopulationError {
    /// Caller: another form.
    #[error("a population is kept in sqlite:FILE or postgres://user@host/database")]
    StoreForm,
    /// Caller: a URL that PostgreSQL does not take.
    #[error("the PostgreSQL URL is not understood")]
    Url(#[source] tokio_postgres::Error),
    /// Caller: the province cannot be populated.
    #[error("the province cannot be populated")]
    Places(#[from] places::PlacesError),
    /// Caller: something is there already.
    #[error("there is a population already; add --replace to drop it")]
    Exists,
    /// Caller: TLS without a certificate authority.
    #[error("sslmode=require needs --ca-file with the server's certificate authority")]
    CaNeeded,
    /// Caller: no certificates in the file.
    #[error("{0}: not a PEM file of CA certificates")]
    CaFile(PathBuf),
    /// Database: another schema, or a load that did not finish.
    #[error("the database has schema version {found}, version {} is needed", xacminh_proto::schema::VERSION)]
    SchemaVersion {
        /// The version found; 0 if none is recorded.
        found: i32,
    },
    /// Database: SQLite.
    #[error("SQLite failed")]
    Sqlite(#[source] rusqlite::Error),
    /// Database: PostgreSQL.
    #[error("PostgreSQL failed")]
    Postgres(#[source] tokio_postgres::Error),
    /// This machine: the file system.
    #[error("{path}: the file cannot be written")]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// This machine: standard output is closed.
    #[error("the sample cannot be printed")]
    Output(#[source] csv::Error),
    /// Us: a thread of the generator panicked.
    #[error("the generator stopped: this is a defect")]
    Writer,
}

/// Runs `xacminh population …`; `quiet` if nothing but the result is wanted.
///
/// # Errors
/// [`PopulationError`].
pub async fn run(args: PopulationArgs, quiet: bool) -> Result<(), PopulationError> {
    match args.command {
        PopulationCommand::Generate(args) => {
            let loaded = generate(&GenerateArgs { quiet, ..args }).await?;
            if !quiet {
                // A closed standard error is no reason to call the load failed.
                let _ = writeln!(
                    io::stderr(),
                    "{} citizens written ({} cancelled numbers besides)",
                    loaded.citizens,
                    loaded.cancelled
                );
            }
            Ok(())
        }
        PopulationCommand::Sample(args) => {
            let people = sample::sample(&args.from, args.ca_file.as_deref(), args.count, args.seed).await?;
            let mut out = csv::Writer::from_writer(io::stdout().lock());
            for (place, person) in people.into_iter().enumerate() {
                let written = if args.batch { out.serialize(person.question(place)) } else { out.serialize(person) };
                written.map_err(PopulationError::Output)?;
            }
            out.flush().map_err(|error| PopulationError::Output(error.into()))
        }
    }
}

/// Makes a population and writes it.
///
/// # Errors
/// [`PopulationError`].
pub async fn generate(args: &GenerateArgs) -> Result<Loaded, PopulationError> {
    let people = Population::new(args.citizens, args.province, args.seed)?;
    let options = Options { replace: args.replace, quiet: args.quiet, ca_file: args.ca_file.clone() };
    load::load(people, &args.to, &options).await
}
