//! Who asked for what: noted with each change, and answered a page at a time.

use std::time::Duration;

use distrack_core::QueueName;
use distrack_scheduler::{Canary, Settings};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::fleet::exit;
use crate::support::{Answer, Scheduler, until};

async fn entries(scheduler: &Scheduler, query: &str) -> Vec<Value> {
    let answer = scheduler.get(&format!("/v1/audit{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["entries"].as_array().unwrap().clone()
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn each_change_is_noted_with_who_from_where_what_and_its_trace() {
    let scheduler = Scheduler::start().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let post = scheduler.request(Method::POST, "/v1/tasks").header("traceparent", parent);
    let body = json!({"command": "echo häuser", "queue": "q", "env_secret": {"TOKEN": "hunter2"}});
    let answer = Answer::of(post.json(&body)).await;
    let id = answer.json()["task_id"].as_str().unwrap().to_owned();
    scheduler.worker().await.run(id.parse().unwrap(), exit(1)).await;
    let again = scheduler.post_empty(&format!("/v1/tasks/{id}/retry")).await.json();
    let again = again["task_id"].as_str().unwrap().to_owned();
    assert_eq!(scheduler.post_empty(&format!("/v1/tasks/{again}/cancel")).await.status, 200);
    let found = entries(&scheduler, "").await;
    let of = |entry: &Value| [&entry["action"], &entry["task_id"], &entry["retry_of"]].map(Clone::clone);
    assert_eq!(
        found.iter().map(of).collect::<Vec<_>>(),
        [
            [json!("cancel"), json!(again), Value::Null],
            [json!("retry"), json!(again), json!(id)],
            [json!("submit"), json!(id), Value::Null],
        ]
    );
    let submit = &found[2];
    for (key, value) in [
        ("count", json!(1)),
        ("token", Value::Null),
        ("address", json!("127.0.0.1")),
        ("queue", json!("q")),
        ("command_sha256", json!(sha256("echo häuser"))),
        ("trace_id", json!("4bf92f3577b34da6a3ce929d0e0e4736")),
        ("last_task_id", Value::Null),
    ] {
        assert_eq!(submit[key], value, "{key}");
    }
    assert_eq!(found[1]["command_sha256"], submit["command_sha256"]);
    assert_eq!((&found[0]["queue"], &found[0]["command_sha256"]), (&json!("q"), &Value::Null));
    assert!(!format!("{found:?}").contains("hunter2"));
    assert_eq!(entries(&scheduler, &format!("?task={id}")).await, found[1..]);
    assert_eq!(entries(&scheduler, &format!("?task={again}")).await, found[..2]);
}

#[tokio::test]
async fn a_batch_is_one_entry_that_each_of_its_tasks_leads_to() {
    let scheduler = Scheduler::start().await;
    let body =
        json!({"tasks": [{"argv": ["echo", "a"]}, {"command": "b"}, {"command": "c", "queue": "other"}]});
    let tasks = scheduler.post("/v1/tasks/batch", &body).await.json();
    let id = |index: usize| tasks["tasks"][index]["task_id"].as_str().unwrap().to_owned();
    let found = entries(&scheduler, "").await;
    assert_eq!(found.len(), 1);
    let entry = &found[0];
    assert_eq!(
        (&entry["action"], &entry["count"], &entry["queue"]),
        (&json!("submit"), &json!(3), &Value::Null)
    );
    assert_eq!((&entry["task_id"], &entry["last_task_id"]), (&json!(id(0)), &json!(id(2))));
    let mut all = Sha256::new();
    ["echo\0a", "b", "c"].iter().for_each(|command| all.update(Sha256::digest(command)));
    let all: String = all.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(entry["command_sha256"], all);
    for index in 0..3 {
        assert_eq!(entries(&scheduler, &format!("?task={}", id(index))).await, found);
    }
}

#[tokio::test]
async fn what_changed_nothing_is_not_noted() {
    let scheduler = Scheduler::start().await;
    let task = json!({"command": "x", "delay_seconds": 3600});
    let id =
        scheduler.post_with_key("/v1/tasks", "k", &task).await.json()["task_id"].as_str().unwrap().to_owned();
    scheduler.post_with_key("/v1/tasks", "k", &task).await;
    scheduler.post_with_key("/v1/tasks", "k", &json!({"command": "other"})).await;
    scheduler.post("/v1/tasks", &json!({"command": ""})).await;
    scheduler.post_empty(&format!("/v1/tasks/{id}/retry")).await;
    scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
    scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
    scheduler.post_empty("/v1/tasks/0199d3a5-5b7e-7c31-9f0e-4f6a1c2d3e4f/cancel").await;
    let actions: Vec<Value> =
        entries(&scheduler, "").await.iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["cancel", "submit"]);
}

#[tokio::test]
async fn entries_come_a_page_at_a_time_and_since_an_instant() {
    let scheduler = Scheduler::start().await;
    for _ in 0..5 {
        scheduler.submit(&json!({"command": "x", "delay_seconds": 3600})).await;
    }
    let all = entries(&scheduler, "").await;
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = scheduler.get(&format!("/v1/audit{query}")).await.json();
        seen.extend(page["entries"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!((seen.len(), &seen), (5, &all));
    let at = all[2]["at"].as_str().unwrap();
    let recent = entries(&scheduler, &format!("?since={at}")).await;
    assert!(
        recent.len() >= 3 && recent.iter().all(|entry| entry["at"].as_str().unwrap() >= at),
        "{recent:?}"
    );
    let page = scheduler.get("/v1/audit?limit=2&since=2999-01-01T00:00:00Z").await.json();
    assert_eq!(page, json!({"entries": [], "next_cursor": null}));
    for (query, code) in
        [("cursor=x", "bad_cursor"), ("cursor=-1", "bad_cursor"), ("cursor=01", "bad_cursor")]
    {
        scheduler.get(&format!("/v1/audit?{query}")).await.problem(400, code);
    }
    for (query, field) in [
        ("task=x", "task"),
        ("since=x", "since"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("x=1", "x"),
    ] {
        assert_eq!(scheduler.get(&format!("/v1/audit?{query}")).await.problem(422, "invalid_field"), [field]);
    }
}

#[tokio::test]
async fn a_canary_that_nobody_asked_for_is_not_noted() {
    let canary = Canary { interval: Duration::from_secs(1), queue: QueueName::default() };
    let scheduler = Scheduler::with(Settings { canary: Some(canary), ..Settings::default() }).await;
    until("a canary is out", async || scheduler.store.count().await > 0).await;
    assert_eq!(entries(&scheduler, "").await, Vec::<Value>::new());
}
