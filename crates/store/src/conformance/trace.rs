//! Traces: where an attempt belongs, and what is kept of it.

use std::time::Duration;

use distrack_core::{
    Backoff, Cause, NewTask, Outcome, Output, TaskId, TaskState, TraceContext, TraceMode, TracePolicy,
};

use super::fixtures::{Db, NOW, eventually, exit, finished, get, report, tried, without_key};
use super::fleet::{Worker, claim};
use crate::{AttemptEvent, AttemptReport, ClaimRequest, ProgressEnd, Receipt, SubmitMode};

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

pub async fn an_attempt_keeps_how_its_trace_belongs_to_the_submission(store: Db) {
    let worker = Worker::join(&store).await;
    let trace = TraceContext::root();
    let id = submit_in(&store, &trace).await;
    let claimed = worker.claim_one().await;
    assert_eq!((claimed.mode, &claimed.submission, claimed.previous), (TraceMode::Child, &trace, None));
    assert_eq!(claimed.waiting_since, get(&store, id).await.created_at);
    report(&store, finished(claimed.attempt, exit(1))).await;
    let ended_at = get(&store, id).await.finished_at.expect("the first attempt ended");
    let retried = worker.claim_one().await;
    let before = Some((claimed.trace.trace_id, claimed.trace.span_id));
    assert_eq!((retried.mode, &retried.submission, retried.previous), (TraceMode::Link, &trace, before));
    assert_eq!(retried.waiting_since, ended_at, "it waits since the attempt before ended");
    assert!(retried.due_at <= retried.picked_at);
    let attempts = store.attempts(id).await.expect("attempts are read").expect("the task exists");
    let modes: Vec<_> = attempts.iter().map(|attempt| attempt.trace_mode).collect();
    assert_eq!(modes, [Some(TraceMode::Child), Some(TraceMode::Link)]);
}

pub async fn a_policy_makes_one_mode_the_rule(store: Db) {
    let worker = Worker::join(&store).await;
    let trace = TraceContext::root();
    for (mode, same) in [(TraceMode::Link, false), (TraceMode::Child, true)] {
        let id = submit_in(&store, &trace).await;
        for _ in 0..2 {
            let request = || ClaimRequest { trace_policy: TracePolicy::Always(mode), ..worker.request(1) };
            let claimed =
                eventually("it is claimed", async || claim(&store, request()).await.into_iter().next()).await;
            assert_eq!((claimed.mode, claimed.trace.trace_id == trace.trace_id), (mode, same));
            report(&store, finished(claimed.attempt, exit(1))).await;
        }
        store.cancel(id).await.expect("the next retry is cancelled");
    }
}

pub async fn what_a_report_changed_is_told_as_it_is_stored(store: Db) {
    let worker = Worker::join(&store).await;
    let id = submit_in(&store, &TraceContext::root()).await;
    let claimed = worker.claim_one().await;
    let (ago, ran) = (Duration::from_millis(20), Duration::from_millis(5));
    let started = AttemptEvent::Started { ago };
    let told = store
        .report(vec![AttemptReport { attempt: claimed.attempt, session: None, jitter: 0.0, event: started }])
        .await;
    let told = told.expect("reports are taken").progress;
    let task = get(&store, id).await;
    let [progress] = &told[..] else { panic!("one attempt changed: {told:?}") };
    assert_eq!((progress.starts, progress.started_at, progress.end), (true, task.started_at, None));
    assert_eq!((progress.number, progress.queue.clone()), (1, task.queue));
    assert_eq!((progress.worker.clone(), progress.trace.clone()), (task.worker, Some(claimed.trace.clone())));
    assert_eq!((progress.scheduled_at, Some(progress.picked_at)), (task.scheduled_at, task.picked_at));

    let ends =
        AttemptEvent::Finished { ago: NOW, ran: Some(ran), outcome: exit(3), output: Output::default() };
    let ends = AttemptReport { attempt: claimed.attempt, session: None, jitter: 0.0, event: ends };
    let told = store.report(vec![ends.clone()]).await.expect("reports are taken").progress;
    let task = get(&store, id).await;
    let end = ProgressEnd {
        at: task.finished_at.expect("the attempt ended"),
        cause: Some(Cause::ExitCode),
        next: TaskState::Pending,
    };
    let [progress] = &told[..] else { panic!("one attempt changed: {told:?}") };
    assert_eq!((progress.starts, progress.started_at, progress.end), (false, task.started_at, Some(end)));
    let again = store.report(vec![ends]).await.expect("reports are taken");
    assert_eq!((again.receipts, again.progress), (vec![Receipt::Duplicate], vec![]), "nothing changed");

    // A short attempt tells its start and its end at once.
    let claimed = worker.claim_one().await;
    let event = |event| AttemptReport { attempt: claimed.attempt, session: None, jitter: 0.0, event };
    let started = event(AttemptEvent::Started { ago: ran });
    let ends = AttemptEvent::Finished {
        ago: NOW,
        ran: Some(ran),
        outcome: Outcome::success(),
        output: Output::default(),
    };
    let told = store.report(vec![started, event(ends)]).await.expect("reports are taken").progress;
    let task = get(&store, id).await;
    let [progress] = &told[..] else { panic!("one attempt changed: {told:?}") };
    assert_eq!((progress.starts, progress.started_at), (true, task.started_at));
    assert_eq!(
        progress.end.map(|end| (Some(end.at), end.next)),
        Some((task.finished_at, TaskState::Completed))
    );
}

pub async fn a_lost_attempt_is_told_with_its_trace(store: Db) {
    let mut worker = Worker::join(&store).await;
    let id = submit_in(&store, &TraceContext::root()).await;
    let claimed = worker.claim_one().await;
    let lost = worker.restart(&[]).await.lost;
    let [progress] = &lost[..] else { panic!("one attempt is lost: {lost:?}") };
    assert_eq!((progress.attempt, progress.trace.clone()), (claimed.attempt, Some(claimed.trace)));
    let end = progress.end.expect("it ended");
    assert_eq!((end.cause, end.next), (Some(Cause::WorkerLost), TaskState::Pending));
    assert_eq!(Some(end.at), get(&store, id).await.finished_at);
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
