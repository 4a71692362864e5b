//! An authority for tests: it delays, errs and lies as told.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use xacminh_core::question::PersonKeys;
use xacminh_core::record::{NumberStatus, Record};
use xacminh_proto::vocab::{BirthDate, CitizenNumber, FullName, Living, Marital, PersonNumber, Sex};

use super::{Authority, AuthorityError, Change, Fetched, Page};

/// What the next fetch does; when the script is over, fetches answer at once and truly.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Answers truly after so many milliseconds.
    Delay(u64),
    /// Answers truly once it is released.
    Held,
    /// Fails.
    Fail(AuthorityError),
    /// Answers with the record of another person.
    Lie(u64),
    /// Panics.
    Panic,
}

/// The authority.
pub(crate) struct Scripted {
    people: Mutex<HashMap<PersonNumber, Record>>,
    script: Mutex<VecDeque<Step>>,
    calls: AtomicUsize,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
    released: Semaphore,
}

impl Scripted {
    /// An authority that knows these people and plays this script.
    pub(crate) fn new(people: impl IntoIterator<Item = Record>, script: impl IntoIterator<Item = Step>) -> Self {
        let people = people.into_iter().map(|record| (PersonNumber::Citizen(record.number), record)).collect();
        let people = Mutex::new(people);
        let script = Mutex::new(script.into_iter().collect());
        let zero = || AtomicUsize::new(0);
        Self { people, script, calls: zero(), at_once: zero(), at_once_max: zero(), released: Semaphore::new(0) }
    }

    /// Changes what it knows of somebody.
    pub(crate) fn replace(&self, record: Record) {
        self.people.lock().expect("no panic while held").insert(PersonNumber::Citizen(record.number), record);
    }

    /// Lets one fetch go on that is held, or will be.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }

    /// Fetches so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The most fetches that ran at the same time.
    pub(crate) fn at_once_max(&self) -> usize {
        self.at_once_max.load(Ordering::SeqCst)
    }

    async fn play(&self, keys: &PersonKeys) -> Result<Fetched, AuthorityError> {
        let step = self.script.lock().expect("no panic while held").pop_front();
        match step {
            Some(Step::Delay(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Some(Step::Held) => self.released.acquire().await.expect("never closed").forget(),
            Some(Step::Fail(error)) => return Err(error),
            Some(Step::Lie(person)) => return Ok(Fetched::Found(Box::new(record(person)))),
            Some(Step::Panic) => panic!("as scripted"),
            None => {}
        }
        let people = self.people.lock().expect("no panic while held");
        Ok(people.get(&keys.number).map_or(Fetched::Missing, |record| Fetched::Found(Box::new(record.clone()))))
    }
}

impl Authority for Scripted {
    fn fetch<'a>(&'a self, keys: &'a PersonKeys, _deadline: Instant) -> BoxFuture<'a, Result<Fetched, AuthorityError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.at_once_max.fetch_max(at_once, Ordering::SeqCst);
            let answer = self.play(keys).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }

    fn changes(
        &self,
        _after: u64,
        _limit: u32,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<Vec<Change>, AuthorityError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Those it knows, one page of them at a time; the script is not played.
    fn page(
        &self,
        after: Option<CitizenNumber>,
        limit: u32,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<Page, AuthorityError>> {
        let mut people: Vec<Record> = self.people.lock().expect("no panic while held").values().cloned().collect();
        people.sort_unstable_by_key(|person| person.number);
        people.retain(|person| Some(person.number) > after);
        people.truncate(usize::try_from(limit).expect("few"));
        let last = people.last().map(|person| person.number);
        Box::pin(async move { Ok(Page { people, last, malformed: 0 }) })
    }

    fn health(&self, _deadline: Instant) -> BoxFuture<'_, Result<(), AuthorityError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Person number `person` of the tests.
pub(crate) fn record(person: u64) -> Record {
    let keys = keys(person);
    Record {
        number: CitizenNumber::try_from(48_090_000_000 + person).expect("twelve digits"),
        status: NumberStatus::Active,
        old_number: None,
        name: keys.name,
        other_name: None,
        birth: keys.birth,
        sex: Sex::Male,
        nationality: *b"VN",
        ethnicity: Some(1),
        birth_place: Some(48),
        home_town: None,
        permanent: None,
        temporary: None,
        current: None,
        marital: Marital::Single,
        living: Living::Alive,
        father: None,
        mother: None,
        spouse: None,
        children: Vec::new(),
        wards: Vec::new(),
        household: None,
        card: None,
        under_correction: false,
        version: 1,
    }
}

/// The keys of that person.
pub(crate) fn keys(person: u64) -> PersonKeys {
    PersonKeys {
        number: PersonNumber::Citizen(CitizenNumber::try_from(48_090_000_000 + person).expect("twelve digits")),
        name: FullName::parse("Nguyễn Văn Thử").expect("a name"),
        birth: BirthDate::of_year(1_990).expect("a year"),
    }
}
