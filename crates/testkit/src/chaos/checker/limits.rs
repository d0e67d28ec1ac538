//! I11, I13, I14, I18, I20: what is bounded, and that all that was taken is given back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Violation;
use crate::chaos::boot::Boot;
use crate::chaos::history::{History, IdleTransaction};

/// How long a transaction may do nothing: the server ends it after 4 s.
const IDLE: Duration = Duration::from_secs(6);
/// How many descriptors a service may have more than when it was idle at first: pools fill, peers connect anew.
const DESCRIPTORS: usize = 60;
/// Dead rows that autovacuum may not have come to, and how many of each task.
const DEAD_ROWS: i64 = 20_000;
const DEAD_ROWS_OF_A_TASK: i64 = 10;

/// I11.
pub(super) fn slots_hold(history: &History) -> Vec<Violation> {
    let workers = history.workers_of();
    let mut changes: BTreeMap<&str, Vec<(Boot, i32)>> = BTreeMap::new();
    for run in &history.runs {
        let Some(worker) = workers.get(&(run.task.as_str(), run.epoch)).copied() else { continue };
        // What a worker left running when it died holds no slot of the next process.
        if history.was_cut(Some(worker), run.known_until()) || history.was_cut(Some(worker), run.started) {
            continue;
        }
        changes.entry(worker).or_default().extend([(run.started, 1), (run.known_until(), -1)]);
    }
    let mut found = Vec::new();
    for (worker, mut changes) in changes {
        // At one instant of the clock, ends come first: a slot is taken after it was given back.
        changes.sort_unstable();
        let mut running = 0;
        let mut most = (0, Boot::default());
        for (at, change) in changes {
            running += change;
            most = most.max((running, at));
        }
        if usize::try_from(most.0).is_ok_and(|most| most > history.rules.slots) {
            let what =
                format!("{worker} ran {} commands at {} in {} slots", most.0, most.1, history.rules.slots);
            found.push(Violation::general("I11", what));
        }
    }
    found
}

/// I13.
pub(super) fn nothing_leaks(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for usage in &history.usage {
        if usage.descriptors_after > usage.descriptors_before + DESCRIPTORS {
            let (before, after) = (usage.descriptors_before, usage.descriptors_after);
            found.push(Violation::general(
                "I13",
                format!("{}: {before} descriptors, then {after}", usage.service),
            ));
        }
        if usage.spooled > 0.0 {
            let what = format!("{} still keeps {} results", usage.service, usage.spooled);
            found.push(Violation::general("I13", what));
        }
    }
    let connections = history.database.connections;
    if connections > history.rules.connections {
        found.push(Violation::general("I13", format!("{connections} connections to the database are open")));
    }
    found
}

/// I14.
pub(super) fn no_transaction_idles(history: &History) -> Vec<Violation> {
    let idle = history.idle.iter().filter(|idle| idle.lasted > IDLE);
    let told = |idle: &IdleTransaction| {
        let statement: String = idle.statement.split_whitespace().collect::<Vec<_>>().join(" ");
        let statement: String = statement.chars().take(80).collect();
        Violation::general("I14", format!("idle in transaction for {:?} after {statement}", idle.lasted))
    };
    let mut found: Vec<Violation> = idle.map(told).collect();
    let tasks = i64::try_from(history.database.tasks.len()).unwrap_or(i64::MAX);
    let bound = DEAD_ROWS.saturating_add(tasks.saturating_mul(DEAD_ROWS_OF_A_TASK));
    if history.database.dead_rows > bound {
        let what = format!("{} dead rows of {tasks} tasks", history.database.dead_rows);
        found.push(Violation::general("I14", what));
    }
    found
}

/// I18.
pub(super) fn counters_are_true(history: &History) -> Vec<Violation> {
    let wrong = history.counts.iter().filter(|count| {
        let lacks = count.may_lack && count.counted < count.truth;
        !lacks && (count.counted - count.truth).abs() > 0.5
    });
    wrong
        .map(|count| {
            Violation::general(
                "I18",
                format!("{} is {}, in truth {}", count.name, count.counted, count.truth),
            )
        })
        .collect()
}

/// I20.
pub(super) fn recoveries_are_in_budget(history: &History) -> Vec<Violation> {
    let late = history.recoveries.iter().filter(|recovery| recovery.took > recovery.budget);
    late.map(|one| Violation::general("I20", format!("{} took {:?} of {:?}", one.what, one.took, one.budget)))
        .collect()
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
