//! What becomes of an item, case by case.

use xacminh_core::{
    apply::{
        BLIND_POINTS, Budget, CLOCK_SKEW_MS_MAX, Contradiction, ItemOutcome, MISS_POINTS, REQUEST_AHEAD_MS,
        REQUEST_WINDOW_MS, apply, wanted,
    },
    command::{Batch, Command, Item, Miss, MissLimits, OwnKey, RecordChange, RecordRead, RequestKey, TreeHead},
};
use xacminh_proto::{
    transparency::{Leaf, LeafKind},
    vocab::{PortalId, RequestId},
};

use crate::{
    disk::{Disk, erasure, item, known_person, leaf, miss, new_person, register, request},
    fixtures::{HOUR_MS, NOW_MS, rows},
};

const KEY: [u8; 32] = [4; 32];

/// The person of request 1, whose key the second entry made.
const BEFORE: u8 = 1 ^ 1 << 4;

/// A state at revision 1, with request 1 at position 1 and one record, which entry 2 wrote.
fn before() -> Disk {
    let mut disk = Disk::default();
    disk.commit(&register(NOW_MS - 20, 0, 1));
    let mut first = item(request(1), NOW_MS - 10, 1);
    first.remember = Some(RecordChange { key: KEY, as_of: 0, sealed: vec![1] });
    assert_eq!(disk.commit_batch(NOW_MS - 10, vec![first]), [ItemOutcome::Appended { position: 1 }]);
    disk
}

/// what is different in a fresh item at revision 1 | outcome
const ITEMS: &str = "
    nothing                                | Appended { position: 2 }
    the request of before                  | Duplicate { position: 1 }
    the request of before, other question  | Conflict
    the request of before, other portal    | Appended { position: 2 }

    read as of 2                           | Appended { position: 2 }
    read as of 1                           | Stale
    read as of 0                           | Stale
    read as of 3                           | Stale
    remember as of 2                       | Appended { position: 2 }
    remember as of 0                       | Stale
    remember as of 3                       | Stale
    register revision 0                    | Stale
    register revision 2                    | Stale
    the person of before, key of entry 2   | Appended { position: 2 }
    the person of before, key of entry 1   | Stale
    the person of before, as if new        | Stale
    somebody new, as if known              | Stale

    asked a window ago                     | Appended { position: 2 }
    asked longer ago                       | Expired
    asked a little ahead                   | Appended { position: 2 }
    asked far ahead                        | Expired
    decided a skew ago                     | Appended { position: 2 }
    decided longer ago                     | ClockSkewed
    decided a skew ahead                   | Appended { position: 2 }
    decided further ahead                  | ClockSkewed

    granted until later                    | Appended { position: 2 }
    granted until the stamp                | GrantEnded
    granted until the stamp, over budget   | GrantEnded
    the request of before, granted until   | Duplicate { position: 1 }

    a miss of at most 1                    | Appended { position: 2 }
    a miss of at most 0                    | OverBudget(OfficialHour)
    a hit of at most 0                     | OverBudget(OfficialHour)
    the request of before, over budget     | Duplicate { position: 1 }
    longer ago, and the request of before  | Expired
";

#[test]
fn item_by_item() {
    for [different, outcome] in rows(ITEMS) {
        let mut disk = before();
        let stale = disk.clone();
        let found = disk.commit_batch(at_ms(different), vec![fresh(different)]);
        assert_eq!(format!("{:?}", found[0]), outcome, "{different}");
        if !matches!(found[0], ItemOutcome::Appended { .. }) {
            let same = Disk { applied: stale.applied, ..disk.clone() };
            assert_eq!(same, stale, "{different}: nothing changes");
        }
    }
}

fn at_ms(different: &str) -> u64 {
    if different.starts_with("longer ago") { NOW_MS + REQUEST_WINDOW_MS + 1 } else { NOW_MS }
}

