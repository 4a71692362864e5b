//! The receipt: `c2sp.org/tlog-proof@v1` with the leaf and its openings in `extra`.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64 of the disclosure>
//! index <position in the log>
//! <base64 of a hash of the inclusion proof, the leaf's sibling first> …
//! <empty line>
//! <the signed checkpoint, verbatim>
//! ```
//!
//! The format does not authenticate `extra`; the verifier does, by recomputing the leaf from it and nothing else. So
//! every byte of a receipt is bound, but for signature lines of keys that the policy does not know.

use std::fmt;

use super::{
    Hash, Opening, Salt,
    canonical::statements,
    checkpoint::{Checkpoint, CheckpointError},
    disclosure::{DISCLOSURE_BYTES_MAX, Disclosed, Disclosure, DisclosureError},
    encoding::{from_base64, from_decimal, hash_lines, put_hash_lines, to_base64},
    merkle::{PROOF_HASHES_MAX, ProofError, check_inclusion, leaf_hash},
    note::{NOTE_BYTES_MAX, Note, NoteError, Signature},
    policy::{Policy, PolicyError},
    verified::{Contradiction, Verified, contradiction},
};
use crate::vocab::{Claim, Outcome, PersonNumber};

/// The first line of every receipt.
pub const RECEIPT_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Largest receipt: the largest disclosure in base64, the longest proof and the largest checkpoint.
pub const RECEIPT_BYTES_MAX: usize =
    128 + DISCLOSURE_BYTES_MAX.div_ceil(3) * 4 + PROOF_HASHES_MAX * 45 + NOTE_BYTES_MAX;

/// A receipt as it was read: nothing of it is believed before [`Receipt::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    disclosure: Disclosure,
    index: u64,
    proof: Vec<Hash>,
    checkpoint: Note,
}

/// Why a receipt is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The text is not one of the format.
    #[error("malformed receipt")]
    Malformed,
    /// A part is longer than a packed receipt has room for.
    #[error("a part of the receipt is too long to be packed")]
    TooLarge,
    /// The checkpoint's note is malformed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note holds no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The policy does not accept the checkpoint.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The leaf is not at this place in the log.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The openings are not those of the leaf.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// The leaf contradicts what it commits to: whoever wrote it made a mistake, and it is proof of it.
    #[error("the leaf contradicts its own statements: {0}")]
    Contradiction(#[from] Contradiction),
}

impl Receipt {
    /// A receipt of a leaf at `index`, with the proof that it is in the tree of this checkpoint.
    ///
    /// # Errors
    /// [`ReceiptError`] when the parts do not belong together: it is then withheld, and the tree or the proof is wrong.
    /// Signatures are not checked here, for want of keys; whoever issues receipts verifies them with its own.
    pub fn make(disclosure: Disclosure, index: u64, proof: Vec<Hash>, checkpoint: Note) -> Result<Self, ReceiptError> {
        let receipt = Self { disclosure, index, proof, checkpoint };
        receipt.check_inclusion()?;
        receipt.check_disclosure()?;
        if receipt.encode()?.len() > RECEIPT_BYTES_MAX { Err(ReceiptError::Malformed) } else { Ok(receipt) }
    }

