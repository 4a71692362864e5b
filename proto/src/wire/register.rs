//! The register in force, read in parts: a document may be larger than a reply.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text in one part, in bytes: half a reply.
pub const REGISTER_PART_BYTES_MAX: usize = 128 * 1024;

/// Which part of the register document to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterPage {
    /// The revision that the first part gave: with another one in force meanwhile the parts would not belong together,
    /// and the node says so. 0 for the one in force.
    pub revision: u64,
    /// The byte to go on from, as the parts before came to.
    pub from: u32,
}

/// A part of the register document.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterPart {
    /// The revision in force.
    pub revision: u64,
    /// Bytes of the whole document.
    pub bytes: u32,
    /// The byte this part begins at.
    pub from: u32,
    /// The part, at most [`REGISTER_PART_BYTES_MAX`]; empty at the end.
    pub text: String,
}

/// A register names officials.
impl fmt::Debug for RegisterPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, bytes, from, text } = self;
        write!(f, "RegisterPart(revision {revision}, {} of {bytes} bytes from {from})", text.len())
    }
}
