//! Steps that only look.

use distrack_core::{Attempt, Output, Task, TaskId};
use distrack_store::shared::{OutputRow, QueueRow, to_int};
use distrack_store::{ListQuery, QueueSnapshot, WorkerSession};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Result;
use crate::error::store_error;
use crate::row::{AttemptRow, TaskRow, WorkerRow};

pub(crate) async fn get(pool: &PgPool, tasks: &[TaskId]) -> Result<Vec<Task>> {
    let ids: Vec<Uuid> = tasks.iter().map(|task| task.as_uuid()).collect();
    let rows =
        sqlx::query_file_as!(TaskRow, "sql/get.sql", &ids).fetch_all(pool).await.map_err(store_error)?;
    rows.into_iter().map(Task::try_from).collect()
}

pub(crate) async fn list(pool: &PgPool, query: ListQuery) -> Result<Vec<Task>> {
    let rows = sqlx::query_file_as!(
        TaskRow,
        "sql/list.sql",
        query.cursor.map_or(Uuid::max(), |cursor| cursor.0.as_uuid()),
        query.state.map(|state| state.code()),
        query.queue.map(|queue| queue.to_string()),
        (!query.labels.is_empty()).then(|| serde_json::json!(query.labels)),
        query.created_after,
        query.created_before,
        i64::from(query.limit),
    )
    .fetch_all(pool)
    .await
    .map_err(store_error)?;
    rows.into_iter().map(Task::try_from).collect()
}

pub(crate) async fn attempts(pool: &PgPool, task: TaskId) -> Result<Option<Vec<Attempt>>> {
    let rows = sqlx::query_file_as!(AttemptRow, "sql/attempts.sql", task.as_uuid())
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    if rows.is_empty() && get(pool, &[task]).await?.is_empty() {
        return Ok(None);
    }
    rows.into_iter().map(Attempt::try_from).collect::<Result<_>>().map(Some)
}

pub(crate) async fn output(pool: &PgPool, task: TaskId, attempt: u32) -> Result<Option<Output>> {
    let (id, attempt) = (task.as_uuid(), to_int(attempt));
    let row = sqlx::query_file_as!(OutputRow, "sql/output.sql", id, attempt)
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    if let Some(row) = row {
        return Ok(Some(row.into()));
    }
    let ended =
        sqlx::query_file!("sql/attempt_ended.sql", id, attempt).fetch_one(pool).await.map_err(store_error)?;
    Ok(ended.ended.then(Output::default))
}

pub(crate) async fn workers(pool: &PgPool) -> Result<Vec<WorkerSession>> {
    let rows =
        sqlx::query_file_as!(WorkerRow, "sql/workers.sql").fetch_all(pool).await.map_err(store_error)?;
    rows.into_iter().map(WorkerSession::try_from).collect()
}

pub(crate) async fn queue_snapshot(pool: &PgPool) -> Result<Vec<QueueSnapshot>> {
    let rows = sqlx::query_file_as!(QueueRow, "sql/queue_snapshot.sql")
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(QueueSnapshot::try_from).collect()
}
