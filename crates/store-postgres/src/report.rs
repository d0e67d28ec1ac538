//! Recording what workers say of attempts.

use std::collections::HashMap;
use std::time::Duration;

use distrack_core::{AttemptRef, Cause, Ended, Output, TaskState};
use distrack_store::{AttemptEvent, AttemptReport, Receipt};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Result;
use crate::ending::{self, Changed, Ending, LockedRow};
use crate::error::{miscounted, store_error};
use crate::row::{task_state, to_bigint, to_micros};

pub(crate) async fn report(
    pool: &PgPool,
    reports: Vec<AttemptReport>,
    jitter: f64,
) -> Result<(Vec<Receipt>, Changed)> {
    let ids: Vec<Uuid> = reports.iter().map(|report| report.attempt.task.as_uuid()).collect();
    let mut transaction = pool.begin().await.map_err(store_error)?;
    let rows = sqlx::query_file_as!(LockedRow, "sql/lock_attempts.sql", &ids)
        .fetch_all(&mut *transaction)
        .await
        .map_err(store_error)?;
    let mut batch = Batch { rows: rows.into_iter().map(|row| (row.id, row)).collect(), ..Batch::default() };
    let receipts = reports.into_iter().map(|report| batch.judge(report, jitter)).collect::<Result<Vec<_>>>()?;
    let changed = batch.write(&mut transaction).await?;
    transaction.commit().await.map_err(store_error)?;
    Ok((receipts, changed))
}

/// The reports of one call that change something, judged against the locked rows.
#[derive(Default)]
struct Batch {
    rows: HashMap<Uuid, LockedRow>,
    starts: HashMap<AttemptRef, Duration>,
    endings: Vec<Ending>,
    outputs: Vec<(Uuid, i32, Output)>,
}

impl Batch {
    fn judge(&mut self, report: AttemptReport, jitter: f64) -> Result<Receipt> {
        let Some(row) = self.rows.get_mut(&report.attempt.task.as_uuid()) else { return Ok(Receipt::Stale) };
        if row.epoch != report.attempt.epoch {
            return Ok(Receipt::Stale);
        }
        let state = task_state(row.state)?;
        if !state.is_held() {
            return Ok(of_ended(row));
        }
        match report.event {
            AttemptEvent::Started { .. } if state == TaskState::Running => Ok(Receipt::Duplicate),
            AttemptEvent::Started { ago } => {
                row.state = TaskState::Running.code();
                self.starts.insert(report.attempt, ago);
                Ok(Receipt::Recorded)
            }
            AttemptEvent::Finished { ago, ran, outcome, output } => {
                let mut ending = Ending::decide(row, Ended::Reported(&outcome), jitter)?;
                // One statement writes the end; a start of the same batch rides along.
                let started = self.starts.remove(&report.attempt);
                ending.ran = ran.or_else(|| started.map(|started| started.saturating_sub(ago)));
                ending.ago = ago;
                row.state = ending.next.code();
                row.cause = ending.verdict.outcome.cause.map(Cause::code);
                row.exit_code = Some(0).filter(|_| row.cause.is_none());
                if !output.is_empty() {
                    self.outputs.push((row.id, row.attempt, output));
                }
                self.endings.push(ending);
                Ok(Receipt::Recorded)
            }
        }
    }

    async fn write(self, connection: &mut PgConnection) -> Result<Changed> {
        if !self.starts.is_empty() {
            let (attempts, ago): (Vec<AttemptRef>, Vec<i64>) =
                self.starts.into_iter().map(|(attempt, ago)| (attempt, to_micros(ago))).unzip();
            let (ids, epochs) = crate::claim::split(&attempts);
            let started = sqlx::query_file!("sql/start.sql", &ids, &epochs, &ago)
                .execute(&mut *connection)
                .await
                .map_err(store_error)?;
            if started.rows_affected() != ids.len() as u64 {
                return Err(miscounted("start", ids.len(), started.rows_affected()));
            }
        }
        let changed = ending::write(connection, self.endings).await?;
        keep_output(connection, self.outputs).await?;
        Ok(changed)
    }
}

/// The receipt for a report of an attempt that is not held any more, but has the task's epoch.
fn of_ended(row: &LockedRow) -> Receipt {
    let recorded = row.cause.map_or(row.exit_code.is_some(), |cause| cause != Cause::WorkerLost.code());
    if recorded { Receipt::Duplicate } else { Receipt::Stale }
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
