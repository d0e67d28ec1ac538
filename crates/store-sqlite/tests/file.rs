//! What holds for the file itself: it survives a kill, looking never waits, and nobody else may read it.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use distrack_core::{CoordinatorId, NewTask, TaskDraft, TaskId, TaskState, TraceContext};
use distrack_store::{ListQuery, Schema, Store, StoreError, Submission, SubmitMode, Submitted};
use distrack_store_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

async fn new_store() -> (SqliteStore, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("distrack.db")).unwrap();
    store.migrate().await.unwrap();
    (store, directory)
}

async fn submit(store: &SqliteStore) -> TaskId {
    let draft = TaskDraft { command: Some("true".to_owned()), ..TaskDraft::default() };
    let task = NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap();
    let id = task.id;
    let answers = store.submit(vec![Submission { task, key: None }], SubmitMode::Each).await.unwrap();
    assert!(matches!(answers[..], [Submitted::Created { .. }]), "{answers:?}");
    id
}

#[tokio::test]
async fn a_note_of_who_asked_for_what_cannot_be_changed() {
    let (store, directory) = new_store().await;
    drop(store);
    let path = directory.path().join("distrack.db");
    let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    let insert = "INSERT INTO audit (at, action, trace_id) VALUES (1, 1, 'a')";
    sqlx::query(insert).execute(&mut connection).await.unwrap();
    let refused = sqlx::query("UPDATE audit SET action = 2").execute(&mut connection).await.unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        // A killed process leaves the log's index behind too, which is not trusted then.
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_committed_survives_a_kill() {
    let (store, directory) = new_store().await;
    let task = submit(&store).await;
    // The files as they are while the store is open are what a kill leaves.
    let after_kill = tempfile::tempdir().unwrap();
    copy(directory.path(), after_kill.path());
    drop(store);

    let reopened = SqliteStore::open(&after_kill.path().join("distrack.db")).unwrap();
    assert_eq!(reopened.schema().await.unwrap(), Schema::Current);
    assert_eq!(reopened.get(vec![task]).await.unwrap()[0].state, TaskState::Pending);
    submit(&reopened).await;
}

#[tokio::test]
async fn a_step_that_looks_never_waits_for_one_that_writes() {
    let (store, directory) = new_store().await;
    let task = submit(&store).await;
    let file = SqliteConnectOptions::new().filename(directory.path().join("distrack.db"));
    let mut other = file.connect().await.unwrap();
    let mut writing = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("UPDATE tasks SET state = 5").execute(&mut *writing).await.unwrap();

    let looked = async {
        let tasks = store.get(vec![task]).await.unwrap();
        assert_eq!(tasks[0].state, TaskState::Pending, "nothing is seen before it is committed");
        store.list(ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
        store.attempts(task).await.unwrap();
        store.output(task, 1).await.unwrap();
        store.workers().await.unwrap();
        store.queue_snapshot().await.unwrap();
        store.next_due().await.unwrap();
        store.renew(CoordinatorId::new(), Vec::new(), SOON).await.unwrap();
        store.schema().await.unwrap();
    };
    timeout(SOON, looked).await.expect("a step that looks waited");

    // A step that writes waits for its turn.
    let submitting = tokio::spawn({
        let store = store.clone();
        async move { submit(&store).await }
    });
    tokio::task::yield_now().await;
    assert!(!submitting.is_finished());
    writing.rollback().await.unwrap();
    timeout(SOON, submitting).await.expect("the writer's turn came").unwrap();
}

#[tokio::test]
async fn many_migrate_at_once_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("distrack.db")).unwrap();
    assert!(matches!(store.schema().await.unwrap(), Schema::Older { found: 0, .. }));
    let migrations: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.migrate().await })
        })
        .collect();
    for migration in migrations {
        migration.await.unwrap().unwrap();
    }
    store.migrate().await.unwrap();
    assert_eq!(store.schema().await.unwrap(), Schema::Current);
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let (store, directory) = new_store().await;
    submit(&store).await;
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap()).collect();
    assert!(files.len() > 1, "there is a write-ahead log");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", file.file_name());
    }
}

#[tokio::test]
async fn errors_say_whether_trying_again_may_help() {
    let directory = tempfile::tempdir().unwrap();
    let missing = SqliteStore::open(&directory.path().join("missing/distrack.db"));
    assert!(matches!(missing, Err(StoreError::Unavailable(_))), "{missing:?}");

    let empty = SqliteStore::open(&directory.path().join("empty.db")).unwrap();
    let no_schema = empty.queue_snapshot().await;
    assert!(matches!(no_schema, Err(StoreError::Unavailable(_))), "{no_schema:?}");

    let text = directory.path().join("text.db");
    std::fs::write(&text, "no database, but long enough to have a header".repeat(100)).unwrap();
    let no_database = SqliteStore::open(&text).unwrap().migrate().await;
    assert!(matches!(no_database, Err(StoreError::Corrupt(_))), "{no_database:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_migrate_one_new_file_at_once_all_find_it_migrated() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        // Each with connections of its own, as processes have.
        let migrations = (0..4).map(|_| {
            let store = SqliteStore::open(&directory.path().join("distrack.db")).unwrap();
            tokio::spawn(async move {
                store.migrate().await.unwrap();
                assert_eq!(store.schema().await.unwrap(), Schema::Current);
                submit(&store).await;
            })
        });
        for migration in migrations.collect::<Vec<_>>() {
            migration.await.unwrap();
        }
    }
}
