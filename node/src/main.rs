//! `xacminh-node`: runs a node, checks its configuration, makes its keyring, looks into its data directory.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use xacminh_node::{
    app,
    config::{self, Config},
    keyring::{KekSource, Keyring},
    store, telemetry,
};

/// A node of Xác Minh.
#[derive(Parser)]
#[command(version, about)]
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
        /// Wrap it under a key-encryption key (64 hexadecimal digits) in this environment variable.
        #[arg(long)]
        encryption_key_env: Option<String>,
        /// Wrap it under a key-encryption key in this file.
        #[arg(long, conflicts_with = "encryption_key_env")]
        encryption_key_file: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Run { config, bootstrap } => run(&config, bootstrap),
        Verb::CheckConfig { config } => check(&config),
        Verb::Keyring { verb: KeyringVerb::New { out, encryption_key_env, encryption_key_file } } => {
            let source =
                app::keyring_source(&config::Keyring { file: out.clone(), encryption_key_env, encryption_key_file });
            new_keyring(&out, &source)
        }
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
        block_cache_bytes: store::BLOCK_CACHE_BYTES,
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
