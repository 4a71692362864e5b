//! Benches of the rooms a question passes, each alone: rules, bytes, keys, disk.
//!
//! `cargo bench -p xacminh-benches --profile dev -- PATTERN`; figures are in `benches/README.md`.

mod codec;
mod fixtures;
mod keyring;
mod names;
mod rules;
mod store;

use criterion::{criterion_group, criterion_main};

criterion_group!(rooms, rules::benches, names::benches, codec::benches, keyring::benches, store::benches);
criterion_main!(rooms);
