//! What holds for a connection, below the routes.

use std::sync::Arc;
use std::time::Duration;

use distrack_scheduler::Settings;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Scheduler, until};

/// Sends a request whole, however big, and only then reads the answer.
async fn send_whole(scheduler: &Scheduler, head: &str, size: usize) -> String {
    let mut stream = TcpStream::connect(&scheduler.address).await.unwrap();
    let head = format!("{head}connection: close\r\ncontent-length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; size]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_client_that_is_refused_early_can_send_all_and_still_read_why() {
    let scheduler = Scheduler::start().await;
    let json = "content-type: application/json\r\n";
    for (request, status, code) in [
        (format!("POST /schedule HTTP/1.1\r\nhost: localhost\r\n{json}"), 413, "body_too_large"),
        (format!("POST /v1/tasks/batch HTTP/1.1\r\nhost: localhost\r\n{json}"), 413, "body_too_large"),
        ("POST /schedule HTTP/1.1\r\nhost: localhost\r\n".to_owned(), 415, "unsupported_media_type"),
        (format!("POST /nowhere HTTP/1.1\r\nhost: localhost\r\n{json}"), 404, "route_not_found"),
        (format!("PUT /schedule HTTP/1.1\r\nhost: localhost\r\n{json}"), 405, "method_not_allowed"),
        (format!("POST /schedule HTTP/1.1\r\nhost: evil.example\r\n{json}"), 421, "foreign_host"),
    ] {
        let answer = send_whole(&scheduler, &request, 9 << 20).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(code), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_not_told_to_send_what_will_be_refused() {
    let scheduler = Scheduler::start().await;
    let mut stream = TcpStream::connect(&scheduler.address).await.unwrap();
    let head = "POST /schedule HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\ncontent-length: 2000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

/// Asks on a connection that stays open, and reads the answer.
async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut answer));
    let length = read.await.expect("it is answered").unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn beyond_the_limit_of_connections_health_is_answered_and_all_else_refused_at_once() {
    let scheduler = Scheduler::with(Settings { connections: 1, ..Settings::default() }).await;
    let mut first = TcpStream::connect(&scheduler.address).await.unwrap();
    assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
    // More than may be beyond it, and none of them says a word.
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(&scheduler.address).await.unwrap());
    }
    let mut second = TcpStream::connect(&scheduler.address).await.unwrap();
    let answer = ask(&mut second).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    for path in ["/v1/tasks", "/docs"] {
        let mut third = TcpStream::connect(&scheduler.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        third.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        third.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"code\":\"overloaded\""), "{answer}");
        assert!(answer.contains("retry-after: 1"), "{answer}");
    }
    assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"), "whoever was there is not disturbed");
    drop((first, silent));
    until("there is a place again", async || scheduler.get("/v1/tasks").await.status == 200).await;
}

#[tokio::test]
async fn beyond_the_limit_of_requests_health_is_answered_and_work_refused_at_once() {
    let scheduler = Arc::new(Scheduler::with(Settings { requests: 2, ..Settings::default() }).await);
    until("it is ready", async || scheduler.get("/readyz").await.status == 200).await;
    scheduler.store.set_open(false);
    let post = || {
        let scheduler = Arc::clone(&scheduler);
        tokio::spawn(async move { scheduler.post("/v1/tasks", &json!({"command": "x"})).await })
    };
    let under_way = [post(), post()];
    until("both wait", async || scheduler.metric("distrack_intake_waiting").await == Some(2.0)).await;
    for path in ["/v1/tasks", "/status?task_id=x"] {
        let refused = scheduler.get(path).await;
        refused.problem(503, "overloaded");
        assert_eq!(refused.header("retry-after"), "1");
    }
    post().await.unwrap().problem(503, "overloaded");
    assert_eq!(scheduler.metric("distrack_tasks_rejected_total{reason=\"overloaded\"}").await, Some(1.0));
    for path in ["/livez", "/readyz", "/docs"] {
        assert_eq!(scheduler.get(path).await.status, 200, "{path}");
    }
    scheduler.store.set_open(true);
    for post in under_way {
        assert_eq!(post.await.unwrap().status, 201);
    }
    assert_eq!(scheduler.get("/v1/tasks").await.status, 200);
}

#[tokio::test]
async fn who_only_waits_for_the_end_of_a_task_takes_no_place_from_those_who_work() {
    let settings = Settings { requests: 1, connections: 6, ..Settings::default() };
    let scheduler = Scheduler::with(settings).await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(&scheduler.address).await.unwrap();
        let request = format!("GET /v1/tasks/{id}?wait=60 HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        // It has come as far as it goes once another one is worked on.
        until("there is a place", async || scheduler.get("/v1/tasks").await.status == 200).await;
        waiting.push(stream);
    }
    // As many may wait as half of the connections; one more is answered at once.
    until("another is answered as it stands", async || {
        let path = format!("/v1/tasks/{id}?wait=20");
        let asked = scheduler.get(&path);
        tokio::time::timeout(Duration::from_secs(5), asked).await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
    for mut stream in waiting {
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(String::from_utf8_lossy(&answer[..length]).contains("\"cancelled\""));
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let settings = Settings { answer_timeout: Duration::from_millis(300), ..Settings::default() };
    let scheduler = Scheduler::with(settings).await;
    let command = "x".repeat(60_000);
    let tasks: Vec<_> = (0..100).map(|_| json!({"command": command})).collect();
    for _ in 0..3 {
        assert_eq!(scheduler.post("/v1/tasks/batch", &json!({"tasks": tasks})).await.status, 201);
    }
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // What the kernel takes for it is not taken by it.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(scheduler.address.parse().unwrap()).await.unwrap();
    slow.write_all(b"GET /v1/tasks?limit=1000 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    slow.readable().await.unwrap();
    let own = slow.local_addr().unwrap();
    until("the scheduler lets go of it", async || !is_connected(&scheduler.address, own).await).await;
    let mut answer = Vec::new();
    let end = slow.read_to_end(&mut answer).await;
    assert!(end.is_err() || answer.len() < 18_000_000, "only a part of it came: {}", answer.len());
    assert_eq!(scheduler.get("/livez").await.status, 200);
}

/// Whether the scheduler's end of a connection is established.
async fn is_connected(scheduler: &str, client: std::net::SocketAddr) -> bool {
    let port = |address: &str| address.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    let ours = format!(":{:04X}", port(scheduler));
    let theirs = format!(":{:04X}", client.port());
    let table = tokio::fs::read_to_string("/proc/net/tcp").await.unwrap();
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[1].ends_with(&ours) && fields[2].ends_with(&theirs) && fields[3] == "01"
    })
}
