//! From rows that are looked at to the vocabulary of `core` and of this crate.
//!
//! `I` is how a database's driver gives an instant.
#![expect(missing_docs, reason = "each field is the column of its name")]

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use distrack_core::{
    Attempt, AttemptRef, Cause, Outcome, Output, QueueName, StreamOutput, Task, TraceContext, Usage,
};
use serde_json::Value;
use uuid::Uuid;

use super::value::{count, hex, json, json_map, micros, policy, task_state, trace, trace_mode};
use crate::error::StoreError;
use crate::read::{QueueSnapshot, WorkerSession, WorkerState};
use crate::store::Result;
use crate::types::{Claimed, Claims};

/// A row of `get` and `list`.
#[derive(Debug)]
pub struct TaskRow<I> {
    pub id: Uuid,
    pub state: i16,
    pub queue: String,
    pub priority: i16,
    pub created_at: I,
    pub scheduled_at: I,
    pub due_at: I,
    pub expires_at: Option<I>,
    pub epoch: i64,
    pub attempt: i32,
    pub failures: i32,
    pub losses: i32,
    pub max_attempts: i32,
    pub backoff_initial_ms: i64,
    pub backoff_max_ms: i64,
    pub on_lost: i16,
    pub spec: String,
    pub labels: Option<Value>,
    pub requires: Option<Value>,
    pub traceparent: String,
    pub tracestate: String,
    pub retry_of: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub worker: Option<String>,
    pub picked_at: Option<I>,
    pub started_at: Option<I>,
    pub finished_at: Option<I>,
    pub cancel_requested_at: Option<I>,
    pub cause: Option<i16>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub error: Option<String>,
    pub max_rss_bytes: Option<i64>,
    pub cpu_user_us: Option<i64>,
    pub cpu_system_us: Option<i64>,
    pub attempt_trace_id: Option<String>,
    pub attempt_span_id: Option<String>,
}

impl<I: Into<DateTime<Utc>>> TryFrom<TaskRow<I>> for Task {
    type Error = StoreError;

    fn try_from(row: TaskRow<I>) -> Result<Self> {
        let outcome = OutcomeColumns {
            cause: row.cause,
            exit_code: row.exit_code,
            signal: row.signal,
            error: row.error,
            max_rss_bytes: row.max_rss_bytes,
            cpu_user_us: row.cpu_user_us,
            cpu_system_us: row.cpu_system_us,
        };
        Ok(Self {
            id: row.id.into(),
            state: task_state(row.state)?,
            spec: serde_json::from_str(&row.spec)
                .map_err(|error| StoreError::corrupt(format!("spec of {}: {error}", row.id)))?,
            queue: row.queue.parse().map_err(StoreError::corrupt)?,
            priority: row.priority,
            policy: policy(row.max_attempts, row.backoff_initial_ms, row.backoff_max_ms, row.on_lost)?,
            labels: json_map(row.labels)?,
            requires: json_map(row.requires)?,
            created_at: row.created_at.into(),
            scheduled_at: row.scheduled_at.into(),
            due_at: row.due_at.into(),
            expires_at: row.expires_at.map(Into::into),
            epoch: row.epoch,
            attempt: count(row.attempt)?,
            failures: count(row.failures)?,
            losses: count(row.losses)?,
            worker: row.worker,
            session: row.session_id.map(Into::into),
            picked_at: row.picked_at.map(Into::into),
            started_at: row.started_at.map(Into::into),
            finished_at: row.finished_at.map(Into::into),
            cancel_requested_at: row.cancel_requested_at.map(Into::into),
            outcome: outcome.read()?,
            trace: trace(&row.traceparent, &row.tracestate)?,
            attempt_trace_id: row.attempt_trace_id.as_deref().map(hex).transpose()?,
            attempt_span_id: row.attempt_span_id.as_deref().map(hex).transpose()?,
            retry_of: row.retry_of.map(Into::into),
        })
    }
}

