//! Five scenarios by which queues over PostgreSQL are compared in public: how fast tasks end after a fault, as a part
//! of how fast they ended before it.
//!
//! The load is due at a fixed pace, written down before, and below what one worker can do: what is measured is
//! whether the fleet comes back, not how fast it is, nor how fast the machine is at that moment.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::boot::Boot;
use super::checker::Violation;
use super::dump::state;
use super::faults::{Fault, When};
use super::history::History;
use super::load::Habits;
use super::run::{Options, Verdict, observe};
use super::scene::{Notes, Scene};
use super::world::Plan;
use crate::postgres::Postgres;

/// How long each of the three windows is.
const WINDOW: Duration = Duration::from_secs(8);
/// From the healing to the window that is compared: what piled up has gone.
const SETTLING: Duration = Duration::from_secs(8);
/// How many tasks are due each second, and for how long.
const PACE: usize = 20;
const LASTS: usize = 90;
/// How often each scenario is run, if nobody says otherwise.
pub const ROUNDS: u64 = 3;
/// The part of the baseline that must come back.
const ENOUGH: f64 = 0.95;

/// The scenarios.
pub static SCENARIOS: [Fault; 5] = [
    scenario("postgres_restart", "the database restarts", |scene| Box::pin(restart_database(scene))),
    scenario("backend_kill", "every backend is killed, five times", |scene| Box::pin(kill_backends(scene))),
    scenario("pool_exhaustion", "every free connection is held", |scene| Box::pin(exhaust(scene))),
    scenario("crash_recovery", "one of two workers is killed -9", |scene| Box::pin(crash(scene))),
    scenario("repeated_kills", "a worker is killed -9 every 5 s", |scene| Box::pin(kill_repeatedly(scene))),
];

const fn scenario(id: &'static str, title: &'static str, act: super::faults::Act) -> Fault {
    Fault { id, title, extra: "", when: When::Full, plan, act, judge: nothing }
}

fn nothing(_: &History, _: &Notes) -> Vec<Violation> {
    Vec::new()
}

fn plan(plan: &mut Plan, habits: &mut Habits) {
    plan.own_server = true;
    plan.slots = 16;
    plan.audited = false;
    habits.clients = 2;
    habits.pause = Duration::from_millis(400);
    habits.only = Some("short");
}

/// A task of the pace. What it does is not written down: it is counted by the database.
fn due_in(seconds: f64) -> Value {
    json!({"command": "echo hello", "delay_seconds": seconds, "labels": {"kind": "raw"}})
}

/// A window before, the fault, time to settle, a window after.
async fn around(scene: &Scene, fault: impl Future<Output = Result<()>>) -> Result<()> {
    scene.notes().database_was_hurt = true;
    for second in (0..LASTS).step_by(5) {
        let tasks: Vec<Value> =
            (0..5 * PACE).map(|n| due_in(second as f64 + n as f64 / PACE as f64)).collect();
        scene.api().submit_batch(&tasks).await?;
    }
    scene.until(Duration::from_secs(60), || async { scene.watch.counts().0 >= 20 }).await;
    scene.mark("baseline");
    sleep(WINDOW).await;
    scene.mark("fault");
    fault.await?;
    scene.mark("over");
    sleep(SETTLING).await;
    scene.mark("recovered");
    sleep(WINDOW).await;
    scene.mark("end");
    cancel_the_rest(scene).await
}

/// What is not due yet is of no use any more.
async fn cancel_the_rest(scene: &Scene) -> Result<()> {
    let api = scene.api();
    loop {
        let page = api.tasks("state=pending&label=kind=raw&limit=200").await?;
        let tasks = page["tasks"].as_array().cloned().unwrap_or_default();
        if tasks.is_empty() {
            return Ok(());
        }
        let ids = tasks.iter().filter_map(|task| task["task_id"].as_str());
        // One that was claimed meanwhile ends by itself.
        join_all(ids.map(|id| api.cancel(id))).await;
    }
}

async fn restart_database(scene: &Scene) -> Result<()> {
    around(scene, async {
        tokio::task::block_in_place(|| {
            scene
                .world
                .server
                .as_ref()
                .map_or(Ok(()), |server| Postgres::stop(server).and_then(|()| server.start_again()))
        })
    })
    .await
}

