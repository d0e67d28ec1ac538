//! The way of a task through the whole house, in one process, over SQLite.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;
use std::time::Duration;

use distrack_store::{Detached, Store};
use distrack_store_sqlite::SqliteStore;
use distrack_testkit::Cluster;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

fn id(task: &Value) -> &str {
    task["task_id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_go_through_the_whole_house_and_nobody_is_left_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("distrack.db")).unwrap();
    store.migrate().await.unwrap();
    let store: Arc<dyn Store> = Arc::new(Detached::new(store));
    let cluster = Cluster::start(Arc::clone(&store), 2, 2).await.unwrap();
    let api = cluster.api();

    let good = api.schedule("echo hello", 0.2).await.unwrap();
    let retried = json!({
        "command": "echo attempt $DISTRACK_ATTEMPT; [ $DISTRACK_ATTEMPT -eq 2 ]",
        "max_attempts": 2,
        "backoff": {"initial": "10ms"},
    });
    let retried = api.submit(&retried).await.unwrap();
    let bad = api.submit(&json!({"command": "exit 3"})).await.unwrap();

    let good = api.wait_terminal(id(&good), LIMIT).await;
    assert_eq!((&good["state"], &good["attempt"]), (&json!("completed"), &json!(1)), "{good}");
    assert_eq!(api.output(id(&good)).await.unwrap()["stdout"]["head"], "hello\n");
    let retried = api.wait_terminal(id(&retried), LIMIT).await;
    assert_eq!((&retried["state"], &retried["attempt"]), (&json!("completed"), &json!(2)), "{retried}");
    assert_eq!(api.output(id(&retried)).await.unwrap()["stdout"]["head"], "attempt 2\n");
    let bad = api.wait_terminal(id(&bad), LIMIT).await;
    assert_eq!((&bad["state"], &bad["exit_code"]), (&json!("failed"), &json!(3)), "{bad}");

    assert_eq!(store.workers().await.unwrap().len(), 2);
    cluster.stop().await.unwrap();
    assert_eq!(store.workers().await.unwrap(), []);
}