fn fresh(different: &str) -> Item {
    let asked = |ms| RequestKey { id: RequestId::new(ms, [2; 10]), portal: PortalId(1) };
    let mut fresh = item(request(2), NOW_MS, 1);
    let with_request = |key| item(key, NOW_MS, 1);
    match different {
        "nothing" => {}
        "the request of before" => fresh = with_request(request(1)),
        "the request of before, other question" => {
            fresh = with_request(request(1));
            fresh.entry.question = [8; 16];
        }
        "the request of before, other portal" => fresh = with_request(RequestKey { portal: PortalId(2), ..request(1) }),
        "the request of before, over budget" => {
            fresh = with_request(request(1));
            fresh.entry.miss = miss(0, true);
        }
        "granted until later" => fresh.entry.granted_until_ms = Some(NOW_MS + 1),
        "granted until the stamp" => fresh.entry.granted_until_ms = Some(NOW_MS),
        "granted until the stamp, over budget" => {
            fresh.entry.granted_until_ms = Some(NOW_MS);
            fresh.entry.miss = miss(0, true);
        }
        "the request of before, granted until" => {
            fresh = with_request(request(1));
            fresh.entry.granted_until_ms = Some(NOW_MS);
        }
        "longer ago, and the request of before" => fresh = item(request(1), at_ms(different), 1),
        "the person of before, key of entry 2" => fresh.entry.person = Some(known_person(BEFORE, 2)),
        "the person of before, key of entry 1" => fresh.entry.person = Some(known_person(BEFORE, 1)),
        "the person of before, as if new" => fresh.entry.person = Some(new_person(BEFORE)),
        "somebody new, as if known" => fresh.entry.person = Some(known_person(77, 2)),
        "register revision 0" => fresh = item(request(2), NOW_MS, 0),
        "register revision 2" => fresh = item(request(2), NOW_MS, 2),
        "asked a window ago" => fresh = with_request(asked(NOW_MS - REQUEST_WINDOW_MS)),
        "asked longer ago" => fresh = with_request(asked(NOW_MS - REQUEST_WINDOW_MS - 1)),
        "asked a little ahead" => fresh = with_request(asked(NOW_MS + REQUEST_AHEAD_MS)),
        "asked far ahead" => fresh = with_request(asked(NOW_MS + REQUEST_AHEAD_MS + 1)),
        "decided a skew ago" => fresh.decided_at_ms = NOW_MS - CLOCK_SKEW_MS_MAX,
        "decided longer ago" => fresh.decided_at_ms = NOW_MS - CLOCK_SKEW_MS_MAX - 1,
        "decided a skew ahead" => fresh.decided_at_ms = NOW_MS + CLOCK_SKEW_MS_MAX,
        "decided further ahead" => fresh.decided_at_ms = NOW_MS + CLOCK_SKEW_MS_MAX + 1,
        "a miss of at most 1" => fresh.entry.miss = miss(1, true),
        "a miss of at most 0" => fresh.entry.miss = miss(0, true),
        "a hit of at most 0" => fresh.entry.miss = miss(0, false),
        other => {
            let (what, as_of) = other.rsplit_once(' ').expect("an entry");
            let as_of = as_of.parse().expect("an entry");
            match what {
                "read as of" => fresh.read = Some(RecordRead { key: KEY, as_of }),
                _ => fresh.remember = Some(RecordChange { key: KEY, as_of, sealed: vec![2] }),
            }
        }
    }
    fresh
}

#[test]
fn items_of_one_batch_see_each_other() {
    let mut disk = before();
    let remember = |which, as_of| {
        let mut item = item(request(which), NOW_MS, 1);
        item.remember = Some(RecordChange { key: KEY, as_of, sealed: vec![which] });
        item
    };
    let mut read = item(request(5), NOW_MS, 1);
    read.read = Some(RecordRead { key: KEY, as_of: 2 });
    // The last one says that it has seen this very entry.
    let items = vec![remember(2, 2), remember(3, 2), item(request(2), NOW_MS, 1), read, remember(6, 3)];
    let found = disk.commit_batch(NOW_MS, items);
    use ItemOutcome::{Appended, Duplicate, Stale};
    assert_eq!(found, [Appended { position: 2 }, Stale, Duplicate { position: 2 }, Stale, Stale]);
    assert_eq!(disk.records[&KEY], 3);
}

/// Nothing of who was erased is left to tell by, not even that there was a record.
#[test]
fn what_was_read_before_an_erasure_is_read_again() {
    let mut disk = before();
    let reads = |which, key, as_of| {
        let mut item = item(request(which), NOW_MS + u64::from(which), 1);
        item.read = Some(RecordRead { key, as_of });
        item
    };
    assert_eq!(disk.commit(&erasure(NOW_MS, 4, 0, 1)), [ItemOutcome::Appended { position: 2 }]);
    assert!(!disk.records.contains_key(&KEY));
    assert_eq!(disk.commit_batch(NOW_MS + 2, vec![reads(2, KEY, 2)]), [ItemOutcome::Stale]);
    assert_eq!(disk.commit_batch(NOW_MS + 3, vec![reads(3, [7; 32], 2)]), [ItemOutcome::Stale], "nobody is told apart");
    assert_eq!(disk.commit_batch(NOW_MS + 4, vec![reads(4, KEY, 3)]), [ItemOutcome::Appended { position: 3 }]);
}

