use super::super::fixtures::{TASK, good, step, task};
use super::*;

#[test]
fn an_accepted_task_that_is_gone_is_found() {
    let mut history = good();
    history.database.tasks.clear();
    assert_eq!(every_accepted_task_exists(&history).len(), 1);
    history.clients.submissions[0].calls[0].task = None;
    assert_eq!(every_accepted_task_exists(&history).len(), 1);
}

#[test]
fn a_task_that_was_refused_need_not_exist() {
    let mut history = good();
    history.database.tasks.clear();
    history.clients.submissions[0].calls[0].status = Some(503);
    assert!(every_accepted_task_exists(&history).is_empty());
}

#[test]
fn a_task_that_never_ends_is_found() {
    let mut history = good();
    task(&mut history).state = RUNNING;
    assert_eq!(every_task_is_terminal(&history).len(), 1);
}

#[test]
fn a_terminal_state_that_changes_is_found() {
    let mut history = good();
    history.database.steps.push(step(3_000, state::COMPLETED, FAILED, (1, 1), (1, 1)));
    task(&mut history).state = FAILED;
    // It left one, and became terminal again.
    assert_eq!(terminal_states_never_change(&history).len(), 2);
    let mut history = good();
    task(&mut history).state = CANCELLED;
    assert_eq!(terminal_states_never_change(&history).len(), 1, "changed without a step");
}

#[test]
fn a_step_that_is_not_in_the_table_is_found() {
    for bad in [
        step(1_050, PENDING, RUNNING, (0, 1), (0, 1)),
        step(1_050, PENDING, DISPATCHED, (0, 2), (0, 1)),
        step(1_050, PENDING, DISPATCHED, (0, 1), (0, 0)),
    ] {
        let mut history = good();
        history.database.steps[1] = bad;
        assert!(!every_step_is_in_the_table(&history).is_empty());
    }
    let mut history = good();
    history.database.steps.remove(2);
    assert_eq!(every_step_is_in_the_table(&history).len(), 1, "a step between them is missing");
    let mut history = good();
    history.database.steps[0].new_epoch = 1;
    assert!(!every_step_is_in_the_table(&history).is_empty(), "it was born with an epoch");
}

#[test]
fn a_retry_without_a_cause_is_found() {
    let mut history = good();
    history.database.steps.truncate(3);
    history.database.steps.push(step(2_000, RUNNING, PENDING, (1, 1), (1, 1)));
    assert_eq!(every_step_is_in_the_table(&history).len(), 1);
    history.database.steps[3].cause = Some(cause::WORKER_LOST);
    assert!(every_step_is_in_the_table(&history).is_empty());
}

#[test]
fn a_key_that_is_two_tasks_is_found() {
    let mut history = good();
    let mut call = history.clients.submissions[0].calls[0].clone();
    call.task = Some("another".to_owned());
    history.clients.submissions[0].calls.push(call);
    assert_eq!(one_key_is_one_task(&history).len(), 1, "two answers");

    let mut history = good();
    let mut twin = task(&mut history).clone();
    twin.id = "another".to_owned();
    history.database.tasks.insert(twin.id.clone(), twin);
    assert_eq!(one_key_is_one_task(&history).len(), 1, "two rows");

    let mut history = good();
    history.database.keys.push(("key".to_owned(), format!("not {TASK}")));
    assert_eq!(one_key_is_one_task(&history).len(), 1, "two meanings");
}
