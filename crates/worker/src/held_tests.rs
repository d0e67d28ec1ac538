//! The contract of holding: idempotence, slots, and the registration they hang on.

use distrack_core::TaskId;

use super::*;
use crate::testing::{assignment, instruments};

fn named(attach: i64) -> Registration {
    Registration { session: SessionId::from(uuid::Uuid::nil()), attach }
}

fn held(slots: u32) -> Held {
    let held = Held::new(slots, instruments());
    held.registered(named(1));
    held
}

fn at(task: TaskId, epoch: i64) -> Assignment {
    Assignment { attempt: AttemptRef { task, epoch }, ..assignment("true") }
}

fn offer(held: &Held, assignment: &Assignment) -> (Acceptance, Option<StopSignal>) {
    let mut accepted = held.accept(named(1), vec![assignment.clone()], true).unwrap();
    (accepted.acceptances[0], accepted.starts.pop().map(|(_, stop)| stop))
}

#[test]
fn a_copy_of_a_dispatch_gets_the_same_answer_and_starts_nothing_whether_it_runs_or_is_done() {
    let held = held(1);
    let first = at(TaskId::new(), 1);
    assert!(matches!(offer(&held, &first), (Acceptance::Accepted, Some(_))));
    assert!(matches!(offer(&held, &first), (Acceptance::Accepted, None)));
    held.ended(first.attempt);
    assert!(matches!(offer(&held, &first), (Acceptance::Accepted, None)));
    held.forget([first.attempt]);
    assert!(matches!(offer(&held, &first), (Acceptance::Accepted, None)));
}

#[test]
fn what_was_refused_once_is_refused_for_ever() {
    let held = held(1);
    let (first, second) = (at(TaskId::new(), 1), at(TaskId::new(), 1));
    offer(&held, &first);
    assert!(matches!(offer(&held, &second), (Acceptance::NoSlot, None)));
    held.ended(first.attempt);
    // The coordinator has given it back: a late copy must not start it.
    assert!(matches!(offer(&held, &second), (Acceptance::NoSlot, None)));
    assert!(matches!(offer(&held, &at(second.attempt.task, 2)), (Acceptance::Accepted, Some(_))));
}

#[test]
fn an_older_epoch_is_never_started_and_a_newer_one_ends_it() {
    let held = held(3);
    let task = TaskId::new();
    let (_, stop) = offer(&held, &at(task, 4));
    assert!(matches!(offer(&held, &at(task, 3)), (Acceptance::NoSlot, None)));
    assert!(matches!(offer(&held, &at(task, 5)), (Acceptance::Accepted, Some(_))));
    assert_eq!(stop.unwrap().now(), Some(Stop::Superseded));
}

#[test]
fn a_slot_is_free_when_the_attempt_has_ended_and_not_only_when_it_is_acknowledged() {
    let held = held(1);
    let first = at(TaskId::new(), 1);
    offer(&held, &first);
    assert_eq!(*held.counts().borrow(), Counts { running: 1, held: 1 });
    held.ended(first.attempt);
    assert_eq!(*held.counts().borrow(), Counts { running: 0, held: 1 });
    assert!(matches!(offer(&held, &at(TaskId::new(), 1)), (Acceptance::Accepted, Some(_))));
    held.forget([first.attempt]);
    assert_eq!(*held.counts().borrow(), Counts { running: 1, held: 1 });
}

#[test]
fn an_acknowledgement_that_overtakes_the_end_leaves_nothing_behind() {
    let held = held(1);
    let first = at(TaskId::new(), 1);
    offer(&held, &first);
    held.forget([first.attempt]);
    held.ended(first.attempt);
    assert_eq!(*held.counts().borrow(), Counts::default());
}

#[test]
fn a_call_for_another_registration_is_refused_whole() {
    let held = held(1);
    let work = || vec![at(TaskId::new(), 1)];
    assert_eq!(held.accept(named(2), work(), true).unwrap_err(), Refusal::WrongSession);
    let stranger = Registration { session: SessionId::new(), attach: 1 };
    assert_eq!(held.accept(stranger, work(), true).unwrap_err(), Refusal::WrongSession);
    assert_eq!(held.counts().borrow().held, 0);
}

#[test]
fn from_the_start_of_a_registration_to_its_answer_nothing_is_taken() {
    let held = held(2);
    let first = at(TaskId::new(), 1);
    offer(&held, &first);
    held.restore([AttemptRef { task: TaskId::new(), epoch: 7 }]);
    assert_eq!(held.begin_registration().len(), 2);
    let late = held.accept(named(1), vec![at(TaskId::new(), 1)], true);
    assert_eq!(late.unwrap_err(), Refusal::Registering);
    held.registered(named(2));
    assert!(held.accept(named(2), vec![at(TaskId::new(), 1)], true).is_ok());
}

#[test]
fn a_draining_worker_takes_nothing_new_and_still_knows_what_it_holds() {
    let held = held(2);
    let first = at(TaskId::new(), 1);
    offer(&held, &first);
    held.drain();
    assert!(matches!(offer(&held, &at(TaskId::new(), 1)), (Acceptance::Draining, None)));
    assert!(matches!(offer(&held, &first), (Acceptance::Accepted, None)));
}

#[test]
fn while_results_cannot_be_kept_nothing_new_is_taken() {
    let held = held(1);
    let accepted = held.accept(named(1), vec![at(TaskId::new(), 1)], false).unwrap();
    assert_eq!(accepted.acceptances, [Acceptance::NoSlot]);
    assert!(accepted.starts.is_empty());
}
