//! Ending attempts: the one place where a verdict is written.

use std::time::Duration;

use distrack_core::transition::Event;
use distrack_core::{AttemptRef, Ended, Standing, TaskState, Verdict};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;
use crate::error::{corrupt, miscounted, store_error};
use crate::row::{count, policy, task_state, to_bigint, to_int, to_micros};

/// A row of `lock_attempts` and `orphans`: a task that this transaction has locked.
pub(crate) struct LockedRow {
    pub(crate) id: Uuid,
    pub(crate) epoch: i64,
    pub(crate) state: i16,
    pub(crate) failures: i32,
    pub(crate) losses: i32,
    pub(crate) max_attempts: i32,
    pub(crate) backoff_initial_ms: i64,
    pub(crate) backoff_max_ms: i64,
    pub(crate) on_lost: i16,
    pub(crate) attempt: i32,
    pub(crate) cancel_requested: bool,
    pub(crate) cause: Option<i16>,
    pub(crate) exit_code: Option<i32>,
}

impl LockedRow {
    pub(crate) fn attempt_ref(&self) -> AttemptRef {
        AttemptRef { task: self.id.into(), epoch: self.epoch }
    }

    pub(crate) fn standing(&self) -> Result<Standing> {
        Ok(Standing {
            failures: count(self.failures)?,
            losses: count(self.losses)?,
            cancel_requested: self.cancel_requested,
            policy: policy(self.max_attempts, self.backoff_initial_ms, self.backoff_max_ms, self.on_lost)?,
        })
    }
}

/// An attempt of a locked, held task, and what becomes of it.
pub(crate) struct Ending {
    pub(crate) attempt: AttemptRef,
    pub(crate) next: TaskState,
    pub(crate) verdict: Verdict,
    /// How long ago it ended.
    pub(crate) ago: Duration,
    /// How long it ran, if it started.
    pub(crate) ran: Option<Duration>,
}

impl Ending {
    /// Applies the rules of `core` to a locked row.
    pub(crate) fn decide(row: &LockedRow, ended: Ended<'_>, jitter: f64) -> Result<Self> {
        let verdict = row.standing()?.verdict(ended, jitter);
        let state = task_state(row.state)?;
        let next = state
            .after(verdict.event)
            .ok_or_else(|| corrupt(format!("{state} after {:?}", verdict.event)))?;
        Ok(Self { attempt: row.attempt_ref(), next, verdict, ago: Duration::ZERO, ran: None })
    }
}

/// What happened to tasks, so that the right hints are raised after the commit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changed {
    /// Some are due again.
    pub(crate) due: bool,
    /// Some have ended.
    pub(crate) done: bool,
}

/// Writes endings of tasks that this transaction has locked.
pub(crate) async fn write(connection: &mut PgConnection, endings: Vec<Ending>) -> Result<Changed> {
    let mut changed = Changed::default();
    if endings.is_empty() {
        return Ok(changed);
    }
    let mut rows = Columns::default();
    let mut superseded = Vec::new();
    for ending in &endings {
        rows.push(ending);
        if ending.verdict.event == Event::Retry {
            superseded.push(ending.attempt.task.as_uuid());
        }
        changed.due |= ending.verdict.event == Event::Retry;
        changed.done |= ending.next.is_terminal();
    }
    let finished = rows.finish(connection).await?;
    if finished != endings.len() as u64 {
        return Err(miscounted("finish", endings.len(), finished));
    }
    if !superseded.is_empty() {
        let kept =
            sqlx::query_file!("sql/supersede.sql", &superseded).execute(connection).await.map_err(store_error)?;
        if kept.rows_affected() != superseded.len() as u64 {
            return Err(miscounted("supersede", superseded.len(), kept.rows_affected()));
        }
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
    fn push(&mut self, ending: &Ending) {
        let Verdict { due_in, failures, losses, outcome, .. } = &ending.verdict;
        self.id.push(ending.attempt.task.as_uuid());
        self.epoch.push(ending.attempt.epoch);
        self.state.push(ending.next.code());
        self.due_in_us.push(i64::try_from(due_in.as_micros()).unwrap_or(i64::MAX));
        self.failures.push(to_int(*failures));
        self.losses.push(to_int(*losses));
        self.ago_us.push(to_micros(ending.ago));
        self.ran_us.push(ending.ran.map(to_micros));
        self.cause.push(outcome.cause.map(|cause| cause.code()));
        // A success always has an exit code: that is how a row shows that its attempt ended.
        self.exit_code.push(outcome.exit_code.or(outcome.cause.is_none().then_some(0)));
        self.signal.push(outcome.signal);
        self.error.push(outcome.error.clone());
        self.max_rss_bytes.push(outcome.usage.map(|usage| to_bigint(usage.max_rss_bytes)));
        self.cpu_user_us.push(outcome.usage.map(|usage| to_micros(usage.cpu_user)));
        self.cpu_system_us.push(outcome.usage.map(|usage| to_micros(usage.cpu_system)));
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
