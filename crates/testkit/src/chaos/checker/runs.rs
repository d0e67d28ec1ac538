//! I4, I5, I6, I7, I9, I17: what commands did, beside what is recorded of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::chaos::dump::{Step, TaskRow, cause, state};
use crate::chaos::effects::Run;
use crate::chaos::history::History;

/// Tasks of these kinds start no command that says what it does.
const SILENT_KINDS: [&str; 2] = ["noop", "raw"];

fn speaks(task: &TaskRow) -> bool {
    !task.kind.as_deref().is_none_or(|kind| SILENT_KINDS.contains(&kind))
}

/// I4.
pub(super) fn records_are_what_happened(history: &History) -> Vec<Violation> {
    let ended: BTreeMap<(&str, i64), Option<i32>> = history
        .runs
        .iter()
        .map(|run| ((run.task.as_str(), run.epoch), run.ended.map(|(_, code)| code)))
        .collect();
    let mut found = Vec::new();
    let mut judge = |task: &TaskRow, epoch: i64, recorded: i32| match ended.get(&(task.id.as_str(), epoch)) {
        None => {
            let what = format!("epoch {epoch} is recorded with exit code {recorded} and never ran");
            found.push(Violation::of("I4", &task.id, what));
        }
        Some(Some(code)) if *code == recorded => {}
        Some(code) => {
            let what = format!("epoch {epoch} is recorded with exit code {recorded} and ended with {code:?}");
            found.push(Violation::of("I4", &task.id, what));
        }
    };
    let by_itself = |cause: Option<i16>| cause.is_none() || cause == Some(cause::EXIT_CODE);
    for task in history.database.tasks.values().filter(|task| speaks(task)) {
        let ran = matches!(task.state, state::COMPLETED | state::FAILED) && by_itself(task.cause);
        if let (true, Some(code)) = (ran, task.exit_code) {
            judge(task, task.epoch, code);
        }
        if task.state == state::COMPLETED && task.exit_code.is_none() {
            judge(task, task.epoch, -1);
        }
    }
    for attempt in history.database.attempts.iter().filter(|attempt| by_itself(attempt.cause)) {
        let task = history.database.tasks.get(&attempt.task).filter(|task| speaks(task));
        if let (Some(task), Some(code)) = (task, attempt.exit_code) {
            judge(task, attempt.epoch, code);
        }
    }
    found
}

/// I5.
pub(super) fn no_epoch_runs_twice(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for line in &history.malformed {
        found.push(Violation::general("I5", format!("the effect log has a line of nobody: {line}")));
    }
    for (task, runs) in history.runs_of() {
        for pair in runs.windows(2) {
            if pair[0].epoch == pair[1].epoch {
                found.push(Violation::of("I5", task, format!("epoch {} ran twice", pair[0].epoch)));
            }
        }
        let last = history.database.tasks.get(task).map(|task| task.epoch);
        match last {
            None => found.push(Violation::of("I5", task, "it ran and is unknown to the database")),
            Some(last) => {
                let beyond = runs.iter().filter(|run| run.epoch > last || run.epoch < 1);
                found.extend(beyond.map(|run| {
                    Violation::of("I5", task, format!("epoch {} ran, the last one is {last}", run.epoch))
                }));
            }
        }
    }
    found
}

/// I6.
pub(super) fn overlaps_only_while_cut_off(history: &History) -> Vec<Violation> {
    let workers = history.workers_of();
    let mut found = Vec::new();
    for (task, runs) in history.runs_of() {
        for (place, younger) in runs.iter().enumerate() {
            for older in &runs[..place] {
                let until = older.known_until().min(younger.known_until());
                if until <= younger.started.plus(history.rules.blur()) {
                    continue;
                }
                let worker = workers.get(&(task, older.epoch)).copied();
                if let Some(why) = forbidden(history, worker, younger, older) {
                    let what = format!(
                        "epoch {} on {} ran until {} at least, epoch {} from {} on: {why}",
                        older.epoch,
                        worker.unwrap_or("?"),
                        older.known_until(),
                        younger.epoch,
                        younger.started,
                    );
                    found.push(Violation::of("I6", task, what));
                }
            }
        }
    }
    found
}

