//! Issue 4 point 6: each bad input has its status, its code and its field, and stores nothing.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Scheduler};

/// Bodies with one field at fault, and that field.
fn bad_fields() -> Vec<(&'static str, Value)> {
    let many = |count: usize| (0..count).map(|n| (format!("k{n}"), json!("v"))).collect::<Value>();
    let huge = "x".repeat(64 * 1024 + 1);
    let key_too_long = format!("labels.{}", "k".repeat(64));
    let text = "x";
    vec![
        ("command", json!({})),
        ("command", json!({"command": ""})),
        ("command", json!({"command": "a\0b"})),
        ("command", json!({"command": huge})),
        ("command", json!({"command": 5})),
        ("command", json!({"command": ["echo"]})),
        ("comand", json!({"comand": text})),
        ("argv", json!({"command": text, "argv": ["x"]})),
        ("argv", json!({"argv": []})),
        ("argv", json!({"argv": vec!["x"; 1025]})),
        ("argv", json!({"argv": [huge]})),
        ("argv", json!({"argv": "echo hello"})),
        ("argv[0]", json!({"argv": [""]})),
        ("argv[1]", json!({"argv": ["x", "\0"]})),
        ("argv[1]", json!({"argv": ["x", 5]})),
        ("delay_seconds", json!({"command": text, "delay_seconds": -1})),
        ("delay_seconds", json!({"command": text, "delay_seconds": 315_576_001})),
        ("delay_seconds", json!({"command": text, "delay_seconds": 1e300})),
        ("delay_seconds", json!({"command": text, "delay_seconds": "5"})),
        ("delay_seconds", json!({"command": text, "delay_seconds": true})),
        (
            "scheduled_at",
            json!({"command": text, "delay_seconds": 1, "scheduled_at": "2030-01-01T00:00:00Z"}),
        ),
        ("scheduled_at", json!({"command": text, "scheduled_at": "9999-01-01T00:00:00Z"})),
        ("scheduled_at", json!({"command": text, "scheduled_at": "2030-01-01T00:00:00"})),
        ("scheduled_at", json!({"command": text, "scheduled_at": "-9999-01-01T00:00:00Z"})),
        ("scheduled_at", json!({"command": text, "scheduled_at": 1_900_000_000})),
        ("expires_at", json!({"command": text, "expires_at": "soon"})),
        ("expires_at", json!({"command": text, "expires_at": "9999-12-31T23:59:59-01:00"})),
        ("expires_at", json!({"command": text, "expires_at": "0000-01-01T00:00:00+01:00"})),
        ("queue", json!({"command": text, "queue": ""})),
        ("queue", json!({"command": text, "queue": "Upper"})),
        ("queue", json!({"command": text, "queue": "-a"})),
        ("queue", json!({"command": text, "queue": "a".repeat(64)})),
        ("queue", json!({"command": text, "queue": 1})),
        ("priority", json!({"command": text, "priority": 101})),
        ("priority", json!({"command": text, "priority": -101})),
        ("priority", json!({"command": text, "priority": 1.5})),
        ("priority", json!({"command": text, "priority": 9_999_999_999_u64})),
        ("env", json!({"command": text, "env": many(129)})),
        ("env", json!({"command": text, "env": {"A": huge}})),
        ("env", json!({"command": text, "env": ["A=B"]})),
        ("env.A", json!({"command": text, "env": {"A": 1}})),
        ("env.A=B", json!({"command": text, "env": {"A=B": ""}})),
        ("env.", json!({"command": text, "env": {"": "x"}})),
        ("env.A", json!({"command": text, "env": {"A": "\0"}})),
        ("env_secret", json!({"command": text, "env_secret": many(129)})),
        ("env_secret", json!({"command": text, "env_secret": {"A": huge}})),
        ("env_secret.A=B", json!({"command": text, "env_secret": {"A=B": ""}})),
        ("env_secret.A", json!({"command": text, "env_secret": {"A": "\0"}})),
        ("env_secret.A", json!({"command": text, "env_secret": {"A": "1"}, "env": {"A": "1"}})),
        ("env_secret.PATH", json!({"command": text, "env_secret": {"PATH": "/bin"}})),
        ("cwd", json!({"command": text, "cwd": "relative"})),
        ("cwd", json!({"command": text, "cwd": "/a\0"})),
        ("timeout", json!({"command": text, "timeout": 0})),
        ("timeout", json!({"command": text, "timeout": -1})),
        ("timeout", json!({"command": text, "timeout": "31d"})),
        ("timeout", json!({"command": text, "timeout": "soon"})),
        ("timeout", json!({"command": text, "timeout": 1e300})),
        ("max_attempts", json!({"command": text, "max_attempts": 0})),
        ("max_attempts", json!({"command": text, "max_attempts": 101})),
        ("max_attempts", json!({"command": text, "max_attempts": -1})),
        ("backoff", json!({"command": text, "backoff": {"initial": 2, "max": 1}})),
        ("backoff", json!({"command": text, "backoff": "1s"})),
        ("backoff.initial", json!({"command": text, "backoff": {"initial": -2}})),
        ("backoff", json!({"command": text, "backoff": [1, 2]})),
        ("backoff.factor", json!({"command": text, "backoff": {"factor": 2}})),
        ("on_lost", json!({"command": text, "on_lost": "ignore"})),
        ("on_output_limit", json!({"command": text, "on_output_limit": "ignore"})),
        ("executor", json!({"command": text, "executor": "docker"})),
        ("labels", json!({"command": text, "labels": many(33)})),
        ("labels.", json!({"command": text, "labels": {"": "v"}})),
        ("labels.k", json!({"command": text, "labels": {"k": "v".repeat(257)}})),
        ("labels.k", json!({"command": text, "labels": {"k": 1}})),
        (key_too_long.leak(), json!({"command": text, "labels": {"k".repeat(64): "v"}})),
        ("requires", json!({"command": text, "requires": many(33)})),
        ("requires.k", json!({"command": text, "requires": {"k": "\0"}})),
        ("retry_of", json!({"command": text, "retry_of": "x"})),
        ("task_id", json!({"command": text, "task_id": "x"})),
        ("body", json!([])),
        ("body", json!([text])),
        ("body", json!("echo hello")),
        ("body", json!(null)),
    ]
}

