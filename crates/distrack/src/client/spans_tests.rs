use serde_json::json;

use super::*;

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
    tree(read(body.as_bytes()), task).into_iter().map(|span| (span.depth, span.label)).collect()
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
    let found = tree(read(answer("s", &spans).to_string().as_bytes()), "T");
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
fn an_answer_that_is_none_brings_no_spans_and_no_loop_holds_it_up() {
    for body in ["", "<html>", "{}", r#"{"result":{}}"#, r#"{"error":{"httpCode":404}}"#] {
        assert!(read(body.as_bytes()).is_empty(), "{body}");
    }
    let loops = [
        span("a", "b", "x", 1, Some("T")),
        span("b", "a", "y", 2, Some("T")),
        span("c", "c", "z", 3, Some("T")),
    ];
    assert_eq!(shown(&[answer("", &loops)], "T"), [(0, "z".to_owned())]);
}
