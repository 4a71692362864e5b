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
//! Who asks a witness finds its half of the protocol in [`Submission`].

mod submission;

use std::fmt;

use super::{
    Hash,
    checkpoint::Checkpoint,
    encoding::{from_decimal, hash_lines, put_hash_lines},
    merkle::{check_consistency, empty_root},
    note::{NOTE_BYTES_MAX, Note, NoteError, VerifierKey},
};

pub use submission::{ANSWER_BYTES_MAX, Answered, Cosigned, Submission, SubmissionError, url};

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

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;
    use crate::transparency::{
        merkle::{Frontier, HashReader, Subtree, leaf_hash, prove_consistency, root_of_leaf_hashes},
        note::KeyKind,
    };

    const ORIGIN: &str = "log.example/1";

    struct Leaves(Vec<Hash>);

    impl HashReader for Leaves {
        type Error = ();
        fn hash(&mut self, subtree: Subtree) -> Result<Hash, ()> {
            let from = usize::try_from(subtree.index << subtree.level).expect("small");
            Ok(root_of_leaf_hashes(&self.0[from..from + (1 << subtree.level)]))
        }
    }

    fn key(seed: u8) -> (VerifierKey, SigningKey) {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        (VerifierKey::new(ORIGIN, KeyKind::Ed25519, secret.verifying_key().as_bytes()).expect("a key"), secret)
    }

    fn leaves() -> Leaves {
        Leaves((0..100_u64).map(|index| leaf_hash(&index.to_be_bytes())).collect())
    }

    fn head(size: u64) -> Head {
        let frontier = Frontier::read(&mut leaves(), size).expect("small");
        Head { size, root: frontier.root() }
    }

    fn signed(head: Head, seed: u8) -> Note {
        let (key, secret) = key(seed);
        let checkpoint = Checkpoint::new(ORIGIN, head.size, head.root).expect("a checkpoint");
        checkpoint.sign(&key, |message| secret.sign(message).to_bytes()).expect("a log's key")
    }

    fn request(old: u64, new: u64) -> AddCheckpoint {
        let proof = prove_consistency(&mut leaves(), old, new).expect("in order");
        AddCheckpoint { old, proof, checkpoint: signed(head(new), 1) }
    }

    fn judged(request: &AddCheckpoint, last: Option<Head>) -> Result<Head, Refusal> {
        request.judge(&[key(1).0], |origin| last.filter(|_| origin == ORIGIN)).map(|(_, head)| head)
    }

    #[test]
    fn a_log_that_grows_is_cosigned() {
        assert_eq!(judged(&request(0, 7), None), Ok(head(7)));
        assert_eq!(judged(&request(7, 7), Some(head(7))), Ok(head(7)));
        assert_eq!(judged(&request(7, 100), Some(head(7))), Ok(head(100)));
        assert_eq!(judged(&request(0, 0), None), Ok(Head::default()));
    }

    #[test]
    fn each_refusal_has_its_status() {
        let sound = request(7, 100);
        let status = |request: &AddCheckpoint, last| judged(request, last).map_err(|refusal| refusal.status());
        assert_eq!(sound.judge(&[], |_| Some(head(7))), Err(Refusal::NotFound));
        assert_eq!(Refusal::NotFound.status(), 404);
        let by_stranger = AddCheckpoint { checkpoint: signed(head(100), 2), ..sound.clone() };
        assert_eq!(status(&by_stranger, Some(head(7))), Err(403));
        assert_eq!(status(&AddCheckpoint { old: 101, ..sound.clone() }, Some(head(7))), Err(400));
        for last in [None, Some(head(8)), Some(head(100))] {
            assert_eq!(status(&sound, last), Err(409));
        }
        assert_eq!(judged(&sound, Some(head(8))).map_err(|refusal| refusal.body()), Err("8\n".to_owned()));
        assert_eq!(parse_size(b"8\n"), Ok(8));
        assert_eq!(status(&AddCheckpoint { proof: vec![], ..sound.clone() }, Some(head(7))), Err(422));
        let forked = Head { root: [9; 32], ..head(7) };
        assert_eq!(status(&sound, Some(forked)), Err(422));
        assert_eq!(status(&request(7, 7), Some(forked)), Err(409), "the same size with another root");
        let no_checkpoint = Note::new("hello\n", sound.checkpoint.signatures().to_vec()).expect("a note");
        assert_eq!(status(&AddCheckpoint { checkpoint: no_checkpoint, ..sound }, Some(head(7))), Err(400));
    }

    #[test]
    fn a_signer_never_goes_back() {
        assert_eq!(head(7).advance(head(6), &[]), Err(Refusal::Conflict { size: 7 }));
        assert_eq!(Head::default().advance(head(6), &[]), Ok(()));
    }

    #[test]
    fn bodies_are_read_as_written() {
        for request in [request(0, 7), request(7, 100)] {
            assert_eq!(AddCheckpoint::parse(request.to_string().as_bytes()), Ok(request));
        }
        let body = request(7, 100).to_string();
        for bad in [
            body.replace("old 7", "old 07"),
            body.replace("old 7", "old  7"),
            body.replace("old 7", "Old 7"),
            body.replacen("\n\n", "\n", 1),
            body.replacen('\n', "\r\n", 1),
            body.trim_end().to_owned(),
            String::new(),
        ] {
            assert!(AddCheckpoint::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let line = body.lines().nth(1).expect("a proof line").to_owned() + "\n";
        let too_many = format!("old 7\n{}\n{}", line.repeat(CONSISTENCY_LINES_MAX + 1), signed(head(100), 1));
        assert_eq!(AddCheckpoint::parse(too_many.as_bytes()), Err(BodyError::Malformed));
        for bad in [&b""[..], b"8", b"08\n", b"8\n\n", b"\xff\n"] {
            assert_eq!(parse_size(bad), Err(BodyError::Malformed));
        }
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let body = "old 20852014\n\
                    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
                    jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
                    5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
                    /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
                    \n\
                    example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
                    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let request = AddCheckpoint::parse(body.as_bytes()).expect("a request");
        assert_eq!((request.old, request.proof.len()), (20_852_014, 4));
        assert_eq!(request.to_string(), body);
    }
}
