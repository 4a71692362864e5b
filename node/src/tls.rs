//! TLS configurations and the identities they prove.
