//! The asking half of tlog-witness: what to send to a witness, and what its answer is worth.
//!
//! Nothing here reaches the witness; whoever can carries bytes there and back:
//!
//! ```text
//! Submission::new ─▶ sizes ─▶ request(proof) ─▶ … ─▶ answered(status, body) ─▶ Cosigned, or again, or an error
//! ```

use super::{ADD_CHECKPOINT, AddCheckpoint, CONSISTENCY_LINES_MAX, parse_size};
use crate::transparency::{
    Hash,
    checkpoint::{Checkpoint, CheckpointError},
    note::{KeyKind, NOTE_BYTES_MAX, Note, Signature, VerifierKey},
};

/// Requests that one submission may take: one to learn the witness's size, one with the proof from there, and the rest
/// for another submitter who got in between.
const REQUESTS_MAX: u8 = 5;

/// Largest answer worth reading.
pub const ANSWER_BYTES_MAX: usize = NOTE_BYTES_MAX;

/// A checkpoint on its way to one witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    note: Note,
    size: u64,
    /// The witness's keys.
    keys: Vec<VerifierKey>,
    /// The size it is thought to have cosigned last.
    old: u64,
    requests: u8,
}

/// What a witness's answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It cosigned.
    Cosigned(Cosigned),
    /// It has cosigned another size last than was thought: ask again, with the proof from there.
    Again(Submission),
}

/// Cosignatures of the witness that was asked, on the checkpoint that was sent: only [`Submission::answered`] makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    signatures: Vec<Signature>,
    time_s: u64,
}

/// Why there is no cosignature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    // The caller's.
    /// The note holds no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No key of the witness is known, or one is not a cosigner's.
    #[error("a witness is known by one or more keys of kind 0x04")]
    Keys,
    /// More hashes than a request may carry: no tree has such a proof.
    #[error("the consistency proof is too long")]
    Proof,
    /// The witness has cosigned a larger tree already: submit a newer checkpoint.
    #[error("the witness has cosigned {size} leaves already")]
    Behind {
        /// Leaves it has cosigned.
        size: u64,
    },

    // The log's, or the witness's: somebody has to look into it.
    /// The witness has cosigned another tree of the same size. Whoever is right, there are two logs under one name.
    #[error("the witness has cosigned another root of {size} leaves: the log has forked, or the witness is wrong")]
    Forked {
        /// Leaves of both.
        size: u64,
    },
    /// The witness says no: 403 for a log's key it does not know, 404 for its origin, 422 for a proof that does not
    /// hold from the tree it knows.
    #[error("the witness refuses with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },

    // The witness's.
    /// Its answer is not one of the protocol.
    #[error("the witness's answer is malformed")]
    Malformed,
    /// It named another size each time it was asked.
    #[error("the witness named another size {REQUESTS_MAX} times")]
    Restless,
    /// Its answer has no cosignature of its own that holds.
    #[error("the witness's answer holds no valid cosignature of its own")]
    Cosignature,
}

impl Submission {
    /// A checkpoint for a witness with these keys, which is thought to have cosigned `last` leaves; 0 if nobody knows.
    ///
    /// # Errors
    /// [`SubmissionError::Checkpoint`] and [`SubmissionError::Keys`].
    pub fn new(checkpoint: Note, keys: Vec<VerifierKey>, last: u64) -> Result<Self, SubmissionError> {
        let size = Checkpoint::parse(checkpoint.text())?.size();
        if keys.is_empty() || keys.iter().any(|key| key.kind() != KeyKind::CosignatureV1) {
            return Err(SubmissionError::Keys);
        }
        // A witness that is ahead says so itself.
        Ok(Self { note: checkpoint, size, keys, old: last.min(size), requests: 0 })
    }

    /// The sizes to prove consistency between: the one thought cosigned, and the checkpoint's.
    #[must_use]
    pub const fn sizes(&self) -> (u64, u64) {
        (self.old, self.size)
    }

