//! The one place of the client that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds now; 0 if the machine's clock stands before 1970, which the node then refuses with a clear number.
#[must_use]
pub fn unix_ms() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the client's only clock: request ids carry the time they were made")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
