//! The rulebook: tables a lawyer can read, properties against simple models, and invariants that are seen to bark.

#![expect(clippy::panic, reason = "helpers of tests stop with what they found, as tests do")]

mod apply_model;
mod apply_sweep;
mod apply_table;
mod attacker;
mod claims_table;
mod decide_properties;
mod decide_table;
mod disk;
mod draft;
mod fixtures;
mod golden;
mod invariant;
mod permit_table;
mod register;
