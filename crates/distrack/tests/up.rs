//! `distrack up`: everything in one process over an embedded database.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use distrack_testkit::{Launch, Process, Up, eventually};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_distrack");
const LIMIT: Duration = Duration::from_secs(30);

fn id(task: &Value) -> &str {
    task["task_id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_runs_a_command_with_nothing_set_up() {
    let up = Up::start(PROGRAM, &["--workers=2"]).await.unwrap();
    let api = up.api();
    let task = api.schedule("echo hello", 0.0).await.unwrap();
    assert_eq!(api.wait_terminal(id(&task), LIMIT).await["state"], "completed");
    assert_eq!(api.output(id(&task)).await.unwrap()["stdout"]["head"], "hello\n");
    eventually(LIMIT, "both workers", || async {
        (api.workers().await.unwrap()["workers"].as_array().unwrap().len() == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_before_a_kill_is_still_there_and_continues() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let api = up.api();
    let done = api.schedule("echo before", 0.0).await.unwrap();
    api.wait_terminal(id(&done), LIMIT).await;
    let waiting = api.schedule("echo after", 3.0).await.unwrap();
    let running = api.schedule("[ $DISTRACK_ATTEMPT -ge 2 ] || sleep 20", 0.0).await.unwrap();
    eventually(LIMIT, "the start", || async {
        (api.task(id(&running)).await.unwrap()["state"] == "running").then_some(())
    })
    .await;
    up.kill().unwrap();
    up.start_again().await.unwrap();
    assert_eq!(api.task(id(&done)).await.unwrap()["state"], "completed");
    assert_eq!(api.output(id(&done)).await.unwrap()["stdout"]["head"], "before\n");
    assert_eq!(api.wait_terminal(id(&waiting), LIMIT).await["state"], "completed");
    let again = api.wait_terminal(id(&running), LIMIT).await;
    assert_eq!((&again["state"], &again["losses"]), (&json!("completed"), &json!(1)), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_drains_and_ends_well() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let api = up.api();
    let task = api.schedule("sleep 6; echo through", 0.0).await.unwrap();
    eventually(LIMIT, "the start", || async {
        (api.task(id(&task)).await.unwrap()["state"] == "running").then_some(())
    })
    .await;
    up.process().interrupt().unwrap();
    assert!(up.process().wait(LIMIT).await.success(), "{}", up.process().log_tail());
    up.start_again().await.unwrap();
    let ended = api.task(id(&task)).await.unwrap();
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("completed"), &json!(1)), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_up_on_one_data_directory_is_refused_by_name() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let folder = up.data_dir().display().to_string();
    let arguments = [
        "up".to_owned(),
        "--scheduler_port=:0".to_owned(),
        "--coordinator_port=:0".to_owned(),
        "--worker_port=:0".to_owned(),
        "--metrics_port=:0".to_owned(),
        format!("--data_dir={folder}"),
    ];
    let elsewhere = tempfile::tempdir().unwrap();
    let second = Process::start(Launch::new("second", PROGRAM, &arguments, elsewhere.path())).unwrap();
    assert_eq!(second.wait(LIMIT).await.code(), Some(1), "{}", second.log());
    assert!(second.log().contains(&folder), "{}", second.log());
}
