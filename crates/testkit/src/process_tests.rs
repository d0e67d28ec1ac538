use super::*;
use crate::process_tree::descendants;

const LIMIT: Duration = Duration::from_secs(10);

fn shell(folder: &tempfile::TempDir, script: &str) -> Process {
    let mut launch = Launch::new("shell", "/bin/sh", &["-c", script], folder.path());
    launch.variables.push(("WORD".into(), "hello".into()));
    Process::start(launch).unwrap()
}

fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// A zombie whose new parent has not looked yet has ended as well.
fn has_ended(pid: Pid) -> Option<()> {
    state(pid).is_none_or(|state| state == 'Z').then_some(())
}

#[tokio::test]
async fn a_process_sees_only_what_it_was_given_and_its_log_is_kept_over_runs() {
    let folder = tempfile::tempdir().unwrap();
    let process = shell(&folder, "echo $WORD$CARGO_MANIFEST_DIR from $PWD; exit 3");
    assert_eq!(process.wait(LIMIT).await.code(), Some(3));
    process.start_again().unwrap();
    process.wait(LIMIT).await;
    let line = format!("hello from {}\n", folder.path().display());
    assert_eq!(process.log(), line.repeat(2));
}

#[tokio::test]
async fn a_process_and_its_children_are_gone_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let process = shell(&folder, "sleep 1000 & echo started; wait");
    process.wait_for_log("started", LIMIT).await;
    let shell = process.pid().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).unwrap();
    let below = descendants(shell);
    assert_eq!(below.len(), 1);
    drop(process);
    for pid in below.into_iter().chain([shell]) {
        eventually(LIMIT, "the end of a child", || async { has_ended(pid) }).await;
    }
}

#[tokio::test]
async fn a_process_is_paused_resumed_and_terminated() {
    let folder = tempfile::tempdir().unwrap();
    let process = shell(&folder, "trap 'echo bye; exit 7' TERM; echo started; while :; do sleep 0.02; done");
    process.wait_for_log("started", LIMIT).await;
    let pid = process.pid().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).unwrap();
    process.pause().unwrap();
    eventually(LIMIT, "a stopped process", || async { (state(pid)? == 'T').then_some(()) }).await;
    process.resume().unwrap();
    process.terminate().unwrap();
    assert_eq!(process.wait(LIMIT).await.code(), Some(7));
    assert!(process.terminate().is_err());
}

#[tokio::test]
async fn a_killed_process_can_be_started_again_but_not_twice() {
    let folder = tempfile::tempdir().unwrap();
    let process = shell(&folder, "echo started; exec sleep 1000");
    process.wait_for_log("started", LIMIT).await;
    assert!(process.start_again().is_err());
    process.kill().unwrap();
    assert!(!process.is_running());
    process.start_again().unwrap();
    assert!(process.is_running());
}
