//! What a sync costs: 4 KiB appended and `fdatasync`, one after the other, as a log does.

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::notes::{Sync, float};

const BLOCK_BYTES: usize = 4096;

/// Appends and syncs for so long in a file of its own, which is removed again.
///
/// # Errors
/// If the directory cannot be written.
pub(crate) fn sync(directory: &Path, length: Duration) -> anyhow::Result<Sync> {
    let path = directory.join("sync-probe");
    let mut file = File::create(&path)?;
    let mut times_ns = Histogram::<u64>::new_with_bounds(1_000, 60_000_000_000, 3)?;
    let start = Instant::now();
    while start.elapsed() < length {
        let begun = Instant::now();
        file.write_all(&[0x5a; BLOCK_BYTES])?;
        file.sync_data()?;
        times_ns.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    let elapsed_s = start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    let at = |quantile: f64| float(times_ns.value_at_quantile(quantile)) / 1_000.0;
    Ok(Sync { p50_us: at(0.5), p99_us: at(0.99), per_s: float(times_ns.len()) / elapsed_s })
}
