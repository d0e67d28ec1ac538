//! Finding what time has taken: sessions, their attempts, and tasks past their deadline.

use chrono::{DateTime, Utc};
use distrack_store::Swept;
use distrack_store::shared::{Changed, Ending, LockedRow};
use sqlx::PgPool;

use crate::Result;
use crate::ending;
use crate::error::store_error;

pub(crate) async fn sweep(
    pool: &PgPool,
    limit: u32,
    last: Option<DateTime<Utc>>,
) -> Result<(Swept, Changed)> {
    let limit = i64::from(limit);
    let sessions = sqlx::query_file!("sql/sessions_expire.sql", limit, last)
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let mut transaction = pool.begin().await.map_err(store_error)?;
    let orphans = sqlx::query_file_as!(LockedRow, "sql/orphans.sql", limit)
        .fetch_all(&mut *transaction)
        .await
        .map_err(store_error)?;
    let (endings, attempts_lost) = Ending::lose(&orphans)?;
    let mut changed = ending::write(&mut transaction, endings).await?;
    transaction.commit().await.map_err(store_error)?;
    let expired =
        sqlx::query_file!("sql/tasks_expire.sql", limit).fetch_all(pool).await.map_err(store_error)?;
    let clock = sqlx::query_file!("sql/clock.sql").fetch_one(pool).await.map_err(store_error)?;
    changed.done |= !expired.is_empty();
    let swept = Swept {
        at: clock.now,
        sessions_lost: sessions.into_iter().map(|row| (row.id.into(), row.name)).collect(),
        attempts_lost,
        tasks_expired: expired.into_iter().map(|row| row.queue.parse().unwrap_or_default()).collect(),
    };
    Ok((swept, changed))
}
