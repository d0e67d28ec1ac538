//! A few tasks' way through a whole cluster, for any store.

use std::sync::Arc;
use std::time::Duration;

use distrack_store::Store;
use serde_json::{Value, json};

use crate::Cluster;

const LIMIT: Duration = Duration::from_secs(30);

/// Starts a cluster over `store`, whose schema is there already, sends tasks through it and stops it.
///
/// # Panics
/// If a task does not end as it must, or a session is left when all have stopped.
pub async fn through_the_whole_house(store: Arc<dyn Store>) {
    let cluster = Cluster::start(Arc::clone(&store), 2, 2).await.expect("the cluster does as it is told");
    let api = cluster.api();

    let good = api.schedule("echo hello", 0.2).await.expect("the cluster does as it is told");
    let retried = json!({
        "command": "echo attempt $DISTRACK_ATTEMPT; [ $DISTRACK_ATTEMPT -eq 2 ]",
        "max_attempts": 2,
        "backoff": {"initial": "10ms"},
    });
    let retried = api.submit(&retried).await.expect("the cluster does as it is told");
    let bad = api.submit(&json!({"command": "exit 3"})).await.expect("the cluster does as it is told");

    let good = api.wait_terminal(id(&good), LIMIT).await;
    assert_eq!((&good["state"], &good["attempt"]), (&json!("completed"), &json!(1)), "{good}");
    assert_eq!(
        api.output(id(&good)).await.expect("the cluster does as it is told")["stdout"]["head"],
        "hello\n"
    );
    let retried = api.wait_terminal(id(&retried), LIMIT).await;
    assert_eq!((&retried["state"], &retried["attempt"]), (&json!("completed"), &json!(2)), "{retried}");
    assert_eq!(
        api.output(id(&retried)).await.expect("the cluster does as it is told")["stdout"]["head"],
        "attempt 2\n"
    );
    let bad = api.wait_terminal(id(&bad), LIMIT).await;
    assert_eq!((&bad["state"], &bad["exit_code"]), (&json!("failed"), &json!(3)), "{bad}");

    assert_eq!(store.workers().await.expect("the cluster does as it is told").len(), 2);
    cluster.stop().await.expect("the cluster does as it is told");
    assert_eq!(store.workers().await.expect("the cluster does as it is told"), []);
}

fn id(task: &Value) -> &str {
    task["task_id"].as_str().expect("a task has an id")
}
