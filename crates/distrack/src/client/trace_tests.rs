use serde_json::json;

use super::*;

const PLAIN: Terminal = Terminal { width: 80, colours: false, unicode: false };

fn told() -> Told {
    let step = |phase: &str, attempt: Option<u32>, from: &str, to: Option<&str>, lasted: f64| {
        json!({"phase": phase, "attempt": attempt, "started_at": format!("2030-01-31T12:00:{from}Z"),
            "ended_at": to, "duration_seconds": lasted})
    };
    let told = json!({
        "task_id": "T",
        "submission": {"trace_id": "a".repeat(32), "span_id": "b", "sampled": true, "url": null},
        "attempts": [
            {"attempt": 1, "trace_id": "a".repeat(32), "mode": "child", "sampled": true, "url": null},
            {"attempt": 2, "trace_id": "c".repeat(32), "mode": "link", "sampled": true, "url": "http://j/trace/c"},
        ],
        "timeline": [
            step("submitted", None, "00.000", Some("x"), 0.0),
            step("ready", Some(1), "00.000", Some("x"), 1.0),
            step("running", Some(1), "01.000", None, 1.0),
        ],
    });
    serde_json::from_value(told).unwrap()
}

#[test]
fn each_trace_is_named_once_and_each_phase_has_its_bar() {
    let drawn = told().drawn(&[], PLAIN);
    let expected = [
        "task T",
        "submitted at 2030-01-31T12:00:00.000Z",
        "submission: trace aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "attempt 1: in the submission's trace",
        "attempt 2: trace cccccccccccccccccccccccccccccccc  http://j/trace/c",
        "",
        "submitted        +0          0  |",
        "#1 ready         +0     1.00 s  ........................",
        "#1 running  +1.00 s  1.00 s...                          =======================>",
    ];
    assert_eq!(drawn.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn spans_are_drawn_below_the_phases_on_the_same_axis() {
    let at = DateTime::parse_from_rfc3339("2030-01-31T12:00:01Z").unwrap().timestamp_micros();
    let span =
        Span { depth: 1, label: "execute q (worker)".to_owned(), from: at, lasted: 500_000, failed: false };
    let many = vec![span; spans::MOST + 3];
    let drawn = told().drawn(&[("c".repeat(32), many)], PLAIN);
    let lines: Vec<_> = drawn.lines().collect();
    assert_eq!(lines[9], format!("spans of trace {}", "c".repeat(32)));
    assert!(lines[10].starts_with("    execute q (worker)  +1.00 s  "), "{drawn}");
    assert_eq!(lines[10].find('*'), lines[8].find('='), "{drawn}");
    assert_eq!(lines.last(), Some(&"and 3 more"));
}

#[test]
fn the_page_is_the_latest_trace_that_has_spans() {
    assert_eq!(told().page().unwrap(), "http://j/trace/c");
    let said = |told: &Told| match told.page() {
        Err(Failure::Said { code, text }) => (code, text),
        other => panic!("{other:?}"),
    };
    let mut unsampled = told();
    unsampled.submission.sampled = false;
    unsampled.attempts.iter_mut().for_each(|attempt| attempt.sampled = false);
    let (code, text) = said(&unsampled);
    assert_eq!(code, exits::FAILED);
    assert!(text.contains("not sampled"), "{text}");
    unsampled.attempts.clear();
    let (code, text) = said(&unsampled);
    assert_eq!(code, exits::FAILED);
    assert!(text.contains("jaeger_url"), "{text}");
}

#[tokio::test]
async fn what_no_jaeger_gave_is_said_once_for_each_reason() {
    let of = async |jaeger: &str, trace: &str| {
        let limits = Limits::default();
        (trace.to_owned(), spans::of(&format!("{jaeger}/trace/{trace}"), trace, "T", limits).await)
    };
    let (one, other) = ("https://127.0.0.1:1", "https://k\u{1b}");
    let found = [of(one, "a").await, of(other, "b").await, of(one, "c").await];
    let expected = [
        "the Jaeger at https://127.0.0.1:1 did not give the spans of traces a, c: Connection refused (os error 111)",
        "the Jaeger at https://k\\u{1b} did not give the spans of trace b: invalid international domain name",
    ];
    assert_eq!(missing(&found), expected);
    assert_eq!(drawable(found.into()), []);
}
