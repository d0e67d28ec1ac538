//! A store in memory: as much of the contract as the HTTP API can see.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use distrack_core::{
    Attempt, AttemptRef, CoordinatorId, Due, Outcome, Output, SessionId, Task, TaskId, TaskState,
};
use distrack_store::*;
use tokio::sync::watch;

type Result<T> = std::result::Result<T, StoreError>;

pub(crate) struct MemoryStore {
    tasks: Mutex<BTreeMap<TaskId, Task>>,
    keys: Mutex<HashMap<String, (Vec<u8>, TaskId)>>,
    outputs: Mutex<HashMap<(TaskId, u32), Output>>,
    pub(crate) workers: Mutex<Vec<WorkerSession>>,
    /// The size and mode of each call of `submit`.
    pub(crate) submits: Mutex<Vec<(usize, SubmitMode)>>,
    pub(crate) gets: AtomicUsize,
    down: AtomicBool,
    pub(crate) schema: Mutex<Schema>,
    gate: watch::Sender<bool>,
    waker: Waker,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            tasks: Mutex::default(),
            keys: Mutex::default(),
            outputs: Mutex::default(),
            workers: Mutex::default(),
            submits: Mutex::default(),
            gets: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            schema: Mutex::new(Schema::Current),
            gate: watch::Sender::new(true),
            waker: Waker::default(),
        }
    }
}

impl MemoryStore {
    /// Whether the database answers.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Whether calls of `submit` get through; they wait while not.
    pub(crate) fn set_open(&self, open: bool) {
        self.gate.send_replace(open);
    }

    pub(crate) fn count(&self) -> usize {
        self.tasks().len()
    }

    pub(crate) fn task(&self, id: TaskId) -> Task {
        self.tasks()[&id].clone()
    }

    /// How many calls of `submit` began.
    pub(crate) fn submit_calls(&self) -> usize {
        self.submits.lock().unwrap().len()
    }

    /// Changes a task as the fleet would, without a hint.
    pub(crate) fn change(&self, id: TaskId, change: impl FnOnce(&mut Task)) {
        change(self.tasks().get_mut(&id).unwrap());
    }

    /// Ends a task after one attempt, and raises the hint.
    pub(crate) fn end(&self, id: TaskId, state: TaskState, outcome: Outcome) {
        self.change(id, |task| {
            task.state = state;
            task.attempt += 1;
            task.worker = Some("w1".to_owned());
            task.picked_at = Some(task.due_at);
            task.started_at = Some(task.due_at + TimeDelta::milliseconds(1));
            task.finished_at = Some(task.due_at + TimeDelta::milliseconds(3));
            task.outcome = Some(outcome);
        });
        self.waker.raise(Hint::Done);
    }

