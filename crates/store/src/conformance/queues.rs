//! How queues stand: counts and lag, by the store's clock.

use std::collections::HashMap;
use std::time::Duration;

use distrack_core::{Outcome, TaskDraft};

use super::fixtures::{Db, echo, eventually, finished, report, started, submit, submit_all};
use super::fleet::Worker;
use crate::QueueSnapshot;

async fn snapshot(store: &Db) -> HashMap<String, QueueSnapshot> {
    let queues = store.queue_snapshot().await.expect("queues are counted");
    let count = queues.len();
    let named: HashMap<_, _> = queues.into_iter().map(|queue| (queue.queue.to_string(), queue)).collect();
    assert_eq!(named.len(), count, "each queue once");
    named
}

fn counts(queue: &QueueSnapshot) -> [u64; 4] {
    [queue.scheduled, queue.ready, queue.dispatched, queue.running]
}

fn of(queue: &str, delay: f64) -> TaskDraft {
    TaskDraft { queue: Some(queue.to_owned()), delay_seconds: Some(delay), ..echo() }
}

pub async fn each_queue_is_counted_by_state(store: Db) {
    assert!(snapshot(&store).await.is_empty());
    let worker = Worker::join(&store).await;
    submit_all(&store, vec![of("mail", 0.0); 5]).await;
    let claimed = worker.claim_all(3).await;
    report(&store, started(claimed[0].attempt)).await;
    report(&store, finished(claimed[1].attempt, Outcome::success())).await;
    let waiting = submit(&store, of("mail", 3600.0)).await;
    submit_all(&store, vec![of("print", 3600.0); 2]).await;
    let queues = snapshot(&store).await;
    assert_eq!(queues.len(), 2);
    assert_eq!(counts(&queues["mail"]), [1, 2, 1, 1]);
    assert_eq!(counts(&queues["print"]), [2, 0, 0, 0]);
    store.cancel(waiting).await.expect("it is cancelled");
    assert_eq!(counts(&snapshot(&store).await["mail"]), [0, 2, 1, 1]);
}

pub async fn a_queue_whose_tasks_have_all_ended_is_not_counted(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.run(of("mail", 0.0)).await;
    assert_eq!(snapshot(&store).await.len(), 1);
    report(&store, finished(attempt, Outcome::success())).await;
    assert!(snapshot(&store).await.is_empty());
}

pub async fn lag_is_the_age_of_the_oldest_ready_task(store: Db) {
    let worker = Worker::join(&store).await;
    submit(&store, of("later", 3600.0)).await;
    submit(&store, of("mail", 0.0)).await;
    let grown = eventually("the lag grows", async || {
        let lag = snapshot(&store).await["mail"].lag;
        (lag > Duration::from_millis(50)).then_some(lag)
    })
    .await;
    submit(&store, of("mail", 0.0)).await;
    assert!(snapshot(&store).await["mail"].lag >= grown, "a younger task does not hide the oldest");
    assert_eq!(snapshot(&store).await["later"].lag, Duration::ZERO, "a task that is not due does not lag");
    worker.claim_all(2).await;
    assert_eq!(snapshot(&store).await["mail"].lag, Duration::ZERO, "a claimed task does not lag");
}
