//! Cancelling and repeating tasks.

use distrack_core::{Outcome, TaskId, TaskState};
use distrack_store::{Registration, Store};
use serde_json::{Value, json};

use crate::support::fleet::{exit, stranger};
use crate::support::{Scheduler, Worker};

/// A task that came to this state by the ways of a fleet, in a queue of its own.
async fn in_state(scheduler: &Scheduler, state: TaskState) -> TaskId {
    let queue = state.as_str();
    let registration = Registration { queues: Some(vec![queue.parse().unwrap()]), ..stranger() };
    let worker = Worker::join_as(scheduler.store.real(), registration).await;
    let expires_at = (state == TaskState::Expired).then_some("2001-01-01T00:00:00Z");
    let id = scheduler.submit(&json!({"command": "x", "queue": queue, "expires_at": expires_at})).await;
    match state {
        TaskState::Pending => {}
        TaskState::Dispatched => _ = worker.hold(id).await,
        TaskState::Running => _ = worker.start(id).await,
        TaskState::Completed => worker.run(id, Outcome::success()).await,
        TaskState::Failed => worker.run(id, exit(1)).await,
        TaskState::Cancelled => _ = scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await,
        TaskState::Expired => _ = scheduler.store.real().sweep(10, None).await.unwrap(),
    }
    assert_eq!(scheduler.store.task(id).await.state, state);
    id
}

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
        let id = in_state(&scheduler, state).await;
        let answer = scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
        assert_eq!((answer.status, &answer.json()["state"]), (202, &json!(state.as_str())));
        assert!(answer.json()["cancel_requested_at"].is_string());
    }
}

#[tokio::test]
async fn a_task_that_ended_cannot_be_cancelled() {
    let scheduler = Scheduler::start().await;
    for state in [TaskState::Completed, TaskState::Failed, TaskState::Cancelled, TaskState::Expired] {
        let id = in_state(&scheduler, state).await;
        scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await.problem(409, "task_ended");
        assert_eq!(scheduler.store.task(id).await.state, state);
    }
}

#[tokio::test]
async fn a_cancel_is_answered_even_if_the_task_cannot_be_read_after_it() {
    let scheduler = Scheduler::start().await;
    let waiting = in_state(&scheduler, TaskState::Pending).await;
    let held = in_state(&scheduler, TaskState::Running).await;
    scheduler.store.set_blind(true);
    for (id, status, state) in [(waiting, 200, json!("cancelled")), (held, 202, Value::Null)] {
        let answer = scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
        assert_eq!((answer.status, &answer.json()["state"]), (status, &state), "{}", answer.text);
        assert_eq!(answer.json()["task_id"], id.to_string());
        assert_eq!(answer.json()["links"]["self"], format!("/v1/tasks/{id}"));
    }
    assert_eq!(scheduler.store.task(waiting).await.state, TaskState::Cancelled);
}

#[tokio::test]
async fn a_retry_is_a_new_task_that_names_the_first() {
    let scheduler = Scheduler::start().await;
    let body = json!({
        "command": "false", "delay_seconds": 0.01, "expires_at": "2099-01-01T00:00:00Z", "queue": "q",
        "priority": 5, "env": {"A": "1"}, "env_secret": {"TOKEN": "hush"}, "max_attempts": 1, "labels": {"k": "v"},
    });
    let id = scheduler.submit(&body).await;
    scheduler.worker().await.run(id, exit(1)).await;
    let answer = scheduler.post_empty(&format!("/v1/tasks/{id}/retry")).await;
    assert_eq!(answer.status, 201);
    let again = answer.json();
    assert_eq!(again["retry_of"], id.to_string());
    assert_eq!(answer.header("location"), format!("/v1/tasks/{}", again["task_id"].as_str().unwrap()));
    let again = scheduler.store.task(again["task_id"].as_str().unwrap().parse().unwrap()).await;
    let first = scheduler.store.task(id).await;
    assert_ne!(again.id, first.id);
    assert_eq!(again.spec.env_secret["TOKEN"].expose(), "hush");
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
        let id = in_state(&scheduler, state).await;
        let before = scheduler.store.count().await;
        let answer = scheduler.post_empty(&format!("/v1/tasks/{id}/retry")).await;
        if permitted {
            assert_eq!(answer.status, 201, "{state}");
        } else {
            answer.problem(409, "task_not_retryable");
        }
        assert_eq!(scheduler.store.count().await - before, usize::from(permitted), "{state}");
    }
}

#[tokio::test]
async fn a_retry_under_one_key_is_made_once() {
    let scheduler = Scheduler::start().await;
    let id = in_state(&scheduler, TaskState::Failed).await;
    let path = format!("/v1/tasks/{id}/retry");
    let first = scheduler.post_with_key(&path, "k", &json!({})).await;
    let again = scheduler.post_with_key(&path, "k", &json!({})).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json()["task_id"], again.json()["task_id"]);
    assert_eq!(scheduler.store.count().await, 2);
}
