//! What follows a failure: another attempt after its backoff, or the end.

use std::time::Duration;

use chrono::TimeDelta;
use distrack_core::{AttemptRef, Backoff, Cause, OnLost, Outcome, TaskDraft, TaskState};

use super::fixtures::{Db, NOW, echo, exit, finished, get, patient, report, state, tried};
use super::fleet::Worker;
use crate::{AttemptReport, Receipt};

const AT_ONCE: Backoff = Backoff { initial: NOW, max: NOW };

/// The wait that a failure earns when the jitter picks this part of it.
async fn fail(store: &Db, attempt: AttemptRef, jitter: f64) -> TimeDelta {
    let receipts = store
        .report(vec![AttemptReport { jitter, ..finished(attempt, exit(1)) }])
        .await
        .expect("reports are taken")
        .receipts;
    assert_eq!(receipts, [Receipt::Recorded]);
    let task = get(store, attempt.task).await;
    assert_eq!(task.state, TaskState::Pending);
    task.due_at - task.finished_at.expect("an attempt ended")
}

fn assert_near(wait: TimeDelta, seconds: i64) {
    let error = (wait - TimeDelta::seconds(seconds)).abs();
    assert!(error < TimeDelta::milliseconds(50), "waits {wait} instead of {seconds} s");
}

pub async fn a_failure_is_tried_again_until_the_attempts_are_used_up(store: Db) {
    let worker = Worker::join(&store).await;
    let first = worker.run(tried(2, AT_ONCE)).await;
    assert_eq!(report(&store, finished(first, exit(1))).await, Receipt::Recorded);
    let waiting = get(&store, first.task).await;
    assert_eq!((waiting.state, waiting.epoch, waiting.attempt), (TaskState::Pending, 1, 1));
    assert_eq!((waiting.failures, waiting.losses, waiting.session), (1, 0, None));
    assert_eq!(waiting.outcome.and_then(|outcome| outcome.exit_code), Some(1), "how the last attempt ended");
    let second = worker.claim_one().await;
    assert_eq!((second.attempt, second.number), (AttemptRef { epoch: 2, ..first }, 2));
    let held = get(&store, first.task).await;
    assert_eq!((held.started_at, held.finished_at, held.outcome), (None, None, None), "a new attempt");
    assert_eq!(held.scheduled_at, waiting.scheduled_at, "when it was asked to run does not change");
    assert_eq!(report(&store, finished(second.attempt, exit(2))).await, Receipt::Recorded);
    let failed = get(&store, first.task).await;
    assert_eq!((failed.state, failed.epoch, failed.attempt, failed.failures), (TaskState::Failed, 2, 2, 2));
    assert_eq!(failed.outcome.and_then(|outcome| outcome.exit_code), Some(2));
    assert!(worker.claim(1).await.is_empty());
}

pub async fn a_retry_may_succeed(store: Db) {
    let worker = Worker::join(&store).await;
    let first = worker.run(tried(2, AT_ONCE)).await;
    report(&store, finished(first, exit(1))).await;
    let second = worker.claim_one().await.attempt;
    assert_eq!(report(&store, finished(second, Outcome::success())).await, Receipt::Recorded);
    let task = get(&store, first.task).await;
    assert_eq!(
        (task.state, task.failures, task.outcome),
        (TaskState::Completed, 1, Some(Outcome::success()))
    );
}

pub async fn a_retry_waits_for_its_backoff(store: Db) {
    let worker = Worker::join(&store).await;
    let backoff = Backoff { initial: Duration::from_secs(100), max: Duration::from_secs(250) };
    let attempt = worker.run(tried(9, backoff)).await;
    assert_near(fail(&store, attempt, 1.0).await, 100);
    assert!(worker.claim(1).await.is_empty(), "not before it is due again");
    let next = store.next_due().await.expect("the next due instant is told").due_in.expect("a retry waits");
    assert!(next > Duration::from_secs(60) && next <= Duration::from_secs(100), "{next:?}");
}

