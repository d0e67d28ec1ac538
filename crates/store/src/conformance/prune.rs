//! Keeping house: what has ended goes with all that belongs to it, and nothing else does.

use std::time::Duration;

use chrono::TimeDelta;
use distrack_core::{Backoff, Outcome, TaskDraft, TaskId, TaskState};

use super::fixtures::{
    Db, LONG, NOW, SHORT, clock, echo, eventually, exit, finished, get, later, new_task, patient, printed,
    report, state, submit, sweep, text, tried,
};
use super::fleet::Worker;
use crate::{IdempotencyKey, Pruned, Receipt, Retention, Submission, SubmitMode, Submitted};

const AT_ONCE: Backoff = Backoff { initial: NOW, max: NOW };
const NONE: Retention = Retention { tasks: Duration::ZERO, sessions: Duration::ZERO, audit: Duration::ZERO };
const ALL: Retention = Retention { tasks: LONG, sessions: LONG, audit: LONG };

async fn prune(store: &Db, retention: Retention, limit: u32) -> Pruned {
    store.prune(retention, limit).await.expect("pruning ends")
}

/// A task that ended after two attempts with output.
async fn ended(store: &Db, worker: &Worker) -> TaskId {
    let first = worker.hold(tried(2, AT_ONCE)).await;
    report(store, printed(first, exit(1), text("first"))).await;
    let second = worker.claim_one().await.attempt;
    assert_eq!(report(store, printed(second, Outcome::success(), text("second"))).await, Receipt::Recorded);
    first.task
}

pub async fn an_ended_task_goes_with_its_attempts_and_output(store: Db) {
    let worker = Worker::join(&store).await;
    let id = ended(&store, &worker).await;
    assert_eq!(prune(&store, ALL, 100).await, Pruned::default(), "it is kept for its time");
    assert_eq!(state(&store, id).await, TaskState::Completed);
    assert_eq!(prune(&store, NONE, 100).await.tasks, 1);
    assert!(store.get(vec![id]).await.expect("tasks are read").is_empty());
    assert_eq!(store.attempts(id).await.expect("attempts are read"), None);
    for attempt in [1, 2] {
        assert_eq!(store.output(id, attempt).await.expect("output is read"), None);
    }
    assert_eq!(prune(&store, NONE, 100).await, Pruned::default());
}

pub async fn every_terminal_state_is_pruned(store: Db) {
    let worker = Worker::join(&store).await;
    ended(&store, &worker).await;
    let failed = worker.hold(echo()).await;
    report(&store, finished(failed, exit(1))).await;
    let cancelled = submit(&store, later()).await;
    store.cancel(cancelled).await.expect("it is cancelled");
    let expires_at = Some(clock(&store).await - TimeDelta::seconds(1));
    submit(&store, TaskDraft { expires_at, ..echo() }).await;
    assert_eq!(sweep(&store, 10).await.tasks_expired.len(), 1);
    // The fifth is the one that told the clock.
    assert_eq!(prune(&store, NONE, 100).await.tasks, 5);
}

pub async fn a_task_that_has_not_ended_is_never_pruned(store: Db) {
    let worker = Worker::join(&store).await;
    let retried = worker.hold(tried(2, Backoff { initial: LONG, max: LONG })).await;
    let receipts = store.report(vec![patient(printed(retried, exit(1), text("first")))]).await;
    assert_eq!(receipts.expect("reports are taken").receipts, [Receipt::Recorded]);
    let (dispatched, running) = (worker.hold(echo()).await, worker.run(echo()).await);
    let waiting = submit(&store, later()).await;
    let ids = vec![retried.task, dispatched.task, running.task, waiting];
    let mut before = Vec::new();
    for id in &ids {
        before.push(get(&store, *id).await);
    }
    assert_eq!(prune(&store, NONE, 100).await, Pruned::default());
    for task in before {
        assert_eq!(get(&store, task.id).await, task);
    }
    assert_eq!(store.output(retried.task, 1).await.expect("output is read"), Some(text("first")));
    let attempts = store.attempts(retried.task).await.expect("attempts are read").expect("the task exists");
    assert_eq!(attempts.len(), 1);
    assert_eq!(worker.renew(LONG).await.alive, [worker.session], "a live session stays");
}

pub async fn pruning_takes_no_more_than_its_limit(store: Db) {
    for _ in 0..5 {
        let id = submit(&store, later()).await;
        store.cancel(id).await.expect("it is cancelled");
    }
    for expected in [2, 2, 1, 0] {
        assert_eq!(prune(&store, NONE, 2).await.tasks, expected);
    }
}

pub async fn sessions_are_pruned_after_their_end(store: Db) {
    let (live, left) = (Worker::join(&store).await, Worker::join(&store).await);
    let lost = Worker::join_for(&store, SHORT).await;
    left.leave().await;
    eventually("the session is lost", async || {
        (!sweep(&store, 10).await.sessions_lost.is_empty()).then_some(())
    })
    .await;
    assert_eq!(prune(&store, ALL, 100).await, Pruned::default());
    assert!(lost.listed().await.is_some(), "a lost session is listed for a while");
    assert_eq!(prune(&store, NONE, 100).await, Pruned { sessions: 2, ..Pruned::default() });
    let workers = store.workers().await.expect("workers are listed");
    assert_eq!(workers.iter().map(|listed| listed.session).collect::<Vec<_>>(), [live.session]);
}

pub async fn a_key_outlives_the_pruning_of_its_task(store: Db) {
    let key = IdempotencyKey { key: "k".to_owned(), request_hash: [1; 32] };
    let task = new_task(later());
    let id = task.id;
    let send = async |task| {
        let submission = Submission { task, key: Some(key.clone()) };
        store.submit(vec![submission], SubmitMode::Each).await.expect("it is answered")
    };
    send(task).await;
    store.cancel(id).await.expect("it is cancelled");
    assert_eq!(prune(&store, NONE, 100).await, Pruned { tasks: 1, ..Pruned::default() });
    assert_eq!(send(new_task(later())).await, [Submitted::Replayed(id)], "keys live for 24 hours");
}
