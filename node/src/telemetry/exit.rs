//! Exit codes, and what a panic does.

use std::panic::PanicHookInfo;

/// Why the process ended; systemd and scripts act on the number, so a number never changes its meaning.
///
/// Below 10 somebody must change something before a new start helps; from 20 on the node stopped itself to keep a
/// promise, and a restart recovers what can be recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Stopped when asked to, everything drained.
    Ok = 0,
    /// Something failed that has no number of its own; the log says what.
    Other = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The configuration (or a file it names) cannot be used.
    Config = 3,
    /// The data directory belongs to another node or cluster, or another process holds it.
    DataDirRefused = 4,
    /// The keyring cannot be opened, or lacks a key that the data needs.
    KeyringRefused = 5,
    /// A certificate, key or authority file cannot be used.
    TlsRefused = 6,
    /// An address is taken or not ours.
    BindFailed = 7,
    /// The authority's settings can never work (a wrong schema, a corrupt file).
    AuthorityRefused = 8,
    /// The log is shorter than what the state has applied: the disk was swapped or rolled back. Do not start again
    /// with this directory; give the node a new number and an empty one.
    LogTruncated = 20,
    /// An fsync or a write failed: what is on disk is unknown, so nothing more may be promised from this process.
    StorageFailed = 21,
    /// This node's state contradicts the rules or the committed roots; a wrong answer would be worse than none.
    InvariantBroken = 22,
    /// A defect of ours: a panic. The log has the place.
    Panic = 23,
    /// Draining on SIGTERM took longer than allowed; what was unanswered can be asked again with the same request id.
    DrainTimeout = 24,
}

impl ExitCode {
    /// Every code, for the operator's manual and its test.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Other,
        Self::Usage,
        Self::Config,
        Self::DataDirRefused,
        Self::KeyringRefused,
        Self::TlsRefused,
        Self::BindFailed,
        Self::AuthorityRefused,
        Self::LogTruncated,
        Self::StorageFailed,
        Self::InvariantBroken,
        Self::Panic,
        Self::DrainTimeout,
    ];

    /// The number the operating system sees.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// Ends the process at once, from any thread. Nothing is flushed: after a storage failure nothing may be.
pub fn exit(code: ExitCode) -> ! {
    std::process::exit(i32::from(code.number()))
}

/// From now on a panic in any thread or task is logged by its place and ends the process.
///
/// The payload is not logged: `expect` and slices put values into it, and values can be people's.
/// The process ends because a task that died alone would leave a node that looks alive and answers wrongly or never.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        tracing::error!(
            place = %place(info),
            thread = std::thread::current().name().unwrap_or("unnamed"),
            code = ExitCode::Panic.number(),
            "a defect stopped the node"
        );
        exit(ExitCode::Panic);
    }));
}

fn place(info: &PanicHookInfo<'_>) -> String {
    info.location().map_or_else(|| "unknown".to_owned(), |at| format!("{}:{}:{}", at.file(), at.line(), at.column()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::config::{Log, LogFormat};

    /// Set in the child process of the panic test.
    const CHILD: &str = "XACMINH_TEST_PANIC_CHILD";

    #[test]
    fn codes_are_distinct_and_never_renumbered() {
        let numbers: Vec<u8> = ExitCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 22, 23, 24]);
    }

    #[test]
    fn the_manual_tells_what_to_do_about_every_code() {
        let manual = include_str!("../../../docs/OPERATING.md");
        for code in ExitCode::ALL {
            let row = format!("| {} | `{code:?}` | ", code.number());
            assert!(manual.contains(&row), "docs/OPERATING.md has no row {row}");
        }
    }

    #[test]
    fn a_panic_in_any_thread_ends_the_process_and_tells_the_place_only() {
        if std::env::var_os(CHILD).is_some() {
            crate::telemetry::install_logs(&Log { format: LogFormat::Json, level: "info".to_owned() }).expect("logs");
            install_panic_hook();
            let _ = std::thread::spawn(|| panic!("secret of Nguyễn Văn An")).join();
            // Reached only if the hook let the process live.
            std::process::exit(99);
        }
        let name = "telemetry::exit::tests::a_panic_in_any_thread_ends_the_process_and_tells_the_place_only";
        let child = Command::new(std::env::current_exe().expect("the test binary"))
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .expect("the test binary runs");
        let log = String::from_utf8_lossy(&child.stderr);
        assert_eq!(child.status.code(), Some(i32::from(ExitCode::Panic.number())), "{log}");
        assert!(log.contains("exit.rs:"), "{log}");
        assert!(!log.contains("secret"), "{log}");
        assert!(!String::from_utf8_lossy(&child.stdout).contains("secret"));
    }
}
