//! Commands that do what no command should.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::criteria::no_false_poison;
use crate::api::Api;
use crate::chaos::boot::Boot;
use crate::chaos::checker::Violation;
use crate::chaos::dump::{cause, state};
use crate::chaos::effects::{lives, processes_of_tasks};
use crate::chaos::history::History;
use crate::chaos::load::Habits;
use crate::chaos::scene::{Notes, Scene};
use crate::chaos::world::Plan;

const SECOND: Duration = Duration::from_secs(1);
const TASK_LIMIT: Duration = Duration::from_secs(60);
/// What a worker keeps of a stream.
const CAP: u64 = 64 * 1024 * 1024;

/// A light load: the commands themselves are what matters.
pub(super) fn light(_: &mut Plan, habits: &mut Habits) {
    habits.clients = 2;
    habits.pause = Duration::from_millis(250);
}

/// Waits for the end of a task; null if it never ends, which is written down.
async fn end_of(scene: &Scene, task: &str) -> Value {
    let api = scene.api();
    let ended = || async {
        let state = api.task(task).await.map(|task| task["state"].as_str().unwrap_or_default().to_owned());
        state.is_ok_and(|state| !matches!(state.as_str(), "pending" | "dispatched" | "running"))
    };
    if !scene.until(TASK_LIMIT, ended).await {
        scene.violate(format!("task {task} did not end within {TASK_LIMIT:?}"));
        return Value::Null;
    }
    scene.api().task(task).await.unwrap_or_default()
}

/// Writes down what is not as it must be.
fn expect(scene: &Scene, task: &Value, field: &str, expected: &Value) {
    if task[field] != *expected {
        scene.violate(format!("{field} is {}, not {expected}: {task}", task[field]));
    }
}

/// Waits until the command of a task says that it runs.
async fn started(scene: &Scene, task: &str) -> bool {
    scene.until(TASK_LIMIT, || async { scene.open().iter().any(|run| run.task == task) }).await
}

/// F26.
pub(super) async fn ignore_sigterm(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let deaf = "trap '' TERM; while :; do sleep 0.2; done";
    let timed = scene.submit("deaf", deaf, &json!({"timeout": "500ms"})).await?;
    let cancelled = scene.submit("deaf", deaf, &json!({})).await?;
    started(scene, &cancelled).await;
    scene.api().cancel(&cancelled).await?;
    let asked = Boot::now();
    let task = end_of(scene, &cancelled).await;
    expect(scene, &task, "state", &json!("cancelled"));
    let limit = scene.world.plan.kill_grace + SECOND + scene.rules().slack;
    let took = Boot::now().since(asked);
    scene.figure("a deaf command is gone after its cancel", format!("{took:?} of {limit:?}"));
    if took > limit {
        scene.violate(format!("the end of a deaf command took {took:?}"));
    }
    let task = end_of(scene, &timed).await;
    expect(scene, &task, "state", &json!("failed"));
    expect(scene, &task, "cause", &json!("timeout"));
    let left = processes_of_tasks(|task| task == timed || task == cancelled);
    if !left.is_empty() {
        scene.violate(format!("its group lives on: {left:?}"));
    }
    scene.goes_on(5).await;
    Ok(())
}

/// F27.
pub(super) async fn daemonise(scene: &Scene) -> Result<()> {
    scene.notes().may_escape = true;
    scene.warm().await;
    let script = "(setsid sh -c 'sleep 40' >/dev/null 2>&1 </dev/null &) ; sleep 0.2";
    let done = scene.submit("escapes", script, &json!({})).await?;
    let cancelled = scene.submit("escapes", &format!("{script}; sleep 30"), &json!({})).await?;
    started(scene, &cancelled).await;
    scene.until(5 * SECOND, || async { processes_of_tasks(|task| task == cancelled).len() >= 3 }).await;
    scene.api().cancel(&cancelled).await?;
    for (task, state) in [(&done, "completed"), (&cancelled, "cancelled")] {
        let end = end_of(scene, task).await;
        expect(scene, &end, "state", &json!(state));
        let gone = || async { processes_of_tasks(|one| one == task).is_empty() };
        let found = scene.until(scene.world.plan.kill_grace + scene.rules().slack, gone).await;
        let told =
            || (scene.world.workers.iter()).any(|worker| tells_of_escape(&worker.process().log(), task));
        scene.figure(format!("a daemon of a {state} task"), if found { "killed" } else { "lives" });
        if !found && !told() {
            scene.violate(format!("a daemon of the {state} task {task} lives on and nobody says `escaped`"));
        }
    }
    scene.goes_on(5).await;
    Ok(())
}

fn tells_of_escape(log: &str, task: &str) -> bool {
    log.lines().any(|line| line.contains(task) && line.contains("escaped"))
}

