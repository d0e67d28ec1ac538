//! What is known of why a task stands as it does, all of one instant.

use distrack_core::why::{Facts, Serving};
use distrack_core::{Attempt, Task, TaskId};
use distrack_store::shared::{AHEAD_LIMIT, Concerned, counted, is_in_line};
use serde_json::Value;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::Result;
use crate::database::Database;
use crate::error::store_error;
use crate::row::{AttemptRow, Instant, ServingRow, TaskRow, ids};

pub(crate) async fn explain(database: &Database, id: TaskId) -> Result<Option<Facts>> {
    // One snapshot for all queries: that of the first one.
    let mut transaction = database.readers().begin().await.map_err(store_error)?;
    let facts = look(&mut transaction, database, id).await?;
    transaction.commit().await.map_err(store_error)?;
    Ok(facts)
}

async fn look(connection: &mut SqliteConnection, database: &Database, id: TaskId) -> Result<Option<Facts>> {
    let row = sqlx::query_file_as!(TaskRow, "sql/get.sql", ids([id]))
        .fetch_optional(&mut *connection)
        .await
        .map_err(store_error)?;
    let Some(task) = row.map(Task::try_from).transpose()? else { return Ok(None) };
    // Taken when the snapshot is, so that nothing in it is of later.
    let now = database.now();
    let attempts = sqlx::query_file_as!(AttemptRow, "sql/attempts.sql", id.as_uuid())
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    let attempts = attempts.into_iter().map(Attempt::try_from).collect::<Result<_>>()?;
    let instant = Instant::from(now).into();
    let (ahead, ahead_requiring) =
        if is_in_line(&task, instant) { ahead(connection, &task, now).await? } else { (0, 0) };
    let sessions = match Concerned::with(&task) {
        Some(concerned) => serving(connection, concerned).await?,
        None => Vec::new(),
    };
    Ok(Some(Facts { now: instant, task, attempts, ahead, ahead_requiring, sessions }))
}

async fn ahead(connection: &mut SqliteConnection, task: &Task, now: i64) -> Result<(u32, u32)> {
    let row = sqlx::query_file!(
        "sql/ahead.sql",
        task.queue.as_str(),
        -i32::from(task.priority),
        task.due_at.timestamp_micros(),
        task.id.as_uuid(),
        now,
        AHEAD_LIMIT,
    )
    .fetch_one(connection)
    .await
    .map_err(store_error)?;
    counted(row.ahead, row.requiring)
}

async fn serving(connection: &mut SqliteConnection, concerned: Concerned) -> Result<Vec<Serving>> {
    let Concerned { session, name } = concerned;
    let rows = sqlx::query_file_as!(ServingRow, "sql/serving.sql", session, name)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(Serving::try_from).collect()
}
