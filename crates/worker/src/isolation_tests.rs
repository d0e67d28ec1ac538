//! Commands that are held to something, by a real starter. What a machine or a user does not allow to be tried
//! is left out by name.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use distrack_core::{Cause, Secret};
use tempfile::TempDir;

use super::*;
use crate::assignment::Assignment;
use crate::run::Ending;
use crate::stop;
use crate::testing::{assignment, program, runner};

/// The starter that cargo builds beside the tests.
fn starter() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let starter = tests.parent().unwrap().parent().unwrap().join("examples/start");
    assert!(
        starter.exists(),
        "{} is not built: cargo build -p distrack-worker --examples",
        starter.display()
    );
    starter
}

fn start(settings: &IsolationSettings, worker: &str) -> Result<Isolation, ServeError> {
    Isolation::start_by(&starter(), settings, worker, Some("/usr/bin:/bin"), &[])
}

fn limited(limits: Limits) -> IsolationSettings {
    IsolationSettings { limits, means: Means::Rlimits, ..IsolationSettings::default() }
}

/// What cannot be tried here.
fn not_tested(test: &str, why: &str) {
    eprintln!("NOT TESTED: {test}: {why}");
}

/// Root alone becomes another user, and knows one that is nobody else's.
fn nobody(test: &str) -> Option<IsolationSettings> {
    if !geteuid().is_root() || User::find("nobody").is_err() {
        not_tested(test, "needs root and a user called nobody");
        return None;
    }
    let settings = IsolationSettings { run_as: Some("nobody".to_owned()), ..IsolationSettings::default() };
    Some(IsolationSettings { means: Means::Rlimits, ..settings })
}

/// A control group for each attempt, with whatever controllers there are.
fn contained(test: &str, worker: &str) -> Option<Isolation> {
    let settings = IsolationSettings { means: Means::Cgroup, ..IsolationSettings::default() };
    match start(&settings, worker) {
        Ok(isolation) => Some(isolation),
        Err(why) => {
            not_tested(test, &why.to_string());
            None
        }
    }
}

struct Ran {
    ending: Ending,
    _dir: TempDir,
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
}

async fn ran(assignment: Assignment, isolation: Isolation) -> Ran {
    ran_by(&assignment, &Arc::new(isolation)).await
}

async fn ran_by(assignment: &Assignment, isolation: &Arc<Isolation>) -> Ran {
    let (_handle, signal) = stop::channel();
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner(dir.path());
    runner.child_env = isolation.environment(runner.child_env);
    runner.isolation = Arc::clone(isolation);
    let ending = runner.run(assignment, signal, |_| {}).await;
    Ran { ending, _dir: dir }
}

fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn shell(line: &str) -> Assignment {
    assignment(line)
}

#[tokio::test]
async fn a_command_by_way_of_a_starter_is_the_one_that_was_asked_for() {
    let isolation =
        Arc::new(start(&limited(Limits { open_files: Some(99), ..Limits::default() }), "s").unwrap());
    let mut assignment =
        program(&["sh", "-c", "echo $0 $1; pwd; env | sort; cat; ulimit -n; exit 3", "a b", "ü"]);
    let folder = tempfile::tempdir().unwrap();
    assignment.spec.cwd = Some(folder.path().to_str().unwrap().to_owned());
    assignment.spec.env = [("MINE".to_owned(), "x\ny".to_owned())].into();
    assignment.trace = None;
    let ran = ran_by(&assignment, &isolation).await;
    let expected = format!(
        "a b ü\n{0}\nDISTRACK_ATTEMPT=1\nDISTRACK_EPOCH=1\nDISTRACK_TASK_ID={1}\n\
         DISTRACK_WORKER=a worker of the tests\nMINE=x\nPATH=/usr/bin:/bin\nPWD={0}\ny\n99\n",
        folder.path().display(),
        assignment.attempt.task
    );
    assert_eq!(ran.stdout(), expected, "{}", ran.error());
    assert_eq!(ran.ending.outcome.exit_code, Some(3));
}

