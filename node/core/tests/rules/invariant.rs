//! Each invariant is seen to bark: a sound state is broken in one way, and the check says which.

use xacminh_core::{
    apply::{NewLeaf, Seen},
    command::RecordChange,
    invariant::{VIOLATIONS_MAX, Violation, check},
};

use crate::{
    disk::{Disk, item, leaf, register, request},
    fixtures::NOW_MS,
};
use xacminh_proto::transparency::{LeafKind, merkle::Frontier};

/// A register, then requests 1 to 3 at positions 1 to 3, the first with a record.
fn sound() -> Disk {
    let mut disk = Disk::default();
    disk.commit(&register(NOW_MS, 0, 1));
    let mut first = item(request(1), NOW_MS + 1, 1);
    first.remember = Some(RecordChange { key: [4; 32], as_of: 0, sealed: vec![1] });
    disk.commit_batch(NOW_MS + 1, vec![first, item(request(2), NOW_MS + 1, 1)]);
    disk.commit_batch(NOW_MS + 2, vec![item(request(3), NOW_MS + 2, 1)]);
    disk
}

#[test]
fn a_sound_state_and_an_empty_one_have_no_violation() {
    assert_eq!(check(&sound()), []);
    assert_eq!(check(&Disk::default()), []);
}

/// What is found, apart from what any other leaf does to the tree and to its trail.
fn broken(change: impl Fn(&mut Disk)) -> Vec<Violation> {
    let mut found = broken_at_all(change);
    found.retain(|violation| {
        !matches!(violation, Violation::TreeWrong { .. } | Violation::LinkWrong { .. } | Violation::TrailWrong { .. })
    });
    found
}

fn broken_at_all(change: impl Fn(&mut Disk)) -> Vec<Violation> {
    let mut disk = sound();
    change(&mut disk);
    check(&disk)
}

#[test]
fn a_tree_that_is_not_that_of_its_leaves() {
    let found = broken_at_all(|disk| disk.frontier = Frontier::new());
    assert_eq!(found, [Violation::TreeWrong { first: 0 }]);
    let found = broken_at_all(|disk| disk.leaves.get_mut(&0).expect("there").leaf[129] ^= 1);
    assert_eq!(found, [Violation::AddendumWrong { position: 0 }, Violation::TreeWrong { first: 0 }]);
}

#[test]
fn a_trail_that_is_not_that_of_its_leaves() {
    let person = |disk: &Disk| *disk.trails.iter().find(|(_, trail)| trail.last == 2).expect("request 2").0;
    let found = broken_at_all(|disk| disk.leaves.get_mut(&2).expect("there").trail = None);
    assert_eq!(found, [Violation::TrailWrong { count: 1 }], "a leaf is left out");
    let found = broken_at_all(|disk| {
        let trail = disk.leaves[&2].trail;
        disk.leaves.get_mut(&3).expect("there").trail = trail;
    });
    assert_eq!(
        found,
        [Violation::LinkWrong { position: 3 }, Violation::TrailWrong { count: 1 }, Violation::TrailWrong { count: 1 }],
        "a leaf too many"
    );
    let found = broken_at_all(|disk| assert!(disk.trails.remove(&person(disk)).is_some()));
    assert_eq!(found, [Violation::TrailWrong { count: 0 }], "a key without a trail");
    let found = broken_at_all(|disk| drop(disk.people.remove(&person(disk))));
    assert_eq!(
        found,
        [Violation::TrailWrong { count: 1 }, Violation::TrailWrong { count: 0 }],
        "a trail without a key"
    );
}

/// Puts a leaf with its addendum at a position.
fn put(disk: &mut Disk, position: u64, which: u8, at_ms: u64, revision: u64) {
    let leaf = leaf(LeafKind::Disclosed, request(which), at_ms, revision, b"sealed");
    disk.leaves.insert(
        position,
        NewLeaf { leaf, envelope: b"sealed".to_vec(), trail: None, previous: None, dossier: [0; 16] },
    );
}

#[test]
fn entries_that_are_no_longer_kept_are_missed_by_nobody() {
    let mut disk = sound();
    disk.meta.last_at_ms += xacminh_core::apply::REQUEST_WINDOW_MS;
    disk.requests.clear();
    disk.prune(3);
    assert_eq!(check(&disk), []);
    disk.pruned[1][0] ^= 1;
    assert!(check(&disk).contains(&Violation::TreeWrong { first: 0 }), "another hash is another tree");
}

#[test]
fn a_trail_walked_back_to_another_leaf() {
    let found = broken_at_all(|disk| disk.leaves.get_mut(&3).expect("there").previous = Some(0));
    assert_eq!(found, [Violation::LinkWrong { position: 3 }]);
}

