//! What holds for the worker and all its commands alike: set once, inherited, and free from then on.
//!
//! Nothing here stops a worker from starting: where a kernel refuses, that is said.

use std::cell::Cell;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use tracing::warn;

/// Hardens this process.
///
/// Commands of the same user can no longer read its environment, its memory or its descriptors by way of
/// `/proc`, and neither it nor they leave core files, which would hold all that. A command that wants some may
/// raise its own limit. Descriptors that whoever started this process left open go no further.
pub(crate) fn process() {
    close_fds::set_fds_cloexec(3, &[]);
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        warn!(%error, "commands of this user may be able to read this worker's memory");
    }
    let no_core = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    if let Err(error) = setrlimit(Resource::Core, no_core) {
        warn!(%error, "commands may leave core files");
    }
}

/// Whatever this thread starts from now on gains no privileges by `setuid` programs or file capabilities.
///
/// It holds for a thread and those it makes: so it is asked of each that starts commands, which costs nothing
/// the second time.
pub(crate) fn no_new_privs() {
    thread_local!(static DONE: Cell<bool> = const { Cell::new(false) });
    if DONE.get() {
        return;
    }
    match rustix::thread::set_no_new_privs(true) {
        Ok(()) => DONE.set(true),
        Err(error) => warn!(%error, "commands may gain privileges by setuid programs"),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    /// One test, since it is about the whole process: two would get in each other's way.
    #[test]
    fn a_hardened_process_is_closed_to_others_leaves_no_core_passes_nothing_on_and_reads_its_own_files() {
        let given = rustix::io::dup(std::fs::File::open("/dev/null").unwrap()).unwrap();
        let flags = || rustix::io::fcntl_getfd(&given).unwrap();
        assert!(flags().is_empty(), "it would be passed on");
        process();
        assert_eq!(flags(), rustix::io::FdFlags::CLOEXEC);
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        for own in ["status", "stat", "cgroup", "limits", "mountinfo"] {
            assert!(!std::fs::read_to_string(format!("/proc/self/{own}")).unwrap().is_empty(), "{own}");
        }
        assert!(std::fs::read_dir("/proc/self/fd").unwrap().count() > 2);
    }

    #[test]
    fn a_thread_that_starts_commands_passes_on_that_nobody_gains_privileges() {
        let status = || {
            no_new_privs();
            let out = std::process::Command::new("/bin/cat").arg("/proc/self/status").output().unwrap();
            String::from_utf8(out.stdout).unwrap()
        };
        let status = std::thread::spawn(status).join().unwrap();
        assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
    }
}
