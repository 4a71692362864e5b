//! The stages that the guard counts: what a question passes that is computed, and nothing that waits.
//!
//! Left out is what instructions do not tell or what a machine decides: RocksDB and fsync, QUIC and TLS, threads and
//! timers, and Ed25519 signatures, which are made once for a batch.
//! SHA-2 is counted apart: valgrind knows no processor with instructions for it, so that hashing weighs ten times what it
//! costs, and would hide everything beside it.
//! Sealing is in: valgrind shows every program the same modest processor, so that AES, `memcpy` and BLAKE3 choose the
//! same code on every x86-64 machine that this workspace is built for.

use std::hint::black_box;

use xacminh_benches::guard::metered_rounds;
use xacminh_core::{
    apply::{Loaded, apply, wanted},
    command::{Command, TreeHead},
    decide::{Asked, decide},
    draft,
    matching::names::{NameThreshold, compare, rule},
    record::Known,
    register::permit,
};
use xacminh_node::keyring::LogKey;
use xacminh_proto::{
    codec,
    transparency::{
        Checkpoint, Disclosure, Envelope, Hash, Leaf, Policy, Receipt, Salt, attribute_commitment, attributes_root,
        merkle::{Frontier, HashReader, Subtree, leaf_hash, node_hash, prove_inclusion},
        note::{KeyKind, Note, VerifierKey},
    },
    vocab::FullName,
    wire::{Answer, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request, Tagged, frame, padding},
};

use crate::{fixtures, names};

/// Rounds of what takes microseconds: enough for allocations to have settled.
const MANY: u64 = 64;

/// Rounds of what takes a whole batch.
const FEW: u64 = 4;

/// Leaves of the tree that receipts are proved in: proofs of twelve hashes.
const TREE_LEAVES: u64 = 4_096;

/// One stage.
pub(crate) struct Stage {
    /// Its name in `guard.csv`.
    pub(crate) name: &'static str,
    /// How often it is done while callgrind counts.
    pub(crate) rounds: u64,
    work: Box<dyn FnMut()>,
}

/// Every stage, in the order in which callgrind dumps them.
pub(crate) fn all() -> Vec<Stage> {
    let mut stages = Vec::new();
    question(&mut stages);
    name_pairs(&mut stages);
    messages(&mut stages);
    batch(&mut stages);
    leaf(&mut stages);
    receipt(&mut stages);
    keyring(&mut stages);
    stages
}

/// Does every stage, metered.
pub(crate) fn run() {
    for Stage { rounds, mut work, .. } in all() {
        // What is made at its first use (tables, the choice of code for this processor) is nobody's cost.
        work();
        metered_rounds(rounds, &mut *work);
    }
}

fn stage<R>(stages: &mut Vec<Stage>, name: &'static str, rounds: u64, mut work: impl FnMut() -> R + 'static) {
    // What comes out is dropped here, and counted: somebody pays for it on the way of a question too.
    stages.push(Stage { name, rounds, work: Box::new(move || drop(black_box(work()))) });
}

fn question(stages: &mut Vec<Stage>) {
    let now_ms = fixtures::NOW_MS;
    stage(stages, "question: parse its words", MANY, || fixtures::question(black_box(1)));
    let (register, asked) = (fixtures::register(), fixtures::question(1));
    stage(stages, "question: permit", MANY, move || permit(black_box(&asked), &register, now_ms));
    let (register, known, asked) = (fixtures::register(), fixtures::known(), fixtures::question(1));
    let permitted = fixtures::permitted(&asked, &register);
    stage(stages, "question: decide", MANY, move || {
        decide(black_box(&asked), &permitted, Some(&known), Asked::NotYet, now_ms)
    });
    let (known, bytes) = (fixtures::known(), fixtures::known().encode().expect("encoded"));
    stage(stages, "record: encode", MANY, move || black_box(&known).encode());
    stage(stages, "record: decode", MANY, move || Known::decode(black_box(&bytes)));
    let (register, known, asked) = (fixtures::register(), fixtures::known(), fixtures::question(1));
    let (keyring, grounds) = (fixtures::keyring(), fixtures::permitted(&asked, &register).grounds());
    let decision = fixtures::decided(&asked, &register, &known);
    stage(stages, "item: commitments, sealed addendum, leaf", MANY, move || {
        fixtures::item(&keyring, black_box(&asked), &decision, grounds, 1)
    });
}

