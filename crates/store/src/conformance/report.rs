//! Reports: what they change, and that every instant is the store's and in order.

use std::time::Duration;

use chrono::TimeDelta;
use distrack_core::{Cause, Outcome, Output, SessionId, TaskState, Usage};

use super::fixtures::{Db, NOW, echo, exit, finished, get, report, reports, said, started};
use super::fleet::Worker;
use crate::{AttemptEvent, AttemptReport, Receipt};

pub async fn a_started_attempt_is_running(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(echo()).await;
    let before = get(&store, attempt.task).await;
    assert_eq!(report(&store, started(attempt)).await, Receipt::Recorded);
    let task = get(&store, attempt.task).await;
    assert_eq!((task.state, task.epoch, task.attempt), (TaskState::Running, 1, 1));
    assert_eq!((task.session, task.picked_at), (before.session, before.picked_at));
    assert!(task.started_at.expect("it started") >= task.picked_at.expect("it was picked"));
    assert_eq!((task.finished_at, task.outcome), (None, None));
}

pub async fn a_success_completes_the_task(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.run(echo()).await;
    let running = get(&store, attempt.task).await;
    assert_eq!(report(&store, finished(attempt, Outcome::success())).await, Receipt::Recorded);
    let task = get(&store, attempt.task).await;
    assert_eq!((task.state, task.epoch, task.attempt), (TaskState::Completed, 1, 1));
    assert_eq!((task.failures, task.losses, task.session), (0, 0, None));
    assert_eq!(task.worker, Some(worker.registration.name.clone()), "who ran it is still told");
    assert_eq!((task.picked_at, task.started_at), (running.picked_at, running.started_at));
    assert!(task.finished_at.expect("it ended") >= task.started_at.expect("it started"));
    assert_eq!(task.outcome, Some(Outcome::success()));
    assert!(worker.claim(1).await.is_empty());
}

pub async fn an_attempt_may_end_before_its_start_was_reported(store: Db) {
    let worker = Worker::join(&store).await;
    for (outcome, state) in [(Outcome::success(), TaskState::Completed), (exit(3), TaskState::Failed)] {
        let attempt = worker.hold(echo()).await;
        assert_eq!(report(&store, finished(attempt, outcome)).await, Receipt::Recorded);
        let task = get(&store, attempt.task).await;
        assert_eq!(task.state, state);
        assert!(task.started_at.expect("`ran` tells the start") <= task.finished_at.expect("it ended"));
    }
}

pub async fn an_attempt_that_never_started_has_no_start(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(echo()).await;
    let outcome =
        Outcome { final_failure: true, ..Outcome::failure(Cause::SpawnFailed, "no such directory") };
    let event = AttemptEvent::Finished { ago: NOW, ran: None, outcome, output: Output::default() };
    assert_eq!(report(&store, said(attempt, event)).await, Receipt::Recorded);
    let task = get(&store, attempt.task).await;
    assert_eq!((task.state, task.started_at), (TaskState::Failed, None));
    assert!(task.finished_at.expect("it ended") >= task.picked_at.expect("it was picked"));
    assert_eq!(task.outcome.and_then(|outcome| outcome.cause), Some(Cause::SpawnFailed));
}

pub async fn a_workers_durations_are_anchored_to_the_stores_clock(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.hold(echo()).await;
    // Long enough for what the worker says to lie after the claim.
    tokio::time::sleep(Duration::from_millis(60)).await;
    let (ago, ran) = (Duration::from_millis(20), Duration::from_millis(30));
    let event = AttemptEvent::Finished {
        ago,
        ran: Some(ran),
        outcome: Outcome::success(),
        output: Output::default(),
    };
    assert_eq!(report(&store, said(attempt, event)).await, Receipt::Recorded);
    let task = get(&store, attempt.task).await;
    let (start, end) = (task.started_at.expect("it started"), task.finished_at.expect("it ended"));
    let error = (end - start - TimeDelta::milliseconds(30)).abs();
    assert!(error <= TimeDelta::milliseconds(1), "ran 30 ms, stored as {}", end - start);
    assert!(start > task.picked_at.expect("it was picked"), "nothing had to be bent");
}

pub async fn instants_stay_in_order_whatever_a_worker_says(store: Db) {
    let worker = Worker::join(&store).await;
    let absurd = [NOW, Duration::from_nanos(1), Duration::from_secs(3600 * 24 * 365 * 300), Duration::MAX];
    let mut cases = Vec::new();
    for start in [None, Some(NOW), Some(Duration::from_secs(9)), Some(Duration::MAX)] {
        for ago in absurd {
            cases.extend([None, Some(NOW), Some(Duration::MAX)].map(|ran| (start, ago, ran)));
        }
    }
    for (start, ago, ran) in cases {
        let attempt = worker.hold(echo()).await;
        if let Some(ago) = start {
            let event = AttemptEvent::Started { ago };
            assert_eq!(report(&store, said(attempt, event)).await, Receipt::Recorded);
        }
        let event =
            AttemptEvent::Finished { ago, ran, outcome: Outcome::success(), output: Output::default() };
        assert_eq!(report(&store, said(attempt, event)).await, Receipt::Recorded);
        let task = get(&store, attempt.task).await;
        let said = format!("started {start:?} ago, finished {ago:?} ago, ran {ran:?}: {task:?}");
        let (picked, end) = (task.picked_at.expect("it was picked"), task.finished_at.expect("it ended"));
        assert!(task.scheduled_at <= picked && picked <= end, "{said}");
        assert_eq!(task.started_at.is_some(), start.is_some() || ran.is_some(), "{said}");
        assert!(task.started_at.is_none_or(|at| picked <= at && at <= end), "{said}");
        assert!(end - picked < TimeDelta::minutes(1), "nothing ends in the future: {said}");
    }
}

