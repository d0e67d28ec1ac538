//! From rows to the vocabulary of `core`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use chrono::{DateTime, Utc};
use distrack_core::{
    Attempt, Backoff, Cause, OnLost, Outcome, RetryPolicy, Task, TaskState, TraceContext, Usage,
};
use distrack_store::StoreError;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::Result;
use crate::error::corrupt;

/// A row of `get` and `list`.
pub(crate) struct TaskRow {
    pub(crate) id: Uuid,
    pub(crate) state: i16,
    pub(crate) queue: String,
    pub(crate) priority: i16,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) scheduled_at: DateTime<Utc>,
    pub(crate) due_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) epoch: i64,
    pub(crate) attempt: i32,
    pub(crate) failures: i32,
    pub(crate) losses: i32,
    pub(crate) max_attempts: i32,
    pub(crate) backoff_initial_ms: i64,
    pub(crate) backoff_max_ms: i64,
    pub(crate) on_lost: i16,
    pub(crate) spec: String,
    pub(crate) labels: Option<Value>,
    pub(crate) requires: Option<Value>,
    pub(crate) traceparent: String,
    pub(crate) tracestate: String,
    pub(crate) retry_of: Option<Uuid>,
    pub(crate) session_id: Option<Uuid>,
    pub(crate) worker: Option<String>,
    pub(crate) picked_at: Option<DateTime<Utc>>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) cancel_requested_at: Option<DateTime<Utc>>,
    pub(crate) cause: Option<i16>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) max_rss_bytes: Option<i64>,
    pub(crate) cpu_user_us: Option<i64>,
    pub(crate) cpu_system_us: Option<i64>,
    pub(crate) attempt_trace_id: Option<String>,
    pub(crate) attempt_span_id: Option<String>,
}

impl TryFrom<TaskRow> for Task {
    type Error = StoreError;

    fn try_from(row: TaskRow) -> Result<Self> {
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
            spec: serde_json::from_str(&row.spec).map_err(|error| corrupt(format!("spec of {}: {error}", row.id)))?,
            queue: row.queue.parse().map_err(corrupt)?,
            priority: row.priority,
            policy: policy(row.max_attempts, row.backoff_initial_ms, row.backoff_max_ms, row.on_lost)?,
            labels: json_map(row.labels)?,
            requires: json_map(row.requires)?,
            created_at: row.created_at,
            scheduled_at: row.scheduled_at,
            due_at: row.due_at,
            expires_at: row.expires_at,
            epoch: row.epoch,
            attempt: count(row.attempt)?,
            failures: count(row.failures)?,
            losses: count(row.losses)?,
            worker: row.worker,
            session: row.session_id.map(Into::into),
            picked_at: row.picked_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            cancel_requested_at: row.cancel_requested_at,
            outcome: outcome.read()?,
            trace: trace(&row.traceparent, &row.tracestate)?,
            attempt_trace_id: hex(row.attempt_trace_id)?,
            attempt_span_id: hex(row.attempt_span_id)?,
            retry_of: row.retry_of.map(Into::into),
        })
    }
}

/// A row of `attempts`.
pub(crate) struct AttemptRow {
    pub(crate) epoch: i64,
    pub(crate) attempt: i32,
    pub(crate) worker: Option<String>,
    pub(crate) picked_at: Option<DateTime<Utc>>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) cause: Option<i16>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) max_rss_bytes: Option<i64>,
    pub(crate) cpu_user_us: Option<i64>,
    pub(crate) cpu_system_us: Option<i64>,
    pub(crate) trace_id: Option<String>,
    pub(crate) span_id: Option<String>,
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = StoreError;

    fn try_from(row: AttemptRow) -> Result<Self> {
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
            picked_at: row.picked_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            outcome: outcome.read()?,
            trace_id: hex(row.trace_id)?,
            span_id: hex(row.span_id)?,
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
        let usage = self.max_rss_bytes.map(|rss| Usage {
            max_rss_bytes: rss.unsigned_abs(),
            cpu_user: micros(self.cpu_user_us.unwrap_or(0)),
            cpu_system: micros(self.cpu_system_us.unwrap_or(0)),
        });
        let cause = self.cause.map(|code| Cause::from_code(code).ok_or_else(|| corrupt(format!("cause {code}"))));
        Ok(Some(Outcome {
            cause: cause.transpose()?,
            exit_code: self.exit_code,
            signal: self.signal,
            error: self.error,
            final_failure: false,
            usage,
        }))
    }
}

pub(crate) fn task_state(code: i16) -> Result<TaskState> {
    TaskState::from_code(code).ok_or_else(|| corrupt(format!("state {code}")))
}

pub(crate) fn policy(max_attempts: i32, initial_ms: i64, max_ms: i64, on_lost: i16) -> Result<RetryPolicy> {
    Ok(RetryPolicy {
        max_attempts: count(max_attempts)?,
        backoff: Backoff {
            initial: Duration::from_millis(initial_ms.unsigned_abs()),
            max: Duration::from_millis(max_ms.unsigned_abs()),
        },
        on_lost: OnLost::from_code(on_lost).ok_or_else(|| corrupt(format!("on_lost {on_lost}")))?,
    })
}

pub(crate) fn trace(traceparent: &str, tracestate: &str) -> Result<TraceContext> {
    TraceContext::parse(traceparent, Some(tracestate)).ok_or_else(|| corrupt(format!("traceparent {traceparent}")))
}

pub(crate) fn hex<T: std::str::FromStr>(text: Option<String>) -> Result<Option<T>> {
    text.map(|text| text.parse().map_err(|_| corrupt(format!("trace id {text}")))).transpose()
}

pub(crate) fn json_map(value: Option<Value>) -> Result<BTreeMap<String, String>> {
    value.map_or_else(|| Ok(BTreeMap::new()), json)
}

pub(crate) fn json<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(corrupt)
}

/// A count that the schema keeps signed.
pub(crate) fn count<N: TryInto<T> + Display + Copy, T>(number: N) -> Result<T> {
    number.try_into().map_err(|_| corrupt(format!("count {number}")))
}

/// A stored duration; a negative one can only come from rounding and is zero.
pub(crate) fn micros(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}

/// A duration to store, at most a year: nothing that is measured here lasts longer.
pub(crate) fn to_micros(duration: Duration) -> i64 {
    const YEAR_US: i64 = 366 * 24 * 3600 * 1_000_000;
    i64::try_from(duration.as_micros()).unwrap_or(YEAR_US).min(YEAR_US)
}

/// A count to store.
pub(crate) fn to_int<N: TryInto<i32>>(number: N) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// A large count to store.
pub(crate) fn to_bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