#[tokio::test]
async fn a_field_at_fault_is_named_and_nothing_is_stored() {
    let scheduler = Scheduler::start().await;
    for (field, body) in bad_fields() {
        for path in ["/schedule", "/v1/tasks"] {
            let answer = scheduler.post(path, &body).await;
            assert_eq!(answer.problem(422, "invalid_field"), [field], "{body:.200}");
        }
        if body.is_object() {
            let answer = scheduler.post("/v1/tasks/batch", &json!({"tasks": [{"command": "x"}, body]})).await;
            let expected = format!("tasks[1].{field}");
            assert_eq!(answer.problem(422, "invalid_field"), [expected], "{body:.200}");
        }
    }
    assert_eq!(scheduler.store.submit_calls(), 0);
}

#[tokio::test]
async fn every_field_at_fault_is_named_at_once() {
    let scheduler = Scheduler::start().await;
    let body = json!({"command": "", "priority": 500, "queue": "NO"});
    let mut fields = scheduler.post("/v1/tasks", &body).await.problem(422, "invalid_field");
    fields.sort();
    assert_eq!(fields, ["command", "priority", "queue"]);
    let many: Vec<Value> = (0..100).map(|_| body.clone()).collect();
    let answer = scheduler.post("/v1/tasks/batch", &json!({"tasks": many})).await;
    assert_eq!(answer.problem(422, "invalid_field").len(), 32);
    assert_eq!(scheduler.store.submit_calls(), 0);
}

#[tokio::test]
async fn a_batch_must_have_1_to_10000_tasks() {
    let scheduler = Scheduler::start().await;
    let tasks = |count: usize| json!({"tasks": vec![json!({"command": "x"}); count]});
    for body in [tasks(0), tasks(10_001), json!({}), json!({"tasks": {}}), json!({"tasks": null})] {
        let answer = scheduler.post("/v1/tasks/batch", &body).await;
        assert_eq!(answer.problem(422, "invalid_field"), ["tasks"]);
    }
    let unknown = json!({"tasks": [{"command": "x"}], "atomic": true});
    assert_eq!(scheduler.post("/v1/tasks/batch", &unknown).await.problem(422, "invalid_field"), ["atomic"]);
    assert_eq!(scheduler.store.submit_calls(), 0);
}