/// Why an overlap is none of those that a cut permits; `None` if it is one.
fn forbidden(history: &History, worker: Option<&str>, younger: &Run, older: &Run) -> Option<String> {
    let rules = &history.rules;
    let mut why = "its worker was not cut off".to_owned();
    for cut in history.cuts.iter().filter(|cut| Some(cut.worker.as_str()) == worker) {
        // The lease runs from the last heartbeat, which was before the cut.
        let lost = cut.from.plus(rules.lost_after).minus(rules.heartbeat.mul_f64(1.2) + rules.blur());
        if younger.started < cut.from.minus(rules.blur()) {
            continue;
        }
        if younger.started < lost {
            why = format!("lost {:?} after the cut at {} already", younger.started.since(cut.from), cut.from);
            continue;
        }
        match cut.until {
            Some(until) if older.known_until() > until.plus(rules.after_contact()) => {
                why = format!("alive {:?} after contact at {until}", older.known_until().since(until));
            }
            _ => return None,
        }
    }
    Some(why)
}

/// I7.
pub(super) fn nothing_starts_early(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for run in &history.runs {
        let Some(task) = history.database.tasks.get(&run.task) else { continue };
        if run.started.plus(history.rules.blur()) < task.scheduled() {
            let what = format!("epoch {} started at {}, due at {}", run.epoch, run.started, task.scheduled());
            found.push(Violation::of("I7", &run.task, what));
        }
    }
    for task in history.database.tasks.values() {
        if task.started.is_some_and(|started| started < task.scheduled) {
            found.push(Violation::of("I7", &task.id, "it is recorded as started before it was due"));
        }
    }
    found
}

/// I9.
pub(super) fn attempts_are_permitted(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut claims: BTreeMap<&str, usize> = BTreeMap::new();
    for step in history.database.steps.iter().filter(|step| step.new_state == state::DISPATCHED) {
        *claims.entry(&step.task).or_default() += 1;
        if step.at + 1 < step.due {
            let early = step.due - step.at;
            found.push(Violation::of(
                "I9",
                &step.task,
                format!("claimed {early} ms before it was due again"),
            ));
        }
    }
    let runs = history.runs_of();
    for task in history.database.tasks.values() {
        let epochs: BTreeSet<i64> =
            runs.get(task.id.as_str()).into_iter().flatten().map(|run| run.epoch).collect();
        let ran = epochs.len();
        if task.failures > task.max_attempts {
            let what = format!("{} failures, {} attempts", task.failures, task.max_attempts);
            found.push(Violation::of("I9", &task.id, what));
        }
        let claimed = claims.get(task.id.as_str()).copied().unwrap_or_default();
        if !history.database.steps.is_empty() && ran > claimed {
            found.push(Violation::of("I9", &task.id, format!("{ran} runs, {claimed} claims")));
        }
        let at_most = usize::try_from(task.max_attempts).unwrap_or_default();
        if task.on_lost == 1 && ran > at_most {
            let what = format!("{ran} runs of a task that runs {at_most} times at most");
            found.push(Violation::of("I9", &task.id, what));
        }
    }
    found
}

/// The most losses of one task, if others on their last chance were lost with it each time; else three.
const MOST_LOSSES: i32 = 6;

/// I17.
pub(super) fn nothing_is_lost_too_often(history: &History) -> Vec<Violation> {
    let often = history.database.tasks.values().filter(|task| task.losses > MOST_LOSSES);
    let mut found: Vec<Violation> = often
        .map(|task| Violation::of("I17", &task.id, format!("it was lost {} times", task.losses)))
        .collect();
    // The third loss of a task, and each one after it.
    let (mut counts, mut last) = (BTreeMap::<&str, u32>::new(), Vec::new());
    for step in &history.database.steps {
        let held = matches!(step.old_state, Some(state::DISPATCHED | state::RUNNING));
        if held && step.cause == Some(cause::WORKER_LOST) && step.new_state != state::RUNNING {
            let count = counts.entry(&step.task).or_default();
            *count += 1;
            if *count >= 3 {
                last.push(step);
            }
        }
    }
    let together = |one: &Step, other: &Step| {
        one.task != other.task && one.worker == other.worker && one.at.abs_diff(other.at) < 1_000
    };
    for step in last.iter().filter(|step| step.new_state == state::PENDING) {
        if !last.iter().any(|other| together(step, other)) {
            let what = format!("it was tried again after it was lost alone, at {}", step.at());
            found.push(Violation::of("I17", &step.task, what));
        }
    }
    found
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
