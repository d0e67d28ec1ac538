//! What the database says when all is over: tasks, attempts, keys, outputs, and every step on the way.

use std::collections::HashMap;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, Executor, FromRow, PgConnection, Row};
use uuid::Uuid;

use super::boot::{Boot, next_step};

/// The numbers of states in the database.
pub mod state {
    /// Waits.
    pub const PENDING: i16 = 0;
    /// Claimed for a worker.
    pub const DISPATCHED: i16 = 1;
    /// Its command runs.
    pub const RUNNING: i16 = 2;
    /// It ended well.
    pub const COMPLETED: i16 = 3;
    /// It ended badly.
    pub const FAILED: i16 = 4;
    /// A user cancelled it.
    pub const CANCELLED: i16 = 5;
    /// It was not started in time.
    pub const EXPIRED: i16 = 6;
    /// The first of those that never change.
    pub const TERMINAL: i16 = COMPLETED;

    /// The name of a state.
    pub fn name(state: i16) -> &'static str {
        let names = ["pending", "dispatched", "running", "completed", "failed", "cancelled", "expired"];
        usize::try_from(state).ok().and_then(|state| names.get(state)).unwrap_or(&"unknown")
    }
}

/// The numbers of causes in the database that the checker asks for.
pub mod cause {
    /// The command ended with another exit code than 0.
    pub const EXIT_CODE: i16 = 1;
    /// Its worker was lost.
    pub const WORKER_LOST: i16 = 6;
    /// It was interrupted.
    pub const INTERRUPTED: i16 = 9;
}

/// A row of `tasks`.
#[derive(Clone, Debug, Default, FromRow)]
#[expect(
    missing_docs,
    reason = "each field is the column of its name, instants as milliseconds since the boot"
)]
pub struct TaskRow {
    pub id: String,
    pub n: Option<String>,
    pub kind: Option<String>,
    pub state: i16,
    pub epoch: i64,
    pub attempt: i32,
    pub failures: i32,
    pub losses: i32,
    pub max_attempts: i32,
    pub on_lost: i16,
    pub scheduled: i64,
    pub started: Option<i64>,
    pub finished: Option<i64>,
    pub cause: Option<i16>,
    pub exit_code: Option<i32>,
    pub worker: Option<String>,
    pub error: Option<String>,
}

/// A superseded attempt.
#[derive(Clone, Debug, Default, FromRow)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct AttemptRow {
    pub task: String,
    pub epoch: i64,
    pub attempt: i32,
    pub worker: Option<String>,
    pub cause: Option<i16>,
    pub exit_code: Option<i32>,
}

/// One committed step of a task.
#[derive(Clone, Debug, Default, FromRow)]
#[expect(missing_docs, reason = "each field is the column of its name in audit.sql")]
pub struct Step {
    pub seq: i64,
    pub at: i64,
    pub task: String,
    pub old_state: Option<i16>,
    pub new_state: i16,
    pub old_epoch: Option<i64>,
    pub new_epoch: i64,
    pub old_attempt: Option<i32>,
    pub new_attempt: i32,
    pub due: i64,
    pub worker: Option<String>,
    pub cause: Option<i16>,
    pub exit_code: Option<i32>,
}

/// Both ends of the standard output that is kept of an attempt.
#[derive(Clone, Debug, Default, FromRow)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct OutputRow {
    pub task: String,
    pub attempt: i32,
    pub stdout_head: Vec<u8>,
    pub stdout_tail: Vec<u8>,
    pub stdout_bytes: i64,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// All tasks by id.
    pub tasks: HashMap<String, TaskRow>,
    /// Superseded attempts.
    pub attempts: Vec<AttemptRow>,
    /// All steps, oldest first; none if they were not written down.
    pub steps: Vec<Step>,
    /// The task of each key.
    pub keys: Vec<(String, String)>,
    /// What was printed.
    pub outputs: Vec<OutputRow>,
    /// Connections to the database at the end, but for this one.
    pub connections: i64,
    /// Dead rows of all tables.
    pub dead_rows: i64,
}

