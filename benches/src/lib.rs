//! The load generator: asks a running cluster real questions and says how fast and how dear the answers were.
//!
//! ```text
//! people ── questions ──┐
//! arrivals ── when ─────┴─▶ line (a connection to one node) ──▶ tally (latency, outcome, error)
//! processor: what the generator, the nodes and everybody else on the machine burnt meanwhile
//! measure: warm-up, window, result        figures: saturation, then a quarter of it, medians of rounds
//! distinguish: whether times tell why nothing was confirmed        two_samples: what is a difference
//! callers: one to thousands of connections, and what an idle one holds        beside: what a batch does to the others
//! ```
//!
//! Open loop: questions are due at moments drawn in advance, and a latency runs from that moment. A node that stalls
//! makes the questions behind it late, as it would at a counter; none is left unasked because another was slow.
//!
//! Beside it, how often names that differ are taken for one:
//!
//! ```text
//! corpus   pairs of names that differ in a known way ──▶ matching   what the rules say of them, with confidence intervals
//!          (made without a look at the rules)                      └─▶ docs/MATCHING.md
//! ```
//!
//! `scale`: tables and plots of what records and leaves cost, from what the script of that name measured.
//!
//! And `guard`: whether what can be counted became dearer since the figures that are committed.

pub mod arrivals;
pub mod beside;
pub mod callers;
pub mod corpus;
pub mod distinguish;
pub mod figures;
pub mod guard;
pub mod line;
pub mod matching;
pub mod measure;
pub mod people;
pub mod processor;
pub mod report;
pub mod scale;
pub mod tally;
pub mod two_samples;
