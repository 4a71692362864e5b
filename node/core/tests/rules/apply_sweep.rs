//! Pages of sweeps: which of them are taken, and what they leave.

use proptest::prelude::*;
use xacminh_core::{
    apply::{ItemOutcome, Sweep, apply, wanted},
    command::{Command, CommandError, PAGE_RECORDS_MAX, RecordChange, RecordKey, RecordRead, SweepPage},
};

use crate::{
    disk::{Disk, item, request},
    fixtures::NOW_MS,
};

/// A page of the sweep `begun_ms`, with a record of each key, of which the version is thought to be this one.
pub(crate) fn page(begun_ms: u64, page: u64, last: bool, records: &[(u8, u64)]) -> Command {
    let record = |(which, before): &(u8, u64)| RecordChange { key: key(*which), before: *before, sealed: vec![*which] };
    let cursor = vec![u8::try_from(page).expect("few")];
    Command::Sweep(SweepPage { begun_ms, page, last, cursor, records: records.iter().map(record).collect() })
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
    assert!(!taken(&mut disk, &page(7, 1, false, &[])), "a sweep begins with its first page");
    assert!(taken(&mut disk, &page(7, 0, false, &[(1, 0)])));
    assert!(!taken(&mut disk, &page(7, 0, false, &[(1, 0)])), "twice");
    assert!(!taken(&mut disk, &page(7, 2, false, &[(3, 0)])), "one is left out");
    assert!(!taken(&mut disk, &page(6, 0, false, &[(3, 0)])), "an earlier sweep's");
    assert!(!taken(&mut disk, &page(6, 1, false, &[(3, 0)])), "an earlier sweep's");
    assert!(taken(&mut disk, &page(7, 1, true, &[(2, 0)])));
    assert!(!taken(&mut disk, &page(7, 2, false, &[(3, 0)])), "after the end");
    assert!(!taken(&mut disk, &page(8, 2, false, &[(3, 0)])), "a later sweep begins with its first page, too");
    assert!(taken(&mut disk, &page(8, 0, false, &[(1, 2)])), "a later sweep, over what the last one left");
    assert!(taken(&mut disk, &page(9, 0, true, &[])), "one that begins anew before the end");
    assert_eq!(disk.records.keys().copied().collect::<Vec<_>>(), [key(1), key(2)]);
}

#[test]
fn what_changed_meanwhile_stays() {
    let mut disk = Disk::default();
    assert!(taken(&mut disk, &page(7, 0, false, &[(1, 0), (2, 0)])));
    assert_eq!([disk.records[&key(1)], disk.records[&key(2)]], [1, 1]);
    // One that another entry wrote since it was read, one as it was read, one that is twice in the page.
    assert!(taken(&mut disk, &page(7, 1, false, &[(1, 0), (2, 1), (3, 0), (3, 0)])));
    assert_eq!([disk.records[&key(1)], disk.records[&key(2)], disk.records[&key(3)]], [1, 2, 2]);
}

#[test]
fn a_question_that_read_an_older_record_is_decided_again() {
    let mut disk = Disk::default();
    let read = |which: u8, version| {
        let mut item = item(request(which), NOW_MS + u64::from(which), 0);
        item.read = Some(RecordRead { key: key(1), version });
        item
    };
    assert_eq!(disk.commit_batch(NOW_MS + 1, vec![read(1, 0)]), [ItemOutcome::Appended { position: 0 }]);
    assert!(taken(&mut disk, &page(7, 0, true, &[(1, 0)])));
    assert_eq!(disk.commit_batch(NOW_MS + 2, vec![read(2, 0)]), [ItemOutcome::Stale]);
    assert_eq!(disk.commit_batch(NOW_MS + 3, vec![read(3, 2)]), [ItemOutcome::Appended { position: 1 }]);
}

#[test]
fn a_page_too_long_is_an_error() {
    let bytes = page(7, 0, false, &vec![(1, 0); PAGE_RECORDS_MAX + 1]).encode().expect("it fits");
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
            let records: Vec<_> = (first..people.min(first.saturating_add(width))).map(|which| (which, 0)).collect();
            let command = page(7, was.pages, first >= people, &records);
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
