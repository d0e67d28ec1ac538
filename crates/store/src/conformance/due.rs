//! A task never starts before it is due, and `next_due` tells when to look again.

use std::time::Duration;

use chrono::TimeDelta;
use distrack_core::{TaskDraft, TaskState};

use super::fixtures::{Db, LONG, echo, get, later, submit, submit_all};
use super::fleet::Worker;

fn in_millis(millis: u32) -> TaskDraft {
    TaskDraft { delay_seconds: Some(f64::from(millis) / 1000.0), ..echo() }
}

async fn next_due(store: &Db) -> Option<Duration> {
    store.next_due().await.expect("the next due instant is told").due_in
}

pub async fn a_task_for_later_is_not_claimed_now(store: Db) {
    let worker = Worker::join(&store).await;
    let id = submit(&store, later()).await;
    assert!(worker.claim(1).await.is_empty());
    let task = get(&store, id).await;
    assert_eq!((task.state, task.epoch, task.attempt), (TaskState::Pending, 0, 0));
    assert_eq!(task.scheduled_at - task.created_at, TimeDelta::hours(1));
}

pub async fn no_task_is_claimed_before_it_is_due(store: Db) {
    let worker = Worker::join(&store).await;
    submit(&store, later()).await;
    submit_all(&store, (0..30).map(|n| in_millis(n * 10))).await;
    let claimed = worker.claim_all(30).await;
    for claimed in claimed {
        let task = get(&store, claimed.attempt.task).await;
        let picked_at = task.picked_at.expect("a claimed task was picked");
        assert!(picked_at >= task.scheduled_at, "claimed {} early", task.scheduled_at - picked_at);
        let waited = TimeDelta::from_std(claimed.waited()).expect("a short wait");
        assert!((picked_at - task.due_at - waited).abs() <= TimeDelta::milliseconds(1), "waited {waited}");
    }
    assert!(worker.claim(1).await.is_empty(), "the one for later is left");
}

pub async fn next_due_tells_when_the_next_task_is_due(store: Db) {
    assert_eq!(next_due(&store).await, None);
    submit(&store, TaskDraft { delay_seconds: Some(7200.0), ..echo() }).await;
    let nearer =
        submit(&store, TaskDraft { queue: Some("other".to_owned()), priority: Some(-5), ..later() }).await;
    let wait = next_due(&store).await.expect("two tasks wait");
    assert!(wait <= LONG && wait > LONG - Duration::from_secs(60), "{wait:?}");
    store.cancel(nearer).await.expect("it is cancelled");
    let wait = next_due(&store).await.expect("one task waits");
    assert!(wait <= LONG * 2 && wait > LONG * 2 - Duration::from_secs(60), "{wait:?}");
}

pub async fn next_due_looks_past_tasks_that_are_due_or_held(store: Db) {
    let worker = Worker::join(&store).await;
    let ready = async || store.next_due().await.expect("the next due instant is told").ready;
    assert!(!ready().await);
    submit_all(&store, vec![echo(); 3]).await;
    assert!(ready().await);
    assert_eq!(next_due(&store).await, None);
    assert_eq!(worker.claim(2).await.len(), 2);
    assert_eq!(next_due(&store).await, None);
    assert!(ready().await, "one of three is left");
    assert_eq!(worker.claim(1).await.len(), 1);
    submit(&store, later()).await;
    assert!(next_due(&store).await.expect("one task waits") > LONG / 2);
    assert!(!ready().await, "nothing is due yet");
}

pub async fn whoever_sleeps_until_next_due_finds_the_task(store: Db) {
    let worker = Worker::join(&store).await;
    for millis in [40, 170] {
        submit(&store, in_millis(millis)).await;
        if let Some(wait) = next_due(&store).await {
            assert!(wait <= Duration::from_millis(millis.into()), "{wait:?}");
            // The store tells at least milliseconds.
            tokio::time::sleep(wait + Duration::from_millis(1)).await;
        }
        assert_eq!(worker.claim(1).await.len(), 1, "due after {millis} ms");
    }
}
