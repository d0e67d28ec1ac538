//! The [`Store`] over PostgreSQL 15 and later.
//!
//! Every query is a file in `sql/`, named for its step and checked at compile time against the committed
//! cache in `.sqlx`. The same names exist in `store-sqlite`; `diff -r` of the two folders shows what differs.

mod accept;
mod access;
mod audit;
mod budget;
mod claim;
mod complete;
mod ending;
mod explain;
mod hints;
mod lane;
mod lanes;
mod look;
mod prune;
mod report;
mod row;
mod schema;
mod sessions;
mod shared;
mod sweep;
mod trouble;
mod watch;

use std::str::FromStr;
use std::sync::Arc;
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
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::hints::Hints;
use crate::lane::take;
use crate::lanes::Lanes;
use crate::shared::Shared;
use crate::watch::Watch;

type Result<T> = std::result::Result<T, StoreError>;

/// How a process uses its database.
#[derive(Clone, Debug)]
pub struct PgSettings {
    /// The most connections of one lane: steps of one purpose. What a lane has by itself is in the module `lanes`; this
    /// only makes it less.
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
    options: PgConnectOptions,
    lanes: Arc<Lanes>,
    watch: Arc<Watch>,
    hints: Hints,
}

impl PgStore {
    /// Prepares a store over the database at `url`. Never waits for the database: steps fail as
    /// unavailable until it answers. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the URL cannot be read.
    pub fn connect(url: &str, settings: &PgSettings) -> Result<Self> {
        let options = PgConnectOptions::from_str(url).map_err(trouble::refused)?;
        let options = options.application_name("distrack").options([
            ("statement_timeout", "10s"),
            ("lock_timeout", "5s"),
            // A process that is stopped, or that nobody hears, lets go of its rows before others lose much by it: no
            // transaction waits for anything but the database.
            ("idle_in_transaction_session_timeout", "4s"),
            // The server lets go of what a client held that is cut off: row locks, above all.
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "3"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "12s"),
        ]);
        let shared = Arc::new(Shared::default());
        Ok(Self {
            lanes: Arc::new(Lanes::new(&options, settings, &shared)),
            watch: Arc::new(Watch::new(options.clone(), shared)),
            hints: Hints::start(options.clone()),
            options,
        })
    }

    /// How an explanation begins, for the test of its plans.
    #[doc(hidden)]
    pub const BEGIN_EXPLAIN: &str = explain::BEGIN;

    /// The pool that submissions are stored by, for tests that look at the connections themselves.
    #[doc(hidden)]
    pub fn pool(&self) -> &PgPool {
        self.lanes.accept.pool()
    }

    /// The pool that is read by, for tests that use it up.
    #[doc(hidden)]
    pub fn read_pool(&self) -> &PgPool {
        self.lanes.read.pool()
    }
}

#[async_trait]
impl Store for PgStore {
    async fn submit_by(
        &self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>> {
        let answers =
            take!(self.lanes.accept, Repeatable, to => accept::submit(to, &submissions, mode, &notes))?;
        if answers.iter().any(|answer| matches!(answer, Submitted::Created { .. })) {
            self.hints.raise(Hint::Due);
        }
        Ok(answers)
    }

    async fn cancel_by(&self, task: TaskId, note: Option<AuditNote>) -> Result<CancelAnswer> {
        let answer = take!(self.lanes.accept, Once, to => accept::cancel(to, task, note.as_ref()))?;
        match answer {
            CancelAnswer::Cancelled => self.hints.raise(Hint::Done),
            CancelAnswer::Requested => self.hints.raise(Hint::Cancel),
            CancelAnswer::Ended | CancelAnswer::NotFound => {}
        }
        Ok(answer)
    }

    async fn get(&self, tasks: Vec<TaskId>) -> Result<Vec<Task>> {
        take!(self.lanes.read, Looks, to => look::get(to, &tasks))
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        take!(self.lanes.read, Looks, to => look::list(to, &query))
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        take!(self.lanes.read, Looks, to => look::attempts(to, task))
    }

    async fn explain(&self, task: TaskId) -> Result<Option<Facts>> {
        take!(self.lanes.read, Looks, to => explain::explain(to, task))
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        take!(self.lanes.read, Looks, to => look::output(to, task, attempt))
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        take!(self.lanes.read, Looks, to => audit::read(to, &query))
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        take!(self.lanes.read, Looks, to => look::workers(to))
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        take!(self.lanes.read, Looks, to => look::queue_snapshot(to))
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Claims> {
        take!(self.lanes.claim, Once, to => claim::claim(to, &request))
    }

    async fn release(&self, attempts: Vec<AttemptRef>) -> Result<Released> {
        let released = take!(self.lanes.claim, Repeatable, to => claim::release(to, &attempts))?;
        // Some may have been cancelled meanwhile, and have ended.
        [Hint::Due, Hint::Done].into_iter().for_each(|hint| self.hints.raise(hint));
        Ok(released)
    }

    async fn report(&self, reports: Vec<AttemptReport>) -> Result<Reported> {
        let (reported, ended) =
            take!(self.lanes.report, Repeatable, to => report::report(to, reports.clone()))?;
        self.hints.raise_ended(ended);
        Ok(reported)
    }

    async fn next_due(&self) -> Result<NextDue> {
        take!(self.lanes.claim, Looks, to => claim::next_due(to))
    }

    async fn register(&self, registration: Registration) -> Result<Registered> {
        let registered = take!(self.lanes.lease, Once, to => sessions::register(to, &registration))?;
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
        take!(self.lanes.lease, Repeatable, to => sessions::renew(to, coordinator, &heartbeats, lost_after))
    }

    async fn deregister(&self, session: SessionId) -> Result<Vec<Progress>> {
        let (lost, ended) = take!(self.lanes.lease, Repeatable, to => sessions::deregister(to, session))?;
        self.hints.raise_ended(ended);
        Ok(lost)
    }

    async fn sweep(&self, limit: u32, last: Option<DateTime<Utc>>) -> Result<Swept> {
        let mut last = last;
        // A second try loses nobody: it is long after the sweep that vouches for this one.
        let (swept, ended) = take!(self.lanes.sweep, Once, to => sweep::sweep(to, limit, last.take()))?;
        self.hints.raise_ended(ended);
        Ok(swept)
    }

    async fn prune(&self, retention: Retention, limit: u32) -> Result<Pruned> {
        take!(self.lanes.prune, Once, to => prune::prune(to, retention, limit))
    }

    async fn schema(&self) -> Result<Schema> {
        self.watch.schema().await
    }

    async fn migrate(&self) -> Result<()> {
        schema::migrate(self.options.clone()).await
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.hints.wakeup(hint)
    }

    fn connections(&self) -> Vec<Connections> {
        self.lanes.connections()
    }
}
