//! `apply` against a model that only keeps a list of what happened, over random histories.

use proptest::prelude::*;
use xacminh_core::{
    apply::{
        Budget, CLOCK_SKEW_MS_MAX, ItemOutcome, MISS_POINTS, REQUEST_AHEAD_MS, REQUEST_WINDOW_MS, Trail, apply, wanted,
    },
    command::{
        Batch, Command, Item, Miss, MissLimits, OwnKey, RecordChange, RecordRead, RequestKey, SweepPage, SweptRecord,
    },
    invariant::check,
};
use xacminh_proto::vocab::{PortalId, RequestId};

use crate::{
    disk::{Disk, erasure, item, known_person, new_person, register},
    fixtures::{HOUR_MS, NOW_MS},
};

/// What was appended, in order: the model looks everything up by walking this list.
#[derive(Default)]
struct Model {
    happened: Vec<Happened>,
    last_at_ms: u64,
    /// Pages that were taken, and the records that each of them wrote, by which entry.
    pages: Vec<(Vec<[u8; 32]>, u64)>,
}

enum Happened {
    Question {
        request: RequestKey,
        question: [u8; 16],
        at_ms: u64,
        missed: Option<([u8; 16], u32)>,
        wrote: Option<([u8; 32], u64)>,
        person: [u8; 32],
        index: u64,
    },
    Erased {
        person: [u8; 32],
        index: u64,
    },
    Register {
        revision: u64,
    },
}

impl Model {
    fn commit(&mut self, index: u64, command: &Command) -> Vec<ItemOutcome> {
        match command {
            Command::Register(change) => {
                let in_force = self.revision();
                if change.at_ms <= self.last_at_ms || change.before != in_force || change.revision <= in_force {
                    return vec![ItemOutcome::Stale];
                }
                self.last_at_ms = change.at_ms;
                self.happened.push(Happened::Register { revision: change.revision });
                vec![ItemOutcome::Appended { position: self.last_position() }]
            }
            Command::Erase(erasure) => {
                if erasure.at_ms <= self.last_at_ms || erasure.created != self.created(erasure.person).unwrap_or(0) {
                    return vec![ItemOutcome::Stale];
                }
                self.last_at_ms = erasure.at_ms;
                self.happened.push(Happened::Erased { person: erasure.person, index });
                vec![ItemOutcome::Appended { position: self.last_position() }]
            }
            Command::Sweep(page) => {
                let is_next = page.page == u64::try_from(self.pages.len()).expect("few");
                if is_next && (self.erased()..index).contains(&page.as_of) {
                    let keys = page.records.iter().map(|record| record.key);
                    self.pages.push((keys.filter(|key| self.changed(*key) <= page.as_of).collect(), index));
                }
                Vec::new()
            }
            Command::Batch(batch) if batch.at_ms <= self.last_at_ms => vec![ItemOutcome::Stale; batch.items.len()],
            Command::Batch(batch) => {
                let outcomes: Vec<_> = batch.items.iter().map(|item| self.item(index, batch, item)).collect();
                if outcomes.iter().any(|outcome| matches!(outcome, ItemOutcome::Appended { .. })) {
                    self.last_at_ms = batch.at_ms;
                }
                outcomes
            }
        }
    }

