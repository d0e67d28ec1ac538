//! What must hold in every state of the fleet, and across every step.

use distrack_core::transition::{Event, POISON_LOSSES};
use distrack_core::{OnLost, TaskState};

use crate::world::{Bounds, World, attempt, task_of};

/// What a step from `before` to `after` breaks.
pub(crate) fn broken(before: &World, after: &World, bounds: &Bounds) -> Option<&'static str> {
    if after.broken.is_some() {
        return after.broken;
    }
    for (old, new) in before.tasks.iter().zip(&after.tasks) {
        if old.state.is_terminal() && old != new {
            return Some("a terminal state changed (I3)");
        }
        let claimed = old.state == TaskState::Pending && new.state == TaskState::Dispatched;
        if new.epoch != old.epoch + i64::from(claimed) {
            return Some("an epoch did not rise with its claim, or rose without one (I5)");
        }
        if old.state != new.state
            && !Event::ALL.iter().any(|event| old.state.after(*event) == Some(new.state))
        {
            return Some("a state changed in a way that is not in the table (I15)");
        }
        if new.losses > POISON_LOSSES {
            return Some("a poison task went on (I17)");
        }
        if new.failures > bounds.policy.max_attempts {
            return Some("more attempts failed than were permitted (I9)");
        }
    }
    let full = after.workers.iter().any(|worker| worker.holding.slots_taken() > bounds.slots);
    if full {
        return Some("a worker runs more than it has slots for (I11)");
    }
    overlap(after).or_else(|| at_most_once(after, bounds))
}

/// Two attempts of a task run at once only when the session of the older one has ended.
fn overlap(world: &World) -> Option<&'static str> {
    let running: Vec<_> = world
        .workers
        .iter()
        .flat_map(|worker| worker.holding.held().keys().filter(|of| worker.holding.running(**of).is_some()))
        .collect();
    for older in &running {
        let newer = running.iter().any(|newer| newer.task == older.task && newer.epoch > older.epoch);
        if newer && !world.sessions[world.past[older].session as usize].ended {
            return Some("two attempts overlap although the older one's session lives (I6)");
        }
    }
    None
}

/// With `on_lost=fail`, a task runs again only after an attempt that ended by itself.
fn at_most_once(world: &World, bounds: &Bounds) -> Option<&'static str> {
    if bounds.policy.on_lost == OnLost::Retry {
        return None;
    }
    for (task, record) in world.tasks.iter().enumerate() {
        let ran = |of: i64| world.past.get(&attempt(task, of)).is_some_and(|past| past.ran && !past.recorded);
        if (1..=record.epoch).filter(|epoch| ran(*epoch)).count() > 1 {
            return Some("a task whose worker was lost ran again although on_lost=fail (promise 3)");
        }
    }
    None
}

/// Whether every task has ended and no command of one runs.
pub(crate) fn settled(world: &World, bounds: &Bounds) -> bool {
    world.tasks.len() == bounds.tasks as usize
        && world.tasks.iter().all(|task| task.state.is_terminal())
        && world.workers.iter().all(|worker| worker.holding.held().is_empty())
}

/// Whether a history is not followed further.
pub(crate) fn beyond(world: &World, bounds: &Bounds) -> bool {
    world.past.keys().any(|of| of.epoch > bounds.epochs && task_of(*of) < world.tasks.len())
}
