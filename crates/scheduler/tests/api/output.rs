//! What an attempt printed, as JSON and raw.

use distrack_core::{Outcome, Output, StreamOutput};
use serde_json::json;

use crate::support::Scheduler;
use crate::support::fleet::exit;

fn stream(head: &[u8], tail: &[u8], bytes: u64) -> StreamOutput {
    StreamOutput { head: head.to_vec(), tail: tail.to_vec(), bytes }
}

#[tokio::test]
async fn both_streams_are_shown_apart_as_text_or_base64() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let output =
        Output { stdout: stream("häuser\n".as_bytes(), b"", 8), stderr: stream(b"\xff", b"\0", 100) };
    scheduler.worker().await.print(id, Outcome::success(), output).await;
    let answer = scheduler.get(&format!("/v1/tasks/{id}/output")).await.json();
    assert_eq!((&answer["attempt"], &answer["complete"]), (&json!(1), &json!(true)));
    assert_eq!(
        answer["stdout"],
        json!({"bytes": 8, "omitted": 0, "encoding": "utf-8", "head": "häuser\n", "tail": ""})
    );
    assert_eq!(
        answer["stderr"],
        json!({"bytes": 100, "omitted": 98, "encoding": "base64", "head": "/w==", "tail": "AA=="})
    );
}

#[tokio::test]
async fn a_stream_can_be_had_as_raw_bytes_that_no_browser_interprets() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let html = b"<script>alert(1)</script>";
    let output = Output { stdout: stream(html, b"end", 1000), stderr: stream(b"\xff\xfe", b"", 2) };
    scheduler.worker().await.print(id, Outcome::success(), output).await;
    let stdout = scheduler.get(&format!("/v1/tasks/{id}/output?stream=stdout")).await;
    assert_eq!(stdout.text, "<script>alert(1)</script>\n[… 972 bytes left out …]\nend");
    assert_eq!(stdout.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(stdout.header("x-content-type-options"), "nosniff");
    assert!(stdout.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(stdout.header("content-disposition"), format!("attachment; filename=\"{id}.1.stdout\""));
    let stderr = scheduler.get(&format!("/v1/tasks/{id}/output?stream=stderr&attempt=1")).await;
    assert_eq!(stderr.header("content-type"), "application/octet-stream");
    assert_eq!(stderr.header("x-content-type-options"), "nosniff");
    assert_eq!(stderr.header("content-disposition"), format!("attachment; filename=\"{id}.1.stderr\""));
    // Within JSON, it is not HTML either, whoever sniffs.
    let json = scheduler.get(&format!("/v1/tasks/{id}/output")).await;
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(json.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn escape_sequences_are_plain_bytes_and_no_control_character_is_in_the_json() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let ansi = b"\x1b]0;title\x07\x1b[2J\r\n";
    let output = Output { stdout: stream(ansi, b"", ansi.len() as u64), ..Output::default() };
    scheduler.worker().await.print(id, Outcome::success(), output).await;
    let raw = scheduler.get(&format!("/v1/tasks/{id}/output?stream=stdout")).await;
    assert_eq!((raw.text.as_bytes(), raw.header("content-type")), (&ansi[..], "text/plain; charset=utf-8"));
    let json = scheduler.get(&format!("/v1/tasks/{id}/output")).await;
    assert!(!json.text.chars().any(char::is_control), "{:?}", json.text);
}

#[tokio::test]
async fn an_attempt_is_the_last_one_unless_it_is_named() {
    let scheduler = Scheduler::start().await;
    let worker = scheduler.worker().await;
    let id = scheduler.submit(&json!({"command": "x", "max_attempts": 3})).await;
    let path = format!("/v1/tasks/{id}/output");
    let none = scheduler.get(&path).await.json();
    assert_eq!((&none["attempt"], &none["stdout"]["bytes"]), (&json!(0), &json!(0)));
    scheduler.get(&format!("{path}?attempt=1")).await.problem(404, "attempt_not_found");
    for attempt in 1..=2 {
        let text = format!("attempt {attempt}");
        let output = Output { stdout: stream(text.as_bytes(), b"", 9), ..Output::default() };
        worker.print(id, exit(1), output).await;
    }
    assert_eq!(scheduler.get(&path).await.json()["stdout"]["head"], "attempt 2");
    assert_eq!(scheduler.get(&format!("{path}?attempt=1")).await.json()["stdout"]["head"], "attempt 1");
    assert_eq!(scheduler.get(&format!("{path}?attempt=1&stream=stdout")).await.text, "attempt 1");
    scheduler.get(&format!("{path}?attempt=3")).await.problem(404, "attempt_not_found");
    // An attempt that printed nothing is no missing attempt.
    worker.run(id, exit(1)).await;
    assert_eq!(scheduler.get(&format!("{path}?attempt=3&stream=stderr")).await.text, "");
}

#[tokio::test]
async fn output_is_complete_when_no_more_can_come_of_the_attempt() {
    let scheduler = Scheduler::start().await;
    let worker = scheduler.worker().await;
    let id = scheduler.submit(&json!({"command": "x", "max_attempts": 2})).await;
    let path = format!("/v1/tasks/{id}/output");
    let complete =
        async |query: &str| scheduler.get(&format!("{path}{query}")).await.json()["complete"].clone();
    assert_eq!(complete("").await, false, "it has not begun");
    let first = worker.start(id).await;
    assert_eq!(complete("").await, false, "it runs");
    worker.finish(first, exit(1), Output::default()).await;
    assert_eq!(complete("").await, true, "it waits for its second attempt");
    let second = worker.start(id).await;
    assert_eq!((complete("?attempt=1").await, complete("").await), (json!(true), json!(false)));
    worker.finish(second, Outcome::success(), Output::default()).await;
    assert_eq!(complete("").await, true);
    let never = scheduler.submit(&json!({"command": "x"})).await;
    scheduler.post_empty(&format!("/v1/tasks/{never}/cancel")).await;
    let output = scheduler.get(&format!("/v1/tasks/{never}/output")).await.json();
    assert_eq!(
        (&output["attempt"], &output["complete"]),
        (&json!(0), &json!(true)),
        "it ended before it began"
    );
}
