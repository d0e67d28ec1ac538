//! Recording what workers say of attempts.

use std::collections::HashMap;
use std::time::Duration;

use distrack_core::{AttemptRef, Output};
use distrack_store::shared::{Batch, Changed, LockedRow, to_bigint, to_micros};
use distrack_store::{AttemptReport, Progress, Receipt, Reported, StoreError};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::Result;
use crate::claim::split;
use crate::complete::Successes;
use crate::ending;
use crate::trouble::{commit_error, store_error};

pub(crate) async fn report(
    connection: &mut PgConnection,
    reports: Vec<AttemptReport>,
) -> Result<(Reported, Changed)> {
    let successes = Successes::among(&reports);
    let mut completed = HashMap::new();
    let nothing_else = successes.len() == reports.len();
    if nothing_else {
        // One statement, and all there is to do, unless something was told before or too late.
        completed = successes.complete(connection).await?;
        if completed.len() == reports.len() {
            return judge_rest(connection, reports, completed).await;
        }
    }
    // What is to be judged, and successes beside it: all of it is told, or nothing was done.
    let mut transaction = connection.begin().await.map_err(store_error)?;
    if !nothing_else {
        completed = successes.complete(&mut transaction).await?;
    }
    let answer = judge_rest(&mut transaction, reports, completed).await?;
    transaction.commit().await.map_err(commit_error)?;
    Ok(answer)
}

/// Judges what is not completed, and answers for all, in order.
async fn judge_rest(
    connection: &mut PgConnection,
    reports: Vec<AttemptReport>,
    completed: HashMap<AttemptRef, Progress>,
) -> Result<(Reported, Changed)> {
    let told: Vec<_> = reports.iter().map(|report| completed.contains_key(&report.attempt)).collect();
    let rest: Vec<_> =
        reports.into_iter().zip(&told).filter(|(_, told)| !**told).map(|(rest, _)| rest).collect();
    let (mut reported, mut changed) =
        if rest.is_empty() { Default::default() } else { judge(connection, rest).await? };
    let mut judged = reported.receipts.into_iter();
    let receipt = |told: bool| if told { Some(Receipt::Recorded) } else { judged.next() };
    reported.receipts = told.into_iter().filter_map(receipt).collect();
    changed.done |= !completed.is_empty();
    reported.progress.extend(completed.into_values());
    Ok((reported, changed))
}

/// Judges reports against the rows of their tasks, and writes what follows.
async fn judge(connection: &mut PgConnection, reports: Vec<AttemptReport>) -> Result<(Reported, Changed)> {
    let ids: Vec<Uuid> = reports.iter().map(|report| report.attempt.task.as_uuid()).collect();
    let rows = sqlx::query_file_as!(LockedRow, "sql/lock_attempts.sql", &ids)
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    let (reported, batch) = Batch::judge(rows, reports)?;
    start(connection, batch.starts).await?;
    let changed = ending::write(connection, batch.endings).await?;
    keep_output(connection, batch.outputs).await?;
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
