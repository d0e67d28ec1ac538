use serde_json::Value;

use super::*;
use crate::request::{BatchRequest, TaskRequest};

fn refused<T: DeserializeOwned>(body: &str) -> (Code, Vec<String>) {
    let problem = parse::<T>(body.as_bytes()).err().expect("must be refused");
    (problem.code, problem.errors.into_iter().map(|error| error.field).collect())
}

fn fields(body: &str) -> Vec<String> {
    let (code, fields) = refused::<TaskRequest>(body);
    assert_eq!(code, Code::InvalidField, "{body}");
    fields
}

#[test]
fn a_field_at_fault_is_named_with_its_path() {
    for (field, body) in [
        ("commnad", r#"{"commnad":"x"}"#),
        ("command", r#"{"command":1}"#),
        ("command", r#"{"command":"a","command":"b"}"#),
        ("delay_seconds", r#"{"command":"x","delay_seconds":"5"}"#),
        ("delay_seconds", r#"{"command":"x","delay_seconds":1e999}"#),
        ("scheduled_at", r#"{"command":"x","scheduled_at":"tomorrow"}"#),
        ("scheduled_at", r#"{"command":"x","scheduled_at":5}"#),
        ("argv[1]", r#"{"argv":["x",2]}"#),
        ("env.A", r#"{"command":"x","env":{"A":1}}"#),
        ("env", r#"{"command":"x","env":[]}"#),
        ("env.A", r#"{"command":"x","env":{"A":"1","A":"1"}}"#),
        ("labels.a.b", r#"{"command":"x","labels":{"a.b":"1","c":"2","a.b":"3"}}"#),
        ("requires.k", r#"{"command":"x","requires":{"k":"1","k":"2"}}"#),
        ("backoff.initial", r#"{"command":"x","backoff":{"initial":"soon"}}"#),
        ("backoff.first", r#"{"command":"x","backoff":{"first":1}}"#),
        ("timeout", r#"{"command":"x","timeout":-1}"#),
        ("timeout", r#"{"command":"x","timeout":"10"}"#),
        ("priority", r#"{"command":"x","priority":1.5}"#),
        ("priority", r#"{"command":"x","priority":99999999999999999999}"#),
        ("max_attempts", r#"{"command":"x","max_attempts":-1}"#),
        ("on_lost", r#"{"command":"x","on_lost":"maybe"}"#),
        ("executor", r#"{"command":"x","executor":"docker"}"#),
        ("body", r#"["x"]"#),
        ("body", "null"),
    ] {
        assert_eq!(fields(body), [field], "{body}");
    }
    assert_eq!(refused::<BatchRequest>(r#"{"tasks":[{"command":"x"},{"cmd":"x"}]}"#).1, ["tasks[1].cmd"]);
    assert_eq!(refused::<BatchRequest>("{}").1, ["tasks"]);
}

#[test]
fn what_is_not_json_is_called_so() {
    for body in
        ["", "{", "{\"command\":}", "{\"command\":\"x\"} x", "command=x", "{\"command\":NaN}", "\u{feff}{}"]
    {
        assert_eq!(refused::<TaskRequest>(body).0, Code::MalformedJson, "{body}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(refused::<Value>(&deep).0, Code::MalformedJson);
    assert_eq!(parse::<TaskRequest>(b"{\"command\":\"\xff\"}").err().unwrap().code, Code::MalformedJson);
}

#[test]
fn a_complaint_does_not_quote_a_whole_body() {
    let body = format!(r#"{{"command":"x","priority":"{}"}}"#, "x".repeat(10_000));
    let problem = parse::<TaskRequest>(body.as_bytes()).err().unwrap();
    assert!(problem.errors[0].message.len() < 400);
}

#[test]
fn only_json_counts_as_json() {
    for good in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"] {
        assert!(is_json(good), "{good}");
    }
    for bad in ["", "text/plain", "application/x-www-form-urlencoded", "text/json", "application/jsonx"] {
        assert!(!is_json(bad), "{bad}");
    }
}
