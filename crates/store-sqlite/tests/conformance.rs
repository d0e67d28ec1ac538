//! The contract of a store, on SQLite.

use std::sync::Arc;

use distrack_store::{Store, store_conformance};
use distrack_store_sqlite::SqliteStore;
use tempfile::TempDir;

async fn new_store() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let store = SqliteStore::open(&folder.path().join("distrack.db")).expect("a fresh file is opened");
    store.migrate().await.expect("a fresh database is migrated");
    (Arc::new(store), folder)
}

store_conformance!(new_store);
