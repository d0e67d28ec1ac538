//! What a command may do to the worker that runs it: the released binary, from its flags to what a command sees.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use distrack_testkit::{Api, Launch, Process, Up, eventually};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_distrack");
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a task to its end; returns it with what it printed on both streams.
async fn run(api: &Api, task: &Value) -> (Value, String, String) {
    let task = api.submit(task).await.unwrap();
    let id = task["task_id"].as_str().unwrap();
    let ended = api.wait_terminal(id, LIMIT).await;
    let output = api.output(id).await.unwrap();
    let text = |stream: &str| output[stream]["head"].as_str().unwrap_or_default().to_owned();
    (ended, text("stdout"), text("stderr"))
}

/// What the only worker says of it, once it is registered.
async fn isolation(api: &Api) -> Value {
    let look =
        async || api.workers().await.unwrap()["workers"].get(0).map(|worker| worker["isolation"].clone());
    eventually(LIMIT, "the worker to be registered", look).await
}

/// A program that does `first` and then becomes distrack, by way of `wrapper`.
fn script(folder: &Path, first: &str, wrapper: &str) -> PathBuf {
    let (text, path) = (folder.join("text"), folder.join("distrack.sh"));
    std::fs::write(&text, format!("#!/bin/sh\n{first}\nexec {wrapper} {PROGRAM} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o755)).unwrap();
    // By another process: what this one has open for writing, a child of another test may hold open, and the kernel
    // then refuses to run it.
    assert!(Command::new("cp").args([&text, &path]).status().unwrap().success());
    path
}

fn not_tested(test: &str, why: &str) {
    eprintln!("NOT TESTED: {test}: {why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_sees_no_secret_of_its_worker_and_no_descriptor_that_the_worker_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let first = "export AWS_SECRET_ACCESS_KEY=canary DISTRACK_JAEGER_URL=http://canary:1 RUST_LOG=info; exec 7</dev/null";
    let up = Up::start(script(folder.path(), first, ""), &[]).await.unwrap();
    let api = up.api();
    assert_eq!(isolation(&api).await, "plain");
    let line = "env; echo fds $(ls /proc/self/fd); grep NoNewPrivs /proc/self/status; ulimit -c";
    let (_, stdout, _) = run(&api, &json!({"command": line})).await;
    assert!(!stdout.contains("canary") && !stdout.contains("RUST_LOG"), "{stdout}");
    // One is the folder that `ls` reads.
    assert!(stdout.contains("fds 0 1 2 3\n"), "{stdout}");
    assert!(stdout.ends_with("NoNewPrivs:\t1\n0\n"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_a_policy_are_in_force_and_are_told() {
    let flags =
        ["--isolation=rlimits", "--limit_open_files=99", "--limit_memory=1G", "--allow_command=/bin/sh"];
    let up = Up::start(PROGRAM, &flags).await.unwrap();
    let api = up.api();
    assert_eq!(isolation(&api).await, "rlimits, allow_command");
    assert!(up.process().log().contains("rlimits, allow_command"), "{}", up.process().log_tail());
    let allowed = json!({"argv": ["/bin/sh", "-c", "ulimit -n; ulimit -v; ps -o args= -p $$ || true"]});
    let (ended, stdout, _) = run(&api, &allowed).await;
    assert_eq!(ended["state"], "completed", "{ended}");
    assert!(stdout.starts_with("99\n1048576\n"), "{stdout}");
    let (ended, ..) = run(&api, &json!({"command": "echo hello", "max_attempts": 5})).await;
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("failed"), &json!(1)), "final at once: {ended}");
    assert!(ended["error"].as_str().unwrap().contains("policy (allow_command)"), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_cannot_read_the_environment_or_the_memory_of_a_worker_of_the_same_user() {
    let test = "a_command_cannot_read_the_environment_or_the_memory";
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let root = is_root();
    let (first, wrapper) = if root { ("chmod 777 .", as_nobody) } else { ("", "") };
    let program = script(folder.path(), first, wrapper);
    // Root may read everything; and nobody may not even start what lies in a home.
    let help = Command::new(&program).arg("--help").current_dir(folder.path()).output();
    if !help.is_ok_and(|output| output.status.success()) {
        return not_tested(test, "this program cannot be started as nobody");
    }
    for flags in [&["--isolation=auto"][..], &["--limit_open_files=99", "--isolation=rlimits"][..]] {
        let up = Up::start(&program, flags).await.unwrap();
        let api = up.api();
        for file in ["environ", "mem", "maps", "auxv"] {
            let line = format!("head -c 1 /proc/$PPID/{file}");
            let (ended, stdout, stderr) = run(&api, &json!({"command": line})).await;
            assert_eq!((&ended["state"], stdout.len()), (&json!("failed"), 0), "{file}: {ended}");
            assert!(stderr.contains("Permission denied"), "{file}: {stderr}");
        }
        let (ended, ..) = run(&api, &json!({"command": "ls /proc/$PPID/fd"})).await;
        assert_eq!(ended["state"], "failed", "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_cannot_hold_commands_to_what_was_asked_does_not_start() {
    let elsewhere = tempfile::tempdir().unwrap();
    for (flag, part) in [
        ("--run_as=no-such-user", "run_as: there is no user \"no-such-user\""),
        ("--allow_command=/no/such/program", "allow_command: \"/no/such/program\" is no program"),
    ] {
        let arguments = [
            "worker".to_owned(),
            "--worker_port=:0".to_owned(),
            "--metrics_port=:0".to_owned(),
            format!("--state_dir={}", elsewhere.path().join("state").display()),
            flag.to_owned(),
        ];
        let worker = Process::start(Launch::new("worker", PROGRAM, &arguments, elsewhere.path())).unwrap();
        assert_eq!(worker.wait(LIMIT).await.code(), Some(1), "{flag}");
        assert!(worker.log().contains(part), "{}", worker.log_tail());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_run_as_another_user_who_cannot_touch_what_the_worker_keeps() {
    let test = "commands_run_as_another_user";
    if !is_root() || !Command::new("id").arg("nobody").output().is_ok_and(|id| id.status.success()) {
        return not_tested(test, "needs root and a user called nobody");
    }
    let up = Up::start(PROGRAM, &["--run_as=nobody"]).await.unwrap();
    let api = up.api();
    let told = isolation(&api).await;
    assert!(told.as_str().unwrap().ends_with(", run_as nobody"), "{told}");
    let data = up.data_dir();
    let line = format!("id -un; touch {0}/x {0}/workers/x; ls {0}; cat /proc/$PPID/environ", data.display());
    let (ended, stdout, stderr) = run(&api, &json!({"command": line})).await;
    assert_eq!((&ended["state"], stdout.as_str()), (&json!("failed"), "nobody\n"), "{ended} {stderr}");
    assert!(stderr.matches("Permission denied").count() >= 4, "{stderr}");
    // Its control group, if it has one, goes with it.
    up.process().terminate().unwrap();
    assert!(up.process().wait(LIMIT).await.success(), "{}", up.process().log_tail());
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}
