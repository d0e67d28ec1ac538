//! A batch is accepted as a whole, or not at all.

use distrack_store::SubmitMode;
use serde_json::{Value, json};

use crate::support::Scheduler;

fn numbered(count: usize) -> Value {
    json!({"tasks": (0..count).map(|n| json!({"command": format!("echo {n}")})).collect::<Vec<_>>()})
}

#[tokio::test]
async fn tasks_are_answered_in_the_order_in_which_they_were_sent() {
    let scheduler = Scheduler::start().await;
    let answer = scheduler.post("/v1/tasks/batch", &numbered(300)).await;
    assert_eq!(answer.status, 201);
    let answer = answer.json();
    let commands: Vec<&str> =
        answer["tasks"].as_array().unwrap().iter().map(|task| task["command"].as_str().unwrap()).collect();
    let expected: Vec<String> = (0..300).map(|n| format!("echo {n}")).collect();
    assert_eq!(commands, expected);
    assert_eq!(*scheduler.store.submits.lock().unwrap(), [(300, SubmitMode::AllOrNone)]);
    assert_eq!(scheduler.store.count().await, 300);
    assert_eq!(
        scheduler.metric("distrack_tasks_scheduled_total{queue=\"default\",source=\"batch\"}").await,
        Some(300.0)
    );
}

#[tokio::test]
async fn the_largest_batch_is_accepted() {
    let scheduler = Scheduler::start().await;
    assert_eq!(scheduler.post("/v1/tasks/batch", &numbered(10_000)).await.status, 201);
    assert_eq!(scheduler.store.count().await, 10_000);
}

#[tokio::test]
async fn one_bad_task_refuses_all() {
    let scheduler = Scheduler::start().await;
    let mut body = numbered(10);
    body["tasks"][7]["command"] = json!("");
    let fields = scheduler.post("/v1/tasks/batch", &body).await.problem(422, "invalid_field");
    assert_eq!(fields, ["tasks[7].command"]);
    assert_eq!(scheduler.store.submit_calls(), 0);
}

#[tokio::test]
async fn a_batch_can_be_repeated_under_its_key_but_not_changed() {
    let scheduler = Scheduler::start().await;
    let first = scheduler.post_with_key("/v1/tasks/batch", "k", &numbered(3)).await;
    assert_eq!(first.status, 201);
    let again = scheduler.post_with_key("/v1/tasks/batch", "k", &numbered(3)).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"));
    assert_eq!(again.json(), first.json());
    for other in [numbered(2), numbered(4)] {
        let answer = scheduler.post_with_key("/v1/tasks/batch", "k", &other).await;
        answer.problem(422, "idempotency_key_reused");
    }
    assert_eq!(scheduler.store.count().await, 3);
    // The key of a batch is no key of a task.
    assert_eq!(scheduler.post_with_key("/v1/tasks", "k", &json!({"command": "x"})).await.status, 201);
}

#[tokio::test]
async fn a_batch_that_the_database_refuses_is_an_error_of_ours_without_its_words() {
    let scheduler = Scheduler::start().await;
    let body = json!({"tasks": [{"command": "cannot be stored"}, {"command": "x"}]});
    let answer = scheduler.post("/v1/tasks/batch", &body).await;
    answer.problem(500, "internal");
    assert!(!answer.text.contains("secret"), "{}", answer.text);
    assert_eq!(scheduler.store.count().await, 0);
}
