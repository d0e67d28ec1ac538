//! One key, one task: replays, conflicts, and what a batch with either becomes.

use std::sync::Arc;

use distrack_core::TaskId;

use super::fixtures::{Db, all_at_once, later, new_task, without_key};
use crate::{IdempotencyKey, ListQuery, Submission, SubmitMode, Submitted};

fn keyed(key: &str, request: u8) -> Submission {
    let key = IdempotencyKey { key: key.to_owned(), request_hash: [request; 32] };
    Submission { task: new_task(later()), key: Some(key) }
}

async fn send(store: &Db, submissions: Vec<Submission>, mode: SubmitMode) -> (Vec<TaskId>, Vec<Submitted>) {
    let ids: Vec<_> = submissions.iter().map(|submission| submission.task.id).collect();
    let answers = store.submit(submissions, mode).await.expect("submissions are answered");
    assert_eq!(answers.len(), ids.len(), "one answer for each submission");
    (ids, answers)
}

async fn stored(store: &Db) -> Vec<TaskId> {
    let query = ListQuery { limit: 1000, ..ListQuery::default() };
    let mut ids: Vec<_> =
        store.list(query).await.expect("tasks are listed").iter().map(|task| task.id).collect();
    ids.sort();
    ids
}

fn is_created(answer: &Submitted) -> bool {
    matches!(answer, Submitted::Created { .. })
}

pub async fn the_same_key_and_request_give_the_same_task(store: Db) {
    for mode in [SubmitMode::Each, SubmitMode::AllOrNone] {
        let key = format!("{mode:?} grüße 'n' more");
        let (first, answers) = send(&store, vec![keyed(&key, 1)], mode).await;
        assert!(is_created(&answers[0]), "{answers:?}");
        let (_, answers) = send(&store, vec![keyed(&key, 1)], mode).await;
        assert_eq!(answers, [Submitted::Replayed(first[0])]);
    }
    assert_eq!(stored(&store).await.len(), 2);
}

pub async fn the_same_key_with_another_request_is_a_conflict_and_stores_nothing(store: Db) {
    let (first, _) = send(&store, vec![keyed("k", 1)], SubmitMode::Each).await;
    for mode in [SubmitMode::Each, SubmitMode::AllOrNone] {
        let (_, answers) = send(&store, vec![keyed("k", 2)], mode).await;
        assert_eq!(answers, [Submitted::KeyConflict]);
    }
    assert_eq!(stored(&store).await, first);
    let (_, answers) = send(&store, vec![keyed("k", 1)], SubmitMode::Each).await;
    assert_eq!(answers, [Submitted::Replayed(first[0])], "a conflict does not take the key over");
}

pub async fn one_key_twice_in_one_call_gives_one_task(store: Db) {
    for mode in [SubmitMode::Each, SubmitMode::AllOrNone] {
        let key = format!("{mode:?}");
        let (ids, answers) =
            send(&store, vec![keyed(&key, 1), keyed("other", 1), keyed(&key, 1)], mode).await;
        assert!(is_created(&answers[0]), "{answers:?}");
        assert_eq!(answers[2], Submitted::Replayed(ids[0]));
    }
    assert_eq!(stored(&store).await.len(), 3);
}

pub async fn two_requests_under_one_key_in_one_call_conflict(store: Db) {
    let (_, answers) = send(&store, vec![keyed("k", 1), keyed("k", 2)], SubmitMode::AllOrNone).await;
    assert_eq!(answers[1], Submitted::KeyConflict);
    assert!(stored(&store).await.is_empty(), "all or none");
    let (ids, answers) = send(&store, vec![keyed("k", 1), keyed("k", 2)], SubmitMode::Each).await;
    assert!(is_created(&answers[0]), "{answers:?}");
    assert_eq!(answers[1], Submitted::KeyConflict);
    assert_eq!(stored(&store).await, [ids[0]]);
}

pub async fn all_or_none_stores_nothing_when_one_key_conflicts(store: Db) {
    let (first, _) = send(&store, vec![keyed("taken", 1)], SubmitMode::Each).await;
    let batch = vec![without_key(new_task(later())), keyed("fresh", 1), keyed("taken", 2), keyed("last", 1)];
    let (_, answers) = send(&store, batch, SubmitMode::AllOrNone).await;
    assert_eq!(answers[2], Submitted::KeyConflict);
    assert_eq!(stored(&store).await, first);
    let (_, answers) = send(&store, vec![keyed("fresh", 9), keyed("last", 9)], SubmitMode::AllOrNone).await;
    assert!(answers.iter().all(is_created), "the other keys are free as before: {answers:?}");
}

pub async fn each_stores_the_rest_when_one_key_conflicts(store: Db) {
    send(&store, vec![keyed("taken", 1)], SubmitMode::Each).await;
    let batch = vec![without_key(new_task(later())), keyed("taken", 2), keyed("fresh", 1)];
    let (_, answers) = send(&store, batch, SubmitMode::Each).await;
    assert!(is_created(&answers[0]) && is_created(&answers[2]), "{answers:?}");
    assert_eq!(answers[1], Submitted::KeyConflict);
    assert_eq!(stored(&store).await.len(), 3);
}

pub async fn a_batch_sent_again_is_answered_with_the_same_tasks_in_order(store: Db) {
    let batch = || (0..50).map(|n| keyed(&format!("key-{}", n * 7 % 50), 1)).collect::<Vec<_>>();
    let (ids, _) = send(&store, batch(), SubmitMode::AllOrNone).await;
    let (_, answers) = send(&store, batch(), SubmitMode::AllOrNone).await;
    assert_eq!(answers, ids.into_iter().map(Submitted::Replayed).collect::<Vec<_>>());
    assert_eq!(stored(&store).await.len(), 50);
}

pub async fn many_at_once_with_one_key_give_one_task(store: Db) {
    for round in 0..10 {
        let steps = (0..16).map(|n| {
            let store = Arc::clone(&store);
            async move {
                let mode = if n % 2 == 0 { SubmitMode::Each } else { SubmitMode::AllOrNone };
                send(&store, vec![keyed(&format!("round-{round}"), 1)], mode).await
            }
        });
        let answers = all_at_once(steps).await;
        let created: Vec<_> = answers.iter().filter(|(_, answers)| is_created(&answers[0])).collect();
        assert_eq!(created.len(), 1, "one of them is stored: {answers:?}");
        let id = created[0].0[0];
        let replays = answers.iter().filter(|(_, answers)| answers[0] == Submitted::Replayed(id)).count();
        assert_eq!(replays, 15, "the others are told which: {answers:?}");
    }
    assert_eq!(stored(&store).await.len(), 10);
}

pub async fn batches_with_the_same_keys_in_another_order_do_not_block_each_other(store: Db) {
    for round in 0..5 {
        let steps = (0..4).map(|n| {
            let store = Arc::clone(&store);
            let mut batch: Vec<_> = (0..40).map(|key| keyed(&format!("{round}-{key}"), 1)).collect();
            if n % 2 == 1 {
                batch.reverse();
            }
            async move { send(&store, batch, SubmitMode::AllOrNone).await.1 }
        });
        let answers = all_at_once(steps).await;
        let created = answers.iter().flatten().filter(|answer| is_created(answer)).count();
        assert_eq!(created, 40, "each key gives one task");
        assert!(!answers.iter().flatten().any(|answer| *answer == Submitted::KeyConflict));
    }
    assert_eq!(stored(&store).await.len(), 200);
}
