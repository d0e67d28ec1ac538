//! The control groups over an ordinary folder, which shows what is written where. That a kernel does what it is
//! told is in `isolation_tests.rs`, where there is one that does.

use super::*;

const LIMITS: Limits = Limits {
    memory: Some(4096),
    processes: Some(7),
    file_size: Some(1),
    cpu_seconds: None,
    open_files: None,
};

/// A folder that looks like the delegated group of a worker, after a first start.
fn delegated(controllers: &str) -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    let parent = base.path().join("distrack-w");
    fs::create_dir(&parent).unwrap();
    for group in [base.path(), &parent] {
        fs::write(group.join("cgroup.controllers"), controllers).unwrap();
        fs::write(group.join("cgroup.subtree_control"), "").unwrap();
    }
    fs::write(parent.join("cgroup.kill"), "").unwrap();
    base
}

#[test]
fn a_group_has_the_limits_that_its_controllers_can_hold_and_the_rest_is_left_to_others() {
    let base = delegated("cpu memory pids\n");
    let groups = Cgroups::below(base.path(), "w", &LIMITS).unwrap();
    assert_eq!(groups.rest(LIMITS), Limits { file_size: Some(1), ..Limits::default() });
    let group = groups.attempt("task-1").unwrap();
    let read = |file| fs::read_to_string(group.path().join(file)).unwrap();
    assert_eq!((read("memory.max"), read("pids.max")), ("4096".to_owned(), "7".to_owned()));
    assert_eq!((read("memory.swap.max"), read("memory.oom.group")), ("0".to_owned(), "1".to_owned()));
    assert!(groups.attempt("task-1").is_err(), "no two attempts are in one group");

    let base = delegated("pids\n");
    let groups = Cgroups::below(base.path(), "w", &LIMITS).unwrap();
    assert_eq!(groups.rest(LIMITS), Limits { memory: Some(4096), file_size: Some(1), ..Limits::default() });
}

#[test]
fn who_ran_out_of_memory_and_who_lives_is_read_from_the_group() {
    let base = delegated("");
    let groups = Cgroups::below(base.path(), "w", &Limits::default()).unwrap();
    let group = groups.attempt("task-1").unwrap();
    assert!(!group.ran_out_of_memory() && !group.is_populated());
    fs::write(group.path().join("memory.events"), "oom 1\noom_kill 2\n").unwrap();
    fs::write(group.path().join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
    assert!(group.ran_out_of_memory() && group.is_populated());
    group.kill();
    assert_eq!(fs::read_to_string(group.path().join("cgroup.kill")).unwrap(), "1");
}

#[test]
fn a_group_that_is_not_ours_or_cannot_be_killed_is_said() {
    let why = Cgroups::below(Path::new("/proc/self/fdinfo"), "w", &LIMITS).unwrap_err();
    assert!(why.contains("is not delegated to this worker"), "{why}");
    let base = tempfile::tempdir().unwrap();
    let why = Cgroups::below(base.path(), "w", &LIMITS).unwrap_err();
    assert!(why.contains("older than 5.14"), "{why}");
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn the_own_group_is_found_below_any_mount_and_after_stepping_aside() {
    let mounts = "30 24 0:26 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
    let own = |groups| own_group(mounts, groups).unwrap();
    assert_eq!(own("4:memory:/x\n0::/a/b\n"), Path::new("/sys/fs/cgroup/unified/a/b"));
    assert_eq!(own("0::/a/distrack-worker\n"), Path::new("/sys/fs/cgroup/unified/a"));
    assert_eq!(own("0::/\n"), Path::new("/sys/fs/cgroup/unified"));
    let bound = "30 24 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
    assert_eq!(own_group(bound, "0::/docker/x/y\n").unwrap(), Path::new("/sys/fs/cgroup/y"));
    assert_eq!(own_group("1 2 0:1 / / rw - ext4 /dev/x rw\n", "0::/\n"), None);
}