    fn item(&mut self, index: u64, batch: &Batch, item: &Item) -> ItemOutcome {
        let (entry, now_ms) = (&item.entry, i128::from(batch.at_ms));
        let age_ms = now_ms - i128::from(entry.request.id.unix_ms());
        if age_ms > i128::from(REQUEST_WINDOW_MS) || -age_ms > i128::from(REQUEST_AHEAD_MS) {
            return ItemOutcome::Expired;
        }
        for (position, happened) in (0..).zip(&self.happened) {
            match happened {
                Happened::Question { request, question, .. } if *request == entry.request => {
                    let same = *question == entry.question;
                    return if same { ItemOutcome::Duplicate { position } } else { ItemOutcome::Conflict };
                }
                _ => {}
            }
        }
        if (now_ms - i128::from(item.decided_at_ms)).abs() > i128::from(CLOCK_SKEW_MS_MAX) {
            return ItemOutcome::ClockSkewed;
        }
        let person = entry.person.as_ref().expect("questions are about somebody");
        // Whoever has had their key since before was not erased in between; of others any erasure may have been theirs.
        let kept = |key, as_of| key == person.key && self.created(key).is_some_and(|created| created <= as_of);
        let old =
            |key, as_of| self.changed(key) > as_of || (self.erased() > as_of && !kept(key, as_of)) || as_of >= index;
        let read_old = item.read.is_some_and(|read| old(read.key, read.as_of));
        let base_old = item.remember.as_ref().is_some_and(|change| old(change.key, change.as_of));
        let key_old = match person.own_key {
            OwnKey::Known { created } => self.created(person.key) != Some(created),
            OwnKey::New { .. } => self.created(person.key).is_some(),
        };
        if read_old || base_old || key_old || entry.register_revision != self.revision() {
            return ItemOutcome::Stale;
        }
        if let Some(budget) = entry.miss.and_then(|miss| self.spent(batch.at_ms, entry.request.portal, &miss)) {
            return ItemOutcome::OverBudget(budget);
        }
        self.happened.push(Happened::Question {
            request: entry.request,
            question: entry.question,
            at_ms: batch.at_ms,
            missed: entry.miss.map(|miss| (miss.official, miss.points)),
            wrote: item.remember.as_ref().map(|change| (change.key, index)),
            person: person.key,
            index,
        });
        ItemOutcome::Appended { position: self.last_position() }
    }

    fn last_position(&self) -> u64 {
        u64::try_from(self.happened.len()).expect("few") - 1
    }

    fn revision(&self) -> u64 {
        let revision = |happened: &Happened| match happened {
            Happened::Register { revision } => Some(*revision),
            Happened::Question { .. } | Happened::Erased { .. } => None,
        };
        self.happened.iter().rev().find_map(revision).unwrap_or(0)
    }

    /// The entry that made the person's key: their first question's, since they were erased.
    fn created(&self, who: [u8; 32]) -> Option<u64> {
        let questions = self
            .happened
            .iter()
            .rev()
            .take_while(|happened| !matches!(happened, Happened::Erased { person, .. } if *person == who));
        let indexes = questions.filter_map(|happened| match happened {
            Happened::Question { person, index, .. } if *person == who => Some(*index),
            _ => None,
        });
        indexes.last()
    }

    /// The entry that wrote a record last.
    fn changed(&self, key: [u8; 32]) -> u64 {
        let written = |happened: &Happened| match happened {
            Happened::Question { wrote: Some((written, index)), .. } if *written == key => Some(*index),
            _ => None,
        };
        let swept = self.pages.iter().rev().find(|(keys, _)| keys.contains(&key)).map_or(0, |(_, index)| *index);
        self.happened.iter().rev().find_map(written).unwrap_or(0).max(swept)
    }

    /// The entry that erased somebody last.
    fn erased(&self) -> u64 {
        let erased = |happened: &Happened| match happened {
            Happened::Erased { index, .. } => Some(*index),
            _ => None,
        };
        self.happened.iter().rev().find_map(erased).unwrap_or(0)
    }

