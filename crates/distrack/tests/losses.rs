//! What becomes of tasks whose worker is killed, cut off or stopped, with real processes over PostgreSQL.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_testkit::{
    Api, Fleet, FleetBuilder, Launch, Process, Proxy, TestDatabase, eventually, free_port,
};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_distrack");
const LIMIT: Duration = Duration::from_secs(60);

fn fleet(database: &TestDatabase) -> FleetBuilder {
    Fleet::builder(PROGRAM, database.url())
}

fn id(task: &Value) -> &str {
    task["task_id"].as_str().unwrap()
}

async fn wait_state(fleet: &Fleet, task: &Value, state: &str) {
    eventually(LIMIT, format!("a task that is {state}"), || async {
        let seen = fleet.api().task(id(task)).await.unwrap();
        if seen["state"] == state { Ok(()) } else { Err(seen) }
    })
    .await;
}

async fn contents(path: &Path) -> String {
    eventually(LIMIT, format!("{}", path.display()), || async {
        std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'))
    })
    .await
}

/// Whether a process is there and no zombie.
fn runs(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).join("exe").read_link().is_ok()
}

/// A command that writes its process's number into a file, whole or not at all, and then goes on for a minute.
fn stays(pid_file: &Path) -> String {
    format!("echo $$ >{0}.new; mv {0}.new {0}; exec sleep 60", pid_file.display())
}

