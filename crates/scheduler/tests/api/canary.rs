//! The scheduler's own task, and how it comes out.

use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::{Outcome, Task, TaskState};
use distrack_scheduler::{Canary, Settings};
use distrack_store::{ListQuery, Store};
use serde_json::Value;

use crate::support::collector::Collector;
use crate::support::fleet::exit;
use crate::support::{Scheduler, log, until};

fn every(interval: Duration) -> Settings {
    let queue = "canaries".parse().unwrap();
    Settings { canary: Some(Canary { interval, queue }), ..Settings::default() }
}

async fn came_out(scheduler: &Scheduler, result: &str) -> f64 {
    scheduler.metric(&format!("distrack_canary_total{{result=\"{result}\"}}")).await.unwrap()
}

/// Every canary, the oldest first.
async fn canaries(scheduler: &Scheduler) -> Vec<Task> {
    let labels = [("distrack".to_owned(), "canary".to_owned())].into();
    let query = ListQuery { limit: 1000, labels, ..ListQuery::default() };
    let mut tasks = scheduler.store.real().list(query).await.unwrap();
    tasks.reverse();
    tasks
}

fn lines(message: &str, of: &[Task]) -> Vec<Value> {
    let about = |line: &Value| of.iter().any(|task| line["task_id"] == task.id.to_string());
    log::lines(|line| line["message"] == message && about(line))
}

#[tokio::test]
async fn a_canary_that_completes_is_a_success_and_says_when() {
    let scheduler = Scheduler::with(every(Duration::from_secs(1))).await;
    for result in ["success", "failed", "late", "refused"] {
        assert_eq!(came_out(&scheduler, result).await, 0.0, "{result}");
    }
    let last = async || scheduler.metric("distrack_canary_last_success_timestamp_seconds").await.unwrap();
    let start = last().await;
    let worker = scheduler.worker().await;
    until("two completed", async || {
        worker.run_one(Outcome::success()).await;
        came_out(&scheduler, "success").await >= 2.0
    })
    .await;
    let tasks = canaries(&scheduler).await;
    let (first, second) = (&tasks[0], &tasks[1]);
    assert_eq!((first.queue.as_str(), first.spec.program.to_string().as_str()), ("canaries", ":"));
    assert_eq!((first.policy.max_attempts, first.spec.timeout_ms), (1, 30_000));
    let until_end = |task: &Task| Some((task.expires_at? - task.created_at).to_std().unwrap_or_default());
    assert_eq!(until_end(first), None, "nothing is known of the database's clock");
    // Two intervals, less what the commits before it took.
    let expected = Duration::ZERO..Duration::from_millis(2100);
    assert!(expected.contains(&until_end(second).unwrap()), "{second:?}");
    // By the scheduler's own clock, which is the database's here: it learned of two after they had completed.
    let mut completed: Vec<_> = tasks.iter().filter_map(|task| task.finished_at).map(in_seconds).collect();
    completed.sort_by(f64::total_cmp);
    let shown = last().await;
    assert!(start < shown && completed[1] <= shown + 0.001, "{completed:?} {shown}");
    let accepted = "distrack_tasks_scheduled_total{queue=\"canaries\",source=\"canary\"}";
    assert!(scheduler.metric(accepted).await.unwrap() >= 2.0);
    assert!(scheduler.metric("distrack_canary_duration_seconds_count").await.unwrap() >= 2.0);
}

fn in_seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1e6
}

#[tokio::test]
async fn a_fleet_that_runs_nothing_is_said_once_and_once_more_when_it_runs_again() {
    log::keep();
    let scheduler = Scheduler::with(every(Duration::from_secs(1))).await;
    until("two are late", async || came_out(&scheduler, "late").await >= 2.0).await;
    let worker = scheduler.worker().await;
    until("one completed", async || {
        worker.run_one(Outcome::success()).await;
        came_out(&scheduler, "success").await >= 1.0
    })
    .await;
    scheduler.shutdown.cancel();
    let tasks = canaries(&scheduler).await;
    let failing = lines("the canary does not come back", &tasks);
    assert_eq!(failing.len(), 1, "{failing:?}");
    assert_eq!((&failing[0]["level"], &failing[0]["result"]), (&"WARN".into(), &"late".into()));
    let again = lines("the canary comes back again", &tasks);
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0]["level"], "INFO");
}

#[tokio::test]
async fn a_canary_that_ends_badly_has_failed() {
    let scheduler = Scheduler::with(every(Duration::from_secs(1))).await;
    let worker = scheduler.worker().await;
    until("one failed", async || {
        worker.run_one(exit(127)).await;
        came_out(&scheduler, "failed").await >= 1.0
    })
    .await;
    assert!(canaries(&scheduler).await.iter().any(|task| task.state == TaskState::Failed));
    assert_eq!(came_out(&scheduler, "success").await, 0.0);
}

#[tokio::test]
async fn a_canary_that_is_not_accepted_is_refused() {
    let scheduler = Scheduler::with(every(Duration::from_millis(100))).await;
    scheduler.store.set_down(true);
    until("one is refused", async || came_out(&scheduler, "refused").await >= 1.0).await;
    let start = scheduler.metric("distrack_canary_last_success_timestamp_seconds").await;
    assert!(start.unwrap() > 1e9, "the start of the process until the first success");
}

#[tokio::test]
async fn the_canary_does_not_hold_up_the_end() {
    let scheduler = Scheduler::with(every(Duration::from_secs(3600))).await;
    scheduler.shutdown.cancel();
    until("it stops", async || scheduler.served.is_finished()).await;
}

#[tokio::test]
async fn a_canary_has_a_trace_of_its_own() {
    let mut collector = Collector::start().await;
    let scheduler = Scheduler::traced(every(Duration::from_millis(300)), collector.traces.clone()).await;
    let canary = collector.wait(1, |span| span.name == "canary").await.remove(0);
    let schedules = collector.wait(1, |span| span.name == "schedule canaries").await;
    let schedule = schedules.iter().find(|span| span.trace_id == canary.trace_id).unwrap();
    assert!(canary.parent_span_id.is_empty());
    assert_eq!(schedule.parent_span_id, canary.span_id);
    assert_eq!(canary.status.as_ref().unwrap().code, "STATUS_CODE_ERROR");
    assert!(canary.attributes["error.type"].contains("late"), "{canary:#?}");
    let task = canaries(&scheduler).await.remove(0);
    assert!(canary.attributes["distrack.task.id"].contains(&task.id.to_string()));
    assert_eq!((task.trace.trace_id.to_string(), task.trace.flags), (canary.trace_id, 1));
    assert_eq!(task.trace.span_id.to_string(), schedule.span_id);
}