#[test]
fn a_hole_in_the_log() {
    let found = broken(|disk| drop(disk.leaves.remove(&2)));
    assert_eq!(found, [Violation::LeafMissing { position: 2, leaves: 4 }, Violation::RequestAstray { position: 2 }]);
}

#[test]
fn a_leaf_too_many() {
    assert_eq!(broken(|disk| put(disk, 4, 5, NOW_MS + 2, 1)), [Violation::LeafBeyond { position: 4 }]);
}

#[test]
fn bytes_that_are_no_leaf() {
    let found = broken(|disk| disk.leaves.get_mut(&0).expect("there").leaf[0] = 9);
    assert_eq!(found, [Violation::LeafUnreadable { position: 0 }]);
}

#[test]
fn time_that_goes_back_or_past_the_last_stamp() {
    assert_eq!(broken(|disk| put(disk, 3, 3, NOW_MS, 1)), [Violation::TimeDisordered { position: 3 }]);
    assert_eq!(broken(|disk| put(disk, 3, 3, NOW_MS + 3, 1)), [Violation::TimeDisordered { position: 3 }]);
}

#[test]
fn a_lost_or_swapped_addendum() {
    let swapped = broken(|disk| disk.leaves.get_mut(&2).expect("there").envelope.push(0));
    assert_eq!(swapped, [Violation::AddendumWrong { position: 2 }]);
}

#[test]
fn two_leaves_for_one_request() {
    let found = broken(|disk| {
        put(disk, 3, 2, NOW_MS + 2, 1);
        disk.requests.remove(&request(3));
    });
    assert_eq!(found, [Violation::RequestTwice { first: 2, second: 3 }]);
}

#[test]
fn a_request_forgotten_too_early() {
    let found = broken(|disk| disk.requests.retain(|key, _| *key != request(2)));
    assert_eq!(found, [Violation::RequestForgotten { position: 2 }]);
}

#[test]
fn a_request_may_be_forgotten_when_its_window_is_over() {
    let mut disk = sound();
    disk.meta.last_at_ms += xacminh_core::apply::REQUEST_WINDOW_MS;
    disk.requests.clear();
    assert_eq!(check(&disk), []);
}

#[test]
fn a_request_that_points_elsewhere() {
    let found = broken(|disk| {
        disk.requests.insert(request(2), Seen { position: 17, question: [7; 16] });
    });
    assert_eq!(found, [Violation::RequestAstray { position: 17 }]);
}

#[test]
fn two_requests_at_one_position() {
    let found = broken(|disk| {
        disk.requests.insert(request(9), Seen { position: 3, question: [7; 16] });
    });
    assert_eq!(found, [Violation::RequestAstray { position: 3 }, Violation::PositionShared { position: 3 }]);
}

#[test]
fn records_from_the_future_or_without_a_version() {
    let future = broken(|disk| disk.records.extend([([5; 32], 4)]));
    assert_eq!(future, [Violation::RecordFromFuture { version: 4, applied: 3 }]);
    assert_eq!(broken(|disk| disk.records.extend([([5; 32], 0)])), [Violation::RecordUnversioned]);
}

#[test]
fn an_erasure_from_the_future() {
    assert_eq!(broken(|disk| disk.meta.erased = 3), []);
    assert_eq!(broken(|disk| disk.meta.erased = 4), [Violation::ErasedInFuture { erased: 4, applied: 3 }]);
}

#[test]
fn a_register_that_is_another_unreadable_or_missing() {
    let wrong = [Violation::RegisterWrong { revision: 1 }];
    assert_eq!(broken(|disk| disk.register = Some("[register]\nrevision = 2\n".to_owned())), wrong);
    assert_eq!(broken(|disk| disk.register = Some("[register]".to_owned())), wrong);
    assert_eq!(broken(|disk| disk.register = None), wrong);
    let before_the_first = Disk { register: Some("[register]\nrevision = 1\n".to_owned()), ..Disk::default() };
    assert_eq!(check(&before_the_first), [Violation::RegisterWrong { revision: 0 }]);
}

#[test]
fn a_leaf_under_a_revision_that_was_never_in_force() {
    assert_eq!(broken(|disk| put(disk, 3, 3, NOW_MS + 2, 2)), [Violation::RevisionFromFuture { position: 3 }]);
}

#[test]
fn a_count_gone_wild_is_not_counted_up_to() {
    let found = broken(|disk| disk.meta.leaves = u64::MAX);
    assert_eq!(found.len(), VIOLATIONS_MAX);
}
