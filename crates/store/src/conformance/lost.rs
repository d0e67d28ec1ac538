//! What becomes of a task whose worker was lost while it held an attempt.

use chrono::TimeDelta;
use distrack_core::{Cause, OnLost, TaskDraft, TaskState};

use super::fixtures::{Db, echo, exit, finished, get, report, started, state, sweep};
use super::fleet::Worker;

pub async fn a_lost_attempt_is_tried_again_and_uses_up_none(store: Db) {
    let mut worker = Worker::join(&store).await;
    let (dispatched, running) = (worker.hold(echo()).await, worker.run(echo()).await);
    worker.die().await;
    for attempt in [dispatched, running] {
        let task = get(&store, attempt.task).await;
        assert_eq!((task.state, task.epoch, task.attempt), (TaskState::Pending, 1, 1));
        assert_eq!((task.failures, task.losses, task.session), (0, 1, None));
        let ended = task.finished_at.expect("an attempt ended");
        assert!(ended >= task.picked_at.expect("it was picked"));
        let wait = task.due_at - ended;
        assert!(wait > TimeDelta::milliseconds(900) && wait < TimeDelta::seconds(5), "waits {wait}");
        assert_eq!(task.outcome.and_then(|outcome| outcome.cause), Some(Cause::WorkerLost));
    }
    let other = Worker::join(&store).await;
    for claimed in other.claim_all(2).await {
        assert_eq!((claimed.attempt.epoch, claimed.number), (2, 2));
        report(&store, finished(claimed.attempt, exit(1))).await;
        let task = get(&store, claimed.attempt.task).await;
        assert_eq!((task.state, task.failures, task.losses), (TaskState::Failed, 1, 1));
    }
}

pub async fn a_lost_attempt_is_not_run_twice_when_that_is_forbidden(store: Db) {
    let mut worker = Worker::join(&store).await;
    let draft = || TaskDraft { on_lost: Some(OnLost::Fail), max_attempts: Some(9), ..echo() };
    let (dispatched, running) = (worker.hold(draft()).await, worker.run(draft()).await);
    worker.die().await;
    for attempt in [dispatched, running] {
        let task = get(&store, attempt.task).await;
        assert_eq!((task.state, task.losses, task.session), (TaskState::Failed, 1, None));
        assert!(task.finished_at.is_some());
        assert_eq!(task.outcome.and_then(|outcome| outcome.cause), Some(Cause::WorkerLost));
    }
    assert!(Worker::join(&store).await.claim(5).await.is_empty());
}

pub async fn a_task_that_loses_three_workers_is_poison(store: Db) {
    let mut worker = Worker::join(&store).await;
    let first = worker.hold(TaskDraft { max_attempts: Some(100), ..echo() }).await;
    for losses in 1..=3 {
        if losses > 1 {
            worker = Worker::join(&store).await;
            let claimed = worker.claim_one().await;
            assert_eq!(claimed.number, losses);
            report(&store, started(claimed.attempt)).await;
        }
        worker.die().await;
        assert_eq!(get(&store, first.task).await.losses, losses);
    }
    let task = get(&store, first.task).await;
    assert_eq!((task.state, task.epoch, task.failures), (TaskState::Failed, 3, 0));
    let outcome = task.outcome.expect("it ended");
    assert_eq!(outcome.cause, Some(Cause::WorkerLost));
    assert!(outcome.error.unwrap_or_default().contains("poison"));
}

pub async fn who_loses_a_third_worker_together_with_another_is_tried_again(store: Db) {
    let mut worker = Worker::join(&store).await;
    let tasks = [worker.hold(echo()).await.task, worker.hold(echo()).await.task];
    for losses in 1..=3 {
        if losses > 1 {
            worker = Worker::join(&store).await;
            worker.claim_all(2).await;
        }
        worker.die().await;
        for task in tasks {
            let task = get(&store, task).await;
            assert_eq!((task.state, task.losses), (TaskState::Pending, losses));
        }
    }
}

pub async fn a_session_that_left_loses_nothing_twice(store: Db) {
    let mut worker = Worker::join(&store).await;
    let attempt = worker.run(echo()).await;
    worker.die().await;
    worker.leave().await;
    let swept = sweep(&store, 100).await;
    assert!(swept.attempts_lost.is_empty(), "{swept:?}");
    assert_eq!(get(&store, attempt.task).await.losses, 1);
    assert_eq!(state(&store, attempt.task).await, TaskState::Pending);
}
