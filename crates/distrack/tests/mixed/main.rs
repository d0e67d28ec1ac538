//! Two coordinators, three workers, 2,000 mixed tasks, and one of each killed −9 on the way: every task
//! reaches its right end, none starts early, and what was printed is right byte for byte.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod kinds;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_testkit::{Api, Fleet, Member, TestDatabase, eventually};
use kinds::{KINDS, Kind};
use serde_json::Value;

const TASKS: usize = 2_000;
const LIMIT: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_task_reaches_its_right_end_although_a_worker_and_a_coordinator_are_killed() {
    let database = TestDatabase::create().await;
    let fleet = Fleet::builder(env!("CARGO_BIN_EXE_distrack"), database.url())
        .coordinators(2)
        .workers(3)
        .worker_flag("--slots=16")
        .lost_after(Duration::from_secs(3))
        .start()
        .await
        .unwrap();
    let api = fleet.api();
    let effects = tempfile::NamedTempFile::new().unwrap();

    let kinds = submit(&api, effects.path()).await;
    let cancelling = tokio::spawn(cancel_running(api.clone()));
    cancel_pending(&api, &kinds).await;

    ended(&api, TASKS / 4).await;
    is_busy(&api, fleet.worker(0)).await;
    fleet.worker(0).kill().unwrap();
    ended(&api, TASKS / 2).await;
    one_that_hears(&fleet).await.kill().unwrap();

    let tasks = ended(&api, TASKS).await;
    cancelling.await.unwrap();
    assert_eq!(tasks.len(), TASKS);
    let hit = tasks.iter().filter(|task| task["losses"].as_u64() > Some(0)).count();
    assert!(hit > 0, "the worker was killed with nothing in its hands");
    let effects = read_effects(effects.path());
    for task in &tasks {
        check_common(task, &effects);
        kinds[id(task)].check(task, &api, &fleet).await;
    }
}

fn id(task: &Value) -> &str {
    task["task_id"].as_str().unwrap()
}

/// Submits all tasks in batches and returns which is of which kind.
async fn submit(api: &Api, effects: &Path) -> HashMap<String, &'static Kind> {
    let mut kinds = HashMap::new();
    let numbers: Vec<usize> = (0..TASKS).collect();
    for batch in numbers.chunks(100) {
        let bodies: Vec<Value> = batch.iter().map(|n| KINDS[n % KINDS.len()].body(*n, effects)).collect();
        let accepted = api.submit_batch(&bodies).await.unwrap();
        for (n, task) in batch.iter().zip(accepted) {
            kinds.insert(id(&task).to_owned(), &KINDS[n % KINDS.len()]);
        }
    }
    kinds
}

async fn cancel_pending(api: &Api, kinds: &HashMap<String, &'static Kind>) {
    for (id, _) in kinds.iter().filter(|(_, kind)| kind.name == "cancel_pending") {
        assert_eq!(api.cancel(id).await.unwrap()["state"], "cancelled");
    }
}

/// Cancels each task of the kind as soon as it runs.
async fn cancel_running(api: Api) {
    let all = TASKS / KINDS.len();
    let done = eventually(LIMIT, "the cancelling of running tasks", || async {
        let running = api.tasks("label=kind=cancel_running&state=running&limit=1000").await?;
        for task in running["tasks"].as_array().unwrap() {
            // One that ends meanwhile is refused, and was cancelled already.
            let _ = api.cancel(id(task)).await;
        }
        let cancelled = api.tasks("label=kind=cancel_running&state=cancelled&limit=1000").await?;
        let cancelled = cancelled["tasks"].as_array().unwrap().len();
        if cancelled == all { Ok(()) } else { Err(anyhow::anyhow!("{cancelled} of {all}")) }
    });
    done.await;
}

