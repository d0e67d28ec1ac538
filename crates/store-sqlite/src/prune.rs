//! Removing what is older than its retention, in small batches.

use distrack_store::{Pruned, Retention};

use crate::Result;
use crate::database::Database;
use crate::error::store_error;

pub(crate) async fn prune(database: &Database, retention: Retention, limit: u32) -> Result<Pruned> {
    let limit = i64::from(limit);
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let mut step = database.begin().await?;
    let now = step.now;
    let tasks = sqlx::query_file!("sql/prune_tasks.sql", micros(retention.tasks), limit, now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    let keys = sqlx::query_file!("sql/prune_keys.sql", limit, now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    let sessions = sqlx::query_file!("sql/prune_sessions.sql", micros(retention.sessions), limit, now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    let audit = sqlx::query_file!("sql/prune_audit.sql", micros(retention.audit), limit, now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    step.commit().await?;
    Ok(Pruned {
        tasks: tasks.rows_affected(),
        keys: keys.rows_affected(),
        sessions: sessions.rows_affected(),
        audit: audit.rows_affected(),
    })
}
