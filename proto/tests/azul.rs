//! What we publish, checked by a second implementation that is not ours: Cloudflare's `signed_note` and `tlog_tiles`,
//! which their transparency logs run on. (The first one is Go's, see `oracles.rs`.) Every field is changed once, and
//! each change is refused by theirs and by ours.
//!
//! Their notes know signatures of kind 0x01 alone; the verifier of kind 0x04 below is written from C2SP tlog-cosignature
//! and uses nothing of ours, and the lines it is asked about are found, parsed and counted by them.

#![expect(clippy::panic, reason = "what fails here fails a test")]

#[allow(dead_code, reason = "each test takes what it needs of the fixed values")]
mod common;

use std::cell::RefCell;

use common::log::{self, Log, ORIGIN, POSITION, log_key, witness_key};
use ed25519_dalek::{Signature, VerifyingKey};
use signed_note::{Note, StandardVerifier, Verifier, VerifierList, key_id};
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, stored_hash_index,
};
use xacminh_proto::transparency::{
    self, Policy,
    merkle::{Subtree, check_consistency, check_inclusion, prove_consistency, prove_inclusion, root},
    tiles::{Layer, TILE_HEIGHT, TILE_WIDTH, Tile as OurTile, encode_hashes, tiles_of},
};

/// Leaves of the published log: three layers of tiles, two of them partial.
/// One complete subtree for each layer, because `TileHashReader` (here and in Go, which it was ported from) leaves out
/// as many tiles from its check as there are subtrees that share a tile with another.
const SIZE: u64 = 65_920;

/// C2SP tlog-cosignature: a time of eight bytes, then Ed25519 over a header with that time and the whole text.
struct Cosigner {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl Cosigner {
    fn new(vkey: &str) -> Self {
        let mut parts = vkey.splitn(3, '+');
        let (name, id) = (parts.next().expect("a name"), parts.next().expect("an id"));
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, parts.next().expect("a key"));
        let bytes = bytes.expect("base64");
        assert_eq!(bytes[0], 4);
        let key = VerifyingKey::from_bytes(bytes[1..].try_into().expect("32 bytes")).expect("a key");
        let cosigner = Self { name: name.to_owned(), id: key_id(name, &bytes), key };
        assert_eq!(format!("{:08x}", cosigner.id), id, "their id is ours");
        cosigner
    }
}

impl Verifier for Cosigner {
    fn name(&self) -> &str {
        &self.name
    }
    fn key_id(&self) -> u32 {
        self.id
    }
    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        let header = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time));
        self.key.verify_strict(&[header.as_bytes(), text].concat(), &signature).is_ok()
    }
}

/// Their reading of a checkpoint that the log and both witnesses have signed.
fn open(note: &[u8]) -> Option<(Note, Checkpoint)> {
    let log = StandardVerifier::new(&log_key().public.to_string()).expect("their reading of our key");
    let cosigner = |number| Box::new(Cosigner::new(&witness_key(number).public.to_string()));
    let known = VerifierList::new(vec![Box::new(log), cosigner(1), cosigner(2)]);
    let note = Note::from_bytes(note).ok()?;
    let (verified, others) = note.verify(&known).ok()?;
    let checkpoint = Checkpoint::from_bytes(note.text()).ok()?;
    let is_whole = verified.len() == 3 && others.is_empty() && checkpoint.origin() == ORIGIN;
    is_whole.then_some((note, checkpoint))
}

#[test]
fn checkpoints_signatures_and_cosignatures() {
    let log = Log::new(300);
    let published = log.checkpoint(2).to_string();
    let (note, checkpoint) = open(published.as_bytes()).expect("our checkpoint");
    assert_eq!(note.to_bytes(), published.as_bytes());
    assert_eq!((checkpoint.size(), checkpoint.hash().0), (300, log.frontier.root()));
    assert_eq!(checkpoint.extension(), "");
    // Every bit of every byte of text, names, ids, times and signatures.
    let policy = Policy::parse(log::policy_file().as_bytes()).expect("a policy that wants both witnesses");
    for at in 0..published.len() {
        for bit in 0..8 {
            let mut changed = published.as_bytes().to_vec();
            changed[at] ^= 1 << bit;
            assert!(open(&changed).is_none(), "they accept bit {bit} of byte {at}");
            let ours = transparency::note::Note::parse(&changed).ok().and_then(|note| policy.accept(&note).ok());
            assert!(ours.is_none(), "we accept bit {bit} of byte {at}");
        }
    }
}

