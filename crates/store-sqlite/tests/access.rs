//! The contract of a store's tokens, on SQLite.

use distrack_store::{Store, access_conformance};
use distrack_store_sqlite::SqliteStore;
use tempfile::TempDir;

async fn new_access() -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let store = SqliteStore::open(&folder.path().join("distrack.db")).expect("a fresh file is opened");
    store.migrate().await.expect("a fresh database is migrated");
    (store, folder)
}

access_conformance!(new_access);
