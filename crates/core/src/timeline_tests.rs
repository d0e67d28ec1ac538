use super::*;
use crate::new_task::TaskDraft;
use crate::outcome::{Cause, Outcome};
use crate::why::fixtures::{accepted, at, ended_by, exit, facts, tried};

use Phase::{Backoff, Dispatched, Ended, Ready, Running, Scheduled, Submitted, Waiting};

/// Each phase with its attempt and its bounds in milliseconds.
fn told(facts: &Facts) -> Vec<(Phase, u32, i64, Option<i64>)> {
    let millis = |at: DateTime<Utc>| (at - accepted()).num_milliseconds();
    let told = |step: Step| (step.phase, step.attempt, millis(step.started_at), step.ended_at.map(millis));
    timeline(facts).into_iter().map(told).collect()
}

fn scheduled(attempts: u32, due: i64, now: i64) -> Facts {
    let mut facts = facts(tried(attempts), now);
    (facts.task.scheduled_at, facts.task.due_at) = (at(due), at(due));
    facts
}

#[test]
fn a_task_passes_through_every_phase_once() {
    let done = scheduled(1, 5000, 9000).claimed(5002).started(5004).ended(
        5007,
        Outcome::success(),
        TaskState::Completed,
    );
    assert_eq!(
        told(&done),
        [
            (Submitted, 0, 0, Some(0)),
            (Scheduled, 1, 0, Some(5000)),
            (Ready, 1, 5000, Some(5002)),
            (Dispatched, 1, 5002, Some(5004)),
            (Running, 1, 5004, Some(5007)),
            (Ended, 0, 5007, Some(5007)),
        ]
    );
}

#[test]
fn what_goes_on_has_no_end() {
    let waits = scheduled(1, 5000, 100);
    assert_eq!(told(&waits)[1..], [(Scheduled, 1, 0, None)]);
    let ready = scheduled(1, 5000, 5001);
    assert_eq!(told(&ready)[1..], [(Scheduled, 1, 0, Some(5000)), (Ready, 1, 5000, None)]);
    let held = scheduled(1, 0, 100).claimed(10);
    assert_eq!(told(&held)[1..], [(Ready, 1, 0, Some(10)), (Dispatched, 1, 10, None)]);
    let runs = scheduled(1, 0, 100).claimed(10).started(12);
    assert_eq!(told(&runs)[2..], [(Dispatched, 1, 10, Some(12)), (Running, 1, 12, None)]);
    let backs_off = scheduled(2, 0, 100).claimed(10).started(12).failed(50, exit(1), 5000);
    assert_eq!(told(&backs_off)[4..], [(Backoff, 2, 50, None)]);
}

#[test]
fn between_attempts_only_what_is_stored_is_told_apart() {
    let done = scheduled(3, 0, 100).claimed(1).started(2).failed(3, exit(1), 10).claimed(20).started(21);
    assert_eq!(told(&done)[4..6], [(Backoff, 2, 3, Some(10)), (Ready, 2, 10, Some(20))]);
    let done = done.failed(30, exit(1), 40).claimed(50).started(51).ended(60, exit(1), TaskState::Failed);
    assert_eq!(
        told(&done)[4..],
        [
            (Waiting, 2, 3, Some(20)),
            (Dispatched, 2, 20, Some(21)),
            (Running, 2, 21, Some(30)),
            (Backoff, 3, 30, Some(40)),
            (Ready, 3, 40, Some(50)),
            (Dispatched, 3, 50, Some(51)),
            (Running, 3, 51, Some(60)),
            (Ended, 0, 60, Some(60)),
        ]
    );
}

#[test]
fn a_task_that_never_started_ends_out_of_its_wait() {
    let cancelled = scheduled(1, 5000, 9000).gone(100, TaskState::Cancelled);
    assert_eq!(told(&cancelled)[1..], [(Scheduled, 1, 0, Some(100)), (Ended, 0, 100, Some(100))]);
    let expired = scheduled(1, 5000, 9000).gone(8000, TaskState::Expired);
    let expected =
        [(Scheduled, 1, 0, Some(5000)), (Ready, 1, 5000, Some(8000)), (Ended, 0, 8000, Some(8000))];
    assert_eq!(told(&expired)[1..], expected);
    let between =
        scheduled(2, 0, 9000).claimed(1).started(2).failed(3, exit(1), 5000).gone(100, TaskState::Cancelled);
    assert_eq!(told(&between)[4..], [(Backoff, 2, 3, Some(100)), (Ended, 0, 100, Some(100))]);
}

#[test]
fn an_attempt_that_never_started_was_dispatched_to_its_end() {
    let lost = facts(TaskDraft::default(), 9000).claimed(5).ended(
        3000,
        ended_by(Cause::WorkerLost),
        TaskState::Failed,
    );
    assert_eq!(told(&lost)[1..3], [(Ready, 1, 0, Some(5)), (Dispatched, 1, 5, Some(3000))]);
}
