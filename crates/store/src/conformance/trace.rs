//! Traces: where an attempt belongs, and what is kept of it.

use distrack_core::{Backoff, NewTask, TaskId, TraceContext};

use super::fixtures::{Db, NOW, exit, finished, get, report, tried, without_key};
use super::fleet::Worker;
use crate::SubmitMode;

async fn submit_in(store: &Db, trace: &TraceContext) -> TaskId {
    let draft = tried(9, Backoff { initial: NOW, max: NOW });
    let task = NewTask::parse(draft, TaskId::new(), trace.clone()).expect("the draft is within the limits");
    let id = task.id;
    store.submit(vec![without_key(task)], SubmitMode::Each).await.expect("it is stored");
    id
}

pub async fn a_first_attempt_soon_after_its_submission_is_in_the_same_trace(store: Db) {
    let worker = Worker::join(&store).await;
    for flags in [0, 1] {
        let trace = TraceContext { flags, state: "vendor=1".to_owned(), ..TraceContext::root() };
        let id = submit_in(&store, &trace).await;
        let attempt = worker.claim_one().await.trace;
        assert_eq!(attempt.trace_id, trace.trace_id);
        assert_ne!(attempt.span_id, trace.span_id, "a span of its own");
        assert_eq!((attempt.flags, &attempt.state), (flags, &trace.state));
        assert_eq!(get(&store, id).await.trace, trace, "the submission's place is kept");
    }
}

pub async fn each_retry_has_a_trace_of_its_own_with_the_same_sampling(store: Db) {
    let worker = Worker::join(&store).await;
    for flags in [0, 1] {
        let trace = TraceContext { flags, ..TraceContext::root() };
        let id = submit_in(&store, &trace).await;
        let mut seen = vec![trace.trace_id];
        report(&store, finished(worker.claim_one().await.attempt, exit(1))).await;
        for _ in 0..2 {
            let claimed = worker.claim_one().await;
            assert!(!seen.contains(&claimed.trace.trace_id), "a new trace");
            assert_eq!(claimed.trace.flags, flags, "linked traces inherit the sampling decision");
            seen.push(claimed.trace.trace_id);
            report(&store, finished(claimed.attempt, exit(1))).await;
        }
        assert_eq!(get(&store, id).await.trace, trace);
        store.cancel(id).await.expect("the next retry is cancelled");
    }
}

pub async fn each_attempt_keeps_its_trace_and_span(store: Db) {
    let worker = Worker::join(&store).await;
    let id = submit_in(&store, &TraceContext::root()).await;
    let mut given = Vec::new();
    for _ in 0..3 {
        let claimed = worker.claim_one().await;
        given.push((Some(claimed.trace.trace_id), Some(claimed.trace.span_id)));
        let task = get(&store, id).await;
        assert_eq!((task.attempt_trace_id, task.attempt_span_id), given[given.len() - 1]);
        report(&store, finished(claimed.attempt, exit(1))).await;
    }
    let attempts = store.attempts(id).await.expect("attempts are read").expect("the task exists");
    let kept: Vec<_> = attempts.iter().map(|attempt| (attempt.trace_id, attempt.span_id)).collect();
    assert_eq!(kept, given);
}

pub async fn tasks_claimed_together_have_spans_of_their_own(store: Db) {
    let worker = Worker::join(&store).await;
    let trace = TraceContext::root();
    for _ in 0..5 {
        submit_in(&store, &trace).await;
    }
    let claimed = worker.claim_all(5).await;
    let mut spans: Vec<_> = claimed.iter().map(|claimed| claimed.trace.span_id.to_string()).collect();
    spans.push(trace.span_id.to_string());
    spans.sort();
    spans.dedup();
    assert_eq!(spans.len(), 6);
}