/// F28.
pub(super) async fn leave_child_with_stdout(scene: &Scene) -> Result<()> {
    scene.notes().may_escape = true;
    scene.warm().await;
    let task = scene.submit("parent", "sleep 30 & echo parent", &json!({})).await?;
    let end = end_of(scene, &task).await;
    expect(scene, &end, "state", &json!("completed"));
    scene.notes().attempts.insert("parent", vec![(task.clone(), 1)]);
    let printed = scene.api().output(&task).await?;
    expect(scene, &printed["stdout"], "head", &json!("parent\n"));
    scene.goes_on(5).await;
    Ok(())
}

/// F28: the end is recorded two seconds after the exit at the latest.
pub(super) fn the_parent_ends_it(history: &History, notes: &Notes) -> Vec<Violation> {
    let limit = 2 * SECOND + history.rules.slack;
    let mut found = Vec::new();
    for (task, epoch) in notes.attempts.get("parent").into_iter().flatten() {
        let recorded = history.database.steps.iter().find(|step| step.task == *task && step.new_state >= 3);
        let ended = super::criteria::run_of(history, task, *epoch).and_then(|run| run.ended);
        match (recorded, ended) {
            (Some(step), Some((at, _))) if step.at().since(at) <= limit => {}
            (step, ended) => {
                let what =
                    format!("its command ended at {ended:?}, recorded at {:?}", step.map(|step| step.at()));
                found.push(Violation::of("F28", task, what));
            }
        }
    }
    found
}

/// F29.
pub(super) async fn print_without_end(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let peak = |worker: usize| memory(scene.world.workers[worker].process().pid(), "VmHWM");
    let before: Vec<u64> = (0..2).map(peak).collect();
    let mut tasks = Vec::new();
    // One line without an end, and lines.
    for script in ["head -c 250000000 /dev/zero", "yes 0123456789 | head -c 250000000"] {
        tasks.push(scene.submit("prints", script, &json!({})).await?);
    }
    let drops = "i=0; while [ $i -lt 2000 ]; do printf x; i=$((i+1)); done";
    let small = scene.submit("prints", drops, &json!({})).await?;
    for task in &tasks {
        let end = end_of(scene, task).await;
        expect(scene, &end, "state", &json!("completed"));
        let output = scene.api().output(task).await?;
        expect(scene, &output["stdout"], "bytes", &json!(250_000_000));
        for worker in &scene.world.workers {
            let file = worker.folder().join("output").join(task).join("1.stdout");
            let size = std::fs::metadata(file).map_or(0, |file| file.len());
            // With a line that says that more was printed.
            if size > CAP + 4096 {
                scene.violate(format!("{size} bytes are kept of {CAP}"));
            }
        }
    }
    end_of(scene, &small).await;
    let output = scene.api().output(&small).await?;
    expect(scene, &output["stdout"], "bytes", &json!(2_000));
    for (worker, before) in before.iter().enumerate() {
        let grown = peak(worker).saturating_sub(*before);
        scene.figure(format!("memory that worker-{worker} took more, at most"), format!("{grown} KiB"));
        // Two streams at once, 20 MB each.
        if grown > 40 * 1024 {
            scene.violate(format!("worker-{worker} grew by {grown} KiB"));
        }
    }
    scene.goes_on(5).await;
    Ok(())
}

/// A line of `/proc/<pid>/status`, in KiB.
fn memory(pid: Option<u32>, name: &str) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", pid.unwrap_or_default())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// F30.
pub(super) async fn print_rubbish(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let rubbish: &[u8] = b"\x00\xff\xfe\x01\x1b[31mred\x1b[0m\xc3(\n\x00";
    let script = r"printf '\000\377\376\001\033[31mred\033[0m\303(\n\000'";
    let task = scene.submit("rubbish", script, &json!({})).await?;
    let end = end_of(scene, &task).await;
    expect(scene, &end, "state", &json!("completed"));
    let raw = scene.api().get(&format!("/v1/tasks/{task}/output?stream=stdout")).await?;
    if raw.bytes != rubbish {
        scene.violate(format!("stored is {:?}, not {rubbish:?}", raw.bytes));
    }
    scene.api().output(&task).await.context("the output as JSON")?;
    let files =
        scene.world.workers.iter().map(|worker| worker.folder().join("output").join(&task).join("1.stdout"));
    if !files.filter_map(|file| std::fs::read(file).ok()).any(|bytes| bytes == rubbish) {
        scene.violate("no file holds the bytes as they were printed");
    }
    // An error text of 6 MiB, some of it no UTF-8, beside both streams at their fullest.
    let script = r"head -c 6000000 /dev/urandom >&2; head -c 6000000 /dev/urandom; (exit 3)";
    let task = scene.submit("rubbish", script, &json!({})).await?;
    let end = end_of(scene, &task).await;
    expect(scene, &end, "state", &json!("failed"));
    expect(scene, &end, "exit_code", &json!(3));
    let output = scene.api().output(&task).await?;
    expect(scene, &output["stderr"], "bytes", &json!(6_000_000));
    scene.goes_on(5).await;
    Ok(())
}

