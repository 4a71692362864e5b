//! The way to the authority: one flight per person, bounded, with a breaker.
//!
//! Whoever asks for a person that is being fetched waits for that answer instead of asking again.
//! A flight has its own time limit and ends by itself: callers may leave early, and the rest still get the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use xacminh_core::question::PersonKeys;
use xacminh_core::record::Record;
use xacminh_proto::vocab::CitizenNumber;

use super::{Authority, AuthorityConfig, AuthorityError, Change, Fetched, Page, StartError};

/// `[authority.limits]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlightLimits {
    /// Milliseconds one fetch may take, waiting included. Longer, and callers have given up. Default 1,500.
    pub fetch_ms_max: u64,
    /// Fetches under way at once. Too many overload the authority, too few waste its round trip. Default 32.
    pub fetches_max: usize,
    /// Fetches waiting for their turn besides. Beyond it questions are told at once that the authority is out of
    /// reach, instead of waiting in vain. Default 2,048.
    pub waiting_max: usize,
    /// Outages in a row after which the authority is left alone. Default 8.
    pub breaker_failures_max: u32,
    /// Milliseconds it is left alone before one fetch tries again. Longer delays recovery. Default 1,000.
    pub breaker_open_ms: u64,
}

impl Default for FlightLimits {
    fn default() -> Self {
        Self {
            fetch_ms_max: 1_500,
            fetches_max: 32,
            waiting_max: 2_048,
            breaker_failures_max: 8,
            breaker_open_ms: 1_000,
        }
    }
}

/// The authority as the desk sees it.
pub struct Upstream {
    shared: Arc<Shared>,
}

struct Shared {
    authority: Arc<dyn Authority>,
    limits: FlightLimits,
    permits: Semaphore,
    /// Never held across an await.
    board: Mutex<Board>,
}

/// What is in the air.
#[derive(Default)]
struct Board {
    flights: HashMap<Route, Flight>,
    breaker: Breaker,
}

/// Whose answers are shared: the same three keys, since the national service answers for the keys it was given and a wrong
/// name may not share the answer for the right one; and the same [`Moment::erased`].
type Route = (PersonKeys, u64);

type Answer = Result<Arc<Fetched>, AuthorityError>;
type Landing = watch::Receiver<Option<Answer>>;

/// A flight under way.
#[derive(Clone)]
struct Flight {
    asked_at_ms: u64,
    landing: Landing,
}

/// When something is asked, by the clock and by the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The newest entry that may have erased the person asked about. What was asked for before an erasure would bring them
    /// back: nobody joins a flight that began before it.
    pub erased: u64,
}

/// What the authority said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Nobody, one person, or several.
    pub people: Vec<Record>,
    /// When it was asked, Unix milliseconds: what it said is as of then, or later. Whoever joined the flight on its way
    /// gets the same time, not that of joining, which would make the answer look younger than it is.
    pub asked_at_ms: u64,
}

/// Closed while outages in a row are few; then open for a while; then one fetch tries.
#[derive(Default)]
struct Breaker {
    outages: u32,
    open_until: Option<Instant>,
    probing: bool,
}