#[tokio::test]
async fn what_is_not_json_is_refused_with_400() {
    let scheduler = Scheduler::start().await;
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"echo hello",
        b"{\"command\":\"x\"",
        b"{\"command\":NaN}",
        b"{\"command\":\"\xff\"}",
        b"{'command':'x'}",
        b"{\"command\":\"x\"}}",
    ];
    for body in bodies {
        for path in ["/schedule", "/v1/tasks", "/v1/tasks/batch"] {
            let request = scheduler.request(Method::POST, path).header("content-type", "application/json");
            Answer::of(request.body(body)).await.problem(400, "malformed_json");
        }
    }
    assert_eq!(scheduler.store.submit_calls(), 0);
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_refused_with_415() {
    let scheduler = Scheduler::start().await;
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
        for path in ["/schedule", "/v1/tasks", "/v1/tasks/batch"] {
            let mut request = scheduler.request(Method::POST, path).body("{\"command\":\"x\"}");
            if let Some(kind) = kind {
                request = request.header("content-type", kind);
            }
            Answer::of(request).await.problem(415, "unsupported_media_type");
        }
    }
    let packed = scheduler.request(Method::POST, "/schedule").header("content-encoding", "gzip");
    Answer::of(packed.json(&json!({"command": "x"}))).await.problem(415, "unsupported_media_type");
    assert_eq!(scheduler.store.submit_calls(), 0);
}

