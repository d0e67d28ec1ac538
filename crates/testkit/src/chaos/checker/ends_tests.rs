use super::super::fixtures::{TASK, cut, good, run, step, task};
use super::*;
use crate::chaos::dump::AttemptRow;
use crate::chaos::effects::Leftover;
use crate::chaos::history::OutputFile;

#[test]
fn a_late_report_that_is_recorded_is_found() {
    let mut history = good();
    history.database.steps.push(step(3_000, state::RUNNING, state::FAILED, (1, 1), (1, 1)));
    // A second end, which is not the result any more.
    assert_eq!(superseded_attempts_change_nothing(&history).len(), 2);
    let mut history = good();
    history.database.steps[3].old_epoch = Some(2);
    assert_eq!(superseded_attempts_change_nothing(&history).len(), 1, "an older epoch ended it");
}

#[test]
fn a_result_that_changed_after_its_end_is_found() {
    let mut history = good();
    task(&mut history).exit_code = Some(1);
    assert_eq!(superseded_attempts_change_nothing(&history).len(), 1);
    let mut history = good();
    let attempt = AttemptRow { task: TASK.to_owned(), epoch: 1, exit_code: Some(5), ..AttemptRow::default() };
    history.database.attempts.push(attempt);
    assert_eq!(superseded_attempts_change_nothing(&history).len(), 1);
}

#[test]
fn a_process_that_outlives_its_task_is_found() {
    let mut history = good();
    history.runs[0].ended = None;
    history.runs[0].seen = Some(Boot(9_000));
    assert_eq!(nothing_outlives_its_task(&history).len(), 1);
    history.cuts.push(cut(1_500, Some(8_000)));
    assert!(nothing_outlives_its_task(&history).is_empty(), "nobody could reach it before");
}

#[test]
fn a_start_after_the_end_is_found() {
    let mut history = good();
    history.runs.push(run(1, 2_500, 2_600));
    assert_eq!(nothing_outlives_its_task(&history).len(), 1);
}

#[test]
fn a_process_that_is_left_over_is_found() {
    let mut history = good();
    let leftover = Leftover { pid: 1, task: TASK.to_owned(), epoch: 1, command: "sleep 20".to_owned() };
    history.leftovers.push(leftover);
    assert_eq!(nothing_outlives_its_task(&history).len(), 1);
    history.cuts.push(cut(1_500, None));
    assert!(nothing_outlives_its_task(&history).is_empty(), "its worker never came back");
}

#[test]
fn output_that_was_not_printed_is_found() {
    let mut history = good();
    history.database.outputs[0].stdout_head.pop();
    assert_eq!(output_is_what_was_printed(&history).len(), 1, "a byte is missing");
    history.database.outputs.clear();
    assert_eq!(output_is_what_was_printed(&history).len(), 1, "nothing is stored");
    let mut history = good();
    history.database.outputs[0].stdout_bytes = 3;
    assert_eq!(output_is_what_was_printed(&history).len(), 1, "more than was counted");
}

#[test]
fn a_file_with_anothers_output_or_outside_of_its_folder_is_found() {
    let mut history = good();
    let file =
        OutputFile { task: TASK.to_owned(), bytes: b"hel".to_vec(), inside: true, ..OutputFile::default() };
    history.files.push(file.clone());
    assert!(output_is_what_was_printed(&history).is_empty(), "a prefix is what a killed command leaves");
    history.files[0].bytes = b"hallo".to_vec();
    assert_eq!(output_is_what_was_printed(&history).len(), 1);
    history.files[0] = OutputFile { inside: false, ..file };
    assert_eq!(output_is_what_was_printed(&history).len(), 1);
}
