//! Claiming due tasks, giving them back, and knowing when to look next.

use std::time::Duration;

use distrack_core::{AttemptRef, SpanId, TraceId};
use distrack_store::shared::released_of;
use distrack_store::{ClaimRequest, Claims, NextDue, Released};
use serde_json::json;
use uuid::Uuid;

use crate::Result;
use crate::database::{Database, Step};
use crate::error::store_error;
use crate::row::{ClaimedRow, Instant, batch, refs};

pub(crate) async fn claim(database: &Database, request: ClaimRequest) -> Result<Claims> {
    let slots = request.slots.iter();
    let slots = slots
        .map(|slot| (slot.session, slot.attach, TraceId::random().to_string(), SpanId::random().to_string()));
    let slots = batch(slots);
    let queues = request.queues.map(batch);
    let labels = json!(request.labels);
    let mut step = database.begin().await?;
    let (now, policy) = (step.now, request.trace_policy.code());
    let rows = sqlx::query_file_as!(
        ClaimedRow,
        "sql/claim.sql",
        request.coordinator.as_uuid(),
        slots,
        queues,
        labels,
        now,
        policy,
    )
    .fetch_all(step.connection())
    .await
    .map_err(store_error)?;
    step.commit().await?;
    Ok(rows.into_iter().collect())
}

pub(crate) async fn release(database: &Database, attempts: &[AttemptRef]) -> Result<Released> {
    let mut step = database.begin().await?;
    let released = give_back(&mut step, attempts).await?;
    step.commit().await?;
    Ok(released)
}

/// Gives back dispatched attempts, or ends those that a user cancelled.
pub(crate) async fn give_back(step: &mut Step, attempts: &[AttemptRef]) -> Result<Released> {
    let (attempts, now) = (refs(attempts), step.now);
    let released = sqlx::query_file!("sql/release.sql", attempts)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    let cancelled = sqlx::query_file!("sql/release_cancelled.sql", attempts, now)
        .fetch_all(step.connection())
        .await
        .map_err(store_error)?;
    Ok(released_of(released.rows_affected(), cancelled.into_iter().map(|row| row.queue)))
}

pub(crate) async fn next_due(database: &Database) -> Result<NextDue> {
    let row = sqlx::query_file!("sql/next_due.sql", database.now())
        .fetch_one(database.readers())
        .await
        .map_err(store_error)?;
    let due_in = row.due_in_us.map(|us| Duration::from_micros(us.unsigned_abs()));
    Ok(NextDue { ready: row.ready, due_in })
}
