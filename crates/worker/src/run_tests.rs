//! The runner without any coordinator: real processes, real files.

use std::time::{Duration, Instant};

use distrack_core::{Secret, TaskSpec, Usage};
use tempfile::TempDir;

use super::*;

use crate::stop::{self, Stop, StopHandle};
use crate::testing::{assignment, instruments, program, runner};

#[path = "run_output_tests.rs"]
mod printing;
#[path = "run_stop_tests.rs"]
mod stopping;

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

/// How long a busy machine may take for what needs no time, well below any time that the test itself sets.
const SOON: Duration = Duration::from_secs(15);

/// Runs `line` and wishes `why` once it has printed something.
async fn stopped(line: &str, why: Stop) -> Ran {
    stopped_by(line, why, |_| {}).await
}

async fn stopped_by(line: &str, why: Stop, set: impl FnOnce(&mut Runner)) -> Ran {
    let assignment = assignment(line);
    let (handle, signal): (StopHandle, _) = stop::channel();
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner(dir.path());
    set(&mut runner);
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
async fn the_memory_of_a_command_that_has_more_than_we_is_told() {
    let ran = ran(assignment("x=$(head -c 150000000 /dev/zero | tr '\\000' x); exit 0")).await;
    let Usage { max_rss_bytes, .. } = ran.ending.outcome.usage.unwrap();
    assert!(max_rss_bytes.is_some_and(|bytes| bytes > 150_000_000), "{max_rss_bytes:?}");
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
    assert_eq!(max_rss_bytes, None, "less than this process has itself");
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
async fn output_that_comes_shortly_after_the_end_is_kept() {
    let late = assignment("(sleep 0.3; echo late) & echo early");
    let ran = ran_by(late, |runner| runner.drain_for = SOON).await;
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
    assert!(ran.took < SOON, "{:?}", ran.took);
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
    assert!(ran.took < SOON, "{:?}", ran.took);
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
    assignment.spec.env.insert("DISTRACK_WORKER".to_owned(), "forged".to_owned());
    assignment.spec.env_secret.insert("TOKEN".to_owned(), Secret::new("hunter2"));
    assignment.spec.env_secret.insert("DISTRACK_EPOCH".to_owned(), Secret::new("forged"));
    let shown = format!("{assignment:?} {:?}", Launch::new(&assignment, &BTreeMap::new(), &Arc::default()));
    assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
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
            "DISTRACK_WORKER=a worker of the tests".to_owned(),
            "MINE=1".to_owned(),
            "PATH=/usr/bin:/bin".to_owned(),
            "TOKEN=hunter2".to_owned(),
            format!("TRACEPARENT={traceparent}"),
            "TRACESTATE=a=b".to_owned(),
        ]
    );
}

#[tokio::test]
async fn standard_input_is_empty() {
    assert_eq!(ran(assignment("cat; echo end")).await.stdout(), "end\n");
}

#[tokio::test]
async fn a_command_gets_none_of_the_descriptors_that_a_worker_has_open() {
    let known: Vec<_> = ["0", "1", "2"].map(str::to_owned).into_iter().chain(inherited()).collect();
    // All that a worker opens: its state, its spool, and the pipes, the file and the watch of a command.
    let dir = tempfile::tempdir().unwrap();
    let _identity = crate::identity::Identity::open(dir.path()).unwrap();
    let (items, _inbox) = tokio::sync::mpsc::unbounded_channel();
    let held = crate::held::Held::new(1, instruments());
    let (_spool, thread, _) =
        crate::spool::Spool::open(dir.path(), true, held.counts(), items, instruments()).unwrap();
    let other = assignment("echo open; sleep 60");
    let (_handle, signal) = stop::channel();
    let runner = runner(&dir.path().join("output"));
    let file = dir.path().join("output").join(other.attempt.task.to_string()).join("1.stdout");
    let out = tokio::select! {
        _ = runner.run(&other, signal, |_| {}) => unreachable!("it runs for a minute"),
        out = async {
            until(|| file.exists()).await;
            ran(program(&["ls", "/proc/self/fd"])).await.stdout()
        } => out,
    };
    tokio::task::spawn_blocking(move || thread.close()).await.unwrap();
    let more: Vec<_> =
        out.lines().filter(|descriptor| !known.iter().any(|known| known == descriptor)).collect();
    // One is the folder that `ls` reads.
    assert_eq!(more.len(), 1, "{more:?} beside {known:?}");
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
