//! Clients that hang up or dawdle cost nothing but their own request.

use std::sync::Arc;
use std::time::Duration;

use distrack_scheduler::Settings;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Scheduler, until};

const BODY: &str = "{\"command\":\"x\"}";

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    )
}

/// Sends the first `length` bytes of a submission.
async fn send(scheduler: &Scheduler, path: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(&scheduler.address).await.unwrap();
    let request = format!("{}{BODY}", head(path, BODY.len()));
    stream.write_all(&request.as_bytes()[..length.min(request.len())]).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_may_hang_up_at_any_byte() {
    let scheduler = Scheduler::start().await;
    let whole = head("/schedule", BODY.len()).len() + BODY.len();
    for length in 0..whole {
        drop(send(&scheduler, "/schedule", length).await);
    }
    assert_eq!(scheduler.post("/schedule", &json!({"command": "x"})).await.status, 200);
    assert_eq!(scheduler.store.count().await, 1);
}

#[tokio::test]
async fn clients_that_hang_up_during_their_commit_hold_no_place() {
    let settings = Settings { intake_limit: 8, ..Settings::default() };
    let scheduler = Scheduler::with(settings).await;
    scheduler.store.set_open(false);
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(send(&scheduler, "/schedule", usize::MAX).await);
    }
    until("all wait", async || scheduler.metric("distrack_intake_waiting").await == Some(8.0)).await;
    drop(streams);
    // An answer that nobody was left to take is not one that was given.
    let gone = "http_server_request_duration_seconds_count{http_request_method=\"POST\",\
        http_response_status_code=\"499\",http_route=\"/schedule\"}";
    until("all are counted", async || scheduler.metric(gone).await == Some(8.0)).await;
    scheduler.store.set_open(true);
    until("no place is taken", async || scheduler.metric("distrack_intake_waiting").await == Some(0.0)).await;
    assert_eq!(scheduler.post("/schedule", &json!({"command": "x"})).await.status, 200);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_stored() {
    let scheduler = Arc::new(Scheduler::start().await);
    scheduler.store.set_open(false);
    let first = send(&scheduler, "/schedule", usize::MAX).await;
    until("the first commit began", async || scheduler.store.submit_calls() == 1).await;
    let second = send(&scheduler, "/schedule", usize::MAX).await;
    until("both wait", async || scheduler.metric("distrack_intake_waiting").await == Some(2.0)).await;
    drop(second);
    // The server sees the end of that connection before it answers what is asked after it.
    for _ in 0..20 {
        scheduler.get("/livez").await;
    }
    scheduler.store.set_open(true);
    until("no place is taken", async || scheduler.metric("distrack_intake_waiting").await == Some(0.0)).await;
    assert_eq!(scheduler.store.count().await, 1);
    drop(first);
}

#[tokio::test]
async fn a_client_that_waits_and_hangs_up_is_forgotten() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    for _ in 0..10 {
        let mut stream = TcpStream::connect(&scheduler.address).await.unwrap();
        let request = format!("GET /v1/tasks/{id}?wait=60 HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    scheduler.shutdown.cancel();
    until("it stops", async || scheduler.served.is_finished()).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408_and_a_head_that_does_not_come_is_cut() {
    let settings = Settings { request_timeout: Duration::from_secs(1), ..Settings::default() };
    let scheduler = Scheduler::with(settings).await;
    let whole = head("/schedule", BODY.len()).len();
    let mut stream = send(&scheduler, "/schedule", whole + 3).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
    let mut stream = send(&scheduler, "/schedule", 20).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
    let _ = read.await.expect("the connection is closed");
    assert_eq!(scheduler.store.submit_calls(), 0);
}
