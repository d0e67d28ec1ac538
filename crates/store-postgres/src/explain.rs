//! What is known of why a task stands as it does, all of one instant.

use distrack_core::why::{Facts, Serving};
use distrack_core::{Attempt, Task, TaskId};
use distrack_store::shared::{AHEAD_LIMIT, Concerned, counted, is_in_line};
use sqlx::{Connection, PgConnection};

use crate::Result;
use crate::row::{AttemptRow, ServingRow, TaskRow};
use crate::trouble::store_error;

/// One snapshot and one `now()` for all queries. With a large backlog the planner would rather read and sort all of it
/// than walk the index as far as is counted, so that it is left no other way. That makes plans look dear, and what looks
/// dear is compiled, for a hundred times as long as it runs.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off";

pub(crate) async fn explain(connection: &mut PgConnection, task: TaskId) -> Result<Option<Facts>> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(store_error)?;
    let facts = look(&mut transaction, task).await?;
    transaction.commit().await.map_err(store_error)?;
    Ok(facts)
}

async fn look(connection: &mut PgConnection, id: TaskId) -> Result<Option<Facts>> {
    let clock = sqlx::query_file!("sql/clock.sql").fetch_one(&mut *connection).await.map_err(store_error)?;
    let row = sqlx::query_file_as!(TaskRow, "sql/get.sql", &[id.as_uuid()])
        .fetch_optional(&mut *connection)
        .await
        .map_err(store_error)?;
    let Some(task) = row.map(Task::try_from).transpose()? else { return Ok(None) };
    let attempts = sqlx::query_file_as!(AttemptRow, "sql/attempts.sql", id.as_uuid())
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    let attempts = attempts.into_iter().map(Attempt::try_from).collect::<Result<_>>()?;
    let (ahead, ahead_requiring) =
        if is_in_line(&task, clock.now) { ahead(connection, &task).await? } else { (0, 0) };
    let sessions = match Concerned::with(&task) {
        Some(concerned) => serving(connection, concerned).await?,
        None => Vec::new(),
    };
    Ok(Some(Facts { now: clock.now, task, attempts, ahead, ahead_requiring, sessions }))
}

async fn ahead(connection: &mut PgConnection, task: &Task) -> Result<(u32, u32)> {
    let row = sqlx::query_file!(
        "sql/ahead.sql",
        task.queue.as_str(),
        -task.priority,
        task.due_at,
        task.id.as_uuid(),
        AHEAD_LIMIT,
    )
    .fetch_one(connection)
    .await
    .map_err(store_error)?;
    counted(row.ahead, row.requiring)
}

async fn serving(connection: &mut PgConnection, concerned: Concerned) -> Result<Vec<Serving>> {
    let Concerned { session, name } = concerned;
    let rows = sqlx::query_file_as!(ServingRow, "sql/serving.sql", session, name)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(Serving::try_from).collect()
}
