//! The only source of time and randomness.
//!
//! Below this file time is data: the leader stamps it, and expiry compares two numbers.
//! Nothing else in the node reads the wall clock, and a test reads the sources to keep that true.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use xacminh_proto::vocab::RequestId;

/// A clock: real in a node, moved by hand in a test.
pub trait Clock: Send + Sync + 'static {
    /// Wall clock: milliseconds since 1970. It may jump either way when an operator or NTP sets it,
    /// so it is stamped on things and never subtracted to measure a wait.
    fn now_ms(&self) -> u64;

    /// Microseconds since some moment of this process; never goes back. For waits, deadlines and latencies.
    fn monotonic_us(&self) -> u64;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    fn now_ms(&self) -> u64 {
        // A machine that believes it is before 1970 gets 0: expired certificates then stop it, not a panic.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A clock that a test moves; clones share the time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    times: Arc<Times>,
}

#[derive(Debug, Default)]
struct Times {
    now_ms: AtomicU64,
    monotonic_us: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at a wall-clock time.
    #[must_use]
    pub fn at_ms(now_ms: u64) -> Self {
        let clock = Self::default();
        clock.set_wall_ms(now_ms);
        clock
    }

    /// Lets time pass on both clocks.
    pub fn advance_ms(&self, ms: u64) {
        self.times.now_ms.fetch_add(ms, Ordering::SeqCst);
        self.times.monotonic_us.fetch_add(ms.saturating_mul(1_000), Ordering::SeqCst);
    }

    /// Sets the wall clock alone, backwards too, as an operator might.
    pub fn set_wall_ms(&self, now_ms: u64) {
        self.times.now_ms.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.times.now_ms.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> u64 {
        self.times.monotonic_us.load(Ordering::SeqCst)
    }
}

/// Fills a buffer with bytes nobody can guess.
///
/// The generator is ChaCha, one per thread, seeded and re-seeded by the operating system: no system call and no lock
/// per call, and good enough for salts, nonces and ids. Long-lived keys are made by the keyring from the system itself.
pub fn fill(bytes: &mut [u8]) {
    rand::fill(bytes);
}

/// Random bytes of a length the caller's type decides, for salts and nonces.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A 32-byte seed, from which one decision derives all its salts.
#[must_use]
pub fn seed() -> [u8; 32] {
    random()
}

/// A number for a data directory, a connection or a ticket that nobody gave out before.
#[must_use]
pub fn random_u128() -> u128 {
    u128::from_le_bytes(random())
}

/// A number for one life of the process: tickets of a former life are not mistaken for this one's.
#[must_use]
pub fn random_boot() -> u64 {
    u64::from_le_bytes(random())
}

/// A new request id for a question that the node itself asks (the canary of `/readyz`, for example).
#[must_use]
pub fn request_id(clock: &dyn Clock) -> RequestId {
    RequestId::new(clock.now_ms(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_after_this_was_written_and_goes_on() {
        let clock = SystemClock::new();
        assert!(clock.now_ms() > 1_700_000_000_000);
        let before = clock.monotonic_us();
        assert!(clock.monotonic_us() >= before);
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_is_shared_by_its_clones() {
        let clock = ManualClock::at_ms(1_000);
        let other = clock.clone();
        other.advance_ms(5);
        assert_eq!((clock.now_ms(), clock.monotonic_us()), (1_005, 5_000));
        other.set_wall_ms(3);
        assert_eq!((clock.now_ms(), clock.monotonic_us()), (3, 5_000), "waits do not see the jump");
    }

    #[test]
    fn seeds_do_not_repeat_across_calls_and_threads() {
        let mut seeds: Vec<[u8; 32]> = (0..1_000).map(|_| seed()).collect();
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(|| (0..1_000).map(|_| seed()).collect::<Vec<_>>())).collect();
        for thread in threads {
            seeds.extend(thread.join().expect("the thread ends"));
        }
        let count = seeds.len();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), count);
        assert!(seeds.iter().flatten().any(|byte| *byte > 0xf0), "all values occur");
    }

    #[test]
    fn request_ids_carry_the_time_and_differ() {
        let clock = ManualClock::at_ms(0x0123_4567_89ab);
        let (one, two) = (request_id(&clock), request_id(&clock));
        assert_ne!(one, two);
        let text = one.to_string();
        assert!(text.replace('-', "").starts_with("0123456789ab7"), "{text}");
    }
}
