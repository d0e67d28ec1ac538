//! The [`Store`] over one SQLite file, embedded: what `distrack up` runs on.
//!
//! Every query is a file in `sql/`, named for its step and checked at compile time against the committed
//! cache in `.sqlx`. The same names exist in `store-postgres`; `diff -r` of the two folders shows what differs.
//! Here, one connection writes and a step that writes is one immediate transaction, so that no row is ever
//! locked; the clock is this process's; batches are JSON.

mod accept;
mod access;
mod audit;
mod claim;
mod clock;
mod database;
mod ending;
mod error;
mod explain;
mod hints;
mod look;
mod prune;
mod report;
mod row;
mod schema;
mod sessions;
mod sweep;

use std::path::Path;
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

use crate::database::Database;
use crate::hints::Hints;

type Result<T> = std::result::Result<T, StoreError>;

/// A store over one SQLite file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    database: Database,
    hints: Hints,
}

impl SqliteStore {
    /// Opens the file at `path`, or creates an empty one that only its owner may read. Must be called inside
    /// a tokio runtime.
    ///
    /// One process at a time: hints reach only the clones of one store, although a second process would see
    /// right data.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be opened for writing.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { database: Database::open(path)?, hints: Hints::default() })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn submit_by(
        &self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>> {
        let answers = accept::submit(&self.database, &submissions, mode, notes).await?;
        if answers.iter().any(|answer| matches!(answer, Submitted::Created { .. })) {
            self.hints.raise(Hint::Due);
        }
        Ok(answers)
    }

    async fn cancel_by(&self, task: TaskId, note: Option<AuditNote>) -> Result<CancelAnswer> {
        let answer = accept::cancel(&self.database, task, note).await?;
        match answer {
            CancelAnswer::Cancelled => self.hints.raise(Hint::Done),
            CancelAnswer::Requested => self.hints.raise(Hint::Cancel),
            CancelAnswer::Ended | CancelAnswer::NotFound => {}
        }
        Ok(answer)
    }

    async fn get(&self, tasks: Vec<TaskId>) -> Result<Vec<Task>> {
        look::get(&self.database, &tasks).await
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        look::list(&self.database, query).await
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        look::attempts(&self.database, task).await
    }

    async fn explain(&self, task: TaskId) -> Result<Option<Facts>> {
        explain::explain(&self.database, task).await
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        look::output(&self.database, task, attempt).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        audit::read(&self.database, query).await
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        look::workers(&self.database).await
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        look::queue_snapshot(&self.database).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claims> {
        claim::claim(&self.database, request).await
    }

    async fn release(&self, attempts: Vec<AttemptRef>) -> Result<Released> {
        let released = claim::release(&self.database, &attempts).await?;
        // Some may have been cancelled meanwhile, and have ended.
        [Hint::Due, Hint::Done].into_iter().for_each(|hint| self.hints.raise(hint));
        Ok(released)
    }

    async fn report(&self, reports: Vec<AttemptReport>) -> Result<Reported> {
        let (reported, ended) = report::report(&self.database, reports).await?;
        self.hints.raise_ended(ended);
        Ok(reported)
    }

    async fn next_due(&self) -> Result<NextDue> {
        claim::next_due(&self.database).await
    }

    async fn register(&self, registration: Registration) -> Result<Registered> {
        let registered = sessions::register(&self.database, registration).await?;
        if registered.released.attempts > 0 || !registered.lost.is_empty() {
            [Hint::Due, Hint::Done].into_iter().for_each(|hint| self.hints.raise(hint));
        }
        Ok(registered)
    }

    async fn renew(
        &self,
        coordinator: CoordinatorId,
        heartbeats: Vec<HeartbeatSeen>,
        lost_after: Duration,
    ) -> Result<Renewed> {
        sessions::renew(&self.database, coordinator, &heartbeats, lost_after).await
    }

    async fn deregister(&self, session: SessionId) -> Result<Vec<Progress>> {
        let (lost, ended) = sessions::deregister(&self.database, session).await?;
        self.hints.raise_ended(ended);
        Ok(lost)
    }

    async fn sweep(&self, limit: u32, last: Option<DateTime<Utc>>) -> Result<Swept> {
        let (swept, ended) = sweep::sweep(&self.database, limit, last).await?;
        self.hints.raise_ended(ended);
        Ok(swept)
    }

    async fn prune(&self, retention: Retention, limit: u32) -> Result<Pruned> {
        prune::prune(&self.database, retention, limit).await
    }

    async fn schema(&self) -> Result<Schema> {
        schema::schema(&self.database).await
    }

    async fn migrate(&self) -> Result<()> {
        schema::migrate(&self.database).await
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.hints.wakeup(hint)
    }

    fn connections(&self) -> Vec<Connections> {
        self.database.connections()
    }
}
