//! What was burnt: processor time of the generator, of the nodes, and of everybody else on the machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
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
    /// Reads what the system says now. Processes count with their descendants, and with those of them that have gone and
    /// were waited for; a process that has gone without its parent counts as nothing.
    #[must_use]
    pub fn read(node_pids: &[u32]) -> Self {
        Self {
            generator_us: Process::read("self").map_or(0, |process| process.own_us),
            nodes_us: with_descendants_us(node_pids),
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

/// A process, as far as it matters here.
struct Process {
    parent: u32,
    /// User and system time.
    own_us: u64,
    /// The same of children that have gone and were waited for, and of theirs.
    gone_us: u64,
}

impl Process {
    /// Reads a process's `stat` by its id, or by `self`.
    fn read(id: &str) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The program's name may hold anything, even spaces and parentheses; what counts stands behind the last of them.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let pair_us = |at: usize| Some((ticks(at)? + ticks(at + 1)?) * TICK_US);
        Some(Self { parent: fields.get(1)?.parse().ok()?, own_us: pair_us(11)?, gone_us: pair_us(13)? })
    }
}

/// Time of processes and of all that they started: a server may have a process for each connection.
fn with_descendants_us(roots: &[u32]) -> u64 {
    if roots.is_empty() {
        return 0;
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let all: BTreeMap<u32, Process> =
        ids.filter_map(|id| Process::read(&id.to_string()).map(|process| (id, process))).collect();
    let mut counted = BTreeSet::new();
    let mut open: Vec<u32> = roots.to_vec();
    while let Some(id) = open.pop() {
        if all.contains_key(&id) && counted.insert(id) {
            open.extend(all.iter().filter(|(_, process)| process.parent == id).map(|(child, _)| *child));
        }
    }
    counted.iter().filter_map(|id| all.get(id)).map(|process| process.own_us + process.gone_us).sum()
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
    fn children_count_while_they_live_and_after() {
        // This test's own process is the root; its children are the server's.
        let root = [std::process::id()];
        let children_us = |burnt: Burnt| burnt.nodes_us - burnt.generator_us;
        let before = children_us(Burnt::read(&root));
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        let mut alive = before;
        while alive < before + 50_000 && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
            alive = children_us(Burnt::read(&root));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(alive >= before + 50_000, "a living child burns: {before} {alive}");
        let gone = children_us(Burnt::read(&root));
        // The two readings of this process are a moment apart.
        assert!(gone + 2 * TICK_US >= alive, "what a child burnt stays counted: {alive} {gone}");
        assert_eq!(Burnt::read(&[]).nodes_us, 0);
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
