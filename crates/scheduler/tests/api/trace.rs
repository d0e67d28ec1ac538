//! Where a task's traces are, and its phases: `GET /v1/tasks/{id}/trace`.

use distrack_core::{Outcome, TaskId};
use distrack_scheduler::Settings;
use serde_json::{Value, json};

use crate::support::fleet::exit;
use crate::support::{Answer, Scheduler};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn trace(scheduler: &Scheduler, id: TaskId) -> Value {
    let answer = scheduler.get(&format!("/v1/tasks/{id}/trace")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Submits a task in the trace above, with these flags.
async fn submit_in_trace(scheduler: &Scheduler, flags: &str, body: &Value) -> TaskId {
    let request = scheduler.request(reqwest::Method::POST, "/v1/tasks").json(body);
    let answer =
        Answer::of(request.header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-{flags}"))).await;
    answer.json()["task_id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_trace_of_each_attempt_is_told_with_how_it_belongs_to_the_submission() {
    let scheduler = Scheduler::start().await;
    let worker = scheduler.worker().await;
    let id = submit_in_trace(&scheduler, "01", &json!({"command": "x", "max_attempts": 2})).await;
    worker.run(id, exit(1)).await;
    worker.run(id, Outcome::success()).await;
    let told = trace(&scheduler, id).await;
    assert_eq!(told["task_id"], id.to_string());
    assert_eq!(
        (&told["submission"]["trace_id"], &told["submission"]["sampled"]),
        (&json!(TRACE), &json!(true))
    );
    assert_eq!(told["submission"]["span_id"].as_str().map(str::len), Some(16));
    let [first, second] = [0, 1].map(|at| &told["attempts"][at]);
    assert_eq!(
        (&first["attempt"], &first["trace_id"], &first["mode"]),
        (&json!(1), &json!(TRACE), &json!("child"))
    );
    assert_eq!((&second["attempt"], &second["mode"]), (&json!(2), &json!("link")));
    assert_ne!(second["trace_id"], TRACE);
    assert_eq!((&first["sampled"], &second["sampled"]), (&json!(true), &json!(true)));
    let attempts = scheduler.get(&format!("/v1/tasks/{id}/attempts")).await.json();
    for (told, listed) in
        told["attempts"].as_array().unwrap().iter().zip(attempts["attempts"].as_array().unwrap())
    {
        for name in ["attempt", "epoch", "trace_id", "span_id"] {
            assert_eq!(told[name], listed[name], "{name}");
        }
    }
    assert_eq!(
        (&told["search_url"], &first["url"], &told["submission"]["url"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let unsampled = submit_in_trace(&scheduler, "00", &json!({"command": "x"})).await;
    assert_eq!(trace(&scheduler, unsampled).await["submission"]["sampled"], false);
}

#[tokio::test]
async fn links_lead_to_the_jaeger_that_the_scheduler_knows() {
    let jaeger_url = Some("http://jaeger.example:16686/ui".to_owned());
    let scheduler = Scheduler::with(Settings { jaeger_url, ..Settings::default() }).await;
    let id = submit_in_trace(&scheduler, "01", &json!({"command": "x"})).await;
    scheduler.worker().await.run(id, Outcome::success()).await;
    let told = trace(&scheduler, id).await;
    let url = format!("http://jaeger.example:16686/ui/trace/{TRACE}");
    assert_eq!((&told["submission"]["url"], &told["attempts"][0]["url"]), (&json!(url), &json!(url)));
    let tags = format!("%7B%22distrack.task.id%22%3A%22{id}%22%7D");
    let search = format!("http://jaeger.example:16686/ui/search?service=distrack-worker&tags={tags}&start=");
    let url = told["search_url"].as_str().unwrap();
    let (start, end) = url.strip_prefix(&search).unwrap().split_once("&end=").unwrap();
    let micros = |text: &str| text.parse::<i64>().unwrap();
    let task = scheduler.get(&format!("/v1/tasks/{id}")).await.json();
    let at = |name: &str| {
        let at = chrono::DateTime::parse_from_rfc3339(task[name].as_str().unwrap()).unwrap();
        at.timestamp_micros() / 1000
    };
    assert_eq!(micros(start) / 1000, at("created_at") - 60_000);
    assert_eq!(micros(end) / 1000, at("completed_at") + 60_000);
    let waiting = scheduler.submit(&json!({"command": "x", "delay_seconds": 60})).await;
    let told = trace(&scheduler, waiting).await;
    assert!(told["search_url"].as_str().unwrap().contains("?service=distrack-scheduler&"), "{told}");
}

#[tokio::test]
async fn the_timeline_tells_each_phase_with_its_bounds() {
    let scheduler = Scheduler::start().await;
    let worker = scheduler.worker().await;
    let id = scheduler.submit(&json!({"command": "x", "delay_seconds": 0.05})).await;
    let attempt = worker.hold(id).await;
    let going = trace(&scheduler, id).await["timeline"].clone();
    let last = going.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["phase"], &last["attempt"], &last["ended_at"]),
        (&json!("dispatched"), &json!(1), &Value::Null)
    );
    assert!(last["duration_seconds"].as_f64().unwrap() >= 0.0);
    worker.finish(attempt, Outcome::success(), distrack_core::Output::default()).await;
    let told = trace(&scheduler, id).await["timeline"].clone();
    let steps = told.as_array().unwrap();
    let phases: Vec<_> = steps.iter().map(|step| step["phase"].as_str().unwrap()).collect();
    assert_eq!(
        (phases[0], phases[1], phases[phases.len() - 1]),
        ("submitted", "scheduled", "ended"),
        "{phases:?}"
    );
    assert!((steps[1]["duration_seconds"].as_f64().unwrap() - 0.05).abs() < 1e-6, "{told}");
    assert_eq!(steps[0]["attempt"], Value::Null);
    for pair in steps.windows(2) {
        assert_eq!(
            pair[0]["ended_at"], pair[1]["started_at"],
            "one phase begins where the one before it ends: {told}"
        );
    }
}

#[tokio::test]
async fn a_task_links_to_its_reasons_and_traces() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let links = scheduler.get(&format!("/v1/tasks/{id}")).await.json()["links"].clone();
    for what in ["why", "trace"] {
        assert_eq!(links[what], format!("/v1/tasks/{id}/{what}"));
        assert_eq!(scheduler.get(links[what].as_str().unwrap()).await.status, 200);
    }
}
