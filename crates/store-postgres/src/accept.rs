//! Accepting tasks, and cancelling them.

use chrono::{DateTime, Utc};
use distrack_core::TaskId;
use distrack_store::shared::{Created, SubmissionRow, Taken, answer, task_state};
use distrack_store::{AuditNote, CancelAnswer, StoreError, Submission, SubmitMode, Submitted};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::Result;
use crate::audit;
use crate::row::TaskRow;
use crate::trouble::{commit_error, store_error};

/// Stores submissions. May be repeated after an answer that never came: a task's id is random, so that one that is
/// taken was taken by the try before, which is answered then.
pub(crate) async fn submit(
    connection: &mut PgConnection,
    submissions: &[Submission],
    mode: SubmitMode,
    notes: &[AuditNote],
) -> Result<Vec<Submitted>> {
    let answers = if submissions.iter().all(|submission| submission.key.is_none()) {
        let created = insert(connection, submissions, notes).await;
        match created {
            Ok(created) => return answer(submissions, &created, &Taken::new()),
            Err(error) if is_taken(&error) => None,
            Err(error) => return Err(commit_error(error)),
        }
    } else {
        let mut transaction = connection.begin().await.map_err(store_error)?;
        let answers = with_keys(&mut transaction, submissions, notes).await?;
        match &answers {
            Some(answers) if mode == SubmitMode::Each || !answers.contains(&Submitted::KeyConflict) => {
                transaction.commit().await.map_err(commit_error)?;
            }
            Some(_) | None => transaction.rollback().await.map_err(store_error)?,
        }
        answers
    };
    match answers {
        Some(answers) => Ok(answers),
        None => stored_before(connection, submissions).await,
    }
}

/// The answers, unless an earlier try of the same call was committed.
async fn with_keys(
    connection: &mut PgConnection,
    submissions: &[Submission],
    notes: &[AuditNote],
) -> Result<Option<Vec<Submitted>>> {
    let created = match insert(connection, submissions, notes).await {
        Ok(created) => created,
        Err(error) if is_taken(&error) => return Ok(None),
        Err(error) => return Err(store_error(error)),
    };
    let taken = taken_keys(connection, submissions, &created).await?;
    let answers = answer(submissions, &created, &taken)?;
    let own =
        answers.iter().zip(submissions).any(|(answer, one)| *answer == Submitted::Replayed(one.task.id));
    Ok((!own).then_some(answers))
}

/// Whether an id is taken.
fn is_taken(error: &sqlx::Error) -> bool {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    constraint == Some("tasks_pkey")
}

/// The answers of a try that was committed and whose own answer was lost.
async fn stored_before(connection: &mut PgConnection, submissions: &[Submission]) -> Result<Vec<Submitted>> {
    let ids: Vec<Uuid> = submissions.iter().map(|submission| submission.task.id.as_uuid()).collect();
    let rows = sqlx::query_file_as!(TaskRow, "sql/get.sql", &ids)
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    let created = rows.into_iter().map(|row| (row.id.into(), (row.created_at, row.scheduled_at))).collect();
    let taken = taken_keys(connection, submissions, &created).await?;
    answer(submissions, &created, &taken)
}

#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    queue: Vec<String>,
    priority: Vec<i16>,
    at: Vec<Option<DateTime<Utc>>>,
    delay_ms: Vec<Option<i64>>,
    expires_at: Vec<Option<DateTime<Utc>>>,
    max_attempts: Vec<i32>,
    backoff_initial_ms: Vec<i64>,
    backoff_max_ms: Vec<i64>,
    on_lost: Vec<i16>,
    spec: Vec<String>,
    labels: Vec<Option<Value>>,
    requires: Vec<Option<Value>>,
    traceparent: Vec<String>,
    tracestate: Vec<String>,
    retry_of: Vec<Option<Uuid>>,
    key: Vec<Option<String>>,
    request_hash: Vec<Option<Vec<u8>>>,
}

impl Columns {
    fn push(&mut self, row: SubmissionRow) {
        self.id.push(row.id);
        self.queue.push(row.queue);
        self.priority.push(row.priority);
        self.at.push(row.at);
        self.delay_ms.push(row.delay_ms);
        self.expires_at.push(row.expires_at);
        self.max_attempts.push(row.max_attempts);
        self.backoff_initial_ms.push(row.backoff_initial_ms);
        self.backoff_max_ms.push(row.backoff_max_ms);
        self.on_lost.push(row.on_lost);
        self.spec.push(row.spec);
        self.labels.push(row.labels);
        self.requires.push(row.requires);
        self.traceparent.push(row.traceparent);
        self.tracestate.push(row.tracestate);
        self.retry_of.push(row.retry_of);
        self.key.push(row.key);
        self.request_hash.push(row.request_hash);
    }
}