    /// The request with the proof between [`Submission::sizes`], to be posted to [`url`].
    ///
    /// # Errors
    /// [`SubmissionError::Proof`].
    pub fn request(&self, proof: Vec<Hash>) -> Result<AddCheckpoint, SubmissionError> {
        if proof.len() > CONSISTENCY_LINES_MAX {
            return Err(SubmissionError::Proof);
        }
        Ok(AddCheckpoint { old: self.old, proof, checkpoint: self.note.clone() })
    }

    /// Reads the answer to [`Submission::request`]. Cosignatures are believed only if they hold under the witness's keys.
    ///
    /// # Errors
    /// [`SubmissionError`].
    pub fn answered(self, status: u16, body: &[u8]) -> Result<Answered, SubmissionError> {
        match status {
            200 => self.cosigned(body).map(Answered::Cosigned),
            409 => self.conflict(body).map(Answered::Again),
            status => Err(SubmissionError::Refused { status }),
        }
    }

    fn cosigned(&self, body: &[u8]) -> Result<Cosigned, SubmissionError> {
        let lines = str::from_utf8(body).map_err(|_| SubmissionError::Malformed)?;
        let mut signatures = Signature::parse_lines(lines).map_err(|_| SubmissionError::Malformed)?;
        // "The client MUST ignore any cosignatures from unknown keys."
        signatures.retain(|signature| self.keys.iter().any(|key| signature.is_by(key)));
        let note = Note::new(self.note.text(), signatures.clone()).map_err(|_| SubmissionError::Cosignature)?;
        let opened = note.open(&self.keys).map_err(|_| SubmissionError::Cosignature)?;
        let time_s = opened.iter().filter_map(|it| it.time_s).max().ok_or(SubmissionError::Cosignature)?;
        Ok(Cosigned { signatures, time_s })
    }

    fn conflict(self, body: &[u8]) -> Result<Self, SubmissionError> {
        let size = parse_size(body).map_err(|_| SubmissionError::Malformed)?;
        let requests = self.requests + 1;
        if size > self.size {
            Err(SubmissionError::Behind { size })
        } else if size == self.old {
            // "If the old size matches the checkpoint size, the witness MUST check that the root hashes are also
            // identical. If they don't match, the witness MUST respond with a 409." It has no other reason.
            Err(if size == self.size { SubmissionError::Forked { size } } else { SubmissionError::Malformed })
        } else if requests == REQUESTS_MAX {
            Err(SubmissionError::Restless)
        } else {
            Ok(Self { old: size, requests, ..self })
        }
    }
}

impl Cosigned {
    /// The lines to add to the checkpoint.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Until when the witness stands by it, Unix seconds: the latest of its lines.
    #[must_use]
    pub const fn time_s(&self) -> u64 {
        self.time_s
    }
}

