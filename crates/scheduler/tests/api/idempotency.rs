//! One key, one task.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Scheduler};

#[tokio::test]
async fn the_same_key_and_request_give_the_same_task() {
    let scheduler = Scheduler::start().await;
    let first = scheduler.post_with_key("/v1/tasks", "k", &json!({"command": "x", "delay_seconds": 1})).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""));
    // Another order of fields and another spelling of a number are the same request, and so is the alias.
    for (path, body) in [
        ("/v1/tasks", json!({"command": "x", "delay_seconds": 1})),
        ("/v1/tasks", json!({"delay_seconds": 1.0, "command": "x", "queue": null})),
        ("/schedule", json!({"command": "x", "delay_seconds": 1})),
    ] {
        let again = scheduler.post_with_key(path, "k", &body).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"));
        assert_eq!(again.json()["task_id"], first.json()["task_id"]);
        assert_eq!(again.header("location"), first.header("location"));
    }
    assert_eq!(scheduler.store.count().await, 1);
    assert_eq!(scheduler.metric("distrack_idempotent_replays_total").await, Some(3.0));
    assert_eq!(
        scheduler.metric("distrack_tasks_scheduled_total{queue=\"default\",source=\"api\"}").await,
        Some(1.0)
    );
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused() {
    let scheduler = Scheduler::start().await;
    assert_eq!(scheduler.post_with_key("/v1/tasks", "k", &json!({"command": "x"})).await.status, 201);
    for body in [json!({"command": "y"}), json!({"command": "x", "priority": 1}), json!({"argv": ["x"]})] {
        let answer = scheduler.post_with_key("/v1/tasks", "k", &body).await;
        answer.problem(422, "idempotency_key_reused");
    }
    assert_eq!(scheduler.store.count().await, 1);
    // A secret is part of what was asked for, although nobody is shown it.
    let with = |secret: &str| json!({"command": "x", "env_secret": {"TOKEN": secret}});
    for (secret, status) in [("one", 201), ("one", 200), ("two", 422)] {
        assert_eq!(
            scheduler.post_with_key("/v1/tasks", "secret", &with(secret)).await.status,
            status,
            "{secret}"
        );
    }
    let reason = "distrack_tasks_rejected_total{reason=\"idempotency_key_reused\"}";
    assert_eq!(scheduler.metric(reason).await, Some(4.0));
}

#[tokio::test]
async fn two_at_once_give_one_task() {
    let scheduler = Scheduler::start().await;
    let body = json!({"command": "x"});
    let posts = (0..20).map(|_| scheduler.post_with_key("/v1/tasks", "k", &body));
    let answers = futures::future::join_all(posts).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let mut ids: Vec<_> = answers.iter().map(|answer| answer.json()["task_id"].to_string()).collect();
    ids.dedup();
    assert_eq!((created, ids.len(), scheduler.store.count().await), (1, 1, 1));
}

#[tokio::test]
async fn a_key_must_be_1_to_255_visible_ascii_characters() {
    let scheduler = Scheduler::start().await;
    let long = "k".repeat(256);
    for key in ["", " ", "a b", "schlüssel", &long] {
        let request = scheduler.request(Method::POST, "/v1/tasks").json(&json!({"command": "x"}));
        Answer::of(request.header("idempotency-key", key.as_bytes()))
            .await
            .problem(400, "bad_idempotency_key");
    }
    let twice = scheduler.request(Method::POST, "/v1/tasks").json(&json!({"command": "x"}));
    let twice = twice.header("idempotency-key", "a").header("idempotency-key", "b");
    Answer::of(twice).await.problem(400, "bad_idempotency_key");
    assert_eq!(scheduler.store.submit_calls(), 0);
    let longest = scheduler.post_with_key("/v1/tasks", &long[..255], &json!({"command": "x"})).await;
    assert_eq!(longest.status, 201);
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let scheduler = Scheduler::start().await;
    scheduler.post_with_key("/v1/tasks", "k", &json!({"command": ""})).await.problem(422, "invalid_field");
    assert_eq!(scheduler.post_with_key("/v1/tasks", "k", &json!({"command": "x"})).await.status, 201);
}