/// The offset of the database's clock from this machine's, to be subtracted from its milliseconds.
async fn offset(connection: &mut PgConnection) -> Result<i64> {
    let mut best: Option<(i64, i64)> = None;
    for _ in 0..5 {
        let before = next_step()?;
        let started = std::time::Instant::now();
        let row =
            connection.fetch_one("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").await?;
        let took = i64::try_from(started.elapsed().as_micros())?;
        let at: i64 = row.try_get(0)?;
        let found = (took, at - before.0 - took / 2_000);
        best = Some(best.map_or(found, |best| best.min(found)));
    }
    Ok(best.context("the clock was not read")?.1)
}

/// How many tasks have not ended.
///
/// # Errors
/// If the database does not answer.
pub async fn unfinished(connection: &mut PgConnection) -> Result<i64> {
    let unfinished = sqlx::query_scalar("SELECT count(*) FROM tasks WHERE state < $1").bind(state::TERMINAL);
    Ok(unfinished.fetch_one(connection).await?)
}

/// Makes the database write down every step.
///
/// # Errors
/// If it refuses.
pub async fn audit(url: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(include_str!("audit.sql")).await?;
    Ok(connection.close().await?)
}

/// Reads everything.
///
/// # Errors
/// If the database cannot be read.
pub async fn read(url: &str, audited: bool) -> Result<Dump> {
    let mut connection = PgConnection::connect(url).await?;
    let connection = &mut connection;
    let offset = offset(connection).await?;
    let ms = |column: &str| format!("(extract(epoch FROM {column}) * 1000)::bigint - ({offset})");
    let tasks: Vec<TaskRow> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT id::text, labels->>'n' AS n, labels->>'kind' AS kind, state, epoch, attempt, failures, losses, \
         max_attempts, on_lost, {} AS scheduled, {} AS started, {} AS finished, cause, exit_code, worker, error \
         FROM tasks",
        ms("scheduled_at"),
        ms("started_at"),
        ms("finished_at"),
    )))
    .fetch_all(&mut *connection)
    .await?;
    let attempts = sqlx::query_as(
        "SELECT task_id::text AS task, epoch, attempt, worker, cause, exit_code FROM attempts ORDER BY epoch",
    )
    .fetch_all(&mut *connection)
    .await?;
    let outputs = sqlx::query_as(
        "SELECT task_id::text AS task, attempt, stdout_head, stdout_tail, stdout_bytes FROM task_output",
    )
    .fetch_all(&mut *connection)
    .await?;
    let keys: Vec<(String, Uuid)> =
        sqlx::query_as("SELECT key, task_id FROM idempotency_keys").fetch_all(&mut *connection).await?;
    let steps = if audited {
        sqlx::query_as(AssertSqlSafe(format!(
            "SELECT seq, {} AS at, task_id::text AS task, old_state, new_state, old_epoch, new_epoch, \
             old_attempt, new_attempt, {} AS due, worker, cause, exit_code FROM chaos.steps ORDER BY seq",
            ms("at"),
            ms("due_at"),
        )))
        .fetch_all(&mut *connection)
        .await?
    } else {
        Vec::new()
    };
    let connections: (i64,) = sqlx::query_as(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND backend_type = 'client backend'",
    )
    .fetch_one(&mut *connection)
    .await?;
    let dead: (i64,) = sqlx::query_as("SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables")
        .fetch_one(&mut *connection)
        .await?;
    Ok(Dump {
        tasks: tasks.into_iter().map(|task| (task.id.clone(), task)).collect(),
        attempts,
        steps,
        keys: keys.into_iter().map(|(key, task)| (key, task.to_string())).collect(),
        outputs,
        connections: connections.0,
        dead_rows: dead.0,
    })
}

impl TaskRow {
    /// Whether nothing will happen to it any more.
    pub fn is_terminal(&self) -> bool {
        self.state >= state::TERMINAL
    }

    /// When it was asked to run.
    pub fn scheduled(&self) -> Boot {
        Boot(self.scheduled)
    }
}

impl Step {
    /// When it was made.
    pub fn at(&self) -> Boot {
        Boot(self.at)
    }
}
