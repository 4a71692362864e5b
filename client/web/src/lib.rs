//! Logs and witnesses over HTTP(S): the little that the node and the command line both reach out with.
//!
//! ```text
//! http      one request, one answer, bounded in bytes and time
//! log       a log's files (C2SP tlog-tiles): a directory, or a prefix on a web server
//! submit    a checkpoint to a witness (C2SP tlog-witness), until it cosigns or says no
//! ```
//!
//! Nothing that comes from outside is believed here: notes, proofs and cosignatures are checked in `xacminh_proto`.

mod http;
mod log;
mod submit;

pub use http::{Answer, Http, HttpError};
pub use log::{LogError, LogFiles, Tiles};
pub use submit::{SubmitError, submit};
