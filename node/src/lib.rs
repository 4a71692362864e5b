//! A node of Xác Minh: the rooms where every side effect lives.
//!
//! ```text
//! quic ── serve ── verify ─┬─ store      what we remember
//!  who      the door       ├─ upstream   what the authority says
//!                          └─ raft       leaves go in, positions come out at apply
//! notary signs the log's heads; audit finds leaves for those who inspect it; alarms tell who asks as nobody should
//! ```
//!
//! Architecture invariants, kept true by a test that reads the imports:
//! only `store` names rocksdb, only `quic` and `raft::network` name quinn,
//! only `raft` and `store` name openraft, only `serve` and `raft::network` see wire types.

pub mod admin;
pub mod alarms;
pub mod app;
pub mod audit;
pub mod config;
pub mod env;
pub mod keyring;
pub mod notary;
pub mod publish;
pub mod quic;
pub mod raft;
pub mod serve;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod verify;
