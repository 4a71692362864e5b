//! Bytes that are on disks and in logs already: whatever the code becomes, these must be read.

use xacminh_core::{
    command::{Batch, Command, CommandError, Item, RecordChange, RecordRead, TreeHead},
    record::{Known, RecordError},
};
use xacminh_proto::hex;

use crate::{
    apply_sweep::page,
    disk::{erasure, item, known_person, miss, register, request},
    fixtures::{NOW_MS, an, known},
};

const BATCH: &str = include_str!("golden/command_v2_batch.hex");
const REGISTER: &str = include_str!("golden/command_v2_register.hex");
const ERASURE: &str = include_str!("golden/command_v2_erasure.hex");
const SWEEP: &str = include_str!("golden/command_v2_sweep.hex");
const KNOWN: &str = include_str!("golden/known_v1.hex");

fn batch(at_ms: u64, items: Vec<Item>) -> Command {
    Command::Batch(Batch { at_ms, clock_ms: at_ms - 1, tree: TreeHead { leaves: 258, root: [8; 32] }, items })
}

fn a_batch() -> Command {
    let mut remembering = item(request(1), NOW_MS, 7);
    remembering.remember = Some(RecordChange { key: [4; 32], as_of: 3, sealed: vec![1, 2, 3] });
    remembering.entry.miss = miss(20, true);
    remembering.entry.granted_until_ms = Some(NOW_MS + 1);
    let mut reading = item(request(2), NOW_MS, 7);
    reading.read = Some(RecordRead { key: [5; 32], as_of: 300 });
    reading.entry.person = Some(known_person(18, 300));
    batch(NOW_MS, vec![remembering, reading])
}

#[test]
fn commands_keep_their_bytes() {
    let sweep = page(NOW_MS, 3, false, 300, &[4, 5]);
    for (command, golden) in
        [(a_batch(), BATCH), (register(NOW_MS, 7, 8), REGISTER), (erasure(NOW_MS, 3, 9, 7), ERASURE), (sweep, SWEEP)]
    {
        let bytes = command.encode().expect("small");
        assert_eq!(hex::text(&bytes), golden.trim());
        assert_eq!(Command::decode(&bytes_of(golden)), Ok(command));
    }
}

#[test]
fn records_keep_their_bytes() {
    let known = known(vec![an()]);
    assert_eq!(hex::text(&known.encode().expect("small")), KNOWN.trim());
    assert!(Known::decode(&bytes_of(KNOWN)) == Ok(known));
}

#[test]
fn other_versions_truncations_and_additions_are_errors() {
    let bytes = bytes_of(BATCH);
    for length in 0..bytes.len() {
        assert!(Command::decode(&bytes[..length]).is_err(), "the first {length} bytes");
    }
    assert!(Command::decode(&[&bytes[..], &[0]].concat()).is_err());
    for version in [0, 1, 3] {
        assert_eq!(Command::decode(&[&[version], &bytes[1..]].concat()), Err(CommandError::Version(version)));
    }
    assert!(matches!(Known::decode(&[9, 0, 0]), Err(RecordError::Version(9))));
    assert!(Known::decode(&bytes_of(KNOWN)[..40]).is_err());
}

#[test]
fn a_batch_too_long_is_an_error() {
    let items = vec![item(request(1), NOW_MS, 7); xacminh_core::command::BATCH_ITEMS_MAX + 1];
    let bytes = batch(NOW_MS, items).encode().expect("it fits");
    assert_eq!(Command::decode(&bytes), Err(CommandError::TooManyItems(257)));
}

fn bytes_of(golden: &str) -> Vec<u8> {
    hex::bytes(golden.trim()).expect("hexadecimal")
}
