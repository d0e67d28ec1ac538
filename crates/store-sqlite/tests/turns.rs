//! Two processes over one file: whoever writes has the file to itself, and the other one waits and succeeds.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::collections::HashSet;
use std::time::Duration;

use distrack_core::{
    AttemptRef, CoordinatorId, InstanceId, NewTask, Outcome, Output, TaskDraft, TaskId, TaskState,
    TraceContext, TracePolicy, WorkerId,
};
use distrack_store::{
    AttemptEvent, AttemptReport, ClaimRequest, Receipt, Registration, Slot, Store, Submission, SubmitMode,
};
use distrack_store_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);

/// Two stores that know nothing of each other but the file.
async fn two_processes() -> ([SqliteStore; 2], TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("distrack.db");
    let stores = [SqliteStore::open(&file).unwrap(), SqliteStore::open(&file).unwrap()];
    stores[0].migrate().await.unwrap();
    (stores, directory)
}

fn submission() -> Submission {
    let draft = TaskDraft { command: Some("true".to_owned()), ..TaskDraft::default() };
    Submission { task: NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap(), key: None }
}

/// A worker of this process: a claim for one slot of it.
async fn worker(store: &SqliteStore) -> ClaimRequest {
    let coordinator = CoordinatorId::new();
    let registration = Registration {
        worker: WorkerId::new(),
        instance: InstanceId::new(),
        sequence: 1,
        name: "w".to_owned(),
        host: "h".to_owned(),
        address: "h:1".to_owned(),
        coordinator,
        slots: 1,
        queues: None,
        labels: Default::default(),
        isolation: None,
        version: "1".to_owned(),
        held: Vec::new(),
        lost_after: Duration::from_secs(3600),
    };
    let registered = store.register(registration).await.unwrap();
    let slots = vec![Slot { session: registered.session, attach: registered.attach }];
    ClaimRequest {
        coordinator,
        queues: None,
        labels: Default::default(),
        slots,
        trace_policy: TracePolicy::Auto,
    }
}

fn success(attempt: AttemptRef) -> Vec<AttemptReport> {
    let (outcome, output) = (Outcome::success(), Output::default());
    let event = AttemptEvent::Finished { ago: Duration::ZERO, ran: Some(Duration::ZERO), outcome, output };
    vec![AttemptReport { attempt, session: None, jitter: 0.0, event }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_each_task_is_claimed_by_one_and_recorded_once() {
    let (stores, _directory) = two_processes().await;
    let submissions: Vec<_> = (0..40).map(|_| submission()).collect();
    let ids: HashSet<_> = submissions.iter().map(|submission| submission.task.id).collect();
    stores[0].submit(submissions, SubmitMode::Each).await.unwrap();
    let running = stores.clone().map(|store| {
        tokio::spawn(async move {
            let request = worker(&store).await;
            let mut done = Vec::new();
            while let Some(claimed) = store.claim(request.clone()).await.unwrap().claimed.pop() {
                let reported = store.report(success(claimed.attempt)).await.unwrap();
                assert_eq!(reported.receipts, [Receipt::Recorded]);
                done.push(claimed.attempt.task);
            }
            done
        })
    });
    let mut done = Vec::new();
    for process in running {
        done.extend(process.await.unwrap());
    }
    assert_eq!(done.len(), ids.len(), "none twice");
    assert_eq!(done.into_iter().collect::<HashSet<_>>(), ids);
    for task in stores[1].get(ids.into_iter().collect()).await.unwrap() {
        assert_eq!((task.state, task.epoch), (TaskState::Completed, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_that_writes_waits_for_another_process_and_then_sees_what_it_left() {
    let (stores, directory) = two_processes().await;
    let submission = submission();
    let task = submission.task.id;
    stores[0].submit(vec![submission], SubmitMode::Each).await.unwrap();
    let request = worker(&stores[0]).await;
    let file = SqliteConnectOptions::new().filename(directory.path().join("distrack.db"));
    let mut other = file.connect().await.unwrap();
    let mut writing = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("UPDATE tasks SET state = 5").execute(&mut *writing).await.unwrap();
    let attempt = AttemptRef { task, epoch: 1 };
    let [claims, cancels] = stores.clone();
    let waiting = (
        tokio::spawn(async move { claims.claim(request).await.unwrap().claimed.len() }),
        tokio::spawn(async move { format!("{:?}", cancels.cancel(task).await.unwrap()) }),
    );
    // Each has had its chance to begin, and none may end.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.0.is_finished() && !waiting.1.is_finished());
    writing.commit().await.unwrap();
    let ended = async { (waiting.0.await.unwrap(), waiting.1.await.unwrap()) };
    let (claimed, cancelled) = tokio::time::timeout(SOON, ended).await.expect("their turn came");
    assert_eq!((claimed, cancelled.as_str()), (0, "Ended"), "what was committed meanwhile counts");
    let late = stores[1].report(success(attempt)).await.unwrap();
    assert_eq!(late.receipts, [Receipt::Stale]);
}
