//! Services that are killed or stopped.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::criteria::{no_false_poison, no_losses, ran_again_within, ran_to_their_end, run_of};
use crate::chaos::checker::Violation;
use crate::chaos::history::History;
use crate::chaos::load::Habits;
use crate::chaos::scene::{Notes, Scene};
use crate::chaos::world::Plan;
use crate::fleet::Member;
use crate::port::free_port;
use crate::process::{Launch, Process};

const SECOND: Duration = Duration::from_secs(1);

/// Clients that hardly rest.
pub(super) fn under_post_load(_: &mut Plan, habits: &mut Habits) {
    habits.pause = Duration::from_millis(50);
    habits.most = 1_500;
}

/// Room for everything on one worker: what must run again does not wait for a slot.
pub(super) fn roomy(plan: &mut Plan, habits: &mut Habits) {
    plan.slots = 24;
    habits.pause = Duration::from_millis(250);
}

/// A lease that a slow machine does not lose by itself, where nothing may be lost.
pub(super) fn patient(plan: &mut Plan, _: &mut Habits) {
    plan.lost_after = Duration::from_secs(6);
}

/// F1.
pub(super) async fn kill_scheduler(scene: &Scene) -> Result<()> {
    scene.warm().await;
    for _ in 0..3 {
        let scheduler = &scene.world.schedulers[0];
        scheduler.kill()?;
        scheduler.process().start_again()?;
        let admin = scheduler.admin();
        scene
            .recovers("a scheduler is ready again", 5 * SECOND, || async { admin.is_ready().await.is_ok() })
            .await;
        scene.goes_on(10).await;
    }
    Ok(())
}

/// F1: the load was felt, or nothing was shown.
pub(super) fn calls_were_cut(history: &History, _: &Notes) -> Vec<Violation> {
    let calls = history.clients.submissions.iter().flat_map(|one| &one.calls);
    let cut = calls.filter(|call| call.status.is_none()).count();
    if cut == 0 {
        vec![Violation::general("F1", "no call was under way when the scheduler died")]
    } else {
        vec![]
    }
}

