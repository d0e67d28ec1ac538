//! I8, I10, I12: what remains of an attempt after its end: its record, its processes, its output.

use std::collections::BTreeMap;

use super::Violation;
use super::tasks::told;
use crate::chaos::boot::Boot;
use crate::chaos::dump::{Step, state};
use crate::chaos::history::History;

/// Whether a step ends an attempt, by a result or a loss.
fn closes(step: &Step) -> bool {
    let held = matches!(step.old_state, Some(state::DISPATCHED | state::RUNNING));
    let let_go = !matches!(step.new_state, state::DISPATCHED | state::RUNNING);
    held && let_go && step.old_attempt == Some(step.new_attempt)
}

/// I8.
pub(super) fn superseded_attempts_change_nothing(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut closed: BTreeMap<(&str, i64), &Step> = BTreeMap::new();
    for step in history.database.steps.iter().filter(|step| closes(step)) {
        if step.old_epoch != Some(step.new_epoch) {
            found.push(Violation::of(
                "I8",
                &step.task,
                format!("an end that changes the epoch: {}", told(step)),
            ));
        }
        if closed.insert((&step.task, step.new_epoch), step).is_some() {
            found.push(Violation::of("I8", &step.task, format!("a second end of one epoch: {}", told(step))));
        }
    }
    for attempt in &history.database.attempts {
        let end = closed.get(&(attempt.task.as_str(), attempt.epoch));
        let same = end.is_some_and(|end| (end.cause, end.exit_code) == (attempt.cause, attempt.exit_code));
        if !history.database.steps.is_empty() && !same {
            let what = format!("the record of epoch {} is not that of its end", attempt.epoch);
            found.push(Violation::of("I8", &attempt.task, what));
        }
    }
    for task in history.database.tasks.values() {
        let Some(end) = closed.get(&(task.id.as_str(), task.epoch)) else { continue };
        if task.is_terminal() && (end.cause, end.exit_code) != (task.cause, task.exit_code) {
            let what = format!("its result is not that of its last end: {}", told(end));
            found.push(Violation::of("I8", &task.id, what));
        }
    }
    found
}

/// I10.
pub(super) fn nothing_outlives_its_task(history: &History) -> Vec<Violation> {
    let workers = history.workers_of();
    let grace = history.rules.kill_grace + history.rules.slack;
    let mut found = Vec::new();
    for run in &history.runs {
        let Some(task) = history.database.tasks.get(&run.task) else { continue };
        let Some(ended) = task.finished.filter(|_| task.is_terminal()).map(Boot) else { continue };
        let worker = workers.get(&(run.task.as_str(), run.epoch)).copied();
        if run.started > ended.plus(history.rules.blur()) && !history.was_cut(worker, run.started) {
            let what = format!("epoch {} started at {}, after its end at {ended}", run.epoch, run.started);
            found.push(Violation::of("I10", &run.task, what));
        }
        if run.known_until() > ended.plus(grace) && !history.was_cut(worker, run.known_until()) {
            let late = run.known_until().since(ended);
            let what = format!("epoch {} lived for {late:?} after its end at {ended}", run.epoch);
            found.push(Violation::of("I10", &run.task, what));
        }
    }
    for leftover in &history.leftovers {
        let worker = workers.get(&(leftover.task.as_str(), leftover.epoch)).copied();
        let of_the_dead =
            history.cuts.iter().any(|cut| cut.until.is_none() && Some(cut.worker.as_str()) == worker);
        if !history.rules.may_escape && !of_the_dead {
            let command: String = leftover.command.escape_debug().take(60).collect();
            let what = format!("process {} of epoch {} lives on: {command}", leftover.pid, leftover.epoch);
            found.push(Violation::of("I10", &leftover.task, what));
        }
    }
    found
}

/// I12.
pub(super) fn output_is_what_was_printed(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let kept: BTreeMap<(&str, i32), Vec<u8>> = (history.database.outputs.iter())
        .map(|row| ((row.task.as_str(), row.attempt), [&row.stdout_head[..], &row.stdout_tail[..]].concat()))
        .collect();
    let mut prints: BTreeMap<&str, &str> = BTreeMap::new();
    for task in history.database.tasks.values() {
        let submitted = history.submission_of(task).and_then(|one| one.item.prints.as_deref());
        let Some(expected) = submitted else { continue };
        prints.insert(&task.id, expected);
        let stored = kept.get(&(task.id.as_str(), task.attempt)).map_or(&[][..], Vec::as_slice);
        if task.state == state::COMPLETED && stored != expected.as_bytes() {
            let what = format!("it printed {expected:?}, stored is {:?}", String::from_utf8_lossy(stored));
            found.push(Violation::of("I12", &task.id, what));
        }
    }
    for row in &history.database.outputs {
        let stored = row.stdout_head.len() + row.stdout_tail.len();
        if usize::try_from(row.stdout_bytes).is_ok_and(|bytes| stored > bytes) {
            found.push(Violation::of("I12", &row.task, "more is stored than was counted"));
        }
    }
    for file in &history.files {
        if !file.inside {
            found.push(Violation::of("I12", &file.task, format!("{} leads out of its folder", file.path)));
        }
        let wrong =
            prints.get(file.task.as_str()).is_some_and(|all| !all.as_bytes().starts_with(&file.bytes));
        if wrong {
            found.push(Violation::of(
                "I12",
                &file.task,
                format!("{} holds what it never printed", file.path),
            ));
        }
    }
    found
}

#[cfg(test)]
#[path = "ends_tests.rs"]
mod tests;
