//! A database that one of its users may not reach: calls take time, and fail before or after they did their work.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use distrack_core::why::Facts;
use distrack_core::{Attempt, AttemptRef, CoordinatorId, Output, SessionId, Task, TaskId};
use distrack_store::{
    AttemptReport, AuditEntry, AuditNote, AuditQuery, CancelAnswer, ClaimRequest, Claims, Connections,
    HeartbeatSeen, Hint, ListQuery, NextDue, Progress, Pruned, QueueSnapshot, Registered, Registration,
    Released, Renewed, Reported, Retention, Schema, Store, StoreError, Submission, SubmitMode, Submitted,
    Swept, Wakeup, WorkerSession,
};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::memory::MemoryStore;

type Result<T> = std::result::Result<T, StoreError>;

/// The way of one service to the database.
pub(crate) struct Wire {
    pub(crate) store: MemoryStore,
    /// Set while the database is not to be reached.
    pub(crate) cut: Arc<AtomicBool>,
    pub(crate) rng: Mutex<StdRng>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire(cut: {:?})", self.cut)
    }
}

impl Wire {
    /// Takes a step over the wire: it may not get there, and its answer may not come back.
    async fn call<T>(&self, step: impl Future<Output = Result<T>>) -> Result<T> {
        let away = || StoreError::unavailable("the database is away, says the simulation");
        let unanswered = || StoreError::Unanswered("the answer is lost, says the simulation".into());
        let (there, back, lost) = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            let mut way = || Duration::from_micros(rng.random_range(50..3_000));
            let (there, back) = (way(), way());
            (there, back, rng.random_bool(0.002))
        };
        tokio::time::sleep(there).await;
        if self.cut.load(Ordering::Relaxed) {
            return Err(away());
        }
        let answer = step.await;
        tokio::time::sleep(back).await;
        // It was done all the same.
        if lost || self.cut.load(Ordering::Relaxed) { Err(unanswered()) } else { answer }
    }
}

#[async_trait]
impl Store for Wire {
    async fn submit_by(
        &self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>> {
        self.call(self.store.submit_by(submissions, mode, notes)).await
    }

    async fn cancel_by(&self, task: TaskId, note: Option<AuditNote>) -> Result<CancelAnswer> {
        self.call(self.store.cancel_by(task, note)).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.call(self.store.audit(query)).await
    }

    async fn get(&self, tasks: Vec<TaskId>) -> Result<Vec<Task>> {
        self.call(self.store.get(tasks)).await
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        self.call(self.store.list(query)).await
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        self.call(self.store.attempts(task)).await
    }

    async fn explain(&self, task: TaskId) -> Result<Option<Facts>> {
        self.call(self.store.explain(task)).await
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        self.call(self.store.output(task, attempt)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        self.call(self.store.workers()).await
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        self.call(self.store.queue_snapshot()).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claims> {
        self.call(self.store.claim(request)).await
    }

    async fn release(&self, attempts: Vec<AttemptRef>) -> Result<Released> {
        self.call(self.store.release(attempts)).await
    }

    async fn report(&self, reports: Vec<AttemptReport>) -> Result<Reported> {
        self.call(self.store.report(reports)).await
    }

    async fn next_due(&self) -> Result<NextDue> {
        self.call(self.store.next_due()).await
    }

    async fn register(&self, registration: Registration) -> Result<Registered> {
        self.call(self.store.register(registration)).await
    }

    async fn renew(
        &self,
        coordinator: CoordinatorId,
        heartbeats: Vec<HeartbeatSeen>,
        lost_after: Duration,
    ) -> Result<Renewed> {
        self.call(self.store.renew(coordinator, heartbeats, lost_after)).await
    }

    async fn deregister(&self, session: SessionId) -> Result<Vec<Progress>> {
        self.call(self.store.deregister(session)).await
    }

    async fn sweep(&self, limit: u32, last: Option<DateTime<Utc>>) -> Result<Swept> {
        self.call(self.store.sweep(limit, last)).await
    }

    async fn prune(&self, retention: Retention, limit: u32) -> Result<Pruned> {
        self.call(self.store.prune(retention, limit)).await
    }

    async fn schema(&self) -> Result<Schema> {
        self.call(self.store.schema()).await
    }

    async fn migrate(&self) -> Result<()> {
        Ok(())
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.store.wakeup(hint)
    }

    fn connections(&self) -> Vec<Connections> {
        self.store.connections()
    }
}