async fn kill_backends(scene: &Scene) -> Result<()> {
    around(scene, async {
        for _ in 0..5 {
            let mut admin = scene.database().await?;
            sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                 AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
            )
            .execute(&mut admin)
            .await?;
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    })
    .await
}

async fn exhaust(scene: &Scene) -> Result<()> {
    around(scene, async {
        let mut held = Vec::new();
        while let Ok(connection) = scene.database().await {
            held.push(connection);
            if held.len() >= 400 {
                break;
            }
        }
        scene.figure("connections held", held.len());
        sleep(WINDOW).await;
        Ok(())
    })
    .await
}

async fn crash(scene: &Scene) -> Result<()> {
    around(scene, async {
        scene.cut_begins(1);
        scene.world.workers[1].kill()
    })
    .await
}

async fn kill_repeatedly(scene: &Scene) -> Result<()> {
    around(scene, async {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            scene.cut_begins(1);
            scene.world.workers[1].kill()?;
            scene.world.workers[1].start_again().await?;
            scene.cut_ends(1);
            sleep(Duration::from_secs(5)).await;
        }
        Ok(())
    })
    .await
}

/// How many tasks of the pace completed a second between two instants. Those of clients are as many as the machine lets
/// them be.
fn rate(history: &History, from: Boot, until: Boot) -> f64 {
    let tasks = history.database.tasks.values().filter(|task| task.kind.as_deref() == Some("raw"));
    let ended =
        tasks.filter(|task| task.state == state::COMPLETED).filter_map(|task| task.finished.map(Boot));
    ended.filter(|at| (from..until).contains(at)).count() as f64 / until.since(from).as_secs_f64().max(0.001)
}

/// Runs each scenario `rounds` times and tells the table. True if each came back far enough in the median, and
/// nothing else was wrong.
///
/// # Errors
/// If a fleet cannot be started.
pub async fn measure(options: &Options, rounds: u64, mut tell: impl FnMut(&str)) -> Result<bool> {
    let mut good = true;
    let mut table = String::from(
        "| scenario | before | during | after | after ÷ before, in the median | each |\n|---|---|---|---|---|---|\n",
    );
    for scenario in &SCENARIOS {
        let mut rows: Vec<(f64, [f64; 3])> = Vec::new();
        for round in 0..rounds {
            let options = Options { seed: options.seed + round, ..options.clone() };
            let (verdict, history, notes) = observe(scenario, &options).await?;
            good &= told(&verdict, &mut tell);
            let at = |name: &str| notes.instants.get(name).copied().unwrap_or_default();
            let before = rate(&history, at("baseline"), at("fault"));
            let during = rate(&history, at("fault"), at("over"));
            let after = rate(&history, at("recovered"), at("end"));
            tell(&format!("    {before:.1}/s before, {during:.1}/s during, {after:.1}/s after"));
            rows.push((after / before.max(0.001), [before, during, after]));
        }
        rows.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (ratio, [before, during, after]) = rows[rows.len() / 2];
        let each: Vec<String> = rows.iter().map(|(ratio, _)| format!("{ratio:.2}")).collect();
        good &= ratio >= ENOUGH;
        table += &format!(
            "| {} | {before:.1}/s | {during:.1}/s | {after:.1}/s | {ratio:.2} | {} |\n",
            scenario.title,
            each.join(", ")
        );
    }
    tell(&table);
    Ok(good)
}

fn told(verdict: &Verdict, tell: &mut impl FnMut(&str)) -> bool {
    tell(&verdict.to_string());
    verdict.is_good()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::dump::TaskRow;

    #[test]
    fn a_rate_counts_what_completed_in_its_window() {
        let mut history = History::default();
        for (n, finished) in [500, 1_000, 1_500, 2_999, 3_000].into_iter().enumerate() {
            for kind in ["raw", "short"] {
                let (state, kind) = (state::COMPLETED, Some(kind.to_owned()));
                let row =
                    TaskRow { state, kind: kind.clone(), finished: Some(finished), ..TaskRow::default() };
                history.database.tasks.insert(format!("{n} {kind:?}"), row);
            }
        }
        assert!((rate(&history, Boot(1_000), Boot(3_000)) - 1.5).abs() < 1e-9);
    }
}