pub async fn the_backoff_doubles_up_to_its_bound(store: Db) {
    let worker = Worker::join(&store).await;
    let backoff = Backoff { initial: Duration::from_secs(100), max: Duration::from_secs(250) };
    for (failures, expected) in [(1, 200), (2, 250), (5, 250)] {
        let mut attempt = worker.run(tried(9, backoff)).await;
        for _ in 0..failures {
            assert_near(fail(&store, attempt, 0.0).await, 0);
            attempt = worker.claim_one().await.attempt;
        }
        assert_near(fail(&store, attempt, 1.0).await, expected);
        assert!(worker.claim(1).await.is_empty());
    }
}

pub async fn a_short_backoff_passes_and_no_sooner(store: Db) {
    let worker = Worker::join(&store).await;
    let wait = Duration::from_millis(120);
    let attempt = worker.run(tried(2, Backoff { initial: wait, max: wait })).await;
    fail(&store, attempt, 1.0).await;
    let due_at = get(&store, attempt.task).await.due_at;
    let claimed = worker.claim_one().await;
    assert_eq!(claimed.attempt.task, attempt.task);
    assert!(get(&store, attempt.task).await.picked_at.expect("it was picked") >= due_at);
}

pub async fn a_final_failure_is_not_tried_again(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.run(tried(9, AT_ONCE)).await;
    let outcome =
        Outcome { final_failure: true, ..Outcome::failure(Cause::SpawnFailed, "no such directory") };
    report(&store, finished(attempt, outcome)).await;
    let task = get(&store, attempt.task).await;
    assert_eq!((task.state, task.failures, task.attempt), (TaskState::Failed, 1, 1));
}

pub async fn a_timeout_uses_up_an_attempt(store: Db) {
    let worker = Worker::join(&store).await;
    let timeout = || Outcome::failure(Cause::Timeout, "ran for longer than 1 s");
    let first = worker.run(tried(2, AT_ONCE)).await;
    report(&store, finished(first, timeout())).await;
    assert_eq!(state(&store, first.task).await, TaskState::Pending);
    report(&store, finished(worker.claim_one().await.attempt, timeout())).await;
    let task = get(&store, first.task).await;
    assert_eq!((task.state, task.failures), (TaskState::Failed, 2));
    assert_eq!(task.outcome.and_then(|outcome| outcome.cause), Some(Cause::Timeout));
}

pub async fn an_interrupted_attempt_is_tried_again_at_once_and_uses_up_none(store: Db) {
    let worker = Worker::join(&store).await;
    let interrupted = || Outcome::failure(Cause::Interrupted, "the worker stopped");
    let first = worker.run(echo()).await;
    for epoch in 1..=4 {
        let attempt = AttemptRef { epoch, ..first };
        let receipts = store.report(vec![patient(finished(attempt, interrupted()))]).await;
        assert_eq!(receipts.expect("reports are taken").receipts, [Receipt::Recorded]);
        let task = get(&store, first.task).await;
        assert_eq!((task.state, task.failures, task.losses), (TaskState::Pending, 0, 0));
        let next = worker.claim(1).await;
        assert_eq!(next.len(), 1, "due at once");
        assert_eq!(i64::from(next[0].number), epoch + 1);
    }
    let last = AttemptRef { epoch: 5, ..first };
    report(&store, finished(last, exit(1))).await;
    assert_eq!(
        state(&store, first.task).await,
        TaskState::Failed,
        "the first failure uses up the only attempt"
    );
}

pub async fn an_interrupted_attempt_does_not_run_twice_when_that_is_forbidden(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt =
        worker.run(TaskDraft { on_lost: Some(OnLost::Fail), max_attempts: Some(9), ..echo() }).await;
    report(&store, finished(attempt, Outcome::failure(Cause::Interrupted, "the worker stopped"))).await;
    assert_eq!(state(&store, attempt.task).await, TaskState::Failed);
}
