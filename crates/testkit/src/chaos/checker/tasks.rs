//! I1, I2, I3, I15, I19: what becomes of tasks, by the database's own record of every step.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::chaos::dump::state::{self, CANCELLED, DISPATCHED, EXPIRED, FAILED, PENDING, RUNNING};
use crate::chaos::dump::{Step, cause};
use crate::chaos::history::History;

/// I1.
pub(super) fn every_accepted_task_exists(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for submission in &history.clients.submissions {
        for call in submission.calls.iter().filter(|call| call.accepted()) {
            match &call.task {
                None => found.push(Violation::general(
                    "I1",
                    format!("task {} was accepted without a name", submission.item.n),
                )),
                Some(id) if !history.database.tasks.contains_key(id) => {
                    let what =
                        format!("task {} was accepted at {} and is gone", submission.item.n, call.answered);
                    found.push(Violation::of("I1", id, what));
                }
                Some(_) => {}
            }
        }
    }
    found
}

/// I2.
pub(super) fn every_task_is_terminal(history: &History) -> Vec<Violation> {
    let open = history.database.tasks.values().filter(|task| !task.is_terminal());
    open.map(|task| Violation::of("I2", &task.id, format!("it is still {}", state::name(task.state))))
        .collect()
}

/// I3.
pub(super) fn terminal_states_never_change(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut ended: BTreeMap<&str, i16> = BTreeMap::new();
    for step in &history.database.steps {
        if step.old_state.is_some_and(|old| old >= state::TERMINAL) {
            found.push(Violation::of("I3", &step.task, format!("it left a terminal state: {}", told(step))));
        }
        if step.new_state >= state::TERMINAL && ended.insert(&step.task, step.new_state).is_some() {
            found.push(Violation::of("I3", &step.task, format!("it became terminal again: {}", told(step))));
        }
    }
    for (task, last) in ended {
        let now = history.database.tasks.get(task).map(|task| task.state);
        if now.is_some_and(|now| now != last) {
            found.push(Violation::of("I3", task, "its state changed without a step".to_owned()));
        }
    }
    found
}

/// I15: from, to, by how much the epoch and the attempt change. The table of `core/src/transition.rs`, restated.
const TABLE: &[(i16, i16, i64, i32)] = &[
    (PENDING, DISPATCHED, 1, 1),
    (DISPATCHED, PENDING, 0, -1),
    (DISPATCHED, PENDING, 0, 0),
    (RUNNING, PENDING, 0, 0),
    (DISPATCHED, RUNNING, 0, 0),
    (DISPATCHED, state::COMPLETED, 0, 0),
    (RUNNING, state::COMPLETED, 0, 0),
    (DISPATCHED, FAILED, 0, 0),
    (RUNNING, FAILED, 0, 0),
    (PENDING, CANCELLED, 0, 0),
    (DISPATCHED, CANCELLED, 0, 0),
    // Given back and cancelled at once: nobody has run it.
    (DISPATCHED, CANCELLED, 0, -1),
    (RUNNING, CANCELLED, 0, 0),
    (PENDING, EXPIRED, 0, 0),
];

/// I15.
pub(super) fn every_step_is_in_the_table(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut last: BTreeMap<&str, &Step> = BTreeMap::new();
    for step in &history.database.steps {
        let permitted = match (step.old_state, step.old_epoch, step.old_attempt) {
            (Some(old), Some(epoch), Some(attempt)) => {
                TABLE.contains(&(old, step.new_state, step.new_epoch - epoch, step.new_attempt - attempt))
            }
            _ => (step.new_state, step.new_epoch, step.new_attempt) == (PENDING, 0, 0),
        };
        if !permitted {
            found.push(Violation::of("I15", &step.task, format!("no such step: {}", told(step))));
        }
        let before = last.insert(&step.task, step).map(|before| (before.new_state, before.new_epoch));
        if before != step.old_state.zip(step.old_epoch) {
            found.push(Violation::of(
                "I15",
                &step.task,
                format!("it does not follow on the last: {}", told(step)),
            ));
        }
        if step.new_state == PENDING
            && step.new_attempt == step.old_attempt.unwrap_or(-1)
            && step.cause.is_none()
        {
            found.push(Violation::of("I15", &step.task, format!("a retry without a cause: {}", told(step))));
        }
    }
    found
}

/// I19.
pub(super) fn one_key_is_one_task(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for task in history.database.tasks.values() {
        rows.entry(task.n.as_deref().unwrap_or("none")).or_default().push(&task.id);
    }
    for submission in &history.clients.submissions {
        let (n, key) = (submission.item.n.to_string(), submission.key.as_deref());
        let told: BTreeSet<&str> = submission.calls.iter().filter_map(|call| call.task.as_deref()).collect();
        if told.len() > 1 {
            found.push(Violation::general("I19", format!("key {key:?} named {told:?}")));
        }
        let stored = rows.get(n.as_str()).map_or(&[][..], Vec::as_slice);
        // Without a key there was one try: one task at most, too.
        if stored.len() > 1 {
            found.push(Violation::general("I19", format!("key {key:?} made {stored:?}")));
        }
    }
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    history.database.keys.iter().for_each(|(key, task)| {
        keys.entry(key).or_default().insert(task);
    });
    let double = keys.into_iter().filter(|(_, tasks)| tasks.len() > 1);
    found.extend(double.map(|(key, tasks)| Violation::general("I19", format!("{key} is {tasks:?}"))));
    found
}

/// A step for a person.
pub(super) fn told(step: &Step) -> String {
    let old = step.old_state.map_or("nothing", state::name);
    let lost = if step.cause == Some(cause::WORKER_LOST) { ", its worker lost" } else { "" };
    format!(
        "{old} → {} at {}, epoch {} → {}, attempt {} → {}{lost}",
        state::name(step.new_state),
        step.at(),
        step.old_epoch.unwrap_or_default(),
        step.new_epoch,
        step.old_attempt.unwrap_or_default(),
        step.new_attempt,
    )
}

#[cfg(test)]
#[path = "tasks_tests.rs"]
mod tests;
