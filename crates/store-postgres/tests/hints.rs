//! Hints from one process to another, over PostgreSQL.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use distrack_core::{NewTask, TaskDraft, TaskId, TraceContext};
use distrack_store::{Hint, Store, Submission, SubmitMode, Wakeup};
use distrack_store_postgres::{PgSettings, PgStore};
use distrack_testkit::{TestDatabase, eventually};

const LIMIT: Duration = Duration::from_secs(20);
/// Longer than a hint takes, shorter than anybody's poll.
const SOON: Duration = Duration::from_secs(1);

async fn submit(store: &PgStore) {
    let draft = TaskDraft { command: Some("true".to_owned()), ..TaskDraft::default() };
    let task = NewTask::parse(draft, TaskId::new(), TraceContext::root()).unwrap();
    store.submit(vec![Submission { task, key: None }], SubmitMode::Each).await.unwrap();
}

/// Submits until the other process is woken by one of them, and not by what it heard before.
async fn is_woken(store: &PgStore, wakeup: &mut Wakeup) {
    for _ in 0..20 {
        while tokio::time::timeout(SOON / 5, wakeup.wait()).await.is_ok() {}
        submit(store).await;
        if tokio::time::timeout(SOON, wakeup.wait()).await.is_ok() {
            return;
        }
    }
    panic!("no hint came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_wakes_another_process_and_does_so_again_after_a_broken_connection() {
    let database = TestDatabase::create().await;
    let connect = || PgStore::connect(&database.url(), &PgSettings::default()).unwrap();
    let (here, there) = (connect(), connect());
    here.migrate().await.unwrap();
    let mut wakeup = there.wakeup(Hint::Due);
    is_woken(&here, &mut wakeup).await;

    let listening = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    eventually(LIMIT, "the end of the listening connections", || async {
        let ended: i64 = sqlx::query_scalar(listening).fetch_one(here.pool()).await.unwrap();
        (ended == 2).then_some(())
    })
    .await;
    is_woken(&here, &mut wakeup).await;
}
