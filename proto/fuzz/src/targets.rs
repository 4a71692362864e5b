//! What every decoder must keep to, whatever bytes it is given: no panic, and what it accepts it writes and reads again.
//!
//! The fuzzer calls these functions with bytes it finds; `proto/tests/fuzz_smoke.rs` calls them with seeded ones.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use xacminh_proto::{
    codec::{self, CodecError},
    identity::Identity,
    transparency::{
        Addendum, Checkpoint, Disclosure, Envelope, Leaf, Policy, Receipt, Statement, StatementName,
        merkle::Frontier,
        note::{KeyKind, Note, Signature, VerifierKey},
        statements,
        tiles::{Tile, decode_bundle, encode_bundle},
        witness::{self, AddCheckpoint, Answered, Submission},
    },
    vocab::{AttributeSet, BirthDate, CitizenNumber, Date, FullName, OldNumber, PersonNumber, RequestId, text},
    wire::{
        REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request, Tagged, frame,
        peer::{HELLO_BYTES_MAX, PeerHello},
    },
};

/// A target: its name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target by name.
pub const ALL: &[Target] = &[
    ("request", request),
    ("reply", reply),
    ("tagged", tagged),
    ("frame", frames),
    ("leaf", leaf),
    ("envelope", envelope),
    ("addendum", addendum),
    ("peer_hello", peer_hello),
    ("words", words),
    ("identity", identity),
    ("note", note),
    ("checkpoint", checkpoint),
    ("receipt", receipt),
    ("packed", packed),
    ("disclosure", disclosure),
    ("statement", statement),
    ("policy", policy),
    ("tile_path", tile_path),
    ("bundle", bundle),
    ("frontier", frontier),
    ("witness_request", witness_request),
    ("witness_answer", witness_answer),
];

/// A request body.
pub fn request(bytes: &[u8]) {
    read_and_write::<REQUEST_BYTES_MAX, Request>(bytes);
}

/// A reply body, and what would be committed to.
pub fn reply(bytes: &[u8]) {
    if let Some(Reply::Answer(answer)) = read_and_write::<REPLY_BYTES_MAX, Reply>(bytes)
        && answer.outcome.answers(&[], AttributeSet::EMPTY)
    {
        assert_eq!(statements(&answer.outcome, &[]).len(), 1);
    }
}

/// Bodies of a session stream, and the tag alone.
pub fn tagged(bytes: &[u8]) {
    if let Some(request) = read_and_write::<REQUEST_BYTES_MAX, Tagged<Request>>(bytes) {
        assert_eq!(frame::tag(bytes), Ok(request.tag));
    }
    if let Some(reply) = read_and_write::<REPLY_BYTES_MAX, Tagged<Reply>>(bytes) {
        assert_eq!(frame::tag(bytes), Ok(reply.tag));
    }
    let _ = frame::tag(bytes);
}

/// A stream of frames, read as a node reads them.
pub fn frames(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((prefix, after)) = rest.split_first_chunk() {
        let Ok(length) = frame::announced(*prefix, REQUEST_BYTES_MAX) else { return };
        assert!(length <= REQUEST_BYTES_MAX);
        let Some((body, after)) = after.split_at_checked(length) else { return };
        if let Ok(request) = frame::body::<REQUEST_BYTES_MAX, Request>(body) {
            let mut written = Vec::new();
            frame::append::<REQUEST_BYTES_MAX, _>(&request, &mut written).expect("what was read fits a frame");
            assert_eq!(frame::body::<REQUEST_BYTES_MAX, Request>(&written[frame::PREFIX_BYTES..]), Ok(request));
        }
        rest = after;
    }
}

/// A leaf: every accepted byte string has one meaning, and every meaning one byte string.
pub fn leaf(bytes: &[u8]) {
    if let Ok(leaf) = Leaf::decode(bytes) {
        assert_eq!(leaf.encode().as_slice(), bytes);
        let mut stamped = leaf.encode();
        Leaf::stamp(&mut stamped, 5);
        assert_eq!(Leaf::stamped_ms(&stamped), 5);
        assert_eq!(Leaf::decode(&stamped), Ok(Leaf { time_ms: 5, ..leaf }));
    }
}

/// A sealed addendum: as the leaf.
pub fn envelope(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::decode(bytes) {
        assert_eq!(envelope.encode(), bytes);
    }
}