/// Whoever has had their key since before was not erased: an operator's list of erasures does not stop everybody else.
#[test]
fn what_was_read_before_the_erasure_of_somebody_else_counts() {
    use ItemOutcome::{Appended, Stale};
    let mut disk = before();
    let mut person = item(request(20), NOW_MS - 9, 1);
    person.entry.person = Some(known_person(BEFORE, 2));
    assert_eq!(disk.commit_batch(NOW_MS - 9, vec![person]), [Appended { position: 2 }]);
    assert_eq!(disk.commit(&erasure(NOW_MS, 4, 0, 1)), [Appended { position: 3 }]);
    let own = [BEFORE; 32];
    let mut ask = |which: u8, key, as_of, remembers: bool, person| {
        let at_ms = NOW_MS + u64::from(which);
        let mut item = item(request(which), at_ms, 1);
        item.read = (!remembers).then_some(RecordRead { key, as_of });
        item.remember = remembers.then(|| RecordChange { key, as_of, sealed: vec![1] });
        item.entry.person = Some(person);
        disk.commit_batch(at_ms, vec![item])[0]
    };
    assert_eq!(ask(2, own, 2, false, known_person(BEFORE, 2)), Appended { position: 4 });
    assert_eq!(ask(3, own, 1, false, known_person(BEFORE, 2)), Stale, "when it was read they had no key yet");
    assert_eq!(ask(4, KEY, 3, false, known_person(BEFORE, 2)), Stale, "another's record");
    assert_eq!(ask(5, own, 3, true, known_person(BEFORE, 3)), Stale, "another key");
    assert_eq!(ask(6, [9; 32], 3, true, new_person(9)), Stale, "nobody knows whether they had been remembered");
    assert_eq!(ask(7, own, 3, true, known_person(BEFORE, 2)), Appended { position: 5 });
    assert_eq!(ask(8, own, 9, false, known_person(BEFORE, 2)), Stale, "it changed, by the entry before");
}

#[test]
fn a_spent_budget_stops_hits_and_misses_until_the_next_hour_but_not_refusals() {
    let mut disk = before();
    let mut ask = |which, at_ms, miss| {
        let mut item = item(request(which), at_ms, 1);
        item.entry.miss = miss;
        disk.commit_batch(at_ms, vec![item])[0]
    };
    use Budget::OfficialHour;
    use ItemOutcome::{Appended, OverBudget};
    let hour = NOW_MS.next_multiple_of(HOUR_MS);
    assert_eq!(ask(2, hour, miss(2, true)), Appended { position: 2 });
    assert_eq!(ask(3, hour + 1, miss(2, false)), Appended { position: 3 });
    assert_eq!(ask(4, hour + 2, miss(2, true)), Appended { position: 4 });
    assert_eq!(ask(5, hour + 3, miss(2, true)), OverBudget(OfficialHour));
    assert_eq!(ask(5, hour + 4, miss(2, false)), OverBudget(OfficialHour));
    assert_eq!(ask(5, hour + 5, None), Appended { position: 5 });
    assert_eq!(ask(6, hour + HOUR_MS - 1, miss(2, true)), OverBudget(OfficialHour));
    assert_eq!(ask(6, hour + HOUR_MS, miss(2, true)), Appended { position: 6 });
}

/// which official asks for which portal, when | what becomes of their miss
///
/// At most 2 and 3 misses of an official in an hour and a day, 5 and 6 of a portal, 8 and 9 of everybody.
const BUDGETS: &str = "
    1 of portal 1, hour 0   | Appended
    1 of portal 1, hour 0   | Appended
    1 of portal 1, hour 0   | OverBudget(OfficialHour)
    1 of portal 1, hour 1   | Appended
    1 of portal 1, hour 1   | OverBudget(OfficialDay)
    1 of portal 1, hour 24  | Appended
    2 of portal 1, hour 1   | Appended
    2 of portal 1, hour 1   | Appended
    3 of portal 1, hour 1   | Appended
    3 of portal 1, hour 1   | OverBudget(PortalDay)
    4 of portal 2, hour 1   | Appended
    4 of portal 2, hour 1   | Appended
    5 of portal 2, hour 1   | Appended
    5 of portal 2, hour 1   | OverBudget(ClusterDay)
    5 of portal 3, hour 1   | OverBudget(ClusterDay)
    5 of portal 3, hour 25  | Appended
