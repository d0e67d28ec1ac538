use proptest::prelude::*;

use super::*;
use crate::retry::Backoff;

const ALONE: Ended<'_> = Ended::Lost { in_company: false };

fn standing(failures: u32, losses: u32, max_attempts: u32, on_lost: OnLost) -> Standing {
    let policy = RetryPolicy { max_attempts, backoff: Backoff::default(), on_lost };
    Standing { failures, losses, cancel_requested: false, policy }
}

fn exit_one() -> Outcome {
    Outcome { exit_code: Some(1), ..Outcome::failure(Cause::ExitCode, "exit code 1") }
}

fn reported(outcome: &Outcome) -> Ended<'_> {
    Ended::Reported { outcome, began: true }
}

#[test]
fn a_terminal_state_never_changes() {
    for state in TaskState::ALL.into_iter().filter(|state| state.is_terminal()) {
        for event in Event::ALL {
            assert_eq!(state.after(event), None, "{state} after {event:?}");
        }
    }
}

#[test]
fn only_a_pending_task_is_claimed_and_only_a_dispatched_one_released() {
    for state in TaskState::ALL {
        assert_eq!(state.after(Event::Claim).is_some(), state == TaskState::Pending);
        assert_eq!(state.after(Event::Release).is_some(), state == TaskState::Dispatched);
    }
}

#[test]
fn stored_numbers_come_back_as_the_same_state() {
    for state in TaskState::ALL {
        assert_eq!(TaskState::from_code(state.code()), Some(state));
    }
    for cause in Cause::ALL {
        assert_eq!(Cause::from_code(cause.code()), Some(cause));
    }
    assert_eq!(TaskState::from_code(7), None);
}

#[test]
fn a_failure_is_retried_until_the_attempts_are_used_up() {
    let first = standing(0, 0, 2, OnLost::Retry).verdict(reported(&exit_one()), 1.0);
    assert_eq!((first.event, first.failures), (Event::Retry, 1));
    assert_eq!(first.due_in, Duration::from_secs(1));
    let second = standing(1, 0, 2, OnLost::Retry).verdict(reported(&exit_one()), 1.0);
    assert_eq!((second.event, second.failures), (Event::Fail, 2));
}

#[test]
fn a_final_failure_is_not_retried() {
    let outcome =
        Outcome { final_failure: true, ..Outcome::failure(Cause::SpawnFailed, "no such directory") };
    assert_eq!(standing(0, 0, 9, OnLost::Retry).verdict(reported(&outcome), 0.0).event, Event::Fail);
}

#[test]
fn a_lost_worker_does_not_use_up_an_attempt_but_three_are_poison() {
    let once = standing(0, 0, 1, OnLost::Retry).verdict(ALONE, 0.0);
    assert_eq!((once.event, once.failures, once.losses), (Event::Retry, 0, 1));
    assert_eq!(once.due_in, Duration::from_secs(1));
    let late = standing(0, 1, 1, OnLost::Retry).verdict(ALONE, 1.0);
    assert_eq!(late.due_in, Duration::from_secs(3), "2 s, and half as much again");
    let thrice = standing(0, 2, 1, OnLost::Retry).verdict(ALONE, 0.0);
    assert_eq!(thrice.event, Event::Fail);
    assert_eq!(thrice.outcome.cause, Some(Cause::WorkerLost));
    assert!(thrice.outcome.error.unwrap().contains("poison"));
}

#[test]
fn who_is_lost_with_another_on_its_last_chance_is_no_poison_until_twice_as_many() {
    let company = Ended::Lost { in_company: true };
    for losses in 2..5 {
        let doubted = standing(0, losses, 1, OnLost::Retry).verdict(company, 0.0);
        assert_eq!((doubted.event, doubted.losses), (Event::Retry, losses + 1));
        assert_eq!(doubted.due_in, Duration::from_secs(1 << losses), "further and further apart");
        assert!(!doubted.outcome.error.unwrap().contains("poison"));
        let alone = standing(0, losses, 1, OnLost::Retry).verdict(ALONE, 0.0);
        assert_eq!(alone.event, Event::Fail);
    }
    let last = standing(0, 5, 1, OnLost::Retry).verdict(company, 0.0);
    assert_eq!(last.event, Event::Fail);
    assert!(last.outcome.error.unwrap().contains("poison: the worker was lost 6 times"));
}

#[test]
fn on_lost_fail_never_runs_twice() {
    assert_eq!(standing(0, 0, 5, OnLost::Fail).verdict(ALONE, 0.0).event, Event::Fail);
    let interrupted = Outcome::failure(Cause::Interrupted, "the worker stopped");
    assert_eq!(standing(0, 0, 5, OnLost::Fail).verdict(reported(&interrupted), 0.0).event, Event::Fail);
}

#[test]
fn what_never_began_may_run_even_with_on_lost_fail() {
    let outcome = Outcome::failure(Cause::Interrupted, "no room for another process");
    let verdict =
        standing(0, 0, 1, OnLost::Fail).verdict(Ended::Reported { outcome: &outcome, began: false }, 0.0);
    assert_eq!((verdict.event, verdict.failures, verdict.losses), (Event::Retry, 0, 0));
}

#[test]
fn an_interrupted_attempt_is_tried_again_at_once_and_does_not_count() {
    let interrupted = Outcome::failure(Cause::Interrupted, "the worker stopped");
    let verdict = standing(0, 0, 1, OnLost::Retry).verdict(reported(&interrupted), 1.0);
    assert_eq!((verdict.event, verdict.failures, verdict.due_in), (Event::Retry, 0, Duration::ZERO));
}

#[test]
fn a_cancel_beats_a_retry_and_a_failure_but_not_a_success() {
    let asked = Standing { cancel_requested: true, ..standing(0, 0, 5, OnLost::Retry) };
    assert_eq!(asked.verdict(reported(&exit_one()), 0.0).event, Event::Cancel);
    assert_eq!(asked.verdict(ALONE, 0.0).event, Event::Cancel);
    assert_eq!(asked.verdict(reported(&Outcome::success()), 0.0).event, Event::Complete);
}

proptest! {
    #[test]
    fn a_backoff_stays_within_its_bounds(initial in 0u64..10_000, max in 0u64..1_000_000, failures in 0u32..200, jitter in -1.0f64..2.0) {
        let backoff = Backoff { initial: Duration::from_millis(initial), max: Duration::from_millis(max) };
        prop_assert!(backoff.delay(failures, jitter) <= Duration::from_millis(max));
    }

    #[test]
    fn every_verdict_is_a_row_of_the_table(
        failures in 0u32..5, losses in 0u32..4, max_attempts in 1u32..6, fail in any::<bool>(),
        cancel_requested in any::<bool>(), cause in 0usize..=Cause::ALL.len(), lost in any::<bool>(), in_company in any::<bool>(), jitter in 0.0f64..1.0,
    ) {
        let on_lost = if fail { OnLost::Fail } else { OnLost::Retry };
        let standing = Standing { cancel_requested, ..standing(failures, losses, max_attempts, on_lost) };
        let outcome = Cause::ALL.get(cause).map_or_else(Outcome::success, |cause| Outcome::failure(*cause, "x"));
        let verdict = standing.verdict(if lost { Ended::Lost { in_company } } else { reported(&outcome) }, jitter);
        for held in [TaskState::Dispatched, TaskState::Running] {
            let next = held.after(verdict.event).expect("a held attempt may always end");
            prop_assert!(next == TaskState::Pending || next.is_terminal());
        }
        prop_assert!(verdict.failures <= failures + 1 && verdict.losses <= losses + 1);
    }
}
