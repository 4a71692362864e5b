//! Client of Xác Minh: the library behind the command line `xacminh`.
//!
//! ```text
//! client      asks one question and finds a live node for it: retries, hedges, deadline
//! session     many questions over one stream, answered in any order
//! connection  QUIC and TLS: who the node must be, frames with a bound; the only room that names quinn
//! judge       whether a reply fits its request
//! roster      which node to ask next
//! error       what can go wrong, by whose fault
//! cli         the verbs of `xacminh`
//! witness     the program `xacminh-witness`, which shares nothing with the rest but the formats
//! ```

pub mod cert;
pub mod cli;
mod client;
pub mod clock;
mod config;
mod connection;
mod error;
mod judge;
mod patience;
pub mod population;
mod roster;
mod session;
pub mod witness;

pub use client::{Client, fresh_request_id};
pub use config::ClientConfig;
pub use connection::{CertificateError, ServerRefusal};
pub use error::{Breach, ClientError};
pub use patience::Patience;
pub use session::{IN_FLIGHT_MAX, Session};
