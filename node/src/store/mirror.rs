//! What apply itself read or wrote last: RocksDB is not asked for it again.
//!
//! Apply is the only writer, so that a row that is held here is the row that the tables hold: what was written is taken
//! over after it was written, what is erased or forgotten goes from here in the same step, and another generation begins
//! with nothing. Desks read budgets here too; the rest is apply's own, and nothing of it is locked.
//!
//! ```text
//! requests   every one of a later time than a horizon: one that is not here is nowhere
//! records    every one that was changed after a horizon, and by which entry: one that is not here is as it was
//! trails     of the people asked about last, two halves that take turns
//! budgets    those asked for last, until the hour is over
//! ```
//!
//! Nothing in it is about what anybody answered: keys are keyed hashes, and a trail is a number of leaves with a hash.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::BuildHasherDefault,
    io,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use rocksdb::IteratorMode;
use xacminh_core::{
    apply::{BudgetKey, Changes, KeyedMap, Loaded, Seen, Trail, Wanted},
    command::{RecordKey, RecordRead, RequestKey},
};

use super::{encoding::malformed, generation::Generation, rocks, tables};

/// How much is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Requests.
    pub(super) requests: usize,
    /// Changes of records.
    pub(super) records: usize,
    /// Trails in each half.
    pub(super) trails: usize,
    /// Budgets.
    pub(super) budgets: usize,
}

impl Bounds {
    /// 100 MiB at the most: 20 of requests, those of ten seconds at full speed, in which a caller asks again if it does;
    /// 10 of records, of seconds at full speed too, where what was read is some milliseconds old; 60 of trails, as many as
    /// twice 262,144 places of a hash table hold; a few of budgets, each official of an hour having two.
    pub(super) const DEFAULT: Self =
        Self { requests: 256 * 1024, records: 100_000, trails: 229_376, budgets: 32 * 1024 };
}

/// The newest rows that apply knows, as they are in the tables.
pub(super) struct Mirror {
    bounds: Bounds,
    /// Whose rows these are; none at first.
    generation: Option<u64>,
    requests: Requests,
    records: Records,
    trails: Trails,
}

/// What is known of a row.
enum Held<T> {
    /// Nothing: the table has to be asked.
    Unknown,
    /// The table has no such row.
    Absent,
    /// The table's value.
    Row(T),
}

impl Mirror {
    pub(super) fn new(bounds: Bounds) -> Self {
        let (requests, records) = (Requests::default(), Records::default());
        Self { bounds, generation: None, requests, records, trails: Trails::with_room(bounds.trails) }
    }

    /// Gives the rows that the rules want to see, from the tables as far as they are not held.
    pub(super) fn load(&mut self, generation: &Generation, wanted: &Wanted, loaded: &mut Loaded) -> io::Result<()> {
        self.follow(generation)?;
        self.load_records(generation, wanted, loaded)?;
        self.load_requests(generation, wanted, loaded)?;
        self.load_budgets(generation, wanted, loaded)?;
        self.load_trails(generation, wanted, loaded)
    }

    /// Begins anew with the tables that are in force.
    fn follow(&mut self, generation: &Generation) -> io::Result<()> {
        if self.generation != Some(generation.number) {
            *self = Self::new(self.bounds);
            self.requests.after_ms = newest_request_ms(generation)?;
            self.records.after = generation.head.load().applied.map_or(0, |applied| applied.index);
            self.generation = Some(generation.number);
        }
        Ok(())
    }

