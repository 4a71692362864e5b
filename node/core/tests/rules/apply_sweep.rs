//! Pages of sweeps: which of them are taken, and what they leave.

use proptest::prelude::*;
use xacminh_core::{
    apply::{ItemOutcome, Sweep, apply, wanted},
    command::{Command, CommandError, PAGE_RECORDS_MAX, RecordChange, RecordKey, RecordRead, SweepPage, SweptRecord},
};

use crate::{
    disk::{Disk, erasure, item, request},
    fixtures::NOW_MS,
};

/// A page of the sweep `begun_ms`, with a record of each key, read when nothing after the entry `as_of` was applied.
pub(crate) fn page(begun_ms: u64, page: u64, last: bool, as_of: u64, records: &[u8]) -> Command {
    let record = |which: &u8| SweptRecord { key: key(*which), sealed: vec![*which] };
    let cursor = vec![u8::try_from(page).expect("few")];
    Command::Sweep(SweepPage { begun_ms, page, last, cursor, as_of, records: records.iter().map(record).collect() })
}

fn key(which: u8) -> RecordKey {
    [which; 32]
}

/// Whether the page was taken; a page that is not changes nothing.
fn taken(disk: &mut Disk, command: &Command) -> bool {
    let before = disk.clone();
    let applied = apply(disk.applied + 1, command, disk.load(&wanted(command))).expect("no contradiction");
    assert_eq!(applied.outcomes, []);
    let cursor = applied.changes.cursor.clone();
    disk.write(applied.changes);
    let Command::Sweep(page) = command else { panic!("a page") };
    if cursor.is_none() {
        assert_eq!(Disk { applied: before.applied, ..disk.clone() }, before);
        return false;
    }
    assert_eq!(cursor.as_ref(), Some(&page.cursor));
    assert_eq!(disk.meta.sweep, Sweep { begun_ms: page.begun_ms, pages: page.page + 1, ended: page.last });
    assert_eq!(disk.meta.leaves, before.meta.leaves, "it is no answer to anybody");
    true
}

#[test]
fn pages_chain() {
    let mut disk = Disk::default();
    assert!(!taken(&mut disk, &page(7, 1, false, 0, &[])), "a sweep begins with its first page");
    assert!(taken(&mut disk, &page(7, 0, false, 0, &[1])));
    assert!(!taken(&mut disk, &page(7, 0, false, 0, &[1])), "twice");
    assert!(!taken(&mut disk, &page(7, 2, false, 0, &[3])), "one is left out");
    assert!(!taken(&mut disk, &page(6, 0, false, 0, &[3])), "an earlier sweep's");
    assert!(!taken(&mut disk, &page(6, 1, false, 0, &[3])), "an earlier sweep's");
    assert!(taken(&mut disk, &page(7, 1, true, 0, &[2])));
    assert!(!taken(&mut disk, &page(7, 2, false, 0, &[3])), "after the end");
    assert!(!taken(&mut disk, &page(8, 2, false, 0, &[3])), "a later sweep begins with its first page, too");
    assert!(taken(&mut disk, &page(8, 0, false, 2, &[1])), "a later sweep, over what the last one left");
    assert!(taken(&mut disk, &page(9, 0, true, 0, &[])), "one that begins anew before the end");
    assert_eq!(disk.records.keys().copied().collect::<Vec<_>>(), [key(1), key(2)]);
}

#[test]
fn what_changed_meanwhile_stays() {
    let mut disk = Disk::default();
    assert!(taken(&mut disk, &page(7, 0, false, 0, &[1, 2])));
    assert_eq!([disk.records[&key(1)], disk.records[&key(2)]], [1, 1]);
    let mut remembering = item(request(1), NOW_MS, 0);
    remembering.remember = Some(RecordChange { key: key(1), as_of: 1, sealed: vec![9] });
    assert_eq!(disk.commit_batch(NOW_MS, vec![remembering]), [ItemOutcome::Appended { position: 0 }]);
    // One that another entry wrote since the page was read, one as it was, one that is twice in the page.
    assert!(taken(&mut disk, &page(7, 1, false, 1, &[1, 2, 3, 3])));
    assert_eq!([disk.records[&key(1)], disk.records[&key(2)], disk.records[&key(3)]], [2, 3, 3]);
}

