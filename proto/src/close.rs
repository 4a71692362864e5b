//! Why a connection was closed: numbers that travel in QUIC's application close and never change their meaning.
//!
//! The reason phrase beside the number is for people; programs look at the number.

use std::fmt;

/// Why one side ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// Nothing is wrong: the conversation is over.
    Done,
    /// The node is being shut down; ask another one.
    ShuttingDown,
    /// The certificate carries no identity of ours.
    NoIdentity,
    /// The certificate's role has no business on this port.
    WrongRole,
    /// The certificate was issued for another cluster.
    WrongCluster,
    /// The node at this address is not the one that was meant.
    WrongNode,
    /// The certificate was revoked, has expired, or its authority is no longer trusted.
    Revoked,
    /// This caller, or all callers together, hold too many connections.
    TooManyConnections,
    /// The peer speaks another version of the peer protocol.
    WrongVersion,
    /// A node id came back with a new disk.
    NewDisk,
    /// A peer sent something that is not the protocol.
    Protocol,
}

impl CloseCode {
    /// All codes.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::ShuttingDown,
        Self::NoIdentity,
        Self::WrongRole,
        Self::WrongCluster,
        Self::WrongNode,
        Self::Revoked,
        Self::TooManyConnections,
        Self::WrongVersion,
        Self::NewDisk,
        Self::Protocol,
    ];

    /// The number on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::ShuttingDown => 1,
            Self::NoIdentity => 16,
            Self::WrongRole => 17,
            Self::WrongCluster => 18,
            Self::WrongNode => 19,
            Self::Revoked => 20,
            Self::TooManyConnections => 21,
            Self::WrongVersion => 32,
            Self::NewDisk => 33,
            Self::Protocol => 34,
        }
    }

    /// The meaning of a number, if we know it.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|known| u64::from(known.code()) == code)
    }

    /// What happened, for a log or an error text.
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::ShuttingDown => "the node is shutting down",
            Self::NoIdentity => "the certificate carries no xacminh identity",
            Self::WrongRole => "the certificate's role may not use this port",
            Self::WrongCluster => "the certificate is for another cluster",
            Self::WrongNode => "another node answers at this address",
            Self::Revoked => "the certificate is revoked, expired or no longer trusted",
            Self::TooManyConnections => "too many connections",
            Self::WrongVersion => "unknown version of the peer protocol",
            Self::NewDisk => "the node has a new disk; give it a new id",
            Self::Protocol => "protocol violation",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phrase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_code(u64::from(code.code())), Some(code));
        }
        assert_eq!(CloseCode::from_code(u64::MAX), None);
    }
}