";

#[test]
fn the_narrowest_budget_that_is_spent_is_named() {
    // The log's time only goes forward: questions are asked in the order of their hours, those of one hour as written.
    let mut asked: Vec<([u64; 3], &str, &str)> = Vec::new();
    for [who, outcome] in rows(BUDGETS) {
        let numbers: Vec<u64> = who.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
        asked.push((numbers.try_into().expect("three numbers"), who, outcome));
    }
    asked.sort_by_key(|([.., hour], ..)| *hour);
    let limits = MissLimits {
        official_hour: 2,
        official_day: 3,
        portal_hour: 5,
        portal_day: 6,
        cluster_hour: 8,
        cluster_day: 9,
    };
    let mut disk = before();
    // Midnight of a day in Vietnam.
    let day_ms = (NOW_MS / HOUR_MS + 7).next_multiple_of(24) * HOUR_MS - 7 * HOUR_MS;
    for (turn, ([official, portal, hour], who, outcome)) in (0_u64..).zip(asked) {
        let at_ms = day_ms + hour * HOUR_MS + turn;
        let portal = PortalId(u32::try_from(portal).expect("small"));
        let id = RequestId::new(at_ms, [u8::try_from(turn).expect("few") + 20; 10]);
        let mut item = item(RequestKey { id, portal }, at_ms, 1);
        let official = [u8::try_from(official).expect("small"); 16];
        item.entry.person = Some(new_person(u8::try_from(turn).expect("few") + 20));
        item.entry.miss = Some(Miss { official, limits, points: MISS_POINTS });
        let found = format!("{:?}", disk.commit_batch(at_ms, vec![item])[0]);
        assert!(found.starts_with(outcome), "{who}: {found}");
    }
}

#[test]
fn answers_that_cannot_tell_cost_a_part_of_a_miss() {
    let mut disk = before();
    let mut ask = |which, points| {
        let at_ms = NOW_MS + u64::from(which);
        let mut item = item(request(which), at_ms, 1);
        item.entry.miss = miss(2, true).map(|miss| Miss { points, ..miss });
        disk.commit_batch(at_ms, vec![item])[0]
    };
    let blind = u8::try_from(2 * MISS_POINTS / BLIND_POINTS).expect("few");
    for which in 2..2 + blind {
        assert!(matches!(ask(which, BLIND_POINTS), ItemOutcome::Appended { .. }));
    }
    assert_eq!(ask(2 + blind, BLIND_POINTS), ItemOutcome::OverBudget(Budget::OfficialHour));
    assert_eq!(ask(2 + blind, 0), ItemOutcome::OverBudget(Budget::OfficialHour));
}

#[test]
fn a_stamp_that_does_not_go_forward_changes_nothing() {
    let disk = before();
    for at_ms in [NOW_MS - 10, NOW_MS - 11, 1] {
        for command in [disk.batch(at_ms, vec![item(request(2), at_ms, 1)]), register(at_ms, 1, 2)] {
            let mut after = disk.clone();
            assert_eq!(after.commit(&command), [ItemOutcome::Stale]);
            after.applied -= 1;
            assert_eq!(after, disk);
        }
    }
}

#[test]
fn a_register_follows_the_one_it_was_made_for() {
    let mut disk = before();
    assert_eq!(disk.commit(&register(NOW_MS, 0, 2)), [ItemOutcome::Stale]);
    assert_eq!(disk.commit(&register(NOW_MS, 1, 1)), [ItemOutcome::Stale]);
    assert_eq!(disk.commit(&register(NOW_MS, 2, 3)), [ItemOutcome::Stale]);
    assert_eq!(disk.commit(&register(NOW_MS, 1, 5)), [ItemOutcome::Appended { position: 2 }]);
    assert_eq!(disk.meta.register_revision, 5);
    // A question decided before the change is decided again: a revocation counts from the moment it is acknowledged.
    let outcome = disk.commit_batch(NOW_MS + 1, vec![item(request(2), NOW_MS + 1, 1)]);
    assert_eq!(outcome, [ItemOutcome::Stale]);
}

