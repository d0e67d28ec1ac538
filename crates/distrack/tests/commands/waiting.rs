//! `submit --wait` stands in for the command: its output, its exit code, and never a lost task.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use distrack_testkit::Up;

use super::program::{PROGRAM, Running, ask, run};

/// Starts `submit --wait` of a line for the shell.
fn waiting(up: &Up, flag: &str, command: &str) -> Running {
    let server = format!("--server={}", up.api().base());
    Running::start(&["submit", &server, flag, "--", command])
}

/// The id that stands on standard error.
fn id_of(stderr: &str) -> &str {
    let line = stderr.lines().find_map(|line| line.strip_prefix("task "));
    line.unwrap_or_else(|| panic!("no id in {stderr}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_prints_what_the_command_prints_and_exits_as_it_does() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let seven = waiting(&up, "--wait", "echo out; echo err >&2; exit 7").end().await;
    assert_eq!((seven.code, seven.text()), (Some(7), "out".to_owned()), "{seven:?}");
    let id = id_of(&seven.stderr).to_owned();
    assert_eq!(seven.stderr, format!("task {id}\nerr\n"), "a code of the command's own needs no words");
    let zero = waiting(&up, "--wait=1m", "true").end().await;
    assert_eq!(zero.code, Some(0), "{zero:?}");
    let killed = waiting(&up, "--wait", "kill -9 $$").end().await;
    assert_eq!(killed.code, Some(137), "{killed:?}");
    assert!(killed.stderr.contains(" failed: "), "{killed:?}");
    let json = ask(&up, "submit --wait -o json -- false").await;
    assert_eq!((json.code, json.json()["state"].as_str()), (Some(1), Some("failed")), "{json:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_was_stopped_is_told_with_its_reason() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let server = format!("--server={}", up.api().base());
    // It ends by itself when it is told to stop, and so has an exit code that alone would tell a lie.
    let command = "trap 'exit 3' TERM; sleep 10 & wait";
    let ended = run(&["submit", &server, "--wait", "--timeout=300ms", "--", command]).await;
    assert!(ended.code.is_some_and(|code| code > 0), "{ended:?}");
    assert!(ended.stderr.contains(&format!("task {} failed: ", id_of(&ended.stderr))), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_its_time_is_over_it_says_so_and_the_task_goes_on() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let ended = waiting(&up, "--wait=300ms", "sleep 20").end().await;
    assert_eq!(ended.code, Some(124), "{ended:?}");
    let id = id_of(&ended.stderr);
    let state = up.api().task(id).await.unwrap()["state"].clone();
    assert!(["dispatched", "running", "pending"].contains(&state.as_str().unwrap()), "{state}");
    assert_eq!(ask(&up, &format!("cancel {id}")).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_that_goes_away_and_comes_back_does_not_end_the_wait() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let waiting = waiting(&up, "--wait", "[ $DISTRACK_ATTEMPT -ge 2 ] || sleep 20; exit 7");
    waiting.says("task ").await;
    up.kill().unwrap();
    waiting.says("still waiting for task ").await;
    up.start_again().await.unwrap();
    let ended = waiting.end().await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(ended.stderr.matches("still waiting").count(), 1, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_hangs_up_changes_no_exit_code_and_loses_no_task() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let server = format!("--server={}", up.api().base());
    let unread = |arguments: &[&str]| {
        Running::start_with(arguments, |command| {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stdout(writer);
        })
    };
    let ended = unread(&["submit", &server, "--wait", "--", "echo out; exit 7"]).end().await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    let ended = unread(&["submit", &server, "--", "true"]).end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let id = ended.stderr.split(' ').find(|word| word.len() == 36).unwrap();
    assert!(up.api().task(id).await.is_ok(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_after_the_acceptance_names_the_task_and_has_a_code_of_its_own() {
    const ID: &str = "0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("--server={}", listener.local_addr().unwrap());
    // A scheduler that accepts, and then has forgotten.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &format!("{{\"task_id\":\"{ID}\"}}"));
        }
    });
    let ended = run(&["submit", &server, "--wait", "--", "true"]).await;
    assert_eq!(ended.code, Some(125), "{ended:?}");
    assert!(ended.stderr.contains(&format!("task {ID} was accepted")), "{ended:?}");
}

/// Answers a `POST` with 201 and `accepted`, anything else with 404.
fn answer(mut stream: TcpStream, accepted: &str) {
    let mut request = [0; 4096];
    let read = stream.read(&mut request).unwrap_or(0);
    let (status, body) = match request[..read].starts_with(b"POST") {
        true => ("201 Created", accepted),
        false => ("404 Not Found", "{}"),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}
