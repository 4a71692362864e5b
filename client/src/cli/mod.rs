//! The verbs of `xacminh`, one file each.
//!
//! ```text
//! config    where the cluster is      trust  whose logs are believed      question  who is asked about     claims  what is claimed
//! verify, lookup, batch, receipt, cluster, register, audit, person, cert, population     the verbs
//! report, texts, screen, exit         what the user gets to see
//! ```

mod audit;
mod batch;
mod certificates;
mod claims;
mod cluster;
mod config;
mod exit;
mod export;
mod people;
mod person;
mod question;
mod receipt;
mod register;
mod report;
mod screen;
mod texts;
mod trail;
mod trust;
mod verify;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

pub use exit::{CliError, EXIT_CODES, Exit};
pub use receipt::UpgradeError;

/// Ask a province's Xác Minh cluster who somebody is, and look after it.
#[derive(Debug, Parser)]
#[command(name = "xacminh", version, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: config::GlobalArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(after_help = EXIT_CODES)]
    Verify(Box<verify::VerifyArgs>),
    #[command(after_help = EXIT_CODES)]
    Lookup(verify::LookupArgs),
    #[command(after_help = EXIT_CODES)]
    Batch(Box<batch::BatchArgs>),
    #[command(after_help = EXIT_CODES)]
    Receipt(Box<receipt::ReceiptArgs>),
    #[command(after_help = EXIT_CODES)]
    Cluster(cluster::ClusterArgs),
    #[command(after_help = EXIT_CODES)]
    Register(register::RegisterArgs),
    #[command(after_help = EXIT_CODES)]
    Audit(audit::AuditArgs),
    #[command(after_help = EXIT_CODES)]
    Person(person::PersonArgs),
    /// Make development certificates
    #[command(after_help = EXIT_CODES)]
    Cert(crate::cert::CertArgs),
    /// Make and read synthetic populations
    #[command(after_help = EXIT_CODES)]
    Population(crate::population::PopulationArgs),
}

/// Runs the command line and says what the process ends with.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed and end with 0, everything else ends with 2.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { Exit::Good as u8 });
        }
    };
    let screen = cli.global.screen();
    let exit = execute(cli).unwrap_or_else(|error| {
        // A reader that left (`xacminh … | head`) has what it wanted. If the error cannot be shown, its code still tells.
        if !error.is_reader_gone() {
            let _ = report::show_error(screen, &error);
        }
        error.exit()
    });
    ExitCode::from(exit as u8)
}

fn execute(cli: Cli) -> Result<Exit, CliError> {
    let Cli { global, verb } = cli;
    // These reach no cluster.
    let verb = match verb {
        Verb::Cert(args) => return certificates::run(&global, args),
        Verb::Register(args) => match register::offline(&global, args)? {
            Ok(exit) => return Ok(exit),
            Err(args) => Verb::Register(args),
        },
        Verb::Receipt(args) if args.is_offline() => return receipt::run(&global, *args),
        verb => verb,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match verb {
            Verb::Verify(args) => verify::verify(&global, *args).await,
            Verb::Lookup(args) => verify::lookup(&global, args).await,
            Verb::Batch(args) => batch::run(&global, *args).await,
            Verb::Cluster(args) => cluster::run(&global, args).await,
            Verb::Register(args) => register::run(&global, args).await,
            Verb::Audit(args) => audit::run(&global, args).await,
            Verb::Person(args) => person::run(&global, args).await,
            Verb::Receipt(args) => receipt::fetch(&global, *args).await,
            Verb::Population(args) => people::run(&global, args).await,
            Verb::Cert(_) => Err(CliError::Internal("certificates are made before the runtime starts".into())),
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    /// Every command and option says what it is, one short form means one thing, and the program says what it is for.
    #[test]
    fn help_is_there_for_everything_and_means_one_thing() {
        let mut root = super::Cli::command();
        root.build();
        assert!(root.get_about().unwrap().to_string().starts_with("Ask a province's Xác Minh cluster"));
        let mut commands = vec![&root];
        let mut seen = 0;
        while let Some(command) = commands.pop() {
            let name = command.get_display_name().unwrap_or(command.get_name());
            commands.extend(command.get_subcommands().filter(|command| command.get_name() != "help"));
            assert!(command.get_about().is_some_and(|about| !about.to_string().ends_with('.')), "{name}");
            let quiet: Vec<_> = command.get_arguments().filter(|arg| arg.get_long() == Some("quiet")).collect();
            assert_eq!(quiet.len(), 1, "{name}");
            assert_eq!(quiet[0].get_short(), Some('q'), "{name}");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{name} {}", arg.get_id());
                // `cert` names a cluster in its own words: there need be none yet.
                if name.starts_with("xacminh-cert") && arg.get_id() == "cluster" {
                    continue;
                }
                let of_every_command =
                    root.get_arguments().any(|ours| ours.is_global_set() && ours.get_id() == arg.get_id());
                let heading = arg.get_help_heading();
                assert_eq!(of_every_command, heading == Some(super::config::HEADING), "{name} {}", arg.get_id());
                seen += 1;
            }
        }
        assert!(seen > 500, "{seen} options");
    }
}
