//! The node's configuration: TOML in, checked types out.
