//! What a task's secret variables are: names in every answer, values in none.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::fleet::exit;
use crate::support::{Answer, Scheduler};

const VALUE: &str = "hunter2-in-no-answer";

#[tokio::test]
async fn no_answer_has_the_value_of_a_secret() {
    let scheduler = Scheduler::start().await;
    let task =
        |delay: u32| json!({"command": "false", "env_secret": {"TOKEN": VALUE}, "delay_seconds": delay});
    let answer = scheduler.post("/v1/tasks", &task(0)).await;
    let body = task(3600);
    let id = answer.json()["task_id"].as_str().unwrap().to_owned();
    let mut answers = vec![answer];
    answers.push(scheduler.post("/schedule", &body).await);
    answers.push(scheduler.post("/v1/tasks/batch", &json!({"tasks": [body, body]})).await);
    answers.push(scheduler.post_with_key("/v1/tasks", "key", &body).await);
    answers.push(scheduler.post_with_key("/v1/tasks", "key", &body).await);
    answers.push(scheduler.get("/v1/tasks").await);
    answers.push(scheduler.get(&format!("/status?task_id={id}")).await);
    scheduler.worker().await.run(id.parse().unwrap(), exit(1)).await;
    for path in ["", "/output", "/attempts", "/why", "/trace"] {
        answers.push(scheduler.get(&format!("/v1/tasks/{id}{path}")).await);
    }
    let again = scheduler.post_empty(&format!("/v1/tasks/{id}/retry")).await;
    let second = again.json()["task_id"].as_str().unwrap().to_owned();
    answers.push(again);
    answers.push(scheduler.post_empty(&format!("/v1/tasks/{second}/cancel")).await);
    answers.push(scheduler.get("/metrics").await);
    for answer in &answers {
        assert!(answer.status < 300 && !answer.text.contains(VALUE), "{} {}", answer.status, answer.text);
    }
    let named = answers.iter().filter(|answer| answer.text.contains(r#""env_secret":["TOKEN"]"#)).count();
    assert_eq!(named, answers.len() - 5, "all but output, attempts, why, trace and metrics name it");
}

#[tokio::test]
async fn a_secret_that_is_refused_is_not_said_again() {
    let scheduler = Scheduler::start().await;
    for (field, secrets) in [
        ("env_secret", json!(VALUE)),
        ("env_secret", json!([VALUE])),
        ("env_secret", json!(770_077)),
        ("env_secret.TOKEN", json!({"TOKEN": 770_077})),
        ("env_secret.TOKEN", json!({"TOKEN": [VALUE]})),
        ("env_secret.TOKEN", json!({"TOKEN": {"value": VALUE}})),
        ("env_secret.TOKEN", json!({"TOKEN": format!("{VALUE}\0")})),
        ("env_secret.TO=KEN", json!({"TO=KEN": VALUE})),
        ("env_secret", json!({"TOKEN": format!("{VALUE}{}", "x".repeat(70_000))})),
    ] {
        let answer = scheduler.post("/v1/tasks", &json!({"command": "x", "env_secret": secrets})).await;
        assert_eq!(answer.problem(422, "invalid_field"), [field], "{}", answer.text);
        assert!(!answer.text.contains(VALUE) && !answer.text.contains("770077"), "{}", answer.text);
        let batch = json!({"tasks": [{"command": "x", "env_secret": secrets}]});
        let answer = scheduler.post("/v1/tasks/batch", &batch).await;
        assert_eq!(answer.problem(422, "invalid_field"), [format!("tasks[0].{field}")]);
        assert!(!answer.text.contains(VALUE) && !answer.text.contains("770077"), "{}", answer.text);
    }
    // Broken off inside the value, and with a name twice.
    for (body, status) in [
        (format!(r#"{{"command":"x","env_secret":{{"TOKEN":"{VALUE}"#), 400),
        (format!(r#"{{"command":"x","env_secret":{{"TOKEN":"{VALUE}","TOKEN":"{VALUE}"}}}}"#), 422),
    ] {
        let request = scheduler.request(Method::POST, "/v1/tasks").header("content-type", "application/json");
        let answer = Answer::of(request.body(body)).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(!answer.text.contains(VALUE), "{}", answer.text);
    }
    let tasks: Value = scheduler.get("/v1/tasks").await.json();
    assert_eq!(tasks["tasks"], json!([]));
}
