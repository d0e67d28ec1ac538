//! `with-postgres` as a user runs it: what the command sees, how it ends, and that nothing is left behind.
#![expect(clippy::unwrap_used, reason = "a helper of tests may panic as they may")]

use std::time::Duration;

use distrack_testkit::{Launch, Postgres, Process, eventually};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

const WITH_POSTGRES: &str = env!("CARGO_BIN_EXE_with-postgres");
const VARIABLE: &str = "DISTRACK_TEST_POSTGRES_URL";
const LIMIT: Duration = Duration::from_secs(60);

/// Lasts, after it has told its own pid and the server's URL.
const TELL: &str = r#"echo "told $$ $DISTRACK_TEST_POSTGRES_URL ."; exec sleep 1000"#;

/// Starts a command under `with-postgres`, with the server that is named, if any.
fn start(folder: &TempDir, script: &str, server: Option<&str>) -> Process {
    let mut launch = Launch::new("with-postgres", WITH_POSTGRES, &["/bin/sh", "-c", script], folder.path());
    launch.variables.extend(server.map(|url| (VARIABLE.to_owned(), url.to_owned())));
    Process::start(launch).unwrap()
}

/// Runs a command to its end under `with-postgres`, and returns its exit code and what it has printed.
async fn run(script: &str, server: Option<&str>) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let process = start(&folder, script, server);
    (process.wait(LIMIT).await.code(), process.log())
}

/// Starts a command under `with-postgres` that lasts, and returns both with the pids of the command and the server.
async fn lasting(folder: &TempDir) -> (Process, [Pid; 2]) {
    let process = start(folder, TELL, None);
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

#[tokio::test]
async fn the_command_finds_the_server_and_its_exit_code_is_passed_on() {
    if Postgres::is_left_out() {
        return;
    }
    let (code, printed) = run("echo $DISTRACK_TEST_POSTGRES_URL; exit 7", None).await;
    assert_eq!(code, Some(7));
    assert!(printed.starts_with("postgres://postgres@127.0.0.1:"), "{printed}");
    assert_eq!(run("kill -9 $$", None).await.0, Some(137));
}

#[tokio::test]
async fn a_server_that_is_named_is_used() {
    let (_, printed) = run("echo $DISTRACK_TEST_POSTGRES_URL", Some("postgres://elsewhere/db")).await;
    assert_eq!(printed, "postgres://elsewhere/db\n");
}

#[tokio::test]
async fn sigterm_ends_the_command_and_the_server() {
    if Postgres::is_left_out() {
        return;
    }
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
    if Postgres::is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (process, pids) = lasting(&folder).await;
    process.kill().unwrap();
    wait_for_the_end_of(pids[1]).await;
    // The command itself is nobody's any more: nothing can end what outlives a SIGKILL, except us.
    kill_process(pids[0], Signal::KILL).unwrap();
}
