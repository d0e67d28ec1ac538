//! Submissions share commits, and only so many may wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use distrack_scheduler::Settings;
use distrack_store::SubmitMode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Scheduler, until};

#[tokio::test]
async fn what_arrives_during_a_commit_shares_the_next_one() {
    let scheduler = Arc::new(Scheduler::start().await);
    scheduler.store.set_open(false);
    let post = || {
        let scheduler = Arc::clone(&scheduler);
        tokio::spawn(async move { scheduler.post("/v1/tasks", &json!({"command": "x"})).await.status })
    };
    let mut posts = vec![post()];
    until("the first commit began", async || scheduler.store.submit_calls() == 1).await;
    posts.extend((0..30).map(|_| post()));
    until("all wait", async || scheduler.metric("distrack_intake_waiting").await == Some(31.0)).await;
    scheduler.store.set_open(true);
    for post in posts {
        assert_eq!(post.await.unwrap(), 201);
    }
    assert_eq!(*scheduler.store.submits.lock().unwrap(), [(1, SubmitMode::Each), (30, SubmitMode::Each)]);
    assert_eq!(scheduler.metric("distrack_intake_waiting").await, Some(0.0));
    assert_eq!(scheduler.metric("distrack_submit_batch_size_sum").await, Some(31.0));
}

#[tokio::test]
async fn a_full_intake_refuses_with_503_and_stores_nothing_of_it() {
    let settings = Settings { intake_limit: 2, ..Settings::default() };
    let scheduler = Arc::new(Scheduler::with(settings).await);
    scheduler.store.set_open(false);
    let post = || {
        let scheduler = Arc::clone(&scheduler);
        tokio::spawn(async move { scheduler.post("/v1/tasks", &json!({"command": "x"})).await })
    };
    let waiting = [post(), post()];
    until("both wait", async || scheduler.metric("distrack_intake_waiting").await == Some(2.0)).await;
    let refused = post().await.unwrap();
    refused.problem(503, "intake_full");
    assert_eq!(refused.header("retry-after"), "1");
    scheduler.store.set_open(true);
    for post in waiting {
        assert_eq!(post.await.unwrap().status, 201);
    }
    assert_eq!(scheduler.store.count().await, 2);
    assert_eq!(post().await.unwrap().status, 201);
    assert_eq!(scheduler.metric("distrack_tasks_rejected_total{reason=\"intake_full\"}").await, Some(1.0));
}

#[tokio::test]
async fn a_row_that_the_database_refuses_does_not_refuse_its_neighbours() {
    let scheduler = Arc::new(Scheduler::start().await);
    scheduler.store.set_open(false);
    let post = |command: &'static str| {
        let scheduler = Arc::clone(&scheduler);
        tokio::spawn(async move { scheduler.post("/v1/tasks", &json!({"command": command})).await.status })
    };
    let first = post("x");
    until("the first commit began", async || scheduler.store.submit_calls() == 1).await;
    let (good, bad) = (post("x"), post("cannot be stored"));
    until("all wait", async || scheduler.metric("distrack_intake_waiting").await == Some(3.0)).await;
    scheduler.store.set_open(true);
    assert_eq!((first.await.unwrap(), good.await.unwrap(), bad.await.unwrap()), (201, 201, 500));
    assert_eq!(scheduler.store.count().await, 2);
}

#[tokio::test]
async fn a_database_that_hangs_is_503_and_the_next_submission_is_stored() {
    let settings = Settings { store_timeout: Duration::from_secs(3), ..Settings::default() };
    let scheduler = Scheduler::with(settings).await;
    scheduler.store.set_open(false);
    let hung = scheduler.post("/v1/tasks", &json!({"command": "x"})).await;
    hung.problem(503, "commit_unknown");
    scheduler.store.set_open(true);
    assert_eq!(scheduler.post("/v1/tasks", &json!({"command": "x"})).await.status, 201);
}

#[tokio::test]
async fn a_submission_whose_answer_was_lost_is_said_to_be_unknown_and_can_be_repeated_by_its_key() {
    let scheduler = Scheduler::start().await;
    let batch = json!({"tasks": [{"command": "x"}]});
    for (path, body) in [("/schedule", json!({"command": "x"})), ("/v1/tasks/batch", batch)] {
        scheduler.store.breaks_off.store(true, Ordering::SeqCst);
        let lost = scheduler.post_with_key(path, path, &body).await;
        lost.problem(503, "commit_unknown");
        assert_eq!(lost.header("retry-after"), "1");
        let detail = lost.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("unknown") && detail.contains("Idempotency-Key"), "{detail}");
        assert!(!lost.text.contains("secret"), "{}", lost.text);
        let again = scheduler.post_with_key(path, path, &body).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"), "{path}");
    }
    assert_eq!(scheduler.store.count().await, 2);
}

#[tokio::test]
async fn a_submission_while_the_database_is_away_is_said_to_have_stored_nothing() {
    let scheduler = Scheduler::start().await;
    scheduler.store.set_down(true);
    scheduler.post("/v1/tasks", &json!({"command": "x"})).await.problem(503, "database_unavailable");
    let batch = json!({"tasks": [{"command": "x"}]});
    scheduler.post("/v1/tasks/batch", &batch).await.problem(503, "database_unavailable");
    scheduler.get("/v1/tasks").await.problem(503, "database_unavailable");
}

#[tokio::test]
async fn a_batch_beyond_those_under_way_is_refused_before_its_body_is_read() {
    let scheduler = Arc::new(Scheduler::start().await);
    scheduler.store.set_open(false);
    let post = || {
        let scheduler = Arc::clone(&scheduler);
        let body = json!({"tasks": [{"command": "x"}]});
        tokio::spawn(async move { scheduler.post("/v1/tasks/batch", &body).await })
    };
    let under_way: Vec<_> = (0..16).map(|_| post()).collect();
    until("all are being stored", async || scheduler.store.submit_calls() == 16).await;
    let refused = post().await.unwrap();
    refused.problem(503, "intake_full");
    assert_eq!(refused.header("retry-after"), "1");
    let mut stream = TcpStream::connect(&scheduler.address).await.unwrap();
    let head = "POST /v1/tasks/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("intake_full"), "{answer}");
    scheduler.store.set_open(true);
    for post in under_way {
        assert_eq!(post.await.unwrap().status, 201);
    }
    assert_eq!(post().await.unwrap().status, 201);
    assert_eq!(scheduler.store.count().await, 17);
}
