//! The runner without any coordinator: real processes, real files.

use std::time::{Duration, Instant};

use distrack_core::{TaskSpec, Usage};
use tempfile::TempDir;

use super::*;
use crate::stop::{self, StopHandle};
use crate::testing::{assignment, program, runner};

struct Ran {
    ending: Ending,
    dir: TempDir,
    assignment: Assignment,
    took: Duration,
}

impl Ran {
    fn cause(&self) -> Option<Cause> {
        self.ending.outcome.cause
    }

    fn error(&self) -> &str {
        self.ending.outcome.error.as_deref().unwrap_or_default()
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.ending.output.stdout.head).into_owned()
    }

    fn file(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.dir.path().join(self.assignment.attempt.task.to_string()).join(name)).ok()
    }
}

async fn ran(assignment: Assignment) -> Ran {
    ran_by(assignment, |_| {}).await
}

async fn ran_by(assignment: Assignment, set: impl FnOnce(&mut Runner)) -> Ran {
    let (_handle, signal) = stop::channel();
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner(dir.path());
    set(&mut runner);
    let start = Instant::now();
    let ending = runner.run(&assignment, signal, |_| {}).await;
    Ran { ending, took: start.elapsed(), dir, assignment }
}

/// Runs `line` and wishes `why` once it has printed something.
async fn stopped(line: &str, why: Stop) -> Ran {
    let assignment = assignment(line);
    let (handle, signal): (StopHandle, _) = stop::channel();
    let dir = tempfile::tempdir().unwrap();
    let runner = runner(dir.path());
    let start = Instant::now();
    let file = dir.path().join(assignment.attempt.task.to_string()).join("1.stdout");
    let wish = async {
        until(|| std::fs::read(&file).is_ok_and(|text| text.ends_with(b"\n"))).await;
        handle.stop(why);
        std::future::pending::<()>().await;
    };
    let ending = tokio::select! {
        ending = runner.run(&assignment, signal, |_| {}) => ending,
        () = wish => unreachable!("it waits for ever"),
    };
    Ran { ending, took: start.elapsed(), dir, assignment }
}

