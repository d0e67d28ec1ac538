//! No body, query or header panics the service, and none of them is an error of ours.

use proptest::prelude::*;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{Answer, Scheduler};

const HEADERS: [&str; 10] = [
    "traceparent",
    "tracestate",
    "idempotency-key",
    "content-type",
    "content-encoding",
    "origin",
    "sec-fetch-site",
    "x-request-id",
    "accept",
    "expect",
];

/// Any JSON, with our own field names often enough to reach what is behind them.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9]{1,6}(ms|s|m|h|d|y)|\\PC{0,9}".prop_map(Value::from),
        "[+-]?[0-9]{4,6}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|[+-][0-2][0-9]:00)"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let name = prop_oneof![
            prop::sample::select(vec![
                "command",
                "argv",
                "delay_seconds",
                "scheduled_at",
                "expires_at",
                "queue",
                "priority",
                "env",
                "env_secret",
                "cwd",
                "timeout",
                "max_attempts",
                "backoff",
                "initial",
                "max",
                "on_lost",
                "on_output_limit",
                "executor",
                "labels",
                "requires",
                "tasks",
            ])
            .prop_map(str::to_owned),
            any::<String>(),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

/// A task with one field of any kind: most of the others are refused for lack of a command.
fn almost_good() -> impl Strategy<Value = Value> {
    (any_json(), any_json()).prop_map(|(mut fields, odd)| {
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("argv");
            fields.entry("command").or_insert_with(|| json!("x"));
            fields.entry("timeout").or_insert(odd);
        }
        fields
    })
}

fn any_header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let value = prop::collection::vec(any::<u8>(), 0..40)
        .prop_filter_map("a header value", |bytes| HeaderValue::from_bytes(&bytes).ok());
    (prop::sample::select(HEADERS.to_vec()).prop_map(HeaderName::from_static), value)
}

fn run<S: Strategy>(strategy: S, asked: impl AsyncFn(&Scheduler, S::Value) -> Answer) {
    let runtime = Runtime::new().unwrap();
    let scheduler = runtime.block_on(Scheduler::start());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&strategy, |input| {
        let answer = runtime.block_on(asked(&scheduler, input));
        prop_assert!(answer.status < 500, "{} {}", answer.status, answer.text);
        if answer.status >= 400 {
            prop_assert_eq!(answer.header("content-type"), "application/problem+json");
        }
        Ok(())
    });
    assert!(!scheduler.served.is_finished());
    drop(scheduler);
    result.unwrap();
}

#[test]
fn no_body_is_an_error_of_ours() {
    let path = prop::sample::select(vec!["/schedule", "/v1/tasks", "/v1/tasks/batch"]);
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        any_json().prop_map(|body| body.to_string().into_bytes()),
        almost_good().prop_map(|body| body.to_string().into_bytes()),
        almost_good().prop_map(|task| json!({"tasks": [task]}).to_string().into_bytes()),
    ];
    run((path, body), async |scheduler, (path, body)| {
        let request = scheduler.request(Method::POST, path).header("content-type", "application/json");
        Answer::of(request.body(body)).await
    });
}

#[test]
fn no_query_is_an_error_of_ours() {
    let path = prop::sample::select(vec![
        "/v1/tasks",
        "/status",
        "/v1/tasks/01890a5d-ac96-774b-bcce-b302099a8057/output",
        "/v1/queues",
        "/v1/workers",
    ]);
    let name = prop_oneof![
        prop::sample::select(vec![
            "state",
            "queue",
            "label",
            "created_after",
            "created_before",
            "cursor",
            "limit",
            "task_id",
            "stream",
            "attempt",
        ])
        .prop_map(str::to_owned),
        "[a-z%&=]{0,4}",
    ];
    let value = prop_oneof![
        any::<String>(),
        "[0-9]{0,12}",
        "[0-9a-f]{32}",
        "[a-z]{1,9}=[a-z]{0,9}",
        "[-0-9T:Z.+]{0,25}"
    ];
    let query = prop::collection::vec((name, value), 0..4);
    run((path, query, any::<bool>()), async |scheduler, (path, query, escaped)| {
        let mut text = form_urlencoded::Serializer::new(String::new());
        let escaped = escaped.then(|| text.extend_pairs(&query).finish());
        let plain = || -> String {
            let pairs =
                query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
            pairs
                .chars()
                .filter(|letter| letter.is_ascii_graphic() && !"<>\"#\\`{}^|".contains(*letter))
                .collect()
        };
        scheduler.get(&format!("{path}?{}", escaped.unwrap_or_else(plain))).await
    });
}

#[test]
fn no_header_is_an_error_of_ours() {
    let headers = prop::collection::vec(any_header(), 0..6);
    run(headers, async |scheduler, headers| {
        let mut request = scheduler.request(Method::POST, "/v1/tasks").body("{\"command\":\"x\"}");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Answer::of(request).await
    });
}

#[test]
fn no_path_is_an_error_of_ours() {
    let path =
        prop_oneof!["/[-a-zA-Z0-9/%._~:@!$&'()*+,;=]{0,60}", "/v1/tasks/[-a-f0-9%]{0,40}(/[a-z]{0,8})?",];
    let method =
        prop::sample::select(vec![Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS]);
    run((method, path), async |scheduler, (method, path)| Answer::of(scheduler.request(method, &path)).await);
}
