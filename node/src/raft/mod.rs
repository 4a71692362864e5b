//! Replication: openraft over QUIC.

pub mod network;
pub mod types;

pub use types::{Applied, CommandBytes, Member, TypeConfig};