/// Where to post a request, given the witness's submission prefix.
#[must_use]
pub fn url(prefix: &str) -> String {
    format!("{}/{ADD_CHECKPOINT}", prefix.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;
    use crate::transparency::merkle::empty_root;

    const TIME_S: u64 = 1_803_859_210;

    fn pair(name: &str, kind: KeyKind, seed: u8) -> (VerifierKey, SigningKey) {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        (VerifierKey::new(name, kind, secret.verifying_key().as_bytes()).expect("a key"), secret)
    }

    fn witness(seed: u8) -> (VerifierKey, SigningKey) {
        pair("witness.example/w1", KeyKind::CosignatureV1, seed)
    }

    fn note(size: u64) -> Note {
        let (key, secret) = pair("log.example/1", KeyKind::Ed25519, 1);
        let root = if size == 0 { empty_root() } else { [7; 32] };
        let checkpoint = Checkpoint::new("log.example/1", size, root).expect("a checkpoint");
        checkpoint.sign(&key, |message| secret.sign(message).to_bytes()).expect("a log's key")
    }

    fn submission(last: u64) -> Submission {
        Submission::new(note(100), vec![witness(2).0], last).expect("a checkpoint and a cosigner's key")
    }

    fn line(size: u64, seed: u8) -> String {
        let (key, secret) = witness(seed);
        let by = |message: &[u8]| secret.sign(message).to_bytes();
        Signature::cosign(note(size).text(), &key, TIME_S, by).expect("a cosigner's key").to_string()
    }

    #[test]
    fn its_own_cosignature_is_taken_and_others_are_left_out() {
        let both = line(100, 3) + &line(100, 2);
        let Ok(Answered::Cosigned(cosigned)) = submission(7).answered(200, both.as_bytes()) else { panic!("{both}") };
        assert_eq!(cosigned.time_s(), TIME_S);
        assert_eq!(cosigned.signatures().iter().map(Signature::to_string).collect::<String>(), line(100, 2));
        let whole = note(100).with(cosigned.signatures().to_vec()).expect("two lines");
        assert!(whole.open([&witness(2).0]).is_ok());
    }

    #[test]
    fn an_answer_without_a_valid_cosignature_is_refused() {
        let spoiled = line(100, 2).replace("AAAA", "AAAB");
        assert_ne!(spoiled, line(100, 2));
        for (body, error) in [
            (line(100, 3), SubmissionError::Cosignature),
            (line(99, 2), SubmissionError::Cosignature),
            (line(100, 2) + &line(99, 2), SubmissionError::Cosignature),
            (spoiled, SubmissionError::Cosignature),
            (line(100, 2).trim_end().to_owned(), SubmissionError::Malformed),
            (format!("{}\n", line(100, 2)), SubmissionError::Malformed),
            (String::new(), SubmissionError::Malformed),
        ] {
            assert_eq!(submission(7).answered(200, body.as_bytes()), Err(error), "{body}");
        }
        assert_eq!(submission(7).answered(200, b"\xff\n"), Err(SubmissionError::Malformed));
        for status in [204, 302, 400, 403, 404, 422, 500] {
            let refused = Err(SubmissionError::Refused { status });
            assert_eq!(submission(7).answered(status, line(100, 2).as_bytes()), refused);
        }
    }

    #[test]
    fn a_witness_that_is_elsewhere_is_asked_from_there() {
        assert_eq!(submission(0).sizes(), (0, 100));
        assert_eq!(submission(1_000).sizes(), (100, 100), "it will say itself that it is ahead");
        let Ok(Answered::Again(again)) = submission(0).answered(409, b"42\n") else { panic!("a conflict") };
        assert_eq!(again.sizes(), (42, 100));
        assert_eq!(again.request(vec![[1; 32]]).map(|it| (it.old, it.proof.len())), Ok((42, 1)));
        assert_eq!(again.request(vec![[1; 32]; 64]), Err(SubmissionError::Proof));
        assert_eq!(again.clone().answered(409, b"101\n"), Err(SubmissionError::Behind { size: 101 }));
        assert_eq!(again.clone().answered(409, b"42\n"), Err(SubmissionError::Malformed));
        assert_eq!(again.answered(409, b"forty\n"), Err(SubmissionError::Malformed));
        assert_eq!(submission(100).answered(409, b"100\n"), Err(SubmissionError::Forked { size: 100 }));
    }

    #[test]
    fn a_restless_witness_is_left_alone() {
        let mut asked = submission(0);
        for size in 1..u64::from(REQUESTS_MAX) {
            let Ok(Answered::Again(again)) = asked.answered(409, format!("{size}\n").as_bytes()) else {
                panic!("{size}")
            };
            asked = again;
        }
        assert_eq!(asked.answered(409, b"50\n"), Err(SubmissionError::Restless));
    }

    #[test]
    fn a_witness_has_keys_that_cosign() {
        let log_key = pair("log.example/1", KeyKind::Ed25519, 1).0;
        for keys in [vec![], vec![witness(2).0, log_key]] {
            assert_eq!(Submission::new(note(100), keys, 0), Err(SubmissionError::Keys));
        }
        let hello = Note::new("hello\n", note(1).signatures().to_vec()).expect("a note");
        assert!(matches!(Submission::new(hello, vec![witness(2).0], 0), Err(SubmissionError::Checkpoint(_))));
        assert_eq!(url("https://w.example/a/"), "https://w.example/a/add-checkpoint");
        assert_eq!(url("https://w.example"), "https://w.example/add-checkpoint");
    }
}