/// A row of `attempts`.
#[derive(Debug)]
pub struct AttemptRow<I> {
    pub epoch: i64,
    pub attempt: i32,
    pub worker: Option<String>,
    pub picked_at: Option<I>,
    pub started_at: Option<I>,
    pub finished_at: Option<I>,
    pub cause: Option<i16>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub error: Option<String>,
    pub max_rss_bytes: Option<i64>,
    pub cpu_user_us: Option<i64>,
    pub cpu_system_us: Option<i64>,
    pub trace_id: Option<String>,
    pub span_id: Option<String>,
    pub trace_mode: Option<i16>,
}

impl<I: Into<DateTime<Utc>>> TryFrom<AttemptRow<I>> for Attempt {
    type Error = StoreError;

    fn try_from(row: AttemptRow<I>) -> Result<Self> {
        let outcome = OutcomeColumns {
            cause: row.cause,
            exit_code: row.exit_code,
            signal: row.signal,
            error: row.error,
            max_rss_bytes: row.max_rss_bytes,
            cpu_user_us: row.cpu_user_us,
            cpu_system_us: row.cpu_system_us,
        };
        Ok(Self {
            epoch: row.epoch,
            attempt: count(row.attempt)?,
            worker: row.worker,
            picked_at: row.picked_at.map(Into::into),
            started_at: row.started_at.map(Into::into),
            finished_at: row.finished_at.map(Into::into),
            outcome: outcome.read()?,
            trace_id: row.trace_id.as_deref().map(hex).transpose()?,
            span_id: row.span_id.as_deref().map(hex).transpose()?,
            trace_mode: row.trace_mode.map(trace_mode).transpose()?,
        })
    }
}

struct OutcomeColumns {
    cause: Option<i16>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    error: Option<String>,
    max_rss_bytes: Option<i64>,
    cpu_user_us: Option<i64>,
    cpu_system_us: Option<i64>,
}

impl OutcomeColumns {
    /// An attempt has ended when it has a cause or an exit code.
    fn read(self) -> Result<Option<Outcome>> {
        if self.cause.is_none() && self.exit_code.is_none() {
            return Ok(None);
        }
        let usage = self.cpu_user_us.map(|cpu_user_us| Usage {
            max_rss_bytes: self.max_rss_bytes.map(i64::unsigned_abs),
            cpu_user: micros(cpu_user_us),
            cpu_system: micros(self.cpu_system_us.unwrap_or(0)),
        });
        let known = |code| Cause::from_code(code).ok_or_else(|| StoreError::corrupt(format!("cause {code}")));
        Ok(Some(Outcome {
            cause: self.cause.map(known).transpose()?,
            exit_code: self.exit_code,
            signal: self.signal,
            error: self.error,
            final_failure: false,
            usage,
        }))
    }
}

/// A row of `output`.
#[derive(Debug)]
pub struct OutputRow {
    pub stdout_head: Vec<u8>,
    pub stdout_tail: Vec<u8>,
    pub stdout_bytes: i64,
    pub stderr_head: Vec<u8>,
    pub stderr_tail: Vec<u8>,
    pub stderr_bytes: i64,
}

impl From<OutputRow> for Output {
    fn from(row: OutputRow) -> Self {
        let stream = |head, tail, bytes: i64| StreamOutput { head, tail, bytes: bytes.unsigned_abs() };
        Self {
            stdout: stream(row.stdout_head, row.stdout_tail, row.stdout_bytes),
            stderr: stream(row.stderr_head, row.stderr_tail, row.stderr_bytes),
        }
    }
}

/// A row of `claim`.
#[derive(Debug)]
pub struct ClaimedRow<I> {
    pub id: Uuid,
    pub epoch: i64,
    pub attempt: i32,
    pub session_id: Uuid,
    pub queue: String,
    pub spec: String,
    pub traceparent: String,
    pub tracestate: String,
    pub attempt_trace_id: String,
    pub attempt_span_id: String,
    pub attempt_trace_mode: i16,
    pub created_at: I,
    pub due_at: I,
    pub picked_at: I,
    pub previous_trace_id: Option<String>,
    pub previous_span_id: Option<String>,
    pub previous_finished_at: Option<I>,
}

impl<I: Into<DateTime<Utc>>> TryFrom<ClaimedRow<I>> for Claimed {
    type Error = StoreError;