/// F31: what cannot be started ends, and says so.
pub(super) async fn cannot_start(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let api = scene.api();
    let labels = json!({"kind": "raw"});
    let too_long = "x".repeat(200 * 1024);
    let refused = api.post("/v1/tasks", &json!({"command": too_long, "labels": labels})).await?;
    if !matches!(refused.status, 400 | 413 | 422) {
        scene.violate(format!("a command of 200 KB is answered with {}", refused.status));
    }
    let noexec = scene.world.root.join("noexec");
    std::fs::write(&noexec, "#!/bin/sh\n")?;
    let bad = [
        ("ENOENT", json!({"argv": ["/nonexistent/program"]})),
        ("EACCES", json!({"argv": [noexec]})),
        ("a bad directory", json!({"command": "true", "cwd": "/nonexistent"})),
    ];
    for (what, mut body) in bad {
        body["labels"] = labels.clone();
        body["max_attempts"] = json!(3);
        let task = api.submit(&body).await?;
        let end = end_of(scene, task["task_id"].as_str().unwrap_or_default()).await;
        expect(scene, &end, "state", &json!("failed"));
        expect(scene, &end, "cause", &json!("spawn_failed"));
        scene.figure(what, &end["error"]);
    }
    scene.goes_on(5).await;
    Ok(())
}

/// F36.
pub(super) async fn cancel_storm(scene: &Scene) -> Result<()> {
    scene.warm().await;
    for _ in 0..5 {
        scene.goes_on(10).await;
        let mut tasks = Vec::new();
        for n in 0..40 {
            tasks.push(scene.submit("stormed", &format!("sleep 0.{}", n % 10), &json!({})).await?);
        }
        let running = scene.api().tasks("state=running&limit=1000").await?;
        let running = running["tasks"].as_array().cloned().unwrap_or_default();
        tasks.extend(running.iter().filter_map(|task| task["task_id"].as_str().map(str::to_owned)));
        let api = scene.api();
        let answers = tasks.iter().map(|task| {
            let api = api.clone();
            async move { cancelled(&api, task).await }
        });
        for answer in futures::future::join_all(answers).await {
            let status = answer?;
            // 409 is for one that has ended.
            if !matches!(status, 200 | 202 | 409) {
                scene.violate(format!("a cancel was answered with {status}"));
            }
        }
    }
    Ok(())
}

/// What a cancel is answered with. Beyond its limits a scheduler says 503, and is asked again, as by any client.
async fn cancelled(api: &Api, task: &str) -> Result<u16> {
    let deadline = tokio::time::Instant::now() + TASK_LIMIT;
    loop {
        let answer = api.post(&format!("/v1/tasks/{task}/cancel"), &json!({})).await?;
        if answer.status != 503 || tokio::time::Instant::now() >= deadline {
            return Ok(answer.status);
        }
        tokio::time::sleep(SECOND / 2).await;
    }
}

/// F38.
pub(super) async fn poison(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let task = scene.submit("poison", "kill -9 $PPID; sleep 5", &json!({"max_attempts": 10})).await?;
    let api = scene.api();
    let deadline = tokio::time::Instant::now() + TASK_LIMIT;
    let mut seen: Vec<Boot> = scene.world.workers.iter().map(|_| Boot::now()).collect();
    let mut kills = 0;
    // Who supervises workers starts them again.
    loop {
        for (n, worker) in scene.world.workers.iter().enumerate() {
            let alive = worker.process().is_running();
            if alive && worker.process().pid().is_some_and(|pid| i32::try_from(pid).is_ok_and(lives)) {
                seen[n] = Boot::now();
                continue;
            }
            kills += 1;
            scene.cut_begins(n);
            if let Some(cut) = scene.notes().cuts.last_mut() {
                cut.from = seen[n];
            }
            // Its threads may take a moment to be gone after its first one.
            worker.kill()?;
            worker.start_again().await?;
            scene.cut_ends(n);
            seen[n] = Boot::now();
        }
        let ended = api.task(&task).await.is_ok_and(|task| task["failed_at"].is_string());
        if ended || tokio::time::Instant::now() >= deadline {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scene.figure("workers that it killed", kills);
    let end = end_of(scene, &task).await;
    expect(scene, &end, "state", &json!("failed"));
    expect(scene, &end, "cause", &json!("worker_lost"));
    // More than three if an innocent one was on its last chance beside it.
    if !end["losses"].as_i64().is_some_and(|losses| (3..=6).contains(&losses)) {
        scene.violate(format!("it was given up after {} losses", end["losses"]));
    }
    if !end["error"].as_str().is_some_and(|error| error.contains("poison")) {
        scene.violate(format!("its error does not say what it is: {}", end["error"]));
    }
    scene.goes_on(20).await;
    Ok(())
}

/// F38: nobody else is quarantined.
pub(super) fn others_are_unharmed(history: &History, _: &Notes) -> Vec<Violation> {
    let mut found = no_false_poison("F38", history);
    let harmed = history.database.tasks.values().filter(|task| {
        let poisoned =
            task.state == state::FAILED && task.cause == Some(cause::WORKER_LOST) && task.on_lost == 0;
        poisoned && task.kind.as_deref() != Some("poison")
    });
    found.extend(harmed.map(|task| Violation::of("F38", &task.id, "it was quarantined beside the poison")));
    found
}
