//! Closed and open loops over connections to any system: the method of `xacminh_benches::measure`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    sync::{Mutex, mpsc},
    task::{JoinError, JoinSet},
    time::{sleep_until, timeout_at},
};
use xacminh_benches::{
    arrivals::Arrivals,
    processor::{Burnt, Load},
    tally::Window,
};
use xacminh_client::population::chance::Chance;

/// Latencies from a microsecond to a minute, to three digits.
const LATENCY_US_MAX: u64 = 60_000_000;
const DIGITS: u8 = 3;

/// Questions waiting for a desk in an open loop; beyond it they count as not sent, so that a dead system ends a run.
const WAITING_MAX: usize = 50_000;

/// How long answers may take after the window; a desk that still waits then is given up.
const DRAIN_MAX: Duration = Duration::from_secs(15);

/// Somewhere to ask: one connection, or one stream of one that carries several.
pub(crate) trait Desk: Send + 'static {
    /// Asks about these people in one go, waits for all answers, and says how many were wrong.
    ///
    /// # Errors
    /// If the connection is of no more use.
    fn ask(&mut self, people: &[u32]) -> impl Future<Output = anyhow::Result<usize>> + Send;
}

/// What is asked, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// People there are.
    pub(crate) people: u32,
    /// Questions that travel together.
    pub(crate) batch: usize,
    /// What does not count at the beginning.
    pub(crate) warm_up: Duration,
    /// What counts.
    pub(crate) length: Duration,
    /// The servers' processes; their children are counted with them.
    pub(crate) pids: Vec<u32>,
    /// Seed of the draws.
    pub(crate) seed: u64,
}

/// What came of it.
pub(crate) struct Seen {
    /// Counts of all desks.
    pub(crate) tally: Tally,
    /// Processors used within the window.
    pub(crate) load: Load,
    /// Processor time of this program within the window, microseconds.
    pub(crate) client_us: u64,
    /// Processor time of the servers within the window, microseconds.
    pub(crate) server_us: u64,
}

/// Counts of one desk, or of several together.
pub(crate) struct Tally {
    window: Window,
    /// Answers that arrived within the window.
    pub(crate) answered: u64,
    /// Latency of answers to questions that were due within the window, microseconds.
    pub(crate) latency_us: Histogram<u64>,
    /// Answers that were not what was asked for, at any time.
    pub(crate) wrong: u64,
    /// Questions without an answer, by what happened.
    pub(crate) errors: BTreeMap<String, u64>,
}

impl Tally {
    fn new(window: Window) -> Self {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS).expect("bounds that a histogram takes");
        Self { window, answered: 0, latency_us, wrong: 0, errors: BTreeMap::new() }
    }

    fn record(&mut self, dues: &[Instant], done: Instant, result: &anyhow::Result<usize>) {
        let holds = |moment| (self.window.from..self.window.until).contains(&moment);
        match result {
            Ok(wrong) => {
                // A wrong answer is none, whatever it costs.
                let right = dues.len().saturating_sub(*wrong) as u64;
                self.answered += if holds(done) { right } else { 0 };
                self.wrong += *wrong as u64;
                for due in dues.iter().filter(|due| holds(**due)) {
                    let latency = done.saturating_duration_since(*due);
                    self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
                }
            }
            Err(failure) => self.fail(&failure.to_string(), dues.len() as u64),
        }
    }

    fn fail(&mut self, what: &str, count: u64) {
        *self.errors.entry(what.to_owned()).or_default() += count;
    }

    fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.latency_us += &other.latency_us;
        self.wrong += other.wrong;
        other.errors.iter().for_each(|(what, count)| self.fail(what, *count));
    }
}

/// Every desk asks again as soon as it is answered: as much as the system can take. Returns the desks that still work.
///
/// # Errors
/// If a task panicked.
pub(crate) async fn closed<D: Desk>(desks: Vec<D>, course: &Course) -> Result<(Vec<D>, Seen), JoinError> {
    let window = Window::after(Instant::now(), course.warm_up, course.length);
    let watching = tokio::spawn(watch(course.pids.clone(), window));
    let mut asking = JoinSet::new();
    for (at, mut desk) in desks.into_iter().enumerate() {
        let (people, batch) = (course.people, course.batch);
        let mut chance = Chance::of(course.seed, at as u64);
        asking.spawn(async move {
            let mut tally = Tally::new(window);
            let mut asked = vec![0; batch];
            loop {
                let due = Instant::now();
                if due >= window.until {
                    return (Some(desk), tally);
                }
                asked.fill_with(|| chance.below(people));
                let result = desk.ask(&asked).await;
                tally.record(&vec![due; batch], Instant::now(), &result);
                if result.is_err() {
                    return (None, tally);
                }
            }
        });
    }
    collect(asking, watching, Tally::new(window)).await
}