    fn try_from(row: ClaimedRow<I>) -> Result<Self> {
        let submission = trace(&row.traceparent, &row.tracestate)?;
        let previous = row.previous_trace_id.as_deref().zip(row.previous_span_id.as_deref());
        let previous = previous.map(|(trace, span)| Ok((hex(trace)?, hex(span)?)));
        Ok(Self {
            attempt: AttemptRef { task: row.id.into(), epoch: row.epoch },
            number: count(row.attempt)?,
            session: row.session_id.into(),
            queue: row.queue.parse().map_err(StoreError::corrupt)?,
            spec: serde_json::from_str(&row.spec).map_err(StoreError::corrupt)?,
            trace: TraceContext {
                trace_id: hex(&row.attempt_trace_id)?,
                span_id: hex(&row.attempt_span_id)?,
                ..submission.clone()
            },
            mode: trace_mode(row.attempt_trace_mode)?,
            submission,
            previous: previous.transpose()?,
            waiting_since: row.previous_finished_at.unwrap_or(row.created_at).into(),
            due_at: row.due_at.into(),
            picked_at: row.picked_at.into(),
        })
    }
}

impl<T: Into<DateTime<Utc>>> FromIterator<ClaimedRow<T>> for Claims {
    /// The rows are claimed, whatever can be read of them.
    fn from_iter<I: IntoIterator<Item = ClaimedRow<T>>>(rows: I) -> Self {
        let mut claims = Self::default();
        for row in rows {
            let attempt = AttemptRef { task: row.id.into(), epoch: row.epoch };
            match Claimed::try_from(row) {
                Ok(claimed) => claims.claimed.push(claimed),
                Err(error) => claims.unreadable.push((attempt, error.to_string())),
            }
        }
        claims
    }
}

/// A row of `workers`.
#[derive(Debug)]
pub struct WorkerRow<I> {
    pub id: Uuid,
    pub worker_id: Uuid,
    pub name: String,
    pub host: String,
    pub address: String,
    pub version: String,
    pub isolation: Option<String>,
    pub draining: bool,
    pub slots: i32,
    pub queues: Option<Value>,
    pub labels: Value,
    pub registered_at: I,
    pub last_heartbeat_at: I,
    pub lease_expires_at: I,
    pub lost: bool,
    pub late: bool,
    pub held: i64,
    pub same_address: i64,
}

impl<I: Into<DateTime<Utc>>> TryFrom<WorkerRow<I>> for WorkerSession {
    type Error = StoreError;

    fn try_from(row: WorkerRow<I>) -> Result<Self> {
        let state = match (row.lost, row.late) {
            (true, _) => WorkerState::Lost,
            (false, true) => WorkerState::Late,
            (false, false) => WorkerState::Alive,
        };
        Ok(Self {
            session: row.id.into(),
            worker: row.worker_id.into(),
            name: row.name,
            host: row.host,
            address: row.address,
            version: row.version,
            isolation: row.isolation,
            state,
            draining: row.draining,
            slots: count(row.slots)?,
            held: count(row.held)?,
            queues: row.queues.map(json::<Vec<QueueName>>).transpose()?,
            labels: json::<BTreeMap<String, String>>(row.labels)?,
            registered_at: row.registered_at.into(),
            last_heartbeat_at: row.last_heartbeat_at.into(),
            lease_expires_at: row.lease_expires_at.into(),
            same_address: count(row.same_address)?,
        })
    }
}

/// A row of `queue_snapshot`.
#[derive(Debug)]
pub struct QueueRow {
    pub queue: String,
    pub scheduled: i64,
    pub ready: i64,
    pub dispatched: i64,
    pub running: i64,
    pub lag_us: i64,
}

impl TryFrom<QueueRow> for QueueSnapshot {
    type Error = StoreError;

    fn try_from(row: QueueRow) -> Result<Self> {
        Ok(Self {
            queue: row.queue.parse().map_err(StoreError::corrupt)?,
            scheduled: count(row.scheduled)?,
            ready: count(row.ready)?,
            dispatched: count(row.dispatched)?,
            running: count(row.running)?,
            lag: micros(row.lag_us),
        })
    }
}
