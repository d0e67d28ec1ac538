use super::super::fixtures::{TASK, cut, good, run, step, task};
use super::*;
use crate::chaos::boot::Boot;
use crate::chaos::dump::AttemptRow;

/// The task was lost at epoch 1 and ran again, from 5 s on, as epoch 2.
fn run_again() -> History {
    let mut history = good();
    history.runs.push(run(2, 5_000, 5_100));
    task(&mut history).epoch = 2;
    task(&mut history).worker = Some("worker-1".to_owned());
    history
}

#[test]
fn a_record_of_what_did_not_happen_is_found() {
    let mut history = good();
    history.runs[0].ended = Some((Boot(1_990), 3));
    assert_eq!(records_are_what_happened(&history).len(), 1, "another exit code");
    history.runs[0].ended = None;
    assert_eq!(records_are_what_happened(&history).len(), 1, "it never ended");
    history.runs.clear();
    assert_eq!(records_are_what_happened(&history).len(), 1, "it never ran");
    task(&mut history).kind = Some("noop".to_owned());
    assert!(records_are_what_happened(&history).is_empty(), "nothing runs of a noop");
}

#[test]
fn a_wrong_record_of_a_superseded_attempt_is_found() {
    let mut history = run_again();
    let attempt = AttemptRow { task: TASK.to_owned(), epoch: 1, ..AttemptRow::default() };
    history.database.attempts.push(AttemptRow {
        cause: Some(cause::EXIT_CODE),
        exit_code: Some(9),
        ..attempt
    });
    assert_eq!(records_are_what_happened(&history).len(), 1);
    history.database.attempts[0].cause = Some(cause::WORKER_LOST);
    assert!(records_are_what_happened(&history).is_empty(), "nobody knows how a lost one ended");
}

#[test]
fn an_epoch_that_runs_twice_is_found() {
    let mut history = good();
    history.runs.push(run(1, 1_500, 1_600));
    assert_eq!(no_epoch_runs_twice(&history).len(), 1);
}

#[test]
fn an_epoch_that_nobody_claimed_is_found() {
    let mut history = good();
    history.runs[0].epoch = 2;
    assert_eq!(no_epoch_runs_twice(&history).len(), 1);
    history.database.tasks.clear();
    assert_eq!(no_epoch_runs_twice(&history).len(), 1);
    history.malformed.push("rubbish".to_owned());
    assert_eq!(no_epoch_runs_twice(&history).len(), 2);
}

#[test]
fn runs_one_after_the_other_do_not_overlap() {
    assert!(overlaps_only_while_cut_off(&run_again()).is_empty());
}

#[test]
fn an_overlap_without_a_cut_is_found() {
    let mut history = run_again();
    history.runs[0].ended = Some((Boot(5_050), 0));
    assert_eq!(overlaps_only_while_cut_off(&history).len(), 1);
    history.cuts.push(super::super::super::history::Cut {
        worker: "worker-1".to_owned(),
        from: Boot(1_200),
        until: None,
    });
    assert_eq!(overlaps_only_while_cut_off(&history).len(), 1, "another worker was cut off");
}

#[test]
fn an_overlap_is_permitted_from_lost_after_on_until_contact() {
    let mut history = run_again();
    history.runs[0].ended = None;
    history.runs[0].seen = Some(Boot(5_050));
    history.cuts.push(cut(1_200, Some(5_000)));
    assert_eq!(overlaps_only_while_cut_off(&history), []);
    history.cuts[0].from = Boot(4_000);
    assert_eq!(overlaps_only_while_cut_off(&history).len(), 1, "before lost_after");
}

#[test]
fn a_run_that_lives_on_after_contact_is_found() {
    let mut history = run_again();
    history.runs[1].ended = Some((Boot(20_000), 0));
    history.runs[0].ended = Some((Boot(15_000), 0));
    history.cuts.push(cut(1_200, Some(5_000)));
    assert_eq!(overlaps_only_while_cut_off(&history).len(), 1);
    history.cuts[0].until = None;
    assert!(overlaps_only_while_cut_off(&history).is_empty(), "nobody can reach it");
}

#[test]
fn an_early_start_is_found() {
    let mut history = good();
    history.runs[0].started = Boot(900);
    assert_eq!(nothing_starts_early(&history).len(), 1);
    let mut history = good();
    task(&mut history).started = Some(999);
    assert_eq!(nothing_starts_early(&history).len(), 1);
}

#[test]
fn one_attempt_too_many_is_found() {
    let mut history = good();
    task(&mut history).failures = 2;
    assert_eq!(attempts_are_permitted(&history).len(), 1, "more failures than attempts");
    let mut history = good();
    history.runs.push(run(2, 3_000, 3_100));
    assert_eq!(attempts_are_permitted(&history).len(), 1, "a run without a claim");
    history.database.steps.push(step(2_900, 0, state::DISPATCHED, (1, 2), (1, 2)));
    assert!(attempts_are_permitted(&history).is_empty());
    task(&mut history).on_lost = 1;
    assert_eq!(attempts_are_permitted(&history).len(), 1, "it may run once");
}

#[test]
fn a_claim_before_the_wait_is_over_is_found() {
    let mut history = good();
    history.database.steps[1].due = 1_500;
    assert_eq!(attempts_are_permitted(&history).len(), 1);
}

#[test]
fn a_loss_beyond_the_most_is_found() {
    let mut history = good();
    task(&mut history).losses = MOST_LOSSES;
    assert!(nothing_is_lost_too_often(&history).is_empty());
    task(&mut history).losses = MOST_LOSSES + 1;
    assert_eq!(nothing_is_lost_too_often(&history).len(), 1);
}

#[test]
fn who_is_lost_alone_for_the_third_time_and_tried_again_is_found() {
    let lost = |at, task: &str| {
        let step = step(at, state::RUNNING, state::PENDING, (1, 1), (1, 1));
        Step { task: task.to_owned(), cause: Some(cause::WORKER_LOST), ..step }
    };
    let mut history = good();
    history.database.steps = vec![lost(2_000, TASK), lost(4_000, TASK)];
    assert!(nothing_is_lost_too_often(&history).is_empty());
    history.database.steps.push(lost(8_000, TASK));
    assert_eq!(nothing_is_lost_too_often(&history).len(), 1);
    history.database.steps.push(lost(8_001, "another"));
    assert_eq!(nothing_is_lost_too_often(&history).len(), 1, "that one was on no last chance");
    history.database.steps.splice(0..0, [lost(1_000, "another"), lost(1_500, "another")]);
    assert!(nothing_is_lost_too_often(&history).is_empty(), "nobody can say which it was");
}
