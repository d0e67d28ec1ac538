//! The real store over a file of its own, with gates and faults in front that no database can be asked for.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use distrack_core::why::Facts;
use distrack_core::{Attempt, AttemptRef, CoordinatorId, Output, SessionId, Task, TaskId};
use distrack_store::*;
use distrack_store_sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::sync::watch;

type Result<T> = std::result::Result<T, StoreError>;

pub(crate) struct FaultyStore {
    inner: SqliteStore,
    folder: TempDir,
    /// The size and mode of each call of `submit`.
    pub(crate) submits: Mutex<Vec<(usize, SubmitMode)>>,
    pub(crate) gets: AtomicUsize,
    /// Whether the next call of `get` panics.
    pub(crate) panics: AtomicBool,
    /// Whether the connection breaks after the next commit, before its answer.
    pub(crate) breaks_off: AtomicBool,
    down: AtomicBool,
    blind: AtomicBool,
    gate: watch::Sender<bool>,
}

impl FaultyStore {
    /// Over a new file that has no schema yet.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = SqliteStore::open(&file_in(&folder)).unwrap();
        Self {
            inner,
            folder,
            submits: Mutex::default(),
            gets: AtomicUsize::new(0),
            panics: AtomicBool::new(false),
            breaks_off: AtomicBool::new(false),
            down: AtomicBool::new(false),
            blind: AtomicBool::new(false),
            gate: watch::Sender::new(true),
        }
    }

    /// The database itself: what the fleet does is done here, behind the faults.
    pub(crate) fn real(&self) -> &SqliteStore {
        &self.inner
    }

    /// The same database without its hints: a store of another process.
    pub(crate) fn elsewhere(&self) -> SqliteStore {
        SqliteStore::open(&file_in(&self.folder)).unwrap()
    }

    /// Whether the database answers.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Whether tasks cannot be read, while all else works.
    pub(crate) fn set_blind(&self, blind: bool) {
        self.blind.store(blind, Ordering::SeqCst);
    }

    /// Whether calls of `submit` get through; they wait while not.
    pub(crate) fn set_open(&self, open: bool) {
        self.gate.send_replace(open);
    }

    /// How many tasks are stored.
    pub(crate) async fn count(&self) -> usize {
        let all = ListQuery { limit: 1_000_000, ..ListQuery::default() };
        self.inner.list(all).await.unwrap().len()
    }

    /// A task that exists.
    pub(crate) async fn task(&self, id: TaskId) -> Task {
        self.inner.get(vec![id]).await.unwrap().pop().unwrap()
    }

    /// How many calls of `submit` began.
    pub(crate) fn submit_calls(&self) -> usize {
        self.submits.lock().unwrap().len()
    }

    fn up(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("connection refused at secret-host:5432"));
        }
        Ok(())
    }
}

fn file_in(folder: &TempDir) -> PathBuf {
    folder.path().join("distrack.db")
}

#[async_trait]
impl Store for FaultyStore {
    async fn submit_by(
        &self,
        submissions: Vec<Submission>,
        mode: SubmitMode,
        notes: Vec<AuditNote>,
    ) -> Result<Vec<Submitted>> {
        self.submits.lock().unwrap().push((submissions.len(), mode));
        self.gate.subscribe().wait_for(|open| *open).await.unwrap();
        self.up()?;
        let asks = |command: &str| submissions.iter().any(|one| one.task.spec.program.to_string() == command);
        if asks("cannot be stored") {
            return Err(StoreError::Refused("syntax error in secret statement".into()));
        }
        assert!(!asks("panic"), "told to panic");
        let stored = self.inner.submit_by(submissions, mode, notes).await?;
        if self.breaks_off.swap(false, Ordering::SeqCst) {
            return Err(StoreError::unanswered("secret-host hung up"));
        }
        Ok(stored)
    }

    async fn cancel_by(&self, task: TaskId, note: Option<AuditNote>) -> Result<CancelAnswer> {
        self.up()?;
        self.inner.cancel_by(task, note).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        self.up()?;
        self.inner.audit(query).await
    }

    async fn get(&self, ids: Vec<TaskId>) -> Result<Vec<Task>> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        assert!(!self.panics.swap(false, Ordering::SeqCst), "told to panic");
        if self.blind.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("too many connections at secret-host"));
        }
        self.inner.get(ids).await
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        self.up()?;
        self.inner.list(query).await
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        self.up()?;
        self.inner.attempts(task).await
    }

    async fn explain(&self, task: TaskId) -> Result<Option<Facts>> {
        self.up()?;
        self.inner.explain(task).await
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        self.up()?;
        self.inner.output(task, attempt).await
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        self.up()?;
        self.inner.workers().await
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        self.up()?;
        self.inner.queue_snapshot().await
    }

    async fn schema(&self) -> Result<Schema> {
        self.up()?;
        self.inner.schema().await
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.inner.wakeup(hint)
    }

    fn connections(&self) -> Vec<Connections> {
        self.inner.connections()
    }

    async fn claim(&self, _: ClaimRequest) -> Result<Claims> {
        unimplemented!("a scheduler never claims")
    }

    async fn release(&self, _: Vec<AttemptRef>) -> Result<Released> {
        unimplemented!("a scheduler never releases")
    }

    async fn report(&self, _: Vec<AttemptReport>) -> Result<Reported> {
        unimplemented!("a scheduler never reports")
    }

    async fn next_due(&self) -> Result<NextDue> {
        unimplemented!("a scheduler never times")
    }

    async fn register(&self, _: Registration) -> Result<Registered> {
        unimplemented!("a scheduler registers nobody")
    }

    async fn renew(&self, _: CoordinatorId, _: Vec<HeartbeatSeen>, _: Duration) -> Result<Renewed> {
        unimplemented!("a scheduler renews nothing")
    }

    async fn deregister(&self, _: SessionId) -> Result<Vec<Progress>> {
        unimplemented!("a scheduler ends no session")
    }

    async fn sweep(&self, _: u32, _: Option<DateTime<Utc>>) -> Result<Swept> {
        unimplemented!("a scheduler never sweeps")
    }

    async fn prune(&self, _: Retention, _: u32) -> Result<Pruned> {
        unimplemented!("a scheduler never prunes")
    }

    async fn migrate(&self) -> Result<()> {
        unimplemented!("a scheduler never migrates")
    }
}