#[tokio::test]
async fn a_command_by_way_of_a_starter_gets_the_descriptors_and_signals_of_one_without() {
    let line = "ls /proc/self/fd | tr '\\n' ' '; grep -E '^(SigIgn|SigBlk|NoNewPrivs)' /proc/self/status; \
                readlink /proc/self/fd/0";
    let isolation = start(&limited(Limits { cpu_seconds: Some(60), ..Limits::default() }), "s").unwrap();
    let with = ran(shell(line), isolation).await.stdout();
    let without = ran(shell(line), Isolation::default()).await.stdout();
    assert_eq!(with, without);
    assert!(with.contains("NoNewPrivs:\t1\n") && with.ends_with("/dev/null\n"), "{with}");
}

#[tokio::test]
async fn what_cannot_be_started_is_named_by_way_of_a_starter_as_without() {
    let isolation =
        Arc::new(start(&limited(Limits { open_files: Some(99), ..Limits::default() }), "s").unwrap());
    let mut no_dir = shell("true");
    no_dir.spec.cwd = Some("/no/dir".to_owned());
    let long = "x".repeat(200_000);
    for (assignment, needle) in [
        (program(&["/no/such/program"]), "program `/no/such/program` does not exist (ENOENT)"),
        (program(&["/etc/passwd"]), "program `/etc/passwd` is not executable (EACCES)"),
        (program(&["/bin/echo", &long]), "too long for the kernel (E2BIG)"),
        (program(&["/bin/echo", "a\0b"]), "nul byte"),
        (no_dir, "working directory `/no/dir` cannot be used"),
    ] {
        let ran = ran_by(&assignment, &isolation).await;
        assert_eq!(
            (ran.cause(), ran.ending.outcome.final_failure),
            (Some(Cause::SpawnFailed), true),
            "{needle}"
        );
        assert!(ran.error().contains(needle), "{} instead of {needle}", ran.error());
        assert_eq!(ran.ending.started, None);
    }
}

#[tokio::test]
async fn a_file_larger_than_its_limit_ends_the_command_and_leaves_the_workers_own_alone() {
    let isolation = start(&limited(Limits { file_size: Some(10_000), ..Limits::default() }), "s").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let mut assignment =
        program(&["dd", "if=/dev/zero", &format!("of={}", file.display()), "bs=5000", "count=9"]);
    assignment.spec.timeout_ms = 60_000;
    let ran = ran(assignment, isolation).await;
    assert_eq!(ran.ending.outcome.signal, Some(25), "{}", ran.error());
    assert!(ran.error().contains("SIGXFSZ"), "{}", ran.error());
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 10_000);
    let isolation = start(&limited(Limits { file_size: Some(10_000), ..Limits::default() }), "s").unwrap();
    let printed = self::ran(shell("head -c 1000000 /dev/zero"), isolation).await;
    assert_eq!((printed.cause(), printed.ending.output.stdout.bytes), (None, 1_000_000));
}

#[tokio::test]
async fn a_command_that_computes_for_longer_than_its_limit_is_ended_by_the_kernel() {
    let isolation = start(&limited(Limits { cpu_seconds: Some(1), ..Limits::default() }), "s").unwrap();
    let mut assignment = shell("while :; do :; done");
    assignment.spec.timeout_ms = 120_000;
    let ran = ran(assignment, isolation).await;
    assert_eq!(ran.ending.outcome.signal, Some(24), "{}", ran.error());
    assert!(ran.error().contains("SIGXCPU"), "{}", ran.error());
}

/// The starter is larger than the limit itself, and its command has a long environment.
#[tokio::test]
async fn a_command_with_less_memory_than_its_starter_starts_and_gets_no_more() {
    let memory = 48 * 1024 * 1024;
    let isolation =
        Arc::new(start(&limited(Limits { memory: Some(memory), ..Limits::default() }), "s").unwrap());
    let mut good = shell("echo $LONG | wc -c");
    for name in ["LONG", "A", "B", "C"] {
        good.spec.env.insert(name.to_owned(), "x".repeat(100_000));
    }
    let good = ran_by(&good, &isolation).await;
    assert_eq!(good.stdout().trim(), "100001", "{}", good.error());
    let greedy = ran_by(&shell("head -c 100M /dev/zero | tail"), &isolation).await;
    let stderr = String::from_utf8_lossy(&greedy.ending.output.stderr.head).into_owned();
    assert!(greedy.cause() == Some(Cause::ExitCode) && stderr.contains("exhausted"), "{stderr}");
}

