use super::super::fixtures::{cut, good, run, task};
use super::*;
use crate::chaos::history::{Count, IdleTransaction, Recovery, Usage};

#[test]
fn one_command_too_many_is_found() {
    let mut history = good();
    history.rules.slots = 1;
    assert!(slots_hold(&history).is_empty());
    history.runs.push(run(1, 1_500, 1_600));
    assert_eq!(slots_hold(&history).len(), 1);
    history.cuts.push(cut(1_550, Some(1_600)));
    assert!(slots_hold(&history).is_empty(), "what a dead worker left holds no slot");
}

#[test]
fn a_slot_is_taken_at_the_instant_in_which_it_is_given_back() {
    let mut history = good();
    history.rules.slots = 1;
    history.runs.push(run(1, 1_990, 2_100));
    assert!(slots_hold(&history).is_empty());
    task(&mut history).worker = None;
    assert!(slots_hold(&history).is_empty());
}

#[test]
fn what_is_not_given_back_is_found() {
    let mut history = good();
    let usage =
        Usage { service: "worker-0".to_owned(), descriptors_before: 20, descriptors_after: 30, spooled: 0.0 };
    history.usage.push(usage);
    assert!(nothing_leaks(&history).is_empty());
    history.usage[0].descriptors_after = 500;
    assert_eq!(nothing_leaks(&history).len(), 1);
    history.usage[0].spooled = 1.0;
    assert_eq!(nothing_leaks(&history).len(), 2);
    history.database.connections = 1_000;
    assert_eq!(nothing_leaks(&history).len(), 3);
}

#[test]
fn an_idle_transaction_and_a_heap_of_dead_rows_are_found() {
    let mut history = good();
    let lasted = Duration::from_secs(3);
    history.idle.push(IdleTransaction { statement: "BEGIN".to_owned(), lasted });
    assert!(no_transaction_idles(&history).is_empty());
    history.idle[0].lasted = Duration::from_secs(7);
    assert_eq!(no_transaction_idles(&history).len(), 1);
    history.database.dead_rows = 1_000_000;
    assert_eq!(no_transaction_idles(&history).len(), 2);
}

#[test]
fn a_counter_that_says_something_else_is_found() {
    let mut history = good();
    let count = Count { name: "finished".to_owned(), counted: 9.0, truth: 10.0, may_lack: true };
    history.counts.push(count);
    assert!(counters_are_true(&history).is_empty(), "who was killed forgot what it counted");
    history.counts[0].may_lack = false;
    assert_eq!(counters_are_true(&history).len(), 1);
    history.counts[0] = Count { counted: 11.0, may_lack: true, ..history.counts[0].clone() };
    assert_eq!(counters_are_true(&history).len(), 1, "nobody counts what never was");
}

#[test]
fn a_recovery_past_its_budget_is_found() {
    let mut history = good();
    let (took, budget) = (Duration::from_secs(3), Duration::from_secs(2));
    history.recoveries.push(Recovery { what: "a claim".to_owned(), took, budget });
    assert_eq!(recoveries_are_in_budget(&history).len(), 1);
    history.recoveries[0].took = Duration::from_secs(1);
    assert!(recoveries_are_in_budget(&history).is_empty());
}
