//! Removing what is older than its retention, in small batches.

use distrack_store::{Pruned, Retention};
use sqlx::PgConnection;

use crate::Result;
use crate::trouble::commit_error;

pub(crate) async fn prune(connection: &mut PgConnection, retention: Retention, limit: u32) -> Result<Pruned> {
    let limit = i64::from(limit);
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let tasks = sqlx::query_file!("sql/prune_tasks.sql", micros(retention.tasks), limit)
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    let keys = sqlx::query_file!("sql/prune_keys.sql", limit)
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    let sessions = sqlx::query_file!("sql/prune_sessions.sql", micros(retention.sessions), limit)
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    let audit = sqlx::query_file!("sql/prune_audit.sql", micros(retention.audit), limit)
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    Ok(Pruned {
        tasks: tasks.rows_affected(),
        keys: keys.rows_affected(),
        sessions: sessions.rows_affected(),
        audit: audit.rows_affected(),
    })
}
