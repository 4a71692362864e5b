//! A new key of the log, with an overlap.

use xacminh_node::keyring::KeyringFile;
use xacminh_proto::transparency::{Policy, note::Note};

use super::log::{Log, START_MS};

const FROM_MS: u64 = START_MS + 1_000;
const UNTIL_MS: u64 = START_MS + 2_000;

async fn signed(log: &mut Log, at_ms: u64) -> Note {
    log.grow(at_ms, 1).await;
    log.notary.head(log.state.meta().leaves).await.unwrap().note.clone()
}

#[tokio::test]
async fn a_checkpoint_inside_the_overlap_is_believed_by_whoever_has_either_key() {
    let mut keyring = KeyringFile::fresh().unwrap();
    keyring.rotate_signing(FROM_MS, UNTIL_MS).unwrap();
    let mut log = Log::under(&keyring);
    let keys = log.keys(2026);
    let [old, new] = [0, 1].map(|at: usize| Policy::of_log(keys[at].clone()).unwrap());
    // When, lines, believed by a policy of the old key, and of the new one.
    let table = [
        (FROM_MS - 1, 1, true, false),
        (FROM_MS, 2, true, true),
        (UNTIL_MS - 1, 2, true, true),
        (UNTIL_MS, 1, false, true),
    ];
    let mut first = None;
    for (at_ms, lines, by_old, by_new) in table {
        let note = signed(&mut log, at_ms).await;
        assert_eq!(note.signatures().len(), lines, "{at_ms}");
        assert_eq!((old.accept(&note).is_ok(), new.accept(&note).is_ok()), (by_old, by_new), "{at_ms}");
        first.get_or_insert(note);
    }
    // What was signed before is signed again with the same bytes, whichever keys sign now.
    let again = log.notary.head(1).await.unwrap();
    assert_eq!(Some(&again.note), first.as_ref());
}
