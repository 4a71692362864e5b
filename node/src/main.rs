//! `xacminh-node`: runs a node, checks its configuration, makes its keys and tells them to verifiers, marks numbers for the
//! register, looks into its data directory.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use xacminh_node::{
    app,
    config::{self, Config},
    keyring::{KekSource, Keyring},
    store, telemetry,
};

/// A node of Xác Minh: answers who somebody is, and keeps and signs the log of who asked.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the node until SIGTERM or SIGINT.
    Run {
        /// The node's configuration.
        #[arg(long)]
        config: PathBuf,
        /// Form a new cluster of the configured members, if this node has never been in one. Give it to one node only.
        #[arg(long)]
        bootstrap: bool,
    },
    /// Say what is wrong with a configuration, without starting anything.
    CheckConfig {
        /// The node's configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// Keys at rest.
    Keyring {
        #[command(subcommand)]
        verb: KeyringVerb,
    },
    /// Print the marks under which the register knows citizen numbers (honey numbers, officials' own), one for each number
    /// read from standard input, so that none stands in a command line or a file.
    Mark {
        /// The node's configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// Print the keys by which the log's checkpoints and receipts are verified, one a line: hand them to verifiers and
    /// witnesses.
    Vkey {
        /// The node's configuration.
        #[arg(long)]
        config: PathBuf,
        /// Which year's log; without it, this year's.
        #[arg(long)]
        year: Option<u16>,
    },
    /// Show what a stopped node's data directory holds, without personal data.
    Inspect {
        /// The node's configuration.
        #[arg(long)]
        config: PathBuf,
        /// Also hash the whole state, to compare replicas; reads everything.
        #[arg(long)]
        digest: bool,
    },
}

#[derive(Subcommand)]
enum KeyringVerb {
    /// Make a keyring; every node of a cluster gets the same one.
    New {
        /// Where to; an existing file is never overwritten.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        wrapping: Wrapping,
    },
    /// Add a sealing key and make it current; the others go on opening what they sealed.
    Rotate {
        #[command(flatten)]
        files: Files,
    },
    /// Add a key of the log; it and the keys before it both sign from one moment until another.
    RotateSigning {
        #[command(flatten)]
        files: Files,
        /// When the new key begins to sign, like 2027-01-01T00:00:00+07:00; every node must have the file by then.
        #[arg(long)]
        from: String,
        /// When the keys before it end; every verifier must have the new key by then.
        #[arg(long)]
        until: String,
    },
}

#[derive(Args)]
struct Files {
    /// The keyring there is; it is left as it is.
    #[arg(long = "in")]
    input: PathBuf,
    /// Where to; an existing file is never overwritten.
    #[arg(long = "out")]
    output: PathBuf,
    #[command(flatten)]
    wrapping: Wrapping,
}

#[derive(Args)]
struct Wrapping {
    /// The keyring is wrapped under a key-encryption key (64 hexadecimal digits) in this environment variable.
    #[arg(long)]
    encryption_key_env: Option<String>,
    /// The keyring is wrapped under a key-encryption key in this file.
    #[arg(long, conflicts_with = "encryption_key_env")]
    encryption_key_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Run { config, bootstrap } => run(&config, bootstrap),
        Verb::CheckConfig { config } => check(&config),
        Verb::Keyring { verb } => keyring(verb),
        Verb::Mark { config } => mark(&config),
        Verb::Vkey { config, year } => vkey(&config, year),
        Verb::Inspect { config, digest } => inspect(&config, digest),
    }
}

fn run(path: &std::path::Path, bootstrap: bool) -> ExitCode {
    let config = match config::load(path) {
        Ok(config) => config,
        Err(error) => return refuse(&error, telemetry::ExitCode::Config),
    };
    if let Err(error) = telemetry::install_logs(&config.log) {
        return refuse(&error, telemetry::ExitCode::Config);
    }
    telemetry::install_panic_hook();
    if let Err(error) = telemetry::forbid_core_dumps() {
        return refuse(&error, telemetry::ExitCode::Other);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error, telemetry::ExitCode::Other),
    };
    match runtime.block_on(app::run(config, bootstrap)) {
        Ok(code) => code.into(),
        Err(refusal) => refuse(&refusal, refusal.exit_code()),
    }
}