pub async fn an_outcome_reads_back_as_it_was_reported(store: Db) {
    let worker = Worker::join(&store).await;
    let usage = Usage {
        max_rss_bytes: Some(1 << 40),
        cpu_user: Duration::from_micros(1_234_567),
        cpu_system: Duration::from_secs(90_000),
    };
    let outcomes = [
        Outcome { usage: Some(usage), ..Outcome::success() },
        Outcome { usage: Some(Usage { max_rss_bytes: None, ..usage }), ..exit(-1) },
        Outcome { signal: Some(9), ..Outcome::failure(Cause::Oom, "the kernel's „killer“\n'ended' it") },
        Outcome::failure(Cause::OutputLimit, ""),
    ];
    for outcome in outcomes {
        let attempt = worker.hold(echo()).await;
        assert_eq!(report(&store, finished(attempt, outcome.clone())).await, Receipt::Recorded);
        let kept = get(&store, attempt.task).await.outcome.expect("it ended");
        assert_eq!((kept.cause, kept.exit_code), (outcome.cause, outcome.exit_code));
        assert_eq!((kept.signal, kept.usage), (outcome.signal, outcome.usage));
        assert_eq!(kept.error.unwrap_or_default(), outcome.error.clone().unwrap_or_default());
        let attempts =
            store.attempts(attempt.task).await.expect("attempts are read").expect("the task exists");
        let listed = attempts[0].outcome.as_ref().expect("it ended");
        assert_eq!(
            (listed.cause, listed.signal, listed.usage),
            (outcome.cause, outcome.signal, outcome.usage)
        );
    }
}

pub async fn every_cause_reads_back_and_fails_the_task(store: Db) {
    let worker = Worker::join(&store).await;
    let causes = Cause::ALL.into_iter().filter(|cause| {
        // A worker reports neither of them as the end of a task; see `lost`, `retry` and `cancel`.
        !matches!(cause, Cause::WorkerLost | Cause::Interrupted | Cause::Cancelled)
    });
    for cause in causes {
        let attempt = worker.run(echo()).await;
        assert_eq!(
            report(&store, finished(attempt, Outcome::failure(cause, "why"))).await,
            Receipt::Recorded
        );
        let task = get(&store, attempt.task).await;
        assert_eq!((task.state, task.failures), (TaskState::Failed, 1), "{cause}");
        let outcome = task.outcome.expect("it ended");
        assert_eq!((outcome.cause, outcome.error.as_deref()), (Some(cause), Some("why")));
    }
}

pub async fn an_error_text_with_a_nul_character_does_not_hold_up_its_batch(store: Db) {
    let worker = Worker::join(&store).await;
    let (odd, plain) = (worker.hold(echo()).await, worker.hold(echo()).await);
    let outcome = Outcome::failure(Cause::SpawnFailed, "before\0after");
    let batch = vec![finished(odd, outcome), finished(plain, Outcome::success())];
    assert_eq!(reports(&store, batch).await, [Receipt::Recorded; 2]);
    let error = get(&store, odd.task).await.outcome.and_then(|outcome| outcome.error).unwrap_or_default();
    assert!(error.starts_with("before") && error.ends_with("after"), "{error:?}");
}

pub async fn a_report_of_an_attempt_that_another_session_holds_changes_nothing(store: Db) {
    let (worker, other) = (Worker::join(&store).await, Worker::join(&store).await);
    let by = |worker: &Worker, report| AttemptReport { session: Some(worker.session), ..report };
    let attempt = worker.hold(echo()).await;
    let before = get(&store, attempt.task).await;
    let rogue = [started(attempt), finished(attempt, Outcome::success()), finished(attempt, exit(1))];
    for said in rogue.clone() {
        assert_eq!(report(&store, by(&other, said.clone())).await, Receipt::Stale);
        let unknown = AttemptReport { session: Some(SessionId::new()), ..said };
        assert_eq!(report(&store, unknown).await, Receipt::Stale);
    }
    let batch = [by(&other, started(attempt)), by(&worker, started(attempt))];
    assert_eq!(reports(&store, batch.to_vec()).await, [Receipt::Stale, Receipt::Recorded], "each by itself");
    let task = get(&store, attempt.task).await;
    assert_eq!((task.state, task.session), (TaskState::Running, before.session));
    for said in rogue {
        assert_eq!(report(&store, by(&other, said)).await, Receipt::Stale);
    }
    assert_eq!(report(&store, by(&worker, finished(attempt, Outcome::success()))).await, Receipt::Recorded);
    assert_eq!(get(&store, attempt.task).await.state, TaskState::Completed);
}
