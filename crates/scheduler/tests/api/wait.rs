//! `?wait=` answers with the end of a task, without a connection for each who waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use distrack_core::{Outcome, TaskId};
use distrack_store::{CancelAnswer, Store};
use serde_json::json;

use crate::support::fleet::exit;
use crate::support::{Scheduler, until};

async fn only_task(scheduler: &Scheduler) -> TaskId {
    until("the task is stored", async || scheduler.store.count().await == 1).await;
    let list = scheduler.get("/v1/tasks").await.json();
    list["tasks"][0]["task_id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_submission_answers_with_the_outcome_if_it_comes_in_time() {
    for (path, status) in [("/v1/tasks?wait=30s", 201), ("/schedule?wait=30", 200)] {
        let scheduler = Arc::new(Scheduler::start().await);
        let worker = scheduler.worker().await;
        let post = {
            let scheduler = Arc::clone(&scheduler);
            tokio::spawn(async move { scheduler.post(path, &json!({"command": "x"})).await })
        };
        worker.run(only_task(&scheduler).await, Outcome::success()).await;
        let answer = post.await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!((&answer.json()["state"], &answer.json()["exit_code"]), (&json!("completed"), &json!(0)));
    }
}

#[tokio::test]
async fn a_task_can_be_waited_for_by_both_routes_and_by_many() {
    let scheduler = Arc::new(Scheduler::start().await);
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let paths = [format!("/v1/tasks/{id}?wait=30"), format!("/status?task_id={id}&wait=30s")];
    let waits: Vec<_> = (0..40)
        .map(|n| {
            let (scheduler, path) = (Arc::clone(&scheduler), paths[n % 2].clone());
            tokio::spawn(async move { scheduler.get(&path).await.json()["state"].clone() })
        })
        .collect();
    until("all looked once", async || scheduler.store.gets.load(Ordering::SeqCst) >= 40).await;
    scheduler.worker().await.run(id, exit(1)).await;
    for wait in waits {
        assert_eq!(wait.await.unwrap(), json!("failed"));
    }
    // Each looked once for itself; one loop looked for all of them.
    assert!(scheduler.store.gets.load(Ordering::SeqCst) < 60);
}

#[tokio::test]
async fn an_end_without_a_hint_is_found_too() {
    let scheduler = Arc::new(Scheduler::start().await);
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let wait = {
        let scheduler = Arc::clone(&scheduler);
        tokio::spawn(async move {
            scheduler.get(&format!("/v1/tasks/{id}?wait=30")).await.json()["state"].clone()
        })
    };
    until("it looked once", async || scheduler.store.gets.load(Ordering::SeqCst) >= 1).await;
    assert_eq!(scheduler.store.elsewhere().cancel(id).await.unwrap(), CancelAnswer::Cancelled);
    assert_eq!(wait.await.unwrap(), json!("cancelled"));
}

#[tokio::test]
async fn a_task_that_ended_is_answered_at_once() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    scheduler.worker().await.run(id, Outcome::success()).await;
    let began = Instant::now();
    assert_eq!(scheduler.get(&format!("/v1/tasks/{id}?wait=60")).await.json()["state"], "completed");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_wait_that_is_over_answers_the_task_as_it_stands() {
    let scheduler = Scheduler::start().await;
    let answer = scheduler.post("/v1/tasks?wait=50ms", &json!({"command": "x"})).await;
    assert_eq!((answer.status, &answer.json()["state"]), (201, &json!("pending")));
    let id = answer.json()["task_id"].as_str().unwrap().to_owned();
    let answer = scheduler.get(&format!("/v1/tasks/{id}?wait=0.05")).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("pending")));
}

#[tokio::test]
async fn an_accepted_task_is_answered_even_if_the_database_goes_away_meanwhile() {
    let scheduler = Arc::new(Scheduler::start().await);
    let post = {
        let scheduler = Arc::clone(&scheduler);
        tokio::spawn(async move { scheduler.post("/v1/tasks?wait=500ms", &json!({"command": "x"})).await })
    };
    until("the task is stored", async || scheduler.store.count().await == 1).await;
    scheduler.store.set_down(true);
    let answer = post.await.unwrap();
    assert_eq!((answer.status, &answer.json()["state"]), (201, &json!("pending")));
}

#[tokio::test]
async fn a_shutdown_ends_waits_early_and_answers_them() {
    let scheduler = Arc::new(Scheduler::start().await);
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let wait = {
        let scheduler = Arc::clone(&scheduler);
        tokio::spawn(async move { scheduler.get(&format!("/v1/tasks/{id}?wait=60")).await })
    };
    until("it looked once", async || scheduler.store.gets.load(Ordering::SeqCst) >= 1).await;
    scheduler.shutdown.cancel();
    let answer = tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap().unwrap();
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("pending")));
}
