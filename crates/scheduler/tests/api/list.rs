//! Lists are filtered, and paged by a cursor that stays right.

use std::collections::HashSet;

use distrack_core::Outcome;
use serde_json::{Value, json};

use crate::support::Scheduler;

fn ids(page: &Value) -> Vec<String> {
    page["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["task_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn pages_cover_every_task_once_while_tasks_come_and_change() {
    let scheduler = Scheduler::start().await;
    let worker = scheduler.worker().await;
    let mut made = Vec::new();
    for _ in 0..25 {
        made.push(scheduler.submit(&json!({"command": "x", "delay_seconds": 3600})).await);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/tasks?limit=10".to_owned();
    loop {
        let answer = scheduler.get(&path).await;
        let page = answer.json();
        seen.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!(answer.header("link"), "");
            break;
        };
        path = format!("/v1/tasks?limit=10&cursor={cursor}");
        assert_eq!(answer.header("link"), format!("<{path}>; rel=\"next\""));
        let newer = scheduler.submit(&json!({"command": "later"})).await;
        worker.run(newer, Outcome::success()).await;
        scheduler.post_empty(&format!("/v1/tasks/{}/cancel", made[0])).await;
    }
    let expected: Vec<String> = made.iter().rev().map(ToString::to_string).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_page_that_is_exactly_full_is_the_last_one() {
    let scheduler = Scheduler::start().await;
    for _ in 0..3 {
        scheduler.submit(&json!({"command": "x"})).await;
    }
    let page = scheduler.get("/v1/tasks?limit=3").await.json();
    assert_eq!((ids(&page).len(), &page["next_cursor"]), (3, &Value::Null));
}

#[tokio::test]
async fn filters_hold_together_and_in_the_link() {
    let scheduler = Scheduler::start().await;
    for n in 0..6 {
        let labels = json!({"team": if n % 2 == 0 { "a b" } else { "c" }, "tier": "1"});
        scheduler
            .submit(&json!({"command": "x", "queue": "q", "labels": labels, "delay_seconds": 3600}))
            .await;
    }
    let other = scheduler.submit(&json!({"command": "x"})).await;
    scheduler.worker().await.start(other).await;
    let count = async |query: &str| ids(&scheduler.get(&format!("/v1/tasks?{query}")).await.json()).len();
    assert_eq!(count("").await, 7);
    assert_eq!(count("state=running").await, 1);
    assert_eq!(count("queue=q").await, 6);
    assert_eq!(count("queue=q&label=team=a%20b&label=tier=1").await, 3);
    assert_eq!(count("label=team=a+b&label=tier=2").await, 0);
    assert_eq!(count("created_after=2000-01-01T00:00:00Z").await, 7);
    assert_eq!(count("created_before=2000-01-01T01:00:00%2B01:00").await, 0);
    let answer = scheduler.get("/v1/tasks?queue=q&label=team=a%20b&limit=2").await;
    let link = answer.header("link").trim_start_matches('<').split('>').next().unwrap().to_owned();
    let rest = scheduler.get(&link).await.json();
    let all: HashSet<String> = ids(&answer.json()).into_iter().chain(ids(&rest)).collect();
    assert_eq!((all.len(), &rest["next_cursor"]), (3, &Value::Null));
}
