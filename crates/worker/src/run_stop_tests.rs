//! How attempts are ended before their time, and what is left of their process groups: nothing.

use super::*;

#[tokio::test]
async fn a_timeout_stops_a_command_and_is_named() {
    let mut assignment = assignment("sleep 60");
    assignment.spec.timeout_ms = 200;
    let ran = ran(assignment).await;
    assert_eq!(ran.cause(), Some(Cause::Timeout));
    assert!(ran.error().contains("200ms"), "{}", ran.error());
    assert!(ran.took < SOON, "{:?}", ran.took);
}

#[tokio::test]
async fn a_stop_ends_the_whole_group() {
    let ran = stopped("sleep 60 & echo $!; sleep 61", Stop::Cancelled).await;
    assert_eq!(ran.cause(), Some(Cause::Cancelled));
    assert!(ran.took < SOON, "{:?}", ran.took);
    assert!(!alive(&ran.stdout()));
}

#[tokio::test]
async fn a_group_that_ignores_sigterm_is_killed_after_the_grace_and_gone_when_the_slot_is_free() {
    let line = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & while :; do sleep 1; done";
    let ran = stopped(line, Stop::Cancelled).await;
    assert_eq!((ran.cause(), ran.ending.outcome.signal), (Some(Cause::Cancelled), Some(9)));
    assert!(ran.took >= Duration::from_millis(500), "{:?}", ran.took);
    assert!(ran.took < SOON, "{:?}", ran.took);
    assert!(!ran.stdout().is_empty());
    assert!(!alive(&ran.stdout()));
}

/// The parent of a process.
fn parent(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().to_owned()
}

/// A shell that dies of SIGTERM at once, and a program that does not: on SIGTERM it does `last`. The program
/// holds no output, and prints its process id before it lets go of it.
fn outlived_by(last: &str) -> String {
    let program = format!("trap \"{last}\" TERM; echo $$ >&3; exec 3>&-; while :; do sleep 0.02; done");
    format!("sh -c '{program}' 3>&1 >/dev/null 2>&1; echo done")
}

#[tokio::test]
async fn the_program_of_a_shell_that_dies_at_once_has_its_grace_too() {
    let dir = tempfile::tempdir().unwrap();
    let saved = dir.path().join("saved");
    let line = outlived_by(&format!("sleep 0.5; echo saved >{}; exit 0", saved.display()));
    let grace = |runner: &mut Runner| runner.kill_grace = 2 * SOON;
    let ran = stopped_by(&line, Stop::Cancelled, grace).await;
    assert_eq!((ran.cause(), ran.ending.outcome.signal), (Some(Cause::Cancelled), Some(15)));
    assert_eq!(std::fs::read_to_string(saved).unwrap_or_default(), "saved\n");
    assert!(ran.took < SOON, "it ended long before its grace: {:?}", ran.took);
}

#[tokio::test]
async fn the_program_of_a_shell_that_died_is_killed_after_the_grace_or_at_once_when_superseded() {
    let ran = stopped(&outlived_by(":"), Stop::Cancelled).await;
    assert!(ran.took >= Duration::from_millis(500), "{:?}", ran.took);
    assert!(!alive(&ran.stdout()));

    let assignment = assignment(&outlived_by(":"));
    let (handle, signal) = stop::channel();
    let dir = tempfile::tempdir().unwrap();
    let runner = Runner { kill_grace: 2 * SOON, ..runner(dir.path()) };
    let file = dir.path().join(assignment.attempt.task.to_string()).join("1.stdout");
    let wish = async {
        until(|| std::fs::read(&file).is_ok_and(|text| text.ends_with(b"\n"))).await;
        let program = std::fs::read_to_string(&file).unwrap();
        let shell = parent(&program);
        handle.stop(Stop::Cancelled);
        until(|| !alive(&shell)).await;
        assert!(alive(&program));
        handle.stop(Stop::Superseded);
        std::future::pending::<()>().await;
    };
    let start = Instant::now();
    let ending = tokio::select! {
        ending = runner.run(&assignment, signal, |_| {}) => ending,
        () = wish => unreachable!("it waits for ever"),
    };
    assert!(start.elapsed() < SOON);
    assert!(!alive(&String::from_utf8_lossy(&ending.output.stdout.head)));
}

#[tokio::test]
async fn a_command_has_its_grace_to_end_well() {
    let line = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
    let ran = stopped_by(line, Stop::Cancelled, |runner| runner.kill_grace = 2 * SOON).await;
    assert_eq!((ran.cause(), ran.ending.outcome.exit_code), (Some(Cause::Cancelled), Some(0)));
    assert_eq!(ran.stdout(), "ready\nsaved\n");
}

#[tokio::test]
async fn an_interrupted_command_says_so_and_a_superseded_one_gets_no_grace() {
    let interrupted = stopped("echo ready; sleep 60", Stop::Interrupted).await;
    assert_eq!(interrupted.cause(), Some(Cause::Interrupted));
    let line = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let superseded = stopped_by(line, Stop::Superseded, |runner| runner.kill_grace = 2 * SOON).await;
    assert_eq!(superseded.ending.outcome.signal, Some(9));
    assert!(superseded.took < SOON, "{:?}", superseded.took);
}

#[tokio::test]
async fn a_wish_that_comes_before_the_start_starts_nothing() {
    let (handle, signal) = stop::channel();
    handle.stop(Stop::Cancelled);
    let dir = tempfile::tempdir().unwrap();
    let ending = runner(dir.path()).run(&assignment("echo hello"), signal, |_| panic!("it started")).await;
    assert_eq!(ending.outcome.cause, Some(Cause::Cancelled));
    assert_eq!(ending.started, None);
}

#[tokio::test]
async fn a_background_child_that_keeps_stdout_does_not_hold_the_slot() {
    let ran = ran(assignment("sleep 60 & echo $!")).await;
    assert_eq!(ran.cause(), None);
    assert!(ran.took < SOON, "{:?}", ran.took);
    assert!(ran.ending.ran().unwrap() + Duration::from_secs(2) <= ran.took, "the wait is not the command's");
    assert!(!alive(&ran.stdout()), "the group is gone");
}

#[tokio::test]
async fn a_wish_that_bears_no_grace_ends_the_wait_for_a_background_child() {
    let wait = |runner: &mut Runner| runner.drain_for = 2 * SOON;
    let ran = stopped_by("sleep 60 & echo $!", Stop::Superseded, wait).await;
    assert!(ran.took < SOON, "{:?}", ran.took);
    assert!(!alive(&ran.stdout()));
}

#[tokio::test]
async fn an_attempt_that_is_given_up_half_way_takes_its_command_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let assignment = assignment("sleep 60 & echo $!; wait");
    let file = dir.path().join(assignment.attempt.task.to_string()).join("1.stdout");
    let (_handle, signal) = stop::channel();
    let runner = runner(dir.path());
    tokio::select! {
        _ = runner.run(&assignment, signal, |_| {}) => unreachable!("it runs for a minute"),
        () = until(|| std::fs::read(&file).is_ok_and(|text| text.ends_with(b"\n"))) => {}
    }
    let child = std::fs::read_to_string(file).unwrap();
    until(|| !alive(&child)).await;
}
