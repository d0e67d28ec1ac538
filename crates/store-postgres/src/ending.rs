//! Ending attempts: the one place where a verdict is written.

use distrack_store::StoreError;
use distrack_store::shared::{Changed, Ending, EndingRow};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;
use crate::trouble::store_error;

/// Writes endings of tasks that this transaction has locked.
pub(crate) async fn write(connection: &mut PgConnection, endings: Vec<Ending>) -> Result<Changed> {
    let changed = Changed::by(&endings);
    if endings.is_empty() {
        return Ok(changed);
    }
    let mut rows = Columns::default();
    endings.iter().for_each(|ending| rows.push(ending.into()));
    let finished = rows.finish(connection).await?;
    if finished != endings.len() as u64 {
        return Err(StoreError::miscounted("finish", endings.len(), finished));
    }
    let superseded = endings.iter().filter(|ending| ending.is_superseded());
    let superseded: Vec<Uuid> = superseded.map(|ending| ending.attempt.task.as_uuid()).collect();
    if superseded.is_empty() {
        return Ok(changed);
    }
    let kept =
        sqlx::query_file!("sql/supersede.sql", &superseded).execute(connection).await.map_err(store_error)?;
    if kept.rows_affected() != superseded.len() as u64 {
        return Err(StoreError::miscounted("supersede", superseded.len(), kept.rows_affected()));
    }
    Ok(changed)
}

#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    epoch: Vec<i64>,
    state: Vec<i16>,
    due_in_us: Vec<i64>,
    failures: Vec<i32>,
    losses: Vec<i32>,
    ago_us: Vec<i64>,
    ran_us: Vec<Option<i64>>,
    cause: Vec<Option<i16>>,
    exit_code: Vec<Option<i32>>,
    signal: Vec<Option<i32>>,
    error: Vec<Option<String>>,
    max_rss_bytes: Vec<Option<i64>>,
    cpu_user_us: Vec<Option<i64>>,
    cpu_system_us: Vec<Option<i64>>,
}

impl Columns {
    fn push(&mut self, row: EndingRow) {
        self.id.push(row.id);
        self.epoch.push(row.epoch);
        self.state.push(row.state);
        self.due_in_us.push(row.due_in_us);
        self.failures.push(row.failures);
        self.losses.push(row.losses);
        self.ago_us.push(row.ago_us);
        self.ran_us.push(row.ran_us);
        self.cause.push(row.cause);
        self.exit_code.push(row.exit_code);
        self.signal.push(row.signal);
        self.error.push(row.error);
        self.max_rss_bytes.push(row.max_rss_bytes);
        self.cpu_user_us.push(row.cpu_user_us);
        self.cpu_system_us.push(row.cpu_system_us);
    }

    async fn finish(&self, connection: &mut PgConnection) -> Result<u64> {
        let finished = sqlx::query_file!(
            "sql/finish.sql",
            &self.id,
            &self.epoch,
            &self.state,
            &self.due_in_us,
            &self.failures,
            &self.losses,
            &self.ago_us,
            &self.ran_us as &[Option<i64>],
            &self.cause as &[Option<i16>],
            &self.exit_code as &[Option<i32>],
            &self.signal as &[Option<i32>],
            &self.error as &[Option<String>],
            &self.max_rss_bytes as &[Option<i64>],
            &self.cpu_user_us as &[Option<i64>],
            &self.cpu_system_us as &[Option<i64>],
        )
        .execute(connection)
        .await
        .map_err(store_error)?;
        Ok(finished.rows_affected())
    }
}
