//! Sorting what a session holds by what its worker says it holds.

use std::collections::HashSet;

use distrack_core::protocol::reconcile::{self, Admission, Fate, Live, Process};
use distrack_core::{AttemptRef, QueueName};
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

/// Decides on a registration; `current` is the worker's live session.
///
/// # Errors
/// [`StoreError::Conflict`], said for the user, when another live process has the worker id.
pub fn admit(current: Option<Live<'_>>, new: &Registration) -> Result<Admission> {
    let admission = reconcile::admit(current, new.instance, &new.host);
    match admission {
        Admission::Open | Admission::Continue | Admission::Supersede => Ok(admission),
        Admission::OtherHost => Err(StoreError::Conflict(format!(
            "worker {} lives on another host ({}); give each worker its own state directory",
            new.worker,
            current.map_or("", |current| current.host)
        ))),
        Admission::Overtaken => {
            Err(StoreError::Conflict(format!("a later process of worker {} has registered", new.worker)))
        }
    }
}

/// What a registration is told that a later one of its process has overtaken.
pub fn overtaken(new: &Registration) -> StoreError {
    StoreError::unavailable(format!("a later registration of worker {} came first", new.worker))
}

/// Attempts of a session that its worker does not hold, by what becomes of them.
#[derive(Debug, Default)]
pub struct Missing {
    /// To be given back.
    pub released: Vec<AttemptRef>,
    /// To be lost.
    pub lost: Vec<AttemptRef>,
}

/// Sorts what the session of a worker that leaves still has.
///
/// # Errors
/// [`StoreError::Corrupt`] when a row cannot be read.
pub fn sort_left(rows: &[HeldRow]) -> Result<Missing> {
    sort(rows, &[], Process::Leaving, |_| ())
}

/// Sorts a session's attempts into `registered` by whether the worker holds them; returns those that it
/// does not.
///
/// # Errors
/// [`StoreError::Corrupt`] when a row cannot be read.
pub fn sort_held(
    rows: &[HeldRow],
    new: &Registration,
    process: Process,
    registered: &mut Registered,
) -> Result<Missing> {
    sort(rows, &new.held, process, |row| {
        registered.kept.push(row.attempt_ref());
        if row.cancel_requested {
            registered.cancel.push(row.attempt_ref());
        }
    })
}

fn sort(
    rows: &[HeldRow],
    held: &[AttemptRef],
    process: Process,
    mut keep: impl FnMut(&HeldRow),
) -> Result<Missing> {
    let held: HashSet<_> = held.iter().copied().collect();
    let mut missing = Missing::default();
    for row in rows {
        let attempt = row.attempt_ref();
        match reconcile::fate(task_state(row.state)?, held.contains(&attempt), process) {
            Fate::Keep => keep(row),
            Fate::Release => missing.released.push(attempt),
            Fate::Lose => missing.lost.push(attempt),
        }
    }
    Ok(missing)
}
