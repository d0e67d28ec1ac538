//! Rows with instants as this database keeps them, and batches of rows as one parameter.

use chrono::{DateTime, Utc};
use distrack_core::{AttemptRef, TaskId};
use distrack_store::shared;
use serde::Serialize;
use uuid::Uuid;

pub(crate) type TaskRow = shared::TaskRow<Instant>;
pub(crate) type AttemptRow = shared::AttemptRow<Instant>;
pub(crate) type ServingRow = shared::ServingRow<Instant>;
pub(crate) type WorkerRow = shared::WorkerRow<Instant>;
pub(crate) type ClaimedRow = shared::ClaimedRow<Instant>;
pub(crate) type TokenRow = shared::TokenRow<Instant>;
pub(crate) type LockedRow = shared::LockedRow<Instant>;

/// Microseconds since the epoch.
#[derive(Clone, Copy, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Instant(i64);

impl From<i64> for Instant {
    fn from(micros: i64) -> Self {
        Self(micros)
    }
}

impl From<Instant> for DateTime<Utc> {
    fn from(instant: Instant) -> Self {
        // Out of chrono's range only if a hand wrote it.
        Self::from_timestamp_micros(instant.0).unwrap_or(if instant.0 < 0 {
            Self::MIN_UTC
        } else {
            Self::MAX_UTC
        })
    }
}

/// Rows as the JSON array that `json_each` takes apart.
pub(crate) fn batch<T: Serialize>(rows: impl IntoIterator<Item = T>) -> String {
    let rows: Vec<T> = rows.into_iter().collect();
    serde_json::to_string(&rows).expect("rows of plain values are JSON")
}

/// Tasks as a batch of ids.
pub(crate) fn ids(tasks: impl IntoIterator<Item = TaskId>) -> String {
    batch(tasks)
}

/// Attempts as a batch of pairs of id and epoch.
pub(crate) fn refs(attempts: &[AttemptRef]) -> String {
    batch(attempts.iter().map(|attempt| -> (Uuid, i64) { (attempt.task.as_uuid(), attempt.epoch) }))
}
