//! Accepting tasks, and cancelling them.

use std::collections::HashSet;

use distrack_core::TaskId;
use distrack_store::shared::{Created, SubmissionRow, Taken, answer, task_state};
use distrack_store::{AuditNote, CancelAnswer, StoreError, Submission, SubmitMode, Submitted};
use serde_json::Value;
use uuid::Uuid;

use crate::Result;
use crate::audit;
use crate::database::{Database, Step};
use crate::error::store_error;
use crate::row::{Instant, TaskRow, batch, ids};

pub(crate) async fn submit(
    database: &Database,
    submissions: &[Submission],
    mode: SubmitMode,
    notes: Vec<AuditNote>,
) -> Result<Vec<Submitted>> {
    let mut step = database.begin().await?;
    let fresh = take_keys(&mut step, submissions).await?;
    let created = insert(&mut step, submissions, &fresh).await?;
    let notes = notes.into_iter().filter(|note| note.task.is_some_and(|task| created.contains_key(&task)));
    audit::write(&mut step, notes).await?;
    let taken = taken_keys(&mut step, submissions, &created).await?;
    let answers = answer(submissions, &created, &taken)?;
    if mode == SubmitMode::AllOrNone && answers.contains(&Submitted::KeyConflict) {
        step.rollback().await?;
    } else {
        step.commit().await?;
    }
    Ok(answers)
}

/// Takes the keys that are free; returns the tasks that have one now.
async fn take_keys(step: &mut Step, submissions: &[Submission]) -> Result<HashSet<TaskId>> {
    let keyed = submissions.iter().filter_map(|submission| {
        let key = submission.key.as_ref()?;
        let hash: String = key.request_hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Some((&key.key, hash, submission.task.id))
    });
    let keys: Vec<_> = keyed.collect();
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let now = step.now;
    let rows = sqlx::query_file!("sql/submit_keys.sql", batch(keys), now)
        .fetch_all(step.connection())
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(|row| row.task_id.into()).collect())
}

async fn insert(step: &mut Step, submissions: &[Submission], fresh: &HashSet<TaskId>) -> Result<Created> {
    let stored =
        submissions.iter().filter(|Submission { task, key }| key.is_none() || fresh.contains(&task.id));
    let rows = stored.map(SubmissionRow::try_from).collect::<Result<Vec<_>>>()?;
    let now = step.now;
    let created = sqlx::query_file!("sql/submit.sql", batch(rows), now)
        .fetch_all(step.connection())
        .await
        .map_err(store_error)?;
    let created =
        created.into_iter().map(|row| (row.id.into(), (row.created_at.into(), row.scheduled_at.into())));
    Ok(created.collect())
}

/// Whose keys the submissions that were left out have.
async fn taken_keys(step: &mut Step, submissions: &[Submission], created: &Created) -> Result<Taken> {
    let left_out = submissions.iter().filter(|submission| !created.contains_key(&submission.task.id));
    let keys: Vec<&String> = left_out.filter_map(|submission| Some(&submission.key.as_ref()?.key)).collect();
    if keys.is_empty() {
        return Ok(Taken::new());
    }
    let rows = sqlx::query_file!("sql/submission_keys.sql", batch(keys))
        .fetch_all(step.connection())
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(|row| (row.key, (row.request_hash, row.task_id.into()))).collect())
}

pub(crate) async fn cancel(
    database: &Database,
    task: TaskId,
    note: Option<AuditNote>,
) -> Result<CancelAnswer> {
    let id = task.as_uuid();
    let mut step = database.begin().await?;
    let now = step.now;
    let pending = sqlx::query_file!("sql/cancel_pending.sql", id, now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    if pending.rows_affected() > 0 {
        audit::write(&mut step, note).await?;
        step.commit().await?;
        return Ok(CancelAnswer::Cancelled);
    }
    let held = sqlx::query_file!("sql/cancel_held.sql", id, now)
        .execute(step.connection())
        .await
        .map_err(store_error)?;
    if held.rows_affected() > 0 {
        audit::write(&mut step, note).await?;
        step.commit().await?;
        return Ok(CancelAnswer::Requested);
    }
    let found = sqlx::query_file_as!(TaskRow, "sql/get.sql", ids([task]))
        .fetch_optional(step.connection())
        .await
        .map_err(store_error)?;
    step.rollback().await?;
    let Some(found) = found else { return Ok(CancelAnswer::NotFound) };
    let state = task_state(found.state)?;
    if !state.is_terminal() {
        return Err(StoreError::corrupt(format!("task {task} is {state} and cannot be cancelled")));
    }
    Ok(CancelAnswer::Ended)
}
