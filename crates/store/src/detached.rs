//! Steps that a dropped caller cannot cut in half.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use distrack_core::why::Facts;
use distrack_core::{Attempt, AttemptRef, CoordinatorId, Output, SessionId, Task, TaskId};

use crate::audit::{AuditEntry, AuditNote, AuditQuery};
use crate::error::StoreError;
use crate::read::{Connections, ListQuery, QueueSnapshot, WorkerSession};
use crate::store::{Result, Store};
use crate::types::{
    AttemptReport, CancelAnswer, ClaimRequest, Claims, HeartbeatSeen, NextDue, Progress, Pruned, Registered,
    Registration, Released, Renewed, Reported, Retention, Schema, Submission, SubmitMode, Submitted, Swept,
};
use crate::wakeup::{Hint, Wakeup};

/// Runs each step in a task of its own: a client that hangs up drops the wait, not the step.
///
/// A future that is dropped between `BEGIN` and `COMMIT` would leave its connection inside the open
/// transaction (sqlx 0.9.0), and a request's future is dropped whenever its client goes away.
#[derive(Debug)]
pub struct Detached<S>(Arc<S>);

impl<S> Detached<S> {
    /// Wraps a store.
    pub fn new(store: S) -> Self {
        Self(Arc::new(store))
    }
}

impl<S: Send + Sync + 'static> Detached<S> {
    /// Runs a step to its end, whether or not anybody waits for it.
    pub(crate) async fn run<T, F>(&self, step: impl FnOnce(Arc<S>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let step = tokio::spawn(step(Arc::clone(&self.0)));
        // A panic, unless the runtime is going away.
        step.await.unwrap_or_else(|error| Err(StoreError::Refused(error.into())))
    }
}

#[async_trait]
impl<S: Store> Store for Detached<S> {
    async fn submit_by(
        &self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>> {
        self.run(move |store| async move { store.submit_by(submissions, mode, notes).await }).await
    }

    async fn cancel_by(&self, task: TaskId, note: Option<AuditNote>) -> Result<CancelAnswer> {
        self.run(move |store| async move { store.cancel_by(task, note).await }).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.run(move |store| async move { store.audit(query).await }).await
    }

    async fn get(&self, tasks: Vec<TaskId>) -> Result<Vec<Task>> {
        self.run(|store| async move { store.get(tasks).await }).await
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        self.run(|store| async move { store.list(query).await }).await
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        self.run(|store| async move { store.attempts(task).await }).await
    }

    async fn explain(&self, task: TaskId) -> Result<Option<Facts>> {
        self.run(move |store| async move { store.explain(task).await }).await
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        self.run(move |store| async move { store.output(task, attempt).await }).await
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        self.run(|store| async move { store.workers().await }).await
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        self.run(|store| async move { store.queue_snapshot().await }).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claims> {
        self.run(|store| async move { store.claim(request).await }).await
    }

    async fn release(&self, attempts: Vec<AttemptRef>) -> Result<Released> {
        self.run(|store| async move { store.release(attempts).await }).await
    }

    async fn report(&self, reports: Vec<AttemptReport>) -> Result<Reported> {
        self.run(|store| async move { store.report(reports).await }).await
    }

    async fn next_due(&self) -> Result<NextDue> {
        self.run(|store| async move { store.next_due().await }).await
    }

    async fn register(&self, registration: Registration) -> Result<Registered> {
        self.run(|store| async move { store.register(registration).await }).await
    }

    async fn renew(
        &self,
        coordinator: CoordinatorId,
        heartbeats: Vec<HeartbeatSeen>,
        lost_after: Duration,
    ) -> Result<Renewed> {
        self.run(move |store| async move { store.renew(coordinator, heartbeats, lost_after).await }).await
    }

    async fn deregister(&self, session: SessionId) -> Result<Vec<Progress>> {
        self.run(move |store| async move { store.deregister(session).await }).await
    }

    async fn sweep(&self, limit: u32, last: Option<DateTime<Utc>>) -> Result<Swept> {
        self.run(move |store| async move { store.sweep(limit, last).await }).await
    }

    async fn prune(&self, retention: Retention, limit: u32) -> Result<Pruned> {
        self.run(move |store| async move { store.prune(retention, limit).await }).await
    }

    async fn schema(&self) -> Result<Schema> {
        self.run(|store| async move { store.schema().await }).await
    }

    async fn migrate(&self) -> Result<()> {
        self.run(|store| async move { store.migrate().await }).await
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.0.wakeup(hint)
    }

    fn connections(&self) -> Vec<Connections> {
        self.0.connections()
    }
}
