//! Submissions share commits, and only so many may wait.

use std::sync::Arc;
use std::time::Duration;

use distrack_scheduler::Settings;
use distrack_store::SubmitMode;
use serde_json::json;

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
    assert_eq!(scheduler.store.count(), 2);
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
    assert_eq!(scheduler.store.count(), 2);
}

#[tokio::test]
async fn a_database_that_hangs_is_503_and_the_next_submission_is_stored() {
    let settings = Settings { store_timeout: Duration::from_millis(100), ..Settings::default() };
    let scheduler = Scheduler::with(settings).await;
    scheduler.store.set_open(false);
    let hung = scheduler.post("/v1/tasks", &json!({"command": "x"})).await;
    hung.problem(503, "database_unavailable");
    scheduler.store.set_open(true);
    assert_eq!(scheduler.post("/v1/tasks", &json!({"command": "x"})).await.status, 201);
}
