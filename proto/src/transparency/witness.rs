//! C2SP tlog-witness: what a log sends to `POST <prefix>/add-checkpoint`, what it is answered, and the rule behind it.
//!
//! ```text
//! old <size>
//! <base64 of a hash of the consistency proof> …
//! <empty line>
//! <the signed checkpoint>
//! ```
//!
//! The rule is also our own signer's: it signs nothing that a witness would refuse.

use std::fmt;

use super::{
    Hash,
    checkpoint::Checkpoint,
    encoding::{from_decimal, hash_lines, put_hash_lines},
    merkle::{check_consistency, empty_root},
    note::{NOTE_BYTES_MAX, Note, NoteError, VerifierKey},
};

/// The last element of the path to post to.
pub const ADD_CHECKPOINT: &str = "add-checkpoint";

/// Content type of the answer 409.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// "The client MUST NOT send more than 63 consistency proof lines."
pub const CONSISTENCY_LINES_MAX: usize = 63;

/// Largest request body.
pub const REQUEST_BYTES_MAX: usize = 32 + CONSISTENCY_LINES_MAX * 45 + 1 + NOTE_BYTES_MAX;

/// A request to cosign a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size the witness is thought to have cosigned last; 0 for none.
    pub old: u64,
    /// The consistency proof from that size.
    pub proof: Vec<Hash>,
    /// The checkpoint, signed by its log.
    pub checkpoint: Note,
}

/// The newest checkpoint somebody has put a name under: what a witness keeps for each origin, on disk, before it
/// answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Leaves in the tree.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Why a body is not a request, or not an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than a request may have.
    #[error("the body is too large")]
    TooLarge,
    /// Not the lines of a request.
    #[error("malformed body")]
    Malformed,
    /// The checkpoint's note is malformed.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// Why a witness refuses, with the HTTP status of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is none, or the old size is beyond the new one.
    #[error("bad request")]
    BadRequest,
    /// No key of the log signed, or one did so wrongly.
    #[error("the log's signature is missing or wrong")]
    Forbidden,
    /// The origin is not one the witness watches.
    #[error("unknown origin")]
    NotFound,
    /// The witness has cosigned another size than the client thinks, or another root of this size.
    #[error("the newest cosigned checkpoint has {size} leaves")]
    Conflict {
        /// The size it has cosigned last.
        size: u64,
    },
    /// The consistency proof does not hold: the log may have forked.
    #[error("the consistency proof does not hold")]
    Unprocessable,
}

impl AddCheckpoint {
    /// Reads a request body. What is accepted is written again with the same bytes.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(BodyError::TooLarge);
        }
        let text = str::from_utf8(body).map_err(|_| BodyError::Malformed)?;
        let (old, rest) = text.strip_prefix("old ").and_then(|it| it.split_once('\n')).ok_or(BodyError::Malformed)?;
        let old = from_decimal(old).ok_or(BodyError::Malformed)?;
        let (proof, checkpoint) = hash_lines(rest, CONSISTENCY_LINES_MAX).ok_or(BodyError::Malformed)?;
        Ok(Self { old, proof, checkpoint: Note::parse(checkpoint.as_bytes())? })
    }

    /// Judges the request by what the witness trusts and has cosigned: the next head, to be persisted **before** any
    /// cosignature leaves, or the refusal to answer with. Reading `last` and writing the next must be one atomic step.
    ///
    /// `keys` are those of all logs it watches; `last` gives the newest head of an origin.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(
        &self,
        keys: &[VerifierKey],
        last: impl FnOnce(&str) -> Option<Head>,
    ) -> Result<(Checkpoint, Head), Refusal> {
        let checkpoint = Checkpoint::parse(self.checkpoint.text()).map_err(|_| Refusal::BadRequest)?;
        let of_log: Vec<&VerifierKey> = keys.iter().filter(|key| key.name() == checkpoint.origin()).collect();
        if of_log.is_empty() {
            return Err(Refusal::NotFound);
        }
        self.checkpoint.open(of_log).map_err(|_| Refusal::Forbidden)?;
        if self.old > checkpoint.size() {
            return Err(Refusal::BadRequest);
        }
        let last = last(checkpoint.origin()).unwrap_or_default();
        if last.size != self.old {
            return Err(Refusal::Conflict { size: last.size });
        }
        let next = Head { size: checkpoint.size(), root: *checkpoint.root() };
        last.advance(next, &self.proof)?;
        Ok((checkpoint, next))
    }
}

impl Head {
    /// The rule of every signer: `next` may follow this head only if it is the same tree, grown or not.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] for a smaller tree or another root of the same size, [`Refusal::Unprocessable`] for a proof
    /// that does not hold.
    pub fn advance(&self, next: Self, proof: &[Hash]) -> Result<(), Refusal> {
        if next.size < self.size || (next.size == self.size && next.root != self.root) {
            return Err(Refusal::Conflict { size: self.size });
        }
        check_consistency((self.size, &self.root), (next.size, &next.root), proof).map_err(|_| Refusal::Unprocessable)
    }
}

/// The head of whoever has signed nothing yet: the empty tree.
impl Default for Head {
    fn default() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

impl Refusal {
    /// The HTTP status to answer with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict { .. } => 409,
            Self::Unprocessable => 422,
        }
    }

    /// The body to answer with, of type [`SIZE_CONTENT_TYPE`] for a conflict and plain text otherwise.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Conflict { size } => format!("{size}\n"),
            other => format!("{other}\n"),
        }
    }
}

/// The size in the body of an answer 409.
///
/// # Errors
/// [`BodyError::Malformed`].
pub fn parse_size(body: &[u8]) -> Result<u64, BodyError> {
    let text = str::from_utf8(body).map_err(|_| BodyError::Malformed)?;
    text.strip_suffix('\n').and_then(from_decimal).ok_or(BodyError::Malformed)
}

/// The request's body.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = String::new();
        put_hash_lines(&mut lines, &self.proof);
        write!(f, "old {}\n{lines}{}", self.old, self.checkpoint)
    }
}
