//! The [`Store`] over PostgreSQL 15 and later.
//!
//! Every query is a file in `sql/`, named for its step and checked at compile time against the committed
//! cache in `.sqlx`. The same names exist in `store-sqlite`; `diff -r` of the two folders shows what differs.

mod accept;
mod claim;
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

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use distrack_core::why::Facts;
use distrack_core::{Attempt, AttemptRef, CoordinatorId, Output, SessionId, Task, TaskId};
use distrack_store::{
    AttemptReport, CancelAnswer, ClaimRequest, Claims, Connections, HeartbeatSeen, Hint, ListQuery, NextDue,
    Progress, Pruned, QueueSnapshot, Registered, Registration, Released, Renewed, Reported, Retention,
    Schema, Store, StoreError, Submission, SubmitMode, Submitted, Swept, Wakeup, WorkerSession,
};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::hints::Hints;

type Result<T> = std::result::Result<T, StoreError>;

/// How a process uses its database.
#[derive(Clone, Debug)]
pub struct PgSettings {
    /// The most connections for steps; one more listens for hints and one sends them.
    pub max_connections: u32,
    /// How long a step waits for a connection before it fails as unavailable.
    pub acquire_timeout: Duration,
}

impl Default for PgSettings {
    fn default() -> Self {
        Self { max_connections: 10, acquire_timeout: Duration::from_secs(3) }
    }
}

/// A store over one PostgreSQL database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PgStore {
    pool: PgPool,
    hints: Hints,
}

impl PgStore {
    /// Prepares a store over the database at `url`. Never waits for the database: steps fail as
    /// unavailable until it answers. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the URL cannot be read.
    pub fn connect(url: &str, settings: &PgSettings) -> Result<Self> {
        let options =
            PgConnectOptions::from_str(url).map_err(error::refused)?.application_name("distrack").options([
                ("statement_timeout", "30s"),
                ("lock_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "10s"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            .after_release(|connection, _| {
                Box::pin(async move {
                    // A `begin()` that was dropped half-way leaves its connection inside the transaction
                    // (sqlx 0.9.0). Begun first, so that the usual case raises no warning in the server's log.
                    sqlx::raw_sql("BEGIN; ROLLBACK").execute(connection).await?;
                    Ok(true)
                })
            })
            .connect_lazy_with(options.clone());
        Ok(Self { pool, hints: Hints::start(options) })
    }

    /// How an explanation begins, for the test of its plans.
    #[doc(hidden)]
    pub const BEGIN_EXPLAIN: &str = explain::BEGIN;

    /// The pool, for tests that look at the connections themselves.
    #[doc(hidden)]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

#[async_trait]
impl Store for PgStore {
    async fn submit(&self, submissions: Vec<Submission>, mode: SubmitMode) -> Result<Vec<Submitted>> {
        let answers = accept::submit(&self.pool, &submissions, mode).await?;
        if answers.iter().any(|answer| matches!(answer, Submitted::Created { .. })) {
            self.hints.raise(Hint::Due);
        }
        Ok(answers)
    }

    async fn cancel(&self, task: TaskId) -> Result<CancelAnswer> {
        let answer = accept::cancel(&self.pool, task).await?;
        match answer {
            CancelAnswer::Cancelled => self.hints.raise(Hint::Done),
            CancelAnswer::Requested => self.hints.raise(Hint::Cancel),
            CancelAnswer::Ended | CancelAnswer::NotFound => {}
        }
        Ok(answer)
    }

    async fn get(&self, tasks: Vec<TaskId>) -> Result<Vec<Task>> {
        look::get(&self.pool, &tasks).await
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        look::list(&self.pool, query).await
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        look::attempts(&self.pool, task).await
    }

    async fn explain(&self, task: TaskId) -> Result<Option<Facts>> {
        explain::explain(&self.pool, task).await
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        look::output(&self.pool, task, attempt).await
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        look::workers(&self.pool).await
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        look::queue_snapshot(&self.pool).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claims> {
        claim::claim(&self.pool, request).await
    }

    async fn release(&self, attempts: Vec<AttemptRef>) -> Result<Released> {
        let released = claim::release(&self.pool, &attempts).await?;
        // Some may have been cancelled meanwhile, and have ended.
        [Hint::Due, Hint::Done].into_iter().for_each(|hint| self.hints.raise(hint));
        Ok(released)
    }

    async fn report(&self, reports: Vec<AttemptReport>) -> Result<Reported> {
        let (reported, ended) = report::report(&self.pool, reports).await?;
        self.hints.raise_ended(ended);
        Ok(reported)
    }

    async fn next_due(&self) -> Result<NextDue> {
        claim::next_due(&self.pool).await
    }

    async fn register(&self, registration: Registration) -> Result<Registered> {
        let registered = sessions::register(&self.pool, registration).await?;
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
        sessions::renew(&self.pool, coordinator, &heartbeats, lost_after).await
    }

    async fn deregister(&self, session: SessionId) -> Result<Vec<Progress>> {
        let (lost, ended) = sessions::deregister(&self.pool, session).await?;
        self.hints.raise_ended(ended);
        Ok(lost)
    }

    async fn sweep(&self, limit: u32, last: Option<DateTime<Utc>>) -> Result<Swept> {
        let (swept, ended) = sweep::sweep(&self.pool, limit, last).await?;
        self.hints.raise_ended(ended);
        Ok(swept)
    }

    async fn prune(&self, retention: Retention, limit: u32) -> Result<Pruned> {
        prune::prune(&self.pool, retention, limit).await
    }

    async fn schema(&self) -> Result<Schema> {
        schema::schema(&self.pool).await
    }

    async fn migrate(&self) -> Result<()> {
        schema::migrate(&self.pool).await
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.hints.wakeup(hint)
    }

    fn connections(&self) -> Connections {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        Connections { open: self.pool.size(), idle, max: self.pool.options().get_max_connections() }
    }
}
