//! Wires that are cut, silent, slow or unreliable.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::criteria::no_losses;
use super::processes::stopped_on_time;
use crate::chaos::checker::Violation;
use crate::chaos::history::History;
use crate::chaos::scene::{Notes, Scene};
use crate::chaos::wire::{Flow, Weather};

const SECOND: Duration = Duration::from_secs(1);

/// F15.
pub(super) async fn partition_worker(scene: &Scene) -> Result<()> {
    partition(scene, &Weather::silence()).await
}

/// F16, first half and second.
pub(super) async fn partition_one_way(scene: &Scene) -> Result<()> {
    let silent = Flow { silent: true, ..Flow::default() };
    // Calls of the worker go up its wires, answers to the coordinators' calls come back on theirs.
    let (up, down) = (
        Weather { up: silent.clone(), ..Weather::default() },
        Weather { down: silent, ..Weather::default() },
    );
    let worker = scene.roll(2);
    scene.warm().await;
    for (out, back) in [(&up, &down), (&down, &up)] {
        scene.cut_begins(worker);
        scene.world.wires.up[worker].iter().for_each(|wire| wire.set(out.clone()));
        scene.world.wires.down[worker].set(back.clone());
        let began = Instant::now();
        scene.goes_on(10).await;
        sleep((scene.lost_after() * 2).saturating_sub(began.elapsed())).await;
        contact(scene, worker).await;
        scene.goes_on(10).await;
    }
    Ok(())
}

/// F15, where workers stop: no cut is written down, since no overlap is permitted.
pub(super) async fn partition_worker_that_stops(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let long = scene.submit_long(4, 12).await?;
    let (worker, runs) = scene.holder_of(&long).await?;
    scene.notes().attempts.insert("running", runs);
    scene.mark("cut");
    scene.world.wires.around_worker(worker, &Weather::silence());
    sleep(scene.lost_after() * 2).await;
    scene.world.wires.around_worker(worker, &Weather::default());
    scene.goes_on(20).await;
    Ok(())
}

/// F15, where workers stop.
pub(super) fn a_partition_stops_commands(history: &History, notes: &Notes) -> Vec<Violation> {
    stopped_on_time("F15S", history, notes)
}

async fn partition(scene: &Scene, weather: &Weather) -> Result<()> {
    scene.warm().await;
    let long = scene.submit_long(4, 12).await?;
    let (worker, runs) = scene.holder_of(&long).await?;
    scene.cut_begins(worker);
    scene.world.wires.around_worker(worker, weather);
    let began = Instant::now();
    let reruns = || async {
        let all = scene.watch.effects().runs;
        runs.iter().any(|(task, epoch)| all.iter().any(|run| run.task == *task && run.epoch > *epoch))
    };
    scene.recovers("what was cut off is run elsewhere", scene.lost_after() + 5 * SECOND, reruns).await;
    sleep((scene.lost_after() * 2).saturating_sub(began.elapsed())).await;
    contact(scene, worker).await;
    scene.notes().attempts.insert("cut off", runs);
    scene.goes_on(20).await;
    Ok(())
}

/// Mends the wires of a worker, and waits until it is heard again: until it has registered anew.
async fn contact(scene: &Scene, worker: usize) {
    let log = || scene.world.workers[worker].process().log();
    let registered = || log().matches("\"registered\"").count();
    let before = registered();
    scene.world.wires.around_worker(worker, &Weather::default());
    let back = || async { registered() > before && scene.is_attached(worker).await };
    scene.recovers(format!("worker-{worker} is heard again"), 20 * SECOND, back).await;
    scene.cut_ends(worker);
}

/// F15.
pub(super) fn a_partition_loses_and_supersedes(history: &History, notes: &Notes) -> Vec<Violation> {
    let superseded = notes
        .attempts
        .get("cut off")
        .into_iter()
        .flatten()
        .filter(|(task, epoch)| history.database.tasks.get(task).is_some_and(|task| task.epoch > *epoch));
    if superseded.count() == 0 {
        return vec![Violation::general("F15", "nothing was lost: nothing was shown")];
    }
    Vec::new()
}

/// F17.
pub(super) async fn partition_coordinators_from_database(scene: &Scene) -> Result<()> {
    scene.notes().database_was_hurt = true;
    scene.warm().await;
    for (place, wire) in scene.world.wires.coordinators.iter().enumerate() {
        wire.set(Weather::silence());
        let admin = scene.world.coordinators[place].admin();
        let unready = || async { admin.is_ready().await.is_err() };
        scene.recovers("a coordinator without database is not ready", 30 * SECOND, unready).await;
        wire.heal();
        let ready = || async { admin.is_ready().await.is_ok() };
        scene.recovers("it is ready again", 20 * SECOND, ready).await;
        scene.goes_on(15).await;
    }
    Ok(())
}

/// F17: the other coordinator hears the workers in time.
pub(super) fn a_coordinator_alone_loses_nobody(history: &History, _: &Notes) -> Vec<Violation> {
    no_losses("F17", history)
}

/// F18.
pub(super) async fn bad_weather(scene: &Scene) -> Result<()> {
    scene.notes().database_was_hurt = true;
    scene.warm().await;
    let ms = Duration::from_millis;
    let flow =
        Flow { delay: ms(200), jitter: ms(100), slice: Some(16 * 1024), resets: 0.01, ..Flow::default() };
    for worker in 0..2 {
        scene.world.wires.around_worker(worker, &Weather::both(flow.clone()));
    }
    scene.world.wires.clients.iter().for_each(|wire| wire.set(Weather::both(flow.clone())));
    let began = Instant::now();
    scene.goes_on(60).await;
    sleep((8 * SECOND).saturating_sub(began.elapsed())).await;
    scene.world.wires.heal();
    scene.goes_on(10).await;
    Ok(())
}

/// F18: a wire that is slow and unreliable loses nobody.
pub(super) fn nobody_is_lost_falsely(history: &History, _: &Notes) -> Vec<Violation> {
    no_losses("F18", history)
}

/// F19: answers are lost after the call was received, so that the call is made again, later and between others.
pub(super) async fn lose_answers(scene: &Scene) -> Result<()> {
    scene.notes().database_was_hurt = true;
    scene.warm().await;
    let lossy = Weather { down: Flow { resets: 0.1, ..Flow::default() }, ..Weather::default() };
    for worker in 0..2 {
        scene.world.wires.around_worker(worker, &lossy);
    }
    scene.world.wires.clients.iter().for_each(|wire| wire.set(lossy.clone()));
    let began = Instant::now();
    scene.goes_on(60).await;
    sleep((8 * SECOND).saturating_sub(began.elapsed())).await;
    scene.world.wires.heal();
    scene.goes_on(10).await;
    Ok(())
}
