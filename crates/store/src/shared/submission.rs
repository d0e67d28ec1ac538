//! Submissions as rows, and what became of them.

use std::collections::HashMap;
use std::time::Duration;

use chrono::serde::ts_microseconds_option;
use chrono::{DateTime, Utc};
use distrack_core::{Due, TaskId};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::value::to_int;
use crate::error::StoreError;
use crate::store::Result;
use crate::types::{Submission, Submitted};

/// A submission as `submit` takes it.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct SubmissionRow {
    pub id: Uuid,
    pub queue: String,
    pub priority: i16,
    #[serde(with = "ts_microseconds_option")]
    pub at: Option<DateTime<Utc>>,
    pub delay_ms: Option<i64>,
    #[serde(with = "ts_microseconds_option")]
    pub expires_at: Option<DateTime<Utc>>,
    pub max_attempts: i32,
    pub backoff_initial_ms: i64,
    pub backoff_max_ms: i64,
    pub on_lost: i16,
    pub spec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires: Option<Value>,
    pub traceparent: String,
    pub tracestate: String,
    pub retry_of: Option<Uuid>,
    pub key: Option<String>,
    #[serde(skip)]
    pub request_hash: Option<Vec<u8>>,
}

impl TryFrom<&Submission> for SubmissionRow {
    type Error = StoreError;

    fn try_from(Submission { task, key }: &Submission) -> Result<Self> {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let (at, delay_ms) = match task.due {
            Due::After(delay) => (None, Some(millis(delay))),
            Due::At(at) => (Some(at), None),
        };
        Ok(Self {
            id: task.id.as_uuid(),
            queue: task.queue.to_string(),
            priority: task.priority,
            at,
            delay_ms,
            expires_at: task.expires_at,
            max_attempts: to_int(task.policy.max_attempts),
            backoff_initial_ms: millis(task.policy.backoff.initial),
            backoff_max_ms: millis(task.policy.backoff.max),
            on_lost: task.policy.on_lost.code(),
            spec: serde_json::to_string(&task.spec).map_err(StoreError::corrupt)?,
            labels: (!task.labels.is_empty()).then(|| serde_json::json!(task.labels)),
            requires: (!task.requires.is_empty()).then(|| serde_json::json!(task.requires)),
            traceparent: task.trace.traceparent(),
            tracestate: task.trace.state.clone(),
            retry_of: task.retry_of.map(TaskId::as_uuid),
            key: key.as_ref().map(|key| key.key.clone()),
            request_hash: key.as_ref().map(|key| key.request_hash.to_vec()),
        })
    }
}

/// Tasks that were stored: when they were accepted, and when they are to run.
pub type Created = HashMap<TaskId, (DateTime<Utc>, DateTime<Utc>)>;

/// Idempotency keys that were taken: the hash of the request that took them, and its task.
pub type Taken = HashMap<String, (Vec<u8>, TaskId)>;

/// The answer to each submission, in order.
///
/// # Errors
/// [`StoreError::Corrupt`] when one was neither stored nor has a key that is taken.
pub fn answer(submissions: &[Submission], created: &Created, taken: &Taken) -> Result<Vec<Submitted>> {
    let answers = submissions.iter().map(|Submission { task, key }| {
        if let Some(&(created_at, scheduled_at)) = created.get(&task.id) {
            return Ok(Submitted::Created { created_at, scheduled_at });
        }
        let key =
            key.as_ref().ok_or_else(|| StoreError::corrupt(format!("task {} was not stored", task.id)))?;
        let (hash, stored) = taken
            .get(&key.key)
            .ok_or_else(|| StoreError::corrupt("an idempotency key vanished while it was used"))?;
        Ok(if *hash == key.request_hash { Submitted::Replayed(*stored) } else { Submitted::KeyConflict })
    });
    answers.collect()
}
