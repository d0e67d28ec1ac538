//! What an attempt printed, as JSON and raw.

use distrack_core::{Outcome, Output, StreamOutput, TaskState};
use serde_json::json;

use crate::support::Scheduler;

fn stream(head: &[u8], tail: &[u8], bytes: u64) -> StreamOutput {
    StreamOutput { head: head.to_vec(), tail: tail.to_vec(), bytes }
}

#[tokio::test]
async fn both_streams_are_shown_apart_as_text_or_base64() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    scheduler.store.end(id, TaskState::Completed, Outcome::success());
    let output =
        Output { stdout: stream("häuser\n".as_bytes(), b"", 8), stderr: stream(b"\xff", b"\0", 100) };
    scheduler.store.print(id, 1, output);
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
    scheduler.store.end(id, TaskState::Completed, Outcome::success());
    let html = b"<script>alert(1)</script>";
    let output = Output { stdout: stream(html, b"end", 1000), stderr: stream(b"\xff\xfe", b"", 2) };
    scheduler.store.print(id, 1, output);
    let stdout = scheduler.get(&format!("/v1/tasks/{id}/output?stream=stdout")).await;
    assert_eq!(stdout.text, "<script>alert(1)</script>\n[… 972 bytes left out …]\nend");
    assert_eq!(stdout.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(stdout.header("x-content-type-options"), "nosniff");
    assert!(stdout.header("content-security-policy").starts_with("default-src 'none'"));
    let stderr = scheduler.get(&format!("/v1/tasks/{id}/output?stream=stderr&attempt=1")).await;
    assert_eq!(stderr.header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn an_attempt_is_the_last_one_unless_it_is_named() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let path = format!("/v1/tasks/{id}/output");
    let none = scheduler.get(&path).await.json();
    assert_eq!(
        (&none["attempt"], &none["complete"], &none["stdout"]["bytes"]),
        (&json!(0), &json!(false), &json!(0))
    );
    scheduler.get(&format!("{path}?attempt=1")).await.problem(404, "attempt_not_found");
    for attempt in 1..=2 {
        scheduler.store.end(id, TaskState::Failed, Outcome::default());
        let text = format!("attempt {attempt}");
        let output = Output { stdout: stream(text.as_bytes(), b"", 9), ..Output::default() };
        scheduler.store.print(id, attempt, output);
    }
    assert_eq!(scheduler.get(&path).await.json()["stdout"]["head"], "attempt 2");
    assert_eq!(scheduler.get(&format!("{path}?attempt=1")).await.json()["stdout"]["head"], "attempt 1");
    assert_eq!(scheduler.get(&format!("{path}?attempt=1&stream=stdout")).await.text, "attempt 1");
    scheduler.get(&format!("{path}?attempt=3")).await.problem(404, "attempt_not_found");
    // An attempt that printed nothing is no missing attempt.
    scheduler.store.end(id, TaskState::Failed, Outcome::default());
    assert_eq!(scheduler.get(&format!("{path}?attempt=3&stream=stderr")).await.text, "");
}
