//! What is kept.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::{
    Attempt, AttemptRef, CoordinatorId, InstanceId, Output, QueueName, SessionId, Task, TaskId, TaskState,
    TraceMode, WorkerId,
};
use distrack_store::AuditEntry;
use distrack_store::shared::{HeldRow, LockedRow, to_int};

/// Everything.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The instant of the last step: time never goes back.
    pub(super) last: DateTime<Utc>,
    pub(super) tasks: BTreeMap<TaskId, Kept>,
    /// Pending tasks in the order in which they are claimed: rank, due, id.
    pub(super) pending: BTreeMap<(i16, DateTime<Utc>, TaskId), QueueName>,
    pub(super) sessions: HashMap<SessionId, Session>,
    pub(super) keys: HashMap<String, Key>,
    /// Notes of who asked for what, and the number of the last one.
    pub(super) audit: BTreeMap<i64, AuditEntry>,
    pub(super) noted: i64,
}

/// A task and what hangs on it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) task: Task,
    pub(super) trace_mode: Option<TraceMode>,
    /// Attempts that another one superseded.
    pub(super) superseded: Vec<Attempt>,
    pub(super) outputs: HashMap<u32, Output>,
}

/// A worker's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) worker: WorkerId,
    pub(super) instance: InstanceId,
    pub(super) host: String,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) version: String,
    pub(super) coordinator: CoordinatorId,
    pub(super) attach: i64,
    pub(super) sequence: u64,
    pub(super) slots: u32,
    pub(super) draining: bool,
    pub(super) queues: Option<Vec<QueueName>>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) isolation: Option<String>,
    pub(super) registered_at: DateTime<Utc>,
    pub(super) last_heartbeat_at: DateTime<Utc>,
    pub(super) lease_expires_at: DateTime<Utc>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) lost: bool,
}

/// An idempotency key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) hash: Vec<u8>,
    pub(super) task: TaskId,
    pub(super) expires_at: DateTime<Utc>,
}

/// `duration` as the difference of two instants.
pub(super) fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::microseconds(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4))
}

impl Kept {
    /// Where a pending task stands in the line.
    pub(super) fn place(&self) -> (i16, DateTime<Utc>, TaskId) {
        (-self.task.priority, self.task.due_at, self.task.id)
    }

    /// The current or last attempt.
    pub(super) fn attempt(&self) -> AttemptRef {
        AttemptRef { task: self.task.id, epoch: self.task.epoch }
    }

    /// As the shared rules read it.
    pub(super) fn locked(&self, now: DateTime<Utc>) -> LockedRow {
        let Task { policy, outcome, trace, .. } = &self.task;
        let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        LockedRow {
            id: self.task.id.as_uuid(),
            session_id: self.task.session.map(SessionId::as_uuid),
            epoch: self.task.epoch,
            state: self.task.state.code(),
            failures: to_int(self.task.failures),
            losses: to_int(self.task.losses),
            max_attempts: to_int(policy.max_attempts),
            backoff_initial_ms: millis(policy.backoff.initial),
            backoff_max_ms: millis(policy.backoff.max),
            on_lost: policy.on_lost.code(),
            attempt: to_int(self.task.attempt),
            cancel_requested: self.task.cancel_requested_at.is_some(),
            cause: outcome.as_ref().and_then(|outcome| outcome.cause).map(|cause| cause.code()),
            exit_code: outcome.as_ref().and_then(|outcome| outcome.exit_code),
            queue: self.task.queue.to_string(),
            worker: self.task.worker.clone(),
            traceparent: trace.traceparent(),
            tracestate: trace.state.clone(),
            attempt_trace_id: self.task.attempt_trace_id.map(|id| id.to_string()),
            attempt_span_id: self.task.attempt_span_id.map(|id| id.to_string()),
            scheduled_at: self.task.scheduled_at.max(self.task.created_at),
            picked_at: self.task.picked_at,
            started_at: self.task.started_at,
            now,
        }
    }

    /// As a registration reads it.
    pub(super) fn held(&self) -> HeldRow {
        HeldRow {
            id: self.task.id.as_uuid(),
            epoch: self.task.epoch,
            state: self.task.state.code(),
            cancel_requested: self.task.cancel_requested_at.is_some(),
        }
    }

    /// The current or last attempt, as `attempts` tells it.
    pub(super) fn last_attempt(&self) -> Attempt {
        let task = &self.task;
        Attempt {
            epoch: task.epoch,
            attempt: task.attempt,
            worker: task.worker.clone(),
            picked_at: task.picked_at,
            started_at: task.started_at,
            finished_at: task.finished_at.filter(|_| !task.state.is_held()),
            outcome: task.outcome.clone(),
            trace_id: task.attempt_trace_id,
            span_id: task.attempt_span_id,
            trace_mode: self.trace_mode,
        }
    }
}

impl Session {
    /// Whether its worker may have work.
    pub(super) fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }
}

impl State {
    /// Changes the task that still has this attempt, unless `when` says no. Keeps the line of the pending right.
    pub(super) fn change(
        &mut self,
        attempt: AttemptRef,
        when: impl FnOnce(&Task) -> bool,
        change: impl FnOnce(&mut Kept),
    ) -> bool {
        let Some(kept) = self.tasks.get_mut(&attempt.task) else { return false };
        if kept.task.epoch != attempt.epoch || !when(&kept.task) {
            return false;
        }
        if kept.task.state == TaskState::Pending {
            self.pending.remove(&kept.place());
        }
        change(kept);
        if kept.task.state == TaskState::Pending {
            self.pending.insert(kept.place(), kept.task.queue.clone());
        }
        true
    }

    /// What a session holds, by task.
    pub(super) fn held_by(&self, session: SessionId) -> Vec<HeldRow> {
        let held = self.tasks.values().filter(|kept| kept.task.session == Some(session));
        held.filter(|kept| kept.task.state.is_held()).map(Kept::held).collect()
    }

    /// The tasks that exist among these, locked.
    pub(super) fn lock_attempts(
        &self,
        tasks: impl IntoIterator<Item = TaskId>,
        now: DateTime<Utc>,
    ) -> Vec<LockedRow> {
        let ids: std::collections::BTreeSet<_> = tasks.into_iter().collect();
        ids.iter().filter_map(|id| Some(self.tasks.get(id)?.locked(now))).collect()
    }
}
