//! What a request leaves in its trace, and what it hands on with its tasks.

use std::collections::HashSet;
use std::time::Duration;

use distrack_core::{TaskId, TraceContext};
use distrack_scheduler::Settings;
use fake_opentelemetry_collector::ExportedSpan;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::collector::Collector;
use crate::support::fleet::exit;
use crate::support::{Answer, Scheduler, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const SERVER: &str = "SPAN_KIND_SERVER";
const PRODUCER: &str = "SPAN_KIND_PRODUCER";

async fn start() -> (Collector, Scheduler) {
    let collector = Collector::start().await;
    let scheduler = Scheduler::traced(Settings::default(), collector.traces.clone()).await;
    (collector, scheduler)
}

async fn submit(scheduler: &Scheduler, headers: &[(&str, &str)]) -> (TaskId, TraceContext) {
    let mut request = scheduler.request(Method::POST, "/v1/tasks").json(&json!({"command": "true"}));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let id = id_of(&answer.json());
    (id, scheduler.store.task(id).await.trace)
}

fn id_of(task: &Value) -> TaskId {
    task["task_id"].as_str().unwrap().parse().unwrap()
}

/// The value of an attribute, which the collector has as `… StringValue("x")) })`.
fn attribute<'a>(span: &'a ExportedSpan, name: &str) -> Option<&'a str> {
    let (_, value) = span.attributes.get(name)?.split_once("Value(")?;
    Some(value.trim_end_matches([')', ' ', '}']).trim_matches('"'))
}

#[track_caller]
fn assert_keys(span: &ExportedSpan, keys: &[&str]) {
    let found: HashSet<_> = span.attributes.keys().map(String::as_str).collect();
    assert_eq!(found, keys.iter().copied().collect(), "{span:#?}");
}

fn code(span: &ExportedSpan) -> &str {
    span.status.as_ref().map_or("STATUS_CODE_UNSET", |status| status.code.as_str())
}

#[tokio::test]
async fn a_task_of_which_nobody_knows_whether_it_is_stored_has_its_schedule_span() {
    let mut collector = Collector::start().await;
    let settings = Settings { store_timeout: Duration::from_millis(100), ..Settings::default() };
    let scheduler = Scheduler::traced(settings, collector.traces.clone()).await;
    scheduler.store.set_open(false);
    let task = json!({"command": "true"});
    let batch = json!({"tasks": [task]});
    for (count, route, body) in [(1, "/v1/tasks", task), (2, "/v1/tasks/batch", batch)] {
        scheduler.post(route, &body).await.problem(503, "commit_unknown");
        let mut spans = collector.wait(count, |span| span.name == "schedule default").await;
        let span = spans.pop().unwrap();
        assert_eq!((span.kind.as_str(), code(&span)), (PRODUCER, "STATUS_CODE_ERROR"), "{route}");
        assert_eq!(attribute(&span, "error.type"), Some("database"), "{route}");
    }
    scheduler.store.set_open(true);
}

#[tokio::test]
async fn a_submission_is_a_span_below_its_caller_and_its_task_is_handed_the_one_below() {
    let (mut collector, scheduler) = start().await;
    let (id, stored) = submit(&scheduler, &[("traceparent", PARENT), ("tracestate", "a=1")]).await;
    let request = collector.one("POST /v1/tasks").await;
    assert_eq!((request.kind.as_str(), request.trace_id.as_str()), (SERVER, TRACE));
    assert_eq!((request.parent_span_id.as_str(), request.trace_state.as_str()), ("00f067aa0ba902b7", "a=1"));
    let port = scheduler.address.rsplit_once(':').unwrap().1;
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/tasks"),
        ("http.response.status_code", "201"),
        ("url.path", "/v1/tasks"),
        ("url.scheme", "http"),
        ("server.address", "127.0.0.1"),
        ("server.port", port),
        ("distrack.task.id", &id.to_string()),
    ] {
        assert_eq!(attribute(&request, name), Some(value), "{name}: {request:#?}");
    }
    assert_eq!(request.attributes.len(), 8, "{request:#?}");
    for number in ["http.response.status_code", "server.port"] {
        assert!(request.attributes[number].contains("IntValue"), "{request:#?}");
    }
    assert_eq!(code(&request), "STATUS_CODE_UNSET");
    let schedule = collector.one("schedule default").await;
    assert_eq!((schedule.kind.as_str(), schedule.trace_id.as_str()), (PRODUCER, TRACE));
    assert_eq!(schedule.parent_span_id, request.span_id);
    assert!(schedule.links.is_empty());
    assert_eq!(attribute(&schedule, "distrack.task.id"), Some(id.to_string().as_str()));
    assert!(request.start_time_unix_nano <= schedule.start_time_unix_nano);
    assert!(schedule.end_time_unix_nano <= request.end_time_unix_nano);
    assert_eq!(
        (stored.trace_id.to_string(), stored.span_id.to_string()),
        (TRACE.to_owned(), schedule.span_id)
    );
    assert_eq!((stored.flags, stored.state.as_str()), (1, "a=1"));
}

