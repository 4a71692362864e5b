//! Waiting with an end.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How often a condition is looked at again: often enough for a second's election, rarely enough for two cores.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `look` gives a value, for `patience` at the most; then says what was waited for and what was seen last.
///
/// # Errors
/// When time is up.
pub async fn until<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        let last = match look().await {
            Ok(found) => return Ok(found),
            Err(last) => last,
        };
        if Instant::now() >= deadline {
            bail!("waited {} s for {what}; last seen: {last}", patience.as_secs());
        }
        sleep(LOOK_EVERY).await;
    }
}