fn file(fleet: &Fleet, name: &str) -> PathBuf {
    fleet.worker(0).folder().join(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_worker_left_is_dead_before_its_task_runs_again() {
    let database = TestDatabase::create().await;
    let fleet = fleet(&database).start().await.unwrap();
    let (plain, daemon) = (file(&fleet, "plain"), file(&fleet, "daemon"));
    // The second attempt tells whether it is alone.
    let line = format!(
        "if [ $DISTRACK_ATTEMPT -ge 2 ]; then for f in {plain} {daemon}; do \
         [ -e /proc/$(cat $f)/exe ] && exit 9; done; exit 0; fi; \
         setsid sh -c '{left}' </dev/null >/dev/null 2>&1 & {stays}",
        plain = plain.display(),
        daemon = daemon.display(),
        left = stays(&daemon),
        stays = stays(&plain),
    );
    let task = fleet.api().schedule(&line, 0.0).await.unwrap();
    let left = [contents(&plain).await, contents(&daemon).await];
    wait_state(&fleet, &task, "running").await;
    fleet.worker(0).kill().unwrap();
    assert!(left.iter().all(|pid| runs(pid)), "a kill of the worker ends what it runs: nothing is tested");
    fleet.worker(0).start_again().await.unwrap();
    assert!(!left.iter().any(|pid| runs(pid)), "something lives after the registration");
    let ended = fleet.api().wait_terminal(id(&task), LIMIT).await;
    assert_eq!((&ended["state"], &ended["losses"]), (&json!("completed"), &json!(1)), "{ended}");
    let log = fleet.worker(0).process().log();
    assert!(log.contains("left running"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_left_its_command_is_killed_after_it_and_the_next_commands_are_left_alone() {
    let database = TestDatabase::create().await;
    let fleet = fleet(&database).start().await.unwrap();
    let api = fleet.api();
    let go = file(&fleet, "go");
    let until_go = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    let beside = api.schedule(&until_go, 0.0).await.unwrap();
    wait_state(&fleet, &beside, "running").await;
    // One of them hides whose it is: it has to go when everything that ran beside it has ended.
    let (marked, hidden) = (file(&fleet, "marked"), file(&fleet, "hidden"));
    let daemon = |env: &str, pid: &Path| {
        format!("setsid {env} /bin/sh -c '{}' </dev/null >/dev/null 2>&1 &", stays(pid))
    };
    let line = format!(
        "{} {} while [ ! -e {m} ] || [ ! -e {h} ]; do sleep 0.05; done",
        daemon("", &marked),
        daemon("env -i PATH=/usr/bin:/bin", &hidden),
        m = marked.display(),
        h = hidden.display(),
    );
    let task = api.schedule(&line, 0.0).await.unwrap();
    let ended = api.wait_terminal(id(&task), LIMIT).await;
    assert_eq!(ended["state"], "completed", "{ended}");
    let (marked, hidden) = (contents(&marked).await, contents(&hidden).await);
    eventually(LIMIT, "the end of the daemon", || async { (!runs(&marked)).then_some(()) }).await;
    assert!(runs(&hidden), "it could as well be of the command that still runs");
    std::fs::write(&go, "").unwrap();
    assert_eq!(api.wait_terminal(id(&beside), LIMIT).await["state"], "completed");
    eventually(LIMIT, "the end of the other one", || async { (!runs(&hidden)).then_some(()) }).await;
    // Buried as well: a worker that adopts must not keep the dead.
    eventually(LIMIT, "their burial", || async {
        let there = |pid: &str| Path::new("/proc").join(pid.trim()).exists();
        (!there(&marked) && !there(&hidden)).then_some(())
    })
    .await;
    eventually(LIMIT, "both counted", || async {
        let metrics = fleet.worker(0).admin().get("/metrics").await.unwrap().text();
        let counted = metrics.lines().find(|line| line.starts_with("distrack_processes_escaped_total "));
        let counted = counted.and_then(|line| line.rsplit(' ').next()?.parse::<u32>().ok());
        if counted.is_some_and(|counted| counted >= 2) { Ok(()) } else { Err(format!("{counted:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_kills_its_worker_is_poison_after_three_and_can_be_retried_and_harms_no_other() {
    let database = TestDatabase::create().await;
    let fleet = fleet(&database).workers(2).start().await.unwrap();
    let api = fleet.api();
    let (go, cured) = (file(&fleet, "go"), file(&fleet, "cured"));
    let until_go = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    let mut innocent = Vec::new();
    for _ in 0..4 {
        innocent.push(api.schedule(&until_go, 0.0).await.unwrap());
    }
    for task in &innocent {
        wait_state(&fleet, task, "running").await;
    }
    let line = format!("[ -e {} ] || kill -9 $PPID", cured.display());
    let poison = api.schedule(&line, 0.0).await.unwrap();
    for losses in 1..=3 {
        let killed = eventually(LIMIT, "a worker to be killed", || async {
            (0..2).find(|n| fleet.worker(*n).process().ended().is_some())
        })
        .await;
        std::fs::write(&go, "").unwrap();
        fleet.worker(killed).start_again().await.unwrap();
        eventually(LIMIT, "the loss", || async {
            let seen = api.task(id(&poison)).await.unwrap();
            if seen["losses"].as_u64() >= Some(losses) { Ok(()) } else { Err(seen) }
        })
        .await;
    }
    let ended = api.wait_terminal(id(&poison), LIMIT).await;
    assert_eq!((&ended["state"], &ended["losses"]), (&json!("failed"), &json!(3)), "{ended}");
    assert!(ended["error"].as_str().unwrap().starts_with("poison"), "{ended}");
    let why = api.get(&format!("/v1/tasks/{}/why", id(&poison))).await.unwrap().accepted().unwrap();
    assert!(why.to_string().contains("poison"), "{why}");
    for task in &innocent {
        let ended = api.wait_terminal(id(task), LIMIT).await;
        assert_eq!(ended["state"], "completed", "{ended}");
    }
    std::fs::write(&cured, "").unwrap();
    let retry = api.post(&format!("/v1/tasks/{}/retry", id(&poison)), &json!({})).await.unwrap();
    let again = retry.accepted().unwrap();
    let ended = api.wait_terminal(id(&again), LIMIT).await;
    assert_eq!(ended["state"], "completed", "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_of_all_coordinators_for_twice_the_lease_runs_nothing_again() {
    let database = TestDatabase::create().await;
    let lease = Duration::from_secs(9);
    let fleet = fleet(&database).coordinators(2).workers(2).lost_after(lease).start().await.unwrap();
    let api = fleet.api();
    let go = file(&fleet, "go");
    let line = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(api.schedule(&line, 0.0).await.unwrap());
    }
    for task in &held {
        wait_state(&fleet, task, "running").await;
    }
    (0..2).for_each(|n| fleet.coordinator(n).kill().unwrap());
    eventually(LIMIT, "leases that ran out long ago", || async {
        let workers = api.workers().await.unwrap();
        let now = now(&fleet).await;
        let lapsed = |worker| lapsed_for(worker, now) > lease;
        if workers["workers"].as_array().unwrap().iter().all(lapsed) { Ok(()) } else { Err(workers) }
    })
    .await;
    for n in 0..2 {
        fleet.coordinator(n).start_again().await.unwrap();
    }
    // Work that comes later shows that the workers are back; only then may the commands end.
    let next = api.schedule("echo back", 0.0).await.unwrap();
    assert_eq!(api.wait_terminal(id(&next), LIMIT).await["state"], "completed");
    eventually(LIMIT, "both workers alive", || async {
        let workers = api.workers().await.unwrap();
        let alive = workers["workers"].as_array().unwrap().iter().filter(|w| w["state"] == "alive").count();
        if alive == 2 { Ok(()) } else { Err(workers) }
    })
    .await;
    std::fs::write(&go, "").unwrap();
    for task in &held {
        let ended = api.wait_terminal(id(task), LIMIT).await;
        let told = (&ended["state"], &ended["attempt"], &ended["losses"]);
        assert_eq!(told, (&json!("completed"), &json!(1), &json!(0)), "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_alone_lost_the_database_sends_its_workers_to_another_in_time() {
    let database = TestDatabase::create().await;
    let lease = Duration::from_secs(9);
    let fleet = fleet(&database).workers(0).lost_after(lease).start().await.unwrap();
    let mut proxy = Proxy::before(&database.url()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = |role: &str, flags: &[String]| {
        let arguments: Vec<_> = [role.to_owned()].into_iter().chain(flags.iter().cloned()).collect();
        Process::start(Launch::new(role, PROGRAM, &arguments, folder.path())).unwrap()
    };
    let (port, admin) = (free_port(), free_port());
    let _cut_off = start(
        "coordinator",
        &[
            format!("--coordinator_port=:{port}"),
            format!("--metrics_port=:{admin}"),
            format!("--database_url={}", proxy.url()),
            format!("--lost_after={}s", lease.as_secs()),
            "--heartbeat_interval=1500ms".to_owned(),
        ],
    );
    let ready = Api::new(format!("http://127.0.0.1:{admin}"));
    ready.wait_ready(LIMIT).await;
    let _worker = start(
        "worker",
        &[
            "--worker_port=:0".to_owned(),
            "--metrics_port=:0".to_owned(),
            format!("--coordinator=127.0.0.1:{port},{}", fleet.coordinator(0).address()),
            format!("--state_dir={}", folder.path().join("state").display()),
            format!("--output_dir={}", folder.path().join("output").display()),
        ],
    );
    let go = folder.path().join("go");
    let line = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    let task = fleet.api().schedule(&line, 0.0).await.unwrap();
    wait_state(&fleet, &task, "running").await;
    let attached = || async {
        let metrics = fleet.coordinator(0).admin().get("/metrics").await.unwrap().text();
        metrics.lines().any(|line| line == "distrack_attached_workers 1")
    };
    assert!(!attached().await, "it is with the other one already");
    proxy.cut().await;
    eventually(LIMIT, "the worker to move", || async { attached().await.then_some(()) }).await;
    std::fs::write(&go, "").unwrap();
    let ended = fleet.api().wait_terminal(id(&task), LIMIT).await;
    let told = (&ended["state"], &ended["attempt"], &ended["losses"]);
    assert_eq!(told, (&json!("completed"), &json!(1), &json!(0)), "{ended}");
}

/// How long ago the worker's lease ran out at `now`; nothing if it has not.
fn lapsed_for(worker: &Value, now: DateTime<Utc>) -> Duration {
    let over: DateTime<Utc> = worker["lease_expires_at"].as_str().unwrap().parse().unwrap();
    (now - over).to_std().unwrap_or_default()
}

/// The database's clock, told by a task that never runs.
async fn now(fleet: &Fleet) -> DateTime<Utc> {
    let task = fleet.api().schedule("true", 3600.0).await.unwrap();
    fleet.api().task(id(&task)).await.unwrap()["created_at"].as_str().unwrap().parse().unwrap()
}
