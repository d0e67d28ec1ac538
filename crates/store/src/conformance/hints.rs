//! Hints: raised soon after whatever is worth looking at.

use distrack_core::{Backoff, Outcome};

use super::fixtures::{Db, NOW, PATIENCE, SHORT, echo, exit, finished, later, report, submit, tried};
use super::fleet::Worker;
use crate::{Hint, Wakeup};

/// Waits until nothing has been hinted for a moment: what is hinted after that is new.
async fn quiet(store: &Db, hint: Hint) -> Wakeup {
    let mut wakeup = store.wakeup(hint);
    while tokio::time::timeout(SHORT, wakeup.wait()).await.is_ok() {}
    wakeup
}

async fn assert_raised(mut wakeup: Wakeup, when: &str) {
    let raised = tokio::time::timeout(PATIENCE, wakeup.wait()).await;
    assert!(raised.is_ok(), "no hint {when}");
}

pub async fn a_submission_is_hinted(store: Db) {
    for draft in [echo(), later()] {
        let wakeup = quiet(&store, Hint::Due).await;
        submit(&store, draft).await;
        assert_raised(wakeup, "after a submission").await;
    }
}

pub async fn a_retry_and_a_release_are_hinted(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(tried(2, Backoff { initial: NOW, max: NOW })).await;
    let wakeup = quiet(&store, Hint::Due).await;
    report(&store, finished(attempt, exit(1))).await;
    assert_raised(wakeup, "after a retry was scheduled").await;
    let attempt = worker.claim_one().await.attempt;
    let wakeup = quiet(&store, Hint::Due).await;
    store.release(vec![attempt]).await.expect("it is given back");
    assert_raised(wakeup, "after a release").await;
}

pub async fn a_cancel_of_a_held_task_is_hinted(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(echo()).await;
    let wakeup = quiet(&store, Hint::Cancel).await;
    store.cancel(attempt.task).await.expect("it is marked");
    assert_raised(wakeup, "after a mark").await;
}

pub async fn the_end_of_a_task_is_hinted(store: Db) {
    let worker = Worker::join(&store).await;
    for outcome in [Outcome::success(), exit(1)] {
        let attempt = worker.hold(echo()).await;
        let wakeup = quiet(&store, Hint::Done).await;
        report(&store, finished(attempt, outcome)).await;
        assert_raised(wakeup, "after an end").await;
    }
    let waiting = submit(&store, later()).await;
    let wakeup = quiet(&store, Hint::Done).await;
    store.cancel(waiting).await.expect("it is cancelled");
    assert_raised(wakeup, "after a waiting task was cancelled").await;
}

pub async fn everybody_who_waits_is_hinted(store: Db) {
    let wakeups = [quiet(&store, Hint::Due).await, quiet(&store, Hint::Due).await];
    submit(&store, echo()).await;
    for wakeup in wakeups {
        assert_raised(wakeup, "to one of two").await;
    }
}
