//! Migrations: known, and safe to run from many at once.

use std::sync::Arc;

use super::fixtures::{Db, all_at_once, later, state, submit};
use crate::Schema;

pub async fn a_migrated_database_is_current(store: Db) {
    assert_eq!(store.schema().await.expect("the schema is told"), Schema::Current);
}

pub async fn migrating_again_from_many_at_once_changes_nothing(store: Db) {
    let id = submit(&store, later()).await;
    let before = state(&store, id).await;
    let steps = (0..6).map(|_| {
        let store = Arc::clone(&store);
        async move { store.migrate().await }
    });
    for migrated in all_at_once(steps).await {
        migrated.expect("a migration that has nothing to do succeeds");
    }
    assert_eq!(store.schema().await.expect("the schema is told"), Schema::Current);
    assert_eq!(state(&store, id).await, before);
}
