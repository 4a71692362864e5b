//! What we publish, checked by software that is not ours: Go's `golang.org/x/mod/sumdb/{note,tlog}` (by the authors of
//! the formats) and the crate `ct-merkle`, an implementation of RFC 6962 written from the text.

#[allow(dead_code, reason = "each test takes what it needs of the fixed values")]
mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::log::{self, Log, POSITION, log_key, witness_key};
use ct_merkle::{ConsistencyProof, InclusionProof, mem_backed_tree::MemoryBackedTree};
use sha2::Sha256;
use xacminh_proto::transparency::{
    Hash, Policy, Receipt,
    merkle::{
        check_consistency, check_inclusion, leaf_hash, prove_consistency, prove_inclusion, root, root_of_leaf_hashes,
    },
    tiles::{CHECKPOINT_PATH, Layer, encode_bundle, encode_hashes, tiles_of},
    witness::Head,
};

/// Leaves of the published log: three layers of tiles, two of them partial.
/// One complete subtree for each layer: `tlog.TileHashReader` leaves out as many tiles from its check as there are
/// subtrees that share a tile with another.
const SIZE: u64 = 65_920;

/// Files of the log of which Go changes a byte: the first and the last of each layer.
const SPOILED: [&str; 7] = [
    "tile/0/000",
    "tile/0/257.p/128",
    "tile/1/000",
    "tile/1/001.p/1",
    "tile/2/000.p/1",
    "tile/entries/000",
    "tile/entries/257.p/128",
];

/// Where Debian puts Go packages, and what we need of them (`golang-golang-x-mod-dev`).
const GO_PACKAGES: &str = "/usr/share/gocode";
const SUMDB: &str = "src/golang.org/x/mod/sumdb";

#[test]
fn roots_and_proofs_are_those_of_ct_merkle() {
    let ours = Log::new(260);
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut roots = vec![theirs.root()];
    for entry in &ours.entries {
        theirs.push(entry.clone());
        roots.push(theirs.root());
    }
    let size = ours.frontier.size();
    let last = roots.last().expect("the newest root");
    assert_eq!(last.as_bytes().as_slice(), ours.frontier.root());
    for (index, entry) in ours.entries.iter().enumerate() {
        let position = u64::try_from(index).expect("small");
        let our_root = root(&mut &ours, position).expect("complete subtrees");
        assert_eq!(roots[index].as_bytes().as_slice(), our_root, "{index} leaves");
        // Their proofs are ours, byte for byte; theirs check under our code, and ours under theirs.
        let proof = prove_inclusion(&mut &ours, position, size).expect("within the tree");
        assert_eq!(theirs.prove_inclusion(index).as_bytes(), proof.concat(), "inclusion of {index}");
        assert_eq!(check_inclusion(&leaf_hash(entry), position, size, &proof, &ours.frontier.root()), Ok(()));
        let read = InclusionProof::<Sha256>::try_from_bytes(proof.concat()).expect("a proof");
        last.verify_inclusion(entry, position, &read).expect("our proof holds there");
        if index > 0 {
            let proof = prove_consistency(&mut &ours, position, size).expect("in order");
            let of_theirs = theirs.prove_consistency(ours.entries.len() - index);
            assert_eq!(of_theirs.as_bytes(), proof.concat(), "consistency from {index}");
            assert_eq!(check_consistency((position, &our_root), (size, &ours.frontier.root()), &proof), Ok(()));
            let read = ConsistencyProof::<Sha256>::try_from_bytes(proof.concat()).expect("a proof");
            last.verify_consistency(&roots[index], &read).expect("our proof holds there");
        }
    }
}

