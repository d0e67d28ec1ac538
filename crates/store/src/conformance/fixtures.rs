//! Tasks, reports and conditions with a time limit, shared by all cases.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::{
    AttemptRef, Backoff, Cause, NewTask, Outcome, Output, StreamOutput, Task, TaskDraft, TaskId, TaskState,
    TraceContext,
};
use tokio::sync::Barrier;
use tokio::time::Instant;

use crate::{
    AttemptEvent, AttemptReport, Progress, Receipt, Store, Submission, SubmitMode, Submitted, Swept,
};

/// A store under test.
pub(super) type Db = Arc<dyn Store>;

/// How long a condition may take on a slow machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// A lease that no case outlives.
pub(super) const LONG: Duration = Duration::from_secs(3600);
/// A lease that runs out while a case looks.
pub(super) const SHORT: Duration = Duration::from_millis(150);
/// No time at all.
pub(super) const NOW: Duration = Duration::ZERO;

/// The plainest task.
pub(super) fn echo() -> TaskDraft {
    TaskDraft { command: Some("echo hello".to_owned()), ..TaskDraft::default() }
}

/// A task that is due in an hour.
pub(super) fn later() -> TaskDraft {
    TaskDraft { delay_seconds: Some(3600.0), ..echo() }
}

/// A task that may be tried `attempts` times, with this backoff before the second attempt.
pub(super) fn tried(attempts: u32, backoff: Backoff) -> TaskDraft {
    TaskDraft {
        max_attempts: Some(attempts),
        backoff_initial: Some(backoff.initial),
        backoff_max: Some(backoff.max),
        ..echo()
    }
}

/// The draft as a task, with a new id and a trace of its own.
pub(super) fn new_task(draft: TaskDraft) -> NewTask {
    NewTask::parse(draft, TaskId::new(), TraceContext::root())
        .expect("a draft of the suite is within the limits")
}

/// A submission that may not be sent twice.
pub(super) fn without_key(task: NewTask) -> Submission {
    Submission { task, key: None }
}

/// Stores one task.
pub(super) async fn submit(store: &Db, draft: TaskDraft) -> TaskId {
    submit_all(store, [draft]).await[0]
}

/// Stores tasks with one call.
pub(super) async fn submit_all(store: &Db, drafts: impl IntoIterator<Item = TaskDraft>) -> Vec<TaskId> {
    let tasks: Vec<_> = drafts.into_iter().map(new_task).collect();
    let ids = tasks.iter().map(|task| task.id).collect();
    let answers = store.submit(tasks.into_iter().map(without_key).collect(), SubmitMode::AllOrNone).await;
    answers.expect("tasks are stored").iter().for_each(|answer| _ = instants(answer));
    ids
}

/// When a new task was accepted, and when it is to run.
pub(super) fn instants(answer: &Submitted) -> (DateTime<Utc>, DateTime<Utc>) {
    match answer {
        Submitted::Created { created_at, scheduled_at } => (*created_at, *scheduled_at),
        Submitted::Replayed(_) | Submitted::KeyConflict => panic!("the task is new, yet {answer:?}"),
    }
}

/// The store's clock, told by a task that is cancelled at once.
pub(super) async fn clock(store: &Db) -> DateTime<Utc> {
    let id = submit(store, later()).await;
    store.cancel(id).await.expect("a waiting task is cancelled");
    get(store, id).await.created_at
}

/// A task that exists.
pub(super) async fn get(store: &Db, id: TaskId) -> Task {
    let found = store.get(vec![id]).await.expect("tasks are read");
    found.into_iter().next().expect("the task exists")
}

/// The state of a task that exists.
pub(super) async fn state(store: &Db, id: TaskId) -> TaskState {
    get(store, id).await.state
}

/// The command runs since now.
pub(super) fn started(attempt: AttemptRef) -> AttemptReport {
    said(attempt, AttemptEvent::Started { ago: NOW })
}

/// The attempt ended now, without output.
pub(super) fn finished(attempt: AttemptRef, outcome: Outcome) -> AttemptReport {
    printed(attempt, outcome, Output::default())
}

/// The attempt ended now and printed something.
pub(super) fn printed(attempt: AttemptRef, outcome: Outcome, output: Output) -> AttemptReport {
    said(attempt, AttemptEvent::Finished { ago: NOW, ran: Some(NOW), outcome, output })
}

/// A report; a retry that follows is due at once.
pub(super) fn said(attempt: AttemptRef, event: AttemptEvent) -> AttemptReport {
    AttemptReport { attempt, session: None, jitter: 0.0, event }
}

/// The same report; a retry that follows waits for the whole backoff.
pub(super) fn patient(report: AttemptReport) -> AttemptReport {
    AttemptReport { jitter: 1.0, ..report }
}

/// The command ended with an exit code other than 0.
pub(super) fn exit(code: i32) -> Outcome {
    Outcome { exit_code: Some(code), ..Outcome::failure(Cause::ExitCode, format!("exit code {code}")) }
}

/// Sends one report.
pub(super) async fn report(store: &Db, report: AttemptReport) -> Receipt {
    reports(store, vec![report]).await[0]
}

/// Sends reports with one call.
pub(super) async fn reports(store: &Db, reports: Vec<AttemptReport>) -> Vec<Receipt> {
    let sent = reports.len();
    let receipts = store.report(reports).await.expect("reports are taken").receipts;
    assert_eq!(receipts.len(), sent, "one receipt for each report");
    receipts
}

/// Sweeps a moment after the last time. When that was is left out, so that sweeps can be compared.
pub(super) async fn sweep(store: &Db, limit: u32) -> Swept {
    let last = store.sweep(0, None).await.expect("a sweep ends").at;
    let swept = store.sweep(limit, Some(last)).await.expect("a sweep ends");
    Swept { at: DateTime::default(), ..swept }
}

/// Waits until `look` finds something.
pub(super) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs steps on all threads, started at the same instant. Answers in order.
pub(super) async fn all_at_once<T, F>(steps: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let steps: Vec<F> = steps.into_iter().collect();
    let barrier = Arc::new(Barrier::new(steps.len()));
    let running: Vec<_> = steps
        .into_iter()
        .map(|step| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                step.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(running.len());
    for step in running {
        answers.push(step.await.expect("a step does not panic"));
    }
    answers
}

/// An output of this text.
pub(super) fn text(text: &str) -> Output {
    let stdout = StreamOutput { head: text.into(), tail: Vec::new(), bytes: text.len() as u64 };
    Output { stdout, ..Output::default() }
}

/// The attempts of what a step tells.
pub(super) fn refs(progress: &[Progress]) -> Vec<AttemptRef> {
    progress.iter().map(|progress| progress.attempt).collect()
}
