//! The types openraft is instantiated with.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

openraft::declare_raft_types!(
    /// openraft's types for one province's cluster.
    pub TypeConfig:
        D = CommandBytes,
        R = Applied,
        NodeId = u64,
        Node = Member,
);

/// An encoded `xacminh_core::command::Command`, opaque to Raft.
///
/// Cloning shares the bytes, so that one batch is encoded once and replicated to every peer without a copy.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CommandBytes(pub Bytes);

/// What Raft hands back for an applied entry: nothing.
///
/// Outcomes leave through the `ApplySink` of every node instead, so that a follower answers after its own apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Applied;

/// Where a member of the cluster can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// Address of the peer endpoint, `host:port` over UDP.
    pub peer_addr: String,
    /// Address of the client endpoint, `host:port` over UDP.
    pub client_addr: String,
}

impl fmt::Debug for CommandBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandBytes({} bytes)", self.0.len())
    }
}

impl fmt::Display for CommandBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("applied")
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (clients {})", self.peer_addr, self.client_addr)
    }
}
