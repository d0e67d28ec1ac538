//! What holds for a connection, below the routes.

use std::time::Duration;

use distrack_scheduler::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Scheduler;

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
async fn a_connection_beyond_the_limit_waits_until_another_is_closed() {
    let scheduler = Scheduler::with(Settings { connections: 1, ..Settings::default() }).await;
    let mut first = TcpStream::connect(&scheduler.address).await.unwrap();
    assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
    let mut second = TcpStream::connect(&scheduler.address).await.unwrap();
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    // Whoever is served would have been answered while the first was, so many times.
    for _ in 0..50 {
        assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
    }
    let mut answer = [0; 4096];
    assert!(second.try_read(&mut answer).is_err(), "nobody reads the second");
    drop(first);
    let read = tokio::time::timeout(Duration::from_secs(10), second.read(&mut answer));
    let length = read.await.expect("it has its turn").unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
}
