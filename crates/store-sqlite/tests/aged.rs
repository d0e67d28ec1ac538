//! What time does to what is stored, with rows made older by hand.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use distrack_store::Store;
use distrack_store::conformance::aged;
use distrack_store_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

async fn migrated() -> (Arc<SqliteStore>, PathBuf, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("distrack.db");
    let store = SqliteStore::open(&path).unwrap();
    store.migrate().await.unwrap();
    (Arc::new(store), path, directory)
}

async fn age(path: &PathBuf, statement: &'static str, by: Duration) {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let by = i64::try_from(by.as_micros()).unwrap();
    sqlx::query(statement).bind(by).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

const KEYS: &str = "UPDATE idempotency_keys SET expires_at = expires_at - $1";
const TASKS: &str = "UPDATE tasks SET created_at = created_at - $1";

const QUEUES: &str = "UPDATE tasks SET queue = 'No Queue', created_at = created_at - $1";

#[tokio::test]
async fn a_key_lives_for_24_hours() {
    let (store, path, _directory) = migrated().await;
    aged::a_key_lives_for_24_hours(store, async |by| age(&path, KEYS, by).await).await;
}

#[tokio::test]
async fn only_expired_keys_are_pruned() {
    let (store, path, _directory) = migrated().await;
    aged::only_expired_keys_are_pruned(store, async |by| age(&path, KEYS, by).await).await;
}

#[tokio::test]
async fn a_first_attempt_long_after_its_submission_has_a_trace_of_its_own() {
    let (store, path, _directory) = migrated().await;
    let older = async |by| age(&path, TASKS, by).await;
    aged::a_first_attempt_long_after_its_submission_has_a_trace_of_its_own(store, older).await;
}

#[tokio::test]
async fn an_attempt_whose_queue_cannot_be_read_ends_all_the_same() {
    let (store, path, _directory) = migrated().await;
    let spoil = async |by| age(&path, QUEUES, by).await;
    aged::an_attempt_whose_queue_cannot_be_read_ends_all_the_same(store, spoil).await;
}
