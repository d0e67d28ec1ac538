//! Receipts: an attempt's result is recorded once, and a superseded attempt changes nothing.

use distrack_core::{AttemptRef, Backoff, Outcome, TaskId, TaskState};

use super::fixtures::{
    Db, LONG, NOW, echo, exit, finished, get, later, patient, printed, report, reports, started, state,
    submit, text, tried,
};
use super::fleet::Worker;
use crate::Receipt;

pub async fn a_report_that_is_sent_again_is_a_duplicate(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(echo()).await;
    for outcome in [None, Some(Outcome::success())] {
        let message =
            || outcome.clone().map_or_else(|| started(attempt), |outcome| finished(attempt, outcome));
        assert_eq!(report(&store, message()).await, Receipt::Recorded);
        let recorded = get(&store, attempt.task).await;
        for _ in 0..2 {
            assert_eq!(report(&store, message()).await, Receipt::Duplicate);
            assert_eq!(get(&store, attempt.task).await, recorded, "a duplicate changes nothing");
        }
    }
}

pub async fn a_failure_sent_again_after_a_retry_was_scheduled_is_a_duplicate(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.run(tried(5, Backoff { initial: LONG, max: LONG })).await;
    let message = || printed(attempt, exit(1), text("once"));
    let receipts = store.report(vec![patient(message())]).await.expect("reports are taken").receipts;
    assert_eq!(receipts, [Receipt::Recorded]);
    let waiting = get(&store, attempt.task).await;
    assert_eq!((waiting.state, waiting.failures), (TaskState::Pending, 1));
    assert_eq!(report(&store, message()).await, Receipt::Duplicate);
    assert_eq!(get(&store, attempt.task).await, waiting, "a failure counts once");
    let attempts = store.attempts(attempt.task).await.expect("attempts are read").expect("the task exists");
    assert_eq!(attempts.len(), 1);
}

pub async fn a_report_of_an_older_epoch_is_stale(store: Db) {
    let worker = Worker::join(&store).await;
    let old = worker.run(tried(5, Backoff { initial: NOW, max: NOW })).await;
    report(&store, finished(old, exit(1))).await;
    let held = worker.claim_one().await.attempt;
    let before = get(&store, old.task).await;
    for late in [started(old), printed(old, Outcome::success(), text("late")), finished(old, exit(9))] {
        assert_ne!(report(&store, late).await, Receipt::Recorded);
        assert_eq!(get(&store, old.task).await, before);
    }
    assert_eq!(report(&store, finished(held, Outcome::success())).await, Receipt::Recorded);
    assert_eq!(state(&store, held.task).await, TaskState::Completed);
}

pub async fn a_report_of_a_lost_attempt_is_stale(store: Db) {
    let worker = Worker::join(&store).await;
    let lost = worker.run(echo()).await;
    worker.leave().await;
    let waiting = get(&store, lost.task).await;
    assert_eq!((waiting.state, waiting.losses), (TaskState::Pending, 1));
    assert_eq!(report(&store, printed(lost, Outcome::success(), text("late"))).await, Receipt::Stale);
    assert_eq!(report(&store, started(lost)).await, Receipt::Stale);
    assert_eq!(get(&store, lost.task).await, waiting, "a late report changes nothing");
    let other = Worker::join(&store).await;
    let held = other.claim_one().await;
    assert_eq!((held.attempt, held.number), (AttemptRef { epoch: 2, ..lost }, 2));
    assert_eq!(report(&store, finished(lost, exit(1))).await, Receipt::Stale);
    assert_eq!(report(&store, finished(held.attempt, Outcome::success())).await, Receipt::Recorded);
    assert_eq!(report(&store, finished(lost, exit(1))).await, Receipt::Stale);
    assert_eq!(state(&store, lost.task).await, TaskState::Completed);
}

