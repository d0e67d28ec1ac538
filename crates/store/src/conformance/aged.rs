//! What time, or a hand, does to what is stored. Each case is given a hand in the database.

use std::time::Duration;

use distrack_core::{Outcome, TaskId};

use super::fixtures::{Db, LONG, echo, finished, later, new_task, report, submit};
use super::fleet::Worker;
use crate::{IdempotencyKey, Pruned, Receipt, Retention, Submission, SubmitMode, Submitted};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
const ALL: Retention = Retention { tasks: LONG, sessions: LONG, audit: LONG };

async fn send(store: &Db, key: &str) -> (TaskId, Submitted) {
    let task = new_task(later());
    let id = task.id;
    let key = Some(IdempotencyKey { key: key.to_owned(), request_hash: [1; 32] });
    let answers = store.submit(vec![Submission { task, key }], SubmitMode::Each).await;
    (id, answers.expect("a submission is answered").remove(0))
}

/// `age` makes every idempotency key older.
pub async fn a_key_lives_for_24_hours(store: Db, age: impl AsyncFn(Duration)) {
    let (first, _) = send(&store, "k").await;
    age(DAY - MINUTE).await;
    assert_eq!(send(&store, "k").await.1, Submitted::Replayed(first));
    age(MINUTE).await;
    let (second, answer) = send(&store, "k").await;
    assert!(matches!(answer, Submitted::Created { .. }), "{answer:?}");
    assert_eq!(send(&store, "k").await.1, Submitted::Replayed(second), "it lives anew");
}

/// `age` makes every idempotency key older.
pub async fn only_expired_keys_are_pruned(store: Db, age: impl AsyncFn(Duration)) {
    for key in ["a", "b"] {
        send(&store, key).await;
    }
    age(DAY).await;
    let (fresh, _) = send(&store, "c").await;
    let (retaken, _) = send(&store, "a").await;
    let pruned = store.prune(ALL, 100).await.expect("old things are removed");
    assert_eq!(pruned, Pruned { keys: 1, ..Pruned::default() });
    assert_eq!(send(&store, "c").await.1, Submitted::Replayed(fresh));
    assert_eq!(send(&store, "a").await.1, Submitted::Replayed(retaken));
}

/// `age` makes every task older.
pub async fn a_first_attempt_long_after_its_submission_has_a_trace_of_its_own(
    store: Db,
    age: impl AsyncFn(Duration),
) {
    let worker = Worker::join(&store).await;
    for (older, joins) in [(14 * MINUTE, true), (16 * MINUTE, false)] {
        let id = submit(&store, echo()).await;
        age(older).await;
        let attempt = worker.claim_one().await.trace;
        let submitted = super::fixtures::get(&store, id).await.trace;
        assert_eq!(attempt.trace_id == submitted.trace_id, joins, "submitted {older:?} ago");
    }
}

/// `spoil` makes the queue of every task one that no task can have.
pub async fn an_attempt_whose_queue_cannot_be_read_ends_all_the_same(
    store: Db,
    spoil: impl AsyncFn(Duration),
) {
    let worker = Worker::join(&store).await;
    let attempt = worker.run(echo()).await;
    spoil(Duration::ZERO).await;
    let receipt = report(&store, finished(attempt, Outcome::success())).await;
    assert_eq!(receipt, Receipt::Recorded, "what is told of an attempt must not keep it from its end");
}
