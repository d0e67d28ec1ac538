//! Finding what time has taken: sessions, their attempts, and tasks past their deadline.

use chrono::{DateTime, Utc};
use distrack_store::Swept;
use distrack_store::shared::{Changed, Ending, LockedRow};
use sqlx::{Connection, PgConnection};
use tracing::warn;

use crate::Result;
use crate::ending;
use crate::trouble::{commit_error, store_error};

pub(crate) async fn sweep(
    connection: &mut PgConnection,
    limit: u32,
    last: Option<DateTime<Utc>>,
) -> Result<(Swept, Changed)> {
    let clock = sqlx::query_file!("sql/clock.sql").fetch_one(&mut *connection).await.map_err(store_error)?;
    let mut swept = Swept {
        at: clock.now,
        sessions_lost: Vec::new(),
        attempts_lost: Vec::new(),
        tasks_expired: Vec::new(),
    };
    let mut changed = Changed::default();
    match steps(connection, i64::from(limit), last, &mut swept, &mut changed).await {
        Ok(()) => {}
        // What is committed is told of now or never.
        Err(error) if !swept.is_empty() => warn!(%error, "a sweep broke off"),
        Err(error) => return Err(error),
    }
    Ok((swept, changed))
}

async fn steps(
    connection: &mut PgConnection,
    limit: i64,
    last: Option<DateTime<Utc>>,
    swept: &mut Swept,
    changed: &mut Changed,
) -> Result<()> {
    // Together: while tasks cannot be had, nobody is lost either. What keeps a sweep from them also keeps workers
    // from being heard.
    let mut transaction = connection.begin().await.map_err(store_error)?;
    let sessions = sqlx::query_file!("sql/sessions_expire.sql", limit, last)
        .fetch_all(&mut *transaction)
        .await
        .map_err(store_error)?;
    let orphans = sqlx::query_file_as!(LockedRow, "sql/orphans.sql", limit)
        .fetch_all(&mut *transaction)
        .await
        .map_err(store_error)?;
    let (endings, attempts_lost) = Ending::lose(&orphans)?;
    let lost = ending::write(&mut transaction, endings).await?;
    transaction.commit().await.map_err(commit_error)?;
    swept.sessions_lost = sessions.into_iter().map(|row| (row.id.into(), row.name)).collect();
    (swept.attempts_lost, *changed) = (attempts_lost, lost);
    let expired = sqlx::query_file!("sql/tasks_expire.sql", limit)
        .fetch_all(&mut *connection)
        .await
        .map_err(commit_error)?;
    changed.done |= !expired.is_empty();
    swept.tasks_expired = expired.into_iter().map(|row| row.queue.parse().unwrap_or_default()).collect();
    Ok(())
}
