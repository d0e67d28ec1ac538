//! What several faults ask beside the invariants.

use crate::chaos::checker::Violation;
use crate::chaos::dump::{TaskRow, cause, state};
use crate::chaos::effects::Run;
use crate::chaos::history::History;
use crate::chaos::scene::{Attempts, Notes, is};

/// Nothing.
pub(super) fn nothing(_: &History, _: &Notes) -> Vec<Violation> {
    Vec::new()
}

/// No attempt was lost: nothing ran again for the fault's sake.
pub(super) fn no_losses(rule: &'static str, history: &History) -> Vec<Violation> {
    let lost = history.database.tasks.values().filter(|task| task.losses > 0);
    lost.map(|task| Violation::of(rule, &task.id, format!("it was lost {} times", task.losses))).collect()
}

/// The run of an attempt.
pub(super) fn run_of<'a>(history: &'a History, task: &str, epoch: i64) -> Option<&'a Run> {
    history.runs.iter().find(|run| is(run, task, epoch))
}

/// Commands that ran at some moment came to their own end, but for those that a user cancelled.
pub(super) fn ran_to_their_end(rule: &'static str, history: &History, attempts: &Attempts) -> Vec<Violation> {
    let cut_short = attempts.iter().filter(|(task, epoch)| {
        let cancelled = history.database.tasks.get(task).is_some_and(|task| task.state == state::CANCELLED);
        !cancelled && run_of(history, task, *epoch).is_none_or(|run| run.ended.is_none())
    });
    cut_short
        .map(|(task, epoch)| Violation::of(rule, task, format!("the command of epoch {epoch} was cut short")))
        .collect()
}

/// Whether a task is run again when its worker is lost.
fn is_run_again(task: &TaskRow) -> bool {
    task.on_lost == 0 && task.state != state::CANCELLED
}

/// Attempts that were lost ran again within `limit` milliseconds after the instant `since`.
pub(super) fn ran_again_within(
    rule: &'static str,
    history: &History,
    attempts: &Attempts,
    since: i64,
    limit: i64,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for (task, epoch) in attempts {
        let Some(row) = history.database.tasks.get(task).filter(|row| is_run_again(row)) else { continue };
        let recorded = row.epoch == *epoch
            || history.database.attempts.iter().any(|attempt| {
                attempt.task == *task && attempt.epoch == *epoch && attempt.cause != Some(cause::WORKER_LOST)
            });
        // It ended in time and its result was kept: nothing had to run again.
        if recorded {
            continue;
        }
        let next = history.runs.iter().filter(|run| run.task == *task && run.epoch > *epoch);
        match next.map(|run| run.started.0).min() {
            None => {
                found.push(Violation::of(rule, task, format!("epoch {epoch} was lost and never ran again")))
            }
            Some(started) if started - since > limit => {
                let late = started - since;
                found.push(Violation::of(
                    rule,
                    task,
                    format!("epoch {epoch} ran again after {late} ms of {limit}"),
                ));
            }
            Some(_) => {}
        }
    }
    found
}

/// Only tasks that the rules let fail for a lost worker have failed for one: those that may run once, and those
/// that were lost three times.
pub(super) fn no_false_poison(rule: &'static str, history: &History) -> Vec<Violation> {
    let failed = history.database.tasks.values().filter(|task| {
        task.state == state::FAILED
            && task.cause == Some(cause::WORKER_LOST)
            && task.on_lost == 0
            && task.losses < 3
    });
    failed.map(|task| Violation::of(rule, &task.id, "it failed for a loss that the rules forgive")).collect()
}
