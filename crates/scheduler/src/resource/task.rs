//! A task as the API shows it.

use std::collections::BTreeMap;

use distrack_core::outcome::Usage;
use distrack_core::{Cause, Executor, OnLost, OnOutputLimit, Outcome, Program, Task, TaskId, TaskState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::duration::Span;
use crate::resource::schema;
use crate::stamp::Stamp;

/// A task. Instants are the database's, null until they happen.
#[derive(Serialize, ToSchema)]
#[schema(as = Task)]
pub(crate) struct TaskResource {
    /// Its identity.
    #[schema(value_type = Uuid)]
    pub(crate) task_id: TaskId,
    #[schema(schema_with = schema::state)]
    state: TaskState,
    /// The line that `/bin/sh -c` runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// The program and its arguments, instead of `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    argv: Option<Vec<String>>,
    /// The stream that it waits in.
    queue: String,
    /// Higher first.
    priority: i16,
    /// The number of the current or last attempt; 0 before the first.
    attempt: u32,
    /// How many attempts may end by themselves without success.
    max_attempts: u32,
    /// Attempts that ended by themselves without success.
    failures: u32,
    /// Attempts whose worker was lost.
    losses: u32,
    /// The exit code of the last attempt that ended by itself.
    exit_code: Option<i32>,
    /// The signal that ended the last attempt.
    signal: Option<i32>,
    #[schema(schema_with = schema::cause)]
    cause: Option<Cause>,
    /// What went wrong, for a person.
    error: Option<String>,
    /// The name of the worker that holds or held the attempt.
    worker: Option<String>,
    /// Marks to list by.
    labels: BTreeMap<String, String>,
    /// Labels that the worker must have.
    requires: BTreeMap<String, String>,
    /// The names of its variables; values are never shown.
    env_names: Vec<String>,
    /// The names of its secret variables; values are never shown.
    env_secret: Vec<String>,
    /// The directory that it runs in; the worker's own when null.
    cwd: Option<String>,
    /// How many seconds an attempt may run.
    #[schema(value_type = f64)]
    timeout: Span,
    /// Bounds of the wait between attempts.
    backoff: BackoffResource,
    #[schema(schema_with = schema::on_lost)]
    on_lost: OnLost,
    #[schema(schema_with = schema::on_output_limit)]
    on_output_limit: OnOutputLimit,
    #[schema(schema_with = schema::executor)]
    executor: Executor,
    /// The trace of its submission.
    trace_id: String,
    /// When it was accepted.
    created_at: Stamp,
    /// When it was asked to run; it never starts before.
    scheduled_at: Stamp,
    /// When it may be claimed next: later than `scheduled_at` for a retry.
    due_at: Stamp,
    /// The latest instant at which it may start.
    expires_at: Option<Stamp>,
    /// When the current or last attempt was claimed.
    picked_at: Option<Stamp>,
    /// When its command started.
    started_at: Option<Stamp>,
    /// When the task completed.
    completed_at: Option<Stamp>,
    /// When the task failed for good.
    failed_at: Option<Stamp>,
    /// When the task was cancelled.
    cancelled_at: Option<Stamp>,
    /// When the task expired.
    expired_at: Option<Stamp>,
    /// When a user asked to stop the attempt that a worker holds.
    cancel_requested_at: Option<Stamp>,
    /// What the last attempt used.
    usage: Option<UsageResource>,
    /// The task that this one repeats.
    #[schema(value_type = Option<Uuid>)]
    retry_of: Option<TaskId>,
    /// Where to go from here.
    links: Links,
}

/// Bounds of the wait between attempts, in seconds.
#[derive(Serialize, ToSchema)]
#[schema(as = Backoff)]
pub(crate) struct BackoffResource {
    /// The bound of the first wait.
    #[schema(value_type = f64)]
    initial: Span,
    /// The bound of every wait.
    #[schema(value_type = f64)]
    max: Span,
}

/// What an attempt used, as the kernel accounted it.
#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageResource {
    /// The largest resident set of any one process, in bytes; null when it was too small to be told from the
    /// worker's own, which the kernel counts in.
    max_rss_bytes: Option<u64>,
    /// Processor time in user mode, in seconds.
    cpu_user_seconds: f64,
    /// Processor time in the kernel, in seconds.
    cpu_system_seconds: f64,
}

