//! Steps that only look.

use distrack_core::{Attempt, Output, Task, TaskId};
use distrack_store::shared::{OutputRow, QueueRow, to_int};
use distrack_store::{ListQuery, QueueSnapshot, WorkerSession};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Result;
use crate::database::Database;
use crate::error::store_error;
use crate::row::{AttemptRow, Instant, TaskRow, WorkerRow, batch, ids};

pub(crate) async fn get(database: &Database, tasks: &[TaskId]) -> Result<Vec<Task>> {
    let rows = sqlx::query_file_as!(TaskRow, "sql/get.sql", ids(tasks.iter().copied()))
        .fetch_all(database.readers())
        .await
        .map_err(store_error)?;
    rows.into_iter().map(Task::try_from).collect()
}

pub(crate) async fn list(database: &Database, query: ListQuery) -> Result<Vec<Task>> {
    let rows = sqlx::query_file_as!(
        TaskRow,
        "sql/list.sql",
        query.cursor.map_or(Uuid::max(), |cursor| cursor.0.as_uuid()),
        query.state.map(|state| state.code()),
        query.queue.map(|queue| queue.to_string()),
        (!query.labels.is_empty()).then(|| json!(query.labels)),
        query.created_after.map(|instant| instant.timestamp_micros()),
        query.created_before.map(|instant| instant.timestamp_micros()),
        i64::from(query.limit),
        query.queues.map(batch),
    )
    .fetch_all(database.readers())
    .await
    .map_err(store_error)?;
    rows.into_iter().map(Task::try_from).collect()
}

pub(crate) async fn attempts(database: &Database, task: TaskId) -> Result<Option<Vec<Attempt>>> {
    let rows = sqlx::query_file_as!(AttemptRow, "sql/attempts.sql", task.as_uuid())
        .fetch_all(database.readers())
        .await
        .map_err(store_error)?;
    if rows.is_empty() && get(database, &[task]).await?.is_empty() {
        return Ok(None);
    }
    rows.into_iter().map(Attempt::try_from).collect::<Result<_>>().map(Some)
}

pub(crate) async fn output(database: &Database, task: TaskId, attempt: u32) -> Result<Option<Output>> {
    let (id, attempt) = (task.as_uuid(), to_int(attempt));
    let row = sqlx::query_file_as!(OutputRow, "sql/output.sql", id, attempt)
        .fetch_optional(database.readers())
        .await
        .map_err(store_error)?;
    if let Some(row) = row {
        return Ok(Some(row.into()));
    }
    let ended = sqlx::query_file!("sql/attempt_ended.sql", id, attempt)
        .fetch_one(database.readers())
        .await
        .map_err(store_error)?;
    Ok(ended.ended.then(Output::default))
}

pub(crate) async fn workers(database: &Database) -> Result<Vec<WorkerSession>> {
    let rows = sqlx::query_file_as!(WorkerRow, "sql/workers.sql", database.now())
        .fetch_all(database.readers())
        .await
        .map_err(store_error)?;
    rows.into_iter().map(WorkerSession::try_from).collect()
}

pub(crate) async fn queue_snapshot(database: &Database) -> Result<Vec<QueueSnapshot>> {
    let rows = sqlx::query_file_as!(QueueRow, "sql/queue_snapshot.sql", database.now())
        .fetch_all(database.readers())
        .await
        .map_err(store_error)?;
    rows.into_iter().map(QueueSnapshot::try_from).collect()
}
