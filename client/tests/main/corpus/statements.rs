//! Values that a careless reader would take, committed to by a sound leaf and signed by the log: whoever writes the
//! log may be careless too, and only bytes that would be written so are statements.

use xacminh_proto::transparency::{
    Checkpoint, Hash, Leaf, Salt, attribute_commitment, attributes_root, merkle::leaf_hash, note::Note,
};

use crate::paper::{ORIGIN, Paper, log_alone, log_key, text_of};

use super::Case;

const SALT: Salt = Salt([9; 32]);

/// A confirmed outcome.
const CONFIRMED: (&str, &[u8]) = ("outcome", &[1, 0, 0, 0, 0, 0, 0, 0, 1]);

/// Leaves and commitments that are signed and yet none.
pub(super) fn leaves() -> Vec<Case> {
    let root = attributes_root(&mut [commitment(&CONFIRMED)]);
    let leaf = sound_leaf(root).encode().to_vec();
    let changed = |at: usize, byte: u8| {
        let mut changed = leaf.clone();
        changed[at] = byte;
        changed
    };
    let mut cases = Vec::new();
    for (name, leaf, is_sound) in [
        ("sound", leaf.clone(), true),
        ("another time", changed(9, 77), true),
        ("another version", changed(0, 2), false),
        ("kind 0", changed(1, 0), false),
        ("kind 8", changed(1, 8), false),
        ("a UUID of version 4", changed(16, 0x49), false),
        ("a UUID of another variant", changed(18, 0xc9), false),
        ("verdict 5", changed(64, 5), false),
        ("a byte more", [&leaf[..], &[0]].concat(), false),
        ("a byte less", leaf[..leaf.len() - 1].to_vec(), false),
        ("nothing", vec![], false),
        ("301 bytes", vec![1; 301], false),
    ] {
        let receipt = signed(&leaf, &disclosed(&leaf, &[CONFIRMED], &[]));
        cases.push(Case::new(format!("leaf: {name}"), &log_alone(), receipt.as_bytes(), is_sound));
    }
    for (name, closed, is_sound) in [
        ("ascending", vec![[3; 32], [7; 32]], true),
        ("descending", vec![[7; 32], [3; 32]], false),
        ("one twice", vec![[7; 32], [7; 32]], false),
        ("sixty-three", (1..=63).map(|byte| [byte; 32]).collect(), true),
        ("sixty-four and an outcome", (1..=64).map(|byte| [byte; 32]).collect(), false),
    ] {
        let mut commitments: Vec<Hash> = closed.iter().copied().chain([commitment(&CONFIRMED)]).collect();
        let leaf = sound_leaf(attributes_root(&mut commitments)).encode();
        let receipt = signed(&leaf, &disclosed(&leaf, &[CONFIRMED], &closed));
        cases.push(Case::new(format!("closed: {name}"), &log_alone(), receipt.as_bytes(), is_sound));
    }
    cases
}

/// Values of claims and attributes: only bytes that would be written so are statements.
pub(super) fn values() -> Vec<Case> {
    let judged = |(name, value, is_sound): (&str, Vec<u8>, bool)| {
        let receipt = handmade(&[CONFIRMED, (name, &value)]);
        Case::new(format!("{name} = {value:?}"), &log_alone(), receipt.as_bytes(), is_sound)
    };
    claims().into_iter().chain(attributes()).map(judged).collect()
}

/// What a match claims, as bytes.
fn claim(argument: &[u8]) -> Vec<u8> {
    [&[1, 0, 0, 0, 1], argument].concat()
}

