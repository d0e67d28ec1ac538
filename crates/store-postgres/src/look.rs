//! Steps that only look.

use std::collections::BTreeMap;

use distrack_core::{Attempt, Output, QueueName, StreamOutput, Task, TaskId};
use distrack_store::{ListQuery, QueueSnapshot, WorkerSession, WorkerState};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Result;
use crate::error::{corrupt, store_error};
use crate::row::{AttemptRow, TaskRow, count, json, micros, to_int};

pub(crate) async fn get(pool: &PgPool, tasks: &[TaskId]) -> Result<Vec<Task>> {
    let ids: Vec<Uuid> = tasks.iter().map(|task| task.as_uuid()).collect();
    let rows = sqlx::query_file_as!(TaskRow, "sql/get.sql", &ids).fetch_all(pool).await.map_err(store_error)?;
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
    let row =
        sqlx::query_file!("sql/output.sql", id, attempt).fetch_optional(pool).await.map_err(store_error)?;
    if let Some(row) = row {
        let stream = |head, tail, bytes: i64| StreamOutput { head, tail, bytes: bytes.unsigned_abs() };
        return Ok(Some(Output {
            stdout: stream(row.stdout_head, row.stdout_tail, row.stdout_bytes),
            stderr: stream(row.stderr_head, row.stderr_tail, row.stderr_bytes),
        }));
    }
    let ended = sqlx::query_file!("sql/attempt_ended.sql", id, attempt).fetch_one(pool).await.map_err(store_error)?;
    Ok(ended.ended.then(Output::default))
}

pub(crate) async fn workers(pool: &PgPool) -> Result<Vec<WorkerSession>> {
    let rows = sqlx::query_file!("sql/workers.sql").fetch_all(pool).await.map_err(store_error)?;
    let workers = rows.into_iter().map(|row| {
        let state = match (row.lost, row.late) {
            (true, _) => WorkerState::Lost,
            (false, true) => WorkerState::Late,
            (false, false) => WorkerState::Alive,
        };
        Ok(WorkerSession {
            session: row.id.into(),
            worker: row.worker_id.into(),
            name: row.name,
            host: row.host,
            address: row.address,
            version: row.version,
            state,
            draining: row.draining,
            slots: count(row.slots)?,
            held: count(row.held)?,
            queues: row.queues.map(json::<Vec<QueueName>>).transpose()?,
            labels: json::<BTreeMap<String, String>>(row.labels)?,
            registered_at: row.registered_at,
            last_heartbeat_at: row.last_heartbeat_at,
            lease_expires_at: row.lease_expires_at,
            same_address: count(row.same_address)?,
        })
    });
    workers.collect()
}

pub(crate) async fn queue_snapshot(pool: &PgPool) -> Result<Vec<QueueSnapshot>> {
    let rows = sqlx::query_file!("sql/queue_snapshot.sql").fetch_all(pool).await.map_err(store_error)?;
    let queues = rows.into_iter().map(|row| {
        Ok(QueueSnapshot {
            queue: row.queue.parse().map_err(corrupt)?,
            scheduled: count(row.scheduled)?,
            ready: count(row.ready)?,
            dispatched: count(row.dispatched)?,
            running: count(row.running)?,
            lag: micros(row.lag_us),
        })
    });
    queues.collect()
}
