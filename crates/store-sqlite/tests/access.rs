//! The contract of a store's tokens, on SQLite.

use std::sync::Arc;

use distrack_store::{Access, Store, access_conformance};
use distrack_store_sqlite::SqliteStore;
use tempfile::TempDir;

async fn new_access() -> (Arc<dyn Access>, TempDir) {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let store = SqliteStore::open(&folder.path().join("distrack.db")).expect("a fresh file is opened");
    store.migrate().await.expect("a fresh database is migrated");
    (Arc::new(store), folder)
}

access_conformance!(new_access);