/// An opened addendum.
pub fn addendum(bytes: &[u8]) {
    if let Ok(addendum) = Addendum::decode(bytes) {
        let written = addendum.encode().expect("what was read fits");
        assert_eq!(Addendum::decode(&written), Ok(addendum));
    }
}

/// The first frame between nodes.
pub fn peer_hello(bytes: &[u8]) {
    read_and_write::<HELLO_BYTES_MAX, PeerHello>(bytes);
}

/// What people type: numbers, names, dates, ids, free text.
pub fn words(bytes: &[u8]) {
    let typed = String::from_utf8_lossy(bytes);
    if let Ok(number) = CitizenNumber::parse(&typed) {
        assert_eq!(number.reveal(), typed);
    }
    if let Ok(number) = OldNumber::parse(&typed) {
        assert_eq!(number.reveal(), typed);
    }
    if let Ok(number) = PersonNumber::parse(&typed) {
        assert_eq!(String::from(&number), typed);
    }
    if let Ok(name) = FullName::parse(&typed) {
        assert_eq!(FullName::parse(name.reveal()), Ok(name.clone()));
        assert_eq!(text::check(name.reveal()), Ok(()), "a name can be disclosed");
    }
    if let Ok(date) = Date::parse(&typed) {
        assert_eq!(Date::parse(&date.to_string()), Ok(date));
    }
    if let Ok(birth) = BirthDate::parse(&typed) {
        assert_eq!(BirthDate::parse(&birth.reveal()), Ok(birth));
    }
    if let Ok(id) = RequestId::parse(&typed) {
        assert_eq!(RequestId::parse(&id.to_string()), Ok(id));
    }
    let tidied = text::tidy(&typed);
    assert_eq!(text::check(&tidied), Ok(()));
    assert_eq!(text::tidy(&tidied), tidied);
}

/// The URI of a certificate: one spelling for each identity.
pub fn identity(bytes: &[u8]) {
    let uri = String::from_utf8_lossy(bytes);
    if let Ok(identity) = Identity::parse(&uri) {
        assert_eq!(identity.to_string(), uri);
        assert_eq!(Identity::new(identity.cluster(), identity.role(), identity.name()), Ok(identity));
    }
}

/// A signed note and the lines of a witness: what is read is written with the same bytes.
pub fn note(bytes: &[u8]) {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        assert_eq!(Note::new(note.text(), note.signatures().to_vec()), Ok(note.clone()));
        assert!(note.open([]).is_err(), "nobody is believed without a key");
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(lines) = Signature::parse_lines(&text) {
        assert_eq!(lines.iter().map(Signature::to_string).collect::<String>(), text);
    }
    if let Ok(key) = VerifierKey::parse(&text) {
        assert_eq!(key.to_string(), text);
    }
}

/// The text of a checkpoint.
pub fn checkpoint(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(checkpoint) = Checkpoint::parse(&text) {
        assert!(text.starts_with(&checkpoint.text()), "only extension lines follow");
        assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
    }
}

/// A receipt: what is read is written with the same bytes, and redacting never breaks it further.
pub fn receipt(bytes: &[u8]) {
    if let Ok(receipt) = Receipt::parse(bytes) {
        assert_eq!(receipt.encode().expect("what was read fits").as_bytes(), bytes);
        let written = receipt.redact(|_| false).encode().expect("less than what was read fits");
        assert!(Receipt::parse(written.as_bytes()).is_ok());
        if let Ok(key) = VerifierKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k") {
            assert!(receipt.verify(&Policy::of_log(key).expect("a log's key")).is_err(), "a stranger's key");
        }
    }
}

/// A packed receipt: what is unpacked is packed again into the same text, and is the receipt it says it is.
pub fn packed(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(receipt) = Receipt::unpack(text) {
        assert_eq!(receipt.pack().as_deref(), Ok(text));
        assert_eq!(Receipt::read(bytes), Ok(receipt.clone()));
        let written = receipt.encode().expect("what was read fits");
        assert_eq!(Receipt::read(written.as_bytes()), Ok(receipt));
    }
}

/// A disclosure, as a receipt carries it.
pub fn disclosure(bytes: &[u8]) {
    if let Ok(disclosure) = Disclosure::decode(bytes) {
        assert_eq!(disclosure.encode().as_deref(), Ok(bytes));
    }
}

