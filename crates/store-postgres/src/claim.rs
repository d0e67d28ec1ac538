//! Claiming due tasks, giving them back, and knowing when to look next.

use std::time::Duration;

use distrack_core::{AttemptRef, QueueName, SpanId, TraceId};
use distrack_store::shared::released_of;
use distrack_store::{ClaimRequest, Claims, NextDue, Released};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::Result;
use crate::row::ClaimedRow;
use crate::trouble::{commit_error, store_error};

pub(crate) async fn claim(connection: &mut PgConnection, request: &ClaimRequest) -> Result<Claims> {
    let (slots, attaches): (Vec<Uuid>, Vec<i64>) =
        request.slots.iter().map(|slot| (slot.session.as_uuid(), slot.attach)).unzip();
    let traces: Vec<String> = slots.iter().map(|_| TraceId::random().to_string()).collect();
    let spans: Vec<String> = slots.iter().map(|_| SpanId::random().to_string()).collect();
    let queues: Option<Vec<String>> =
        request.queues.as_ref().map(|queues| queues.iter().map(QueueName::to_string).collect());
    let rows = sqlx::query_file_as!(
        ClaimedRow,
        "sql/claim.sql",
        request.coordinator.as_uuid(),
        &slots,
        &traces,
        &spans,
        queues.as_deref() as Option<&[String]>,
        serde_json::json!(request.labels),
        &attaches,
        request.trace_policy.code(),
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(commit_error)?;
    Ok(rows.into_iter().collect())
}

pub(crate) async fn release(connection: &mut PgConnection, attempts: &[AttemptRef]) -> Result<Released> {
    let mut transaction = connection.begin().await.map_err(store_error)?;
    let released = give_back(&mut transaction, attempts).await?;
    transaction.commit().await.map_err(commit_error)?;
    Ok(released)
}

/// Gives back dispatched attempts, or ends those that a user cancelled.
pub(crate) async fn give_back(connection: &mut PgConnection, attempts: &[AttemptRef]) -> Result<Released> {
    let (ids, epochs) = split(attempts);
    let released = sqlx::query_file!("sql/release.sql", &ids, &epochs)
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
    let cancelled = sqlx::query_file!("sql/release_cancelled.sql", &ids, &epochs)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    Ok(released_of(released.rows_affected(), cancelled.into_iter().map(|row| row.queue)))
}

pub(crate) async fn next_due(connection: &mut PgConnection) -> Result<NextDue> {
    let row = sqlx::query_file!("sql/next_due.sql").fetch_one(&mut *connection).await.map_err(store_error)?;
    let due_in = row.due_in_us.map(|us| Duration::from_micros(us.unsigned_abs()));
    Ok(NextDue { ready: row.ready, due_in })
}

/// References as the two columns that statements take.
pub(crate) fn split(attempts: &[AttemptRef]) -> (Vec<Uuid>, Vec<i64>) {
    attempts.iter().map(|attempt| (attempt.task.as_uuid(), attempt.epoch)).unzip()
}
