//! What was burnt: processor time of the generator, of the nodes, and of everybody else on the machine.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

/// Linux tells times in hundredths of a second to every process, whatever its own tick is.
const TICK_US: u64 = 10_000;

/// A machine is quiet when others use less than this share of one processor.
pub const QUIET_SHARE_MAX: f64 = 0.08;

/// How long foreign work is watched before a machine is called quiet.
const WATCH: Duration = Duration::from_secs(2);

/// Processor time so far, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Burnt {
    /// This process.
    pub generator_us: u64,
    /// The nodes, together.
    pub nodes_us: u64,
    /// Everything on the machine.
    pub machine_us: u64,
}

/// What was burnt between two readings, in processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Load {
    /// This process.
    pub generator: f64,
    /// The nodes, together.
    pub nodes: f64,
    /// Everybody else; the kernel's own threads are among them.
    pub foreign: f64,
}

impl Burnt {
    /// Reads what the system says now; a process that has gone counts as nothing.
    #[must_use]
    pub fn read(node_pids: &[u32]) -> Self {
        let nodes = node_pids.iter().filter_map(|pid| process_us(format!("/proc/{pid}/stat")));
        Self {
            generator_us: process_us("/proc/self/stat").unwrap_or(0),
            nodes_us: nodes.sum(),
            machine_us: fs::read_to_string("/proc/stat").ok().and_then(|text| machine_us(&text)).unwrap_or(0),
        }
    }

    /// The load between an earlier reading and this one.
    #[must_use]
    pub fn since(&self, earlier: &Self, elapsed: Duration) -> Load {
        let share =
            |now: u64, then: u64| Duration::from_micros(now.saturating_sub(then)).as_secs_f64() / elapsed.as_secs_f64();
        let (generator, nodes) =
            (share(self.generator_us, earlier.generator_us), share(self.nodes_us, earlier.nodes_us));
        let foreign = (share(self.machine_us, earlier.machine_us) - generator - nodes).max(0.0);
        Load { generator, nodes, foreign }
    }
}

impl Load {
    /// Whether somebody else took part of the machine.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        self.foreign > QUIET_SHARE_MAX
    }
}

/// Waits until nobody else uses the machine; gives up after `patience` and says so with `false`.
#[must_use]
pub fn wait_until_quiet(node_pids: &[u32], patience: Duration) -> bool {
    let end = Instant::now() + patience;
    loop {
        let (before, begun) = (Burnt::read(node_pids), Instant::now());
        thread::sleep(WATCH);
        if !Burnt::read(node_pids).since(&before, begun.elapsed()).is_contended() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
    }
}

/// Memory that these processes hold together, bytes; a process that has gone counts as nothing.
#[must_use]
pub fn resident_bytes(pids: &[u32]) -> u64 {
    let status = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/status")).ok();
    pids.iter().filter_map(status).filter_map(|text| resident_kib(&text)).sum::<u64>() * 1024
}

/// `VmRSS` of a process's `status`, KiB.
fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// User and system time of a process from its `stat`.
fn process_us(path: impl AsRef<Path>) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    // The program's name may hold anything, even spaces and parentheses; what counts stands behind the last of them.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) * TICK_US)
}

/// All processors' time but idling and waiting for the disk.
fn machine_us(text: &str) -> Option<u64> {
    let fields: Vec<u64> =
        text.lines().next()?.split_ascii_whitespace().skip(1).filter_map(|each| each.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guest times are in user already.
    let busy = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|at| fields.get(at)).sum::<u64>();
    (fields.len() > 3).then_some(busy * TICK_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen() {
        let before = Burnt::read(&[std::process::id()]);
        let mut sum = 0_u64;
        for round in 0..400_000_000_u64 {
            sum = sum.wrapping_mul(31).wrapping_add(std::hint::black_box(round));
        }
        std::hint::black_box(sum);
        let after = Burnt::read(&[std::process::id()]);
        assert!(after.generator_us > before.generator_us && after.nodes_us > before.nodes_us);
        assert!(after.machine_us > before.machine_us);
    }

    #[test]
    fn idle_time_is_not_burnt() {
        let text = "cpu  1 2 3 1000 2000 4 5 6 7 8\ncpu0 1 1 1 1\n";
        assert_eq!(machine_us(text), Some(21 * TICK_US));
        assert_eq!(machine_us("nonsense"), None);
    }

    #[test]
    fn memory_is_seen() {
        assert_eq!(resident_kib("Name:\tnode\nVmHWM:\t 9000 kB\nVmRSS:\t  512 kB\nRssAnon:\t 1 kB\n"), Some(512));
        assert_eq!(resident_kib("Name:\tkthreadd\n"), None);
        let before = resident_bytes(&[std::process::id()]);
        let held = vec![1_u8; 64 << 20];
        let after = resident_bytes(&[std::process::id()]);
        assert!(
            after >= before + (60 << 20),
            "{before} before, {after} with {} more",
            std::hint::black_box(held).len()
        );
    }

    #[test]
    fn what_is_left_is_foreign() {
        let before = Burnt::default();
        let after = Burnt { generator_us: 200_000, nodes_us: 1_000_000, machine_us: 1_500_000 };
        let load = after.since(&before, Duration::from_secs(1));
        assert!((load.foreign - 0.3).abs() < 1e-9 && load.is_contended());
    }
}
