//! A caller that goes away at any moment leaves the store as good as before.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::fixtures::{Db, all_at_once, echo, later, new_task, state, submit, without_key};
use super::fleet::Worker;
use crate::{ListQuery, Registration, SubmitMode};

/// Polls a call this often and drops it.
async fn abandon<T>(call: impl Future<Output = T>, polls: u32) {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        call.as_mut().poll(context).map(drop)
    })
    .await;
}

pub async fn a_dropped_call_leaves_the_store_usable_and_nothing_half_done(store: Db) {
    let worker = Worker::join(&store).await;
    for polls in 1..=40 {
        let batch: Vec<_> = (0..3).map(|_| without_key(new_task(later()))).collect();
        let ids: Vec<_> = batch.iter().map(|submission| submission.task.id).collect();
        abandon(store.submit(batch, SubmitMode::AllOrNone), polls).await;
        abandon(store.cancel(ids[0]), polls).await;
        abandon(store.claim(worker.request(1)), polls).await;
        let sequence = 1 + u64::from(polls);
        abandon(store.register(Registration { sequence, ..worker.registration.clone() }), polls).await;
        let stored = store.get(ids).await.expect("tasks are read");
        assert!(stored.is_empty() || stored.len() == 3, "all or none, not {}", stored.len());
    }
    let steps = (0..32).map(|_| {
        let store = Arc::clone(&store);
        async move {
            let id = submit(&store, echo()).await;
            state(&store, id).await
        }
    });
    all_at_once(steps).await;
    let listed =
        store.list(ListQuery { limit: 1000, ..ListQuery::default() }).await.expect("tasks are listed");
    assert_eq!(
        listed.iter().filter(|task| task.due_at == task.created_at).count(),
        32,
        "what was answered is stored"
    );
}
