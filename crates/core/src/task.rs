//! A task as it stands in the store.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::id::{SessionId, TaskId};
use crate::outcome::Outcome;
use crate::retry::RetryPolicy;
use crate::spec::{QueueName, TaskSpec};
use crate::state::TaskState;
use crate::trace::{SpanId, TraceContext, TraceId};

/// A task, with its current or last attempt inline. All instants are the database's.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its identity.
    pub id: TaskId,
    /// Its condition.
    pub state: TaskState,
    /// What to run and how.
    pub spec: TaskSpec,
    /// The stream it waits in.
    pub queue: QueueName,
    /// Higher first.
    pub priority: i16,
    /// How often it may be tried.
    pub policy: RetryPolicy,
    /// A user's own marks.
    pub labels: BTreeMap<String, String>,
    /// Labels that the worker must have.
    pub requires: BTreeMap<String, String>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it was asked to run. It never starts before.
    pub scheduled_at: DateTime<Utc>,
    /// When it may be claimed next: `scheduled_at` at first, later for a retry.
    pub due_at: DateTime<Utc>,
    /// The latest instant at which it may start.
    pub expires_at: Option<DateTime<Utc>>,
    /// Raised by each claim and reset by nothing: the fencing token.
    pub epoch: i64,
    /// The number of the current or last attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// Attempts that ended by themselves without success.
    pub failures: u32,
    /// Attempts whose worker was lost.
    pub losses: u32,
    /// The name of the worker that holds or held the attempt.
    pub worker: Option<String>,
    /// The session that holds the attempt, while one does.
    pub session: Option<SessionId>,
    /// When the attempt was claimed.
    pub picked_at: Option<DateTime<Utc>>,
    /// When its command started.
    pub started_at: Option<DateTime<Utc>>,
    /// When the attempt ended, or the task was cancelled or expired.
    pub finished_at: Option<DateTime<Utc>>,
    /// When a user asked to cancel the held attempt.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// How the last attempt ended; `None` while one is held, and before the first.
    pub outcome: Option<Outcome>,
    /// The submission's position in its trace.
    pub trace: TraceContext,
    /// The trace of the current or last attempt.
    pub attempt_trace_id: Option<TraceId>,
    /// Its span.
    pub attempt_span_id: Option<SpanId>,
    /// The task that this one repeats.
    pub retry_of: Option<TaskId>,
}
