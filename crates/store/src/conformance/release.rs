//! Giving an attempt back that provably no worker holds.

use distrack_core::{AttemptRef, Backoff, Outcome, TaskId, TaskState};

use super::fixtures::{
    Db, NOW, echo, exit, finished, get, later, printed, report, started, state, submit, text, tried,
};
use super::fleet::Worker;
use crate::Receipt;

async fn release(store: &Db, attempts: &[AttemptRef]) -> u64 {
    store.release(attempts.to_vec()).await.expect("a release is answered").attempts
}

pub async fn a_released_attempt_gives_its_number_back_and_keeps_the_epoch(store: Db) {
    let worker = Worker::join(&store).await;
    let first = worker.hold(echo()).await;
    let due_at = get(&store, first.task).await.due_at;
    assert_eq!(release(&store, &[first]).await, 1);
    let task = get(&store, first.task).await;
    assert_eq!(task.due_at, due_at, "it has waited since then, whatever the claim was");
    assert_eq!((task.state, task.epoch, task.attempt), (TaskState::Pending, 1, 0));
    assert_eq!((task.failures, task.losses, task.session), (0, 0, None));
    assert_eq!((task.started_at, task.finished_at, task.outcome), (None, None, None));
    let second = worker.claim_one().await;
    assert_eq!((second.attempt, second.number), (AttemptRef { epoch: 2, ..first }, 1));
}

pub async fn only_a_dispatched_attempt_of_its_own_epoch_is_released(store: Db) {
    let worker = Worker::join(&store).await;
    let running = worker.run(echo()).await;
    let ended = worker.hold(echo()).await;
    report(&store, finished(ended, Outcome::success())).await;
    let dispatched = worker.hold(echo()).await;
    let refused = [
        running,
        ended,
        AttemptRef { epoch: 0, ..dispatched },
        AttemptRef { epoch: 2, ..dispatched },
        AttemptRef { task: submit(&store, later()).await, epoch: 0 },
        AttemptRef { task: TaskId::new(), epoch: 1 },
    ];
    let before =
        [get(&store, running.task).await, get(&store, ended.task).await, get(&store, dispatched.task).await];
    assert_eq!(release(&store, &refused).await, 0);
    let after =
        [get(&store, running.task).await, get(&store, ended.task).await, get(&store, dispatched.task).await];
    assert_eq!(after, before, "a refusal changes nothing");
    let mut mixed = refused.to_vec();
    mixed.push(dispatched);
    assert_eq!(release(&store, &mixed).await, 1, "the others hold up no good one");
    assert_eq!(release(&store, &[dispatched]).await, 0, "an attempt is given back once");
}

pub async fn a_report_of_a_released_attempt_is_stale(store: Db) {
    let worker = Worker::join(&store).await;
    let released = worker.hold(echo()).await;
    release(&store, &[released]).await;
    let before = get(&store, released.task).await;
    assert_eq!(report(&store, started(released)).await, Receipt::Stale);
    assert_eq!(report(&store, finished(released, Outcome::success())).await, Receipt::Stale);
    assert_eq!(get(&store, released.task).await, before);
    let held = worker.claim_one().await.attempt;
    assert_eq!(report(&store, finished(released, exit(1))).await, Receipt::Stale);
    assert_eq!(state(&store, held.task).await, TaskState::Dispatched);
    assert_eq!(report(&store, finished(held, Outcome::success())).await, Receipt::Recorded);
}

pub async fn a_released_retry_keeps_the_attempts_before_it(store: Db) {
    let worker = Worker::join(&store).await;
    let first = worker.hold(tried(3, Backoff { initial: NOW, max: NOW })).await;
    let output = text("first");
    report(&store, printed(first, exit(1), output.clone())).await;
    let second = worker.claim_one().await;
    assert_eq!(second.number, 2);
    assert_eq!(release(&store, &[second.attempt]).await, 1);
    let task = get(&store, first.task).await;
    assert_eq!((task.state, task.epoch, task.attempt, task.failures), (TaskState::Pending, 2, 1, 1));
    let numbers = async || {
        let attempts = store.attempts(first.task).await.expect("attempts are read").expect("the task exists");
        attempts.iter().map(|attempt| (attempt.epoch, attempt.attempt)).collect::<Vec<_>>()
    };
    assert_eq!(numbers().await, [(1, 1)], "an attempt that was given back never was");
    let third = worker.claim_one().await;
    assert_eq!((third.attempt.epoch, third.number), (3, 2));
    let again = text("second");
    assert_eq!(report(&store, printed(third.attempt, exit(2), again.clone())).await, Receipt::Recorded);
    assert_eq!(numbers().await, [(1, 1), (3, 2)]);
    assert_eq!(store.output(first.task, 1).await.expect("output is read"), Some(output));
    assert_eq!(store.output(first.task, 2).await.expect("output is read"), Some(again));
}

pub async fn a_cancelled_attempt_that_is_released_does_not_run_again(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(echo()).await;
    store.cancel(attempt.task).await.expect("it is marked");
    let other = worker.hold(echo()).await;
    let released = store.release(vec![attempt, other]).await.expect("a release is answered");
    assert_eq!((released.attempts, released.cancelled), (2, vec!["default".parse().expect("a queue")]));
    assert_eq!(state(&store, attempt.task).await, TaskState::Cancelled);
    worker.claim_one().await;
    assert!(worker.claim(1).await.is_empty());
}