/// Sends a submission of `count` chunks, whose length nobody declares.
async fn send_chunked(scheduler: &Scheduler, size: usize, count: usize) -> String {
    let mut stream = TcpStream::connect(&scheduler.address).await.unwrap();
    let head = "POST /schedule HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{size:x}\r\n{}\r\n", " ".repeat(size));
    for _ in 0..count {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn a_body_over_its_cap_is_refused_with_413() {
    let scheduler = Scheduler::start().await;
    let padded = |size: usize| format!("{{\"command\":\"x\"{}}}", " ".repeat(size - 15));
    let mib = 1 << 20;
    for (path, cap) in [("/schedule", mib), ("/v1/tasks", mib), ("/v1/tasks/batch", 8 * mib)] {
        let declared = scheduler.request(Method::POST, path).header("content-type", "application/json");
        Answer::of(declared.body(padded(cap + 1))).await.problem(413, "body_too_large");
    }
    let answer = send_chunked(&scheduler, mib / 32, 40).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large"), "{answer}");
    assert_eq!(scheduler.store.submit_calls(), 0);
    let exact = scheduler.request(Method::POST, "/schedule").header("content-type", "application/json");
    assert_eq!(Answer::of(exact.body(padded(mib))).await.status, 200);
}

#[tokio::test]
async fn a_bad_id_is_refused_with_400_and_an_unknown_one_with_404() {
    let scheduler = Scheduler::start().await;
    let gets = ["/status?task_id={}", "/v1/tasks/{}", "/v1/tasks/{}/output", "/v1/tasks/{}/attempts"];
    let posts = ["/v1/tasks/{}/cancel", "/v1/tasks/{}/retry"];
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for id in ["x", "1", "01890a5d-ac96-774b-bcce", "%00", "%ff", "..%2f..", "' OR 1=1"] {
        for path in gets {
            scheduler.get(&path.replace("{}", id)).await.problem(400, "bad_id");
        }
        for path in posts {
            scheduler.post_empty(&path.replace("{}", id)).await.problem(400, "bad_id");
        }
    }
    for path in gets {
        scheduler.get(&path.replace("{}", unknown)).await.problem(404, "task_not_found");
    }
    for path in posts {
        scheduler.post_empty(&path.replace("{}", unknown)).await.problem(404, "task_not_found");
    }
    assert_eq!(scheduler.get("/status").await.problem(422, "invalid_field"), ["task_id"]);
}

#[tokio::test]
async fn a_bad_parameter_is_refused_by_name() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let long = "x".repeat(257);
    let lists = [
        ("state", "state=done".to_owned()),
        ("state", "state=pending&state=running".to_owned()),
        ("queue", "queue=NO".to_owned()),
        ("queue", "queue=%00".to_owned()),
        ("label", "label=novalue".to_owned()),
        ("label", "label==v".to_owned()),
        ("label", "label=k=%00".to_owned()),
        ("label", format!("label=k={long}")),
        ("label", "label=k=a&label=k=b".to_owned()),
        ("label", format!("label={}=v", "k".repeat(64))),
        ("label", (0..33).map(|n| format!("label=k{n}=v")).collect::<Vec<_>>().join("&")),
        ("created_after", "created_after=yesterday".to_owned()),
        ("created_before", "created_before=2030-01-01".to_owned()),
        ("created_before", "created_before=9999-12-31T23:59:59-01:00".to_owned()),
        ("limit", "limit=0".to_owned()),
        ("limit", "limit=1001".to_owned()),
        ("limit", "limit=-1".to_owned()),
        ("limit", "limit=all".to_owned()),
        ("sate", "sate=running".to_owned()),
    ];
    for (field, query) in lists {
        let answer = scheduler.get(&format!("/v1/tasks?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_field"), [field], "{query}");
    }
    for cursor in
        ["x", "%00", "0", "01890A5DAC96774BBCCEB302099A8057", "01890a5d-ac96-774b-bcce-b302099a8057"]
    {
        scheduler.get(&format!("/v1/tasks?cursor={cursor}")).await.problem(400, "bad_cursor");
    }
    for (field, query) in
        [("attempt", "attempt=0"), ("attempt", "attempt=x"), ("stream", "stream=all"), ("raw", "raw=1")]
    {
        let answer = scheduler.get(&format!("/v1/tasks/{id}/output?{query}")).await;
        assert_eq!(answer.problem(422, "invalid_field"), [field], "{query}");
    }
    for wait in ["61", "61s", "-1", "2h", "x", "NaN", "inf", "1e99", ""] {
        for path in [format!("/v1/tasks/{id}?wait={wait}"), format!("/status?task_id={id}&wait={wait}")] {
            assert_eq!(scheduler.get(&path).await.problem(422, "invalid_field"), ["wait"], "{wait}");
        }
        for path in ["/schedule", "/v1/tasks"] {
            let answer = scheduler.post(&format!("{path}?wait={wait}"), &json!({"command": "x"})).await;
            assert_eq!(answer.problem(422, "invalid_field"), ["wait"], "{wait}");
        }
    }
    assert_eq!(scheduler.store.submit_calls(), 1);
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_have_is_refused_by_each() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    let task = format!("/v1/tasks/{id}");
    let body = json!({"command": "x"});
    let routes = [
        (Method::GET, "/v1/tasks?x=1".to_owned(), Value::Null),
        (Method::GET, "/v1/workers?x=1".to_owned(), Value::Null),
        (Method::GET, "/v1/queues?x=1".to_owned(), Value::Null),
        (Method::GET, format!("{task}?x=1"), Value::Null),
        (Method::GET, format!("{task}/output?x=1"), Value::Null),
        (Method::GET, format!("{task}/attempts?x=1"), Value::Null),
        (Method::GET, format!("/status?task_id={id}&x=1"), Value::Null),
        (Method::POST, "/schedule?x=1".to_owned(), body.clone()),
        (Method::POST, "/v1/tasks?x=1".to_owned(), body.clone()),
        (Method::POST, "/v1/tasks/batch?x=1".to_owned(), json!({"tasks": [body]})),
        (Method::POST, format!("{task}/cancel?x=1"), Value::Null),
        (Method::POST, format!("{task}/retry?x=1"), Value::Null),
    ];
    let mut taken = Vec::new();
    for (method, path, body) in routes {
        let answer = Answer::of(scheduler.request(method, &path).json(&body)).await;
        let problem = answer.json();
        if (answer.status, &problem["errors"][0]["field"]) != (422, &json!("x")) {
            taken.push(path);
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
    assert_eq!(scheduler.store.submit_calls(), 1);
}

#[tokio::test]
async fn a_name_given_twice_is_refused_by_name() {
    let scheduler = Scheduler::start().await;
    for field in ["env", "env_secret", "labels", "requires"] {
        let task = format!(r#"{{"command":"x","{field}":{{"a":"1","b":"2","a":"1"}}}}"#);
        for (path, body, expected) in [
            ("/schedule", task.clone(), format!("{field}.a")),
            ("/v1/tasks/batch", format!(r#"{{"tasks":[{task}]}}"#), format!("tasks[0].{field}.a")),
        ] {
            let request = scheduler.request(Method::POST, path).header("content-type", "application/json");
            let answer = Answer::of(request.body(body)).await;
            assert_eq!(answer.problem(422, "invalid_field"), [expected]);
        }
    }
    assert_eq!(scheduler.store.submit_calls(), 0);
}

#[tokio::test]
async fn a_refusal_quotes_no_more_than_the_beginning_of_a_long_name() {
    let scheduler = Scheduler::start().await;
    let long = "é".repeat(10_000);
    let named = |value: Value| Value::Object([(long.clone(), value)].into_iter().collect());
    let answers = [
        scheduler.post("/v1/tasks", &named(json!(1))).await,
        scheduler.post("/v1/tasks", &json!({"command": "x", "labels": named(json!("v"))})).await,
        scheduler.post("/v1/tasks", &json!({"command": "x", "env": named(json!("\0"))})).await,
        scheduler.post("/v1/tasks", &json!({"command": "x", "env": named(json!(1))})).await,
        scheduler.get(&format!("/v1/tasks?{}=1", "x".repeat(10_000))).await,
    ];
    for answer in answers {
        let fields = answer.problem(422, "invalid_field");
        assert!(fields[0].chars().count() <= 129, "{fields:?}");
        assert!(answer.text.len() < 3000, "{}", answer.text);
    }
}

#[tokio::test]
async fn an_unknown_route_is_404_and_a_wrong_method_405_with_allow() {
    let scheduler = Scheduler::start().await;
    for path in ["/", "/v2/tasks", "/v1", "/v1/tasks/", "/v1/tasks/a/b", "/schedule/", "/favicon.ico"] {
        scheduler.get(path).await.problem(404, "route_not_found");
    }
    for (method, path, allow) in [
        (Method::GET, "/schedule", "POST"),
        (Method::POST, "/status", "GET,HEAD"),
        (Method::DELETE, "/v1/tasks", "GET,HEAD,POST"),
        (Method::PUT, "/v1/tasks/x", "GET,HEAD"),
        (Method::GET, "/v1/tasks/x/cancel", "POST"),
        (Method::OPTIONS, "/v1/tasks/batch", "POST"),
        (Method::POST, "/livez", "GET,HEAD"),
    ] {
        // `/v1/tasks/batch` is also a task's path, by its shape.
        let answer = Answer::of(scheduler.request(method, path)).await;
        answer.problem(405, "method_not_allowed");
        let mut methods: Vec<&str> = answer.header("allow").split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allow, "{path}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_503_with_retry_after_and_says_no_more() {
    let scheduler = Scheduler::start().await;
    let id = scheduler.submit(&json!({"command": "x"})).await;
    scheduler.store.set_down(true);
    let mut answers = vec![
        scheduler.post_empty(&format!("/v1/tasks/{id}/cancel")).await,
        scheduler.post_empty(&format!("/v1/tasks/{id}/retry")).await,
    ];
    for path in ["/v1/tasks", "/v1/workers", "/v1/queues", &format!("/v1/tasks/{id}/attempts")] {
        answers.push(scheduler.get(path).await);
    }
    for answer in answers {
        answer.problem(503, "database_unavailable");
        assert_eq!(answer.header("retry-after"), "1");
        assert!(!answer.text.contains("secret"), "{}", answer.text);
    }
    assert_eq!(scheduler.store.count().await, 1);
}