/// Questions come when they are due, and the first free desk takes them, as many as travel together.
/// Returns the desks that still work.
///
/// # Errors
/// If a task panicked.
pub(crate) async fn open<D: Desk>(
    desks: Vec<D>,
    course: &Course,
    rate_per_s: f64,
) -> Result<(Vec<D>, Seen), JoinError> {
    let start = Instant::now();
    let window = Window::after(start, course.warm_up, course.length);
    let watching = tokio::spawn(watch(course.pids.clone(), window));
    let (counter, queue) = mpsc::unbounded_channel();
    let queue = Arc::new(Mutex::new(queue));
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut asking = JoinSet::new();
    for (at, mut desk) in desks.into_iter().enumerate() {
        let (people, batch) = (course.people, course.batch);
        let (queue, waiting) = (Arc::clone(&queue), Arc::clone(&waiting));
        let mut chance = Chance::of(course.seed, at as u64);
        asking.spawn(async move {
            let mut tally = Tally::new(window);
            loop {
                let dues = next(&queue, batch).await;
                waiting.fetch_sub(dues.len(), Ordering::Relaxed);
                if dues.is_empty() {
                    return (Some(desk), tally);
                }
                let asked: Vec<u32> = dues.iter().map(|_| chance.below(people)).collect();
                let result = desk.ask(&asked).await;
                tally.record(&dues, Instant::now(), &result);
                if result.is_err() {
                    return (None, tally);
                }
            }
        });
    }
    let arrivals = Arrivals::new(start, rate_per_s, course.seed);
    let pacing = tokio::task::spawn_blocking(move || {
        let mut unsent = 0;
        arrivals.run(window.until, |due| {
            if waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX || counter.send(due).is_err() {
                waiting.fetch_sub(1, Ordering::Relaxed);
                unsent += 1;
            }
        });
        unsent
    });
    let unsent = pacing.await?;
    let mut tally = Tally::new(window);
    if unsent > 0 {
        tally.fail("not sent", unsent);
    }
    let seen = collect(asking, watching, tally).await;
    // What no desk took: all of them broke, or the system is too slow.
    let mut left = 0;
    if let Ok(mut queue) = queue.try_lock() {
        while queue.try_recv().is_ok() {
            left += 1;
        }
    }
    seen.map(|(desks, mut seen)| {
        if left > 0 {
            seen.tally.fail("not sent", left);
        }
        (desks, seen)
    })
}

/// The next questions in line; none when there will be no more.
async fn next(queue: &Mutex<mpsc::UnboundedReceiver<Instant>>, batch: usize) -> Vec<Instant> {
    let mut queue = queue.lock().await;
    let mut dues: Vec<Instant> = queue.recv().await.into_iter().collect();
    while !dues.is_empty() && dues.len() < batch {
        match queue.try_recv() {
            Ok(due) => dues.push(due),
            Err(_) => break,
        }
    }
    dues
}

/// Reads what is burnt at both ends of the window.
async fn watch(pids: Vec<u32>, window: Window) -> (Burnt, Burnt) {
    sleep_until(window.from.into()).await;
    let before = Burnt::read(&pids);
    sleep_until(window.until.into()).await;
    (before, Burnt::read(&pids))
}

async fn collect<D: Desk>(
    mut asking: JoinSet<(Option<D>, Tally)>,
    watching: tokio::task::JoinHandle<(Burnt, Burnt)>,
    mut total: Tally,
) -> Result<(Vec<D>, Seen), JoinError> {
    let window = total.window;
    let mut desks = Vec::new();
    while let Ok(Some(joined)) = timeout_at((window.until + DRAIN_MAX).into(), asking.join_next()).await {
        let (desk, tally) = joined?;
        total.add(&tally);
        desks.extend(desk);
    }
    if !asking.is_empty() {
        // Their counts are lost with them; that they are there is what matters.
        total.fail("no answer", asking.len() as u64);
        asking.shutdown().await;
    }
    let (before, after) = watching.await?;
    let seen = Seen {
        tally: total,
        load: after.since(&before, window.until - window.from),
        client_us: after.generator_us.saturating_sub(before.generator_us),
        server_us: after.nodes_us.saturating_sub(before.nodes_us),
    };
    Ok((desks, seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people;

    /// A system that answers at once, and about somebody else for every tenth person.
    struct Liar;

    impl Desk for Liar {
        async fn ask(&mut self, people: &[u32]) -> anyhow::Result<usize> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let told = |person: u32| people::value(if person.is_multiple_of(10) { person + 1 } else { person });
            Ok(people.iter().filter(|person| !people::is_value_of(**person, &told(**person))).count())
        }
    }

    /// A system that breaks the connection.
    struct Broken;

    impl Desk for Broken {
        async fn ask(&mut self, _: &[u32]) -> anyhow::Result<usize> {
            anyhow::bail!("gone")
        }
    }

    fn course(batch: usize) -> Course {
        let (warm_up, length) = (Duration::from_millis(50), Duration::from_millis(400));
        Course { people: 1_000, batch, warm_up, length, pids: vec![], seed: 1 }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn wrong_answers_are_noticed_and_are_no_answers() {
        for batch in [1, 8] {
            let (desks, seen) = closed(vec![Liar, Liar], &course(batch)).await.unwrap();
            let Tally { answered, wrong, .. } = seen.tally;
            assert_eq!(desks.len(), 2);
            assert!(answered > 0 && wrong > 0 && wrong * 4 < answered, "{answered} right, {wrong} wrong");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn questions_that_nobody_takes_are_errors() {
        let (desks, seen) = open(vec![Broken, Broken], &course(1), 500.0).await.unwrap();
        assert!(desks.is_empty() && seen.tally.answered == 0);
        assert_eq!(seen.tally.errors["gone"], 2);
        assert!(seen.tally.errors["not sent"] > 50);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_slow_desk_makes_questions_late_and_loses_none() {
        /// Takes five times as long as questions are apart.
        struct Slow;
        impl Desk for Slow {
            async fn ask(&mut self, _: &[u32]) -> anyhow::Result<usize> {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(0)
            }
        }
        let (_, seen) = open(vec![Slow], &course(1), 500.0).await.unwrap();
        let late = seen.tally.latency_us.max();
        assert!(late > 1_000_000, "the last waited for all before it, not {late} µs");
        assert!(seen.tally.errors.is_empty());
    }
}
