//! The notary over a real store that it is given histories of.

use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use xacminh_core::{
    apply::ItemOutcome,
    command::{Command, RegisterChange, Ticket},
};
use xacminh_proto::{
    transparency::{Envelope, Leaf, LeafKind, LeafVerdict},
    vocab::{PortalId, RequestId},
};

use super::*;
use crate::{
    keyring::KeyringFile,
    store::{ApplySink, Options, Store, at_once::AtOnce},
};

const NOW_MS: u64 = 1_793_000_000_000;

struct Nobody;

impl ApplySink for Nobody {
    fn applied(&self, _: u64, _: u64, _: u64, _: Vec<(Ticket, ItemOutcome)>) {}
}

/// A log of one leaf for each revision of the register; `salt` makes it another history.
async fn history(folder: &Path, revisions: std::ops::RangeInclusive<u64>, salt: u8) -> (State, AtOnce) {
    let options =
        Options { directory: folder, cluster: "da-nang", node: 1, incarnation: 1, block_cache_bytes: 1024 * 1024 };
    let store = Store::open(&options, Arc::new(Nobody), Arc::new(|fatal| panic!("{fatal}"))).expect("a store");
    let state = store.state.clone();
    let log = AtOnce::new(store.machine);
    for revision in revisions {
        log.apply(&Command::Register(change(revision, salt))).await;
    }
    (state, log)
}

fn change(revision: u64, salt: u8) -> RegisterChange {
    let (at_ms, envelope) = (NOW_MS + revision, vec![salt; 8]);
    let leaf = Leaf {
        kind: LeafKind::Policy,
        time_ms: at_ms,
        request_id: RequestId::new(at_ms, [salt; 10]),
        portal: PortalId(0),
        official: [0; 16],
        purpose: 0,
        procedure: 0,
        register_revision: u32::try_from(revision).expect("few"),
        fields: 0,
        verdict: LeafVerdict::None,
        subject: [0; 32],
        attributes_root: [0; 32],
        addendum_digest: Envelope::digest(&envelope),
        record_version: 0,
        previous: [0; 32],
    };
    RegisterChange {
        ticket: Ticket { node: 1, boot: 1, seq: revision },
        at_ms,
        before: revision - 1,
        revision,
        entries_days: 0,
        document: format!("[register]\nrevision = {revision}\n"),
        leaf: leaf.encode(),
        envelope,
    }
}

fn keyring() -> KeyringFile {
    KeyringFile::fresh().expect("random numbers")
}

