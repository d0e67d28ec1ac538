//! The service itself: ready when the database is, stopped without losing what it took in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use distrack_scheduler::Settings;
use distrack_store::{Registration, Store};
use serde_json::json;

use crate::support::fleet::stranger;
use crate::support::{FaultyStore, Scheduler, Worker, until};

#[tokio::test]
async fn readiness_follows_the_database() {
    let scheduler = Scheduler::over(FaultyStore::empty(), Settings::default()).await;
    assert_eq!(scheduler.get("/livez").await.status, 200);
    until("the reason is the schema", async || scheduler.get("/readyz").await.text.contains("migration"))
        .await;
    let reason = scheduler.get("/readyz").await;
    assert_eq!(reason.status, 503);
    assert!(reason.text.starts_with("schema is at migration 0, this build needs "), "{}", reason.text);
    assert!(reason.text.ends_with(": run `distrack migrate`\n"), "{}", reason.text);
    scheduler.store.real().migrate().await.unwrap();
    until("it is ready", async || scheduler.get("/readyz").await.status == 200).await;
    scheduler.store.set_down(true);
    until("it is not ready", async || scheduler.get("/readyz").await.status == 503).await;
    let reason = scheduler.get("/readyz").await.text;
    assert_eq!(reason, "the database is unavailable: connection refused at secret-host:5432\n");
    scheduler.store.set_down(false);
    until("it is ready again", async || scheduler.get("/readyz").await.status == 200).await;
}

#[tokio::test]
async fn a_shutdown_answers_what_was_taken_in_and_accepts_no_more() {
    let scheduler = Arc::new(Scheduler::start().await);
    scheduler.store.set_open(false);
    let posts: Vec<_> = (0..10)
        .map(|_| {
            let scheduler = Arc::clone(&scheduler);
            tokio::spawn(async move { scheduler.post("/v1/tasks", &json!({"command": "x"})).await.status })
        })
        .collect();
    until("all wait", async || scheduler.metric("distrack_intake_waiting").await == Some(10.0)).await;
    scheduler.shutdown.cancel();
    until("nothing is accepted", async || tokio::net::TcpStream::connect(&scheduler.address).await.is_err())
        .await;
    assert!(!scheduler.served.is_finished());
    scheduler.store.set_open(true);
    for post in posts {
        assert_eq!(post.await.unwrap(), 201);
    }
    until("it stops", async || scheduler.served.is_finished()).await;
    assert_eq!(scheduler.store.count().await, 10);
}

#[tokio::test]
async fn connections_that_do_not_finish_are_cut_after_the_grace_period() {
    let settings = Settings {
        shutdown_grace: Duration::from_millis(50),
        store_timeout: Duration::from_millis(200),
        ..Settings::default()
    };
    let scheduler = Scheduler::with(settings).await;
    scheduler.store.set_open(false);
    let _post = tokio::spawn(
        scheduler.request(reqwest::Method::POST, "/schedule").json(&json!({"command": "x"})).send(),
    );
    until("it waits", async || scheduler.store.submit_calls() == 1).await;
    scheduler.shutdown.cancel();
    until("it stops", async || scheduler.served.is_finished()).await;
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_service_goes_on() {
    let scheduler = Scheduler::start().await;
    let batch = json!({"tasks": [{"command": "panic"}]});
    scheduler.post("/v1/tasks/batch", &batch).await.problem(500, "internal");
    scheduler.post("/v1/tasks", &json!({"command": "panic"})).await.problem(500, "internal");
    let id = scheduler.submit(&json!({"command": "x"})).await;
    scheduler.store.panics.store(true, Ordering::SeqCst);
    scheduler.get(&format!("/v1/tasks/{id}")).await.problem(500, "internal");
    assert_eq!(scheduler.post("/v1/tasks", &json!({"command": "x"})).await.status, 201);
}

#[tokio::test]
async fn requests_are_measured_by_route_and_refusals_by_reason() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    scheduler.get(&format!("/v1/tasks/{id}")).await;
    scheduler.get("/nowhere").await;
    scheduler.post("/schedule", &json!({"command": ""})).await;
    let count = async |method: &str, route: &str, status: u16| {
        let labels = format!(
            "{{http_request_method=\"{method}\",http_response_status_code=\"{status}\",http_route=\"{route}\"}}"
        );
        scheduler.metric(&format!("http_server_request_duration_seconds_count{labels}")).await
    };
    assert_eq!(count("GET", "/v1/tasks/{id}", 200).await, Some(1.0));
    assert_eq!(count("POST", "/v1/tasks", 201).await, Some(1.0));
    assert_eq!(count("GET", "unmatched", 404).await, Some(1.0));
    let reason = "distrack_tasks_rejected_total{reason=\"invalid_field\"}";
    assert_eq!(scheduler.metric(reason).await, Some(1.0));
}

#[tokio::test]
async fn queues_are_counted_by_name_up_to_a_limit() {
    let scheduler = Scheduler::start().await;
    let tasks: Vec<_> = (0..150).map(|n| json!({"command": "x", "queue": format!("q{n}")})).collect();
    assert_eq!(scheduler.post("/v1/tasks/batch", &json!({"tasks": tasks})).await.status, 201);
    let text = scheduler.get("/metrics").await.text;
    let series = text.lines().filter(|line| line.starts_with("distrack_tasks_scheduled_total{")).count();
    assert_eq!(series, 101);
    let other = "distrack_tasks_scheduled_total{queue=\"other\",source=\"batch\"}";
    assert_eq!(scheduler.metric(other).await, Some(50.0));
}

#[tokio::test]
async fn the_fleet_is_shown() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x", "queue": "q"})).await;
    let registration = Registration {
        queues: Some(vec!["q".parse().unwrap()]),
        labels: [("gpu".to_owned(), "true".to_owned())].into(),
        ..stranger()
    };
    let registered = Worker::join_as(scheduler.store.real(), registration).await;
    registered.start(id).await;
    scheduler.submit(&json!({"command": "y", "queue": "q"})).await;
    let other = Registration { name: "w2".to_owned(), ..stranger() };
    Worker::join_as(scheduler.store.real(), other).await;
    let workers = scheduler.get("/v1/workers").await.json();
    let worker = workers["workers"].as_array().unwrap().iter().find(|worker| worker["name"] == "w1").unwrap();
    for (key, value) in [
        ("name", json!("w1")),
        ("worker_id", json!(registered.registration.worker.to_string())),
        ("state", json!("alive")),
        ("draining", json!(false)),
        ("slots", json!(8)),
        ("held", json!(1)),
        ("queues", json!(["q"])),
        ("labels", json!({"gpu": "true"})),
        ("same_address", json!(1)),
    ] {
        assert_eq!(worker[key], value, "{key}");
    }
    let queues = scheduler.get("/v1/queues").await.json();
    let mut queue = queues["queues"][0].clone();
    let lag = queue.as_object_mut().unwrap().remove("lag_seconds").unwrap().as_f64().unwrap();
    assert!((0.0..60.0).contains(&lag), "{lag}");
    assert_eq!(queue, json!({"queue": "q", "scheduled": 0, "ready": 1, "dispatched": 0, "running": 1}));
}