/// Waits until so many tasks are terminal, and returns all.
async fn ended(api: &Api, count: usize) -> Vec<Value> {
    eventually(LIMIT, format!("the end of {count} tasks"), || async {
        let (tasks, mut states) = (all_tasks(api).await?, BTreeMap::new());
        for task in &tasks {
            *states.entry(task["state"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
        }
        let open: usize =
            ["pending", "dispatched", "running"].iter().filter_map(|state| states.get(*state)).sum();
        if tasks.len() - open >= count { Ok(tasks) } else { Err(anyhow::anyhow!("{states:?}")) }
    })
    .await
}

async fn all_tasks(api: &Api) -> anyhow::Result<Vec<Value>> {
    let (mut tasks, mut query) = (Vec::new(), "limit=1000".to_owned());
    loop {
        let page = api.tasks(&query).await?;
        tasks.extend(page["tasks"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=1000&cursor={cursor}"),
            None => return Ok(tasks),
        }
    }
}

/// Waits until the worker has its hands full, so that its death is felt.
async fn is_busy(api: &Api, worker: &Member) {
    eventually(LIMIT, "a busy worker", || async {
        let workers = api.workers().await?;
        let workers = workers["workers"].as_array().unwrap();
        let held = workers.iter().find(|one| one["address"] == worker.address()).map(|one| &one["held"]);
        if held.and_then(Value::as_u64) > Some(8) { Ok(()) } else { Err(anyhow::anyhow!("{held:?}")) }
    })
    .await;
}

/// A coordinator that hears of a worker, so that its death is felt: workers may have moved to the other one.
async fn one_that_hears(fleet: &Fleet) -> &Member {
    let heartbeats = async |n: usize| {
        let metrics = fleet.coordinator(n).admin().get("/metrics").await.unwrap().text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("distrack_heartbeats_total "));
        line.unwrap_or("0").parse::<u64>().unwrap()
    };
    let before = [heartbeats(0).await, heartbeats(1).await];
    eventually(LIMIT, "a heartbeat", || async {
        for n in [1, 0] {
            if heartbeats(n).await > before[n] {
                return Some(fleet.coordinator(n));
            }
        }
        None
    })
    .await
}

/// A run of a command, as it wrote itself.
struct Run {
    epoch: i64,
    started: DateTime<Utc>,
}

/// The runs of each task.
fn read_effects(path: &Path) -> HashMap<String, Vec<Run>> {
    let mut effects: HashMap<String, Vec<Run>> = HashMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let [task, epoch, started]: [&str; 3] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let started = DateTime::from_timestamp_nanos(started.parse().unwrap());
        let run = Run { epoch: epoch.parse().unwrap(), started };
        effects.entry(task.to_owned()).or_default().push(run);
    }
    effects
}

/// What holds for every task, whatever its kind.
fn check_common(task: &Value, effects: &HashMap<String, Vec<Run>>) {
    let at = |field: &str| task[field].as_str().map(|text| DateTime::parse_from_rfc3339(text).unwrap());
    let scheduled = at("scheduled_at").unwrap();
    for field in ["picked_at", "started_at", "completed_at", "failed_at"] {
        assert!(at(field).is_none_or(|at| at >= scheduled), "{field} is early: {task}");
    }
    assert!(at("started_at").is_none_or(|started| started >= at("picked_at").unwrap()), "{task}");
    let runs = effects.get(id(task)).map_or(&[][..], Vec::as_slice);
    // On one machine there is one clock, and the database reads it as well.
    let early = runs.iter().find(|run| run.started < scheduled);
    assert!(early.is_none(), "ran early, at {}: {task}", early.unwrap().started);
    let epochs: Vec<i64> = runs.iter().map(|run| run.epoch).collect();
    let mut once = epochs.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), epochs.len(), "an attempt ran twice: {epochs:?} of {task}");
    let attempts = task["attempt"].as_i64().unwrap();
    assert!(epochs.len() as i64 <= attempts, "{} runs, {attempts} attempts: {task}", epochs.len());
    if task["state"] == "completed" {
        assert!(!epochs.is_empty(), "completed without having run: {task}");
    }
}
