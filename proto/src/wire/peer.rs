//! What travels between nodes (ALPN `xacminh-peer/1`): the envelope only; what is inside belongs to the node.

use serde::{Deserialize, Serialize};

/// First frame of every peer connection, in both directions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerHello {
    /// The cluster's name.
    pub cluster: String,
    /// The node that speaks.
    pub node: u64,
    /// Random number of its data directory: an id with another incarnation has lost its disk and must not vote.
    pub incarnation: u128,
}

/// Largest hello: a cluster's name is a word.
pub const HELLO_BYTES_MAX: usize = 512;