/// A notary under a keyring, with its record in `folder`, and how often it raised the alarm.
fn notary(folder: &Path, file: &KeyringFile, state: &State) -> (Notary, Arc<AtomicUsize>) {
    let alarms = Arc::new(AtomicUsize::new(0));
    let alarm: Alarm = {
        let alarms = Arc::clone(&alarms);
        Arc::new(move |_| {
            alarms.fetch_add(1, Ordering::SeqCst);
        })
    };
    let keyring = Arc::new(Keyring::from_file(file).expect("a keyring"));
    let authority = Authority { domain: "example.vn".into(), province: "48".into(), keyring };
    (Notary::start(folder, true, authority, state.clone(), alarm).expect("a notary"), alarms)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn two_notaries_sign_the_same_head_with_the_same_bytes_in_any_order() {
    let (data, one, two, keys) = (folder(), folder(), folder(), keyring());
    let (state, _log) = history(data.path(), 1..=9, 0).await;
    let ((first, _), (second, _)) = (notary(one.path(), &keys, &state), notary(two.path(), &keys, &state));
    let mut heads = Vec::new();
    for leaves in 1..=9 {
        heads.push(first.head(leaves).await.expect("signed"));
    }
    for leaves in (1..=9).rev() {
        let head = second.head(leaves).await.expect("signed, although a newer one was before");
        let same = &heads[usize::try_from(leaves).expect("few") - 1];
        assert_eq!((head.note.to_string(), head.size), (same.note.to_string(), leaves));
    }
    assert_eq!(first.newest().map(|head| head.leaves()), Some(9));
    assert!(matches!(first.head(10).await, Err(NotaryError::NoTree(10))));
    assert!(matches!(first.head(0).await, Err(NotaryError::NoTree(0))));
}

#[tokio::test]
async fn a_history_that_was_not_signed_is_never_signed_after_another_one() {
    let (data, other, record, keys) = (folder(), folder(), folder(), keyring());
    {
        let (state, _log) = history(data.path(), 1..=4, 0).await;
        let (notary, alarms) = notary(record.path(), &keys, &state);
        notary.head(4).await.expect("signed");
        assert_eq!(alarms.load(Ordering::SeqCst), 0);
    }
    // Wiped, restored or corrupted: as many leaves and more, but others.
    let (state, _log) = history(other.path(), 1..=6, 1).await;
    for leaves in [4, 6] {
        let (notary, alarms) = notary(record.path(), &keys, &state);
        assert!(matches!(notary.head(leaves).await, Err(NotaryError::Contradicts(_))), "{leaves}");
        assert_eq!(alarms.load(Ordering::SeqCst), 1, "{leaves}: the node stops");
    }
    // An older head of it neither: the head signed last did not grow out of it.
    let (notary, alarms) = notary(record.path(), &keys, &state);
    assert!(matches!(notary.head(2).await, Err(NotaryError::Contradicts(_))));
    assert_eq!(alarms.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_tree_that_ends_before_the_head_signed_last_is_not_signed_before_it_has_grown() {
    let (data, short, record, keys) = (folder(), folder(), folder(), keyring());
    {
        let (state, _log) = history(data.path(), 1..=5, 0).await;
        notary(record.path(), &keys, &state).0.head(5).await.expect("signed");
    }
    let (state, log) = history(short.path(), 1..=3, 0).await;
    let (notary, alarms) = notary(record.path(), &keys, &state);
    assert_eq!(notary.behind(), Some(Behind { year: 2026, signed: 5, here: 3 }));
    assert!(matches!(notary.head(3).await, Err(NotaryError::Behind)));
    for revision in 4..=6 {
        log.apply(&Command::Register(change(revision, 0))).await;
    }
    assert_eq!(notary.behind(), None);
    assert_eq!(notary.head(6).await.expect("signed").size, 6);
    assert_eq!(alarms.load(Ordering::SeqCst), 0);
}

/// A node that nobody asks signs nothing; it must notice all the same that it has another history.
#[tokio::test]
async fn a_start_compares_its_tree_with_what_was_signed_before() {
    let (data, other, record, keys) = (folder(), folder(), folder(), keyring());
    let (state, log) = history(data.path(), 1..=4, 0).await;
    {
        let (notary, alarms) = notary(record.path(), &keys, &state);
        notary.compare().await;
        notary.head(4).await.expect("signed");
        assert_eq!(alarms.load(Ordering::SeqCst), 0, "nothing was signed before");
    }
    log.apply(&Command::Register(change(5, 0))).await;
    let (same, alarms) = notary(record.path(), &keys, &state);
    same.compare().await;
    assert_eq!(alarms.load(Ordering::SeqCst), 0, "the same history, and more of it");
    let (state, _log) = history(other.path(), 1..=6, 1).await;
    let (another, alarms) = notary(record.path(), &keys, &state);
    assert_eq!(another.behind(), None, "it is long enough");
    another.compare().await;
    assert_eq!(alarms.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn heads_within_an_overlap_are_signed_by_both_keys_and_others_by_one() {
    let (data, record, mut keys) = (folder(), folder(), keyring());
    // Leaves are stamped NOW + 1 to NOW + 4.
    keys.rotate_signing(NOW_MS + 2, NOW_MS + 4).expect("random numbers");
    let (state, _log) = history(data.path(), 1..=4, 0).await;
    let (notary, _) = notary(record.path(), &keys, &state);
    let verifiers = notary.authority().verifier_keys(2026).expect("an origin");
    let believe = |note: &Note| {
        let accepts = |key: &VerifierKey| Policy::of_log(key.clone()).expect("a log's key").accept(note).is_ok();
        verifiers.iter().map(accepts).collect::<Vec<_>>()
    };
    for (leaves, expected) in [(1, [true, false]), (2, [true, true]), (3, [true, true]), (4, [false, true])] {
        assert_eq!(believe(&notary.head(leaves).await.expect("signed").note), expected, "{leaves}");
    }
}

#[tokio::test]
async fn without_a_key_for_the_time_nothing_is_signed() {
    let (data, record) = (folder(), folder());
    let mut keys = keyring();
    keys.rotate_signing(NOW_MS * 2, NOW_MS).expect("random numbers");
    let (state, _log) = history(data.path(), 1..=1, 0).await;
    let (notary, _) = notary(record.path(), &keys, &state);
    assert!(matches!(notary.head(1).await, Err(NotaryError::NoKey(_))));
}

/// A signature that left without its durable record could be contradicted by the next start.
#[tokio::test]
async fn a_head_whose_record_cannot_be_written_is_never_signed_and_stops_the_node() {
    let (data, folder, keys) = (folder(), folder(), keyring());
    let (state, _log) = history(data.path(), 1..=4, 0).await;
    let mut record = Record::open(folder.path(), true).expect("a record");
    record.break_disk(folder.path());
    let keyring = Arc::new(Keyring::from_file(&keys).expect("a keyring"));
    let authority = Authority { domain: "example.vn".into(), province: "48".into(), keyring };
    let codes = Arc::new(Mutex::new(Vec::new()));
    let alarm: Alarm = {
        let codes = Arc::clone(&codes);
        Arc::new(move |error| codes.lock().expect("nobody panicked").push(error.exit_code()))
    };
    let notary = Notary::over(record, authority, state, alarm).expect("a notary");
    for again in 1..=2 {
        assert!(matches!(notary.head(4).await, Err(NotaryError::Record(_))), "{again}");
        assert_eq!(*codes.lock().expect("nobody panicked"), vec![Some(ExitCode::StorageFailed); again]);
    }
}
