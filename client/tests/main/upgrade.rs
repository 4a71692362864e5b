//! Receipts that were signed by the log alone, worth more once witnesses have cosigned: real witnesses, real files.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output, time::Duration};

use axum::http::{StatusCode, Uri};
use xacminh_proto::{
    transparency::{
        Disclosure, Leaf, LeafKind, LeafVerdict, Opening, Policy, Receipt, ReceiptError, Salt, attributes_root,
        merkle::prove_inclusion, note::Note, policy::PolicyError, statements,
    },
    vocab::{Outcome, PortalId, RequestId},
};

use crate::{
    commands::{program, text},
    log::{Log, ORIGIN},
    witness::Witness,
};

/// Where the receipt's leaf stands, the tree it was signed in, and the one that was cosigned.
const INDEX: u64 = 41;
const SIGNED: u64 = 300;
const COSIGNED: u64 = 700;

/// A log with a receipt in it, and a folder with its files.
struct Office {
    log: Log,
    folder: tempfile::TempDir,
}

fn openings() -> Vec<Opening> {
    let opening = |(name, value)| Opening { name, salt: Salt([7; 32]), value };
    statements(&Outcome::NotConfirmed, &[]).into_iter().map(opening).collect()
}

fn leaf() -> Vec<u8> {
    let mut commitments: Vec<_> = openings().iter().map(Opening::commitment).collect();
    let leaf = Leaf {
        kind: LeafKind::Disclosed,
        time_ms: 1_803_859_200_456,
        request_id: RequestId::parse("0197a1b2-0000-7000-8000-000000000029").unwrap(),
        portal: PortalId(17),
        official: [1; 16],
        purpose: 3,
        procedure: 4222,
        register_revision: 5,
        fields: 0,
        verdict: LeafVerdict::NoMatch,
        subject: [2; 32],
        attributes_root: attributes_root(&mut commitments),
        addendum_digest: [3; 32],
        record_version: 1,
        previous: [4; 32],
    };
    leaf.encode().to_vec()
}

