//! No core dumps: a dump is a file with everybody's data in clear (promise P5).

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// From now on this process leaves no core dump, neither as a file nor through a handler of the system.
///
/// It also keeps other processes of the same account from reading this one's memory; root still can.
///
/// # Errors
/// If the system refuses, which it never does to a process that gives up a right.
pub fn forbid_core_dumps() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // The limit alone does not count for a handler that is piped to.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    /// Set in the child process of the test.
    const CHILD: &str = "XACMINH_TEST_DUMPS_CHILD";

    #[test]
    fn a_process_that_forbids_them_can_leave_none() {
        if std::env::var_os(CHILD).is_some() {
            forbid_core_dumps().expect("the system lets rights go");
            let limit = getrlimit(Resource::Core);
            let none = limit == Rlimit { current: Some(0), maximum: Some(0) };
            let behavior = dumpable_behavior().expect("readable");
            std::process::exit(if none && behavior == DumpableBehavior::NotDumpable { 42 } else { 1 });
        }
        let name = "telemetry::dumps::tests::a_process_that_forbids_them_can_leave_none";
        let child = Command::new(std::env::current_exe().expect("the test binary"))
            .args(["--exact", name])
            .env(CHILD, "1")
            .output()
            .expect("the test binary runs");
        assert_eq!(child.status.code(), Some(42));
    }
}