/// Where to go from a task.
#[derive(Serialize, ToSchema)]
pub(crate) struct Links {
    /// This task.
    #[serde(rename = "self")]
    this: String,
    /// This task, by the older route.
    status: String,
    /// What it printed.
    output: String,
    /// Its attempts.
    attempts: String,
    /// Why it stands as it does.
    why: String,
    /// Its traces and phases.
    trace: String,
}

impl From<Usage> for UsageResource {
    fn from(usage: Usage) -> Self {
        Self {
            max_rss_bytes: usage.max_rss_bytes,
            cpu_user_seconds: usage.cpu_user.as_secs_f64(),
            cpu_system_seconds: usage.cpu_system.as_secs_f64(),
        }
    }
}

/// The path of a task.
pub(crate) fn path_of(id: TaskId) -> String {
    format!("/v1/tasks/{id}")
}

impl Links {
    pub(super) fn of(id: TaskId) -> Self {
        let this = path_of(id);
        Self {
            status: format!("/status?task_id={id}"),
            output: format!("{this}/output"),
            attempts: format!("{this}/attempts"),
            why: format!("{this}/why"),
            trace: format!("{this}/trace"),
            this,
        }
    }
}

impl From<Task> for TaskResource {
    fn from(task: Task) -> Self {
        let ended = |state: TaskState| task.finished_at.filter(|_| task.state == state).map(Stamp);
        let (completed_at, failed_at) = (ended(TaskState::Completed), ended(TaskState::Failed));
        let (cancelled_at, expired_at) = (ended(TaskState::Cancelled), ended(TaskState::Expired));
        let timeout = Span(task.spec.timeout());
        let (command, argv) = match task.spec.program {
            Program::Command(line) => (Some(line), None),
            Program::Argv(argv) => (None, Some(argv)),
        };
        let outcome: Outcome = task.outcome.unwrap_or_default();
        let backoff = task.policy.backoff;
        Self {
            task_id: task.id,
            state: task.state,
            command,
            argv,
            queue: task.queue.into(),
            priority: task.priority,
            attempt: task.attempt,
            max_attempts: task.policy.max_attempts,
            failures: task.failures,
            losses: task.losses,
            exit_code: outcome.exit_code,
            signal: outcome.signal,
            cause: outcome.cause,
            error: outcome.error,
            worker: task.worker,
            labels: task.labels,
            requires: task.requires,
            env_names: task.spec.env.into_keys().collect(),
            env_secret: task.spec.env_secret.into_keys().collect(),
            cwd: task.spec.cwd,
            timeout,
            backoff: BackoffResource { initial: Span(backoff.initial), max: Span(backoff.max) },
            on_lost: task.policy.on_lost,
            on_output_limit: task.spec.on_output_limit,
            executor: task.spec.executor,
            trace_id: task.trace.trace_id.to_string(),
            created_at: task.created_at.into(),
            scheduled_at: task.scheduled_at.into(),
            due_at: task.due_at.into(),
            expires_at: task.expires_at.map(Stamp),
            picked_at: task.picked_at.map(Stamp),
            started_at: task.started_at.map(Stamp),
            completed_at,
            failed_at,
            cancelled_at,
            expired_at,
            cancel_requested_at: task.cancel_requested_at.map(Stamp),
            usage: outcome.usage.map(UsageResource::from),
            retry_of: task.retry_of,
            links: Links::of(task.id),
        }
    }
}

/// Tasks, in the order in which they were sent or listed.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskList {
    /// The tasks.
    pub(crate) tasks: Vec<TaskResource>,
}

/// One page of tasks, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskPage {
    /// The tasks.
    pub(crate) tasks: Vec<TaskResource>,
    /// What to send as `cursor` for the next page; null on the last one.
    pub(crate) next_cursor: Option<String>,
}
