//! Benches of the rooms a question passes, each alone: rules, bytes, keys, disk; and the guard over their instructions.
//!
//! `cargo bench -p xacminh-benches --profile dev -- PATTERN`; figures are in `benches/README.md`.
//! `make bench-guard` compares instructions with `benches/guard.csv`; see [`guard`].

mod codec;
mod fixtures;
mod guard;
mod keyring;
mod names;
mod rules;
mod stages;
mod store;

use std::process::ExitCode;

use criterion::{Criterion, criterion_group};

criterion_group!(rooms, rules::benches, names::benches, codec::benches, keyring::benches, store::benches);

fn main() -> ExitCode {
    let is_asked_for = |word: &str| std::env::args().skip(1).any(|each| each == word);
    if is_asked_for(guard::STAGES) {
        stages::run();
        return ExitCode::SUCCESS;
    }
    if is_asked_for(guard::GUARD) {
        return guard::compare();
    }
    rooms();
    Criterion::default().configure_from_args().final_summary();
    ExitCode::SUCCESS
}