#[tokio::test]
async fn a_limit_that_would_hold_nobody_is_refused_at_the_start() {
    let settings = limited(Limits { processes: Some(50), ..Limits::default() });
    if !geteuid().is_root() {
        return not_tested("a_limit_that_would_hold_nobody", "only root is held to no number of processes");
    }
    let why = start(&settings, "s").unwrap_err().to_string();
    assert!(why.contains("limit_processes") && why.contains("root is held to no number"), "{why}");
}

#[tokio::test]
async fn a_fork_bomb_ends_whole_at_its_timeout_and_others_run_on() {
    let Some(nobody) = nobody("a_fork_bomb_ends_whole") else { return };
    let limits = Limits { processes: Some(60), ..Limits::default() };
    let isolation = Arc::new(start(&IsolationSettings { limits, ..nobody }, "s").unwrap());
    let mut bomb = shell("b() { b | b & b & }; b; while :; do sleep 60; done");
    bomb.spec.timeout_ms = 2_000;
    let ran = ran_by(&bomb, &isolation).await;
    assert_eq!(ran.cause(), Some(Cause::Timeout), "{}", ran.error());
    let group = i32::try_from(ran.ending.pid.unwrap()).unwrap();
    let group = rustix::process::Pid::from_raw(group).unwrap();
    assert!(!crate::groups::Groups::default().has_living(group).await, "nobody of it is left");
    let next = ran_by(&shell("echo next"), &isolation).await;
    assert_eq!(next.stdout(), "next\n", "{}", next.error());
}

#[tokio::test]
async fn a_command_for_which_its_user_has_no_room_waits_until_there_is_some() {
    let test = "a_command_for_which_its_user_has_no_room";
    // One that runs nothing else, since all that it runs counts.
    if !geteuid().is_root() || User::find("games").is_err() {
        return not_tested(test, "needs root and a user called games");
    }
    // The kernel looks at how many there are before this one.
    let limits = Limits { processes: Some(1), ..Limits::default() };
    let settings = IsolationSettings { run_as: Some("games".to_owned()), ..limited(limits) };
    let isolation = Arc::new(start(&settings, "s").unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner(dir.path());
    runner.isolation = isolation;
    let runs = tokio::sync::Semaphore::new(0);
    let run = async |argv: &[&str]| {
        let (_handle, signal) = stop::channel();
        runner.run(&program(argv), signal, |_| runs.add_permits(1)).await
    };
    let third = async {
        let _both = runs.acquire_many(2).await.unwrap();
        run(&["true"]).await
    };
    let (first, second, third) = tokio::join!(run(&["sleep", "1"]), run(&["sleep", "1"]), third);
    assert_eq!((first.outcome.cause, second.outcome.cause), (None, None));
    assert_eq!(third.outcome.cause, None, "{:?}", third.outcome.error);
    let ended = [first, second].map(|one| third.started.unwrap().since(one.ended));
    assert!(ended.iter().any(|since| !since.is_zero()), "one had to end first: {ended:?}");
}

#[tokio::test]
async fn a_command_runs_as_its_user_with_that_users_groups_and_home_and_no_way_back() {
    let Some(nobody) = nobody("a_command_runs_as_its_user") else { return };
    let mut user = User::find("nobody").unwrap();
    let mut isolation = start(&nobody, "s").unwrap();
    assert_eq!(isolation.describe(), "plain, run_as nobody");
    // A group that neither this process nor any user has.
    user.ids.groups.push(3_999_999_998);
    isolation.shim = Some(Shim::new(starter(), None, Limits::default(), Some(user.ids.clone())));
    let isolation = Arc::new(isolation);
    let line = "id -u; id -g; id -G; echo $HOME $USER; echo to-stderr > /dev/stderr; \
                grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | tr -d '\\n'";
    let ran = ran_by(&shell(line), &isolation).await;
    let ids = &user.ids;
    let groups: Vec<_> = ids.groups.iter().map(u32::to_string).collect();
    let expected =
        format!("{}\n{}\n{}\n{} nobody\n", ids.uid, ids.gid, groups.join(" "), user.home.display());
    assert!(ran.stdout().starts_with(&expected), "{} {}", ran.stdout(), ran.error());
    let none = "0000000000000000";
    assert!(ran.stdout().ends_with(&format!("CapInh:\t{none}CapPrm:\t{none}CapEff:\t{none}CapAmb:\t{none}")));
    assert_eq!(ran.ending.output.stderr.head, b"to-stderr\n");
}

#[tokio::test]
async fn a_variable_of_the_task_does_nothing_before_the_starter_has_given_up_its_rights() {
    let Some(nobody) = nobody("a_variable_of_the_task_does_nothing") else { return };
    let isolation = Arc::new(start(&nobody, "s").unwrap());
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    // The loader writes a file for each program that it loads: whose files they are tells who obeyed.
    let mut assignment = shell("/bin/true");
    assignment.spec.env.insert("LD_DEBUG".to_owned(), "all".to_owned());
    assignment.spec.env.insert("LD_DEBUG_OUTPUT".to_owned(), dir.path().join("log").display().to_string());
    ran_by(&assignment, &isolation).await;
    let uid = User::find("nobody").unwrap().ids.uid;
    let files: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap()).collect();
    if files.is_empty() {
        return not_tested("a_variable_of_the_task_does_nothing", "the loader here has no LD_DEBUG");
    }
    let owner = std::os::unix::fs::MetadataExt::uid;
    assert!(files.iter().all(|file| owner(file) == uid), "{files:?}");
}

