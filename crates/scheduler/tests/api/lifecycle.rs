//! Cancelling and repeating tasks.

use distrack_core::{Cause, Outcome, TaskState};
use serde_json::json;

use crate::support::Scheduler;

#[tokio::test]
async fn a_waiting_task_is_cancelled_at_once() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let answer = scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("cancelled")));
    assert!(answer.json()["cancelled_at"].is_string());
}

#[tokio::test]
async fn a_held_task_is_asked_to_stop() {
    let scheduler = Scheduler::start().await;
    for state in [TaskState::Dispatched, TaskState::Running] {
        let id = scheduler.submit(&json!({"command": "x"})).await;
        scheduler.store.change(id, |task| task.state = state);
        let answer = scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
        assert_eq!((answer.status, &answer.json()["state"]), (202, &json!(state.as_str())));
        assert!(answer.json()["cancel_requested_at"].is_string());
    }
}

#[tokio::test]
async fn a_task_that_ended_cannot_be_cancelled() {
    let scheduler = Scheduler::start().await;
    for state in [TaskState::Completed, TaskState::Failed, TaskState::Cancelled, TaskState::Expired] {
        let id = scheduler.submit(&json!({"command": "x"})).await;
        scheduler.store.change(id, |task| task.state = state);
        scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await.problem(409, "task_ended");
        assert_eq!(scheduler.store.task(id).state, state);
    }
}

#[tokio::test]
async fn a_retry_is_a_new_task_that_names_the_first() {
    let scheduler = Scheduler::start().await;
    let body = json!({
        "command": "false", "delay_seconds": 60, "expires_at": "2001-01-01T00:00:00Z", "queue": "q",
        "priority": 5, "env": {"A": "1"}, "max_attempts": 2, "labels": {"k": "v"},
    });
    let id = scheduler.submit(&body).await;
    scheduler.store.end(id, TaskState::Failed, Outcome::failure(Cause::ExitCode, "exit code 1"));
    let answer = scheduler.post_empty(&format!("/v1/tasks/{id}/retry")).await;
    assert_eq!(answer.status, 201);
    let again = answer.json();
    assert_eq!(again["retry_of"], id.to_string());
    assert_eq!(answer.header("location"), format!("/v1/tasks/{}", again["task_id"].as_str().unwrap()));
    let again = scheduler.store.task(again["task_id"].as_str().unwrap().parse().unwrap());
    let first = scheduler.store.task(id);
    assert_ne!(again.id, first.id);
    assert_eq!((&again.spec, &again.queue, again.priority), (&first.spec, &first.queue, first.priority));
    assert_eq!((again.policy, &again.labels), (first.policy, &first.labels));
    assert_eq!((again.expires_at, again.scheduled_at, again.attempt), (None, again.created_at, 0));
    assert_eq!((again.state, first.state), (TaskState::Pending, TaskState::Failed));
}

#[tokio::test]
async fn only_what_ended_without_success_can_be_retried() {
    let scheduler = Scheduler::start().await;
    for (state, permitted) in [
        (TaskState::Pending, false),
        (TaskState::Dispatched, false),
        (TaskState::Running, false),
        (TaskState::Completed, false),
        (TaskState::Failed, true),
        (TaskState::Cancelled, true),
        (TaskState::Expired, true),
    ] {
        let id = scheduler.submit(&json!({"command": "x"})).await;
        scheduler.store.change(id, |task| task.state = state);
        let before = scheduler.store.count();
        let answer = scheduler.post_empty(&format!("/v1/tasks/{id}/retry")).await;
        if permitted {
            assert_eq!(answer.status, 201, "{state}");
        } else {
            answer.problem(409, "task_not_retryable");
        }
        assert_eq!(scheduler.store.count() - before, usize::from(permitted), "{state}");
    }
}

#[tokio::test]
async fn a_retry_under_one_key_is_made_once() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    scheduler.store.change(id, |task| task.state = TaskState::Failed);
    let path = format!("/v1/tasks/{id}/retry");
    let first = scheduler.post_with_key(&path, "k", &json!({})).await;
    let again = scheduler.post_with_key(&path, "k", &json!({})).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json()["task_id"], again.json()["task_id"]);
    assert_eq!(scheduler.store.count(), 2);
}
