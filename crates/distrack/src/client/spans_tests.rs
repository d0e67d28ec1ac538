use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const TASK: &str = "distrack.task.id";

fn span(id: &str, parent: &str, name: &str, from: u64, task: Option<&str>) -> Value {
    let task = task.map(|task| json!({"key": TASK, "value": {"stringValue": task}}));
    json!({
        "spanId": id, "parentSpanId": parent, "name": name, "startTimeUnixNano": (from * 1000).to_string(),
        "endTimeUnixNano": ((from + 5) * 1000).to_string(), "attributes": task.into_iter().collect::<Vec<_>>(),
    })
}

fn answer(service: &str, spans: &[Value]) -> Value {
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": service}}]});
    json!({"result": {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": spans}]}]}})
}

fn shown(answers: &[Value], task: &str) -> Vec<(usize, String)> {
    let body: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
    tree(&told::read(body.as_bytes()).0, task).into_iter().map(|span| (span.depth, span.label)).collect()
}

#[test]
fn a_tasks_spans_are_shown_below_each_other_with_what_its_command_did() {
    let worker = answer(
        "distrack-worker",
        &[span("c", "b", "sh", 40, Some("T")), span("b", "a", "execute q", 30, Some("T"))],
    );
    let scheduler = answer("distrack-scheduler", &[span("a", "caller", "schedule q", 10, Some("T"))]);
    let caller =
        answer("shop", &[span("caller", "", "checkout", 5, None), span("x", "caller", "pay", 6, None)]);
    let command = answer("backup", &[span("e", "d", "gzip", 60, None), span("d", "c", "dump", 50, None)]);
    let label = |depth, text: &str| (depth, text.to_owned());
    assert_eq!(
        shown(&[worker, scheduler, caller, command], "T"),
        [
            label(0, "checkout (shop)"),
            label(1, "schedule q (scheduler)"),
            label(2, "execute q (worker)"),
            label(3, "sh (worker)"),
            label(4, "dump (backup)"),
            label(5, "gzip (backup)"),
        ]
    );
}

#[test]
fn spans_of_other_tasks_in_the_same_trace_are_left_out() {
    let spans = [
        span("r", "", "POST", 1, None),
        span("a", "r", "schedule q", 2, Some("T")),
        span("b", "r", "schedule q", 3, Some("U")),
        span("c", "b", "sh", 4, None),
        span("d", "a", "submits another", 5, None),
        span("e", "d", "schedule q", 6, Some("V")),
    ];
    let labels: Vec<_> = shown(&[answer("", &spans)], "T").into_iter().map(|(_, label)| label).collect();
    assert_eq!(labels, ["POST", "schedule q", "submits another"]);
    assert_eq!(shown(&[answer("", &spans)], "nobody"), []);
}

#[test]
fn what_began_first_is_shown_first_and_a_span_that_failed_says_so() {
    let mut failed = span("b", "a", "late", 30, Some("T"));
    failed["status"] = json!({"code": 2});
    let spans = [failed, span("c", "a", "early", 20, Some("T")), span("a", "", "root", 10, Some("T"))];
    let found = tree(&told::read(answer("s", &spans).to_string().as_bytes()).0, "T");
    let told: Vec<_> =
        found.iter().map(|span| (span.label.as_str(), span.from, span.lasted, span.failed)).collect();
    assert_eq!(told, [("root (s)", 10, 5, false), ("early (s)", 20, 5, false), ("late (s)", 30, 5, true)]);
}

#[test]
fn what_a_command_did_is_shown_although_something_below_it_names_the_task() {
    let spans = [
        span("a", "d", "GET /v1/tasks/{id}", 3, Some("T")),
        span("c", "", "sh", 1, Some("T")),
        span("d", "c", "backup", 2, None),
        span("e", "d", "gzip", 4, None),
    ];
    let labels: Vec<_> = shown(&[answer("", &spans)], "T").into_iter().map(|(_, label)| label).collect();
    assert_eq!(labels, ["sh", "backup", "GET /v1/tasks/{id}", "gzip"]);
}

#[test]
fn a_span_that_cannot_be_drawn_takes_no_other_with_it() {
    let without = |mut span: Value, name: &str| {
        span.as_object_mut().unwrap().remove(name);
        span
    };
    let spans = [
        span("a", "", "sh", 10, Some("T")),
        without(span("b", "a", "began at 0", 0, None), "startTimeUnixNano"),
        span("c", "b", "below it", 20, None),
        without(span("d", "a", "no end", 30, None), "endTimeUnixNano"),
        without(span("e", "a", "no id", 40, None), "spanId"),
        json!({"spanId": "f", "parentSpanId": "a", "name": "odd", "startTimeUnixNano": {}, "attributes": 7}),
        json!(null),
    ];
    let label = |depth, text: &str| (depth, text.to_owned());
    let expected = [label(0, "sh"), label(1, "below it"), label(1, "no end")];
    assert_eq!(shown(&[answer("", &spans)], "T"), expected);
    let found = tree(&told::read(answer("", &spans).to_string().as_bytes()).0, "T");
    assert_eq!((found[2].from, found[2].lasted), (30, 0));
}

#[test]
fn no_loop_holds_an_answer_up() {
    let loops = [
        span("a", "b", "x", 1, Some("T")),
        span("b", "a", "y", 2, Some("T")),
        span("c", "c", "z", 3, Some("T")),
    ];
    assert_eq!(shown(&[answer("", &loops)], "T"), [(0, "z".to_owned())]);
}

/// What is found in an answer to one question, or in the lack of one.
async fn found(head: &str, body: &str, limits: Limits) -> Found {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/trace/1", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{body}");
    let answers = !head.is_empty();
    let jaeger = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        if answers {
            // Whoever reads no further than it wants ends the connection first.
            let _ = stream.write_all(answer.as_bytes()).await;
        } else {
            std::future::pending::<()>().await;
        }
    });
    let mut found = of(&url, "1", "T", limits).await;
    jaeger.abort();
    if let Some(missing) = &mut found.missing {
        assert_eq!(missing.jaeger, url.trim_end_matches("/trace/1"));
        missing.jaeger = "J".to_owned();
    }
    found
}

