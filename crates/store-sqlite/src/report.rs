//! Recording what workers say of attempts.

use std::collections::HashMap;
use std::time::Duration;

use distrack_core::{AttemptRef, Output};
use distrack_store::shared::{Batch, Changed, to_bigint, to_micros};
use distrack_store::{AttemptReport, Reported, StoreError};
use uuid::Uuid;

use crate::Result;
use crate::database::{Database, Step};
use crate::ending;
use crate::error::store_error;
use crate::row::{Instant, LockedRow, batch, ids};

pub(crate) async fn report(database: &Database, reports: Vec<AttemptReport>) -> Result<(Reported, Changed)> {
    let tasks = ids(reports.iter().map(|report| report.attempt.task));
    let mut step = database.begin().await?;
    let now = step.now;
    let rows = sqlx::query_file_as!(LockedRow, "sql/lock_attempts.sql", tasks, now)
        .fetch_all(step.connection())
        .await
        .map_err(store_error)?;
    let rows = rows.into_iter().map(LockedRow::read).collect();
    let (reported, batch) = Batch::judge(rows, reports)?;
    start(&mut step, batch.starts).await?;
    let changed = ending::write(&mut step, batch.endings).await?;
    keep_output(&mut step, batch.outputs).await?;
    step.commit().await?;
    Ok((reported, changed))
}

async fn start(step: &mut Step, starts: HashMap<AttemptRef, Duration>) -> Result<()> {
    if starts.is_empty() {
        return Ok(());
    }
    let rows = starts.iter().map(|(attempt, ago)| (attempt.task, attempt.epoch, to_micros(*ago)));
    let now = step.now;
    let started = sqlx::query_file!("sql/start.sql", batch(rows), now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    if started.rows_affected() != starts.len() as u64 {
        return Err(StoreError::miscounted("start", starts.len(), started.rows_affected()));
    }
    Ok(())
}

async fn keep_output(step: &mut Step, outputs: Vec<(Uuid, i32, Output)>) -> Result<()> {
    for (id, attempt, Output { stdout, stderr }) in outputs {
        sqlx::query_file!(
            "sql/keep_output.sql",
            id,
            attempt,
            stdout.head,
            stdout.tail,
            to_bigint(stdout.bytes),
            stderr.head,
            stderr.tail,
            to_bigint(stderr.bytes),
        )
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    }
    Ok(())
}