async fn insert(
    connection: &mut PgConnection,
    submissions: &[Submission],
    notes: &[AuditNote],
) -> std::result::Result<Created, sqlx::Error> {
    let mut rows = Columns::default();
    for submission in submissions {
        rows.push(submission.try_into().map_err(|error: StoreError| sqlx::Error::Encode(error.into()))?);
    }
    let notes = audit::columns(notes);
    let created = sqlx::query_file!(
        "sql/submit.sql",
        &rows.id,
        &rows.queue,
        &rows.priority,
        &rows.at as &[Option<DateTime<Utc>>],
        &rows.delay_ms as &[Option<i64>],
        &rows.expires_at as &[Option<DateTime<Utc>>],
        &rows.max_attempts,
        &rows.backoff_initial_ms,
        &rows.backoff_max_ms,
        &rows.on_lost,
        &rows.spec,
        &rows.labels as &[Option<Value>],
        &rows.requires as &[Option<Value>],
        &rows.traceparent,
        &rows.tracestate,
        &rows.retry_of as &[Option<Uuid>],
        &rows.key as &[Option<String>],
        &rows.request_hash as &[Option<Vec<u8>>],
        &notes.action,
        &notes.task_id as &[Option<Uuid>],
        &notes.other_task_id as &[Option<Uuid>],
        &notes.count,
        &notes.token_id as &[Option<String>],
        &notes.token_name as &[Option<String>],
        &notes.address as &[Option<String>],
        &notes.queue as &[Option<String>],
        &notes.command_hash as &[Option<Vec<u8>>],
        &notes.trace_id,
    )
    .fetch_all(connection)
    .await?;
    Ok(created.into_iter().map(|row| (row.id.into(), (row.created_at, row.scheduled_at))).collect())
}

/// Whose keys the submissions that were left out have. Its own statement, so that it sees what a
/// concurrent submission with the same key committed meanwhile.
async fn taken_keys(
    connection: &mut PgConnection,
    submissions: &[Submission],
    created: &Created,
) -> Result<Taken> {
    let left_out = submissions.iter().filter(|submission| !created.contains_key(&submission.task.id));
    let keys: Vec<String> =
        left_out.filter_map(|submission| Some(submission.key.as_ref()?.key.clone())).collect();
    if keys.is_empty() {
        return Ok(Taken::new());
    }
    let rows = sqlx::query_file!("sql/submission_keys.sql", &keys)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(|row| (row.key, (row.request_hash, row.task_id.into()))).collect())
}

pub(crate) async fn cancel(
    connection: &mut PgConnection,
    task: TaskId,
    note: Option<&AuditNote>,
) -> Result<CancelAnswer> {
    let id = task.as_uuid();
    // A task may go from pending to held, or back, between the two statements: look again then.
    for _ in 0..10 {
        let mut transaction = connection.begin().await.map_err(store_error)?;
        let pending = sqlx::query_file!("sql/cancel_pending.sql", id)
            .execute(&mut *transaction)
            .await
            .map_err(store_error)?;
        let answer = if pending.rows_affected() > 0 {
            Some(CancelAnswer::Cancelled)
        } else {
            let held = sqlx::query_file!("sql/cancel_held.sql", id)
                .execute(&mut *transaction)
                .await
                .map_err(store_error)?;
            (held.rows_affected() > 0).then_some(CancelAnswer::Requested)
        };
        if let Some(answer) = answer {
            if let Some(note) = note {
                audit::write(&mut transaction, note.clone()).await?;
            }
            transaction.commit().await.map_err(commit_error)?;
            return Ok(answer);
        }
        let found = sqlx::query_file!("sql/get.sql", &[id][..])
            .fetch_optional(&mut *transaction)
            .await
            .map_err(store_error)?;
        transaction.rollback().await.map_err(store_error)?;
        let Some(found) = found else { return Ok(CancelAnswer::NotFound) };
        if task_state(found.state)?.is_terminal() {
            return Ok(CancelAnswer::Ended);
        }
    }
    Err(StoreError::unavailable("the task changed again and again while it was cancelled"))
}
