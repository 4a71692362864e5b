//! Vocabulary, wire messages and public formats of Xác Minh: pure, no I/O.
//!
//! ```text
//! vocab         the words of a question and an answer, parsed once and then true
//! codec         the one place that knows bincode: bounded, exact, versioned
//! wire          what travels between portal and node (ALPN `xacminh/1`) and between nodes
//! transparency  the leaf, its commitments and the sealed addendum
//! schema        the population database as we read it (SQL)
//! ```

mod bounds;
pub mod codec;
pub mod identity;
pub mod schema;
pub mod transparency;
pub mod vocab;
pub mod wire;