#[tokio::test]
async fn without_a_caller_that_can_be_read_a_request_begins_a_trace() {
    let (mut collector, scheduler) = start().await;
    let mut traces = HashSet::new();
    let malformed = [("traceparent", "00-zz-00f067aa0ba902b7-01"), ("tracestate", "a=1")];
    let doubled = [("traceparent", PARENT), ("traceparent", PARENT)];
    for headers in [&[][..], &malformed[..], &doubled[..]] {
        let (_, stored) = submit(&scheduler, headers).await;
        assert!(stored.is_sampled() && stored.state.is_empty(), "{stored:?}");
        traces.insert(stored.trace_id.to_string());
    }
    assert!(traces.len() == 3 && !traces.contains(TRACE), "{traces:?}");
    let requests = collector.wait(3, |span| span.kind == SERVER).await;
    assert!(requests.iter().all(|span| span.parent_span_id.is_empty() && traces.contains(&span.trace_id)));
}

#[tokio::test]
async fn what_the_caller_does_not_record_is_not_recorded_here_and_said_to_be_so() {
    let (collector, scheduler) = start().await;
    let (id, stored) = submit(&scheduler, &[("traceparent", UNSAMPLED)]).await;
    assert_eq!((stored.trace_id.to_string().as_str(), stored.flags), (TRACE, 0));
    let cancel = scheduler.request(Method::POST, &format!("/v1/tasks/{id}/cancel"));
    assert_eq!(Answer::of(cancel.header("traceparent", UNSAMPLED)).await.status, 200);
    assert!(collector.rest().await.is_empty());
}

#[tokio::test]
async fn a_clients_mistake_is_no_error_of_the_span_and_ours_is() {
    let (mut collector, scheduler) = start().await;
    let (id, _) = submit(&scheduler, &[]).await;
    let mistake = scheduler.post("/schedule", &json!({"command": ""})).await;
    scheduler.store.set_down(true);
    let away = scheduler.get(&format!("/v1/tasks/{id}")).await;
    let foreign = scheduler.request(Method::GET, "/v1/queues").header("host", "evil.example");
    let foreign = Answer::of(foreign).await;
    for (name, answer, status, error) in [
        ("POST /schedule", mistake, 422, None),
        ("GET /v1/tasks/{id}", away, 503, Some("503")),
        ("GET /v1/queues", foreign, 421, None),
    ] {
        let span = collector.one(name).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.json()["trace_id"], span.trace_id);
        assert_eq!(attribute(&span, "http.response.status_code"), Some(status.to_string().as_str()));
        assert_eq!(attribute(&span, "error.type"), error);
        let expected = if error.is_some() { "STATUS_CODE_ERROR" } else { "STATUS_CODE_UNSET" };
        assert_eq!(code(&span), expected, "{span:#?}");
        let about = error.map(|_| id.to_string());
        assert_eq!(attribute(&span, "distrack.task.id"), about.as_deref());
    }
}

#[tokio::test]
async fn a_task_of_a_large_batch_has_a_trace_of_its_own_that_leads_to_the_request() {
    let (mut collector, scheduler) = start().await;
    for (count, shared) in [(100, true), (101, false)] {
        let path = "/v1/tasks/batch";
        let tasks: Vec<_> = (0..count).map(|_| json!({"command": "true", "queue": "q"})).collect();
        let request = scheduler.request(Method::POST, path).json(&json!({"tasks": tasks}));
        let request = request.header("traceparent", PARENT).header("tracestate", "a=1");
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let (mut traces, mut spans) = (HashSet::new(), HashSet::new());
        for task in answer.json()["tasks"].as_array().unwrap() {
            let stored = scheduler.store.task(id_of(task)).await.trace;
            assert_eq!((stored.is_sampled(), stored.state.as_str()), (true, "a=1"));
            traces.insert(stored.trace_id.to_string());
            spans.insert(stored.span_id.to_string());
        }
        assert_eq!((traces.len(), spans.len()), (if shared { 1 } else { count }, count));
        let mine = collector.wait(count, |span| spans.contains(&span.span_id)).await;
        let requests = collector.wait(if shared { 1 } else { 2 }, |span| span.kind == SERVER).await;
        let request = requests.last().unwrap();
        assert_keys(
            request,
            &[
                "http.request.method",
                "http.route",
                "http.response.status_code",
                "url.path",
                "url.scheme",
                "server.address",
                "server.port",
            ],
        );
        for span in mine {
            if shared {
                assert_eq!((span.trace_id.as_str(), &span.parent_span_id), (TRACE, &request.span_id));
                assert!(span.links.is_empty());
                continue;
            }
            assert!(span.parent_span_id.is_empty() && traces.contains(&span.trace_id), "{span:#?}");
            assert_eq!(span.links.len(), 1);
            assert_eq!((span.links[0].trace_id.as_str(), &span.links[0].span_id), (TRACE, &request.span_id));
            assert!(span.links[0].attributes["distrack.link"].contains("request"));
        }
    }
}