/// F2.
pub(super) async fn kill_each_coordinator(scene: &Scene) -> Result<()> {
    scene.warm().await;
    for name in ["first", "second"] {
        let place = usize::from(name == "second");
        let coordinator = &scene.world.coordinators[place];
        let runs = scene.busy(place, 2).await?;
        scene.notes().attempts.insert(name, runs.clone());
        coordinator.kill()?;
        // The worker of this place was attached to it: it has moved once it is given something new.
        let moved = || async {
            let now = scene.runs_on(place).await.unwrap_or_default();
            now.iter().any(|attempt| !runs.contains(attempt))
        };
        let what = format!("the other coordinator dispatches to worker-{place}");
        scene.recovers(what, scene.lost_after() + 3 * SECOND, moved).await;
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

/// Workers that stop their commands when nobody hears them.
pub(super) fn stop_on_disconnect(plan: &mut Plan, habits: &mut Habits) {
    roomy(plan, habits);
    plan.worker_flags.push("--on_disconnect=stop".to_owned());
}

/// Commands that ran when their worker was cut off were gone before it counted as lost. No overlap is permitted
/// then, since no cut was written down.
pub(super) fn stopped_on_time(rule: &'static str, history: &History, notes: &Notes) -> Vec<Violation> {
    let Some(cut) = notes.instants.get("cut") else { return Vec::new() };
    let limit = cut.plus(history.rules.lost_after + history.rules.blur());
    let mut found = Vec::new();
    for (task, epoch) in notes.attempts.get("running").into_iter().flatten() {
        if let Some(run) = run_of(history, task, *epoch).filter(|run| run.known_until() > limit) {
            let late = run.known_until().since(limit);
            found.push(Violation::of(
                rule,
                task,
                format!("epoch {epoch} ran {late:?} past lost_after, unheard"),
            ));
        }
    }
    found
}

/// F3, where workers stop.
pub(super) fn an_outage_stops_commands(history: &History, notes: &Notes) -> Vec<Violation> {
    stopped_on_time("F3S", history, notes)
}

/// F3.
pub(super) async fn kill_all_coordinators(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let long = scene.submit_long(4, 7).await?;
    let (worker, mut runs) = scene.holder_of(&long).await?;
    runs.extend(scene.runs_on(1 - worker).await?);
    scene.notes().attempts.insert("running", runs);
    scene.mark("cut");
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
    let long = scene.submit_long(4, 8).await?;
    let (worker, runs) = scene.holder_of(&long).await?;
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
    let long = scene.submit_long(4, 11).await?;
    let (worker, runs) = scene.holder_of(&long).await?;
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
    let lost = notes.attempts["stopped"]
        .iter()
        .filter(|(task, epoch)| history.database.tasks.get(task).is_some_and(|task| task.epoch > *epoch));
    if lost.count() == 0 {
        vec![Violation::general("F7", "nothing was lost: nothing was shown")]
    } else {
        vec![]
    }
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
        sleep(scene.lost_after() * 3).await;
        coordinator.process().resume()?;
        scene.goes_on(15).await;
    }
    Ok(())
}

/// Two schedulers, so that one is there while the other restarts.
pub(super) fn two_schedulers(plan: &mut Plan, _: &mut Habits) {
    plan.schedulers = 2;
    plan.lost_after = Duration::from_secs(6);
}

/// F33, with one version, since there is no other: every service is told to stop and started again, in turn.
pub(super) async fn rolling_restart(scene: &Scene) -> Result<()> {
    scene.warm().await;
    for member in scene.world.members() {
        member.process().terminate()?;
        let status = member.process().wait(60 * SECOND).await;
        if !status.success() {
            scene
                .violate(format!("{} ended with {status} when it was told to stop", member.process().name()));
        }
        member.start_again().await?;
        scene.goes_on(8).await;
    }
    Ok(())
}

/// F33: nothing runs again, nothing is cut short.
pub(super) fn a_restart_costs_nothing(history: &History, _: &Notes) -> Vec<Violation> {
    let mut found = no_losses("F33", history);
    let all = history.runs.iter().map(|run| (run.task.clone(), run.epoch)).collect();
    found.extend(ran_to_their_end("F33", history, &all));
    found
}

/// F34: who comes second is refused, or takes over from the first one.
pub(super) async fn two_with_one_state(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let first = &scene.world.workers[0];
    let (port, admin) = (free_port(), free_port());
    let state = first.folder().join("state");
    let coordinators: Vec<String> = scene.world.coordinators.iter().map(Member::address).collect();
    let arguments = [
        "worker".to_owned(),
        format!("--worker_port=:{port}"),
        format!("--metrics_port=:{admin}"),
        format!("--coordinator={}", coordinators.join(",")),
        format!("--state_dir={}", state.display()),
        "--worker_name=worker-0".to_owned(),
        format!("--slots={}", scene.world.plan.slots),
        format!("--output_dir={}", first.folder().join("output").display()),
    ];
    let folder = scene.world.root.join("twin");
    std::fs::create_dir_all(&folder)?;
    let twin = Process::start(Launch::new("twin", &scene.world.plan.program, &arguments, folder))?;
    let refused = || async { twin.ended().is_some_and(|status| !status.success()) };
    let gave_way = || async { !first.process().is_running() };
    let one_left = || async { refused().await || gave_way().await };
    if !scene.recovers("one of two workers with one state folder gives way", 15 * SECOND, one_left).await {
        scene.violate("two workers share one state folder");
    }
    scene.figure("the second one", if refused().await { "is refused" } else { "took over" });
    scene.goes_on(20).await;
    Ok(())
}

/// More workers than usual.
pub(super) fn many_workers(plan: &mut Plan, _: &mut Habits) {
    plan.workers = 6;
}

/// F35: everything comes back at once over tasks that are all due.
pub(super) async fn restart_everything(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let batch: Vec<serde_json::Value> = (0..1_000)
        .map(|_| serde_json::json!({"command": "true", "executor": "noop", "labels": {"kind": "raw"}, "delay_seconds": 6}))
        .collect();
    for _ in 0..5 {
        scene.api().submit_batch(&batch).await?;
    }
    for worker in 0..scene.world.workers.len() {
        scene.cut_begins(worker);
    }
    scene.world.members().try_for_each(Member::kill)?;
    sleep(6 * SECOND).await;
    scene.world.members().try_for_each(|member| member.process().start_again())?;
    for member in scene.world.members() {
        member.wait_ready().await;
    }
    for worker in 0..scene.world.workers.len() {
        scene.cut_ends(worker);
    }
    scene.mark("ready");
    let mut connection = scene.database().await?;
    let began = tokio::time::Instant::now();
    loop {
        let due: (i64,) = sqlx::query_as("SELECT count(*) FROM tasks WHERE state < 3 AND due_at <= now()")
            .fetch_one(&mut connection)
            .await?;
        if due.0 < 100 || began.elapsed() > 120 * SECOND {
            scene.figure("5,000 due tasks are down to a hundred after", format!("{:?}", began.elapsed()));
            break;
        }
        sleep(SECOND / 10).await;
    }
    scene.goes_on(20).await;
    Ok(())
}

/// F35: once a scheduler says that it is ready, it has no excuse.
pub(super) fn no_storm_of_errors(history: &History, notes: &Notes) -> Vec<Violation> {
    let Some(ready) = notes.instants.get("ready") else { return Vec::new() };
    let calls = history.clients.submissions.iter().flat_map(|one| &one.calls);
    let after: Vec<_> = calls.filter(|call| call.sent >= *ready).collect();
    let errors = after.iter().filter(|call| call.status.is_none_or(|status| status >= 500)).count();
    if errors * 20 > after.len() {
        return vec![Violation::general(
            "F35",
            format!("{errors} of {} calls failed after the restart", after.len()),
        )];
    }
    Vec::new()
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
