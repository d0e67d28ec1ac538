//! What failed is found in the log by the trace id that the client was shown.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::support::{Answer, Scheduler, log};

/// The one line about a refusal.
#[track_caller]
fn line_of(answer: &Answer) -> serde_json::Value {
    let trace_id = answer.json()["trace_id"].as_str().unwrap().to_owned();
    let lines = log::about(&trace_id);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[tokio::test]
async fn each_failure_has_one_line_with_its_trace_id_and_its_cause() {
    log::keep();
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let path = format!("/v1/tasks/{id}");
    let refused = scheduler.post("/v1/tasks", &json!({"command": "cannot be stored"})).await;
    let broken = scheduler.post("/v1/tasks", &json!({"command": "panic"})).await;
    scheduler.store.panics.store(true, Ordering::SeqCst);
    let panicked = scheduler.get(&path).await;
    scheduler.store.breaks_off.store(true, Ordering::SeqCst);
    let unknown = scheduler.post("/v1/tasks", &json!({"command": "x"})).await;
    scheduler.store.set_down(true);
    let away = scheduler.get(&path).await;
    for (answer, level, method, path, code, cause) in [
        (refused, "ERROR", "POST", "/v1/tasks", "internal", "secret statement"),
        (broken, "ERROR", "POST", "/v1/tasks", "internal", "commit broke off"),
        (panicked, "ERROR", "GET", path.as_str(), "internal", "told to panic"),
        (away, "WARN", "GET", path.as_str(), "database_unavailable", "secret-host"),
        (unknown, "WARN", "POST", "/v1/tasks", "commit_unknown", "secret-host"),
    ] {
        let line = line_of(&answer);
        assert!(!answer.text.contains(cause), "{}", answer.text);
        for (key, value) in [("level", level), ("method", method), ("path", path), ("code", code)] {
            assert_eq!(line[key], value, "{line}");
        }
        assert!(line["cause"].as_str().unwrap().contains(cause), "{line}");
        let about = path.ends_with(&id.to_string()).then(|| id.to_string());
        assert_eq!(line.get("task_id").and_then(|id| id.as_str()), about.as_deref(), "{line}");
    }
}

#[tokio::test]
async fn a_clients_own_mistake_is_not_logged() {
    log::keep();
    let scheduler = Scheduler::start().await;
    let mistake = scheduler.post("/v1/tasks", &json!({"command": ""})).await;
    mistake.problem(422, "invalid_field");
    let trace_id = mistake.json()["trace_id"].as_str().unwrap().to_owned();
    assert!(log::about(&trace_id).is_empty());
}
