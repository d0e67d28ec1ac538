//! Scheduler, coordinator and worker as processes of their own over PostgreSQL.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;
use std::time::Duration;

use distrack_testkit::{Fleet, FleetBuilder, Launch, Process, Proxy, TestDatabase, eventually};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_distrack");
const LIMIT: Duration = Duration::from_secs(30);

fn fleet(url: String) -> FleetBuilder {
    Fleet::builder(PROGRAM, url)
}

fn id(task: &Value) -> &str {
    task["task_id"].as_str().unwrap()
}

async fn wait_running(fleet: &Fleet, task: &str) {
    eventually(LIMIT, "the start of the task", || async {
        (fleet.api().task(task).await.unwrap()["state"] == "running").then_some(())
    })
    .await;
}

/// Waits until the fleet knows that the worker takes nothing new.
async fn is_draining(fleet: &Fleet) {
    eventually(LIMIT, "the worker to drain", || async {
        let workers = fleet.api().workers().await.unwrap();
        if workers["workers"][0]["draining"] == true { Ok(()) } else { Err(workers) }
    })
    .await;
}

/// A command that ends once there is such a file.
fn until_there(file: &Path) -> String {
    format!("while [ ! -e '{}' ]; do sleep 0.05; done", file.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_curl_runs_a_command_and_the_next_one_says_how_it_went() {
    let database = TestDatabase::create().await;
    let fleet = fleet(database.url()).start().await.unwrap();
    let api = fleet.api();
    let accepted = api.schedule("echo hello", 0.5).await.unwrap();
    assert_eq!(accepted["command"], "echo hello");
    assert!(accepted["scheduled_at"].as_str().unwrap().ends_with('Z'), "{accepted}");

    api.wait_terminal(id(&accepted), LIMIT).await;
    let status = api.status(id(&accepted)).await.unwrap();
    assert_eq!((&status["state"], &status["exit_code"]), (&json!("completed"), &json!(0)));
    let at = |field: &str| status[field].as_str().unwrap_or_else(|| panic!("{field} of {status}")).to_owned();
    let order = [at("scheduled_at"), at("picked_at"), at("started_at"), at("completed_at")];
    assert!(order.is_sorted(), "{order:?}");
    assert!(status["failed_at"].is_null());
    assert_eq!(api.output(id(&accepted)).await.unwrap()["stdout"]["head"], "hello\n");
    let workers = api.workers().await.unwrap();
    assert_eq!(workers["workers"][0]["state"], "alive", "{workers}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_told_to_stop_finishes_what_runs_and_takes_nothing_new() {
    let database = TestDatabase::create().await;
    let fleet = fleet(database.url()).start().await.unwrap();
    let api = fleet.api();
    let go = fleet.worker(0).folder().join("go");
    let running = api.schedule(&format!("{}; echo through", until_there(&go)), 0.0).await.unwrap();
    wait_running(&fleet, id(&running)).await;
    fleet.worker(0).process().terminate().unwrap();
    is_draining(&fleet).await;
    let late = api.schedule("echo late", 0.2).await.unwrap();
    // Once it is due, that is all there is to say of it.
    eventually(LIMIT, "a due task to be left alone", || async {
        let why = api.get(&format!("/v1/tasks/{}/why", id(&late))).await?.accepted()?;
        match why["reasons"][0]["code"].as_str() {
            Some("only_draining") => Ok(()),
            _ => Err(anyhow::anyhow!("{why}")),
        }
    })
    .await;
    std::fs::write(&go, "").unwrap();
    assert!(fleet.worker(0).process().wait(LIMIT).await.success());
    let ended = api.wait_terminal(id(&running), LIMIT).await;
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("completed"), &json!(1)), "{ended}");
    assert_eq!(api.task(id(&late)).await.unwrap()["state"], "pending");
    fleet.worker(0).start_again().await.unwrap();
    assert_eq!(api.wait_terminal(id(&late), LIMIT).await["state"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_outlasts_the_drain_is_interrupted_and_run_again() {
    let database = TestDatabase::create().await;
    let fleet = fleet(database.url()).worker_flag("--drain_timeout=300ms").start().await.unwrap();
    let api = fleet.api();
    let task = api.schedule("[ $DISTRACK_ATTEMPT -ge 2 ] || sleep 60", 0.0).await.unwrap();
    wait_running(&fleet, id(&task)).await;
    fleet.worker(0).process().terminate().unwrap();
    assert!(fleet.worker(0).process().wait(LIMIT).await.success());
    fleet.worker(0).start_again().await.unwrap();
    let ended = api.wait_terminal(id(&task), LIMIT).await;
    assert_eq!(
        (&ended["state"], &ended["attempt"], &ended["failures"]),
        (&json!("completed"), &json!(2), &json!(0))
    );
    let attempts = api.attempts(id(&task)).await.unwrap();
    assert_eq!(attempts["attempts"][0]["cause"], "interrupted", "{attempts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_that_comes_back_gives_its_tasks_back_at_once() {
    let database = TestDatabase::create().await;
    // The lease of 30 s is far longer than this test may take.
    let fleet = fleet(database.url()).start().await.unwrap();
    let api = fleet.api();
    let task = api.schedule("[ $DISTRACK_ATTEMPT -ge 2 ] || sleep 20", 0.0).await.unwrap();
    wait_running(&fleet, id(&task)).await;
    fleet.worker(0).kill().unwrap();
    fleet.worker(0).start_again().await.unwrap();
    let ended = api.wait_terminal(id(&task), Duration::from_secs(15)).await;
    assert_eq!((&ended["state"], &ended["losses"]), (&json!("completed"), &json!(1)), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_coordinator_is_killed_moves_on_and_its_command_is_not_run_again() {
    let database = TestDatabase::create().await;
    let fleet = fleet(database.url()).coordinators(2).start().await.unwrap();
    let api = fleet.api();
    let go = fleet.worker(0).folder().join("go");
    let task = api.schedule(&format!("{}; echo through", until_there(&go)), 0.0).await.unwrap();
    wait_running(&fleet, id(&task)).await;
    fleet.coordinator(0).kill().unwrap();
    std::fs::write(&go, "").unwrap();
    let ended = api.wait_terminal(id(&task), LIMIT).await;
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("completed"), &json!(1)), "{ended}");
    let next = api.schedule("echo next", 0.0).await.unwrap();
    assert_eq!(api.wait_terminal(id(&next), LIMIT).await["state"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_worker_on_one_state_directory_is_refused_by_name() {
    let database = TestDatabase::create().await;
    let fleet = fleet(database.url()).start().await.unwrap();
    let state = fleet.worker(0).folder().join("state");
    let arguments = [
        "worker".to_owned(),
        "--worker_port=:0".to_owned(),
        "--metrics_port=:0".to_owned(),
        format!("--coordinator={}", fleet.coordinator(0).address()),
        format!("--state_dir={}", state.display()),
    ];
    let folder = tempfile::tempdir().unwrap();
    let second = Process::start(Launch::new("second", PROGRAM, &arguments, folder.path())).unwrap();
    assert!(!second.wait(LIMIT).await.success(), "{}", second.log());
    assert!(second.log().contains(&state.display().to_string()), "{}", second.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_database_refuses_submissions_and_loses_no_result() {
    let database = TestDatabase::create().await;
    let mut proxy = Proxy::before(&database.url()).await.unwrap();
    let fleet = fleet(proxy.url().to_owned()).start().await.unwrap();
    let api = fleet.api();
    let go = fleet.worker(0).folder().join("go");
    let task = api.schedule(&format!("{}; echo survived", until_there(&go)), 0.0).await.unwrap();
    wait_running(&fleet, id(&task)).await;
    proxy.cut().await;

    let body = json!({"command": "true"});
    let refused = eventually(LIMIT, "a refusal", || async {
        let answer = api.post("/v1/tasks", &body).await.unwrap();
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    // It ends while nobody can record it.
    std::fs::write(&go, "").unwrap();
    eventually(LIMIT, "the result in the spool", || async {
        let metrics = fleet.worker(0).admin().get("/metrics").await.unwrap().text();
        metrics.lines().any(|line| line == "distrack_spool_records 1").then_some(())
    })
    .await;

    proxy.mend().await.unwrap();
    let ended = api.wait_terminal(id(&task), LIMIT).await;
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("completed"), &json!(1)), "{ended}");
    assert_eq!(api.output(id(&task)).await.unwrap()["stdout"]["head"], "survived\n");
}
