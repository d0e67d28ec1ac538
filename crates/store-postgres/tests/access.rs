//! The contract of a store's tokens, on PostgreSQL.

use distrack_store::{Store, access_conformance};
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::TestDatabase;

/// A machine that stalls is no reason to give up.
fn patient() -> PgSettings {
    PgSettings { acquire_timeout: std::time::Duration::from_secs(30), ..PgSettings::default() }
}

async fn new_access() -> (PgStore, TestDatabase) {
    let database = TestDatabase::create().await;
    let store = PgStore::connect(&database.url(), &patient()).expect("the test database's URL is good");
    store.migrate().await.expect("a fresh database is migrated");
    (store, database)
}

access_conformance!(new_access);
