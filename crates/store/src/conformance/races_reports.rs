//! Races for an attempt's end: reports against each other, against cancels and against losses.

use std::sync::Arc;

use distrack_core::{AttemptRef, Backoff, Outcome, TaskState};

use super::fixtures::{
    Db, LONG, NOW, all_at_once, echo, exit, finished, get, patient, printed, report, reports, started,
    submit_all, text, tried,
};
use super::fleet::Worker;
use crate::{CancelAnswer, Receipt, Store};

pub async fn one_result_sent_by_many_at_once_is_recorded_once(store: Db) {
    let worker = Worker::join(&store).await;
    for draft in [echo(), tried(9, Backoff { initial: LONG, max: LONG })] {
        for _ in 0..10 {
            let attempt = worker.hold(draft.clone()).await;
            let steps = (0..8).map(|_| {
                let store = Arc::clone(&store);
                async move {
                    let message = printed(attempt, exit(1), text("once"));
                    store.report(vec![patient(message)]).await.expect("reports are taken").receipts[0]
                }
            });
            let receipts = all_at_once(steps).await;
            let count = |receipt| receipts.iter().filter(|other| **other == receipt).count();
            assert_eq!((count(Receipt::Recorded), count(Receipt::Duplicate)), (1, 7), "{receipts:?}");
            assert_eq!(get(&store, attempt.task).await.failures, 1);
        }
    }
}

pub async fn batches_of_the_same_results_in_another_order_do_not_block_each_other(store: Db) {
    let worker = Worker::join(&store).await;
    submit_all(&store, vec![echo(); 200]).await;
    let attempts: Vec<_> = worker.claim_all(200).await.iter().map(|claimed| claimed.attempt).collect();
    let steps = (0..4).map(|n| {
        let (store, mut attempts) = (Arc::clone(&store), attempts.clone());
        if n % 2 == 1 {
            attempts.reverse();
        }
        async move {
            let batch = attempts.into_iter().map(|attempt| finished(attempt, Outcome::success())).collect();
            store.report(batch).await.expect("reports are taken").receipts
        }
    });
    let receipts: Vec<_> = all_at_once(steps).await.into_iter().flatten().collect();
    let recorded = receipts.iter().filter(|receipt| **receipt == Receipt::Recorded).count();
    let duplicates = receipts.iter().filter(|receipt| **receipt == Receipt::Duplicate).count();
    assert_eq!((recorded, duplicates), (200, 600));
}

pub async fn a_cancel_and_a_result_agree_on_the_end(store: Db) {
    let worker = Worker::join(&store).await;
    let retried = || tried(9, Backoff { initial: NOW, max: NOW });
    let cases = [(echo(), Outcome::success()), (echo(), exit(1)), (retried(), exit(1))];
    for (draft, outcome) in cases {
        for _ in 0..20 {
            let attempt = worker.run(draft.clone()).await;
            let (reporting, cancelling) = (Arc::clone(&store), Arc::clone(&store));
            let message = finished(attempt, outcome.clone());
            let reported = tokio::spawn(async move { report(&reporting, message).await });
            let cancelled = tokio::spawn(async move { cancelling.cancel(attempt.task).await });
            let answer = cancelled.await.expect("a cancel does not panic").expect("it is answered");
            assert_eq!(reported.await.expect("a report does not panic"), Receipt::Recorded);
            let state = get(&store, attempt.task).await.state;
            let expected = match (outcome.is_success(), answer) {
                (true, CancelAnswer::Ended | CancelAnswer::Requested) => TaskState::Completed,
                (false, CancelAnswer::Ended) => TaskState::Failed,
                (false, CancelAnswer::Requested | CancelAnswer::Cancelled) => TaskState::Cancelled,
                (true, CancelAnswer::Cancelled) | (_, CancelAnswer::NotFound) => {
                    panic!("{answer:?}, now {state}")
                }
            };
            assert_eq!(state, expected, "the user was told {answer:?}");
        }
    }
}

/// Whoever came first decides: a recorded result stays, and an attempt that is lost has no result.
async fn assert_one_won(store: &Db, attempts: &[AttemptRef], receipts: &[Receipt]) {
    for (attempt, receipt) in attempts.iter().zip(receipts) {
        let task = get(store, attempt.task).await;
        match receipt {
            Receipt::Recorded => assert_eq!((task.state, task.losses), (TaskState::Completed, 0)),
            Receipt::Stale => assert_eq!((task.state, task.losses), (TaskState::Pending, 1)),
            Receipt::Duplicate => panic!("the result was sent once"),
        }
    }
}

pub async fn a_result_and_the_loss_of_its_worker_never_both_count(store: Db) {
    for _ in 0..5 {
        let worker = Worker::join(&store).await;
        submit_all(&store, vec![echo(); 40]).await;
        let attempts: Vec<_> = worker.claim_all(40).await.iter().map(|claimed| claimed.attempt).collect();
        reports(&store, attempts.iter().copied().map(started).collect()).await;
        let (ending, session) = (Arc::clone(&store), worker.session);
        let end = tokio::spawn(async move { ending.deregister(session).await });
        let steps = attempts.chunks(5).map(|some| {
            let (store, some) = (Arc::clone(&store), some.to_vec());
            async move {
                let batch = some.into_iter().map(|attempt| finished(attempt, Outcome::success())).collect();
                store.report(batch).await.expect("reports are taken").receipts
            }
        });
        let receipts = all_at_once(steps).await.concat();
        end.await.expect("an end does not panic").expect("the session ends");
        assert_one_won(&store, &attempts, &receipts).await;
        store_away(&store, &attempts).await;
    }
}

/// Takes tasks that wait for another attempt out of the next round's way.
async fn store_away(store: &Arc<dyn Store>, attempts: &[AttemptRef]) {
    for attempt in attempts {
        store.cancel(attempt.task).await.expect("a cancel is answered");
    }
}
