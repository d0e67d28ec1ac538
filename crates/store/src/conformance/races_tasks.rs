//! Races for a task: claimers against each other, against cancels, and against a release.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use distrack_core::TaskState;

use super::fixtures::{Db, PATIENCE, all_at_once, echo, get, report, started, state, submit_all};
use super::fleet::Worker;
use crate::{CancelAnswer, Receipt};

pub async fn claimers_at_once_never_share_a_task(store: Db) {
    const TASKS: usize = 500;
    let ids = submit_all(&store, vec![echo(); TASKS]).await;
    let count = Arc::new(AtomicUsize::new(0));
    let mut steps = Vec::new();
    for _ in 0..4 {
        let (worker, count) = (Worker::join(&store).await, Arc::clone(&count));
        steps.push(async move {
            let mut claimed = Vec::new();
            let all = async {
                // A claimer skips what another one has its hands on, so an empty answer is not the end.
                while count.load(Ordering::SeqCst) < TASKS {
                    let more = worker.claim(17).await;
                    count.fetch_add(more.len(), Ordering::SeqCst);
                    claimed.extend(more);
                }
            };
            tokio::time::timeout(PATIENCE, all).await.expect("all tasks are claimed in time");
            assert!(claimed.iter().all(|claimed| claimed.session == worker.session));
            claimed
        });
    }
    let claimed: Vec<_> = all_at_once(steps).await.into_iter().flatten().collect();
    let sessions: HashMap<_, _> =
        claimed.iter().map(|claimed| (claimed.attempt.task, claimed.session)).collect();
    assert_eq!((claimed.len(), sessions.len()), (TASKS, TASKS), "each task once");
    for task in store.get(ids).await.expect("tasks are read") {
        assert_eq!((task.state, task.epoch, task.attempt), (TaskState::Dispatched, 1, 1));
        assert_eq!(task.session, Some(sessions[&task.id]));
    }
}

pub async fn a_claim_and_a_cancel_never_both_win(store: Db) {
    let ids = submit_all(&store, vec![echo(); 200]).await;
    let mut claims = Vec::new();
    for _ in 0..2 {
        let worker = Worker::join(&store).await;
        claims.push(async move {
            let mut claimed = Vec::new();
            for _ in 0..60 {
                claimed.extend(worker.claim(3).await);
            }
            claimed.iter().map(|claimed| claimed.attempt.task).collect::<Vec<_>>()
        });
    }
    let cancels = (0..4).map(|first| {
        let (store, ids) = (Arc::clone(&store), ids.clone());
        async move {
            let mut answers = Vec::new();
            for id in ids.into_iter().skip(first).step_by(4) {
                answers.push((id, store.cancel(id).await.expect("a cancel is answered")));
            }
            answers
        }
    });
    let (claimed, answers) = tokio::join!(all_at_once(claims), all_at_once(cancels));
    let claimed: HashSet<_> = claimed.into_iter().flatten().collect();
    for (id, answer) in answers.into_iter().flatten() {
        let task = get(&store, id).await;
        match answer {
            CancelAnswer::Cancelled => {
                assert_eq!((task.state, task.epoch), (TaskState::Cancelled, 0));
                assert!(!claimed.contains(&id), "a cancelled task was claimed");
            }
            CancelAnswer::Requested => {
                assert_eq!((task.state, task.epoch), (TaskState::Dispatched, 1));
                assert!(claimed.contains(&id) && task.cancel_requested_at.is_some());
            }
            CancelAnswer::Ended | CancelAnswer::NotFound => panic!("{answer:?} of a task that was waiting"),
        }
    }
}

pub async fn a_release_and_a_start_never_both_win(store: Db) {
    let worker = Worker::join(&store).await;
    for _ in 0..30 {
        let attempt = worker.hold(echo()).await;
        let (starting, releasing) = (Arc::clone(&store), Arc::clone(&store));
        let start = tokio::spawn(async move { report(&starting, started(attempt)).await });
        let release = tokio::spawn(async move { releasing.release(vec![attempt]).await });
        let receipt = start.await.expect("a report does not panic");
        let released = release.await.expect("a release does not panic").expect("it is answered").attempts;
        match state(&store, attempt.task).await {
            TaskState::Running => assert_eq!((receipt, released), (Receipt::Recorded, 0)),
            TaskState::Pending => assert_eq!((receipt, released), (Receipt::Stale, 1)),
            other @ (TaskState::Dispatched
            | TaskState::Completed
            | TaskState::Failed
            | TaskState::Cancelled
            | TaskState::Expired) => panic!("neither won: {other}"),
        }
        store.cancel(attempt.task).await.expect("it is out of the way");
    }
}