/// The value of a statement: the first byte chooses its name.
pub fn statement(bytes: &[u8]) {
    const NAMES: [&str; 8] = [
        "outcome",
        "claim/0/full_name",
        "claim/1/birth_date",
        "claim/2/residence",
        "claim/3/age_at_least",
        "claim/15/spouse_of",
        "attribute/full_name",
        "attribute/permanent_residence",
    ];
    if let Some((choice, value)) = bytes.split_first() {
        let name = StatementName::parse(NAMES[usize::from(*choice) % NAMES.len()]).expect("a name");
        if let Ok(statement) = Statement::read(name, value) {
            assert_eq!(statement.name(), name);
        }
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(name) = StatementName::parse(&text) {
        assert_eq!(name.to_string(), text);
    }
}

/// A policy file.
pub fn policy(bytes: &[u8]) {
    if let Ok(policy) = Policy::parse(bytes) {
        assert!(policy.logs().len() <= bytes.len());
    }
}

/// The path of a tile: one spelling for each tile.
pub fn tile_path(bytes: &[u8]) {
    let path = String::from_utf8_lossy(bytes);
    if let Ok(tile) = Tile::parse(&path) {
        assert_eq!(tile.path(), path);
        assert_eq!(Tile::new(tile.layer(), tile.index(), tile.width()), Ok(tile));
    }
}

/// A bundle of entries, of every width.
pub fn bundle(bytes: &[u8]) {
    for width in [1, 2, 3, 7, 255, 256] {
        if let Ok(entries) = decode_bundle(bytes, width) {
            assert_eq!(encode_bundle(&entries).as_deref(), Ok(bytes));
        }
    }
}

/// A stored frontier, which goes on growing.
pub fn frontier(bytes: &[u8]) {
    if let Ok(mut frontier) = Frontier::decode(bytes) {
        assert_eq!(frontier.encode(), bytes);
        let _ = frontier.root();
        if let Some(size) = frontier.size().checked_add(1) {
            frontier.append([7; 32]);
            assert_eq!(frontier.size(), size);
            assert_eq!(frontier.peaks().len(), size.count_ones() as usize);
        }
    }
}

/// What a witness is sent, and what it answers.
pub fn witness_request(bytes: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes);
        assert!(request.judge(&[], |_| None).is_err(), "no log is watched");
    }
    if let Ok(size) = witness::parse_size(bytes) {
        assert_eq!(format!("{size}\n").as_bytes(), bytes);
    }
}

/// A witness's answer to a submission: two bytes of status, then the body.
pub fn witness_answer(bytes: &[u8]) {
    // A checkpoint with a signature of nobody's, for a witness whose key signed nothing here.
    const NOTE: &str =
        "log.example/1\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u{2014} log.example/1 AAAAAAA=\n";
    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let key = VerifierKey::parse(KEY).expect("a key of another implementation");
    let key = VerifierKey::new(key.name(), KeyKind::CosignatureV1, key.public()).expect("the same as a cosigner's");
    let note = Note::parse(NOTE.as_bytes()).expect("a note");
    let submission = Submission::new(note, vec![key], 3).expect("a checkpoint and a cosigner's key");
    let Some((status, body)) = bytes.split_first_chunk() else { return };
    // Most numbers are no status: half of the inputs are to be read as one of the two that have a body.
    let status = match u16::from_be_bytes(*status) {
        0..0x4000 => 200,
        0x4000..0x8000 => 409,
        other => other,
    };
    let answered = submission.answered(status, body);
    assert!(!matches!(answered, Ok(Answered::Cosigned(_))), "nobody has signed");
    if let Ok(Answered::Again(again)) = answered {
        assert!(status == 409 && again.sizes().0 <= 7 && again.sizes().0 != 3);
    }
}

fn read_and_write<const LIMIT: usize, T>(bytes: &[u8]) -> Option<T>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    match codec::decode::<LIMIT, T>(bytes) {
        Ok(value) => {
            let written = codec::encode::<LIMIT, T>(&value).expect("what was read fits");
            assert!(written.len() <= bytes.len(), "an encoding is the shortest of its value");
            assert_eq!(codec::decode::<LIMIT, T>(&written).as_ref(), Ok(&value));
            Some(value)
        }
        Err(CodecError::TrailingBytes(left_over)) => {
            assert!(left_over <= bytes.len());
            None
        }
        Err(_) => None,
    }
}
