//! Services that are killed or stopped.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::criteria::{no_false_poison, no_losses, ran_again_within, ran_to_their_end};
use crate::chaos::checker::Violation;
use crate::chaos::history::History;
use crate::chaos::load::Habits;
use crate::chaos::scene::{Notes, Scene};
use crate::chaos::world::Plan;

const SECOND: Duration = Duration::from_secs(1);

/// Clients that hardly rest.
pub(super) fn under_post_load(_: &mut Plan, habits: &mut Habits) {
    habits.pause = Duration::from_millis(50);
    habits.most = 1_500;
}

/// F1.
pub(super) async fn kill_scheduler(scene: &Scene) -> Result<()> {
    scene.warm().await;
    for _ in 0..3 {
        let scheduler = &scene.world.schedulers[0];
        scheduler.kill()?;
        scheduler.process().start_again()?;
        let admin = scheduler.admin();
        scene.recovers("a scheduler is ready again", 5 * SECOND, || async { admin.is_ready().await.is_ok() }).await;
        scene.goes_on(10).await;
    }
    Ok(())
}

/// F1: the load was felt, or nothing was shown.
pub(super) fn calls_were_cut(history: &History, _: &Notes) -> Vec<Violation> {
    let calls = history.clients.submissions.iter().flat_map(|one| &one.calls);
    let cut = calls.filter(|call| call.status.is_none()).count();
    if cut == 0 { vec![Violation::general("F1", "no call was under way when the scheduler died")] } else { vec![] }
}

/// F2.
pub(super) async fn kill_each_coordinator(scene: &Scene) -> Result<()> {
    scene.warm().await;
    for name in ["first", "second"] {
        let place = usize::from(name == "second");
        let coordinator = &scene.world.coordinators[place];
        let runs = scene.busy(place, 2).await?;
        scene.notes().attempts.insert(name, runs);
        coordinator.kill()?;
        scene.starts_again("the other coordinator dispatches", scene.lost_after() + 2 * SECOND).await;
        for worker in 0..2 {
            let attached = || scene.is_attached(worker);
            scene.recovers(format!("worker-{worker} is attached"), scene.lost_after() + 2 * SECOND, attached).await;
        }
        scene.goes_on(10).await;
        coordinator.start_again().await?;
    }
    Ok(())
}

/// F2.
pub(super) fn nothing_ran_again(history: &History, notes: &Notes) -> Vec<Violation> {
    let mut found = no_losses("F2", history);
    for attempts in notes.attempts.values() {
        found.extend(ran_to_their_end("F2", history, attempts));
    }
    found
}

/// F3.
pub(super) async fn kill_all_coordinators(scene: &Scene) -> Result<()> {
    scene.warm().await;
    scene.submit_long(2, 3).await?;
    let mut runs = scene.busy(0, 2).await?;
    runs.extend(scene.runs_on(1).await?);
    scene.notes().attempts.insert("running", runs);
    for coordinator in &scene.world.coordinators {
        coordinator.kill()?;
    }
    sleep(scene.lost_after() * 2).await;
    for coordinator in &scene.world.coordinators {
        coordinator.process().start_again()?;
    }
    scene.starts_again("commands start again", scene.lost_after() + 10 * SECOND).await;
    for coordinator in &scene.world.coordinators {
        coordinator.wait_ready().await;
    }
    scene.goes_on(20).await;
    Ok(())
}

/// F3.
pub(super) fn an_outage_costs_nothing(history: &History, notes: &Notes) -> Vec<Violation> {
    let mut found = no_losses("F3", history);
    found.extend(ran_to_their_end("F3", history, &notes.attempts["running"]));
    found
}

/// F4.
pub(super) async fn kill_worker(scene: &Scene) -> Result<()> {
    scene.warm().await;
    scene.submit_long(4, 8).await?;
    let worker = scene.roll(2);
    let runs = scene.busy(worker, 3).await?;
    scene.notes().attempts.insert("killed", runs);
    scene.cut_begins(worker);
    scene.world.workers[worker].kill()?;
    scene.world.workers[worker].start_again().await?;
    scene.cut_ends(worker);
    scene.mark("restarted");
    scene.goes_on(20).await;
    Ok(())
}

