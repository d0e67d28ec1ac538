//! The way of a task through the whole house, in one process, over PostgreSQL.

use std::sync::Arc;

use distrack_store::{Detached, Store};
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::{TestDatabase, through_the_whole_house};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_go_through_the_whole_house_and_nobody_is_left_when_it_stops() {
    let database = TestDatabase::create().await;
    let store = PgStore::connect(&database.url(), &PgSettings::default()).unwrap();
    store.migrate().await.unwrap();
    through_the_whole_house(Arc::new(Detached::new(store))).await;
}
