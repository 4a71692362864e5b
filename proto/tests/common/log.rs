//! A log made of synthetic entries, with keys whose secrets are in this file.

use std::{collections::HashMap, convert::Infallible};

use ed25519_dalek::{Signer, SigningKey};
use xacminh_proto::{
    transparency::{
        Checkpoint, Disclosure, Hash, Leaf, LeafBytes, LeafKind, LeafVerdict, Opening, Receipt, Salt, attributes_root,
        merkle::{Frontier, HashReader, Subtree, leaf_hash, prove_inclusion},
        note::{KeyKind, Note, Signature, VerifierKey},
        statements, subject_commitment,
    },
    vocab::PersonNumber,
};

/// The log's name.
pub(crate) const ORIGIN: &str = "xacminh.example/da-nang/2027";

/// Where the receipt's leaf stands.
pub(crate) const POSITION: u64 = 41;

/// Leaves when the receipt's checkpoint was signed.
pub(crate) const SIZE: u64 = 300;

/// When witnesses cosign, Unix seconds.
pub(crate) const COSIGNED_S: u64 = 1_803_859_210;

/// A key with its secret.
pub(crate) struct Key {
    pub(crate) public: VerifierKey,
    secret: SigningKey,
}

/// Everything a log remembers.
pub(crate) struct Log {
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) frontier: Frontier,
    pub(crate) hashes: HashMap<Subtree, Hash>,
}

impl Key {
    pub(crate) fn new(name: &str, kind: KeyKind, seed: u8) -> Self {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        let public = VerifierKey::new(name, kind, secret.verifying_key().as_bytes()).expect("a key");
        Self { public, secret }
    }

    pub(crate) fn signature(&self, text: &str) -> Signature {
        let by = |message: &[u8]| self.secret.sign(message).to_bytes();
        match self.public.kind() {
            KeyKind::Ed25519 => Signature::sign(text, &self.public, by).expect("a sound text"),
            KeyKind::CosignatureV1 => Signature::cosign(text, &self.public, COSIGNED_S, by).expect("a sound text"),
        }
    }
}

pub(crate) fn log_key() -> Key {
    Key::new(ORIGIN, KeyKind::Ed25519, 1)
}

pub(crate) fn witness_key(number: u8) -> Key {
    Key::new(&format!("witness.example/w{number}"), KeyKind::CosignatureV1, 100 + number)
}

/// A policy that wants two of three witnesses.
pub(crate) fn policy_file() -> String {
    let mut file = format!("# Synthetic.\nlog {}\n", log_key().public);
    for number in 1..=3 {
        file.push_str(&format!("witness W{number} {}\n", witness_key(number).public));
    }
    file + "group W 2 W1 W2 W3\nquorum W\n"
}

impl Log {
    /// A log of this many entries, the receipt's leaf among them.
    pub(crate) fn new(size: u64) -> Self {
        Self::with(size, |index| (index == POSITION).then(|| disclosure().leaf().to_vec()))
    }

    /// A log of this many entries, some of them given.
    pub(crate) fn with(size: u64, given: impl Fn(u64) -> Option<Vec<u8>>) -> Self {
        let mut log = Self { entries: Vec::new(), frontier: Frontier::new(), hashes: HashMap::new() };
        for index in 0..size {
            let other = || Leaf { time_ms: index, ..super::leaf() }.encode().to_vec();
            let entry = given(index).unwrap_or_else(other);
            let hashes = &mut log.hashes;
            log.frontier.append_with(leaf_hash(&entry), |subtree, hash| {
                hashes.insert(subtree, *hash);
            });
            log.entries.push(entry);
        }
        log
    }

    /// The checkpoint of this log, signed by it and by so many witnesses.
    pub(crate) fn checkpoint(&self, witnesses: u8) -> Note {
        let note = self.checkpoint_as(&log_key());
        let cosignatures: Vec<_> = (1..=witnesses).map(|number| witness_key(number).signature(note.text())).collect();
        note.with(cosignatures).expect("a few signatures")
    }

    /// The checkpoint of this log under the name of a key, signed by it.
    pub(crate) fn checkpoint_as(&self, key: &Key) -> Note {
        let origin = key.public.name();
        let checkpoint = Checkpoint::new(origin, self.frontier.size(), self.frontier.root()).expect("a checkpoint");
        checkpoint.sign(&key.public, |message| key.secret.sign(message).to_bytes()).expect("a log's key")
    }

    /// The receipt of the leaf at [`POSITION`].
    pub(crate) fn receipt(&self, witnesses: u8) -> Receipt {
        let proof = prove_inclusion(&mut &*self, POSITION, self.frontier.size()).expect("within the tree");
        Receipt::make(disclosure(), POSITION, proof, self.checkpoint(witnesses)).expect("a receipt")
    }
}

impl HashReader for &Log {
    type Error = Infallible;
    fn hash(&mut self, subtree: Subtree) -> Result<Hash, Infallible> {
        Ok(*self.hashes.get(&subtree).expect("a complete subtree of this log"))
    }
}

/// Everything that can be shown of the leaf at [`POSITION`].
pub(crate) fn disclosure() -> Disclosure {
    let (leaf, subject, openings) = parts();
    Disclosure::new(&leaf, Some(subject), openings).expect("openings of this leaf")
}

/// The leaf at [`POSITION`], whom it is about, and what it commits to.
pub(crate) fn parts() -> (LeafBytes, (Salt, PersonNumber), Vec<Opening>) {
    let (addendum, openings) = (super::addendum(), openings());
    let number = PersonNumber::parse(&addendum.number).expect("a number");
    (answered_leaf(&openings).encode(), (addendum.subject_salt, number), openings)
}

/// Openings of everything [`super::confirmed`] says.
pub(crate) fn openings() -> Vec<Opening> {
    let statements = statements(&super::confirmed(), &super::claims());
    let opening = |((name, value), salt): ((String, Vec<u8>), &_)| Opening { name, salt: *salt, value };
    statements.into_iter().zip(&super::addendum().salts).map(opening).collect()
}

/// A leaf that commits to these openings and says that everything was asked.
pub(crate) fn answered_leaf(openings: &[Opening]) -> Leaf {
    let addendum = super::addendum();
    let mut commitments: Vec<Hash> = openings.iter().map(Opening::commitment).collect();
    Leaf {
        kind: LeafKind::Disclosed,
        fields: 0x0001_ffff_001f_ffff,
        verdict: LeafVerdict::NoMatch,
        subject: subject_commitment(&addendum.subject_salt, addendum.number.as_bytes()),
        attributes_root: attributes_root(&mut commitments),
        ..super::leaf()
    }
}