async fn until(good: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !good() {
        assert!(Instant::now() < limit, "it did not come about in 10 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs; a zombie does not.
fn alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    status.is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn success_is_exit_code_0_with_its_output_and_usage() {
    let ran = ran(assignment("echo hello; echo oops >&2")).await;
    assert_eq!((ran.cause(), ran.ending.outcome.exit_code), (None, Some(0)));
    assert_eq!(ran.stdout(), "hello\n");
    assert_eq!(ran.ending.output.stderr.head, b"oops\n");
    assert_eq!(ran.file("1.stdout").unwrap(), b"hello\n");
    assert_eq!(ran.file("1.stderr").unwrap(), b"oops\n");
    let Usage { max_rss_bytes, .. } = ran.ending.outcome.usage.unwrap();
    assert!(max_rss_bytes > 100_000, "{max_rss_bytes}");
    assert!(ran.ending.ran().unwrap() > Duration::ZERO);
}

#[tokio::test]
async fn processor_time_of_the_command_is_counted() {
    let ran = ran(assignment("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")).await;
    let usage = ran.ending.outcome.usage.unwrap();
    assert!(usage.cpu_user + usage.cpu_system > Duration::from_millis(5), "{usage:?}");
}

#[tokio::test]
async fn a_silent_command_leaves_no_file() {
    let ran = ran(assignment("true")).await;
    assert!(ran.ending.output.is_empty());
    assert_eq!(std::fs::read_dir(ran.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_exit_code_and_a_signal_are_told_apart() {
    let code = ran(assignment("exit 3")).await;
    assert_eq!((code.cause(), code.ending.outcome.exit_code), (Some(Cause::ExitCode), Some(3)));
    let signal = ran(assignment("kill -SEGV $$")).await;
    assert_eq!((signal.cause(), signal.ending.outcome.signal), (Some(Cause::Signal), Some(11)));
    assert!(signal.error().contains("SIGSEGV"), "{}", signal.error());
    let killed = ran(assignment("kill -9 $$")).await;
    assert_eq!((killed.cause(), killed.ending.outcome.signal), (Some(Cause::Signal), Some(9)));
}

#[tokio::test]
async fn a_timeout_stops_the_whole_group() {
    let mut assignment = assignment("sleep 60 & echo $!; sleep 61");
    assignment.spec.timeout_ms = 200;
    let ran = ran(assignment).await;
    assert_eq!(ran.cause(), Some(Cause::Timeout));
    assert!(ran.error().contains("200ms"), "{}", ran.error());
    assert!(ran.took < Duration::from_secs(3), "{:?}", ran.took);
    assert!(!alive(&ran.stdout()));
}

#[tokio::test]
async fn a_group_that_ignores_sigterm_is_killed_after_the_grace_and_gone_when_the_slot_is_free() {
    let line = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & while :; do sleep 1; done";
    let mut assignment = assignment(line);
    assignment.spec.timeout_ms = 300;
    let ran = ran(assignment).await;
    assert_eq!((ran.cause(), ran.ending.outcome.signal), (Some(Cause::Timeout), Some(9)));
    assert!(ran.took >= Duration::from_millis(800), "{:?}", ran.took);
    assert!(ran.took < Duration::from_secs(3), "{:?}", ran.took);
    assert!(!ran.stdout().is_empty());
    assert!(!alive(&ran.stdout()));
}

#[tokio::test]
async fn a_command_has_its_grace_to_end_well() {
    let line = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
    let ran = stopped(line, Stop::Cancelled).await;
    assert_eq!((ran.cause(), ran.ending.outcome.exit_code), (Some(Cause::Cancelled), Some(0)));
    assert_eq!(ran.stdout(), "ready\nsaved\n");
}

#[tokio::test]
async fn an_interrupted_command_says_so_and_a_superseded_one_gets_no_grace() {
    let interrupted = stopped("echo ready; sleep 60", Stop::Interrupted).await;
    assert_eq!(interrupted.cause(), Some(Cause::Interrupted));
    let line = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let superseded = stopped(line, Stop::Superseded).await;
    assert_eq!(superseded.ending.outcome.signal, Some(9));
    // It printed, was seen to after up to 200 ms, and did not get the 500 ms of grace.
    assert!(superseded.took < Duration::from_millis(650), "{:?}", superseded.took);
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
    assert!(ran.took < Duration::from_millis(3500), "{:?}", ran.took);
    assert!(ran.ending.ran().unwrap() < Duration::from_millis(1500), "the wait is not the command's");
    assert!(!alive(&ran.stdout()), "the group is gone");
}

#[tokio::test]
async fn output_that_comes_shortly_after_the_end_is_kept() {
    let ran = ran(assignment("(sleep 0.3; echo late) & echo early")).await;
    assert_eq!(ran.stdout(), "early\nlate\n");
}

#[tokio::test]
async fn big_output_keeps_head_tail_and_total_and_the_file_is_whole() {
    let ran = ran(assignment("seq 1 200000")).await;
    let whole: String = (1..=200_000).map(|line| format!("{line}\n")).collect();
    let whole = whole.as_bytes();
    let kept = &ran.ending.output.stdout;
    assert_eq!(kept.bytes, whole.len() as u64);
    assert!(kept.head == whole[..65536]);
    assert!(kept.tail == whole[whole.len() - 65536..]);
    assert!(ran.file("1.stdout").unwrap() == whole);
}

#[tokio::test]
async fn a_file_is_cut_at_the_cap_with_a_mark_and_counting_goes_on() {
    let ran = ran_by(assignment("seq 1 100000"), |runner| runner.output_cap = 100_000).await;
    let whole: String = (1..=100_000).map(|line| format!("{line}\n")).collect();
    let mut expected = whole.as_bytes()[..100_000].to_vec();
    expected.extend_from_slice(b"\n[distrack: output cut at 100000 bytes]\n");
    assert_eq!(ran.cause(), None);
    assert_eq!(ran.ending.output.stdout.bytes, whole.len() as u64);
    assert!(ran.file("1.stdout").unwrap() == expected);
}

#[tokio::test]
async fn a_file_of_exactly_the_cap_has_no_mark() {
    let ran = ran_by(assignment("printf 12345"), |runner| runner.output_cap = 5).await;
    assert_eq!(ran.file("1.stdout").unwrap(), b"12345");
}

#[tokio::test]
async fn a_command_may_ask_to_fail_when_it_prints_too_much() {
    let mut assignment = assignment("yes");
    assignment.spec.on_output_limit = OnOutputLimit::Fail;
    let ran = ran_by(assignment, |runner| runner.output_cap = 100_000).await;
    assert_eq!(ran.cause(), Some(Cause::OutputLimit));
    assert!(ran.took < Duration::from_secs(3), "{:?}", ran.took);
}

#[tokio::test]
async fn binary_output_is_kept_as_it_is() {
    let ran = ran(assignment(r"printf '\000\377\200a\n\033[31m'")).await;
    assert_eq!(ran.ending.output.stdout.head, b"\0\xff\x80a\n\x1b[31m");
    assert_eq!(ran.file("1.stdout").unwrap(), b"\0\xff\x80a\n\x1b[31m");
}

#[tokio::test]
async fn output_grows_in_its_file_while_the_command_runs() {
    let ran = stopped("echo watched; sleep 60", Stop::Cancelled).await;
    assert!(ran.took < Duration::from_secs(3), "{:?}", ran.took);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_stops_no_command() {
    let quiet = ran_by(assignment("seq 1 50000"), |runner| {
        runner.output_dir = OutputDir::open(std::path::Path::new("/proc/self")).unwrap();
    });
    let ran = quiet.await;
    assert_eq!(ran.cause(), None);
    assert_eq!(ran.ending.output.stdout.bytes, 288_894);
    let failed = ran_by(assignment("echo x; exit 4"), |runner| {
        runner.output_dir = OutputDir::open(std::path::Path::new("/proc/self")).unwrap();
    });
    let failed = failed.await;
    assert!(
        failed.error().starts_with("exited with code 4; its output file is not whole"),
        "{}",
        failed.error()
    );
}

#[tokio::test]
async fn a_file_that_is_there_is_never_opened_nor_a_link_followed() {
    let dir = tempfile::tempdir().unwrap();
    let assignment = assignment("echo new");
    let task = dir.path().join("out").join(assignment.attempt.task.to_string());
    std::fs::create_dir_all(&task).unwrap();
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, task.join("1.stdout")).unwrap();
    let (_handle, signal) = stop::channel();
    runner(&dir.path().join("out")).run(&assignment, signal, |_| {}).await;
    assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    assert_eq!(std::fs::read(task.join("1.1.stdout")).unwrap(), b"new\n");
}

#[tokio::test]
async fn what_cannot_be_started_is_named_and_final() {
    let no_dir = Assignment {
        spec: TaskSpec { cwd: Some("/no/dir".to_owned()), ..assignment("true").spec },
        ..assignment("")
    };
    let file_as_dir = Assignment {
        spec: TaskSpec { cwd: Some("/etc/passwd".to_owned()), ..assignment("true").spec },
        ..assignment("")
    };
    let long = "x".repeat(200_000);
    for (assignment, needle) in [
        (program(&["no-such-program"]), "program `no-such-program` not found in PATH=/usr/bin:/bin (ENOENT)"),
        (program(&["/no/such/program"]), "program `/no/such/program` does not exist (ENOENT)"),
        (program(&["/etc/passwd"]), "program `/etc/passwd` is not executable (EACCES)"),
        (program(&["/bin/echo", &long]), "too long for the kernel (E2BIG)"),
        (program(&["/bin/echo", "a\0b"]), "nul byte"),
        (no_dir, "working directory `/no/dir` cannot be used"),
        (file_as_dir, "working directory `/etc/passwd` is not a directory (ENOTDIR)"),
    ] {
        let ran = ran(assignment).await;
        assert_eq!(ran.cause(), Some(Cause::SpawnFailed), "{needle}");
        assert!(ran.ending.outcome.final_failure, "{needle}");
        assert!(ran.error().contains(needle), "{} instead of {needle}", ran.error());
        assert_eq!(ran.ending.started, None);
    }
}

#[tokio::test]
async fn a_script_whose_interpreter_is_missing_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ran = ran(program(&[script.to_str().unwrap()])).await;
    assert!(ran.error().contains("the interpreter that"), "{}", ran.error());
}

#[tokio::test]
async fn argv_runs_without_a_shell_and_is_found_in_the_commands_own_path() {
    let plain = ran(program(&["echo", "$HOME", ";", "exit 3"])).await;
    assert_eq!(plain.stdout(), "$HOME ; exit 3\n");
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("mine");
    std::fs::write(&script, "#!/bin/sh\necho mine $0\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut assignment = program(&["mine"]);
    assignment.spec.env.insert("PATH".to_owned(), format!("/nowhere:{}", dir.path().display()));
    let found = ran(assignment).await;
    assert_eq!(found.stdout(), format!("mine {}\n", script.display()));
}

#[tokio::test]
async fn a_command_runs_in_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut assignment = assignment("pwd");
    assignment.spec.cwd = Some(dir.path().to_str().unwrap().to_owned());
    assert_eq!(ran(assignment).await.stdout(), format!("{}\n", dir.path().display()));
}

#[tokio::test]
async fn the_environment_is_what_is_listed_and_nothing_else() {
    let mut assignment = program(&["env"]);
    assignment.spec.env.insert("MINE".to_owned(), "1".to_owned());
    assignment.spec.env.insert("DISTRACK_ATTEMPT".to_owned(), "forged".to_owned());
    let trace = assignment.trace.as_mut().unwrap();
    trace.state = "a=b".to_owned();
    let traceparent = trace.traceparent();
    let task = assignment.attempt.task;
    let out = ran(assignment).await.stdout();
    let mut lines: Vec<_> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "DISTRACK_ATTEMPT=1".to_owned(),
            "DISTRACK_EPOCH=1".to_owned(),
            format!("DISTRACK_TASK_ID={task}"),
            "MINE=1".to_owned(),
            "PATH=/usr/bin:/bin".to_owned(),
            format!("TRACEPARENT={traceparent}"),
            "TRACESTATE=a=b".to_owned(),
        ]
    );
}

#[tokio::test]
async fn standard_input_is_empty_and_no_descriptor_leaks() {
    assert_eq!(ran(assignment("cat; echo end")).await.stdout(), "end\n");
    let out = ran(program(&["ls", "/proc/self/fd"])).await.stdout();
    let known: Vec<_> = ["0", "1", "2", "3"].map(str::to_owned).into_iter().chain(inherited()).collect();
    assert!(out.lines().all(|descriptor| known.iter().any(|known| known == descriptor)), "{out}");
}

/// The descriptors that whoever started this process gave it to pass on.
fn inherited() -> impl Iterator<Item = String> {
    let passed_on = |name: &String| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{name}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        flags.is_some_and(|flags| i64::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 == 0)
    };
    let all = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(passed_on)
}

#[tokio::test]
async fn a_noop_completes_without_a_process_or_a_file() {
    let mut assignment = assignment("never run");
    assignment.spec.executor = Executor::Noop;
    let ran = ran(assignment).await;
    assert_eq!((ran.cause(), ran.ending.outcome.usage), (None, None));
    assert_eq!(ran.ending.ran(), Some(Duration::ZERO));
}

#[tokio::test]
async fn many_commands_at_once_all_end_well() {
    let dir = tempfile::tempdir().unwrap();
    let runner = Arc::new(runner(dir.path()));
    let mut all = tokio::task::JoinSet::new();
    for number in 0..100 {
        let runner = Arc::clone(&runner);
        all.spawn(async move {
            let (_handle, signal) = stop::channel();
            let ending = runner.run(&assignment(&format!("echo {number}")), signal, |_| {}).await;
            (number, ending)
        });
    }
    while let Some(ended) = all.join_next().await {
        let (number, ending) = ended.unwrap();
        assert_eq!(ending.output.stdout.head, format!("{number}\n").as_bytes());
    }
    assert_eq!(runner.instruments.processes.get(), 0);
}
