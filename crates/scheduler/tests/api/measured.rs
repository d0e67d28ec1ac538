//! What the scheduler counts, beside what other tests see of it.

use distrack_scheduler::Settings;
use reqwest::Method;
use serde_json::json;

use crate::support::collector::Collector;
use crate::support::{Answer, Scheduler};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn openmetrics(scheduler: &Scheduler) -> String {
    let request = scheduler.request(Method::GET, "/metrics").header("traceparent", PARENT);
    Answer::of(request.header("accept", "application/openmetrics-text; version=1.0.0")).await.text
}

#[tokio::test]
async fn tasks_are_counted_by_where_they_came_from() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x", "queue": "q"})).await;
    scheduler.post("/v1/tasks/batch", &json!({"tasks": [{"command": "x"}, {"command": "x"}]})).await;
    scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
    assert_eq!(scheduler.post_empty(&format!("/v1/tasks/{id}/retry")).await.status, 201);
    for (queue, source, count) in [("q", "api", 1.0), ("default", "batch", 2.0), ("q", "retry", 1.0)] {
        let series = format!("distrack_tasks_scheduled_total{{queue=\"{queue}\",source=\"{source}\"}}");
        assert_eq!(scheduler.metric(&series).await, Some(count), "{series}");
    }
}

#[tokio::test]
async fn a_cancel_is_counted_once_and_only_if_the_task_was_waiting() {
    let scheduler = Scheduler::start().await;
    let cancelled = async |queue: &str| {
        scheduler.metric(&format!("distrack_tasks_cancelled_total{{queue=\"{queue}\"}}")).await
    };
    let waiting = scheduler.submit(&json!({"command": "x", "queue": "q", "delay_seconds": 60})).await;
    let held = scheduler.submit(&json!({"command": "x", "queue": "held"})).await;
    scheduler.worker().await.hold(held).await;
    for (id, statuses) in [(waiting, [200, 409]), (held, [202, 202])] {
        for status in statuses {
            assert_eq!(scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await.status, status);
        }
    }
    assert_eq!((cancelled("q").await, cancelled("held").await), (Some(1.0), None));
    let unread = scheduler.submit(&json!({"command": "x", "queue": "q"})).await;
    scheduler.store.set_blind(true);
    assert_eq!(scheduler.post_empty(&format!("/v1/tasks/{unread}/cancel")).await.status, 200);
    assert_eq!((cancelled("q").await, cancelled("other").await), (Some(1.0), Some(1.0)));
}

#[tokio::test]
async fn refusals_are_at_0_before_the_first() {
    let scheduler = Scheduler::start().await;
    for reason in ["intake_full", "commit_unknown", "invalid_field", "task_not_retryable"] {
        let series = format!("distrack_tasks_rejected_total{{reason=\"{reason}\"}}");
        assert_eq!(scheduler.metric(&series).await, Some(0.0), "{reason}");
    }
    for other in ["bad_cursor", "route_not_found", "method_not_allowed"] {
        let series = format!("distrack_tasks_rejected_total{{reason=\"{other}\"}}");
        assert_eq!(scheduler.metric(&series).await, None, "{other}");
    }
    assert!(!scheduler.get("/metrics").await.text.contains("canary"), "it is off");
}

#[tokio::test]
async fn a_request_that_is_recorded_is_found_from_its_duration() {
    let collector = Collector::start().await;
    let scheduler = Scheduler::traced(Settings::default(), collector.traces.clone()).await;
    let unsampled = PARENT.replace("-01", "-00");
    for _ in 0..2 {
        assert!(!openmetrics(&scheduler).await.contains(" # {"), "scrapes are not recorded");
        let ask = scheduler.request(Method::GET, "/v1/queues").header("traceparent", &unsampled);
        assert_eq!(Answer::of(ask).await.status, 200);
    }
    let ask = scheduler.request(Method::GET, "/v1/queues").header("traceparent", PARENT);
    assert_eq!(Answer::of(ask).await.status, 200);
    let text = openmetrics(&scheduler).await;
    let exemplars: Vec<_> = text.lines().filter(|line| line.contains(" # {")).collect();
    assert_eq!(exemplars.len(), 1, "{exemplars:?}");
    assert!(exemplars[0].starts_with("http_server_request_duration_seconds_bucket{"), "{}", exemplars[0]);
    assert!(exemplars[0].contains("trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\""), "{}", exemplars[0]);
}

#[tokio::test]
async fn without_a_collector_no_duration_leads_to_a_trace() {
    let scheduler = Scheduler::start().await;
    let ask = scheduler.request(Method::GET, "/v1/queues").header("traceparent", PARENT);
    assert_eq!(Answer::of(ask).await.status, 200);
    assert!(!openmetrics(&scheduler).await.contains(" # {"));
}
