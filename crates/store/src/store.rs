//! The trait.

use std::time::Duration;

use async_trait::async_trait;
use distrack_core::why::Facts;
use distrack_core::{Attempt, AttemptRef, Output, SessionId, Task, TaskId};

use crate::audit::{AuditEntry, AuditNote, AuditQuery};
use crate::error::StoreError;
use crate::read::{Connections, ListQuery, QueueSnapshot, WorkerSession};
use crate::types::{
    AttemptReport, CancelAnswer, ClaimRequest, Claims, HeartbeatSeen, NextDue, Progress, Pruned, Registered,
    Registration, Released, Renewed, Reported, Retention, Schema, Submission, SubmitMode, Submitted, Swept,
};
use crate::wakeup::{Hint, Wakeup};
use chrono::{DateTime, Utc};

/// The result of a step.
pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// Tasks, sessions and attempts, kept durably. Each method is one atomic step.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // ---- accepting ----

    /// Stores tasks. Returns after the commit, one answer for each submission in order.
    ///
    /// With [`SubmitMode::AllOrNone`], one [`Submitted::KeyConflict`] means that nothing was stored.
    ///
    /// The `notes` of tasks that are stored by this call are written in the same transaction; others are not.
    async fn submit_by(
        &self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>>;

    /// The same for what nobody asked for, which is not noted.
    async fn submit(&self, submissions: Vec<Submission>, mode: SubmitMode) -> Result<Vec<Submitted>> {
        self.submit_by(submissions, mode, Vec::new()).await
    }

    /// Cancels a waiting task, or marks a held one to be stopped by its worker. The `note` is written in the same
    /// transaction, if it did either.
    async fn cancel_by(&self, task: TaskId, note: Option<AuditNote>) -> Result<CancelAnswer>;

    /// The same for what nobody asked for, which is not noted.
    async fn cancel(&self, task: TaskId) -> Result<CancelAnswer> {
        self.cancel_by(task, None).await
    }

    // ---- looking ----

    /// The tasks that exist among `tasks`, in no particular order.
    async fn get(&self, tasks: Vec<TaskId>) -> Result<Vec<Task>>;

    /// Tasks by the query, newest first.
    async fn list(&self, query: ListQuery) -> Result<Vec<Task>>;

    /// Every attempt of a task, oldest first, the held one included; `None` for no such task.
    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>>;

    /// All that is known of why a task stands as it does, at one instant; `None` for no such task.
    ///
    /// Costs the same whatever the backlog: those before the task are counted up to a bound.
    async fn explain(&self, task: TaskId) -> Result<Option<Facts>>;

    /// What an attempt printed, by its number; `None` if it has no report yet or does not exist.
    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>>;

    /// Who asked for what, newest first.
    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>>;

    /// Every session that has not ended, and those lost within the retention of sessions.
    async fn workers(&self) -> Result<Vec<WorkerSession>>;

    /// How each queue with a task that has not ended stands.
    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>>;

    // ---- dispatching ----

    /// Claims due tasks, highest priority first, then longest due, one for each slot at most.
    ///
    /// Atomic: a task is claimed by at most one caller. Sessions that have ended, or have registered anew since,
    /// here or elsewhere, get nothing. Never claims a task before it is due.
    ///
    /// An error leaves it open whether tasks were claimed: what a worker does not hold is given back when its
    /// session registers next.
    async fn claim(&self, request: ClaimRequest) -> Result<Claims>;

    /// Gives back dispatched attempts that provably no worker holds.
    async fn release(&self, attempts: Vec<AttemptRef>) -> Result<Released>;

    /// Records what workers say of attempts.
    async fn report(&self, reports: Vec<AttemptReport>) -> Result<Reported>;

    /// When pending tasks are due.
    async fn next_due(&self) -> Result<NextDue>;

    // ---- workers' sessions ----

    /// Opens a session, or continues the one of the same process, and reconciles its attempts.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another live process on another host, or a later one on the same, has this
    /// worker id. [`StoreError::Unavailable`], too, when a later registration of the process came first.
    async fn register(&self, registration: Registration) -> Result<Registered>;

    /// Renews leases: `lost_after` from the heartbeats, for all of a coordinator's sessions in one statement.
    async fn renew(
        &self,
        coordinator: distrack_core::CoordinatorId,
        heartbeats: Vec<HeartbeatSeen>,
        lost_after: Duration,
    ) -> Result<Renewed>;

    /// Ends the session of a worker that holds nothing any more: what was dispatched is given back, since the
    /// worker never took it; what it said it was running is lost, and returned.
    async fn deregister(&self, session: SessionId) -> Result<Vec<Progress>>;

    /// Ends sessions whose lease ran out, loses the attempts of ended sessions, and expires tasks: at most
    /// `limit` of each. Any number of coordinators may sweep at once.
    ///
    /// Sessions end only if the caller's `last` sweep was less than 5 seconds ago by the store's clock: leases
    /// that ran out while nobody could renew them say nothing about the workers.
    async fn sweep(&self, limit: u32, last: Option<DateTime<Utc>>) -> Result<Swept>;

    // ---- keeping house ----

    /// Removes at most `limit` of each kind that is older than its retention.
    async fn prune(&self, retention: Retention, limit: u32) -> Result<Pruned>;

    /// Whether the database answers, and how its schema compares with this build's.
    async fn schema(&self) -> Result<Schema>;

    /// Brings the schema up to this build's. Safe to call from many processes at once.
    async fn migrate(&self) -> Result<()>;

    /// Waits for hints that something may be worth looking at.
    fn wakeup(&self, hint: Hint) -> Wakeup;

    /// The connections that this process has to the database, by lane: what waits in one waits for none of another.
    fn connections(&self) -> Vec<Connections>;
}
