//! A user's cancel: at once for a waiting task, by a mark for a held one.

use distrack_core::{AttemptRef, Backoff, Cause, Outcome, TaskId, TaskState};

use super::fixtures::{Db, LONG, NOW, echo, exit, finished, get, later, report, state, submit, tried};
use super::fleet::Worker;
use crate::{CancelAnswer, Receipt, Renewed};

async fn cancel(store: &Db, task: TaskId) -> CancelAnswer {
    store.cancel(task).await.expect("a cancel is answered")
}

async fn marked(worker: &Worker) -> AttemptRef {
    worker.run(tried(9, Backoff { initial: NOW, max: NOW })).await
}

pub async fn a_waiting_task_is_cancelled_at_once(store: Db) {
    let worker = Worker::join(&store).await;
    for draft in [later(), echo()] {
        let id = submit(&store, draft).await;
        assert_eq!(cancel(&store, id).await, CancelAnswer::Cancelled);
        let task = get(&store, id).await;
        assert_eq!((task.state, task.epoch, task.attempt), (TaskState::Cancelled, 0, 0));
        assert!(task.finished_at.expect("it ended") >= task.created_at);
        assert!(worker.claim(1).await.is_empty());
        assert_eq!(cancel(&store, id).await, CancelAnswer::Ended);
        assert_eq!(get(&store, id).await, task);
    }
}

pub async fn a_task_that_waits_for_its_retry_is_cancelled_at_once(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.run(tried(2, Backoff { initial: NOW, max: NOW })).await;
    report(&store, finished(attempt, exit(1))).await;
    assert_eq!(cancel(&store, attempt.task).await, CancelAnswer::Cancelled);
    assert!(worker.claim(1).await.is_empty());
    let attempts = store.attempts(attempt.task).await.expect("attempts are read").expect("the task exists");
    assert_eq!(attempts.len(), 1);
}

pub async fn a_held_task_is_marked_and_its_worker_decides(store: Db) {
    let worker = Worker::join(&store).await;
    for attempt in [worker.hold(echo()).await, worker.run(echo()).await] {
        let before = get(&store, attempt.task).await;
        assert_eq!(cancel(&store, attempt.task).await, CancelAnswer::Requested);
        let marked = get(&store, attempt.task).await;
        assert!(marked.cancel_requested_at.is_some());
        assert_eq!(
            (marked.state, marked.epoch, marked.session),
            (before.state, before.epoch, before.session)
        );
        assert_eq!(cancel(&store, attempt.task).await, CancelAnswer::Requested, "asking again is no mistake");
        assert_eq!(get(&store, attempt.task).await, marked);
        let stopped =
            Outcome { signal: Some(15), ..Outcome::failure(Cause::Cancelled, "cancelled by a user") };
        assert_eq!(report(&store, finished(attempt, stopped)).await, Receipt::Recorded);
        let task = get(&store, attempt.task).await;
        assert_eq!((task.state, task.session), (TaskState::Cancelled, None));
        assert_eq!(task.outcome.and_then(|outcome| outcome.cause), Some(Cause::Cancelled));
    }
}

pub async fn a_task_that_has_ended_is_not_cancelled(store: Db) {
    let worker = Worker::join(&store).await;
    for (outcome, expected) in [(Outcome::success(), TaskState::Completed), (exit(1), TaskState::Failed)] {
        let attempt = worker.run(echo()).await;
        report(&store, finished(attempt, outcome)).await;
        let before = get(&store, attempt.task).await;
        assert_eq!(before.state, expected);
        assert_eq!(cancel(&store, attempt.task).await, CancelAnswer::Ended);
        assert_eq!(get(&store, attempt.task).await, before);
    }
}

pub async fn a_task_that_never_was_is_not_cancelled(store: Db) {
    assert_eq!(cancel(&store, TaskId::new()).await, CancelAnswer::NotFound);
}

pub async fn a_mark_is_told_with_each_renewal_until_the_attempt_ends(store: Db) {
    let (worker, other) = (Worker::join(&store).await, Worker::join(&store).await);
    let attempt = worker.run(echo()).await;
    assert_eq!(worker.renew(LONG).await, Renewed { alive: vec![worker.session], cancel: Vec::new() });
    cancel(&store, attempt.task).await;
    for _ in 0..2 {
        assert_eq!(worker.renew(LONG).await.cancel, [(worker.session, attempt)]);
    }
    assert!(other.renew(LONG).await.cancel.is_empty(), "another coordinator is not concerned");
    report(&store, finished(attempt, exit(1))).await;
    assert!(worker.renew(LONG).await.cancel.is_empty());
}

pub async fn a_mark_is_told_to_a_coordinator_that_heard_no_heartbeat(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.run(echo()).await;
    cancel(&store, attempt.task).await;
    let renewed =
        store.renew(worker.registration.coordinator, Vec::new(), LONG).await.expect("it is answered");
    assert!(renewed.alive.is_empty());
    assert_eq!(renewed.cancel, [(worker.session, attempt)]);
}

pub async fn a_mark_is_told_at_registration(store: Db) {
    let mut worker = Worker::join(&store).await;
    let (kept, stopped) = (worker.run(echo()).await, worker.run(echo()).await);
    cancel(&store, stopped.task).await;
    let registered = worker.come_back(&[kept, stopped]).await;
    assert_eq!(registered.cancel, [stopped]);
    assert_eq!(registered.kept.len(), 2, "it is still held until the worker confirms");
    let registered = worker.restart(&[kept, stopped]).await;
    assert_eq!(registered.cancel, [stopped], "a restarted worker is told too");
}

pub async fn a_cancel_beats_a_failure_and_a_retry(store: Db) {
    let worker = Worker::join(&store).await;
    let interrupted = Outcome::failure(Cause::Interrupted, "the worker stopped");
    for outcome in [exit(1), Outcome::failure(Cause::Timeout, "too long"), interrupted] {
        let attempt = marked(&worker).await;
        cancel(&store, attempt.task).await;
        assert_eq!(report(&store, finished(attempt, outcome)).await, Receipt::Recorded);
        assert_eq!(state(&store, attempt.task).await, TaskState::Cancelled);
        assert!(worker.claim(1).await.is_empty());
    }
}

pub async fn a_cancel_loses_to_a_success(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = marked(&worker).await;
    cancel(&store, attempt.task).await;
    assert_eq!(report(&store, finished(attempt, Outcome::success())).await, Receipt::Recorded);
    assert_eq!(state(&store, attempt.task).await, TaskState::Completed);
}

pub async fn a_cancelled_attempt_whose_worker_is_lost_ends_cancelled(store: Db) {
    let mut worker = Worker::join(&store).await;
    let attempt = marked(&worker).await;
    cancel(&store, attempt.task).await;
    worker.die().await;
    let task = get(&store, attempt.task).await;
    assert_eq!((task.state, task.session), (TaskState::Cancelled, None));
    assert!(task.finished_at.is_some());
    assert_eq!(report(&store, finished(attempt, Outcome::success())).await, Receipt::Stale);
}