fn name_pairs(stages: &mut Vec<Stage>) {
    let name = |text: &str| FullName::parse(text).expect("a name");
    for (case, asked, recorded) in names::PAIRS {
        let (asked, recorded) = (name(asked), name(recorded));
        let case: &'static str = Box::leak(format!("names: {case}").into_boxed_str());
        stage(stages, case, MANY, move || compare(black_box(&asked), black_box(&recorded)));
    }
    let (asked, recorded) = (name("NGUYỄN THỊ NGỌC HÂN"), name("Nguyễn Thị Ngọc Hân"));
    stage(stages, "names: case, and the ruling", MANY, move || {
        rule(black_box(&asked), black_box(&recorded), NameThreshold::default())
    });
}

fn messages(stages: &mut Vec<Stage>) {
    let ask = Tagged { tag: 7, body: Request::Ask(Box::new(fixtures::ask())) };
    let mut bytes = Vec::new();
    frame::append::<REQUEST_BYTES_MAX, _>(&ask, &mut bytes).expect("fits");
    let body = bytes.split_off(frame::PREFIX_BYTES);
    stage(stages, "wire: encode a question", MANY, move || {
        bytes.clear();
        frame::append::<REQUEST_BYTES_MAX, _>(black_box(&ask), &mut bytes)
    });
    stage(stages, "wire: decode a question", MANY, move || {
        codec::decode::<REQUEST_BYTES_MAX, Tagged<Request>>(black_box(&body))
    });
    let question = fixtures::question(1);
    let outcome = fixtures::decided(&question, &fixtures::register(), &fixtures::known()).outcome;
    let (request_id, at_ms) = (question.request_id, fixtures::NOW_MS);
    let answer = Answer { request_id, outcome, position: 1, at_ms, receipt: None };
    let reply = Tagged { tag: 7, body: Reply::Answer(Box::new(answer)) };
    let bytes = padding::encode::<REPLY_BYTES_MAX, _>(&reply).expect("fits");
    stage(stages, "wire: encode an answer, padded", MANY, move || {
        padding::encode::<REPLY_BYTES_MAX, _>(black_box(&reply))
    });
    stage(stages, "wire: decode an answer", MANY, move || {
        padding::decode::<REPLY_BYTES_MAX, Tagged<Reply>>(black_box(&bytes))
    });
}

fn batch(stages: &mut Vec<Stage>) {
    let command = || Command::Batch(fixtures::batch(0, fixtures::NOW_MS, 7));
    let (encoded, bytes) = (command(), command().encode().expect("fits"));
    stage(stages, "batch of 256: encode", FEW, move || black_box(&encoded).encode());
    stage(stages, "batch of 256: decode", FEW, move || Command::decode(black_box(&bytes)));
    let (asked, applied) = (command(), command());
    stage(stages, "batch of 256: what apply wants", FEW, move || wanted(black_box(&asked)));
    let meta = fixtures::meta();
    stage(stages, "batch of 256: apply", FEW, move || {
        let loaded = Loaded { meta, root_at: Some(TreeHead::default().root), ..Loaded::default() };
        apply(9, black_box(&applied), loaded)
    });
}

fn leaf(stages: &mut Vec<Stage>) {
    let bytes = || fixtures::batch(0, fixtures::NOW_MS, 7).items[0].entry.leaf;
    let (raw, decoded) = (bytes(), Leaf::decode(&bytes()).expect("a leaf"));
    stage(stages, "leaf: encode", MANY, move || black_box(&decoded).encode());
    stage(stages, "leaf: decode", MANY, move || Leaf::decode(black_box(&raw)).is_ok());
    stage(stages, "leaf: a commitment", MANY, || {
        attribute_commitment(black_box("attribute/full_name"), &Salt([3; 32]), "Nguyễn Văn An".as_bytes())
    });
    stage(stages, "leaf: root of four commitments", MANY, || {
        attributes_root(black_box(&mut [[4; 32], [3; 32], [2; 32], [1; 32]]))
    });
    let raw = bytes();
    stage(stages, "tree: append a leaf", 256, {
        let mut frontier = Frontier::new();
        move || frontier.append(leaf_hash(black_box(&raw)))
    });
    let mut grown = Frontier::new();
    (0..0xffff_u32).for_each(|leaf| grown.append(leaf_hash(&leaf.to_be_bytes())));
    stage(stages, "tree: the root over sixteen peaks", MANY, move || black_box(&grown).root());
}

/// A tree all of whose leaves are the same: every subtree of a level has one hash.
struct Uniform(Vec<Hash>);

impl Uniform {
    fn of(leaf: &[u8]) -> Self {
        let mut levels = vec![leaf_hash(leaf)];
        for level in 0..TREE_LEAVES.ilog2() as usize {
            levels.push(node_hash(&levels[level], &levels[level]));
        }
        Self(levels)
    }
}