    /// The first budget with as many points as it allows, by walking over everything that was asked.
    fn spent(&self, now_ms: u64, of: PortalId, miss: &Miss) -> Option<Budget> {
        const VIETNAM_AHEAD_MS: u64 = 7 * HOUR_MS;
        let same_hour = |at_ms: u64| at_ms / HOUR_MS == now_ms / HOUR_MS;
        let day = |at_ms: u64| (at_ms + VIETNAM_AHEAD_MS) / (24 * HOUR_MS);
        let points = |counts: &dyn Fn([u8; 16], PortalId, u64) -> bool| -> u32 {
            let each = self.happened.iter().map(|happened| match happened {
                Happened::Question { at_ms, request, missed: Some((official, points)), .. }
                    if counts(*official, request.portal, *at_ms) =>
                {
                    *points
                }
                _ => 0,
            });
            each.sum()
        };
        let limits = &miss.limits;
        let is_theirs = |official: [u8; 16]| official == miss.official;
        let same_day = |at_ms: u64| day(at_ms) == day(now_ms);
        let counted = [
            (Budget::OfficialHour, limits.official_hour, points(&|who, _, at| is_theirs(who) && same_hour(at))),
            (Budget::OfficialDay, limits.official_day, points(&|who, _, at| is_theirs(who) && same_day(at))),
            (Budget::PortalHour, limits.portal_hour, points(&|_, portal, at| portal == of && same_hour(at))),
            (Budget::PortalDay, limits.portal_day, points(&|_, portal, at| portal == of && same_day(at))),
            (Budget::ClusterHour, limits.cluster_hour, points(&|_, _, at| same_hour(at))),
            (Budget::ClusterDay, limits.cluster_day, points(&|_, _, at| same_day(at))),
        ];
        counted.into_iter().find(|(_, limit, points)| *points >= limit * MISS_POINTS).map(|(budget, ..)| budget)
    }
}

/// An entry to come, before it is known in which state it meets.
#[derive(Clone, Debug)]
enum Plan {
    Batch {
        later_ms: i64,
        items: Vec<ItemPlan>,
    },
    Register {
        later_ms: i64,
        ahead: u64,
        by: u64,
    },
    Erase {
        later_ms: i64,
        who: u8,
        off: u64,
    },
    /// A page of one sweep, so many pages off, with these people, read so many entries ago; 4 is to come.
    Page {
        off: u64,
        people: Vec<u8>,
        ago: u64,
    },
}

#[derive(Clone, Debug)]
struct ItemPlan {
    which: u8,
    portal: u32,
    asked_ago_ms: i64,
    question: u8,
    decided_ago_ms: i64,
    /// Record, and how many entries ago it was read; 4 is to come.
    read: Option<(u8, u64)>,
    remember: Option<(u8, u64)>,
    revision_off: u64,
    /// Official, limits, points.
    miss: Option<(u8, [u32; 6], u32)>,
    /// Who, and how far from the key they have: 0 is right.
    person: (u8, u64),
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let mostly = |right: i64, wrong: Vec<i64>| prop_oneof![8 => Just(right), 1 => prop::sample::select(wrong)];
    let off = || prop_oneof![6 => Just(0_u64), 1 => 1..3_u64];
    let ago = || prop_oneof![4 => Just(0_u64), 2 => 1..4_u64, 1 => Just(4)];
    let window = i64::try_from(REQUEST_WINDOW_MS).expect("small");
    let skew = i64::try_from(CLOCK_SKEW_MS_MAX).expect("small");
    // Each of them may be the one that is spent first.
    let limits = prop::array::uniform6(prop_oneof![3 => 1..8_u32, 1 => 0..2_u32]);
    let item = (
        (
            0..12_u8,
            1..3_u32,
            mostly(0, vec![window, window + 1, -300_000, -300_001]),
            prop_oneof![9 => Just(0_u8), 1 => Just(1)],
        ),
        mostly(0, vec![skew, skew + 1, -skew, -skew - 1]),
        (prop::option::of((0..3_u8, ago())), prop::option::of((0..3_u8, ago())), off()),
        (prop::option::of((0..3_u8, limits, prop::sample::select(vec![0, 1, MISS_POINTS]))), (0..4_u8, off())),
    )
        .prop_map(
            |(
                (which, portal, asked_ago_ms, question),
                decided_ago_ms,
                (read, remember, revision_off),
                (miss, person),
            )| {
                ItemPlan {
                    which,
                    portal,
                    asked_ago_ms,
                    question,
                    decided_ago_ms,
                    read,
                    remember,
                    revision_off,
                    miss,
                    person,
                }
            },
        );
    let later = || prop_oneof![6 => 1..2000_i64, 1 => -3..1_i64, 1 => Just(1_800_000)];
    let plan = prop_oneof![
        6 => (later(), prop::collection::vec(item, 0..8)).prop_map(|(later_ms, items)| Plan::Batch { later_ms, items }),
        1 => (later(), off(), 0..3_u64).prop_map(|(later_ms, ahead, by)| Plan::Register { later_ms, ahead, by }),
        1 => (later(), 0..4_u8, off()).prop_map(|(later_ms, who, off)| Plan::Erase { later_ms, who, off }),
        2 => (off(), prop::collection::vec(0..4_u8, 0..4), ago()).prop_map(|(off, people, ago)| Plan::Page { off, people, ago }),
    ];
    prop::collection::vec(plan, 1..24)
}