#[test]
fn a_history_that_contradicts_itself_stops_the_node() {
    let disk = before();
    let broken = |change: fn(&mut Item)| {
        let mut item = item(request(2), NOW_MS, 1);
        change(&mut item);
        let command = disk.batch(NOW_MS, vec![item]);
        apply(9, &command, disk.load_everything()).expect_err("a contradiction")
    };
    assert_eq!(broken(|item| item.entry.leaf[0] = 9), Contradiction::Leaf);
    assert_eq!(broken(|item| item.entry.request = request(3)), Contradiction::Request);
    assert_eq!(broken(|item| item.entry.request.portal.0 = 3), Contradiction::Request);
    assert_eq!(broken(|item| item.entry.register_revision = 2), Contradiction::Revision);
    assert_eq!(broken(|item| item.entry.person = None), Contradiction::Person);
    assert_eq!(
        broken(|item| item.entry.leaf = leaf(LeafKind::Canary, request(2), NOW_MS, 1, b"")),
        Contradiction::Person
    );
    assert_eq!(broken(|item| item.entry.leaf[200] = 1), Contradiction::Person, "a link before it is applied");
    assert_eq!(
        broken(|item| item.entry.leaf = leaf(LeafKind::Disclosed, request(2), NOW_MS + 1, 1, b"")),
        Contradiction::Stamp
    );
    assert_eq!(
        broken(|item| item.entry.leaf = leaf(LeafKind::Policy, request(2), NOW_MS, 1, b"")),
        Contradiction::Kind
    );

    let broken = |kind, at_ms, revision| {
        let Command::Register(mut change) = register(NOW_MS, 1, 2) else { panic!("a register change") };
        change.leaf = leaf(kind, request(0), at_ms, revision, b"");
        apply(9, &Command::Register(change), disk.load_everything()).expect_err("a contradiction")
    };
    assert_eq!(broken(LeafKind::Disclosed, NOW_MS, 2), Contradiction::Kind);
    assert_eq!(broken(LeafKind::Policy, NOW_MS + 1, 2), Contradiction::Stamp);
    assert_eq!(broken(LeafKind::Policy, NOW_MS, 1), Contradiction::Revision);
}

#[test]
fn the_last_moment_of_time_does_not_stop_the_node() {
    let mut disk = before();
    let outcome = disk.commit_batch(u64::MAX, vec![item(request(2), u64::MAX, 1)]);
    assert_eq!(outcome, [ItemOutcome::Expired]);
    // Nor does it stop time: a leader with a sound clock goes on.
    let outcome = disk.commit_batch(NOW_MS, vec![item(request(2), NOW_MS, 1)]);
    assert_eq!(outcome, [ItemOutcome::Appended { position: 2 }]);
}

#[test]
fn a_proposer_with_another_tree_stops_the_node() {
    let disk = before();
    let claimed = |change: fn(&mut TreeHead)| {
        let Command::Batch(mut batch) = disk.batch(NOW_MS, vec![item(request(2), NOW_MS, 1)]) else {
            panic!("a batch")
        };
        change(&mut batch.tree);
        let command = Command::Batch(batch);
        apply(9, &command, disk.load(&wanted(&command)))
    };
    assert!(claimed(|_| {}).is_ok());
    // What the leader had applied when it proposed may be some entries ago.
    let earlier = disk.root_at(1).expect("the register's leaf");
    assert_ne!(earlier, disk.root_at(2).expect("both leaves"));
    assert_eq!(claimed(|tree| tree.leaves = 1), Err(Contradiction::Tree { leaves: 1 }));
    assert_eq!(claimed(|tree| tree.root[31] ^= 1), Err(Contradiction::Tree { leaves: 2 }));
    assert_eq!(claimed(|tree| tree.leaves = 3), Err(Contradiction::Tree { leaves: 3 }));
    let Command::Batch(mut batch) = disk.batch(NOW_MS, vec![]) else { panic!("a batch") };
    batch.tree = TreeHead { leaves: 1, root: earlier };
    let command = Command::Batch(batch);
    assert!(apply(9, &command, disk.load(&wanted(&command))).is_ok());
}