fn claims() -> Vec<(&'static str, Vec<u8>, bool)> {
    vec![
        ("claim/0/birth_date", claim(b"2004-02-29"), true),
        ("claim/0/birth_date", claim(b"2003-02-29"), false),
        ("claim/0/birth_date", claim(b"1900-02-29"), false),
        ("claim/0/birth_date", claim(b"29/02/2004"), false),
        ("claim/0/birth_date", claim(b"1799"), false),
        ("claim/0/birth_date", claim(b"2399"), true),
        ("claim/0/birth_date", claim(b"2400-01-01"), false),
        ("claim/0/birth_date", claim(b"1990-13-01"), false),
        ("claim/0/birth_date", claim(b"1990-00-10"), false),
        ("claim/0/birth_date", claim(b"1990-4-31"), false),
        ("claim/0/full_name", claim("Y Bhăm Niê".as_bytes()), true),
        ("claim/0/full_name", claim("H’Năm Đ. Ksor-Krơn".as_bytes()), true),
        ("claim/0/full_name", claim(b"  An"), false),
        ("claim/0/full_name", claim(b"An  Binh"), false),
        ("claim/0/full_name", claim(b"An "), false),
        ("claim/0/full_name", claim("An\u{a0}Bình".as_bytes()), false),
        ("claim/0/full_name", claim("Nguye\u{302}\u{303}n".as_bytes()), false),
        ("claim/0/full_name", claim("An \u{301}".as_bytes()), false),
        ("claim/0/full_name", claim(b"..."), false),
        ("claim/0/full_name", claim(b"An 2"), false),
        ("claim/0/full_name", claim("An\u{3164}".as_bytes()), false),
        ("claim/0/full_name", claim("An\u{202e}".as_bytes()), false),
        ("claim/0/full_name", claim(b""), false),
        ("claim/0/full_name", claim("ờ".repeat(66).as_bytes()), true),
        ("claim/0/full_name", claim("ờ".repeat(67).as_bytes()), false),
        ("claim/0/full_name", claim(b"\xff"), false),
        ("claim/0/sex", claim(&[2]), true),
        ("claim/0/sex", claim(&[3]), false),
        ("claim/0/sex", claim(&[]), false),
        ("claim/0/nationality", claim(b"VN"), true),
        ("claim/0/nationality", claim(b"vn"), false),
        ("claim/0/nationality", claim(b"VNM"), false),
        ("claim/0/age_at_least", claim(&[18]), true),
        ("claim/0/age_at_least", claim(&[]), false),
        ("claim/0/age_at_least", claim(b"\x122026-01-01"), true),
        ("claim/0/age_at_least", claim(b"\x122026"), false),
        ("claim/0/residence", claim(&[1, 48, 0, 0, 0, 0, 0]), true),
        ("claim/0/residence", claim(&[1, 48, 0, 0, 0, 0, 1, b'x']), true),
        ("claim/0/residence", claim(&[1, 48, 0, 0, 0, 0, 1]), true),
        ("claim/0/residence", claim(&[1, 48, 0, 0, 0, 0, 0, b'x']), false),
        ("claim/0/residence", claim(&[1, 48, 0, 0, 0, 0, 2]), false),
        ("claim/0/residence", claim(&[1, 48, 0, 0, 0, 0]), false),
        ("claim/0/residence", claim(&[0, 48, 0, 0, 0, 0, 0]), false),
        ("claim/0/residence", claim(&[1, 100, 0, 0, 0, 0, 0]), false),
        ("claim/0/residence", claim(&[1, 0, 0, 0, 0, 0, 0]), false),
        ("claim/0/residence", claim(&[1, 48, 0, 1, 0x86, 0xa0, 0]), false),
        ("claim/0/residence", claim("\u{1}\u{30}\0\0\0\0\u{1}nhà e\u{301}".as_bytes()), true),
        ("claim/0/residence", claim(&[]), false),
        ("claim/0/marital_status", claim(&[0]), true),
        ("claim/0/marital_status", claim(&[4]), false),
        ("claim/0/living_status", claim(&[0]), false),
        ("claim/0/living_status", claim(&[3]), true),
        ("claim/0/old_number", claim(b"201234567"), true),
        ("claim/0/old_number", claim(b"048190000017"), false),
        ("claim/0/card_issued", claim(b"2021"), false),
        ("claim/0/head_of_household", claim(b""), true),
        ("claim/0/head_of_household", claim(b"x"), false),
        ("claim/0/same_household", claim(b"048075000021"), true),
        ("claim/0/same_household", claim(b"04807500002x"), false),
        ("claim/0/sex", vec![1, 0x0b, 0xb9, 0, 1, 1], false),
        ("claim/0/sex", vec![1, 0, 0, 0, 99, 1], false),
        ("claim/0/sex", vec![1, 0, 0, 0, 0, 1], false),
        ("claim/0/sex", vec![0, 0, 0, 0, 1, 1], false),
        ("claim/0/sex", vec![4, 0, 0, 0, 1, 1], false),
        ("claim/0/sex", vec![1, 0, 0], false),
        ("claim/0/sex", vec![], false),
    ]
}

