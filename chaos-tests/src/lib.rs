//! Real processes under real faults.
//!
//! ```text
//! cluster ── process, files     three nodes on one loopback address, killed, paused, wiped, restarted
//! people                        who is asked about, and the questions
//! load ──► history              concurrent clients, and what each of them was told
//! ledger                        the audit log as one node tells it
//! invariants/                   what must hold between history and ledgers, one file each
//! raw                           a caller that does not keep to the protocol
//! postgres                      a real PostgreSQL server of our own
//! plaintext, store_view         what lies on the disks of stopped nodes
//! ```
//!
//! Every wait has an end, every process is ended by its own number, and everything random starts from a seed that a
//! failure prints.

pub mod cluster;
pub mod history;
pub mod http;
pub mod invariants;
pub mod ledger;
pub mod load;
pub mod people;
pub mod plaintext;
pub mod postgres;
pub mod raw;
pub mod seed;
pub mod store_view;
pub mod wait;

pub use cluster::{Cluster, Options};
