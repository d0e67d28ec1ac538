//! Nothing starts before its time, by the database's clock, and an idle system does not wait for a poll.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, TimeDelta};
use distrack_testkit::{Api, Fleet, TestDatabase, Up, eventually};
use serde_json::{Value, json};
use tokio::sync::Mutex;

const PROGRAM: &str = env!("CARGO_BIN_EXE_distrack");
const LIMIT: Duration = Duration::from_secs(60);
const TASKS: usize = 1_000;
/// How often the services look by themselves when nothing tells them to.
const POLL: Duration = Duration::from_secs(2);
/// Far above a start by hint or timer, and far below one by the poll.
const NOT_A_POLL: Duration = Duration::from_millis(500);

/// One store after the other: the two would make each other late.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_start_on_time_over_postgres() {
    let _alone = ALONE.lock().await;
    let database = TestDatabase::create().await;
    let fleet = Fleet::builder(PROGRAM, database.url()).start().await.unwrap();
    check(&fleet.api()).await;
    check_after_silence(&fleet.api()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_start_on_time_over_sqlite() {
    let _alone = ALONE.lock().await;
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    check(&up.api()).await;
    check_after_silence(&up.api()).await;
}

/// A thousand tasks with delays of 0 to 5 s, one by one, so that each is alone.
async fn check(api: &Api) {
    for n in 0..TASKS {
        api.schedule("date +%s%N", (n * 7 % 100) as f64 * 0.05).await.unwrap();
    }
    let tasks = eventually(LIMIT, "the end of all tasks", || async {
        let tasks = api.tasks("state=completed&limit=1000").await?["tasks"].as_array().cloned();
        let tasks = tasks.unwrap_or_default();
        if tasks.len() == TASKS { Ok(tasks) } else { Err(anyhow::anyhow!("{} have ended", tasks.len())) }
    })
    .await;
    let printed = what_they_printed(api, &tasks).await;
    let mut delays = Vec::new();
    for task in &tasks {
        // The database's word, and the command's own: it runs on the machine whose clock the database reads.
        let own = DateTime::from_timestamp_nanos(printed[id(task)].trim().parse().unwrap());
        assert!(own >= instant(task, "scheduled_at"), "ran early, at {own}: {task}");
        delays.push(delay(task));
    }
    delays.sort_unstable();
    // Whoever waits for the poll does so most of the time; a machine that stalls once holds up a few.
    let (median, most, longest) = (delays[TASKS / 2], delays[TASKS * 9 / 10], delays[TASKS - 1]);
    println!("start delay: median {median:?}, nine of ten {most:?}, longest {longest:?}");
    assert!(median < POLL / 2, "tasks wait for the poll: median {median:?}");
}

/// After a time in which nothing happens, a task is heard of without a poll.
async fn check_after_silence(api: &Api) {
    let mut delays = Vec::new();
    for _ in 0..5 {
        // Not a wait for something: the silence is what is tried.
        tokio::time::sleep(POLL + POLL / 4).await;
        let task = api.schedule("true", 0.0).await.unwrap();
        let ended = api.wait_terminal(id(&task), LIMIT).await;
        delays.push(delay(&ended));
    }
    println!("start delays after silence: {delays:?}");
    delays.sort_unstable();
    assert!(delays[2] < NOT_A_POLL, "nobody heard of them: {delays:?}");
}

async fn what_they_printed(api: &Api, tasks: &[Value]) -> HashMap<String, String> {
    let mut printed = HashMap::new();
    for task in tasks {
        let output = api.output(id(task)).await.unwrap();
        printed.insert(id(task).to_owned(), output["stdout"]["head"].as_str().unwrap().to_owned());
    }
    printed
}

fn id(task: &Value) -> &str {
    task["task_id"].as_str().unwrap()
}

/// How long after its time a task started, by the database's clock; never before.
fn delay(task: &Value) -> Duration {
    let delay = instant(task, "started_at") - instant(task, "scheduled_at");
    assert!(delay >= TimeDelta::zero(), "started early: {task}");
    delay.to_std().unwrap()
}

fn instant(task: &Value, field: &str) -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339(task[field].as_str().unwrap_or_else(|| panic!("{field} of {task}"))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_time_is_honoured_to_the_millisecond() {
    let _alone = ALONE.lock().await;
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    // By the database's clock: 1.5 s after a task was accepted, and no round number.
    let first = up.api().schedule("true", 0.0).await.unwrap();
    let at = instant(&first, "created_at") + TimeDelta::milliseconds(1_500);
    let at = at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let task = up.api().submit(&json!({"command": "true", "scheduled_at": at})).await.unwrap();
    assert_eq!(task["scheduled_at"], at.as_str());
    let ended = up.api().wait_terminal(id(&task), LIMIT).await;
    // To the millisecond is when it may start; how soon it does is the other test's.
    delay(&ended);
}
