//! Accepting tasks, and cancelling them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use distrack_core::{Due, TaskId};
use distrack_store::{CancelAnswer, StoreError, Submission, SubmitMode, Submitted};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Result;
use crate::error::{corrupt, store_error};
use crate::row::{task_state, to_int};

pub(crate) async fn submit(pool: &PgPool, submissions: &[Submission], mode: SubmitMode) -> Result<Vec<Submitted>> {
    if submissions.iter().all(|submission| submission.key.is_none()) {
        let mut connection = pool.acquire().await.map_err(store_error)?;
        let created = insert(&mut connection, submissions).await?;
        return answer(submissions, &created, &HashMap::new());
    }
    let mut transaction = pool.begin().await.map_err(store_error)?;
    let created = insert(&mut transaction, submissions).await?;
    let taken = taken_keys(&mut transaction, submissions, &created).await?;
    let answers = answer(submissions, &created, &taken)?;
    if mode == SubmitMode::AllOrNone && answers.contains(&Submitted::KeyConflict) {
        transaction.rollback().await.map_err(store_error)?;
    } else {
        transaction.commit().await.map_err(store_error)?;
    }
    Ok(answers)
}

type Created = HashMap<TaskId, (DateTime<Utc>, DateTime<Utc>)>;
type Taken = HashMap<String, (Vec<u8>, TaskId)>;

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
    fn push(&mut self, Submission { task, key }: &Submission) -> Result<()> {
        let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let (at, delay_ms) = match task.due {
            Due::After(delay) => (None, Some(millis(delay))),
            Due::At(at) => (Some(at), None),
        };
        self.id.push(task.id.as_uuid());
        self.queue.push(task.queue.to_string());
        self.priority.push(task.priority);
        self.at.push(at);
        self.delay_ms.push(delay_ms);
        self.expires_at.push(task.expires_at);
        self.max_attempts.push(to_int(task.policy.max_attempts));
        self.backoff_initial_ms.push(millis(task.policy.backoff.initial));
        self.backoff_max_ms.push(millis(task.policy.backoff.max));
        self.on_lost.push(task.policy.on_lost.code());
        self.spec.push(serde_json::to_string(&task.spec).map_err(corrupt)?);
        self.labels.push((!task.labels.is_empty()).then(|| serde_json::json!(task.labels)));
        self.requires.push((!task.requires.is_empty()).then(|| serde_json::json!(task.requires)));
        self.traceparent.push(task.trace.traceparent());
        self.tracestate.push(task.trace.state.clone());
        self.retry_of.push(task.retry_of.map(TaskId::as_uuid));
        self.key.push(key.as_ref().map(|key| key.key.clone()));
        self.request_hash.push(key.as_ref().map(|key| key.request_hash.to_vec()));
        Ok(())
    }
}

async fn insert(connection: &mut PgConnection, submissions: &[Submission]) -> Result<Created> {
    let mut rows = Columns::default();
    for submission in submissions {
        rows.push(submission)?;
    }
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
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    Ok(created.into_iter().map(|row| (row.id.into(), (row.created_at, row.scheduled_at))).collect())
}

/// Whose keys the submissions that were left out have. Its own statement, so that it sees what a
/// concurrent submission with the same key committed meanwhile.
async fn taken_keys(connection: &mut PgConnection, submissions: &[Submission], created: &Created) -> Result<Taken> {
    let left_out = submissions.iter().filter(|submission| !created.contains_key(&submission.task.id));
    let keys: Vec<String> = left_out.filter_map(|submission| Some(submission.key.as_ref()?.key.clone())).collect();
    if keys.is_empty() {
        return Ok(Taken::new());
    }
    let rows =
        sqlx::query_file!("sql/submission_keys.sql", &keys).fetch_all(connection).await.map_err(store_error)?;
    Ok(rows.into_iter().map(|row| (row.key, (row.request_hash, row.task_id.into()))).collect())
}

fn answer(submissions: &[Submission], created: &Created, taken: &Taken) -> Result<Vec<Submitted>> {
    let answers = submissions.iter().map(|Submission { task, key }| {
        if let Some(&(created_at, scheduled_at)) = created.get(&task.id) {
            return Ok(Submitted::Created { created_at, scheduled_at });
        }
        let key = key.as_ref().ok_or_else(|| corrupt(format!("task {} was not stored", task.id)))?;
        let (hash, stored) =
            taken.get(&key.key).ok_or_else(|| corrupt("an idempotency key vanished while it was used"))?;
        Ok(if *hash == key.request_hash { Submitted::Replayed(*stored) } else { Submitted::KeyConflict })
    });
    answers.collect()
}

pub(crate) async fn cancel(pool: &PgPool, task: TaskId) -> Result<CancelAnswer> {
    let id = task.as_uuid();
    // A task may go from pending to held, or back, between the two statements: look again then.
    for _ in 0..10 {
        let pending = sqlx::query_file!("sql/cancel_pending.sql", id).execute(pool).await.map_err(store_error)?;
        if pending.rows_affected() > 0 {
            return Ok(CancelAnswer::Cancelled);
        }
        let held = sqlx::query_file!("sql/cancel_held.sql", id).execute(pool).await.map_err(store_error)?;
        if held.rows_affected() > 0 {
            return Ok(CancelAnswer::Requested);
        }
        let found = sqlx::query_file!("sql/get.sql", &[id][..]).fetch_optional(pool).await.map_err(store_error)?;
        let Some(found) = found else { return Ok(CancelAnswer::NotFound) };
        if task_state(found.state)?.is_terminal() {
            return Ok(CancelAnswer::Ended);
        }
    }
    Err(StoreError::unavailable("the task changed again and again while it was cancelled"))
}
