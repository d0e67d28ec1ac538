//! `with-postgres` as a user runs it: what the command sees, how it ends, and that nothing is left behind.
#![expect(clippy::unwrap_used, reason = "a helper of tests may panic as they may")]

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use distrack_testkit::{Launch, Process, eventually};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

const WITH_POSTGRES: &str = env!("CARGO_BIN_EXE_with-postgres");
const LIMIT: Duration = Duration::from_secs(60);

/// Lasts, after it has told its own pid and the server's URL.
const TELL: &str = r#"echo "told $$ $DISTRACK_TEST_POSTGRES_URL ."; exec sleep 1000"#;

fn output(script: &str) -> Output {
    Command::new(WITH_POSTGRES)
        .args(["/bin/sh", "-c", script])
        .env_remove("DISTRACK_TEST_POSTGRES_URL")
        .output()
        .unwrap()
}

/// Starts a command under `with-postgres` that lasts, and returns both with the pids of the command and the server.
async fn lasting(folder: &TempDir) -> (Process, [Pid; 2]) {
    let process = Process::start(Launch {
        name: "with-postgres".into(),
        program: WITH_POSTGRES.into(),
        arguments: ["/bin/sh", "-c", TELL].map(Into::into).into(),
        variables: Vec::new(),
        folder: folder.path().into(),
        log_file: folder.path().join("log"),
    })
    .unwrap();
    let told = || async { told(&process.log()).ok_or(process.log_tail()) };
    let (command, url) = eventually(LIMIT, "what the command tells", told).await;
    let server = postmaster(&url).await;
    (process, [command, server])
}

fn told(log: &str) -> Option<(Pid, String)> {
    let mut words = log.split_once("told ")?.1.split(' ');
    let (pid, url) = (words.next()?, words.next()?);
    words.next()?;
    Some((Pid::from_raw(pid.parse().ok()?)?, url.to_owned()))
}

async fn postmaster(url: &str) -> Pid {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let folder: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
    let file = std::fs::read_to_string(format!("{folder}/postmaster.pid")).unwrap();
    Pid::from_raw(file.lines().next().unwrap().parse().unwrap()).unwrap()
}

async fn wait_for_the_end_of(pid: Pid) {
    let look = || async { (test_kill_process(pid).is_err() || is_zombie(pid)).then_some(()) };
    eventually(LIMIT, format_args!("the end of process {}", pid.as_raw_nonzero()), look).await;
}

fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.contains(") Z ")
}

#[test]
fn the_command_finds_the_server_and_its_exit_code_is_passed_on() {
    let ended = output("echo $DISTRACK_TEST_POSTGRES_URL; exit 7");
    assert_eq!(ended.status.code(), Some(7));
    assert!(ended.stdout.starts_with(b"postgres://postgres@127.0.0.1:"), "{ended:?}");
    assert_eq!(output("kill -9 $$").status.code(), Some(137));
}

#[test]
fn a_server_that_is_named_is_used() {
    let child = Command::new(WITH_POSTGRES)
        .args(["/bin/sh", "-c", "echo $DISTRACK_TEST_POSTGRES_URL"])
        .env("DISTRACK_TEST_POSTGRES_URL", "postgres://elsewhere/db")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"postgres://elsewhere/db\n");
}

#[tokio::test]
async fn sigterm_ends_the_command_and_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (process, pids) = lasting(&folder).await;
    process.terminate().unwrap();
    assert_eq!(process.wait(LIMIT).await.code(), Some(143));
    for pid in pids {
        wait_for_the_end_of(pid).await;
    }
}

#[tokio::test]
async fn even_sigkill_leaves_no_server_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (process, pids) = lasting(&folder).await;
    process.kill().unwrap();
    wait_for_the_end_of(pids[1]).await;
    // The command itself is nobody's any more: nothing can end what outlives a SIGKILL, except us.
    kill_process(pids[0], Signal::KILL).unwrap();
}
