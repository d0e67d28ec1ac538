//! What is kept of each attempt: its place in the list, and every byte that it printed.

use distrack_core::{Attempt, Backoff, Cause, Outcome, Output, StreamOutput, TaskId};

use super::fixtures::{
    Db, NOW, echo, exit, finished, get, later, printed, report, started, submit, text, tried,
};
use super::fleet::Worker;
use crate::Receipt;

const AT_ONCE: Backoff = Backoff { initial: NOW, max: NOW };

async fn attempts(store: &Db, task: TaskId) -> Vec<Attempt> {
    store.attempts(task).await.expect("attempts are read").expect("the task exists")
}

async fn output(store: &Db, task: TaskId, attempt: u32) -> Option<Output> {
    store.output(task, attempt).await.expect("output is read")
}

pub async fn every_attempt_is_listed_once_oldest_first(store: Db) {
    let worker = Worker::join(&store).await;
    let id = submit(&store, tried(3, AT_ONCE)).await;
    assert!(attempts(&store, id).await.is_empty(), "none before the first claim");
    for number in 1..=3 {
        let claimed = worker.claim_one().await;
        let held = attempts(&store, id).await;
        assert_eq!(held.len(), number, "the held one is listed");
        let current = &held[number - 1];
        assert_eq!((current.started_at, current.finished_at, &current.outcome), (None, None, &None));
        report(&store, started(claimed.attempt)).await;
        let code = i32::try_from(number).expect("a small number");
        report(&store, finished(claimed.attempt, exit(code))).await;
        let listed = attempts(&store, id).await;
        assert_eq!(listed.len(), number, "one that ended is listed once");
        for (attempt, place) in listed.iter().zip(1..) {
            assert_eq!(
                (attempt.epoch, attempt.attempt),
                (place, u32::try_from(place).expect("a small number"))
            );
            assert_eq!(attempt.worker, Some(worker.registration.name.clone()));
            let exit_code = attempt.outcome.as_ref().and_then(|outcome| outcome.exit_code);
            assert_eq!(exit_code.map(i64::from), Some(place));
            let (picked, end) = (attempt.picked_at.expect("picked"), attempt.finished_at.expect("ended"));
            assert!(picked <= attempt.started_at.expect("started") && attempt.started_at <= Some(end));
        }
    }
    let (task, listed) = (get(&store, id).await, attempts(&store, id).await);
    let instants = (task.picked_at, task.started_at, task.finished_at);
    assert_eq!((listed[2].picked_at, listed[2].started_at, listed[2].finished_at), instants);
}

pub async fn a_lost_attempt_is_listed_with_its_cause(store: Db) {
    let worker = Worker::join(&store).await;
    let lost = worker.run(echo()).await;
    worker.leave().await;
    for _ in 0..2 {
        let listed = attempts(&store, lost.task).await;
        assert_eq!((listed[0].epoch, listed[0].attempt), (1, 1));
        assert_eq!(listed[0].outcome.as_ref().and_then(|outcome| outcome.cause), Some(Cause::WorkerLost));
        assert!(listed[0].finished_at >= listed[0].started_at && listed[0].started_at.is_some());
        let other = Worker::join(&store).await;
        if listed.len() == 1 {
            other.claim_one().await;
        }
    }
    let listed = attempts(&store, lost.task).await;
    assert_eq!(listed.iter().map(|attempt| attempt.attempt).collect::<Vec<_>>(), [1, 2]);
}

pub async fn output_is_kept_for_each_attempt(store: Db) {
    let worker = Worker::join(&store).await;
    let id = submit(&store, tried(3, AT_ONCE)).await;
    for number in 1..=3 {
        let attempt = worker.claim_one().await.attempt;
        assert_eq!(output(&store, id, number).await, None, "none before the report");
        report(&store, printed(attempt, exit(1), text(&format!("attempt {number}")))).await;
    }
    for number in 1..=3 {
        assert_eq!(output(&store, id, number).await, Some(text(&format!("attempt {number}"))));
    }
    for number in [0, 4, u32::MAX] {
        assert_eq!(output(&store, id, number).await, None);
    }
}

pub async fn output_is_kept_byte_for_byte(store: Db) {
    let worker = Worker::join(&store).await;
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let full: Vec<u8> = every.iter().copied().cycle().take(64 * 1024).collect();
    let reversed: Vec<u8> = full.iter().rev().copied().collect();
    let stream =
        |head: &[u8], tail: &[u8], bytes| StreamOutput { head: head.into(), tail: tail.into(), bytes };
    let outputs = [
        Output { stdout: stream(&full, &reversed, 1 << 40), stderr: stream(&reversed, &full, 1 << 17) },
        Output { stdout: stream(&every, &[], 256), stderr: StreamOutput::default() },
        Output { stdout: StreamOutput::default(), stderr: stream(b"\0", &[], 1) },
        Output {
            stdout: stream(b"\xff\xfe\n", &[], 3), stderr: stream("grüße'\"\\x00".as_bytes(), &[], 13)
        },
    ];
    for expected in outputs {
        let attempt = worker.hold(echo()).await;
        assert_eq!(report(&store, printed(attempt, exit(1), expected.clone())).await, Receipt::Recorded);
        let kept = output(&store, attempt.task, 1).await;
        assert!(kept.as_ref() == Some(&expected), "{} bytes are kept as they were", expected.stdout.bytes);
    }
}

pub async fn an_attempt_that_printed_nothing_has_an_empty_output_once_it_ended(store: Db) {
    let worker = Worker::join(&store).await;
    let attempt = worker.run(echo()).await;
    assert_eq!(output(&store, attempt.task, 1).await, None);
    report(&store, finished(attempt, Outcome::success())).await;
    assert_eq!(output(&store, attempt.task, 1).await, Some(Output::default()));
    let waiting = submit(&store, later()).await;
    assert_eq!(output(&store, waiting, 1).await, None);
}

pub async fn a_stale_report_leaves_no_output(store: Db) {
    let worker = Worker::join(&store).await;
    let old = worker.hold(echo()).await;
    store.release(vec![old]).await.expect("it is given back");
    report(&store, printed(old, Outcome::success(), text("stale"))).await;
    let held = worker.claim_one().await.attempt;
    report(&store, printed(old, Outcome::success(), text("stale"))).await;
    assert_eq!(output(&store, held.task, 1).await, None);
    report(&store, printed(held, Outcome::success(), text("fresh"))).await;
    report(&store, printed(held, Outcome::success(), text("again"))).await;
    assert_eq!(output(&store, held.task, 1).await, Some(text("fresh")));
}