    /// The text of the receipt of a leaf at `index` with everything that it commits to: what [`Self::make`] and
    /// [`Self::encode`] come to, with each part checked and written once.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub fn issue(
        leaf: &[u8],
        subject: Option<(Salt, PersonNumber)>,
        openings: Vec<Opening>,
        index: u64,
        proof: Vec<Hash>,
        checkpoint: Note,
    ) -> Result<String, ReceiptError> {
        let (disclosure, extra) = Disclosure::written(leaf, subject, openings)?;
        let receipt = Self { disclosure, index, proof, checkpoint };
        receipt.check()?;
        let text = receipt.text(&extra);
        if text.len() > RECEIPT_BYTES_MAX { Err(ReceiptError::Malformed) } else { Ok(text) }
    }

    /// Reads a receipt. What is accepted is written again with the same bytes.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::Malformed);
        }
        let whole = str::from_utf8(bytes).map_err(|_| ReceiptError::Malformed)?;
        let (extra, index, proof, checkpoint) = split(whole).ok_or(ReceiptError::Malformed)?;
        let disclosure = Disclosure::decode(&extra)?;
        Ok(Self { disclosure, index, proof, checkpoint: Note::parse(checkpoint.as_bytes())? })
    }

    /// The bytes of the receipt.
    ///
    /// # Errors
    /// [`ReceiptError::Disclosure`] when something in it is longer than its bound, which no receipt read or made has.
    pub fn encode(&self) -> Result<String, ReceiptError> {
        Ok(self.text(&self.disclosure.encode()?))
    }

    fn text(&self, extra: &[u8]) -> String {
        let extra = to_base64(extra);
        let mut text = format!("{RECEIPT_HEADER}\nextra {extra}\nindex {}\n", self.index);
        put_hash_lines(&mut text, &self.proof);
        text.push_str(&self.checkpoint.to_string());
        text
    }

    /// Recomputes everything: openings, leaf, proof, signatures.
    ///
    /// # Errors
    /// [`ReceiptError`]: the first thing that is wrong.
    pub fn verify(&self, policy: &Policy) -> Result<Verified, ReceiptError> {
        // Hashes before signatures: a receipt that fails costs its reader least.
        self.check_inclusion()?;
        let disclosed = self.check_disclosure()?;
        let accepted = policy.accept(&self.checkpoint)?;
        Ok(Verified::new(disclosed, self.index, accepted))
    }

    /// Recomputes everything that needs no key: openings, leaf, proof. Whether anybody signed, this does not say.
    ///
    /// # Errors
    /// [`ReceiptError`]: the first thing that is wrong.
    pub fn check(&self) -> Result<(), ReceiptError> {
        self.check_inclusion()?;
        self.check_disclosure().map(drop)
    }

    /// Whether it shows of this person everything that this outcome of a question with these claims says, nothing else and
    /// nothing closed. That it holds and who signed it, [`Receipt::verify`] says, and is asked first.
    #[must_use]
    pub fn says(&self, number: PersonNumber, outcome: &Outcome, claims: &[Claim]) -> bool {
        let fits = match outcome {
            Outcome::Confirmed { verdicts, .. } => {
                verdicts.iter().map(|verdict| verdict.kind).eq(claims.iter().map(Claim::kind))
            }
            Outcome::NotConfirmed | Outcome::Undetermined(_) | Outcome::Refused(_) => true,
        };
        fits && self.disclosure.opens(number, statements(outcome, claims))
    }

    /// The names that [`Receipt::redact`] asks about: `subject` if the number is opened, then every opened statement.
    #[must_use]
    pub fn opened(&self) -> Vec<String> {
        self.disclosure.names()
    }

    /// How many statements are closed already.
    #[must_use]
    pub fn closed(&self) -> usize {
        self.disclosure.closed()
    }

    /// The same receipt with less in it: the person's number stays if `keep("subject")`, a statement if `keep` of its
    /// name (`outcome`, `claim/0/age_at_least`, `attribute/full_name`). It verifies as the whole one did.
    #[must_use]
    pub fn redact(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self { disclosure: self.disclosure.redact(keep), ..self.clone() }
    }

    /// The same receipt with cosignatures added to its checkpoint.
    ///
    /// # Errors
    /// [`NoteError::TooLarge`].
    pub fn with_signatures(&self, more: impl IntoIterator<Item = Signature>) -> Result<Self, NoteError> {
        Ok(Self { checkpoint: self.checkpoint.clone().with(more)?, ..self.clone() })
    }

    /// The same leaf and openings, proved against a later checkpoint of the same log: one that was cosigned since.
    ///
    /// # Errors
    /// [`ReceiptError`] when the proof does not lead to that checkpoint. Whether the two checkpoints are of one log is
    /// for the caller to see: by their origin, their signatures and a consistency proof.
    pub fn upgrade(&self, proof: Vec<Hash>, checkpoint: Note) -> Result<Self, ReceiptError> {
        Self::make(self.disclosure.clone(), self.index, proof, checkpoint)
    }

    /// Where the leaf is said to stand.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The leaf's bytes.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        self.disclosure.leaf()
    }

    /// The checkpoint that it is proved against, not yet believed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Note {
        &self.checkpoint
    }

    pub(super) const fn disclosure(&self) -> &Disclosure {
        &self.disclosure
    }

    pub(super) fn proof(&self) -> &[Hash] {
        &self.proof
    }

    fn check_inclusion(&self) -> Result<(), ReceiptError> {
        let checkpoint = Checkpoint::parse(self.checkpoint.text())?;
        let hash = leaf_hash(self.disclosure.leaf());
        Ok(check_inclusion(&hash, self.index, checkpoint.size(), &self.proof, checkpoint.root())?)
    }

    fn check_disclosure(&self) -> Result<Disclosed, ReceiptError> {
        let disclosed = self.disclosure.check()?;
        match contradiction(&disclosed) {
            None => Ok(disclosed),
            Some(contradiction) => Err(contradiction.into()),
        }
    }
}

/// The parts of a receipt's text: extra, index, proof, checkpoint.
fn split(whole: &str) -> Option<(Vec<u8>, u64, Vec<Hash>, &str)> {
    let rest = whole.strip_prefix(RECEIPT_HEADER)?.strip_prefix('\n')?;
    let (extra, rest) = rest.strip_prefix("extra ")?.split_once('\n')?;
    let (index, rest) = rest.strip_prefix("index ")?.split_once('\n')?;
    let (proof, checkpoint) = hash_lines(rest, PROOF_HASHES_MAX)?;
    Some((from_base64(extra)?, from_decimal(index)?, proof, checkpoint))
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({:?} at {} in {:?})", self.disclosure, self.index, self.checkpoint.text())
    }
}
