//! A small log with keys of its own, and its files as tlog-tiles lays them out.

use std::{collections::HashMap, convert::Infallible, fs, path::Path};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use xacminh_proto::transparency::{
    Checkpoint, Hash,
    merkle::{Frontier, HashReader, Subtree, leaf_hash, prove_consistency},
    note::{KeyKind, Note, VerifierKey},
    tiles::{CHECKPOINT_PATH, Layer, encode_bundle, encode_hashes, tiles_of},
    witness::AddCheckpoint,
};

pub(crate) const ORIGIN: &str = "log.example/da-nang/2027";

/// A log that remembers everything.
pub(crate) struct Log {
    pub(crate) entries: Vec<Vec<u8>>,
    hashes: HashMap<Subtree, Hash>,
    roots: Vec<Hash>,
    pair: Ed25519KeyPair,
    pub(crate) key: VerifierKey,
}

impl Log {
    /// A log of this many entries; `fork` tells histories apart from entry 5 on.
    pub(crate) fn new(size: u64, fork: u8) -> Self {
        let entry = |index: u64| [&[if index < 5 { 0 } else { fork }], index.to_be_bytes().as_slice()].concat();
        Self::of((0..size).map(entry).collect())
    }

    pub(crate) fn of(entries: Vec<Vec<u8>>) -> Self {
        Self::named(ORIGIN, entries)
    }

    /// The log of an origin.
    pub(crate) fn named(origin: &str, entries: Vec<Vec<u8>>) -> Self {
        let (pair, key) = key_pair(origin, KeyKind::Ed25519, 1);
        let (mut frontier, mut hashes) = (Frontier::new(), HashMap::new());
        let mut roots = vec![frontier.root()];
        for entry in &entries {
            frontier.append_with(leaf_hash(entry), |subtree, hash| {
                hashes.insert(subtree, *hash);
            });
            roots.push(frontier.root());
        }
        Self { entries, hashes, roots, pair, key }
    }

    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap()
    }

    /// The checkpoint of its first `size` leaves.
    pub(crate) fn checkpoint(&self, size: u64) -> Note {
        let checkpoint = Checkpoint::new(self.key.name(), size, self.roots[usize::try_from(size).unwrap()]).unwrap();
        checkpoint.sign(&self.key, |message| self.pair.sign(message).as_ref().try_into().unwrap()).unwrap()
    }

    pub(crate) fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        prove_consistency(&mut &*self, old, new).unwrap()
    }

    /// A request to cosign, as the log would send it.
    pub(crate) fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        AddCheckpoint { old, proof: self.consistency(old, new), checkpoint: self.checkpoint(new) }
    }

    /// Writes the files of the first `size` leaves under this checkpoint.
    pub(crate) fn export(&self, folder: &Path, size: u64, checkpoint: &Note) {
        write(&folder.join(CHECKPOINT_PATH), checkpoint.to_string().as_bytes());
        for tile in tiles_of(size) {
            let places = (tile.index() * 256)..(tile.index() * 256 + u64::from(tile.width()));
            let bytes = match tile.layer() {
                Layer::Entries => {
                    let entries: Vec<_> = places.map(|at| &self.entries[usize::try_from(at).unwrap()]).collect();
                    encode_bundle(&entries).unwrap()
                }
                Layer::Hashes(level) => {
                    let hash = |index| self.hashes[&Subtree { level: level * 8, index }];
                    encode_hashes(&places.map(hash).collect::<Vec<_>>())
                }
            };
            write(&folder.join(tile.path()), &bytes);
        }
    }
}

impl HashReader for &Log {
    type Error = Infallible;
    fn hash(&mut self, subtree: Subtree) -> Result<Hash, Infallible> {
        Ok(self.hashes[&subtree])
    }
}

pub(crate) fn key_pair(name: &str, kind: KeyKind, seed: u8) -> (Ed25519KeyPair, VerifierKey) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    let key = VerifierKey::new(name, kind, public).unwrap();
    (pair, key)
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
