//! Ending attempts: the one place where a verdict is written.

use distrack_store::StoreError;
use distrack_store::shared::{Changed, Ending, EndingRow};

use crate::Result;
use crate::database::Step;
use crate::error::store_error;
use crate::row::{batch, ids};

/// Writes endings of tasks that are held in this step.
pub(crate) async fn write(step: &mut Step, endings: Vec<Ending>) -> Result<Changed> {
    let changed = Changed::by(&endings);
    if endings.is_empty() {
        return Ok(changed);
    }
    let now = step.now;
    let finished = sqlx::query_file!("sql/finish.sql", batch(endings.iter().map(EndingRow::from)), now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    if finished.rows_affected() != endings.len() as u64 {
        return Err(StoreError::miscounted("finish", endings.len(), finished.rows_affected()));
    }
    let superseded: Vec<_> = endings.iter().filter(|ending| ending.is_superseded()).collect();
    if superseded.is_empty() {
        return Ok(changed);
    }
    let kept =
        sqlx::query_file!("sql/supersede.sql", ids(superseded.iter().map(|ending| ending.attempt.task)))
            .execute(step.connection())
            .await
            .map_err(store_error)?;
    if kept.rows_affected() != superseded.len() as u64 {
        return Err(StoreError::miscounted("supersede", superseded.len(), kept.rows_affected()));
    }
    Ok(changed)
}