impl HashReader for Uniform {
    type Error = std::convert::Infallible;

    fn hash(&mut self, subtree: Subtree) -> Result<Hash, Self::Error> {
        Ok(self.0[usize::from(subtree.level)])
    }
}

fn receipt(stages: &mut Vec<Stage>) {
    let (register, known, asked) = (fixtures::register(), fixtures::known(), fixtures::question(1));
    let decision = fixtures::decided(&asked, &register, &known);
    let statements = vec![Salt([2; 32]); draft::statement_count(&decision.outcome, &asked.claims)];
    let salts = draft::Salts { subject: Salt([1; 32]), statements };
    let addendum = draft::addendum(&asked, &decision, &salts, fixtures::NOW_MS);
    let grounds = fixtures::permitted(&asked, &register).grounds();
    let context = draft::Context { official: [1; 16], grounds, addendum_digest: Envelope::digest(&[0; 600]) };
    let leaf = draft::leaf(&asked, &decision, &salts, &context);
    let subject = Some((addendum.subject_salt, asked.person.number));
    let (checkpoint, policy) = signed(&leaf);
    let proof = prove_inclusion(&mut Uniform::of(&leaf), 7, TREE_LEAVES).expect("within the tree");
    let disclose = move || Disclosure::new(&leaf, subject, draft::openings(&addendum)).expect("its own openings");
    let make = move || Receipt::make(disclose(), 7, proof.clone(), checkpoint.clone()).expect("a receipt");
    let made = make();
    let text = made.encode().expect("encoded");
    stage(stages, "receipt: disclose, make and check", MANY, make);
    let encoded = made.clone();
    stage(stages, "receipt: encode", MANY, move || black_box(&encoded).encode());
    stage(stages, "receipt: parse", MANY, move || Receipt::parse(black_box(text.as_bytes())));
    stage(stages, "receipt: verify, signature included", FEW, move || {
        assert!(black_box(&made).verify(&policy).is_ok(), "a receipt of the stage's own verifies");
    });
    stage(stages, "tree: prove a leaf among 4096", MANY, {
        let mut tree = Uniform::of(&[9; 201]);
        move || prove_inclusion(&mut tree, black_box(1_000), TREE_LEAVES)
    });
}

/// A checkpoint of the tree of these leaves, under a key that is the same in every run: how long a signature takes to
/// verify depends on its digits.
fn signed(leaf: &[u8]) -> (Note, Policy) {
    let key = LogKey::new(&[7; 32], 0, u64::MAX).expect("a seed");
    let origin = "log.xacminh.example/48/2026";
    let root = *Uniform::of(leaf).0.last().expect("a root");
    let public = VerifierKey::new(origin, KeyKind::Ed25519, key.public()).expect("a key");
    let checkpoint = Checkpoint::new(origin, TREE_LEAVES, root).expect("a checkpoint");
    let note = checkpoint.sign(&public, |message| key.sign(message)).expect("signed");
    (note, Policy::of_log(public).expect("a log's key"))
}

fn keyring(stages: &mut Vec<Stage>) {
    let keyring: &'static _ = Box::leak(Box::new(fixtures::keyring()));
    let question = fixtures::question(1);
    let number = question.person.number;
    let plain = fixtures::known().encode().expect("encoded");
    let key = keyring.row_key(number);
    let sealed = keyring.seal_record(&key, &plain).expect("sealed");
    stage(stages, "keyring: row key", MANY, move || keyring.row_key(black_box(number)));
    stage(stages, "keyring: seal a record", MANY, move || keyring.seal_record(&key, black_box(&plain)));
    stage(stages, "keyring: open a record", MANY, move || keyring.open_record(&key, black_box(&sealed)));
    let decision = fixtures::decided(&question, &fixtures::register(), &fixtures::known());
    let salts = draft::Salts { subject: Salt([1; 32]), statements: vec![Salt([2; 32]); 3] };
    let addendum = draft::addendum(&question, &decision, &salts, fixtures::NOW_MS);
    let (own, _) = keyring.new_person_key(&key).expect("sealed");
    let own: &'static _ = Box::leak(Box::new(own));
    let envelope = keyring.seal_addendum(&addendum, Some(own)).expect("sealed");
    stage(stages, "keyring: seal an addendum", MANY, move || keyring.seal_addendum(black_box(&addendum), Some(own)));
    stage(stages, "keyring: open an addendum", MANY, move || keyring.open_addendum(black_box(&envelope), Some(own)));
}
