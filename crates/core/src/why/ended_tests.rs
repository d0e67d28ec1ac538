use super::*;
use crate::new_task::TaskDraft;
use crate::why::explain;
use crate::why::fixtures::{at, ended_by, exit, facts, limited, tried, worker};

fn plain() -> Facts {
    facts(TaskDraft::default(), 100_000)
}

fn said(facts: &Facts) -> String {
    explain(facts).summary
}

fn codes(facts: &Facts) -> Vec<Code> {
    explain(facts).reasons.iter().map(|reason| reason.code).collect()
}

/// A first and only attempt that started 20 ms after its time and ended a second later.
fn ended(draft: TaskDraft, outcome: Outcome, state: TaskState) -> Facts {
    facts(draft, 100_000).claimed(10).started(20).ended(1020, outcome, state)
}

#[test]
fn a_success_says_how_long_it_took_and_how_punctual_it_was() {
    let done = plain().claimed(10).started(12).ended(362, Outcome::success(), TaskState::Completed);
    assert_eq!(said(&done), "completed in 0.3 s on w1, 12 ms after its time");
    assert_eq!(codes(&done), [Code::Completed]);
    let unseen = plain().claimed(10).ended(362, Outcome::success(), TaskState::Completed);
    assert_eq!(said(&unseen), "completed on w1");
}

#[test]
fn a_success_after_failures_says_which_attempt_it_was() {
    let done = facts(tried(5), 100_000).claimed(0).started(1).failed(200, exit(3), 900);
    let done = done.claimed(901).started(902).ended(1902, Outcome::success(), TaskState::Completed);
    assert_eq!(said(&done), "completed in 1 s on w1, on attempt 2 of 5");
    assert_eq!(codes(&done), [Code::Completed, Code::TriedBefore]);
}

#[test]
fn a_late_start_says_what_it_waited_for() {
    let late = |picked, started| {
        plain().claimed(picked).started(started).ended(9000, Outcome::success(), TaskState::Completed)
    };
    assert_eq!(
        said(&late(3150, 3200)),
        "completed in 5.8 s on w1; it started 3.2 s late: it waited 3.1 s for a slot"
    );
    assert_eq!(codes(&late(3150, 3200)), [Code::Completed, Code::StartedLate, Code::WaitedForSlot]);
    let expected =
        "completed in 5 s on w1; it started 4 s late: it waited 1 s for a slot and w1 took 3 s to start it";
    assert_eq!(said(&late(1000, 4000)), expected);
    let expected = "completed in 5 s on w1; it started 4 s late: w1 took 3.9 s to start it";
    assert_eq!(said(&late(20, 4000)), expected);
}

#[test]
fn a_worker_that_came_after_the_task_was_due_is_what_it_waited_for() {
    let mut late = plain().claimed(3150).started(3200).ended(4200, Outcome::success(), TaskState::Completed);
    late.sessions = vec![worker("w1", late.now)];
    late.sessions[0].registered_at = at(3100);
    let expected = "completed in 1 s on w1; it started 3.2 s late: it waited for a worker: w1 came 3.1 s after it was due";
    assert_eq!(said(&late), expected);
    late.sessions[0].registered_at = at(1000);
    let expected = "completed in 1 s on w1; it started 3.2 s late: it waited for a worker: w1 came 1 s after it was due and it waited 2.1 s for a slot";
    assert_eq!(said(&late), expected);
    let lasts: Vec<_> = explain(&late).reasons.iter().skip(2).map(|reason| reason.lasts.unwrap()).collect();
    assert_eq!(lasts, [Duration::from_millis(1000), Duration::from_millis(2150)]);
    for registered in [at(-1), at(3160)] {
        late.sessions[0].registered_at = registered;
        assert!(said(&late).ends_with("it waited 3.1 s for a slot"), "{registered}");
    }
    late.sessions = vec![worker("w1", late.now), worker("w1", late.now)];
    late.sessions[0].registered_at = at(3100);
    assert!(said(&late).ends_with("it waited 3.1 s for a slot"), "two workers of one name tell nothing");
}

#[test]
fn claims_that_came_to_nothing_are_what_it_waited_for() {
    let mut late = plain().claimed(3150).started(3200).ended(4200, Outcome::success(), TaskState::Completed);
    late.task.epoch += 2;
    late.attempts[0].epoch += 2;
    assert_eq!(codes(&late), [Code::Completed, Code::StartedLate, Code::GivenBack]);
    assert!(
        said(&late).contains("late: it was claimed 2 times and given back: the worker"),
        "{}",
        said(&late)
    );
}

#[test]
fn each_cause_of_a_failure_is_said_in_its_own_words() {
    for (outcome, expected) in [
        (exit(3), "failed with exit code 3 on attempt 1 of 1, after 1 s on w1"),
        (
            Outcome { signal: Some(9), ..ended_by(Cause::Signal) },
            "failed: signal 9 (SIGKILL) ended it on attempt 1 of 1, after 1 s on w1",
        ),
        (
            Outcome { signal: Some(34), ..ended_by(Cause::Signal) },
            "failed: signal 34 ended it on attempt 1 of 1, after 1 s on w1",
        ),
        (ended_by(Cause::Timeout), "killed after its 10 s timeout on attempt 1 of 1 on w1"),
        (
            ended_by(Cause::OutputLimit),
            "failed: it printed more than its worker keeps on attempt 1 of 1, after 1 s on w1",
        ),
        (
            ended_by(Cause::Oom),
            "failed: memory ran out and the kernel killed it on attempt 1 of 1, after 1 s on w1",
        ),
    ] {
        let failed = ended(limited(10), outcome, TaskState::Failed);
        assert_eq!(said(&failed), expected);
        assert_eq!(codes(&failed), [Code::Failed]);
        let change = explain(&failed).reasons.remove(0).change;
        assert_eq!(change, Some(format!("distrack retry {} submits it again", failed.task.id)));
    }
}