fn command(plan: &Plan, disk: &Disk) -> Command {
    let now_ms = |later_ms: i64| disk.meta.last_at_ms.max(NOW_MS).saturating_add_signed(later_ms);
    match plan {
        Plan::Register { later_ms, ahead, by } => {
            let before = disk.meta.register_revision + ahead;
            register(now_ms(*later_ms), before, before + by)
        }
        Plan::Erase { later_ms, who, off } => {
            let created = disk.trails.get(&[*who; 32]).map_or(0, |trail| trail.created);
            erasure(now_ms(*later_ms), *who, created + off, disk.meta.register_revision)
        }
        Plan::Page { off, people, ago } => {
            let record = |who: &u8| SweptRecord { key: [*who; 32], sealed: vec![*who] };
            let (page, as_of) = (disk.meta.sweep.pages + off, as_of(*ago, disk));
            let records = people.iter().map(record).collect();
            Command::Sweep(SweepPage { begun_ms: 1, page, last: false, cursor: vec![1], as_of, records })
        }
        Plan::Batch { later_ms, items } => {
            let at_ms = now_ms(*later_ms);
            disk.batch(at_ms, items.iter().map(|plan| planned(plan, at_ms, disk)).collect())
        }
    }
}

fn planned(plan: &ItemPlan, at_ms: u64, disk: &Disk) -> Item {
    // Ids of one time for the life of a history, so that retries meet; a few from elsewhere in time.
    let asked_ms = if plan.asked_ago_ms == 0 { NOW_MS } else { at_ms.saturating_add_signed(-plan.asked_ago_ms) };
    let request = RequestKey { id: RequestId::new(asked_ms, [plan.which; 10]), portal: PortalId(plan.portal) };
    let as_of = |ago| as_of(ago, disk);
    let mut item = item(request, at_ms, disk.meta.register_revision + plan.revision_off);
    item.decided_at_ms = at_ms.saturating_add_signed(-plan.decided_ago_ms);
    item.read = plan.read.map(|(record, ago)| RecordRead { key: [record; 32], as_of: as_of(ago) });
    let change = |(record, ago)| RecordChange { key: [record; 32], as_of: as_of(ago), sealed: vec![1] };
    item.remember = plan.remember.map(change);
    let (who, off) = plan.person;
    item.entry.person = Some(match disk.trails.get(&[who; 32]) {
        Some(trail) if off < 2 => known_person(who, trail.created + off),
        // A trail begins with random bytes, which never come twice.
        _ => {
            let mut person = new_person(who);
            person.own_key = OwnKey::New { chain: chain(disk.applied, who), sealed: vec![who] };
            person
        }
    });
    item.entry.question = [plan.question; 16];
    item.entry.miss = plan.miss.map(|(official, limits, points)| {
        let [official_hour, official_day, portal_hour, portal_day, cluster_hour, cluster_day] = limits;
        let limits = MissLimits { official_hour, official_day, portal_hour, portal_day, cluster_hour, cluster_day };
        Miss { official: [official; 16], limits, points }
    });
    item
}

/// The entry so many before the last one; 4 is one that is to come.
fn as_of(ago: u64, disk: &Disk) -> u64 {
    if ago == 4 { disk.applied + 1 } else { disk.applied.saturating_sub(ago) }
}

