//! Sorting what a session holds by what its worker says it holds.

use std::collections::HashSet;

use distrack_core::{AttemptRef, InstanceId, QueueName, TaskState};
use uuid::Uuid;

use super::value::task_state;
use crate::error::StoreError;
use crate::store::Result;
use crate::types::{Registered, Registration, Released};

/// A row of `held_by_session`.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct HeldRow {
    pub id: Uuid,
    pub epoch: i64,
    pub state: i16,
    pub cancel_requested: bool,
}

impl HeldRow {
    /// The held attempt.
    pub fn attempt_ref(&self) -> AttemptRef {
        AttemptRef { task: self.id.into(), epoch: self.epoch }
    }
}

/// What came of a release: how many rows wait again, and the queues of those that have ended.
pub fn released_of(waiting: u64, ended: impl Iterator<Item = String>) -> Released {
    let cancelled: Vec<QueueName> = ended.map(|queue| queue.parse().unwrap_or_default()).collect();
    Released { attempts: waiting + cancelled.len() as u64, cancelled }
}

/// Refuses a registration under a worker id that another live process has.
///
/// A process on the same host has the state directory to itself: the older one is dead, unless it is the
/// registration that is old, and came late.
///
/// # Errors
/// [`StoreError::Conflict`], said for the user.
pub fn refuse_stranger(new: &Registration, host: &str, instance: InstanceId) -> Result<()> {
    if host != new.host {
        return Err(StoreError::Conflict(format!(
            "worker {} lives on another host ({host}); give each worker its own state directory",
            new.worker
        )));
    }
    if new.instance < instance {
        return Err(StoreError::Conflict(format!("a later process of worker {} has registered", new.worker)));
    }
    Ok(())
}

/// What a registration is told that a later one of its process has overtaken.
pub fn overtaken(new: &Registration) -> StoreError {
    StoreError::unavailable(format!("a later registration of worker {} came first", new.worker))
}

/// Attempts of a session that its worker does not hold.
#[derive(Debug, Default)]
pub struct Missing {
    /// Those that it never said it had started.
    pub dispatched: Vec<AttemptRef>,
    /// Those that it said it was running.
    pub running: Vec<AttemptRef>,
}

impl Missing {
    /// Sorts rows by their state.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a row cannot be read.
    pub fn sort(rows: Vec<HeldRow>) -> Result<Self> {
        let mut missing = Self::default();
        rows.iter().try_for_each(|row| missing.add(row))?;
        Ok(missing)
    }

    /// All of them.
    pub fn all(self) -> Vec<AttemptRef> {
        let mut all = self.dispatched;
        all.extend(self.running);
        all
    }

    fn add(&mut self, row: &HeldRow) -> Result<()> {
        let running = task_state(row.state)? == TaskState::Running;
        let list = if running { &mut self.running } else { &mut self.dispatched };
        list.push(row.attempt_ref());
        Ok(())
    }
}

/// Sorts a session's attempts into `registered` by whether the worker holds them; returns those that it
/// does not.
///
/// # Errors
/// [`StoreError::Corrupt`] when a row cannot be read.
pub fn sort_held(rows: &[HeldRow], new: &Registration, registered: &mut Registered) -> Result<Missing> {
    let held: HashSet<_> = new.held.iter().copied().collect();
    let mut missing = Missing::default();
    for row in rows {
        let attempt = row.attempt_ref();
        if !held.contains(&attempt) {
            missing.add(row)?;
            continue;
        }
        registered.kept.push(attempt);
        if row.cancel_requested {
            registered.cancel.push(attempt);
        }
    }
    Ok(missing)
}