#[test]
fn clocks_are_compared_with_the_leaders_clock_and_not_with_the_stamp() {
    let mut disk = before();
    // A former leader's clock pushed the log's time an hour ahead; this one's is right.
    let ahead = NOW_MS + HOUR_MS;
    let with_clock = |disk: &Disk, which, clock_ms| {
        let mut item = item(request(which), NOW_MS, 1);
        leaf_at(&mut item, ahead + u64::from(which));
        let Command::Batch(batch) = disk.batch(ahead + u64::from(which), vec![item]) else { panic!("a batch") };
        Command::Batch(Batch { clock_ms, ..batch })
    };
    let outcome = disk.commit(&with_clock(&disk, 2, NOW_MS));
    assert_eq!(outcome, [ItemOutcome::Appended { position: 2 }]);
    let outcome = disk.commit(&with_clock(&disk, 3, ahead));
    assert_eq!(outcome, [ItemOutcome::ClockSkewed]);
}

fn leaf_at(item: &mut Item, at_ms: u64) {
    Leaf::stamp(&mut item.entry.leaf, at_ms);
}

#[test]
fn leaves_of_one_person_are_linked_and_an_erasure_begins_anew() {
    let mut disk = before();
    let ask = |disk: &mut Disk, which, person| {
        let mut item = item(request(which), NOW_MS + u64::from(which), 1);
        item.entry.person = Some(person);
        disk.commit_batch(NOW_MS + u64::from(which), vec![item])[0]
    };
    use ItemOutcome::{Appended, Stale};
    assert_eq!(ask(&mut disk, 2, known_person(BEFORE, 2)), Appended { position: 2 });
    assert_eq!(ask(&mut disk, 3, new_person(40)), Appended { position: 3 });
    assert_eq!(ask(&mut disk, 4, known_person(BEFORE, 2)), Appended { position: 4 });
    let trail = disk.trails[&[BEFORE; 32]];
    assert_eq!((trail.created, trail.count, trail.last), (2, 3, 4));
    assert_eq!(disk.leaves[&2].trail, disk.leaves[&4].trail);
    assert_ne!(disk.leaves[&2].trail, disk.leaves[&3].trail);

    assert_eq!(disk.commit(&erasure(NOW_MS + 10, BEFORE, 1, 1)), [Stale], "another key than was read");
    assert_eq!(disk.commit(&erasure(NOW_MS + 11, 55, 2, 1)), [Stale], "nobody");
    assert_eq!(disk.commit(&erasure(NOW_MS + 12, BEFORE, 2, 1)), [Appended { position: 5 }]);
    assert!(!disk.people.contains_key(&[BEFORE; 32]) && !disk.trails.contains_key(&[BEFORE; 32]));
    // What was sealed under the destroyed key must not enter the log.
    assert_eq!(ask(&mut disk, 13, known_person(BEFORE, 2)), Stale);
    let mut again = new_person(BEFORE);
    again.own_key = OwnKey::New { chain: [99; 32], sealed: vec![9] };
    assert_eq!(ask(&mut disk, 14, again), Appended { position: 6 });
    assert_eq!(disk.trails[&[BEFORE; 32]].count, 1);
}

#[test]
fn a_new_year_in_vietnam_opens_a_shard_that_holds_the_last_root() {
    let mut disk = before();
    // 2027-01-01 00:00 in Vietnam is 17:00 of the day before in UTC.
    let new_year = 1_798_736_400_000;
    let ask = |disk: &mut Disk, which, at_ms| {
        let asked = RequestKey { id: RequestId::new(at_ms, [which; 10]), portal: PortalId(1) };
        disk.commit_batch(at_ms, vec![item(asked, at_ms, 1)])[0]
    };
    assert_eq!(ask(&mut disk, 2, new_year - 1), ItemOutcome::Appended { position: 2 });
    assert_eq!((disk.meta.shard.year, disk.meta.shard.first), (2026, 0));
    let last = disk.frontier.clone();
    assert_eq!(ask(&mut disk, 3, new_year), ItemOutcome::Appended { position: 4 });
    assert_eq!((disk.meta.shard.year, disk.meta.shard.first), (2027, 3));
    assert_eq!((disk.frontier.size(), disk.meta.leaves), (2, 5));
    let opening = Leaf::decode(&disk.leaves[&3].leaf).expect("a leaf");
    assert_eq!((opening.kind, opening.subject, opening.record_version), (LeafKind::ShardOpen, last.root(), 3));
    assert_eq!((opening.purpose, opening.time_ms), (2026, new_year));
    assert_eq!(ask(&mut disk, 4, new_year + 1), ItemOutcome::Appended { position: 5 });
}
