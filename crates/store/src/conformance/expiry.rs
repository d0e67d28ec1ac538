//! Deadlines to start: a task that waits past its `expires_at` never runs.

use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::{Outcome, QueueName, TaskDraft, TaskState};

use super::fixtures::{Db, clock, echo, eventually, finished, get, report, state, submit, submit_all, sweep};
use super::fleet::Worker;
use crate::{CancelAnswer, Swept};

fn until(expires_at: DateTime<Utc>) -> TaskDraft {
    TaskDraft { expires_at: Some(expires_at), ..echo() }
}

pub async fn a_task_that_waits_past_its_deadline_expires(store: Db) {
    let now = clock(&store).await;
    let past = submit(&store, until(now - TimeDelta::seconds(1))).await;
    let ahead = submit(&store, until(now + TimeDelta::hours(1))).await;
    let none = submit(&store, echo()).await;
    let swept = sweep(&store, 100).await;
    assert_eq!(swept, Swept { tasks_expired: vec![QueueName::default()], ..Swept::default() });
    let task = get(&store, past).await;
    assert_eq!((task.state, task.epoch, task.attempt), (TaskState::Expired, 0, 0));
    assert!(task.finished_at.expect("it ended") >= task.created_at);
    assert_eq!(state(&store, ahead).await, TaskState::Pending, "its deadline is ahead");
    assert_eq!(state(&store, none).await, TaskState::Pending, "it has no deadline");
    assert_eq!(sweep(&store, 100).await, Swept::default());
    assert_eq!(store.cancel(past).await.expect("a cancel is answered"), CancelAnswer::Ended);
}

pub async fn a_deadline_is_kept_when_it_comes(store: Db) {
    let now = clock(&store).await;
    let expires_at = now + TimeDelta::milliseconds(150);
    let id = submit(&store, TaskDraft { delay_seconds: Some(3600.0), ..until(expires_at) }).await;
    eventually("the task expires", async || (sweep(&store, 10).await.tasks_expired.len() == 1).then_some(()))
        .await;
    let task = get(&store, id).await;
    assert_eq!(task.state, TaskState::Expired);
    assert!(task.finished_at.expect("it ended") >= expires_at, "not before its deadline");
}

pub async fn a_task_past_its_deadline_is_not_claimed_even_before_a_sweep(store: Db) {
    let worker = Worker::join(&store).await;
    let past = submit(&store, until(clock(&store).await - TimeDelta::seconds(1))).await;
    assert!(worker.claim(1).await.is_empty());
    let good = submit(&store, until(clock(&store).await + TimeDelta::hours(1))).await;
    assert_eq!(worker.claim_one().await.attempt.task, good);
    sweep(&store, 10).await;
    assert_eq!(state(&store, past).await, TaskState::Expired);
}

pub async fn a_held_task_does_not_expire(store: Db) {
    let worker = Worker::join(&store).await;
    let (attempt, expires_at) = eventually("a task starts before its deadline", async || {
        let expires_at = clock(&store).await + TimeDelta::milliseconds(300);
        submit(&store, until(expires_at)).await;
        worker.claim(1).await.first().map(|claimed| (claimed.attempt, expires_at))
    })
    .await;
    eventually("the deadline passes", async || (clock(&store).await > expires_at).then_some(())).await;
    sweep(&store, 10).await;
    assert_eq!(state(&store, attempt.task).await, TaskState::Dispatched);
    report(&store, finished(attempt, Outcome::success())).await;
    assert_eq!(state(&store, attempt.task).await, TaskState::Completed);
}

pub async fn a_sweep_expires_no_more_than_its_limit(store: Db) {
    let past = clock(&store).await - TimeDelta::seconds(1);
    submit_all(&store, vec![until(past); 5]).await;
    for expected in [2, 2, 1, 0] {
        assert_eq!(sweep(&store, 2).await.tasks_expired.len(), expected);
    }
}