fn chain(applied: u64, who: u8) -> [u8; 32] {
    let mut chain = [who; 32];
    chain[..8].copy_from_slice(&applied.to_be_bytes());
    chain
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn histories_agree_with_the_model(plans in plans()) {
        let (mut disk, mut model) = (Disk::default(), Model::default());
        for plan in &plans {
            let command = command(plan, &disk);
            let index = disk.applied + 1;
            let before = disk.clone();

            let applied = apply(index, &command, disk.load(&wanted(&command))).expect("no contradiction");
            // What is wanted is enough, and the same entry in the same state always does the same.
            let wanted = wanted(&command);
            let mut everything = disk.load_everything();
            everything.root_at = wanted.root_at.and_then(|leaves| disk.root_at(leaves));
            let again = apply(index, &command, everything).expect("no contradiction");
            prop_assert_eq!(&applied, &again);
            // What nodes agree on survives the way there.
            let encoded = command.encode().expect("small");
            if let Command::Batch(batch) = &command {
                let told = batch.bytes_at_most();
                prop_assert!(encoded.len() <= told, "{} bytes, at most {told} were told", encoded.len());
            }
            prop_assert_eq!(&Command::decode(&encoded).expect("just encoded"), &command);

            let outcomes: Vec<_> = applied.outcomes.iter().map(|(_, outcome)| *outcome).collect();
            prop_assert_eq!(&outcomes, &model.commit(index, &command));
            disk.write(applied.changes);
            prop_assert_eq!(check(&disk), vec![]);
            step_is_sound(&before, &disk, &command, &outcomes)?;
        }
        prop_assert_eq!(disk.meta.leaves, u64::try_from(model.happened.len()).expect("few"));
    }
}

/// What must hold of every single step, said without the model.
fn step_is_sound(
    before: &Disk,
    after: &Disk,
    command: &Command,
    outcomes: &[ItemOutcome],
) -> Result<(), TestCaseError> {
    prop_assert!(after.meta.last_at_ms >= before.meta.last_at_ms);
    prop_assert!(after.meta.register_revision >= before.meta.register_revision);
    prop_assert!(before.leaves.iter().all(|(position, leaf)| after.leaves.get(position) == Some(leaf)));
    prop_assert!(before.requests.iter().all(|(request, seen)| after.requests.get(request) == Some(seen)));
    let erased = match command {
        Command::Erase(erasure) => Some(erasure.person),
        _ => None,
    };
    let kept = |key: &[u8; 32]| erased != Some(*key);
    prop_assert!(before.records.iter().all(|(key, version)| !kept(key) || after.records.get(key) >= Some(version)));
    let grown = |(key, trail): (&[u8; 32], &Trail)| {
        !kept(key) || after.trails.get(key).is_some_and(|it| it.count >= trail.count)
    };
    prop_assert!(before.trails.iter().all(grown));
    prop_assert!(before.budgets.iter().all(|(key, count)| after.budgets.get(key) >= Some(count)));
    let appended = outcomes.iter().filter(|outcome| matches!(outcome, ItemOutcome::Appended { .. })).count();
    prop_assert_eq!(after.meta.leaves - before.meta.leaves, u64::try_from(appended).expect("few"));
    if appended == 0 {
        let mut same = Disk { applied: before.applied, ..after.clone() };
        if after.meta.sweep != before.meta.sweep {
            prop_assert!(matches!(command, Command::Sweep(_)));
            // A page that was taken: records, and how far the sweep is.
            (same.meta.sweep, same.records) = (before.meta.sweep, before.records.clone());
        }
        prop_assert_eq!(&same, before);
    }
    if let Command::Batch(batch) = command {
        // A budget grows only below some limit that an item of this batch allowed, and by one item beyond it at most.
        for (key, points) in after.budgets.iter().filter(|(key, points)| before.budgets.get(key) != Some(points)) {
            let limits = batch.items.iter().filter_map(|item| item.entry.miss).map(|miss| miss.limits.of(key.budget));
            prop_assert!(*points < (limits.max().unwrap_or(0) + 1) * MISS_POINTS);
        }
    }
    Ok(())
}