#[tokio::test]
async fn a_directory_that_the_user_may_not_enter_is_said() {
    let Some(nobody) = nobody("a_directory_that_the_user_may_not_enter") else { return };
    let isolation = start(&nobody, "s").unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut assignment = shell("pwd");
    assignment.spec.cwd = Some(dir.path().to_str().unwrap().to_owned());
    let ran = ran(assignment, isolation).await;
    assert_eq!(ran.cause(), Some(Cause::SpawnFailed));
    assert!(
        ran.error().contains("working directory") && ran.error().contains("Permission denied"),
        "{}",
        ran.error()
    );
}

#[tokio::test]
async fn a_user_that_is_unknown_or_could_write_what_the_worker_keeps_is_refused_at_the_start() {
    let settings =
        |user: &str| IsolationSettings { run_as: Some(user.to_owned()), ..IsolationSettings::default() };
    let why = start(&settings("no-such-user"), "s").unwrap_err().to_string();
    assert_eq!(why, "run_as: there is no user \"no-such-user\"");
    if !geteuid().is_root() {
        let why = start(&settings("root"), "s").unwrap_err().to_string();
        assert!(why.contains("needs a worker that is root"), "{why}");
        return not_tested("a_user_that_could_write", "needs root");
    }
    let Some(nobody) = nobody("a_user_that_could_write") else { return };
    let dir = tempfile::tempdir().unwrap();
    let kept = [("output_dir", dir.path())];
    let start = |mode| {
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        Isolation::start_by(&starter(), &nobody, "s", None, &kept)
    };
    assert!(start(0o750).is_ok());
    let why = start(0o777).unwrap_err().to_string();
    assert!(why.starts_with("run_as: nobody could write in") && why.ends_with("output_dir"), "{why}");
}

#[tokio::test]
async fn a_starter_that_cannot_work_is_said_at_the_start() {
    let settings = limited(Limits { open_files: Some(9), ..Limits::default() });
    for (starter, part) in
        [("/no/such/starter", "No such file"), ("/bin/false", "ended before it could tell why")]
    {
        let why = Isolation::start_by(Path::new(starter), &settings, "s", None, &[]).unwrap_err().to_string();
        assert!(why.starts_with("isolation: ") && why.contains(part), "{why}");
    }
}

#[tokio::test]
async fn who_leaves_the_process_group_of_a_contained_command_ends_with_it_all_the_same() {
    let Some(isolation) = contained("who_leaves_the_process_group", "test-escape") else { return };
    let isolation = Arc::new(isolation);
    assert_eq!(isolation.describe(), "cgroup");
    let ran =
        ran_by(&shell("setsid sleep 300 >/dev/null 2>&1 & echo $!; cat /proc/self/cgroup"), &isolation).await;
    let out = ran.stdout();
    let (pid, groups) = out.split_once('\n').unwrap();
    assert!(groups.contains("distrack-test-escape/"), "{groups}");
    assert_eq!(ran.cause(), None, "{}", ran.error());
    assert!(!alive(pid), "the daemon is gone when the attempt has ended");
    let mut daemon = shell("(setsid sh -c 'trap \"\" TERM; sleep 300; sleep 300' & echo $!); sleep 300");
    daemon.spec.timeout_ms = 1_000;
    let ran = ran_by(&daemon, &isolation).await;
    assert_eq!(ran.cause(), Some(Cause::Timeout));
    assert!(!alive(&ran.stdout()), "nor does one that ignores signals outlive a timeout");
}

