//! Nothing starts before its time, by the database's clock, and an idle system does not wait for a poll.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use distrack_testkit::{Api, Fleet, TestDatabase, Up, eventually};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_distrack");
const TASKS: usize = 200;
/// Far above a start by hint or timer, and far below one by the poll of 2 s.
const NOT_A_POLL: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_start_on_time_over_postgres() {
    let database = TestDatabase::create().await;
    let fleet = Fleet::builder(PROGRAM, database.url()).start().await.unwrap();
    check(&fleet.api()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_start_on_time_over_sqlite() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    check(&up.api()).await;
}

async fn check(api: &Api) {
    // One by one, so that each is alone; due 0 to 2 s later.
    let mut ids = Vec::new();
    for n in 0..TASKS {
        let delay = (n * 7 % 40) as f64 * 0.05;
        let task = api.schedule("true", delay).await.unwrap();
        ids.push(task["task_id"].as_str().unwrap().to_owned());
    }
    let mut delays = Vec::new();
    for id in ids {
        let task = eventually(Duration::from_secs(30), "the end of a task", || async {
            let task = api.task(&id).await?;
            if task["state"] == "completed" { Ok(task) } else { Err(anyhow::anyhow!("{task}")) }
        })
        .await;
        let delay = instant(&task, "started_at") - instant(&task, "scheduled_at");
        assert!(delay >= chrono::TimeDelta::zero(), "started early: {task}");
        delays.push(delay.to_std().unwrap());
    }
    delays.sort_unstable();
    let median = delays[TASKS / 2];
    println!("start delay: median {median:?}, longest {:?}", delays[TASKS - 1]);
    assert!(median < NOT_A_POLL, "tasks wait for the poll: median {median:?}");
}

fn instant(task: &Value, field: &str) -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339(task[field].as_str().unwrap_or_else(|| panic!("{field} of {task}"))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_time_is_honoured_to_the_millisecond() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let task = up
        .api()
        .submit(&json!({"command": "true", "scheduled_at": "2026-01-02T03:04:05.678Z"}))
        .await
        .unwrap();
    assert_eq!(task["scheduled_at"], "2026-01-02T03:04:05.678Z");
}
