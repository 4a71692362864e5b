//! Replication: openraft over QUIC.
//!
//! ```text
//! submit    this node's items go to the leader and come back settled at this node's own apply
//! propose   the leader's group commit: items of all nodes become batches
//! start     puts openraft, network and store together, and follows who leads
//! network   how nodes talk to each other
//! snapshots how the store's snapshots travel
//! ```

pub mod network;
pub mod propose;
mod snapshots;
pub mod start;
pub mod submit;
pub mod types;

pub use start::{Replication, Settings};
pub use types::{Applied, CommandBytes, Member, TypeConfig};
