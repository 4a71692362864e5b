//! Development certificates: a CA, and certificates for nodes, peers and callers.
