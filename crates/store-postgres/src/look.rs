//! Steps that only look.

use distrack_core::{Attempt, Output, Task, TaskId};
use distrack_store::shared::{OutputRow, QueueRow, to_int};
use distrack_store::{ListQuery, QueueSnapshot, WorkerSession};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;
use crate::row::{AttemptRow, TaskRow, WorkerRow};
use crate::trouble::store_error;

pub(crate) async fn get(connection: &mut PgConnection, tasks: &[TaskId]) -> Result<Vec<Task>> {
    let ids: Vec<Uuid> = tasks.iter().map(|task| task.as_uuid()).collect();
    let rows = sqlx::query_file_as!(TaskRow, "sql/get.sql", &ids)
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(Task::try_from).collect()
}

pub(crate) async fn list(connection: &mut PgConnection, query: &ListQuery) -> Result<Vec<Task>> {
    let queues: Option<Vec<String>> =
        query.queues.as_ref().map(|queues| queues.iter().map(ToString::to_string).collect());
    let rows = sqlx::query_file_as!(
        TaskRow,
        "sql/list.sql",
        query.cursor.map_or(Uuid::max(), |cursor| cursor.0.as_uuid()),
        query.state.map(|state| state.code()),
        query.queue.as_ref().map(ToString::to_string),
        (!query.labels.is_empty()).then(|| serde_json::json!(query.labels)),
        query.created_after,
        query.created_before,
        i64::from(query.limit),
        queues.as_deref(),
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    rows.into_iter().map(Task::try_from).collect()
}

pub(crate) async fn attempts(connection: &mut PgConnection, task: TaskId) -> Result<Option<Vec<Attempt>>> {
    let rows = sqlx::query_file_as!(AttemptRow, "sql/attempts.sql", task.as_uuid())
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    if rows.is_empty() && get(connection, &[task]).await?.is_empty() {
        return Ok(None);
    }
    rows.into_iter().map(Attempt::try_from).collect::<Result<_>>().map(Some)
}

pub(crate) async fn output(
    connection: &mut PgConnection,
    task: TaskId,
    attempt: u32,
) -> Result<Option<Output>> {
    let (id, attempt) = (task.as_uuid(), to_int(attempt));
    let row = sqlx::query_file_as!(OutputRow, "sql/output.sql", id, attempt)
        .fetch_optional(&mut *connection)
        .await
        .map_err(store_error)?;
    if let Some(row) = row {
        return Ok(Some(row.into()));
    }
    let ended = sqlx::query_file!("sql/attempt_ended.sql", id, attempt)
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
    Ok(ended.ended.then(Output::default))
}

pub(crate) async fn workers(connection: &mut PgConnection) -> Result<Vec<WorkerSession>> {
    let rows = sqlx::query_file_as!(WorkerRow, "sql/workers.sql")
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(WorkerSession::try_from).collect()
}

pub(crate) async fn queue_snapshot(connection: &mut PgConnection) -> Result<Vec<QueueSnapshot>> {
    let rows = sqlx::query_file_as!(QueueRow, "sql/queue_snapshot.sql")
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(QueueSnapshot::try_from).collect()
}
