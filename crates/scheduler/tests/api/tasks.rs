//! What a task looks like, by the old routes and the new.

use std::time::Duration;

use distrack_core::Outcome;
use distrack_core::outcome::Usage;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::fleet::exit;
use crate::support::{Answer, Scheduler};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn the_old_routes_are_kept_to_the_letter() {
    let scheduler = Scheduler::start().await;
    let answer = scheduler.post("/schedule", &json!({"command": "echo hello", "delay_seconds": 5})).await;
    assert_eq!(answer.status, 200);
    let task = answer.json();
    assert_eq!(task["command"], "echo hello");
    let id = task["task_id"].as_str().unwrap();
    let scheduled_at = task["scheduled_at"].as_str().unwrap();
    assert!(scheduled_at.len() == 24 && scheduled_at.ends_with('Z'), "{scheduled_at}");
    let status = scheduler.get(&format!("/status?task_id={id}")).await.json();
    assert_eq!(status, task);
    for key in ["picked_at", "started_at", "completed_at", "failed_at"] {
        assert_eq!(status[key], Value::Null, "{key}");
    }
    let id = scheduler.submit(&json!({"command": "true"})).await;
    scheduler.worker().await.run(id, Outcome::success()).await;
    let status = scheduler.get(&format!("/status?task_id={id}")).await.json();
    for key in ["scheduled_at", "picked_at", "started_at", "completed_at"] {
        assert!(status[key].is_string(), "{key}");
    }
    assert_eq!(status["failed_at"], Value::Null);
}

#[tokio::test]
async fn a_task_comes_back_as_it_was_asked_for_without_the_values_of_its_variables() {
    let scheduler = Scheduler::start().await;
    let body = json!({
        "argv": ["sh", "-c", "true"], "delay_seconds": 1.25, "expires_at": "2099-01-31T12:00:00.5+01:00",
        "queue": "q.1", "priority": -7, "env": {"TOKEN": "hush", "A": "1"}, "env_secret": {"KEY": "hush", "B": "hush"}, "cwd": "/tmp", "timeout": "1h30m",
        "max_attempts": 3, "backoff": {"initial": "500ms", "max": 60}, "on_lost": "fail",
        "on_output_limit": "fail", "executor": "noop", "labels": {"team": "a"}, "requires": {"gpu": "true"},
    });
    let answer = scheduler.post("/v1/tasks", &body).await;
    assert_eq!(answer.status, 201);
    assert!(!answer.text.contains("hush"));
    let task = answer.json();
    let id = task["task_id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/v1/tasks/{id}"));
    for (key, value) in [
        ("state", json!("pending")),
        ("argv", json!(["sh", "-c", "true"])),
        ("queue", json!("q.1")),
        ("priority", json!(-7)),
        ("env_names", json!(["A", "TOKEN"])),
        ("env_secret", json!(["B", "KEY"])),
        ("cwd", json!("/tmp")),
        ("timeout", json!(5400.0)),
        ("max_attempts", json!(3)),
        ("backoff", json!({"initial": 0.5, "max": 60.0})),
        ("on_lost", json!("fail")),
        ("on_output_limit", json!("fail")),
        ("executor", json!("noop")),
        ("labels", json!({"team": "a"})),
        ("requires", json!({"gpu": "true"})),
        ("expires_at", json!("2099-01-31T11:00:00.500Z")),
        ("attempt", json!(0)),
        ("failures", json!(0)),
        ("losses", json!(0)),
        ("usage", Value::Null),
        ("retry_of", Value::Null),
    ] {
        assert_eq!(task[key], value, "{key}");
    }
    assert_eq!(task.get("command"), None);
    let stored = scheduler.store.task(id.parse().unwrap()).await;
    assert_eq!(stored.scheduled_at - stored.created_at, chrono::TimeDelta::milliseconds(1250));
    assert_eq!((&*stored.spec.env["TOKEN"], stored.spec.env_secret["KEY"].expose()), ("hush", "hush"));
    for (name, link) in task["links"].as_object().unwrap() {
        assert_eq!(scheduler.get(link.as_str().unwrap()).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn an_instant_is_honoured_to_the_millisecond() {
    let scheduler = Scheduler::start().await;
    let body = json!({"command": "x", "scheduled_at": "2030-05-06T07:08:09.123+02:00"});
    let task = scheduler.post("/v1/tasks", &body).await.json();
    assert_eq!(task["scheduled_at"], "2030-05-06T05:08:09.123Z");
}

#[tokio::test]
async fn a_failure_says_why_and_what_was_used() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "false"})).await;
    let usage = Usage {
        max_rss_bytes: Some(4096),
        cpu_user: Duration::from_millis(1500),
        cpu_system: Duration::from_millis(250),
    };
    scheduler.worker().await.run(id, Outcome { usage: Some(usage), ..exit(3) }).await;
    let task = scheduler.get(&format!("/v1/tasks/{id}")).await.json();
    assert_eq!(
        (&task["state"], &task["exit_code"], &task["cause"]),
        (&json!("failed"), &json!(3), &json!("exit_code"))
    );
    assert_eq!((&task["error"], &task["worker"]), (&json!("exit code 3"), &json!("w1")));
    assert_eq!(
        task["usage"],
        json!({"max_rss_bytes": 4096, "cpu_user_seconds": 1.5, "cpu_system_seconds": 0.25})
    );
    assert!(task["failed_at"].is_string() && task["completed_at"].is_null());
    let attempts = scheduler.get(&format!("/v1/tasks/{id}/attempts")).await.json();
    let attempt = &attempts["attempts"][0];
    assert_eq!(
        (&attempt["attempt"], &attempt["succeeded"], &attempt["cause"]),
        (&json!(1), &json!(false), &json!("exit_code"))
    );
}

#[tokio::test]
async fn a_callers_trace_is_joined_and_a_malformed_one_ignored() {
    let scheduler = Scheduler::start().await;
    let submit = async |headers: &[(&str, &str)]| {
        let mut request = scheduler.request(Method::POST, "/schedule").json(&json!({"command": "x"}));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 200);
        let task = answer.json();
        let stored = scheduler.store.task(task["task_id"].as_str().unwrap().parse().unwrap()).await;
        assert_eq!(task["trace_id"], stored.trace.trace_id.to_string());
        stored.trace
    };
    let joined = submit(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]).await;
    // Nothing is recorded between the caller and its task.
    assert_eq!((joined.traceparent().as_str(), joined.state.as_str()), (PARENT, "a=1,b=2"));
    let bad = [("traceparent", "00-zz-00f067aa0ba902b7-01"), ("tracestate", "a=1")];
    let twice = [("traceparent", PARENT), ("traceparent", PARENT)];
    let (first, second) = (submit(&bad).await, submit(&twice).await);
    assert_ne!(first.trace_id, second.trace_id);
    assert!(first.state.is_empty() && second.trace_id != joined.trace_id);
    assert!(!first.is_sampled(), "nobody records it");
    let refused = scheduler.request(Method::POST, "/schedule").header("traceparent", PARENT);
    let refused = Answer::of(refused.json(&json!({}))).await;
    assert_eq!(refused.json()["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(refused.json()["instance"], "/schedule");
}

#[tokio::test]
async fn a_request_id_is_echoed() {
    let scheduler = Scheduler::start().await;
    let asked = async |id: &str| {
        Answer::of(scheduler.request(Method::GET, "/livez").header("x-request-id", id)).await
    };
    assert_eq!(asked("abc-1").await.header("x-request-id"), "abc-1");
    assert_eq!(asked("not this one").await.header("x-request-id"), "");
}