#[test]
fn a_page_of_what_is_still_to_come_is_not_taken() {
    let mut disk = Disk::default();
    for as_of in [1, 2, u64::MAX] {
        // It is entry 1, then 2, then 3.
        assert!(!taken(&mut disk, &page(7, 0, false, as_of, &[1])), "as of {as_of}");
    }
    assert!(taken(&mut disk, &page(7, 0, false, 3, &[1])), "as of the entry before");
}

#[test]
fn a_question_that_read_an_older_record_is_decided_again() {
    let mut disk = Disk::default();
    let read = |which: u8, as_of| {
        let mut item = item(request(which), NOW_MS + u64::from(which), 0);
        item.read = Some(RecordRead { key: key(1), as_of });
        item
    };
    assert_eq!(disk.commit_batch(NOW_MS + 1, vec![read(1, 0)]), [ItemOutcome::Appended { position: 0 }]);
    assert!(taken(&mut disk, &page(7, 0, true, 0, &[1])));
    assert_eq!(disk.commit_batch(NOW_MS + 2, vec![read(2, 1)]), [ItemOutcome::Stale]);
    assert_eq!(disk.commit_batch(NOW_MS + 3, vec![read(3, 2)]), [ItemOutcome::Appended { position: 1 }]);
}

/// Whoever is in it may be the one who was erased, and the authority may have been told to forget them too.
#[test]
fn a_page_that_was_read_before_somebody_was_erased_is_read_again() {
    let mut disk = Disk::default();
    assert!(taken(&mut disk, &page(7, 0, false, 0, &[1])));
    assert_eq!(disk.commit(&erasure(NOW_MS, 2, 0, 0)), [ItemOutcome::Appended { position: 0 }]);
    assert!(!taken(&mut disk, &page(7, 1, false, 1, &[2])));
    assert!(taken(&mut disk, &page(7, 1, false, 2, &[3])));
    assert_eq!(disk.records.keys().copied().collect::<Vec<_>>(), [key(1), key(3)]);
}

#[test]
fn a_page_too_long_is_an_error() {
    let bytes = page(7, 0, false, 0, &vec![1; PAGE_RECORDS_MAX + 1]).encode().expect("it fits");
    assert_eq!(Command::decode(&bytes), Err(CommandError::TooManyRecords(PAGE_RECORDS_MAX + 1)));
}

proptest! {
    /// Leaders that are late propose pages of a state some entries ago; in the end everybody is remembered, and each page
    /// was taken once.
    #[test]
    fn late_leaders_leave_nobody_out(people in 1_u8..60, width in 1_u8..8, late in prop::collection::vec(0_usize..4, 0..80)) {
        let (mut disk, mut seen, mut taken_pages) = (Disk::default(), vec![Sweep::default()], 0);
        for late in late.into_iter().chain(std::iter::repeat_n(0, 60)) {
            let was = seen[seen.len().saturating_sub(1 + late)];
            if was.ended {
                continue;
            }
            let first = u8::try_from(was.pages).expect("few").saturating_mul(width);
            let records: Vec<_> = (first..people.min(first.saturating_add(width))).collect();
            let command = page(7, was.pages, first >= people, 0, &records);
            let current = was.pages == disk.meta.sweep.pages && !disk.meta.sweep.ended;
            prop_assert_eq!(taken(&mut disk, &command), current);
            taken_pages += u64::from(current);
            prop_assert_eq!(Command::decode(&command.encode().expect("small")), Ok(command));
            seen.push(disk.meta.sweep);
        }
        prop_assert!(disk.meta.sweep.ended);
        prop_assert_eq!(disk.meta.sweep.pages, taken_pages);
        prop_assert_eq!(disk.records.keys().copied().collect::<Vec<_>>(), (0..people).map(key).collect::<Vec<_>>());
    }
}
