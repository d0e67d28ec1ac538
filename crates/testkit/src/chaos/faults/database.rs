//! A database that is away, or that cuts its clients off.

use std::time::Duration;

use anyhow::Result;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{Instant, sleep};

use crate::chaos::checker::Violation;
use crate::chaos::history::History;
use crate::chaos::load::Habits;
use crate::chaos::scene::{Notes, Scene};
use crate::chaos::world::Plan;
use crate::postgres::Postgres;

const SECOND: Duration = Duration::from_secs(1);

/// The server is stopped, and nobody else may need it then.
pub(super) fn own_server(plan: &mut Plan, _: &mut Habits) {
    plan.own_server = true;
}

/// The same, and a lease that a slow machine does not lose by itself.
pub(super) fn own_patient_server(plan: &mut Plan, habits: &mut Habits) {
    own_server(plan, habits);
    super::processes::patient(plan, habits);
}

/// F10.
pub(super) async fn power_cut(scene: &Scene) -> Result<()> {
    scene.notes().database_was_hurt = true;
    let server = scene.world.server.as_ref().map(Postgres::port);
    anyhow::ensure!(server.is_some(), "the server is not the fleet's own");
    scene.warm().await;
    scene.submit_long(2, 2).await?;
    let began = scene.mark("down");
    tokio::task::block_in_place(|| scene.world.server.as_ref().map_or(Ok(()), Postgres::kill))?;
    sleep(4 * SECOND).await;
    tokio::task::block_in_place(|| scene.world.server.as_ref().map_or(Ok(()), Postgres::start_again))?;
    let up = scene.mark("up");
    scene.figure("away", format!("{:?}", up.since(began)));
    let api = scene.api();
    let submitted = || async {
        api.submit(&serde_json::json!({"command": "true", "labels": {"kind": "raw"}})).await.is_ok()
    };
    scene.recovers("a submission is accepted", 15 * SECOND, submitted).await;
    scene.starts_again("a command starts", 15 * SECOND + scene.lost_after()).await;
    scene.goes_on(25).await;
    Ok(())
}

/// F10: whoever asks meanwhile hears 503 and when to ask again, or nothing, and nobody is lost.
pub(super) fn only_unavailable(history: &History, notes: &Notes) -> Vec<Violation> {
    let (down, up) = (notes.instants["down"], notes.instants["up"]);
    let calls = history.clients.submissions.iter().flat_map(|one| &one.calls).chain(&history.clients.cancels);
    let (mut found, mut heard) = (Vec::new(), false);
    for call in calls.filter(|call| call.answered >= down && call.sent <= up.plus(5 * SECOND)) {
        match call.status {
            // A task that ended meanwhile cannot be cancelled.
            None | Some(200..=299 | 409) => {}
            Some(503) if call.says_when => heard = true,
            Some(status) => {
                let what = format!("a client heard {status} at {}: {:?}", call.answered, call.error);
                found.push(Violation::general("F10", what));
            }
        }
    }
    if !heard {
        found.push(Violation::general("F10", "nobody was told that the database is away"));
    }
    found.extend(super::criteria::no_losses("F10", history));
    found
}

/// F11.
pub(super) async fn kill_backends(scene: &Scene) -> Result<()> {
    scene.notes().database_was_hurt = true;
    scene.warm().await;
    let mut admin = scene.database().await?;
    let end = Instant::now() + 10 * SECOND;
    let mut killed = 0;
    while Instant::now() < end {
        let hit: Vec<(bool,)> = sqlx::query_as(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY random() LIMIT 1",
        )
        .fetch_all(&mut admin)
        .await?;
        killed += hit.len();
        sleep(Duration::from_millis(100)).await;
    }
    scene.figure("backends killed", killed);
    scene.goes_on(25).await;
    Ok(())
}

/// F12.
pub(super) async fn exhaust_connections(scene: &Scene) -> Result<()> {
    scene.notes().database_was_hurt = true;
    scene.warm().await;
    let url = scene.world.database.url();
    let mut held = Vec::new();
    // Until the server itself refuses.
    while held.len() < 300 {
        match PgConnection::connect(&url).await {
            Ok(connection) => held.push(connection),
            Err(_) => break,
        }
    }
    scene.figure("connections held", held.len());
    scene.goes_on(20).await;
    drop(held);
    scene.goes_on(20).await;
    Ok(())
}

/// F14.
pub(super) async fn lock_tasks(scene: &Scene) -> Result<()> {
    scene.notes().database_was_hurt = true;
    scene.warm().await;
    let mut locker = scene.database().await?;
    locker.execute("SET application_name = 'chaos'").await?;
    locker.execute("BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE").await?;
    sleep(scene.lost_after() * 3).await;
    locker.execute("ROLLBACK").await?;
    scene.starts_again("a command starts after the lock", 15 * SECOND).await;
    scene.goes_on(25).await;
    Ok(())
}

/// F14: workers live, and cannot be heard because of the lock only.
pub(super) fn nobody_is_lost(history: &History, _: &Notes) -> Vec<Violation> {
    super::criteria::no_losses("F14", history)
}

/// F13.
pub(super) async fn idle_snapshot(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let rate = async |seconds: u32| {
        let before = scene.watch.counts().0;
        sleep(SECOND * seconds).await;
        (scene.watch.counts().0 - before) as f64 / f64::from(seconds)
    };
    let baseline = rate(5).await;
    let mut idle = scene.database().await?;
    idle.execute("SET application_name = 'chaos'").await?;
    idle.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tasks").await?;
    let during = rate(15).await;
    idle.execute("ROLLBACK").await?;
    scene.figure("runs that ended a second, before and during", format!("{baseline:.1}, {during:.1}"));
    // A snapshot may cost a little, never half.
    if during < baseline * 0.5 {
        scene.violate(format!("{during:.1} runs a second, {baseline:.1} before"));
    }
    scene.goes_on(10).await;
    Ok(())
}
