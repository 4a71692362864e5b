//! Vocabulary, wire messages and public formats of Xác Minh: pure, no I/O.
//!
//! ```text
//! vocab         the words of a question and an answer, parsed once and then true
//! identity      who a certificate speaks for, and close: why a connection ended
//! hex           bytes as hexadecimal digits
//! codec         the one place that knows bincode: bounded, exact, versioned
//! wire          what travels between portal and node (ALPN `xacminh/1`) and between nodes
//! transparency  the leaf, its commitments and the sealed addendum; tree, checkpoint, receipt and who checks them
//! schema        the population database as we read it (SQL)
//! ```

mod bounds;
pub mod close;
pub mod codec;
pub mod hex;
pub mod identity;
pub mod schema;
pub mod transparency;
pub mod vocab;
pub mod wire;