    pub(crate) fn print(&self, id: TaskId, attempt: u32, output: Output) {
        self.outputs.lock().unwrap().insert((id, attempt), output);
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<TaskId, Task>> {
        self.tasks.lock().unwrap()
    }

    fn up(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("connection refused at secret-host:5432"));
        }
        Ok(())
    }

    fn put(&self, submission: Submission) -> Submitted {
        if let Some(key) = &submission.key {
            let mut keys = self.keys.lock().unwrap();
            if let Some((hash, id)) = keys.get(&key.key) {
                let same = *hash == key.request_hash;
                return if same { Submitted::Replayed(*id) } else { Submitted::KeyConflict };
            }
            keys.insert(key.key.clone(), (key.request_hash.to_vec(), submission.task.id));
        }
        let id = submission.task.id;
        let created_at = DateTime::from_timestamp_millis(id.made_at_ms().unwrap()).unwrap();
        let scheduled_at = match submission.task.due {
            Due::After(delay) => created_at + delay,
            Due::At(at) => at,
        };
        self.tasks().insert(id, submission.task.accepted(created_at, scheduled_at));
        Submitted::Created { created_at, scheduled_at }
    }

    fn conflicts(&self, submission: &Submission) -> bool {
        let keys = self.keys.lock().unwrap();
        let key = submission.key.as_ref();
        key.is_some_and(|key| keys.get(&key.key).is_some_and(|(hash, _)| *hash != key.request_hash))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn submit(&self, submissions: Vec<Submission>, mode: SubmitMode) -> Result<Vec<Submitted>> {
        self.submits.lock().unwrap().push((submissions.len(), mode));
        self.gate.subscribe().wait_for(|open| *open).await.unwrap();
        self.up()?;
        let refuses = |one: &Submission| one.task.spec.program.to_string() == "cannot be stored";
        if submissions.iter().any(refuses) {
            return Err(StoreError::Refused("syntax error in secret statement".into()));
        }
        assert!(submissions.iter().all(|one| one.task.spec.program.to_string() != "panic"), "told to panic");
        if mode == SubmitMode::AllOrNone && submissions.iter().any(|one| self.conflicts(one)) {
            return Ok(submissions.iter().map(|_| Submitted::KeyConflict).collect());
        }
        Ok(submissions.into_iter().map(|one| self.put(one)).collect())
    }

    async fn cancel(&self, task: TaskId) -> Result<CancelAnswer> {
        self.up()?;
        let mut tasks = self.tasks();
        let Some(task) = tasks.get_mut(&task) else { return Ok(CancelAnswer::NotFound) };
        Ok(match task.state {
            TaskState::Pending => {
                task.state = TaskState::Cancelled;
                task.finished_at = Some(task.due_at);
                CancelAnswer::Cancelled
            }
            TaskState::Dispatched | TaskState::Running => {
                task.cancel_requested_at = Some(task.due_at);
                CancelAnswer::Requested
            }
            TaskState::Completed | TaskState::Failed | TaskState::Cancelled | TaskState::Expired => {
                CancelAnswer::Ended
            }
        })
    }

    async fn get(&self, ids: Vec<TaskId>) -> Result<Vec<Task>> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        let found: Vec<Task> = {
            let tasks = self.tasks();
            ids.iter().filter_map(|id| tasks.get(id).cloned()).collect()
        };
        assert!(found.iter().all(|task| task.worker.as_deref() != Some("panic")), "told to panic");
        Ok(found)
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<Task>> {
        self.up()?;
        let tasks = self.tasks();
        let found = tasks.values().rev().filter(|task| {
            query.cursor.is_none_or(|Cursor(last)| task.id < last)
                && query.state.is_none_or(|state| task.state == state)
                && query.queue.as_ref().is_none_or(|queue| task.queue == *queue)
                && query.labels.iter().all(|(key, value)| task.labels.get(key) == Some(value))
                && query.created_after.is_none_or(|after| task.created_at > after)
                && query.created_before.is_none_or(|before| task.created_at < before)
        });
        Ok(found.take(query.limit as usize).cloned().collect())
    }

    async fn attempts(&self, task: TaskId) -> Result<Option<Vec<Attempt>>> {
        self.up()?;
        let tasks = self.tasks();
        Ok(tasks.get(&task).map(|task| {
            let current = Attempt {
                epoch: task.epoch,
                attempt: task.attempt,
                worker: task.worker.clone(),
                picked_at: task.picked_at,
                started_at: task.started_at,
                finished_at: task.finished_at,
                outcome: task.outcome.clone(),
                trace_id: task.attempt_trace_id,
                span_id: task.attempt_span_id,
            };
            if task.attempt == 0 { Vec::new() } else { vec![current] }
        }))
    }

    async fn output(&self, task: TaskId, attempt: u32) -> Result<Option<Output>> {
        self.up()?;
        Ok(self.outputs.lock().unwrap().get(&(task, attempt)).cloned())
    }

    async fn workers(&self) -> Result<Vec<WorkerSession>> {
        self.up()?;
        Ok(self.workers.lock().unwrap().clone())
    }

    async fn queue_snapshot(&self) -> Result<Vec<QueueSnapshot>> {
        self.up()?;
        let mut queues: BTreeMap<_, QueueSnapshot> = BTreeMap::new();
        for task in self.tasks().values() {
            let queue = queues.entry(task.queue.clone()).or_default();
            queue.queue = task.queue.clone();
            queue.ready += u64::from(task.state == TaskState::Pending);
        }
        Ok(queues.into_values().collect())
    }

    async fn claim(&self, _: ClaimRequest) -> Result<Vec<Claimed>> {
        unimplemented!("a scheduler never claims")
    }

    async fn release(&self, _: Vec<AttemptRef>) -> Result<u64> {
        unimplemented!("a scheduler never releases")
    }

    async fn report(&self, _: Vec<AttemptReport>, _: f64) -> Result<Vec<Receipt>> {
        unimplemented!("a scheduler never reports")
    }

    async fn next_due(&self) -> Result<Option<Duration>> {
        unimplemented!("a scheduler never asks what is due")
    }

    async fn register(&self, _: Registration) -> Result<Registered> {
        unimplemented!("a scheduler knows no sessions")
    }

    async fn renew(&self, _: CoordinatorId, _: Vec<HeartbeatSeen>, _: Duration) -> Result<Renewed> {
        unimplemented!("a scheduler knows no sessions")
    }

    async fn deregister(&self, _: SessionId) -> Result<()> {
        unimplemented!("a scheduler knows no sessions")
    }

    async fn sweep(&self, _: u32, _: f64) -> Result<Swept> {
        unimplemented!("a scheduler never sweeps")
    }

    async fn prune(&self, _: Retention, _: u32) -> Result<Pruned> {
        unimplemented!("a scheduler never prunes")
    }

    async fn schema(&self) -> Result<Schema> {
        self.up()?;
        Ok(*self.schema.lock().unwrap())
    }

    async fn migrate(&self) -> Result<()> {
        unimplemented!("a scheduler never migrates")
    }

    fn wakeup(&self, hint: Hint) -> Wakeup {
        self.waker.wakeup(hint)
    }
}