impl Office {
    fn new() -> Self {
        let mut entries = Log::new(COSIGNED, 0).entries;
        entries[usize::try_from(INDEX).unwrap()] = leaf();
        let office = Self { log: Log::of(entries), folder: tempfile::tempdir().unwrap() };
        let proof = prove_inclusion(&mut &office.log, INDEX, SIGNED).unwrap();
        let disclosure = Disclosure::new(&leaf(), None, openings()).unwrap();
        let receipt = Receipt::make(disclosure, INDEX, proof, office.log.checkpoint(SIGNED)).unwrap();
        office.put("receipt", receipt.encode().unwrap());
        office
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// The policy that wants so many of these witnesses.
    fn policy(&self, wanted: usize, witnesses: &[&Witness]) -> Policy {
        let mut file = format!("log {}\n", self.log.key);
        let names: Vec<String> = (1..=witnesses.len()).map(|number| format!("W{number}")).collect();
        for (name, witness) in names.iter().zip(witnesses) {
            file += &format!("witness {name} {}\n", witness.key);
        }
        file += &format!("group all-of-them {wanted} {}\nquorum all-of-them\n", names.join(" "));
        self.put("policy", &file);
        Policy::parse(file.as_bytes()).unwrap()
    }

    /// The checkpoint of `size` with the cosignatures of these witnesses.
    async fn cosigned(&self, size: u64, witnesses: &[&Witness]) -> Note {
        let mut note = self.log.checkpoint(size);
        for witness in witnesses {
            let cosigned = witness.cosigned(&self.log, size).await;
            note = note.with(cosigned.signatures().to_vec()).unwrap();
        }
        note
    }

    fn upgrade(&self, log: &str) -> Output {
        let args = ["receipt", "upgrade", &self.path("receipt"), "--log", log, "--log-policy", &self.path("policy")];
        let out = ["--out", &self.path("upgraded"), "--lang", "en", "--timeout", "20s"];
        program(self.folder.path()).args(args).args(out).output().unwrap()
    }

    /// Upgrades and is refused, with this code and these words, and writes nothing.
    fn refused(&self, log: &str, code: i32, words: &str) {
        let output = self.upgrade(log);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
        assert!(!Path::new(&self.path("upgraded")).exists(), "{words}");
    }

    fn verify(&self, name: &str, policy: &Policy) -> Result<u64, ReceiptError> {
        let receipt = Receipt::parse(&fs::read(self.path(name)).unwrap())?;
        receipt.verify(policy).map(|verified| verified.log_size())
    }
}

#[test]
fn the_example_policy_is_one_of_the_log_that_the_example_witness_watches() {
    let policy = include_str!("../../../cluster-configs/witness/policy");
    let witness = include_str!("../../../cluster-configs/witness/witness.toml");
    let read = Policy::parse(policy.as_bytes()).unwrap();
    assert_eq!(read.witnesses().len(), 3);
    assert!(read.logs().iter().all(|log| witness.contains(&format!("\"{log}\""))));
    let own_name =
        |it: &xacminh_proto::transparency::policy::Witness| witness.contains(&format!("\"{}\"", it.key.name()));
    assert_eq!(read.witnesses().iter().filter(|it| own_name(it)).count(), 1);
    // Each rule of the document, broken once.
    for (from, to) in [
        ("quorum two-of-three\n", ""),
        ("quorum two-of-three", "quorum three"),
        ("group two-of-three 2", "group two-of-three 4"),
        ("2 thanh-tra dai-hoc", "2 thanh-tra thanh-tra"),
        ("witness dai-hoc witness", "witness thanh-tra witness"),
        ("log log.", "log log"),
    ] {
        let broken = policy.replace(from, to);
        assert_ne!(broken, policy, "{from}");
        assert!(Policy::parse(broken.as_bytes()).is_err(), "{from} → {to}");
    }
}

/// Serves a folder over HTTP; its address.
async fn serve(folder: &Path) -> String {
    let root = folder.to_owned();
    let files = axum::Router::new().fallback(move |uri: Uri| {
        let path = root.join(uri.path().trim_start_matches('/'));
        async move { fs::read(path).map_err(|_| StatusCode::NOT_FOUND) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, files).await });
    format!("http://{address}/log")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_gains_the_cosignatures_that_a_policy_wants() {
    let office = Office::new();
    let witnesses = ["a", "b", "c"].map(|name| Witness::new(&format!("witness.example/{name}")));
    let [first, second, third] = &witnesses;
    let policy = office.policy(2, &[first, second, third]);
    let uncosigned = Err(ReceiptError::Policy(PolicyError::Quorum));
    assert_eq!(office.verify("receipt", &policy), uncosigned);
    let (folder, address) = (office.path("log"), serve(office.folder.path()).await);

    // Nobody has cosigned, then one of the two that are needed, then another one that is not in the policy.
    for cosigners in [&[][..], &[first]] {
        let note = office.cosigned(COSIGNED, cosigners).await;
        office.log.export(Path::new(&folder), COSIGNED, &note);
        office.refused(&folder, 3, "too few cosignatures");
    }
    let note = office.cosigned(COSIGNED, &[first, third]).await;
    office.log.export(Path::new(&folder), COSIGNED, &note);
    for place in [&folder, &address] {
        let output = office.upgrade(place);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.contains("index 41 in a log of 700 entries (counted from 0); cosigned by: W1, W3"), "{said}");
        assert_eq!(office.verify("upgraded", &policy), Ok(COSIGNED));
        // A receipt is personal data, and the only one there is: its owner's alone, and never written over unasked.
        let mode = fs::metadata(office.path("upgraded")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        office.put("upgraded", "something else");
        assert_eq!(office.upgrade(place).status.code(), Some(6));
        assert_eq!(fs::read(office.path("upgraded")).unwrap(), b"something else");
        fs::remove_file(office.path("upgraded")).unwrap();
    }
    // In the form of its code, to standard output.
    let sound = fs::read_to_string(office.path("receipt")).unwrap();
    office.put("receipt", Receipt::parse(sound.as_bytes()).unwrap().pack().unwrap());
    let args =
        ["receipt", "upgrade", &office.path("receipt"), "--log", &folder, "--log-policy", &office.path("policy")];
    let output = program(office.folder.path()).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(Receipt::parse(&output.stdout).unwrap().verify(&policy).is_ok());
    office.put("receipt", sound);
    // Three of three are still not there; and the receipt as it was stays as it was.
    let strict = office.policy(3, &[first, second, third]);
    office.refused(&folder, 3, "too few cosignatures");
    assert_eq!(office.verify("receipt", &strict), uncosigned);
    let of_stranger = office.policy(1, &[second]);
    office.refused(&folder, 3, "too few cosignatures");
    assert_eq!(office.verify("receipt", &of_stranger), uncosigned);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_log_serves_is_not_believed() {
    let office = Office::new();
    let witness = Witness::new("witness.example/a");
    office.policy(1, &[&witness]);
    let folder = office.path("log");
    let note = office.cosigned(COSIGNED, &[&witness]).await;
    office.log.export(Path::new(&folder), COSIGNED, &note);
    assert_eq!(office.upgrade(&folder).status.code(), Some(0));
    fs::remove_file(office.path("upgraded")).unwrap();

    // One hash of the leaf's own tile, one of a tile far from it that only consistency needs.
    for tile in ["tile/0/000", "tile/0/002.p/188"] {
        let path = Path::new(&folder).join(tile);
        let sound = fs::read(&path).unwrap();
        let mut spoiled = sound.clone();
        spoiled[32] ^= 1;
        fs::write(&path, spoiled).unwrap();
        office.refused(&folder, 8, "");
        fs::write(&path, &sound[..sound.len() - 1]).unwrap();
        office.refused(&folder, 6, "bytes");
        fs::remove_file(&path).unwrap();
        office.refused(&folder, 6, tile);
        fs::write(&path, sound).unwrap();
    }

    // A history without the receipt's leaf, signed by the log and cosigned by a witness that has seen no other.
    let naive = Witness::new("witness.example/b");
    office.policy(1, &[&naive]);
    let fork = Log::new(COSIGNED, 0);
    let cosigned = naive.cosigned(&fork, COSIGNED).await;
    let note = fork.checkpoint(COSIGNED).with(cosigned.signatures().to_vec()).unwrap();
    let forked = office.path("fork");
    fork.export(Path::new(&forked), COSIGNED, &note);
    office.refused(&forked, 8, "not consistent");

    // Files that end before the receipt does.
    let late = Witness::new("witness.example/c");
    office.policy(1, &[&late]);
    let note = office.cosigned(100, &[&late]).await;
    let behind = office.path("behind");
    office.log.export(Path::new(&behind), 100, &note);
    office.refused(&behind, 3, "try again later");

    // A receipt that was no good before, and a log nobody serves.
    office.policy(1, &[&witness]);
    let sound = fs::read_to_string(office.path("receipt")).unwrap();
    office.put("receipt", sound.replace("index 41", "index 40"));
    office.refused(&folder, 8, "does not verify");
    office.put("receipt", sound.replace("index 41", "index 041"));
    office.refused(&folder, 8, "malformed");
    office.put("receipt", &sound);
    office.put("policy", "quorum none\n");
    office.refused(&folder, 8, "no known log");
    office.policy(1, &[&witness]);
    office.refused(&office.path("nowhere"), 6, "checkpoint of the log");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    office.refused(&format!("http://{nobody}/"), 5, "reaching");
    assert!(sound.contains(ORIGIN));
}
