//! Golden files: the bytes of every message and format, as they were when they were first written.
//!
//! A golden file is never rewritten: bytes of this shape are on disks and in drawers. When a test here fails, the code
//! is wrong, or a new version of the format is due, with files of its own beside the old ones.
//! To add files for a new message: add it to `common`, run `XACMINH_GOLDEN=write cargo test -p xacminh-proto --test
//! golden`, which creates what is missing and touches nothing else, and commit them.

#[allow(dead_code, reason = "each test takes what it needs of the fixed values")]
mod common;

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use xacminh_proto::{
    codec::{self, CodecError},
    hex,
    transparency::{
        Addendum, Envelope, Leaf, Opening, Salt, attribute_commitment, attributes_root, statements, subject_commitment,
    },
    vocab::{AsOf, BirthDate, Cause, Claim, ErrorNumber, Outcome, Place, ResidenceKind},
    wire::{
        REPLY_BYTES_MAX, REQUEST_BYTES_MAX, Reply, Request, Tagged, frame,
        peer::{HELLO_BYTES_MAX, PeerHello},
    },
};

#[test]
fn every_message_has_the_bytes_it_always_had() {
    for (name, bytes) in common::messages() {
        compare(&format!("{name}.hex"), &hex_lines(&bytes));
    }
}

#[test]
fn golden_bytes_are_read_as_what_was_written() {
    for (name, request) in common::requests() {
        assert_eq!(codec::decode::<REQUEST_BYTES_MAX, Request>(&stored(name)), Ok(request), "{name}");
    }
    for (name, reply) in common::replies() {
        assert_eq!(codec::decode::<REPLY_BYTES_MAX, Reply>(&stored(name)), Ok(reply), "{name}");
    }
    let tagged = codec::decode::<REQUEST_BYTES_MAX, Tagged<Request>>(&stored("tagged_request"));
    assert_eq!(tagged, Ok(Tagged { tag: 7_000_000_000, body: Request::Status }));
    assert_eq!(frame::tag(&stored("tagged_reply")), Ok(3));
    let hello = codec::decode::<HELLO_BYTES_MAX, PeerHello>(&stored("peer_hello"));
    assert_eq!(hello, Ok(common::peer_hello()));
    let framed = stored("frame_request_status");
    let (prefix, body) = framed.split_first_chunk().expect("a frame has a prefix");
    assert_eq!(frame::announced(*prefix, REQUEST_BYTES_MAX), Ok(body.len()));
    assert_eq!(frame::body::<REQUEST_BYTES_MAX, Request>(body), Ok(Request::Status));
    assert_eq!(Leaf::decode(&stored("leaf")), Ok(common::leaf()));
    assert_eq!(Envelope::decode(&stored("envelope")), Ok(common::envelope()));
    assert_eq!(Addendum::decode(&stored("addendum")), Ok(common::addendum()));
    assert_eq!(Addendum::decode(&stored("addendum_administrative")), Ok(common::administrative_addendum()));
}

#[test]
fn a_byte_more_or_less_is_no_message() {
    for (name, _) in common::requests() {
        let bytes = stored(name);
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(codec::decode::<REQUEST_BYTES_MAX, Request>(&longer), Err(CodecError::TrailingBytes(1)), "{name}");
        for end in 0..bytes.len() {
            let cut = codec::decode::<REQUEST_BYTES_MAX, Request>(&bytes[..end]);
            assert_eq!(cut, Err(CodecError::Malformed), "{name} cut to {end}");
        }
    }
    for (name, _) in common::replies() {
        let bytes = stored(name);
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(codec::decode::<REPLY_BYTES_MAX, Reply>(&longer), Err(CodecError::TrailingBytes(1)), "{name}");
        for end in 0..bytes.len() {
            let cut = codec::decode::<REPLY_BYTES_MAX, Reply>(&bytes[..end]);
            assert_eq!(cut, Err(CodecError::Malformed), "{name} cut to {end}");
        }
    }
}

#[test]
fn statements_have_the_bytes_they_always_had() {
    let other_claims = other_claims();
    let other = Outcome::Confirmed {
        verdicts: common::verdicts(&other_claims),
        attributes: vec![],
        as_of_ms: 1_700_000_000_000,
        reissued: false,
    };
    let mut text = String::new();
    let mut add = |title: &str, outcome: &Outcome, claims: &[Claim]| {
        text.push_str(&format!("# {title}\n"));
        for (name, value) in statements(outcome, claims) {
            text.push_str(&format!("{name} {}\n", hex::text(&value)));
        }
    };
    add("confirmed", &common::confirmed(), &common::claims());
    add("confirmed, the other claims", &other, &other_claims);
    add("confirmed under a re-issued number, the claims of a card", &common::reissued(), &common::card_claims());
    add("not confirmed", &Outcome::NotConfirmed, &common::claims());
    for cause in Cause::ALL {
        add(&format!("undetermined: {cause:?}"), &Outcome::Undetermined(cause), &common::claims());
    }
    add("refused", &Outcome::Refused(ErrorNumber::AttributeNotAllowed), &common::claims());
    compare("statements.txt", &text);
}

