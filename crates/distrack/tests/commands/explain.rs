//! `why` and `trace`: what a person with a task's id is told.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use distrack_testkit::reqwest::Method;
use distrack_testkit::{Up, free_port};
use serde_json::{Value, json};

use super::program::{Ended, LIMIT, PROGRAM, Running, ask, run, submit};

const NOBODY: &str = "0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00";

/// What a Jaeger answers about traces, until a test says otherwise: that it has none.
struct Jaeger {
    url: String,
    answer: Arc<Mutex<Option<Value>>>,
}

impl Jaeger {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer: Arc<Mutex<Option<Value>>> = Arc::default();
        let shared = Arc::clone(&answer);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let asked = lines.next().unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let body =
                    shared.lock().unwrap().clone().filter(|_| asked.starts_with("GET /api/v3/traces/"));
                let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
                let body = body.unwrap_or_default().to_string();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes());
            }
        });
        Self { url, answer }
    }

    /// A span of the task below which its command made one, which began when the task was accepted.
    fn knows(&self, task: &Value) {
        let accepted = task["created_at"].as_str().unwrap();
        let from = chrono::DateTime::parse_from_rfc3339(accepted).unwrap().timestamp_nanos_opt().unwrap();
        let to = (from + 1_000_000).to_string();
        let attribute = |key: &str, value: &Value| json!({"key": key, "value": {"stringValue": value}});
        let span = |id: &str, parent: &str, name: &str, attributes: Value| {
            json!({"spanId": id, "parentSpanId": parent, "name": name, "startTimeUnixNano": from.to_string(),
                "endTimeUnixNano": to, "attributes": attributes})
        };
        let spans = |service: &str, span: Value| {
            let resource = json!({"attributes": [attribute("service.name", &json!(service))]});
            json!({"resource": resource, "scopeSpans": [{"spans": [span]}]})
        };
        let of_task = json!([attribute("distrack.task.id", &task["task_id"])]);
        let all = json!([
            spans("backup", span("b", "a", "dump", json!([]))),
            spans("distrack-worker", span("a", "", "execute default", of_task)),
        ]);
        *self.answer.lock().unwrap() = Some(json!({"result": {"resourceSpans": all}}));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_says_what_a_task_waits_for_and_what_became_of_it() {
    let up = Up::start(PROGRAM, &["--slots=1"]).await.unwrap();
    let done = submit(&up, &[], "exit 3").await;
    up.api().wait_terminal(&done, LIMIT).await;
    let why = ask(&up, &format!("why {done}")).await;
    assert_eq!(why.code, Some(0), "{why:?}");
    let expected = format!("{done} failed with exit code 3 on attempt 1 of 1, after ");
    assert!(why.text().starts_with(&expected), "{why:?}");
    assert!(why.text().contains(&format!("\n  -> distrack retry {done} submits it again")), "{why:?}");

    let busy = submit(&up, &[], "sleep 60").await;
    let waits = submit(&up, &["--require=gpu=true"], "true").await;
    let why = ask(&up, &format!("why {waits}")).await;
    let text = why.text();
    assert!(
        text.contains("waiting: no live worker has label gpu=true; 1 serves queue default without"),
        "{why:?}"
    );
    assert!(text.contains("-> start a worker with --labels=gpu=true"), "{why:?}");
    let json = ask(&up, &format!("why -o json {waits}")).await.json();
    assert_eq!(
        (&json["task_id"], &json["reasons"][0]["code"]),
        (&json!(waits), &json!("no_worker_with_labels"))
    );
    ask(&up, &format!("cancel {busy}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trace_draws_each_phase_and_names_each_trace() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let id = submit(&up, &["--delay=100ms", "--retries=1"], "exit 3").await;
    up.api().wait_terminal(&id, LIMIT).await;
    let task = up.api().task(&id).await.unwrap();
    let trace = ask(&up, &format!("trace {id}")).await;
    assert_eq!((trace.code, trace.stderr.as_str()), (Some(0), ""), "{trace:?}");
    let text = trace.text();
    assert!(text.is_ascii(), "no locale, no more than ASCII: {text}");
    let named = format!("submission: trace {}", task["trace_id"].as_str().unwrap());
    for part in [&*named, "attempt 1: in the submission's trace", "attempt 2: trace "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for phase in ["submitted ", "#1 scheduled ", "#1 running ", "#2 dispatched ", "#2 running ", "ended "] {
        assert!(text.lines().any(|line| line.starts_with(phase)), "{phase} in {text}");
    }
    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    let json = ask(&up, &format!("trace -o json {id}")).await.json();
    assert_eq!((&json["task_id"], &json["attempts"][1]["mode"]), (&json!(id), &json!("link")));
}

/// Submits a task that its caller sampled: nothing else here records anything.
async fn submit_sampled(up: &Up) -> String {
    let request = up.api().request(Method::POST, "/v1/tasks").json(&json!({"command": "true"}));
    let request = request.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let task = up.api().send(request).await.unwrap().accepted().unwrap();
    task["task_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trace_adds_the_spans_that_a_jaeger_has() {
    let jaeger = Jaeger::start();
    let up = Up::start(PROGRAM, &[&format!("--jaeger_url={}", jaeger.url)]).await.unwrap();
    let id = submit_sampled(&up).await;
    let task = up.api().wait_terminal(&id, LIMIT).await;
    let without = ask(&up, &format!("trace {id}")).await;
    assert_eq!((without.code, without.stderr.as_str()), (Some(0), ""), "{without:?}");
    assert!(!without.text().contains("spans of trace"), "{without:?}");
    jaeger.knows(&task);
    let server = format!("--server={}", up.api().base());
    let trace = Running::start_with(&["trace", &server, &id], |command| {
        command.env("LANG", "C.UTF-8").env("COLUMNS", "110");
    });
    let text = trace.end().await.text();
    let heading = format!("spans of trace {}", task["trace_id"].as_str().unwrap());
    let at = text.lines().position(|line| line == heading).unwrap_or_else(|| panic!("{text}"));
    let spans: Vec<_> = text.lines().skip(at + 1).take(2).collect();
    assert!(spans[0].starts_with("  execute default (worker)  ") && spans[0].contains('━'), "{text}");
    assert!(spans[1].starts_with("    dump (backup)  "), "{text}");
    assert!(text.contains('█') && !text.contains('\u{1b}'), "{text}");
    *jaeger.answer.lock().unwrap() = Some(json!({"result": 7}));
    let unread = ask(&up, &format!("trace {id}")).await;
    assert!(unread.code == Some(0) && unread.text().contains("#1 running"), "{unread:?}");
    let said = format!("distrack: the Jaeger at {} did not give the spans of trace ", jaeger.url);
    assert!(unread.stderr.starts_with(&said) && unread.stderr.lines().count() == 1, "{unread:?}");
    let json = ask(&up, &format!("trace -o json {id}")).await;
    assert_eq!((&json.json()["task_id"], json.stderr.as_str()), (&json!(id), ""));
}

/// Runs `trace --open` with an opener of the test's own, or none; gives what it was asked to open as well.
async fn opened(up: &Up, id: &str, has_opener: bool) -> (Ended, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (opener, noted) = (folder.path().join("xdg-open"), folder.path().join("noted"));
    if has_opener {
        std::fs::write(&opener, format!("#!/bin/sh\nprintf %s \"$1\" > {}\n", noted.display())).unwrap();
        std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let server = format!("--server={}", up.api().base());
    let path = folder.path().to_owned();
    let running = Running::start_with(&["trace", &server, "--open", id], |command| {
        command.env("PATH", path);
    });
    (running.end().await, std::fs::read_to_string(noted).ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_opens_the_trace_or_says_where_it_is() {
    let up = Up::start(PROGRAM, &["--jaeger_url=http://jaeger.invalid:16686/"]).await.unwrap();
    let id = submit_sampled(&up).await;
    let task = up.api().wait_terminal(&id, LIMIT).await;
    let url = format!("http://jaeger.invalid:16686/trace/{}", task["trace_id"].as_str().unwrap());
    let (ended, noted) = opened(&up, &id, true).await;
    assert_eq!((ended.code, noted.as_ref()), (Some(0), Some(&url)), "{ended:?}");
    let (ended, _) = opened(&up, &id, false).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&url) && ended.text().contains("#1 running"), "{ended:?}");
    // Of a trace that is not sampled, Jaeger's page would be empty.
    let unsampled = submit(&up, &[], "true").await;
    let (ended, noted) = opened(&up, &unsampled, true).await;
    assert_eq!((ended.code, noted), (Some(1), None), "{ended:?}");
    assert!(ended.stderr.contains("not sampled"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_failure_has_the_exit_code_of_the_other_commands() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let id = submit(&up, &["--delay=1h"], "true").await;
    let nobody = format!("--server=:{}", free_port());
    for command in ["why", "trace"] {
        let unknown = ask(&up, &format!("{command} {NOBODY}")).await;
        assert_eq!((unknown.code, unknown.text()), (Some(3), String::new()), "{unknown:?}");
        assert!(unknown.stderr.contains(NOBODY), "{unknown:?}");
        assert_eq!(ask(&up, &format!("{command} nonsense")).await.code, Some(2));
        assert_eq!(run(&[command]).await.code, Some(2));
        assert_eq!(run(&[command, &nobody, &id]).await.code, Some(6));
    }
    let nowhere = ask(&up, &format!("trace --open {id}")).await;
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    assert!(nowhere.stderr.contains("jaeger_url"), "{nowhere:?}");
}