/// F4.
pub(super) fn killed_runs_are_run_again_at_once(history: &History, notes: &Notes) -> Vec<Violation> {
    let restarted = notes.instants["restarted"].0;
    let limit = 3_000 + millis(history.rules.slack);
    ran_again_within("F4", history, &notes.attempts["killed"], restarted, limit)
}

/// F5.
pub(super) async fn lose_worker(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let worker = scene.roll(2);
    let runs = scene.busy(worker, 3).await?;
    scene.notes().attempts.insert("killed", runs);
    scene.cut_begins(worker);
    scene.mark("killed");
    scene.world.workers[worker].kill()?;
    scene.goes_on(20).await;
    Ok(())
}

/// F5.
pub(super) fn lost_runs_are_run_again(history: &History, notes: &Notes) -> Vec<Violation> {
    let killed = notes.instants["killed"].0;
    let limit = millis(history.rules.lost_after) + 10_000 + millis(history.rules.slack);
    ran_again_within("F5", history, &notes.attempts["killed"], killed, limit)
}

/// F6: at a pace of seconds instead of minutes.
pub(super) async fn kill_worker_repeatedly(scene: &Scene) -> Result<()> {
    scene.warm().await;
    for _ in 0..4 {
        scene.busy(1, 2).await?;
        scene.cut_begins(1);
        scene.world.workers[1].kill()?;
        let ended = scene.watch.counts().0;
        sleep(SECOND).await;
        scene.figure("runs that ended in a second on the survivor", scene.watch.counts().0 - ended);
        scene.world.workers[1].start_again().await?;
        scene.cut_ends(1);
        scene.goes_on(10).await;
    }
    Ok(())
}

/// F6.
pub(super) fn nobody_is_taken_for_poison(history: &History, _: &Notes) -> Vec<Violation> {
    no_false_poison("F6", history)
}

/// F7.
pub(super) async fn stop_worker_past_its_lease(scene: &Scene) -> Result<()> {
    scene.warm().await;
    scene.submit_long(4, 15).await?;
    let worker = scene.roll(2);
    let runs = scene.busy(worker, 2).await?;
    scene.cut_begins(worker);
    scene.world.workers[worker].process().pause()?;
    let lost = scene.lost_after() + 5 * SECOND;
    let reruns = || async {
        let all = scene.watch.effects().runs;
        runs.iter().any(|(task, epoch)| all.iter().any(|run| run.task == *task && run.epoch > *epoch))
    };
    scene.recovers("what a stopped worker ran is run elsewhere", lost, reruns).await;
    scene.world.workers[worker].process().resume()?;
    scene.cut_ends(worker);
    scene.notes().attempts.insert("stopped", runs);
    scene.goes_on(20).await;
    Ok(())
}

/// F7: what the stopped worker reports of lost attempts is told apart from what counts.
pub(super) fn late_reports_are_stale(history: &History, notes: &Notes) -> Vec<Violation> {
    let lost = notes.attempts["stopped"].iter().filter(|(task, epoch)| {
        history.database.tasks.get(task).is_some_and(|task| task.epoch > *epoch)
    });
    if lost.count() == 0 { vec![Violation::general("F7", "nothing was lost: nothing was shown")] } else { vec![] }
}

/// F8.
pub(super) async fn stop_worker_within_its_lease(scene: &Scene) -> Result<()> {
    scene.warm().await;
    for worker in [0, 1] {
        scene.busy(worker, 2).await?;
        scene.world.workers[worker].process().pause()?;
        sleep(scene.lost_after() / 3).await;
        scene.world.workers[worker].process().resume()?;
        scene.goes_on(15).await;
    }
    Ok(())
}

/// F8.
pub(super) fn nothing_is_lost(history: &History, _: &Notes) -> Vec<Violation> {
    no_losses("F8", history)
}

/// F9.
pub(super) async fn stop_coordinator_past_its_lease(scene: &Scene) -> Result<()> {
    scene.warm().await;
    for coordinator in &scene.world.coordinators {
        coordinator.process().pause()?;
        scene.starts_again("the other coordinator dispatches", scene.lost_after() + 3 * SECOND).await;
        sleep(scene.lost_after() * 2).await;
        coordinator.process().resume()?;
        scene.goes_on(15).await;
    }
    Ok(())
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
