//! Recording what workers say of attempts.

use std::collections::HashMap;
use std::time::Duration;

use distrack_core::{AttemptRef, Output};
use distrack_store::shared::{Batch, Changed, LockedRow, to_bigint, to_micros};
use distrack_store::{AttemptReport, Receipt, Reported, StoreError};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::Result;
use crate::claim::split;
use crate::complete::complete;
use crate::ending;
use crate::trouble::{commit_error, store_error};

pub(crate) async fn report(
    connection: &mut PgConnection,
    reports: Vec<AttemptReport>,
) -> Result<(Reported, Changed)> {
    let completed = complete(connection, &reports).await?;
    let ended: Vec<bool> = reports.iter().map(|report| completed.contains_key(&report.attempt)).collect();
    let others: Vec<_> =
        reports.into_iter().filter(|report| !completed.contains_key(&report.attempt)).collect();
    let (mut reported, mut changed) = match others.is_empty() {
        true => Default::default(),
        false => judge(connection, others).await?,
    };
    let mut judged = reported.receipts.into_iter();
    let receipts =
        ended.iter().filter_map(|ended| if *ended { Some(Receipt::Recorded) } else { judged.next() });
    reported.receipts = receipts.collect();
    changed.done |= !completed.is_empty();
    reported.progress.extend(completed.into_values());
    Ok((reported, changed))
}

/// Judges reports against the rows of their tasks, and writes what follows.
async fn judge(connection: &mut PgConnection, reports: Vec<AttemptReport>) -> Result<(Reported, Changed)> {
    let ids: Vec<Uuid> = reports.iter().map(|report| report.attempt.task.as_uuid()).collect();
    let mut transaction = connection.begin().await.map_err(store_error)?;
    let rows = sqlx::query_file_as!(LockedRow, "sql/lock_attempts.sql", &ids)
        .fetch_all(&mut *transaction)
        .await
        .map_err(store_error)?;
    let (reported, batch) = Batch::judge(rows, reports)?;
    start(&mut transaction, batch.starts).await?;
    let changed = ending::write(&mut transaction, batch.endings).await?;
    keep_output(&mut transaction, batch.outputs).await?;
    transaction.commit().await.map_err(commit_error)?;
    Ok((reported, changed))
}

async fn start(connection: &mut PgConnection, starts: HashMap<AttemptRef, Duration>) -> Result<()> {
    if starts.is_empty() {
        return Ok(());
    }
    let (attempts, ago): (Vec<AttemptRef>, Vec<i64>) =
        starts.into_iter().map(|(attempt, ago)| (attempt, to_micros(ago))).unzip();
    let (ids, epochs) = split(&attempts);
    let started = sqlx::query_file!("sql/start.sql", &ids, &epochs, &ago)
        .execute(connection)
        .await
        .map_err(store_error)?;
    if started.rows_affected() != ids.len() as u64 {
        return Err(StoreError::miscounted("start", ids.len(), started.rows_affected()));
    }
    Ok(())
}

async fn keep_output(connection: &mut PgConnection, outputs: Vec<(Uuid, i32, Output)>) -> Result<()> {
    if outputs.is_empty() {
        return Ok(());
    }
    let mut ids = Vec::new();
    let mut attempts = Vec::new();
    let (mut stdout_head, mut stdout_tail, mut stdout_bytes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut stderr_head, mut stderr_tail, mut stderr_bytes) = (Vec::new(), Vec::new(), Vec::new());
    for (id, attempt, Output { stdout, stderr }) in outputs {
        ids.push(id);
        attempts.push(attempt);
        stdout_head.push(stdout.head);
        stdout_tail.push(stdout.tail);
        stdout_bytes.push(to_bigint(stdout.bytes));
        stderr_head.push(stderr.head);
        stderr_tail.push(stderr.tail);
        stderr_bytes.push(to_bigint(stderr.bytes));
    }
    sqlx::query_file!(
        "sql/keep_output.sql",
        &ids,
        &attempts,
        &stdout_head,
        &stdout_tail,
        &stdout_bytes,
        &stderr_head,
        &stderr_tail,
        &stderr_bytes,
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}
