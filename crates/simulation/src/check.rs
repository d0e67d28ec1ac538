//! What must be true of a run, whatever went wrong in it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::PoisonError;
use std::time::Duration;

use distrack_core::transition::MOST_LOSSES;
use distrack_core::{OnLost, Task, TaskId, TaskState};

use crate::commands::Effect;
use crate::memory::MemoryStore;
use crate::world::{LOST_AFTER, SLOTS, TROUBLE, World};

/// How long the older of two attempts may go on once its worker is heard again: a second, and the way there and back.
const CONTACT: Duration = Duration::from_secs(15);

/// Everything that is not as it must be.
pub(crate) fn all(world: &World) -> Vec<String> {
    let accepted = world.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let effects = world.effects.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let tasks: BTreeMap<TaskId, Task> = world.store.tasks().into_iter().map(|task| (task.id, task)).collect();
    let mut found = Vec::new();
    for (id, _) in &accepted {
        match tasks.get(id) {
            None => found.push(format!("{id} was accepted and is gone")),
            Some(task) => of_task(task, &effects, &mut found),
        }
    }
    slots(&effects, &mut found);
    found
}

fn of_task(task: &Task, effects: &[Effect], found: &mut Vec<String>) {
    let own: Vec<&Effect> = effects.iter().filter(|effect| effect.attempt.task == task.id).collect();
    let mut say = |what: String| found.push(format!("{what}\n  {}", history(task, &own)));
    if !task.state.is_terminal() {
        say(format!("{} never ended", task.id));
    }
    let epochs: Vec<i64> = own.iter().map(|effect| effect.attempt.epoch).collect();
    let distinct: BTreeSet<i64> = epochs.iter().copied().collect();
    if distinct.len() != epochs.len() {
        say(format!("{}: an attempt ran twice", task.id));
    }
    if own.iter().any(|effect| effect.began_by_store < task.scheduled_at) {
        say(format!("{}: it ran before it was due", task.id));
    }
    if epochs.iter().any(|epoch| *epoch > task.epoch) {
        say(format!("{}: an epoch ran that was never claimed", task.id));
    }
    if task.policy.on_lost == OnLost::Fail && task.losses > 0 && distinct.len() > 1 && ran_to_loss(task, &own)
    {
        say(format!("{}: it ran again after its worker was lost, which on_lost=fail forbids", task.id));
    }
    if task.failures > task.policy.max_attempts || task.losses > MOST_LOSSES {
        say(format!("{}: {} failures and {} losses", task.id, task.failures, task.losses));
    }
    if task.state == TaskState::Completed {
        let recorded = own.iter().find(|effect| effect.attempt.epoch == task.epoch);
        if recorded.is_none_or(|effect| effect.exit_code != Some(0)) {
            say(format!("{}: completed, and its attempt did not", task.id));
        }
    }
    for (older, newer) in own.iter().flat_map(|one| own.iter().map(move |other| (one, other))) {
        if older.attempt.epoch < newer.attempt.epoch {
            overlap(older, newer, &mut say);
        }
    }
}

/// Two attempts at once: only when the older one's worker was not heard for the length of a lease, and not for long once
/// it is heard again.
fn overlap(older: &Effect, newer: &Effect, say: &mut dyn FnMut(String)) {
    let over = older.over.unwrap_or(Duration::MAX);
    if newer.began < over && newer.began < older.began + LOST_AFTER.mul_f64(0.8) {
        say(format!("{:?} ran beside {:?} too soon to be lost", newer.attempt, older.attempt));
    }
    // By the end of all trouble every worker is heard again.
    if newer.began < over && over > newer.began.max(TROUBLE) + CONTACT {
        say(format!("{:?} went on beside {:?} for too long", older.attempt, newer.attempt));
    }
}

/// Whether an attempt before the last one began and never came to an end of its own.
fn ran_to_loss(task: &Task, own: &[&Effect]) -> bool {
    own.iter().any(|effect| effect.attempt.epoch < task.epoch && effect.exit_code.is_none())
}

/// No worker runs more than it has slots for.
fn slots(effects: &[Effect], found: &mut Vec<String>) {
    let workers: BTreeSet<usize> = effects.iter().map(|effect| effect.worker).collect();
    for worker in workers {
        let own = || effects.iter().filter(|effect| effect.worker == worker);
        let most = own().map(|one| {
            let at = one.began;
            own().filter(|other| other.began <= at && other.over.is_none_or(|over| over > at)).count()
        });
        if let Some(most) = most.max().filter(|most| *most > SLOTS as usize) {
            found.push(format!("worker-{worker} ran {most} commands at once"));
        }
    }
}

fn history(task: &Task, effects: &[&Effect]) -> String {
    let of = |effect: &&Effect| {
        format!(
            "epoch {} on worker-{} from {:?} to {:?}, exit code {:?}",
            effect.attempt.epoch, effect.worker, effect.began, effect.over, effect.exit_code
        )
    };
    let ran: Vec<String> = effects.iter().map(of).collect();
    let Task { state, epoch, attempt, failures, losses, outcome, policy, .. } = task;
    format!(
        "{state}, epoch {epoch}, attempt {attempt}, {failures} failures, {losses} losses, {:?}, {outcome:?}\n    {}",
        policy.on_lost,
        ran.join("\n    ")
    )
}

/// What happened, without the ids, which are drawn anew each time.
pub(crate) fn fingerprint(store: &MemoryStore, effects: &[Effect]) -> u64 {
    let tasks = store.tasks();
    let number = |id: TaskId| tasks.iter().position(|task| task.id == id);
    let mut hasher = DefaultHasher::new();
    for effect in effects {
        (number(effect.attempt.task), effect.attempt.epoch, effect.worker).hash(&mut hasher);
        (effect.began, effect.over, effect.exit_code).hash(&mut hasher);
    }
    for task in &tasks {
        (task.state.code(), task.epoch, task.attempt, task.failures, task.losses).hash(&mut hasher);
    }
    hasher.finish()
}