impl Upstream {
    /// Opens the authority of a config.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open(config: &AuthorityConfig, limits: FlightLimits) -> Result<Self, StartError> {
        Self::new(super::open(config).await?, limits)
    }

    /// Flights to a given authority.
    ///
    /// # Errors
    /// [`StartError::Zero`] for a limit that would let nothing through.
    pub fn new(authority: Arc<dyn Authority>, limits: FlightLimits) -> Result<Self, StartError> {
        if limits.fetches_max == 0 {
            return Err(StartError::Zero("authority.limits.fetches_max"));
        }
        if limits.breaker_failures_max == 0 {
            return Err(StartError::Zero("authority.limits.breaker_failures_max"));
        }
        let permits = Semaphore::new(limits.fetches_max.min(Semaphore::MAX_PERMITS));
        Ok(Self { shared: Arc::new(Shared { authority, limits, permits, board: Mutex::default() }) })
    }

    /// The people held under the number of these keys: nobody, one, or several.
    ///
    /// # Errors
    /// [`AuthorityError`]: it is then unknown whether the authority holds anybody.
    pub async fn ask(&self, keys: &PersonKeys, now: Moment, deadline: Instant) -> Result<Said, AuthorityError> {
        let Flight { asked_at_ms, mut landing } = self.join(keys, now)?;
        let landed =
            timeout_at(deadline, landing.wait_for(Option::is_some)).await.map_err(|_| AuthorityError::Deadline)?;
        // The flight's task panicked: nobody will answer.
        let answer = landed.map_err(|_| AuthorityError::Unavailable)?.clone();
        let fetched = answer.unwrap_or(Err(AuthorityError::Unavailable))?;
        Ok(Said { people: fetched.people().to_vec(), asked_at_ms })
    }

    /// Up to `limit` changes after position `after`, oldest first.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub async fn changes(&self, after: u64, limit: u32, deadline: Instant) -> Result<Vec<Change>, AuthorityError> {
        self.shared.authority.changes(after, limit, deadline).await
    }

    /// Up to `limit` people whose numbers come after `after`.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub async fn page(
        &self,
        after: Option<CitizenNumber>,
        limit: u32,
        deadline: Instant,
    ) -> Result<Page, AuthorityError> {
        self.shared.authority.page(after, limit, deadline).await
    }

    /// Whether the authority answers now; the breaker is not asked.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub async fn health(&self, deadline: Instant) -> Result<(), AuthorityError> {
        self.shared.authority.health(deadline).await
    }

    /// People being fetched or waiting for it.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.board().flights.len()
    }

    /// The flight of this person: one that is under way, or a new one.
    fn join(&self, keys: &PersonKeys, now: Moment) -> Result<Flight, AuthorityError> {
        let route = (keys.clone(), now.erased);
        let mut board = self.shared.board();
        if let Some(flight) = board.flights.get(&route) {
            return Ok(flight.clone());
        }
        if board.flights.len() >= self.shared.limits.fetches_max.saturating_add(self.shared.limits.waiting_max) {
            return Err(AuthorityError::Busy);
        }
        if !board.breaker.lets_through(Instant::now()) {
            return Err(AuthorityError::BreakerOpen);
        }
        let (land, landing) = watch::channel(None);
        let flight = Flight { asked_at_ms: now.at_ms, landing };
        board.flights.insert(route.clone(), flight.clone());
        drop(board);
        tokio::spawn(fly(Arc::clone(&self.shared), route, land));
        Ok(flight)
    }
}

/// One flight. However it ends, it leaves the board before its answer is seen, so that who comes later asks anew.
async fn fly(shared: Arc<Shared>, route: Route, land: watch::Sender<Option<Answer>>) {
    let mut leaving = Leaving { shared: &shared, route: &route, answer: Err(AuthorityError::Unavailable) };
    let deadline = Instant::now() + Duration::from_millis(shared.limits.fetch_ms_max);
    let asked = async {
        let _permit = shared.permits.acquire().await.map_err(|_| AuthorityError::Unavailable)?;
        shared.authority.fetch(&route.0, deadline).await
    };
    let answer = timeout_at(deadline, asked).await.unwrap_or(Err(AuthorityError::Deadline)).map(Arc::new);
    leaving.answer = answer.as_ref().map(|_| ()).map_err(|error| *error);
    drop(leaving);
    // Nobody listens any more: then nobody misses the answer.
    let _ = land.send(Some(answer));
}

/// Takes a flight off the board and tells the breaker, even if the authority's code panics.
struct Leaving<'a> {
    shared: &'a Shared,
    route: &'a Route,
    answer: Result<(), AuthorityError>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let open_for = Duration::from_millis(self.shared.limits.breaker_open_ms);
        let failures_max = self.shared.limits.breaker_failures_max;
        let mut board = self.shared.board();
        board.flights.remove(self.route);
        let outage = self.answer.is_err_and(AuthorityError::is_outage);
        board.breaker.landed(outage, failures_max, Instant::now() + open_for);
    }
}

impl Shared {
    /// A panic elsewhere cannot leave the board half changed: each change is one call.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Breaker {
    fn lets_through(&mut self, now: Instant) -> bool {
        match self.open_until {
            None => true,
            Some(until) if now < until || self.probing => false,
            Some(_) => {
                self.probing = true;
                true
            }
        }
    }

