//! What a service does when it is told to stop, and when nobody reads what it says.

use std::fs::File;
use std::process::{Command, Stdio};

use distrack_testkit::{Api, eventually, free_port};
use serde_json::json;

use super::program::{LIMIT, Running};

/// An `up` on a port that is known, and its API.
fn up(change: impl FnOnce(&mut Command)) -> (Running, Api) {
    let port = free_port();
    let scheduler = format!("--scheduler_port=:{port}");
    let free = ["--coordinator_port=:0", "--worker_port=:0", "--metrics_port=:0", "--data_dir=data"];
    let up = Running::start_with(&[&["up", &scheduler], &free[..]].concat(), change);
    (up, Api::new(format!("http://127.0.0.1:{port}")))
}

/// Lets a shell start the program by `line`, in which `"$@"` stands for it.
fn by_shell(command: &mut Command, line: &str) {
    let program = command.get_program().to_owned();
    let arguments: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    let folder = command.get_current_dir().unwrap().to_owned();
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &folder);
    shell.args(["-c", line, "sh"]).arg(program).args(arguments).current_dir(&folder).stdin(Stdio::null());
    shell.stdout(File::create(folder.join("out")).unwrap()).stderr(File::create(folder.join("err")).unwrap());
    *command = shell;
}

/// Waits until a command runs that would go on for a minute, and returns its task's id.
async fn run_long(api: &Api, command: &str) -> String {
    let task = api.submit(&json!({"command": command})).await.unwrap();
    let id = task["task_id"].as_str().unwrap().to_owned();
    eventually(LIMIT, "the start", || async {
        (api.task(&id).await.unwrap()["state"] == "running").then_some(())
    })
    .await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_reads_the_logs_is_no_reason_to_fail_or_to_stay() {
    let (up, api) = up(|command| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stderr(writer);
    });
    api.wait_ready(LIMIT).await;
    up.signal("INT");
    assert_eq!(up.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_terminal_drains_and_ends_well() {
    let (up, api) = up(|_| {});
    api.wait_ready(LIMIT).await;
    run_long(&api, "sleep 6").await;
    up.signal("HUP");
    let ended = up.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("draining"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_terminal_is_nothing_to_a_process_that_was_started_to_outlive_it() {
    let (up, api) = up(|command| by_shell(command, "trap '' HUP; exec \"$@\""));
    api.wait_ready(LIMIT).await;
    up.signal("HUP");
    let task = api.submit(&json!({"command": "true"})).await.unwrap();
    let ended = api.wait_terminal(task["task_id"].as_str().unwrap(), LIMIT).await;
    assert_eq!(ended["state"], "completed", "{ended}");
    assert!(!up.stderr().contains("draining"), "{}", up.stderr());
    up.signal("TERM");
    assert_eq!(up.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once_and_leaves_no_command_running() {
    let (up, api) = up(|_| {});
    api.wait_ready(LIMIT).await;
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    run_long(&api, &format!("echo $$ >'{}'; sleep 60", pid_file.display())).await;
    let pid = eventually(LIMIT, "the command's pid", || async {
        let pid = std::fs::read_to_string(&pid_file).unwrap_or_default();
        pid.ends_with('\n').then(|| pid.trim().to_owned())
    })
    .await;
    up.signal("INT");
    up.says("draining").await;
    up.signal("INT");
    let ended = up.end().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    eventually(LIMIT, "the end of the command", || async {
        (!std::path::Path::new("/proc").join(&pid).join("exe").exists()).then_some(())
    })
    .await;
}
