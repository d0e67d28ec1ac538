//! What a client that hangs up at any moment leaves behind: nothing.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use distrack_core::{NewTask, TaskDraft, TaskId, TraceContext};
use distrack_store::{Detached, Schema, Store, StoreError, Submission, SubmitMode};
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::TestDatabase;

async fn one_connection(database: &TestDatabase) -> PgStore {
    let settings = PgSettings { max_connections: 1, ..PgSettings::default() };
    let store = PgStore::connect(&database.url(), &settings).unwrap();
    store.migrate().await.unwrap();
    store
}

fn submission() -> Submission {
    let draft = TaskDraft { command: Some("true".to_owned()), ..TaskDraft::default() };
    Submission { task: NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap(), key: None }
}

/// Polls a future so many times, yielding in between, and drops it unless it is done.
async fn poll_times(future: impl Future, times: usize) {
    let mut future = pin!(future);
    for _ in 0..times {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_is_not_a_cancelled_step() {
    let database = TestDatabase::create().await;
    let store = Arc::new(Detached::new(one_connection(&database).await));
    let submission = submission();
    let id = submission.task.id;
    poll_times(store.submit(vec![submission], SubmitMode::Each), 1).await;
    let stored = async {
        while store.get(vec![id]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), stored).await.expect("the step went on without its caller");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_a_schema_is_older_and_unavailable_until_it_is_migrated() {
    let database = TestDatabase::create().await;
    let store = PgStore::connect(&database.url(), &PgSettings::default()).unwrap();
    assert!(matches!(store.schema().await.unwrap(), Schema::Older { found: 0, needed: 1.. }));
    let refused = store.submit(vec![submission()], SubmitMode::Each).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    let migrations = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.migrate().await })
    });
    for migration in migrations.collect::<Vec<_>>() {
        migration.await.unwrap().unwrap();
    }
    assert_eq!(store.schema().await.unwrap(), Schema::Current);
    store.submit(vec![submission()], SubmitMode::Each).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_unavailable_in_bounded_time() {
    let port = distrack_testkit::free_port();
    let settings = PgSettings { acquire_timeout: Duration::from_millis(300), ..PgSettings::default() };
    let store = PgStore::connect(&format!("postgres://nobody@127.0.0.1:{port}/none"), &settings).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), store.get(vec![TaskId::new()])).await.unwrap();
    assert!(matches!(answer.unwrap_err(), StoreError::Unavailable(_)));
}