#[test]
fn go_verifies_receipts_proofs_and_tiles() {
    if Command::new("go").arg("version").output().is_err() || !Path::new(GO_PACKAGES).join(SUMDB).exists() {
        assert!(env::var_os("CI").is_none(), "`.ci/setup test` installs Go and sumdb, and CI must not skip this");
        eprintln!("skipped: Go or its package sumdb is not installed (.ci/setup test installs them)");
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("go-oracle");
    let published = folder.join("published");
    if published.exists() {
        fs::remove_dir_all(&published).expect("what an earlier run left is removed");
    }
    let Published { good, bad, consistency, changed } = publish(&published);
    let program = folder.join("check");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go"))
        .env("GO111MODULE", "off")
        .env("GOPATH", GO_PACKAGES)
        .env("GOCACHE", folder.join("cache"))
        .output()
        .expect("go is there");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = Command::new(&program).arg(&published).output().expect("it was just built");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let expected = format!("ok good {good} bad {bad} consistency {consistency} entries {SIZE} changed {changed}\n");
    assert_eq!(said, expected);
}

/// How many there are of what the Go program counts.
struct Published {
    good: usize,
    bad: usize,
    consistency: usize,
    /// Bytes of the checkpoint, hashes of the consistency proofs and files of the log that it changes.
    changed: usize,
}

/// Writes everything the Go program wants to see.
fn publish(folder: &Path) -> Published {
    let log = Log::new(SIZE);
    let keys = [log_key(), witness_key(1), witness_key(2)].map(|key| format!("{}\n", key.public));
    write(&folder.join("vkeys"), keys.concat().as_bytes());
    let whole = log.receipt(2);
    let good = [
        whole.clone(),
        whole.redact(|name| name != "subject"),
        whole.redact(|name| name == "outcome"),
        whole.redact(|_| false),
        Log::new(POSITION + 1).receipt(2),
        Log::new(256).receipt(2),
    ];
    for (number, receipt) in good.iter().enumerate() {
        let bytes = receipt.encode().expect("within bounds");
        write(&folder.join(format!("good/{number}.tlog-proof")), bytes.as_bytes());
    }
    let bad = spoiled(&whole.encode().expect("within bounds"));
    for (number, receipt) in bad.iter().enumerate() {
        write(&folder.join(format!("bad/{number:02}.tlog-proof")), receipt.as_bytes());
    }
    let consistency = consistencies(&log);
    for (number, file) in consistency.iter().enumerate() {
        write(&folder.join(format!("consistency/{number}")), file.as_bytes());
    }
    let checkpoint = log.checkpoint(2).to_string();
    write(&folder.join("log").join(CHECKPOINT_PATH), checkpoint.as_bytes());
    write(&folder.join("spoil"), SPOILED.join("\n").as_bytes());
    let levels = levels(&log.entries);
    for tile in tiles_of(SIZE) {
        let from = usize::try_from(tile.index()).expect("small") * 256;
        let range = from..from + usize::from(tile.width());
        let bytes = match tile.layer() {
            Layer::Entries => encode_bundle(&log.entries[range]).expect("a bundle"),
            Layer::Hashes(level) => encode_hashes(&levels[usize::from(level)][range]),
        };
        write(&folder.join("log").join(tile.path()), &bytes);
    }
    let hashes: usize = consistency.iter().map(|file| file.lines().count() - 2).sum();
    Published {
        good: good.len(),
        bad: bad.len(),
        consistency: consistency.len(),
        changed: checkpoint.len() + hashes + SPOILED.len(),
    }
}

/// The receipt with one thing changed in each: every line, and every field of the disclosure.
fn spoiled(receipt: &str) -> Vec<String> {
    let lines: Vec<&str> = receipt.split('\n').collect();
    let mut spoiled = Vec::new();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let mut others: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        // One letter in the middle, for another one that base64 and decimals have, too.
        let at = line.char_indices().nth(line.chars().count() / 2).expect("a letter").0;
        let letter = if line[at..].starts_with('1') { "2" } else { "1" };
        others[number].replace_range(at..=at, letter);
        spoiled.push(others.join("\n"));
    }
    let disclosure = log::disclosure().encode().expect("within bounds");
    // Version, lengths, each field of the leaf, subject, and places all over the openings.
    let in_leaf = [0, 1, 2, 10, 26, 30, 46, 48, 52, 56, 64, 65, 97, 129, 161, 168].map(|offset| 3 + offset);
    let places = [0, 1, 2].into_iter().chain(in_leaf).chain((172..disclosure.len()).step_by(37));
    let extra_of = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    for at in places {
        let mut changed = disclosure.clone();
        changed[at] ^= 1;
        spoiled.push(receipt.replace(&extra_of(&disclosure), &extra_of(&changed)));
    }
    // Ours refuses each of them, too: the same verdict twice, by two programs.
    let policy = Policy::parse(log::policy_file().as_bytes()).expect("a policy that wants both witnesses");
    for bad in &spoiled {
        let verified = Receipt::parse(bad.as_bytes()).and_then(|receipt| receipt.verify(&policy).map(drop));
        assert!(verified.is_err(), "accepted: {bad}");
        assert_ne!(bad, receipt);
    }
    spoiled
}

fn consistencies(log: &Log) -> Vec<String> {
    let base64 = |hash: &Hash| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
    let pairs = [(1, 2), (1, SIZE), (255, 256), (256, 257), (256, SIZE), (4_096, 65_537), (65_535, SIZE), (SIZE, SIZE)];
    let file = |(old, new): (u64, u64)| {
        let root_of = |size| root(&mut &*log, size).expect("complete subtrees");
        let proof = prove_consistency(&mut &*log, old, new).expect("in order");
        let (first, next) = (Head { size: old, root: root_of(old) }, Head { size: new, root: root_of(new) });
        assert_eq!(first.advance(next, &proof), Ok(()));
        let mut file = format!("{old}\n{}\n{new}\n{}\n", base64(&first.root), base64(&next.root));
        proof.iter().for_each(|hash| file.push_str(&format!("{}\n", base64(hash))));
        file
    };
    pairs.into_iter().map(file).collect()
}

fn levels(entries: &[Vec<u8>]) -> Vec<Vec<Hash>> {
    let mut levels: Vec<Vec<Hash>> = vec![entries.iter().map(|entry| leaf_hash(entry)).collect()];
    while levels[levels.len() - 1].len() >= 256 {
        let (full, _) = levels[levels.len() - 1].as_chunks::<256>();
        levels.push(full.iter().map(|tile| root_of_leaf_hashes(tile)).collect());
    }
    levels
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
    fs::write(path, bytes).expect("the file is written");
}
