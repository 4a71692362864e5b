//! `make demo`: a clerk's day on three nodes of this machine, told and checked.
//!
//! ```text
//! day      the story: what is asked, and what must come of it
//! evidence receipts that are verified without the cluster, and the citizen's trail
//! people   who is asked about
//! nodes    certificates, keys, people, three processes; only what was started here is ever stopped
//! tool     runs `xacminh` as a clerk or an auditor would
//! stage    what the reader sees
//! watch    patience: the whole day is bounded, and ends early when told to
//! ```
//!
//! Any step whose outcome is not the expected one ends the program with 1.
//! Whatever happens, the nodes are stopped and their folder is removed; a failure first shows their last words.

mod day;
mod evidence;
mod nodes;
mod people;
mod stage;
mod tool;
mod watch;

use std::{process::ExitCode, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use nodes::Nodes;
use stage::Stage;
use watch::Watch;

/// The day takes about half a minute; on a machine that compiles beside it, a few times as long.
const DAY_MAX: Duration = Duration::from_secs(240);

#[tokio::main]
async fn main() -> ExitCode {
    let watch = Watch::new(DAY_MAX);
    let story = {
        let watch = watch.clone();
        tokio::task::spawn_blocking(move || tell(&watch))
    };
    let told_to_stop = watch.clone();
    tokio::spawn(async move {
        if let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            told_to_stop.stop();
        }
    });
    match story.await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// The whole day; whether everything was as expected. Nodes are gone when this returns, however it returns.
fn tell(watch: &Watch) -> bool {
    let stage = Stage::new();
    let mut nodes = None;
    let told = Nodes::prepare(watch, &stage).and_then(|prepared| day::live(nodes.insert(prepared), watch, &stage));
    match told {
        Ok(()) => true,
        Err(error) => {
            stage.failure(&format!("{error:#}"));
            if let Some(nodes) = &nodes {
                stage.failure(&nodes.last_words());
            }
            false
        }
    }
}