#[test]
fn proofs() {
    let log = Log::new(300);
    let root_of = |size| root(&mut &log, size).expect("complete subtrees");
    let theirs = |hash: &transparency::Hash| Hash(*hash);
    let (size, leaf) = (300, record_hash(&log.entries[41]));
    let proof = prove_inclusion(&mut &log, POSITION, size).expect("within the tree");
    let holds = |proof: &[transparency::Hash], size, root: Hash, index, leaf: Hash| {
        let proof: Vec<Hash> = proof.iter().map(theirs).collect();
        let they = check_record(&proof, size, root, index, leaf).is_ok();
        let ours: Vec<_> = proof.iter().map(|hash| hash.0).collect();
        assert_eq!(they, check_inclusion(&leaf.0, index, size, &ours, &root.0).is_ok(), "we and they differ");
        they
    };
    let root_300 = Hash(root_of(300));
    assert!(holds(&proof, size, root_300, POSITION, leaf));
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at][31] ^= 1;
        assert!(!holds(&changed, size, root_300, POSITION, leaf), "hash {at}");
    }
    assert!(!holds(&proof[1..], size, root_300, POSITION, leaf));
    assert!(!holds(&[proof.as_slice(), &[[0; 32]]].concat(), size, root_300, POSITION, leaf));
    assert!(!holds(&proof, size, Hash(root_of(299)), POSITION, leaf));
    assert!(!holds(&proof, size, root_300, POSITION + 1, leaf));
    assert!(!holds(&proof, 100, root_300, POSITION, leaf));
    assert!(!holds(&proof, size, root_300, POSITION, record_hash(&log.entries[40])));

    for old in [1, 2, 3, 128, 255, 256, 257, 299, 300] {
        let proof = prove_consistency(&mut &log, old, size).expect("in order");
        let holds = |proof: &[transparency::Hash], old, root_old: transparency::Hash| {
            let theirs: Vec<Hash> = proof.iter().map(theirs).collect();
            let they = check_tree(&theirs, size, root_300, old, Hash(root_old)).is_ok();
            let ours = check_consistency((old, &root_old), (size, &root_300.0), proof).is_ok();
            assert_eq!(they, ours, "we and they differ from {old}");
            they
        };
        assert!(holds(&proof, old, root_of(old)), "from {old}");
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at][0] ^= 128;
            assert!(!holds(&changed, old, root_of(old)), "hash {at} from {old}");
        }
        assert!(!holds(&proof, old, [9; 32]), "another root of {old}");
    }
}

/// The bytes of a tile of hashes, as we publish it.
fn bytes_of(log: &Log, tile: OurTile) -> Vec<u8> {
    let Layer::Hashes(level) = tile.layer() else { panic!("{tile} holds entries") };
    let from = tile.index() * u64::from(TILE_WIDTH);
    let hash = |index| log.hashes[&Subtree { level: level * TILE_HEIGHT, index }];
    encode_hashes(&(from..from + u64::from(tile.width())).map(hash).collect::<Vec<_>>())
}

/// Our files under their names: `tile/8/…` for hashes of height eight.
struct Files<'a> {
    log: &'a Log,
    /// The tile to change a byte of, and what was read.
    spoiled: Option<Tile>,
    read: RefCell<Vec<Tile>>,
}

impl TileReader for Files<'_> {
    fn height(&self) -> u8 {
        8
    }
    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        self.read.borrow_mut().extend(tiles);
        let read = |tile: &Tile| {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            let mut bytes = bytes_of(self.log, OurTile::parse(&path).expect("a path of ours"));
            if self.spoiled == Some(*tile) {
                bytes[0] ^= 1;
            }
            bytes
        };
        Ok(tiles.iter().map(read).collect())
    }
    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn tiles_authenticate_every_leaf() {
    let log = Log::new(SIZE);
    let root_hash = Hash(log.frontier.root());
    let files = |spoiled| Files { log: &log, spoiled, read: RefCell::default() };
    let sound = files(None);
    let reader = TileHashReader::new(SIZE, root_hash, &sound);
    // Their paths and widths are those of our files, but for the name of the height.
    let mut paths: Vec<String> = Tile::new_tiles(8, 0, SIZE).iter().map(Tile::path).collect();
    let hashes = tiles_of(SIZE).filter(|tile| tile.layer() != Layer::Entries);
    let mut ours: Vec<String> = hashes.map(|tile| tile.path().replacen("tile/", "tile/8/", 1)).collect();
    paths.sort();
    ours.sort();
    assert_eq!(paths, ours);

    for first in (0..SIZE).step_by(256) {
        let places = first..SIZE.min(first + 256);
        let indexes: Vec<u64> = places.clone().map(|at| stored_hash_index(0, at)).collect();
        let hashes = reader.read_hashes(&indexes).expect("authentic tiles");
        for (at, hash) in places.zip(hashes) {
            assert_eq!(hash, record_hash(&log.entries[usize::try_from(at).expect("small")]), "leaf {at}");
        }
    }
    // Proofs that they make from our files are ours.
    let bytes = |proof: Vec<Hash>| proof.into_iter().map(|hash| hash.0).collect::<Vec<_>>();
    for index in [0, POSITION, 65_535, 65_536, SIZE - 1] {
        let proof = prove_inclusion(&mut &log, index, SIZE).expect("within the tree");
        assert_eq!(bytes(prove_record(SIZE, index, &reader).expect("a proof")), proof, "inclusion of {index}");
    }
    for old in [1, 255, 256, 257, 65_535, 65_537, SIZE] {
        let proof = prove_consistency(&mut &log, old, SIZE).expect("in order");
        assert_eq!(bytes(prove_tree(SIZE, old, &reader).expect("a proof")), proof, "consistency from {old}");
    }
    // A byte of any tile that a leaf hangs on, and they notice; another root, and nothing holds.
    let needed = files(None);
    let index = [stored_hash_index(0, POSITION)];
    TileHashReader::new(SIZE, root_hash, &needed).read_hashes(&index).expect("authentic tiles");
    assert!(needed.read.borrow().len() >= 3, "a tile of each level");
    for tile in needed.read.take() {
        let spoiled = files(Some(tile));
        let read = TileHashReader::new(SIZE, root_hash, &spoiled).read_hashes(&index);
        assert!(matches!(read, Err(Error::InconsistentTile)), "{}: {read:?}", tile.path());
    }
    let other_root = TileHashReader::new(SIZE, Hash([9; 32]), &sound).read_hashes(&index);
    assert!(matches!(other_root, Err(Error::InconsistentTile)));
}
