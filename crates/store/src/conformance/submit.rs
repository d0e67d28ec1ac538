//! Accepting: what is answered is stored as it was sent, on the store's own clock.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono::TimeDelta;
use distrack_core::{
    AttemptRef, Executor, NewTask, OnLost, OnOutputLimit, Secret, TaskDraft, TaskId, TaskState, TraceContext,
};

use super::fixtures::{Db, clock, echo, get, instants, later, new_task, submit, without_key};
use super::fleet::Worker;
use crate::{Released, SubmitMode};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub async fn a_stored_task_reads_back_as_it_was_submitted(store: Db) {
    let draft = TaskDraft {
        command: None,
        argv: Some(vec!["printf".to_owned(), "%s\n".to_owned(), "grüße 'n' \"more\" \\ $HOME".to_owned()]),
        delay_seconds: Some(1.234),
        expires_at: Some(clock(&store).await + TimeDelta::hours(2)),
        queue: Some("mail.out-1_x".to_owned()),
        priority: Some(-100),
        env: map(&[("LANG", "C"), ("EMPTY", ""), ("Ünïcode", "✓")]),
        env_secret: [("TOKEN".to_owned(), Secret::new("hunter2"))].into(),
        cwd: Some("/tmp".to_owned()),
        timeout: Some(Duration::from_millis(1)),
        max_attempts: Some(100),
        backoff_initial: Some(Duration::from_millis(17)),
        backoff_max: Some(Duration::from_secs(3601)),
        on_lost: Some(OnLost::Fail),
        on_output_limit: Some(OnOutputLimit::Fail),
        executor: Some(Executor::Noop),
        labels: map(&[("team", "a"), ("a.b \"c\" 'd'", "$x\\y")]),
        requires: map(&[("gpu", "true")]),
        retry_of: Some(TaskId::new()),
        ..TaskDraft::default()
    };
    let trace = TraceContext { flags: 0, state: "vendor=1,other=a b".to_owned(), ..TraceContext::root() };
    let full = NewTask::parse(draft, TaskId::new(), trace).expect("the draft is within the limits");
    for task in [full, new_task(echo())] {
        let answers =
            store.submit(vec![without_key(task.clone())], SubmitMode::Each).await.expect("it is stored");
        let (created_at, scheduled_at) = instants(&answers[0]);
        assert_eq!(get(&store, task.id).await, task.accepted(created_at, scheduled_at));
    }
}

pub async fn a_thousand_tasks_are_stored_by_one_call_and_answered_in_order(store: Db) {
    let tasks: Vec<_> = (0..1000)
        .map(|n| new_task(TaskDraft { delay_seconds: Some(f64::from(n) / 1000.0), ..echo() }))
        .collect();
    let ids: HashSet<_> = tasks.iter().map(|task| task.id).collect();
    let submissions = tasks.iter().cloned().map(without_key).collect();
    let answers = store.submit(submissions, SubmitMode::AllOrNone).await.expect("they are stored");
    assert_eq!(answers.len(), 1000);
    for (answer, millis) in answers.iter().zip(0..) {
        let (created_at, scheduled_at) = instants(answer);
        assert_eq!(scheduled_at - created_at, TimeDelta::milliseconds(millis), "the {millis}th answer");
    }
    let found = store.get(ids.iter().copied().collect()).await.expect("tasks are read");
    assert_eq!(found.len(), 1000);
    assert!(found.iter().all(|task| ids.contains(&task.id) && task.state == TaskState::Pending));
}

pub async fn a_task_may_name_the_instant_at_which_it_runs(store: Db) {
    let at = clock(&store).await + TimeDelta::days(3650);
    let id = submit(&store, TaskDraft { scheduled_at: Some(at), ..echo() }).await;
    let task = get(&store, id).await;
    assert_eq!((task.scheduled_at, task.due_at), (at, at));
}

pub async fn an_instant_that_has_passed_means_now(store: Db) {
    let worker = Worker::join(&store).await;
    let past = clock(&store).await - TimeDelta::days(365);
    let id = submit(&store, TaskDraft { scheduled_at: Some(past), ..echo() }).await;
    let task = get(&store, id).await;
    assert_eq!(task.due_at, task.created_at, "a task does not wait from before it was accepted");
    let claimed = worker.claim(1).await;
    assert_eq!(claimed.len(), 1);
    assert!(claimed[0].waited() < Duration::from_secs(3600), "waited {:?}", claimed[0].waited());
}

pub async fn a_call_about_nothing_changes_nothing(store: Db) {
    assert!(store.submit(Vec::new(), SubmitMode::AllOrNone).await.expect("it is answered").is_empty());
    assert!(store.get(Vec::new()).await.expect("it is answered").is_empty());
    assert!(store.report(Vec::new()).await.expect("it is answered").receipts.is_empty());
    assert_eq!(store.release(Vec::new()).await.expect("it is answered"), Released::default());
    let worker = Worker::join(&store).await;
    submit(&store, echo()).await;
    assert!(worker.claim(0).await.is_empty());
}

pub async fn unknown_tasks_are_left_out_of_an_answer(store: Db) {
    let known = submit(&store, later()).await;
    let unknown = TaskId::new();
    let found = store.get(vec![unknown, known]).await.expect("tasks are read");
    assert_eq!(found.iter().map(|task| task.id).collect::<Vec<_>>(), [known]);
    assert_eq!(store.attempts(unknown).await.expect("attempts are read"), None);
    assert_eq!(store.output(unknown, 1).await.expect("output is read"), None);
    let released = store.release(vec![AttemptRef { task: unknown, epoch: 1 }]).await;
    assert_eq!(released.expect("it is answered"), Released::default());
}
