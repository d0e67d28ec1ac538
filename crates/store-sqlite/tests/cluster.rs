//! The way of a task through the whole house, in one process, over SQLite.

use std::sync::Arc;

use distrack_store::{Detached, Store};
use distrack_store_sqlite::SqliteStore;
use distrack_testkit::through_the_whole_house;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_go_through_the_whole_house_and_nobody_is_left_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("distrack.db")).unwrap();
    store.migrate().await.unwrap();
    through_the_whole_house(Arc::new(Detached::new(store))).await;
}
