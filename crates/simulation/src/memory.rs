//! A [`Store`] in memory, by a clock that the caller gives.

mod accept;
mod audit;
mod claim;
mod ending;
mod look;
mod prune;
mod sessions;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use distrack_core::why::Facts;
use distrack_core::{Attempt, AttemptRef, CoordinatorId, Output, SessionId, Task, TaskId};
use distrack_store::{
    AttemptReport, AuditEntry, AuditNote, AuditQuery, CancelAnswer, ClaimRequest, Claims, Connections,
    HeartbeatSeen, Hint, ListQuery, NextDue, Progress, Pruned, QueueSnapshot, Registered, Registration,
    Released, Renewed, Reported, Retention, Schema, Store, StoreError, Submission, SubmitMode, Submitted,
    Swept, Waker, Wakeup, WorkerSession,
};

use state::State;

type Result<T> = std::result::Result<T, StoreError>;

/// Says what time it is for the store.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// A store in memory. Clones are the same store. Each step is taken whole, while nobody else takes one.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    clock: Clock,
    waker: Waker,
}

impl MemoryStore {
    /// An empty store by `clock`.
    pub fn new(clock: Clock) -> Self {
        Self { state: Arc::default(), clock, waker: Waker::default() }
    }

    /// Every task, oldest first.
    pub fn tasks(&self) -> Vec<Task> {
        self.lock().tasks.values().map(|kept| kept.task.clone()).collect()
    }

    /// What time it is for the store.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let last = self.lock().last;
        self.clock.now().max(last)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step at one instant.
    fn step<T>(&self, step: impl FnOnce(&mut State, DateTime<Utc>) -> Result<T>) -> Result<T> {
        let mut state = self.lock();
        let now = self.clock.now().max(state.last);
        state.last = now;
        step(&mut state, now)
    }

    fn raise(&self, hints: &[Hint]) {
        hints.iter().for_each(|hint| self.waker.raise(*hint));
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn submit_by(
        &self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>> {
        let answers = self.step(|state, now| state.submit(submissions, mode, notes, now))?;
        self.raise(&[Hint::Due]);
        Ok(answers)
    }

    async fn cancel_by(&self, task: TaskId, note: Option<AuditNote>) -> Result<CancelAnswer> {
        let answer = self.step(|state, now| Ok(state.cancel(task, note, now)))?;
        match answer {
            CancelAnswer::Cancelled => self.raise(&[Hint::Done]),
            CancelAnswer::Requested => self.raise(&[Hint::Cancel]),
            CancelAnswer::Ended | CancelAnswer::NotFound => {}
        }
        Ok(answer)
    }

    async fn get(&self, tasks: Vec<TaskId>) -> Result<Vec<Task>> {
        self.step(|state, _| Ok(state.get(&tasks)))
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        self.step(|state, _| Ok(state.list(&query)))
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        self.step(|state, _| Ok(state.attempts(task)))
    }

    async fn explain(&self, task: TaskId) -> Result<Option<Facts>> {
        self.step(|state, now| state.explain(task, now))
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        self.step(|state, _| Ok(state.output(task, attempt)))
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.step(|state, _| Ok(state.read_audit(query)))
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        self.step(|state, now| Ok(state.workers(now)))
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        self.step(|state, now| Ok(state.queue_snapshot(now)))
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claims> {
        self.step(|state, now| Ok(state.claim(&request, now)))
    }

    async fn release(&self, attempts: Vec<AttemptRef>) -> Result<Released> {
        let released = self.step(|state, now| Ok(state.release(&attempts, now)))?;
        self.raise(&[Hint::Due, Hint::Done]);
        Ok(released)
    }

    async fn report(&self, reports: Vec<AttemptReport>) -> Result<Reported> {
        let reported = self.step(|state, now| state.report(reports, now))?;
        self.raise(&[Hint::Due, Hint::Done]);
        Ok(reported)
    }

    async fn next_due(&self) -> Result<NextDue> {
        self.step(|state, now| Ok(state.next_due(now)))
    }

    async fn register(&self, registration: Registration) -> Result<Registered> {
        let registered = self.step(|state, now| state.register(&registration, now))?;
        self.raise(&[Hint::Due, Hint::Done]);
        Ok(registered)
    }

    async fn renew(
        &self,
        coordinator: CoordinatorId,
        heartbeats: Vec<HeartbeatSeen>,
        lost_after: Duration,
    ) -> Result<Renewed> {
        self.step(|state, now| Ok(state.renew(coordinator, &heartbeats, lost_after, now)))
    }

    async fn deregister(&self, session: SessionId) -> Result<Vec<Progress>> {
        let lost = self.step(|state, now| state.deregister(session, now))?;
        self.raise(&[Hint::Due, Hint::Done]);
        Ok(lost)
    }

    async fn sweep(&self, limit: u32, last: Option<DateTime<Utc>>) -> Result<Swept> {
        let swept = self.step(|state, now| state.sweep(limit, last, now))?;
        self.raise(&[Hint::Due, Hint::Done]);
        Ok(swept)
    }

    async fn prune(&self, retention: Retention, limit: u32) -> Result<Pruned> {
        self.step(|state, now| Ok(state.prune(retention, limit, now)))
    }

    async fn schema(&self) -> Result<Schema> {
        Ok(Schema::Current)
    }

    async fn migrate(&self) -> Result<()> {
        Ok(())
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.waker.wakeup(hint)
    }

    fn connections(&self) -> Vec<Connections> {
        Vec::new()
    }
}