fn attributes() -> Vec<(&'static str, Vec<u8>, bool)> {
    let text = |text: &str| [&[1], text.as_bytes()].concat();
    vec![
        ("attribute/full_name", text("Nguyễn Văn An"), true),
        ("attribute/full_name", text(""), true),
        ("attribute/full_name", text("a\nb"), false),
        ("attribute/full_name", text("a\u{85}b"), false),
        ("attribute/full_name", text("a\u{2066}b"), false),
        ("attribute/full_name", text("a\u{e0001}b"), false),
        ("attribute/full_name", text("An 😀"), true),
        ("attribute/full_name", text(&"ờ".repeat(100)), true),
        ("attribute/full_name", text(&"ờ".repeat(101)), false),
        ("attribute/full_name", vec![0], true),
        ("attribute/full_name", vec![0, 0], false),
        ("attribute/full_name", vec![10], false),
        ("attribute/full_name", vec![], false),
        ("attribute/birth_date", b"\x021990".to_vec(), true),
        ("attribute/birth_date", b"\x031990".to_vec(), false),
        ("attribute/birth_date", b"\x031990-01-31".to_vec(), true),
        ("attribute/sex", vec![4, 1], true),
        ("attribute/sex", vec![4], false),
        ("attribute/sex", vec![4, 1, 1], false),
        ("attribute/marital_status", vec![5, 3], true),
        ("attribute/living_status", vec![6, 2], true),
        ("attribute/citizen_number", b"\x07048190000017".to_vec(), true),
        ("attribute/citizen_number", b"\x07201234567".to_vec(), false),
        ("attribute/old_number", b"\x08201234567".to_vec(), true),
        ("attribute/home_town", b"\x09\x30\0\0\0\0\0\0\0\0".to_vec(), true),
        ("attribute/home_town", b"\x09\x30\0\0\0\0\0\0\0\0S\xe1\xbb\x91 1".to_vec(), true),
        ("attribute/home_town", b"\x09\x30\0\0\0\0\0\0\0".to_vec(), false),
        ("attribute/home_town", b"\x09\x30\0\0\0\0\0\x01\x86\xa0".to_vec(), false),
        ("attribute/home_town", b"\x09\x30\0\0\0\0\0\0\0\0e\xcc\x81".to_vec(), false),
    ]
}

/// Names of statements, and the order they stand in.
pub(super) fn orders() -> Vec<Case> {
    let mut cases = Vec::new();
    let (match_, age) = (claim(&[1]), claim(&[18]));
    for (name, statements, is_sound) in [
        ("in order", vec![CONFIRMED, ("claim/2/sex", &match_), ("claim/10/age_at_least", &age)], true),
        ("out of order", vec![("claim/2/sex", &match_[..]), CONFIRMED], false),
        ("two claims at one place", vec![CONFIRMED, ("claim/2/sex", &match_), ("claim/2/age_at_least", &age)], false),
        ("a place out of bounds", vec![("claim/16/sex", &match_[..])], false),
        ("a place written otherwise", vec![("claim/02/sex", &match_[..])], false),
        ("an unknown kind", vec![("claim/2/shoe_size", &match_[..])], false),
        ("an unknown attribute", vec![("attribute/shoe_size", &[0][..])], false),
        ("a name of an object", vec![("attribute/constructor", &[0][..])], false),
        ("a name with an end", vec![("outcome\0", CONFIRMED.1)], false),
        ("the largest time", vec![("outcome", &[1, 255, 255, 255, 255, 255, 255, 255, 255][..])], true),
        ("an outcome cut short", vec![("outcome", &[1, 0][..])], false),
        ("an outcome with more behind it", vec![("outcome", &[2, 0][..])], false),
        ("an unknown outcome", vec![("outcome", &[5][..])], false),
        ("an unknown cause", vec![("outcome", &[3, 0x07, 0xd7][..])], false),
    ] {
        let receipt = handmade(&statements);
        cases.push(Case::new(format!("statements {name}"), &log_alone(), receipt.as_bytes(), is_sound));
    }
    cases
}

/// A signed receipt of these very bytes, whatever they are: everything was asked, and everything matches.
fn handmade(statements: &[(&str, &[u8])]) -> String {
    let mut commitments: Vec<Hash> = statements.iter().map(commitment).collect();
    let leaf = sound_leaf(attributes_root(&mut commitments)).encode();
    signed(&leaf, &disclosed(&leaf, statements, &[]))
}

/// The receipt of a log of one leaf, which the log's key signed.
fn signed(leaf: &[u8], disclosure: &[u8]) -> String {
    let text = Checkpoint::new(ORIGIN, 1, leaf_hash(leaf)).unwrap().text();
    let note = Note::new(text.clone(), vec![log_key().sign(&text)]).unwrap();
    text_of(disclosure, 0, &[], &note)
}

fn sound_leaf(attributes_root: Hash) -> Leaf {
    Leaf { attributes_root, fields: u64::MAX, ..Paper::ordinary().leaf() }
}

fn commitment((name, value): &(&str, &[u8])) -> Hash {
    attribute_commitment(name, &SALT, value)
}

/// A disclosure by its layout, without asking whether any of it is sound.
fn disclosed(leaf: &[u8], statements: &[(&str, &[u8])], closed: &[Hash]) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(u16::try_from(leaf.len()).unwrap().to_be_bytes());
    bytes.extend(leaf);
    bytes.extend([0, u8::try_from(statements.len()).unwrap()]);
    for (name, value) in statements {
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend(name.as_bytes());
        bytes.extend(SALT.0);
        bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend(*value);
    }
    bytes.push(u8::try_from(closed.len()).unwrap());
    bytes.extend(closed.iter().flatten());
    bytes
}
