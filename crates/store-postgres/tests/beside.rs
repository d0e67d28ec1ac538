//! What somebody beside the store can hold up or forbid: no more than what is his, and never half of a step.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use distrack_core::{
    CoordinatorId, InstanceId, NewTask, TaskDraft, TaskId, TaskState, TraceContext, TraceId, TracePolicy,
    WorkerId,
};
use distrack_store::{
    AuditAction, AuditNote, ClaimRequest, ListQuery, Registration, Slot, Store, Submission, SubmitMode,
};
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::TestDatabase;
use sqlx::{Connection, Executor, PgConnection};

async fn store_and_session(database: &TestDatabase) -> (PgStore, PgConnection) {
    let store = PgStore::connect(&database.url(), &PgSettings::default()).unwrap();
    store.migrate().await.unwrap();
    (store, PgConnection::connect(&database.url()).await.unwrap())
}

fn submission() -> Submission {
    let draft = TaskDraft { command: Some("true".to_owned()), ..TaskDraft::default() };
    Submission { task: NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap(), key: None }
}

fn note(action: AuditAction, task: TaskId) -> AuditNote {
    AuditNote {
        action,
        task: Some(task),
        other_task: None,
        count: 1,
        token: None,
        address: None,
        queue: None,
        command_hash: None,
        trace_id: TraceId::random(),
    }
}

async fn join(store: &PgStore, coordinator: CoordinatorId) -> Slot {
    let worker = Registration {
        worker: WorkerId::new(),
        instance: InstanceId::new(),
        sequence: 1,
        name: "w".to_owned(),
        host: "h".to_owned(),
        address: "h:1".to_owned(),
        coordinator,
        slots: 2,
        queues: None,
        labels: Default::default(),
        isolation: None,
        version: "1".to_owned(),
        held: Vec::new(),
        lost_after: Duration::from_secs(3600),
    };
    let registered = store.register(worker).await.unwrap();
    Slot { session: registered.session, attach: registered.attach }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_no_task_that_somebody_has_locked() {
    let database = TestDatabase::create().await;
    let (store, mut holder) = store_and_session(&database).await;
    let (locked, free) = (submission(), submission());
    let (held, had) = (locked.task.id, free.task.id);
    store.submit(vec![locked, free], SubmitMode::Each).await.unwrap();
    let coordinator = CoordinatorId::new();
    let slot = join(&store, coordinator).await;
    holder.execute("BEGIN").await.unwrap();
    let lock = sqlx::query("SELECT 1 FROM tasks WHERE id = $1 FOR UPDATE").bind(held.as_uuid());
    lock.execute(&mut holder).await.unwrap();
    let request = ClaimRequest {
        coordinator,
        queues: None,
        labels: Default::default(),
        slots: vec![slot, slot],
        trace_policy: TracePolicy::Auto,
    };
    let claims = store.claim(request).await.unwrap();
    assert_eq!(claims.claimed.iter().map(|claimed| claimed.attempt.task).collect::<Vec<_>>(), [had]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_noted_is_not_done() {
    let database = TestDatabase::create().await;
    let (store, mut session) = store_and_session(&database).await;
    let (waiting, next) = (submission(), submission());
    let (id, noted) = (waiting.task.id, vec![note(AuditAction::Submit, next.task.id)]);
    store.submit(vec![waiting], SubmitMode::Each).await.unwrap();
    session.execute("ALTER TABLE audit ADD CHECK (false) NOT VALID").await.unwrap();
    assert!(store.cancel_by(id, Some(note(AuditAction::Cancel, id))).await.is_err());
    assert!(store.submit_by(vec![next], SubmitMode::Each, noted).await.is_err());
    let left = store.list(ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
    assert_eq!(left.iter().map(|task| (task.id, task.state)).collect::<Vec<_>>(), [(id, TaskState::Pending)]);
}