#[test]
fn commitments_have_the_bytes_they_always_had() {
    let addendum = common::addendum();
    let statements = statements(&common::confirmed(), &common::claims());
    assert_eq!(statements.len(), addendum.salts.len(), "one salt for every statement");
    let openings: Vec<Opening> = statements
        .into_iter()
        .zip(&addendum.salts)
        .map(|((name, value), salt)| Opening { name, salt: *salt, value })
        .collect();
    let mut commitments: Vec<_> = openings.iter().map(Opening::commitment).collect();
    let mut text: String = openings
        .iter()
        .zip(&commitments)
        .map(|(opening, hash)| format!("{} {}\n", opening.name, hex::text(hash)))
        .collect();
    let root = attributes_root(&mut commitments);
    commitments.reverse();
    assert_eq!(attributes_root(&mut commitments), root, "the order of commitments tells nothing");
    text.push_str(&format!("attributes_root {}\n", hex::text(&root)));
    text.push_str(&format!("attributes_root_of_nothing {}\n", hex::text(&attributes_root(&mut []))));
    let subject = subject_commitment(&addendum.subject_salt, addendum.number.as_bytes());
    text.push_str(&format!("subject {}\n", hex::text(&subject)));
    compare("commitments.txt", &text);
    // Moving a byte between name and value changes the commitment, because both carry their length.
    let salt = Salt([9; 32]);
    assert_ne!(attribute_commitment("ab", &salt, b"c"), attribute_commitment("a", &salt, b"bc"));
}

#[test]
fn no_golden_file_is_left_without_its_test() {
    let known: BTreeSet<String> = common::messages()
        .into_iter()
        .map(|(name, _)| format!("{name}.hex"))
        .chain(["statements.txt".to_owned(), "commitments.txt".to_owned()])
        .collect();
    let present: BTreeSet<String> = fs::read_dir(folder())
        .expect("the golden files")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let orphans: Vec<_> = present.difference(&known).collect();
    assert!(orphans.is_empty(), "old formats keep their tests: {orphans:?}");
}

/// The claims that `common::claims` has no room for.
fn other_claims() -> Vec<Claim> {
    vec![
        Claim::BirthDate(BirthDate::Day(common::day("2004-02-29"))),
        Claim::Residence {
            kind: ResidenceKind::Temporary,
            place: Place::of_province(1).expect("a code"),
            as_of: None,
            detail: Some(String::new()),
        },
        Claim::Residence {
            kind: ResidenceKind::Permanent,
            place: Place::new(49, Some(20_413)).expect("codes"),
            as_of: Some(AsOf::new(common::day("2024-12-31"), Some(503)).expect("a code")),
            detail: None,
        },
        Claim::ChildOf(common::citizen("048075000021")),
        Claim::SpouseOf(common::citizen("048201000033")),
        Claim::GuardianOf(common::citizen("000000000000")),
    ]
}

fn compare(file: &str, found: &str) {
    // Tests run side by side and may want the same new file.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = folder().join(file);
    if !path.exists() {
        assert_eq!(
            env::var("XACMINH_GOLDEN").as_deref(),
            Ok("write"),
            "golden file {file} is missing; XACMINH_GOLDEN=write creates it"
        );
        let mut created = fs::OpenOptions::new().write(true).create_new(true).open(&path).expect("a new golden file");
        created.write_all(found.as_bytes()).expect("the golden file is written");
    }
    let golden = fs::read_to_string(&path).expect("the golden file");
    assert_eq!(found, golden, "{file}: bytes that are on disks and in drawers have changed");
}

fn stored(name: &str) -> Vec<u8> {
    let (_, bytes) = common::messages().into_iter().find(|(known, _)| *known == name).expect("a message of this name");
    compare(&format!("{name}.hex"), &hex_lines(&bytes));
    let text = fs::read_to_string(folder().join(format!("{name}.hex"))).expect("the golden file");
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits")).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn hex_lines(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| hex::text(line) + "\n").collect()
}
