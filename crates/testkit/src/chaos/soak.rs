//! Many tasks while something is killed every few seconds: schedulers, coordinators, workers, in turn by the seed.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep_until};

use super::boot::Boot;
use super::checker::Violation;
use super::dump::{self, cause, state};
use super::faults::{Fault, When};
use super::history::History;
use super::load::Habits;
use super::scene::{Notes, Scene};
use super::world::Plan;

/// How far apart kills are.
const EVERY: Duration = Duration::from_secs(5);
/// When so few are open, they are left to end in peace.
const FEW: i64 = 100;
/// When the kills end in any case.
const LIMIT: Duration = Duration::from_secs(3_600);

/// The soak. How many tasks it has is an option of the run.
pub static SOAK: Fault = Fault {
    id: "soak",
    title: "something is killed -9 every 5 s",
    extra: "nothing is lost, early, recorded twice or run after its cancel",
    when: When::Full,
    plan,
    act: |scene| Box::pin(kill_on(scene)),
    judge,
};

fn plan(plan: &mut Plan, habits: &mut Habits) {
    plan.schedulers = 2;
    plan.workers = 3;
    plan.slots = 16;
    habits.clients = 8;
    habits.batches = 0.7;
    habits.pause = Duration::from_millis(25);
    habits.most = 20_000;
}

async fn kill_on(scene: &Scene) -> Result<()> {
    scene.warm().await;
    let began = Instant::now();
    let mut kills = 0;
    let mut next = began;
    // Until nearly all have ended, not only until all are submitted: a backlog is what kills do most to.
    while !scene.load.is_over() || dump::unfinished(&mut scene.database().await?).await? > FEW {
        next += EVERY;
        sleep_until(next).await;
        kill_one(scene).await?;
        kills += 1;
        if began.elapsed() > LIMIT {
            scene.violate(format!("many tasks are open after {LIMIT:?}"));
            break;
        }
    }
    scene.figure("killed", format!("{kills} in {:.0?}", began.elapsed()));
    Ok(())
}

/// Kills one process, and starts it again at once, as a supervisor does.
async fn kill_one(scene: &Scene) -> Result<()> {
    let world = &scene.world;
    let members = world.schedulers.len() + world.coordinators.len() + world.workers.len();
    let place = scene.roll(members);
    let worker = place.checked_sub(world.schedulers.len() + world.coordinators.len());
    let Some(member) = world.members().nth(place) else { return Ok(()) };
    if let Some(worker) = worker {
        scene.cut_begins(worker);
    }
    member.kill()?;
    member.start_again().await?;
    if let Some(worker) = worker {
        scene.cut_ends(worker);
    }
    Ok(())
}

/// The figures that the promise is about, each of which is 0 where nothing is wrong.
fn judge(history: &History, _: &Notes) -> Vec<Violation> {
    let mut found = Vec::new();
    let accepted = history.clients.accepted();
    if history.database.tasks.len() < accepted {
        let what = format!("{accepted} tasks were accepted, {} are there", history.database.tasks.len());
        found.push(Violation::general("soak", what));
    }
    // Cancelled before anybody held it: it never runs.
    for task in history.database.tasks.values().filter(|task| task.state == state::CANCELLED) {
        let Some(ended) = task.finished.map(Boot) else { continue };
        let after = history
            .runs
            .iter()
            .filter(|run| run.task == task.id && run.started > ended.plus(history.rules.blur()));
        found.extend(after.map(|run| {
            Violation::of(
                "soak",
                &task.id,
                format!("epoch {} started after the cancel at {ended}", run.epoch),
            )
        }));
    }
    let lost = history.database.tasks.values().filter(|task| {
        let fair = task.on_lost == 1 || task.losses >= 3;
        task.state == state::FAILED && task.cause == Some(cause::WORKER_LOST) && !fair
    });
    found.extend(lost.map(|task| Violation::of("soak", &task.id, "it was given up before its third loss")));
    found
}
