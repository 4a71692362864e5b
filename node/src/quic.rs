//! QUIC endpoints and who is calling.