#[test]
fn a_failure_that_another_attempt_would_meet_again_says_so() {
    let outcome = Outcome { final_failure: true, ..ended_by(Cause::SpawnFailed) };
    let mut failed = facts(tried(5), 100_000).claimed(10).ended(20, outcome, TaskState::Failed);
    let expected = "failed: its command could not be started (said so) on attempt 1 of 5 on w1, not tried again since it would fail again";
    assert_eq!(said(&failed), expected);
    failed.task.failures = 5;
    assert_eq!(said(&failed), "failed: its command could not be started (said so) on attempt 1 of 5 on w1");
}

#[test]
fn the_last_of_several_failures_is_said_and_the_others_are_reasons() {
    let failed = facts(tried(2), 100_000).claimed(0).started(1).failed(200, exit(3), 900);
    let failed = failed.claimed(901).started(902).ended(1902, exit(4), TaskState::Failed);
    assert_eq!(said(&failed), "failed with exit code 4 on attempt 2 of 2, after 1 s on w1");
    assert_eq!(codes(&failed), [Code::Failed, Code::TriedBefore]);
}

#[test]
fn a_lost_worker_is_told_as_poison_or_as_the_one_run_that_was_permitted() {
    let mut poison = ended(TaskDraft::default(), ended_by(Cause::WorkerLost), TaskState::Failed);
    poison.task.losses = 3;
    let expected = "failed: its worker was lost three times, w1 the last one, so it was given up (poison)";
    assert_eq!(said(&poison), expected);
    poison.task.losses = 4;
    assert!(said(&poison).contains("lost 4 times"));

    let once = || TaskDraft { on_lost: Some(OnLost::Fail), ..TaskDraft::default() };
    let lost = ended(once(), ended_by(Cause::WorkerLost), TaskState::Failed);
    let expected = "failed: its worker w1 was lost with it, and on_lost=fail forbids a second run";
    assert_eq!(said(&lost), expected);
    let stopped = ended(once(), ended_by(Cause::Interrupted), TaskState::Failed);
    let expected = "failed: its worker w1 interrupted it (said so), and on_lost=fail forbids a second run";
    assert_eq!(said(&stopped), expected);
}

#[test]
fn a_cancel_says_what_it_met() {
    let mut early = plain().gone(2000, TaskState::Cancelled);
    assert_eq!(said(&early), "cancelled before it started, 2 s after its time");
    early.task.due_at = at(43_000);
    assert_eq!(said(&early), "cancelled before it started, 41 s before its time");

    let asked = |facts: Facts| Facts {
        task: crate::Task { cancel_requested_at: Some(at(820)), ..facts.task },
        ..facts
    };
    let running = asked(ended(TaskDraft::default(), ended_by(Cause::Cancelled), TaskState::Cancelled));
    let expected = "cancelled while it ran on w1: stopped after 1 s, 0.2 s after the cancel was asked for";
    assert_eq!(said(&running), expected);
    let held = asked(plain().claimed(800).ended(900, ended_by(Cause::Cancelled), TaskState::Cancelled));
    let expected =
        "cancelled before it started, while it was dispatched on w1, 80 ms after the cancel was asked for";
    assert_eq!(said(&held), expected);
    let failed = asked(ended(TaskDraft::default(), exit(1), TaskState::Cancelled));
    assert_eq!(
        said(&failed),
        "cancelled: it ended with exit code 1 on w1, 0.2 s after the cancel was asked for"
    );

    let between = facts(tried(2), 9000)
        .claimed(0)
        .started(1)
        .failed(200, exit(3), 5000)
        .gone(1000, TaskState::Cancelled);
    assert_eq!(said(&between), "cancelled while it waited to be tried again, after attempt 1 of 2");
    assert_eq!(codes(&between), [Code::Cancelled, Code::TriedBefore]);
}

#[test]
fn an_expiry_says_how_long_it_waited() {
    let mut expired = plain().gone(5100, TaskState::Expired);
    expired.task.expires_at = Some(at(5000));
    let expected =
        "expired: no slot came free for it before its deadline 2030-01-31T12:00:05Z, 5 s after it was due";
    assert_eq!(said(&expired), expected);
    expired.task.due_at = at(5000);
    assert_eq!(said(&expired), "expired: its deadline 2030-01-31T12:00:05Z lay before its time");
    expired.task.due_at = at(9000);
    assert_eq!(said(&expired), "expired: its deadline 2030-01-31T12:00:05Z lay before its time");
    let mut again =
        facts(tried(2), 9000).claimed(0).started(1).failed(200, exit(3), 9000).gone(5100, TaskState::Expired);
    again.task.expires_at = Some(at(5000));
    let expected = "expired: its deadline 2030-01-31T12:00:05Z passed before it could be tried again, after attempt 1 of 2";
    assert_eq!(said(&again), expected);
}