#[tokio::test]
async fn a_worker_kills_who_is_left_of_its_predecessor_and_leaves_no_group_behind() {
    let Some(first) = contained("a_worker_kills_who_is_left", "test-leftover") else { return };
    // As after a SIGKILL: nobody tidied up.
    let shim = first.shim.as_ref().unwrap();
    let launch = crate::spawn::Launch::new(&shell("sleep 300"), &[].into(), &Arc::default());
    let (mut child, group) =
        shim.start(&launch, Path::new("/bin/sleep"), vec!["sleep".to_owned(), "300".to_owned()]).unwrap();
    let group = group.unwrap();
    let (folder, parent) = (group.path().to_owned(), group.path().parent().unwrap().to_owned());
    std::mem::forget(group);
    std::mem::forget(first);
    assert!(folder.exists());
    let second = contained("a_worker_kills_who_is_left", "test-leftover").unwrap();
    let limit = Instant::now() + Duration::from_secs(15);
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() < limit => tokio::time::sleep(Duration::from_millis(5)).await,
            None => {
                let _ = child.kill();
                panic!("it lives on");
            }
        }
    };
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert!(!folder.exists() && parent.exists());
    drop(second);
    assert!(!parent.exists());
}

/// Memory and processes by a control group: only where its controllers are ours to give.
#[tokio::test]
async fn a_contained_command_that_takes_too_much_memory_or_forks_too_often_is_held() {
    let test = "a_contained_command_that_takes_too_much";
    let limits = Limits { memory: Some(32 * 1024 * 1024), processes: Some(40), ..Limits::default() };
    let settings = IsolationSettings { limits, means: Means::Cgroup, ..IsolationSettings::default() };
    let isolation = match start(&settings, "test-held") {
        Ok(isolation) => Arc::new(isolation),
        Err(why) => return not_tested(test, &why.to_string()),
    };
    let greedy = ran_by(&shell("head -c 200M /dev/zero | tail"), &isolation).await;
    assert_eq!(greedy.cause(), Some(Cause::Oom), "{}", greedy.error());
    let mut bomb = shell("b() { b | b & b & }; b; while :; do sleep 60; done");
    bomb.spec.timeout_ms = 2_000;
    let bomb = ran_by(&bomb, &isolation).await;
    assert_eq!(bomb.cause(), Some(Cause::Timeout), "{}", bomb.error());
    let next = ran_by(&shell("echo next"), &isolation).await;
    assert_eq!(next.stdout(), "next\n", "{}", next.error());
}

#[tokio::test]
async fn under_a_policy_only_its_programs_run_and_the_rest_fails_for_good_by_its_name() {
    let settings =
        IsolationSettings { allow_command: vec!["/bin/echo".into()], ..IsolationSettings::default() };
    let isolation = Arc::new(start(&settings, "s").unwrap());
    assert_eq!(isolation.describe(), "plain, allow_command");
    let good = ran_by(&program(&["echo", "hello"]), &isolation).await;
    assert_eq!((good.cause(), good.stdout().as_str()), (None, "hello\n"));
    let mut preload = program(&["echo", "hello"]);
    preload.spec.env.insert("LD_PRELOAD".to_owned(), "/tmp/x.so".to_owned());
    let mut secret = program(&["echo", "hello"]);
    secret.spec.env_secret.insert("BASH_ENV".to_owned(), Secret::new("/tmp/x.sh"));
    let mut path = program(&["echo", "hello"]);
    path.spec.env.insert("PATH".to_owned(), "/tmp".to_owned());
    for (refused, part) in [
        (shell("echo hello"), "no shell commands"),
        (program(&["/bin/sh", "-c", "echo hello"]), "\"/bin/sh\" is not in its list"),
        (preload, "\"LD_PRELOAD\""),
        (secret, "\"BASH_ENV\""),
        (path, "\"PATH\""),
    ] {
        let ran = ran_by(&refused, &isolation).await;
        assert_eq!((ran.cause(), ran.ending.outcome.final_failure), (Some(Cause::SpawnFailed), true));
        assert!(
            ran.error().contains("policy (allow_command)") && ran.error().contains(part),
            "{}",
            ran.error()
        );
    }
}