fn said(found: &Found) -> Option<String> {
    found.missing.as_ref().map(|missing| missing.of(&["1".to_owned()]))
}

const LONG: Limits = Limits { time: Duration::from_secs(60), bytes: 1024 * 1024 };

#[tokio::test]
async fn spans_that_a_jaeger_does_not_give_are_said_to_be_missing() {
    let whole = answer("", &[span("a", "", "sh", 1, Some("T"))]).to_string();
    let refused = r#"{"error":{"httpCode":500,"message":"no storage"}}"#;
    let large = format!("{whole}{}", " ".repeat(LONG.bytes));
    for (head, body, spans, why) in [
        ("200 OK", &*whole, 1, None),
        ("404 Not Found", r#"{"error":{"httpCode":404,"message":"No traces found"}}"#, 0, None),
        ("200 OK", r#"{"error":{"httpCode":404,"message":"No traces found"}}"#, 0, None),
        ("200 OK", r#"{"result":{}}"#, 0, None),
        ("200 OK", "", 0, None),
        ("200 OK", refused, 0, Some(": no storage")),
        ("200 OK", "{}", 0, Some(": its answer is not one of a Jaeger")),
        ("200 OK", "<html>", 0, Some(": its answer cannot be read: expected value at line 1 column 1")),
        ("200 OK", &format!("{whole}<"), 1, Some(": its answer cannot be read: expected value at line")),
        ("200 OK", &large, 0, Some(": its answer is larger than 1 MiB")),
        ("302 Found", "", 0, Some(": it answered 302 Found")),
        ("500 Internal Server Error", refused, 0, Some(": it answered 500 Internal Server Error")),
    ] {
        let found = found(head, body, LONG).await;
        assert_eq!(found.spans.len(), spans, "{head} {body:.80}");
        let why = why.map(|why| format!("the Jaeger at J did not give the spans of trace 1{why}"));
        match (said(&found), why) {
            (None, None) => {}
            (Some(said), Some(why)) => assert!(said.starts_with(&why), "{said}, not {why}"),
            (said, why) => panic!("{head} {body:.80}: {said:?}, not {why:?}"),
        }
    }
}

#[tokio::test]
async fn a_jaeger_that_is_silent_or_away_is_said_to_be() {
    let short = Limits { time: Duration::from_millis(50), ..LONG };
    let said_of = said(&found("", "", short).await);
    assert_eq!(said_of.as_deref(), Some("the Jaeger at J did not give the spans of trace 1 within 50 ms"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/trace/1", listener.local_addr().unwrap());
    drop(listener);
    let said_of = said(&of(&url, "1", "T", LONG).await).unwrap();
    assert!(said_of.contains("spans of trace 1: Connection refused"), "{said_of}");
    assert_eq!(of("http://elsewhere/", "1", "T", LONG).await, Found::default());
}