    /// What has changed since it was read; of what has not, nothing.
    fn load_records(&self, generation: &Generation, wanted: &Wanted, loaded: &mut Loaded) -> io::Result<()> {
        let mut unknown = Vec::new();
        for read in &wanted.records {
            match self.records.changed(read) {
                Held::Unknown => unknown.push(read.key),
                Held::Absent => {}
                Held::Row(version) => drop(loaded.records.insert(read.key, version)),
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        let read = rows(generation, tables::RECORDS, &unknown, |bytes| Ok(tables::record_of(bytes)?.0))?;
        let read = unknown.into_iter().zip(read);
        loaded.records.extend(read.filter_map(|(key, version)| Some((key, version?))));
        Ok(())
    }

    fn load_trails(&mut self, generation: &Generation, wanted: &Wanted, loaded: &mut Loaded) -> io::Result<()> {
        let mut unknown = Vec::new();
        for key in &wanted.trails {
            match self.trails.get(key, self.bounds.trails) {
                Held::Unknown => unknown.push(*key),
                Held::Absent => {}
                Held::Row(trail) => drop(loaded.trails.insert(*key, trail)),
            }
        }
        let read = rows(generation, tables::TRAILS, &unknown, tables::trail_of)?;
        for (key, trail) in unknown.iter().zip(read) {
            loaded.trails.extend(trail.map(|trail| (*key, trail)));
            self.trails.put(*key, trail, self.bounds.trails);
        }
        Ok(())
    }

    fn load_requests(&mut self, generation: &Generation, wanted: &Wanted, loaded: &mut Loaded) -> io::Result<()> {
        let mut unknown = Vec::new();
        for request in &wanted.requests {
            match self.requests.get(request) {
                Held::Unknown => unknown.push(*request),
                Held::Absent => {}
                Held::Row(seen) => drop(loaded.requests.insert(*request, seen)),
            }
        }
        let keys: Vec<[u8; 20]> = unknown.iter().map(RequestKey::bytes).collect();
        let read = rows(generation, tables::SEEN, &keys, tables::seen_of)?;
        let read = unknown.into_iter().zip(read);
        loaded.requests.extend(read.filter_map(|(request, seen)| Some((request, seen?))));
        Ok(())
    }

    fn load_budgets(&self, generation: &Generation, wanted: &Wanted, loaded: &mut Loaded) -> io::Result<()> {
        let (mut points, unknown) = generation.budgets.get(&wanted.budgets);
        let read = read_budgets(generation, &unknown)?;
        generation.budgets.put(&unknown, &read, self.bounds.budgets);
        points.extend(unknown.into_iter().zip(read));
        loaded.budgets.extend(points.into_iter().filter_map(|(key, points)| Some((key, points?))));
        Ok(())
    }

    /// Takes over what has just been written, as far as it is about rows that are held.
    ///
    /// Once an hour the tables forget requests of before a time, and budgets that are over; so does this.
    pub(super) fn wrote(
        &mut self,
        generation: &Generation,
        changes: &Changes,
        requests_forgotten_before_ms: Option<u64>,
    ) {
        if let Some(erased) = &changes.erased {
            self.records.forget(&erased.person);
            self.trails.forget(&erased.person);
        }
        for (key, version, _) in &changes.records {
            self.records.add(*key, *version, self.bounds.records);
        }
        for (key, trail) in &changes.trails {
            self.trails.change(key, *trail);
        }
        generation.budgets.change(&changes.budgets);
        self.requests.add(&changes.requests, self.bounds.requests);
        if let Some(before_ms) = requests_forgotten_before_ms {
            self.requests.forget_before(before_ms);
            generation.budgets.forget();
        }
    }
}

/// Points counted against budgets, as the tables have them; 0 where they have none.
pub(super) fn points(generation: &Generation, budgets: &[BudgetKey]) -> io::Result<Vec<u32>> {
    let (held, unknown) = generation.budgets.get(budgets);
    let mut held = held.into_iter().peekable();
    // What is not held was read in the order in which it is missing.
    let mut read = read_budgets(generation, &unknown)?.into_iter();
    let points = budgets.iter().map(|key| match held.next_if(|(of, _)| of == key) {
        Some((_, points)) => points.unwrap_or(0),
        None => read.next().flatten().unwrap_or(0),
    });
    Ok(points.collect())
}

fn read_budgets(generation: &Generation, budgets: &[BudgetKey]) -> io::Result<Vec<Option<u32>>> {
    let keys: Vec<[u8; 21]> = budgets.iter().map(tables::budget_key).collect();
    rows(generation, tables::BUDGETS, &keys, tables::budget_of)
}

/// The budgets asked for last; none where the table has no row. Apply alone changes them.
#[derive(Default)]
pub(super) struct Budgets(RwLock<KeyedMap<BudgetKey, Option<u32>>>);

impl Budgets {
    /// What is held of some budgets, and which of them are not held.
    fn get(&self, budgets: &[BudgetKey]) -> (Vec<(BudgetKey, Option<u32>)>, Vec<BudgetKey>) {
        let held = self.read();
        let (mut points, mut unknown) = (Vec::with_capacity(budgets.len()), Vec::new());
        for key in budgets {
            match held.get(key) {
                Some(found) => points.push((*key, *found)),
                None => unknown.push(*key),
            }
        }
        (points, unknown)
    }

    fn put(&self, budgets: &[BudgetKey], points: &[Option<u32>], budgets_max: usize) {
        if budgets.is_empty() {
            return;
        }
        let mut held = self.write();
        if held.len() + budgets.len() > budgets_max {
            held.clear();
        }
        held.extend(budgets.iter().copied().zip(points.iter().copied()).take(budgets_max));
    }

    fn change(&self, budgets: &[(BudgetKey, u32)]) {
        if budgets.is_empty() {
            return;
        }
        let mut held = self.write();
        for (key, points) in budgets {
            if let Some(held) = held.get_mut(key) {
                *held = Some(*points);
            }
        }
    }

    fn forget(&self) {
        self.write().clear();
    }

    fn read(&self) -> RwLockReadGuard<'_, KeyedMap<BudgetKey, Option<u32>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, KeyedMap<BudgetKey, Option<u32>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows of a table, in the order of their keys.
fn rows<K: AsRef<[u8]> + Ord, T>(
    generation: &Generation,
    table: &str,
    keys: &[K],
    value_of: impl Fn(&[u8]) -> io::Result<T>,
) -> io::Result<Vec<Option<T>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // Keys come in ascending order, and are looked up in one sweep.
    let found = generation.db.batched_multi_get_cf(rocks::family(&generation.db, table), keys, keys.is_sorted());
    let value_of = |bytes: Option<rocksdb::DBPinnableSlice<'_>>| bytes.map(|bytes| value_of(&bytes)).transpose();
    found.into_iter().map(|found| value_of(found.map_err(rocks::io_error)?)).collect()
}

/// The newest time in a request's id that the tables have; 0 if they have none.
fn newest_request_ms(generation: &Generation) -> io::Result<u64> {
    let family = rocks::family(&generation.db, tables::SEEN);
    let Some(last) = generation.db.iterator_cf(family, IteratorMode::End).next() else { return Ok(0) };
    let (key, _) = last.map_err(rocks::io_error)?;
    tables::seen_ms(&key).ok_or_else(|| malformed("request"))
}

/// The newest requests, in the order of the times in their ids.
///
/// Ids are their callers' choice: an ordered tree keeps its pace whatever they choose, and the newest are at its end,
/// where the processor's caches have it.
#[derive(Default)]
struct Requests {
    /// Every request of a later time that has its leaf is in `seen`; of others it is not known.
    after_ms: u64,
    seen: BTreeMap<(u128, u32), Seen>,
}

impl Requests {
    fn get(&self, request: &RequestKey) -> Held<Seen> {
        match self.seen.get(&ordered(request)) {
            Some(seen) => Held::Row(*seen),
            None if request.id.unix_ms() > self.after_ms => Held::Absent,
            None => Held::Unknown,
        }
    }

    fn add(&mut self, requests: &[(RequestKey, Seen)], requests_max: usize) {
        for (request, seen) in requests.iter().filter(|(request, _)| request.id.unix_ms() > self.after_ms) {
            self.seen.insert(ordered(request), *seen);
        }
        while self.seen.len() > requests_max
            && let Some(((id, _), _)) = self.seen.pop_first()
        {
            self.after_ms = self.after_ms.max(ms_of(id));
        }
    }

    fn forget_before(&mut self, before_ms: u64) {
        while self.seen.first_entry().is_some_and(|first| ms_of(first.key().0) < before_ms) {
            self.seen.pop_first();
        }
    }
}

/// A request's key as numbers, which compare at one stroke and sort as its bytes do.
const fn ordered(request: &RequestKey) -> (u128, u32) {
    (u128::from_be_bytes(*request.id.bytes()), request.portal.0)
}

/// The time in a request's id: its first 48 bits.
const fn ms_of(id: u128) -> u64 {
    (id >> 80) as u64
}

/// The newest changes of records.
#[derive(Default)]
struct Records {
    /// Whatever an entry of a later index changed is in `versions`; of what others changed it is not known.
    after: u64,
    versions: KeyedMap<RecordKey, u64>,
    /// The same in the order of the log; of a record that was changed again only the last is in `versions`.
    order: VecDeque<(u64, RecordKey)>,
}

impl Records {
    /// The entry that changed a record since it was read.
    fn changed(&self, read: &RecordRead) -> Held<u64> {
        match self.versions.get(&read.key) {
            Some(version) => Held::Row(*version),
            None if read.as_of >= self.after => Held::Absent,
            None => Held::Unknown,
        }
    }

    fn add(&mut self, key: RecordKey, version: u64, records_max: usize) {
        self.versions.insert(key, version);
        self.order.push_back((version, key));
        while self.order.len() > records_max
            && let Some((version, key)) = self.order.pop_front()
        {
            self.after = version;
            if self.versions.get(&key) == Some(&version) {
                self.versions.remove(&key);
            }
        }
    }

    fn forget(&mut self, key: &RecordKey) {
        self.versions.remove(key);
    }
}

/// The trails of the people asked about last, none where the table has none: one half fills, and takes the place of the
/// other when it is full.
struct Trails {
    young: Half,
    old: Half,
}

type Half = KeyedMap<RecordKey, Option<Trail>>;

fn half(half_max: usize) -> Half {
    Half::with_capacity_and_hasher(half_max, BuildHasherDefault::default())
}

impl Trails {
    /// All of the room at once: a table that doubles moves everybody, and the questions of an entry wait.
    fn with_room(half_max: usize) -> Self {
        Self { young: half(half_max), old: Half::default() }
    }

    /// What is held of somebody, who is young again.
    fn get(&mut self, key: &RecordKey, half_max: usize) -> Held<Trail> {
        let held = self.young.get(key).copied().or_else(|| {
            let held = self.old.remove(key)?;
            self.put(*key, held, half_max);
            Some(held)
        });
        match held {
            Some(Some(trail)) => Held::Row(trail),
            Some(None) => Held::Absent,
            None => Held::Unknown,
        }
    }

    /// Holds what the table has of somebody who is not held yet.
    fn put(&mut self, key: RecordKey, trail: Option<Trail>, half_max: usize) {
        if half_max == 0 {
            return;
        }
        if self.young.len() >= half_max {
            self.old = std::mem::replace(&mut self.young, half(half_max));
        }
        self.young.insert(key, trail);
    }

    /// Changes what is held of somebody, if anything is.
    fn change(&mut self, key: &RecordKey, trail: Trail) {
        if let Some(held) = self.young.get_mut(key).or_else(|| self.old.get_mut(key)) {
            *held = Some(trail);
        }
    }

    fn forget(&mut self, key: &RecordKey) {
        self.young.remove(key);
        self.old.remove(key);
    }
}
