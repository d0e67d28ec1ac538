use super::*;
use crate::new_task::TaskDraft;
use crate::outcome::Cause;
use crate::why::explain;
use crate::why::fixtures::{at, ended_by, exit, facts, limited, silent, tried, worker};

/// The task runs since its first 40 ms, and its worker is `change`d.
fn running(draft: TaskDraft, millis: i64, change: impl FnOnce(Serving) -> Serving) -> Facts {
    let mut facts = facts(draft, millis).claimed(20).started(40);
    let well = worker("w1", facts.now);
    facts.sessions = vec![change(Serving { session: facts.task.session.unwrap(), ..well })];
    facts
}

fn said(facts: &Facts) -> (String, Vec<Code>) {
    let why = explain(facts);
    (why.summary, why.reasons.iter().map(|reason| reason.code).collect())
}

#[test]
fn a_running_task_says_since_when_where_and_until_when_at_most() {
    let facts = running(limited(60), 12_040, |well| well);
    let (summary, codes) = said(&facts);
    assert_eq!(summary, "running for 12 s on w1, attempt 1 of 1");
    assert_eq!(codes, [Code::Running, Code::TimesOut]);
    let limit = &explain(&facts).reasons[1];
    assert_eq!(limit.text, "it is stopped at its 60 s timeout, 2030-01-31T12:01:00Z");
    assert_eq!((limit.lasts.map(|left| left.as_secs()), limit.at), (Some(48), Some(at(60_040))));
}

#[test]
fn a_dispatched_task_says_since_when() {
    let facts = facts(tried(3), 23).claimed(20);
    let expected = "dispatched to w1 3 ms ago, attempt 1 of 3; the worker has not said yet that it started";
    assert_eq!(said(&facts), (expected.to_owned(), vec![Code::Dispatched]));
}

#[test]
fn attempts_beyond_those_permitted_are_not_counted_against_them() {
    let facts = facts(TaskDraft::default(), 3000).claimed(0).ended(
        1,
        ended_by(Cause::WorkerLost),
        TaskState::Pending,
    );
    let facts = facts.claimed(1000).started(1001);
    assert_eq!(said(&facts).0, "running for 1.9 s on w1, attempt 2");
    let mut more = facts.clone();
    more.task.policy.max_attempts = 2;
    assert_eq!(said(&more).0, said(&facts).0, "the lost one used up none of the two");
    let reasons = explain(&facts).reasons;
    let expected = "attempt 1 on w1 ended with the loss of its worker";
    assert_eq!(reasons.last().map(|reason| reason.text.as_str()), Some(expected));
}

#[test]
fn a_cancel_that_is_not_confirmed_yet_is_told() {
    let mut facts = running(TaskDraft::default(), 5000, |well| well);
    facts.task.cancel_requested_at = Some(at(3000));
    let expected = "running for 4.9 s on w1, attempt 1 of 1; a cancel was asked for 2 s ago and its worker has not confirmed it yet";
    assert_eq!(said(&facts).0, expected);
    assert_eq!(said(&facts).1, [Code::Running, Code::CancelRequested, Code::TimesOut]);
}

#[test]
fn a_worker_that_fell_silent_is_told_with_the_time_left() {
    let facts = running(TaskDraft::default(), 20_040, |well| silent(well, 18));
    let expected = "running for 20 s on w1, attempt 1 of 1; worker w1 is late, last heard 18 s ago: its attempt is reclaimed in 12 s";
    assert_eq!(said(&facts).0, expected);
    assert_eq!(explain(&facts).reasons[1].lasts.map(|left| left.as_secs()), Some(12));

    for (change, expected, code) in [
        (
            31,
            "worker w1 is lost, last heard 31 s ago: its attempt is reclaimed in a moment, or 30 s after a coordinator started",
            Code::WorkerLost,
        ),
        (
            65,
            "worker w1 was last heard 65 s ago and nobody has reclaimed the attempt: no coordinator seems to run",
            Code::NoCoordinator,
        ),
    ] {
        let reason =
            explain(&running(TaskDraft::default(), 50_000, |well| silent(well, change))).reasons.remove(1);
        assert_eq!((reason.text.as_str(), reason.code), (expected, code));
    }
    let ended = running(TaskDraft::default(), 50_000, |well| Serving { ended: true, ..silent(well, 65) });
    assert_eq!(explain(&ended).reasons[1].code, Code::WorkerLost, "whoever ended its session is there");
}

#[test]
fn a_worker_that_drains_is_no_trouble_yet() {
    let facts = running(TaskDraft::default(), 1040, |well| Serving { draining: true, ..well });
    assert_eq!(said(&facts).0, "running for 1 s on w1, attempt 1 of 1");
    assert_eq!(said(&facts).1, [Code::Running, Code::WorkerDraining, Code::TimesOut]);
}

#[test]
fn attempts_before_the_held_one_are_told() {
    let facts =
        facts(tried(3), 5000).claimed(0).started(10).failed(1010, exit(3), 2000).claimed(2000).started(2001);
    let (summary, codes) = said(&facts);
    assert_eq!(summary, "running for 2.9 s on w1, attempt 2 of 3");
    assert_eq!(codes, [Code::Running, Code::TimesOut, Code::TriedBefore]);
    assert_eq!(explain(&facts).reasons[2].text, "attempt 1 on w1 ended with exit code 3 after 1 s");
}
