//! What is looked up to say why a task stands as it does.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use distrack_core::why::{MOST_AHEAD, Serving};
use distrack_core::{QueueName, Task};
use serde_json::Value;
use uuid::Uuid;

use super::value::{count, json};
use crate::error::StoreError;
use crate::store::Result;

/// The most rows that `ahead` counts: one more than are told apart.
pub const AHEAD_LIMIT: i64 = MOST_AHEAD as i64 + 1;

/// Which sessions have to do with a task, as `serving` takes them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Concerned {
    /// Only this one.
    pub session: Option<Uuid>,
    /// Only open ones of workers by this name.
    pub name: Option<String>,
}

impl Concerned {
    /// Those of a task; `None` for none at all.
    pub fn with(task: &Task) -> Option<Self> {
        if task.state.is_terminal() {
            return task.worker.clone().map(|name| Self { name: Some(name), session: None });
        }
        let session = task.session.map(|session| session.as_uuid());
        (session.is_some() || !task.state.is_held()).then_some(Self { session, name: None })
    }
}

/// Whether others can be before a task.
pub fn is_in_line(task: &Task, now: DateTime<Utc>) -> bool {
    !task.state.is_terminal() && !task.state.is_held() && task.due_at <= now
}

/// What `ahead` counted: all, and those that require labels.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is no count.
pub fn counted(ahead: i64, requiring: i64) -> Result<(u32, u32)> {
    Ok((count(ahead)?, count(requiring)?))
}

/// A row of `serving`.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct ServingRow<I> {
    pub id: Uuid,
    pub name: String,
    pub ended: bool,
    pub draining: bool,
    pub slots: i32,
    pub held: i64,
    pub oldest_started_at: Option<I>,
    pub newest_picked_at: Option<I>,
    pub queues: Option<Value>,
    pub labels: Value,
    pub registered_at: I,
    pub last_heartbeat_at: I,
    pub lease_expires_at: I,
}

impl<I: Into<DateTime<Utc>>> TryFrom<ServingRow<I>> for Serving {
    type Error = StoreError;

    fn try_from(row: ServingRow<I>) -> Result<Self> {
        Ok(Self {
            session: row.id.into(),
            name: row.name,
            ended: row.ended,
            draining: row.draining,
            slots: count(row.slots)?,
            held: count(row.held)?,
            oldest_started_at: row.oldest_started_at.map(Into::into),
            newest_picked_at: row.newest_picked_at.map(Into::into),
            queues: row.queues.map(json::<Vec<QueueName>>).transpose()?,
            labels: json::<BTreeMap<String, String>>(row.labels)?,
            registered_at: row.registered_at.into(),
            last_heartbeat_at: row.last_heartbeat_at.into(),
            lease_expires_at: row.lease_expires_at.into(),
        })
    }
}