    fn landed(&mut self, outage: bool, failures_max: u32, open_until: Instant) {
        self.probing = false;
        if !outage {
            *self = Self::default();
            return;
        }
        self.outages = self.outages.saturating_add(1);
        if self.outages >= failures_max {
            self.open_until = Some(open_until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Scripted, Step, keys, record};
    use super::*;

    impl Upstream {
        /// The people alone, where time does not matter.
        async fn fetch(&self, keys: &PersonKeys, deadline: Instant) -> Result<Vec<Record>, AuthorityError> {
            self.ask(keys, at(0, 0), deadline).await.map(|said| said.people)
        }
    }

    const fn at(at_ms: u64, erased: u64) -> Moment {
        Moment { at_ms, erased }
    }

    #[tokio::test]
    async fn nobody_joins_a_flight_of_before_an_erasure() {
        let authority = Arc::new(Scripted::new([record(1)], [Step::Delay(200), Step::Delay(200)]));
        let upstream = upstream(&authority, FlightLimits::default());
        let person = keys(1);
        let ask = |at_ms, erased| upstream.ask(&person, at(at_ms, erased), soon());
        let (before, after, joined) = tokio::join!(ask(1_000, 7), ask(1_100, 9), ask(1_150, 9));
        let times = [before, after, joined].map(|said| said.expect("answered").asked_at_ms);
        assert_eq!((authority.calls(), times), (2, [1_000, 1_100, 1_100]));
        assert_eq!(upstream.in_flight(), 0);
    }

    #[tokio::test]
    async fn whoever_joins_a_flight_learns_when_it_started() {
        let authority = Arc::new(Scripted::new([record(1)], [Step::Delay(200)]));
        let upstream = upstream(&authority, FlightLimits::default());
        let person = keys(1);
        let (first, second) =
            tokio::join!(upstream.ask(&person, at(1_000, 0), soon()), upstream.ask(&person, at(1_150, 0), soon()));
        assert_eq!(authority.calls(), 1);
        assert_eq!((first.expect("answered").asked_at_ms, second.expect("answered").asked_at_ms), (1_000, 1_000));
        assert_eq!(upstream.ask(&person, at(1_300, 0), soon()).await.expect("answered").asked_at_ms, 1_300);
    }

    fn upstream(authority: &Arc<Scripted>, limits: FlightLimits) -> Upstream {
        Upstream::new(Arc::<Scripted>::clone(authority), limits).expect("limits let something through")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_hundred_who_ask_for_one_person_make_one_fetch() {
        let authority = Arc::new(Scripted::new([record(1)], [Step::Delay(300)]));
        let upstream = Arc::new(upstream(&authority, FlightLimits::default()));
        let waiters: Vec<_> = (0..100)
            .map(|_| {
                let upstream = Arc::clone(&upstream);
                tokio::spawn(async move { upstream.fetch(&keys(1), soon()).await })
            })
            .collect();
        for waiter in waiters {
            assert_eq!(waiter.await.expect("no panic"), Ok(vec![record(1)]));
        }
        assert_eq!(authority.calls(), 1);
        // The next one asks anew: an answer is not kept here.
        upstream.fetch(&keys(1), soon()).await.expect("answered");
        assert_eq!(authority.calls(), 2);
        assert_eq!(upstream.in_flight(), 0);
    }

    #[tokio::test]
    async fn another_name_is_another_flight() {
        let authority = Arc::new(Scripted::new([record(1)], [Step::Delay(50), Step::Delay(50)]));
        let upstream = upstream(&authority, FlightLimits::default());
        let mut wrong = keys(1);
        wrong.name = xacminh_proto::vocab::FullName::parse("Trần Văn Khác").expect("a name");
        let (deadline, right) = (soon(), keys(1));
        let (right, other) = tokio::join!(upstream.fetch(&right, deadline), upstream.fetch(&wrong, deadline));
        assert_eq!(right, other);
        assert_eq!(authority.calls(), 2);
    }

    #[tokio::test]
    async fn a_caller_who_leaves_does_not_end_the_flight() {
        let authority = Arc::new(Scripted::new([record(1)], [Step::Delay(500)]));
        let upstream = upstream(&authority, FlightLimits::default());
        let hasty = upstream.fetch(&keys(1), Instant::now() + Duration::from_millis(10)).await;
        assert_eq!(hasty, Err(AuthorityError::Deadline));
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Ok(vec![record(1)]));
        assert_eq!(authority.calls(), 1);
    }

    #[tokio::test]
    async fn missing_and_unreachable_are_different() {
        let authority = Arc::new(Scripted::new([record(1)], [Step::Fail(AuthorityError::Unavailable)]));
        let upstream = upstream(&authority, FlightLimits::default());
        assert_eq!(upstream.fetch(&keys(9), soon()).await, Err(AuthorityError::Unavailable));
        assert_eq!(upstream.fetch(&keys(9), soon()).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn beyond_the_bound_the_answer_is_busy_and_the_rest_goes_on() {
        let limits = FlightLimits { fetches_max: 2, waiting_max: 3, ..FlightLimits::default() };
        let authority = Arc::new(Scripted::new((0..8).map(record), [Step::Delay(200); 8]));
        let upstream = Arc::new(upstream(&authority, limits));
        let waiters: Vec<_> = (0..8)
            .map(|person| {
                let upstream = Arc::clone(&upstream);
                tokio::spawn(async move { upstream.fetch(&keys(person), soon()).await })
            })
            .collect();
        let mut answers = Vec::new();
        for waiter in waiters {
            answers.push(waiter.await.expect("no panic"));
        }
        assert_eq!(answers.iter().filter(|answer| **answer == Err(AuthorityError::Busy)).count(), 3);
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5);
        assert_eq!(authority.at_once_max(), 2);
        assert_eq!(upstream.in_flight(), 0);
    }

    #[tokio::test]
    async fn a_flight_that_hangs_is_given_up() {
        let authority = Arc::new(Scripted::new([record(1)], [Step::Delay(60_000)]));
        let upstream = upstream(&authority, FlightLimits { fetch_ms_max: 300, ..FlightLimits::default() });
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Err(AuthorityError::Deadline));
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Ok(vec![record(1)]));
    }

    #[tokio::test]
    async fn after_outages_in_a_row_the_authority_is_left_alone_and_then_tried_once() {
        let limits = FlightLimits { breaker_failures_max: 3, breaker_open_ms: 400, ..FlightLimits::default() };
        let authority = Arc::new(Scripted::new([record(1)], [Step::Fail(AuthorityError::Unavailable); 4]));
        let upstream = upstream(&authority, limits);
        for _ in 0..3 {
            assert_eq!(upstream.fetch(&keys(1), soon()).await, Err(AuthorityError::Unavailable));
        }
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Err(AuthorityError::BreakerOpen));
        assert_eq!(authority.calls(), 3);
        // The first try after the pause fails and opens it again at once.
        tokio::time::sleep(Duration::from_millis(450)).await;
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Err(AuthorityError::Unavailable));
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Err(AuthorityError::BreakerOpen));
        tokio::time::sleep(Duration::from_millis(450)).await;
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Ok(vec![record(1)]));
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Ok(vec![record(1)]));
    }

    /// Data that is not understood is no outage: one broken row must not cut off everybody else.
    #[tokio::test]
    async fn a_malformed_row_does_not_open_the_breaker() {
        let limits = FlightLimits { breaker_failures_max: 1, ..FlightLimits::default() };
        let malformed = AuthorityError::Malformed { column: "birth_year" };
        let authority = Arc::new(Scripted::new([record(1)], [Step::Fail(malformed)]));
        let upstream = upstream(&authority, limits);
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Err(malformed));
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Ok(vec![record(1)]));
    }

    #[tokio::test]
    async fn a_panic_in_the_authority_is_an_outage_of_that_flight_only() {
        let authority = Arc::new(Scripted::new([record(1)], [Step::Panic]));
        let upstream = upstream(&authority, FlightLimits::default());
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Err(AuthorityError::Unavailable));
        assert_eq!(upstream.in_flight(), 0);
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Ok(vec![record(1)]));
    }

    #[tokio::test]
    async fn a_lie_is_passed_on_for_the_rules_to_judge() {
        let authority = Arc::new(Scripted::new([record(1)], [Step::Lie(2)]));
        let upstream = upstream(&authority, FlightLimits::default());
        assert_eq!(upstream.fetch(&keys(1), soon()).await, Ok(vec![record(2)]));
    }
}
