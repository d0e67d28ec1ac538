//! What time does to what is stored, with rows made older by hand.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;
use std::time::Duration;

use distrack_store::Store;
use distrack_store::conformance::aged;
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::TestDatabase;

async fn migrated() -> (Arc<PgStore>, TestDatabase) {
    let database = TestDatabase::create().await;
    let store = PgStore::connect(&database.url(), &PgSettings::default()).unwrap();
    store.migrate().await.unwrap();
    (Arc::new(store), database)
}

async fn age(store: &PgStore, statement: &'static str, by: Duration) {
    sqlx::query(statement).bind(by.as_secs_f64()).execute(store.pool()).await.unwrap();
}

const KEYS: &str = "UPDATE idempotency_keys SET expires_at = expires_at - $1 * interval '1 second'";
const TASKS: &str = "UPDATE tasks SET created_at = created_at - $1 * interval '1 second'";

const QUEUES: &str =
    "UPDATE tasks SET queue = 'No Queue', created_at = created_at - $1 * interval '1 second'";

#[tokio::test]
async fn a_key_lives_for_24_hours() {
    let (store, _database) = migrated().await;
    aged::a_key_lives_for_24_hours(store.clone(), async |by| age(&store, KEYS, by).await).await;
}

#[tokio::test]
async fn only_expired_keys_are_pruned() {
    let (store, _database) = migrated().await;
    aged::only_expired_keys_are_pruned(store.clone(), async |by| age(&store, KEYS, by).await).await;
}

#[tokio::test]
async fn a_first_attempt_long_after_its_submission_has_a_trace_of_its_own() {
    let (store, _database) = migrated().await;
    let older = async |by| age(&store, TASKS, by).await;
    aged::a_first_attempt_long_after_its_submission_has_a_trace_of_its_own(store.clone(), older).await;
}

#[tokio::test]
async fn an_attempt_whose_queue_cannot_be_read_ends_all_the_same() {
    let (store, _database) = migrated().await;
    let spoil = async |by| age(&store, QUEUES, by).await;
    aged::an_attempt_whose_queue_cannot_be_read_ends_all_the_same(store.clone(), spoil).await;
}