pub async fn a_report_of_what_never_was_is_stale(store: Db) {
    let worker = Worker::join(&store).await;
    let held = worker.hold(echo()).await;
    let waiting = submit(&store, later()).await;
    let unknown = [
        AttemptRef { task: TaskId::new(), epoch: 1 },
        AttemptRef { task: waiting, epoch: 0 },
        AttemptRef { task: waiting, epoch: 1 },
        AttemptRef { epoch: 2, ..held },
        AttemptRef { epoch: -1, ..held },
    ];
    for attempt in unknown {
        assert_eq!(report(&store, started(attempt)).await, Receipt::Stale, "{attempt:?}");
        assert_eq!(
            report(&store, finished(attempt, Outcome::success())).await,
            Receipt::Stale,
            "{attempt:?}"
        );
    }
    assert_eq!(state(&store, held.task).await, TaskState::Dispatched);
    assert_eq!(state(&store, waiting).await, TaskState::Pending);
}

pub async fn each_report_of_a_batch_is_answered_by_itself(store: Db) {
    let worker = Worker::join(&store).await;
    let done = worker.run(echo()).await;
    report(&store, finished(done, Outcome::success())).await;
    let (running, dispatched) = (worker.run(echo()).await, worker.hold(echo()).await);
    let failing = worker.hold(tried(2, Backoff { initial: LONG, max: LONG })).await;
    let batch = vec![
        finished(AttemptRef { task: TaskId::new(), epoch: 1 }, Outcome::success()),
        finished(running, Outcome::success()),
        finished(done, Outcome::success()),
        started(dispatched),
        started(AttemptRef { epoch: 7, ..dispatched }),
        finished(failing, exit(1)),
    ];
    use Receipt::{Duplicate, Recorded, Stale};
    assert_eq!(reports(&store, batch).await, [Stale, Recorded, Duplicate, Recorded, Stale, Recorded]);
    assert_eq!(state(&store, running.task).await, TaskState::Completed);
    assert_eq!(state(&store, dispatched.task).await, TaskState::Running);
    assert_eq!(state(&store, failing.task).await, TaskState::Pending);
}

pub async fn one_attempt_may_start_and_end_in_one_batch(store: Db) {
    let worker = Worker::join(&store).await;
    let (one, two) = (worker.hold(echo()).await, worker.hold(echo()).await);
    let batch = vec![
        started(one),
        started(two),
        printed(one, Outcome::success(), text("one")),
        printed(two, exit(1), text("two")),
    ];
    assert_eq!(reports(&store, batch).await, [Receipt::Recorded; 4]);
    for (attempt, state, printed) in [(one, TaskState::Completed, "one"), (two, TaskState::Failed, "two")] {
        let task = get(&store, attempt.task).await;
        assert_eq!(task.state, state);
        let (start, end) = (task.started_at.expect("it started"), task.finished_at.expect("it ended"));
        assert!(task.picked_at.expect("it was picked") <= start && start <= end);
        assert_eq!(store.output(attempt.task, 1).await.expect("output is read"), Some(text(printed)));
    }
}

pub async fn one_report_twice_in_one_batch_is_recorded_once(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(tried(5, Backoff { initial: LONG, max: LONG })).await;
    let fail = || printed(attempt, exit(1), text("once"));
    let batch = vec![started(attempt), started(attempt), patient(fail()), patient(fail())];
    let receipts = store.report(batch).await.expect("reports are taken").receipts;
    use Receipt::{Duplicate, Recorded};
    assert_eq!(receipts, [Recorded, Duplicate, Recorded, Duplicate]);
    let task = get(&store, attempt.task).await;
    assert_eq!((task.state, task.failures, task.attempt), (TaskState::Pending, 1, 1));
}

pub async fn no_report_changes_a_task_that_has_ended(store: Db) {
    let worker = Worker::join(&store).await;
    let completed = worker.run(echo()).await;
    report(&store, finished(completed, Outcome::success())).await;
    let failed = worker.run(echo()).await;
    report(&store, finished(failed, exit(1))).await;
    let cancelled = worker.run(echo()).await;
    store.cancel(cancelled.task).await.expect("it is marked");
    report(&store, finished(cancelled, exit(1))).await;
    for attempt in [completed, failed, cancelled] {
        let before = get(&store, attempt.task).await;
        assert!(before.state.is_terminal());
        for late in [started(attempt), finished(attempt, Outcome::success()), finished(attempt, exit(7))] {
            assert_ne!(report(&store, late).await, Receipt::Recorded);
        }
        assert_eq!(get(&store, attempt.task).await, before);
    }
}