#[tokio::test]
async fn a_task_that_is_stored_once_is_scheduled_once() {
    let (mut collector, scheduler) = start().await;
    let body = json!({"command": "true"});
    for status in [201, 200] {
        assert_eq!(scheduler.post_with_key("/v1/tasks", "k", &body).await.status, status);
    }
    scheduler
        .post_with_key("/v1/tasks", "k", &json!({"command": "false"}))
        .await
        .problem(422, "idempotency_key_reused");
    scheduler.post("/v1/tasks", &json!({"command": "cannot be stored"})).await.problem(500, "internal");
    collector.wait(4, |span| span.kind == SERVER).await;
    let spans = collector.rest().await;
    assert_eq!(spans.iter().filter(|span| span.name == "schedule default").count(), 1, "{spans:#?}");
}

#[tokio::test]
async fn a_repeated_task_is_in_the_trace_of_who_repeats_it() {
    let (mut collector, scheduler) = start().await;
    let id = scheduler.submit(&json!({"command": "true"})).await;
    scheduler.worker().await.run(id, exit(1)).await;
    let retry =
        scheduler.request(Method::POST, &format!("/v1/tasks/{id}/retry")).header("traceparent", PARENT);
    let again = id_of(&Answer::of(retry).await.json());
    let request = collector.one("POST /v1/tasks/{id}/retry").await;
    assert_eq!(attribute(&request, "distrack.task.id"), Some(id.to_string().as_str()));
    let schedules = collector.wait(2, |span| span.name == "schedule default").await;
    let schedule = schedules.iter().find(|span| span.trace_id == TRACE).unwrap();
    assert_eq!(schedule.parent_span_id, request.span_id);
    assert_eq!(attribute(schedule, "distrack.task.id"), Some(again.to_string().as_str()));
}

#[tokio::test]
async fn probes_scrapes_and_documents_leave_no_span() {
    let (collector, scheduler) = start().await;
    for path in ["/metrics", "/livez", "/readyz", "/openapi.json", "/docs"] {
        let asked = scheduler.request(Method::GET, path).header("traceparent", PARENT);
        Answer::of(asked).await;
    }
    assert_eq!(scheduler.get("/nowhere").await.status, 404);
    let spans = collector.rest().await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["GET"]);
}

#[tokio::test]
async fn a_client_that_hangs_up_takes_no_span_with_it() {
    let (mut collector, scheduler) = start().await;
    scheduler.store.set_open(false);
    let body = "{\"command\":\"true\"}";
    let request = format!(
        "POST /schedule HTTP/1.1\r\nhost: localhost\r\ntraceparent: {PARENT}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(&scheduler.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    until("the commit began", async || scheduler.store.submit_calls() == 1).await;
    drop(stream);
    let request = collector.one("POST /schedule").await;
    assert_eq!(attribute(&request, "http.response.status_code"), None, "nobody was answered");
    scheduler.store.set_open(true);
    let schedule = collector.one("schedule default").await;
    assert_eq!(schedule.parent_span_id, request.span_id);
    let counted = "distrack_tasks_scheduled_total{queue=\"default\",source=\"api\"}";
    assert_eq!(scheduler.metric(counted).await, Some(1.0));
}

#[tokio::test]
async fn nothing_that_a_client_said_in_private_is_in_a_span() {
    let (mut collector, scheduler) = start().await;
    let task = json!({
        "command": "echo private-command", "env": {"KEY": "private-env"}, "labels": {"l": "private-label"},
        "cwd": "/private-cwd", "queue": "q",
    });
    let id = scheduler.submit(&task).await;
    scheduler.post("/v1/tasks/batch", &json!({"tasks": [task, {"argv": ["private-argv"]}]})).await;
    scheduler.post("/v1/tasks", &json!({"command": "private-refused", "private-field": 1})).await;
    scheduler.get("/v1/tasks?label=key%3Dprivate-value").await;
    scheduler.get(&format!("/v1/tasks/{id}?private-name=1")).await;
    let key = "private-key";
    scheduler.post_with_key("/v1/tasks", key, &json!({"command": "cannot be stored"})).await;
    scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await;
    collector.wait(7, |span| span.kind == SERVER).await;
    for span in collector.rest().await {
        let text = format!("{span:?}");
        assert!(!text.contains("private") && !text.contains("cannot be stored"), "{span:#?}");
    }
}
