//! Sorting what a session holds by what its worker says it holds.

use std::collections::HashSet;

use distrack_core::{AttemptRef, TaskState};
use uuid::Uuid;

use super::value::task_state;
use crate::store::Result;
use crate::types::{Registered, Registration};

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

/// Sorts a session's attempts into `registered` by whether the worker holds them; returns those that it
/// does not.
///
/// # Errors
/// [`StoreError::Corrupt`](crate::StoreError::Corrupt) when a row cannot be read.
pub fn sort_held(
    rows: &[HeldRow],
    new: &Registration,
    registered: &mut Registered,
) -> Result<Vec<(AttemptRef, TaskState)>> {
    let held: HashSet<_> = new.held.iter().copied().collect();
    let mut missing = Vec::new();
    for row in rows {
        let attempt = row.attempt_ref();
        if !held.contains(&attempt) {
            missing.push((attempt, task_state(row.state)?));
            continue;
        }
        registered.kept.push(attempt);
        if row.cancel_requested {
            registered.cancel.push(attempt);
        }
    }
    Ok(missing)
}
