//! Finding what time has taken: sessions, their attempts, and tasks past their deadline.

use chrono::{DateTime, Utc};
use distrack_store::Swept;
use distrack_store::shared::{Changed, Ending};
use uuid::Uuid;

use crate::Result;
use crate::database::Database;
use crate::ending;
use crate::error::store_error;
use crate::row::{Instant, LockedRow};

pub(crate) async fn sweep(
    database: &Database,
    limit: u32,
    last: Option<DateTime<Utc>>,
) -> Result<(Swept, Changed)> {
    let limit = i64::from(limit);
    let mut step = database.begin().await?;
    let now = step.now;
    let last = last.map(|last| last.timestamp_micros());
    let sessions = sqlx::query_file!("sql/sessions_expire.sql", limit, now, last)
        .fetch_all(step.connection())
        .await
        .map_err(store_error)?;
    let orphans = sqlx::query_file_as!(LockedRow, "sql/orphans.sql", limit, now)
        .fetch_all(step.connection())
        .await
        .map_err(store_error)?;
    let orphans: Vec<_> = orphans.into_iter().map(LockedRow::read).collect();
    let (endings, attempts_lost) = Ending::lose(&orphans)?;
    let mut changed = ending::write(&mut step, endings).await?;
    let expired = sqlx::query_file!("sql/tasks_expire.sql", limit, now)
        .fetch_all(step.connection())
        .await
        .map_err(store_error)?;
    step.commit().await?;
    changed.done |= !expired.is_empty();
    let swept = Swept {
        at: Instant::from(now).into(),
        sessions_lost: sessions.into_iter().map(|row| (row.id.into(), row.name)).collect(),
        attempts_lost,
        tasks_expired: expired.into_iter().map(|row| row.queue.parse().unwrap_or_default()).collect(),
    };
    Ok((swept, changed))
}