fn check(path: &std::path::Path) -> ExitCode {
    match config::check(path) {
        Ok(report) => {
            say(&report.summary);
            report.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
            report.problems.iter().for_each(|problem| say(&format!("problem: {problem}")));
            if report.is_ok() { telemetry::ExitCode::Ok.into() } else { telemetry::ExitCode::Config.into() }
        }
        Err(error) => refuse(&error, telemetry::ExitCode::Config),
    }
}

fn keyring(verb: KeyringVerb) -> ExitCode {
    let source = |file: &std::path::Path, Wrapping { encryption_key_env, encryption_key_file }: Wrapping| {
        app::keyring_source(&config::Keyring { file: file.to_owned(), encryption_key_env, encryption_key_file })
    };
    let (to, done) = match verb {
        KeyringVerb::New { out, wrapping } => {
            let source = source(&out, wrapping);
            return new_keyring(&out, &source);
        }
        KeyringVerb::Rotate { files: Files { input, output, wrapping } } => {
            let source = source(&input, wrapping);
            let done = app::rotate_sealing(&input, &output, &source);
            (output, done.map(|id| format!("key {id} seals from the next start on")))
        }
        KeyringVerb::RotateSigning { files: Files { input, output, wrapping }, from, until } => {
            let source = source(&input, wrapping);
            let done = app::rotate_signing(&input, &output, &source, (&from, &until));
            (
                output,
                done.map(|()| format!("the new key of the log signs from {from} on, those before it until {until}")),
            )
        }
    };
    match done {
        Ok(what) => {
            say(&format!("{}: {what}; copy it to every node before any starts with it", to.display()));
            telemetry::ExitCode::Ok.into()
        }
        Err(error) => refuse(&error, telemetry::ExitCode::KeyringRefused),
    }
}

fn vkey(path: &std::path::Path, year: Option<u16>) -> ExitCode {
    let config = match config::load(path) {
        Ok(config) => config,
        Err(error) => return refuse(&error, telemetry::ExitCode::Config),
    };
    match app::verifier_keys(&config, year) {
        Ok(keys) => {
            keys.iter().for_each(|key| say(key));
            telemetry::ExitCode::Ok.into()
        }
        Err(error) => refuse(&error, telemetry::ExitCode::KeyringRefused),
    }
}

fn mark(path: &std::path::Path) -> ExitCode {
    let config = match config::load(path) {
        Ok(config) => config,
        Err(error) => return refuse(&error, telemetry::ExitCode::Config),
    };
    match app::marks(&config, std::io::stdin().lock()) {
        Ok(marks) => {
            marks.iter().for_each(|mark| say(mark));
            telemetry::ExitCode::Ok.into()
        }
        Err(error) => refuse(&error, telemetry::ExitCode::KeyringRefused),
    }
}

fn new_keyring(out: &std::path::Path, source: &KekSource) -> ExitCode {
    match Keyring::generate(out, source) {
        Ok(_) => {
            say(&format!(
                "{}: a new keyring; copy it to every node of the cluster, and keep a copy safe",
                out.display()
            ));
            telemetry::ExitCode::Ok.into()
        }
        Err(error) => refuse(&error, telemetry::ExitCode::KeyringRefused),
    }
}

fn inspect(path: &std::path::Path, digest: bool) -> ExitCode {
    let config: Config = match config::load(path) {
        Ok(config) => config,
        Err(error) => return refuse(&error, telemetry::ExitCode::Config),
    };
    let options = store::Options {
        directory: &config.node.data_dir,
        cluster: &config.cluster.name,
        node: config.node.id,
        incarnation: 0,
        block_cache_bytes: config.node.block_cache_bytes(),
    };
    match store::inspect(&options, digest) {
        Ok(found) => {
            say(&found.to_string());
            telemetry::ExitCode::Ok.into()
        }
        Err(error) => refuse(&error, telemetry::ExitCode::DataDirRefused),
    }
}

#[expect(clippy::print_stdout, reason = "what the operator asked for goes to standard output")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "a refusal to start is one line on standard error")]
fn refuse(error: &dyn std::fmt::Display, code: telemetry::ExitCode) -> ExitCode {
    eprintln!("xacminh-node: {error}");
    code.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// clap looks for contradictions, like two arguments of one id, where its own debug assertions are on or when asked.
    #[test]
    fn the_command_line_does_not_contradict_itself() {
        Arguments::command().debug_assert();
    }
}
