//! Ending attempts: what becomes of their tasks, and the row that says so.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use distrack_core::transition::Event;
use distrack_core::{AttemptRef, Ended, Standing, TaskState, TraceContext, Verdict};
use serde::Serialize;
use uuid::Uuid;

use super::value::{count, hex, policy, task_state, to_bigint, to_int, to_micros, trace};
use crate::error::StoreError;
use crate::store::Result;
use crate::types::{Progress, ProgressEnd};

/// A row of `lock_attempts` and `orphans`: a task that nobody else can change meanwhile.
///
/// `I` is how a database's driver gives an instant.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct LockedRow<I = DateTime<Utc>> {
    pub id: Uuid,
    pub epoch: i64,
    pub state: i16,
    pub failures: i32,
    pub losses: i32,
    pub max_attempts: i32,
    pub backoff_initial_ms: i64,
    pub backoff_max_ms: i64,
    pub on_lost: i16,
    pub attempt: i32,
    pub cancel_requested: bool,
    pub cause: Option<i16>,
    pub exit_code: Option<i32>,
    pub session_id: Option<Uuid>,
    pub queue: String,
    pub worker: Option<String>,
    pub traceparent: String,
    pub tracestate: String,
    pub attempt_trace_id: Option<String>,
    pub attempt_span_id: Option<String>,
    pub scheduled_at: I,
    pub picked_at: Option<I>,
    pub started_at: Option<I>,
    /// The transaction's instant.
    pub now: I,
}

impl<I: Into<DateTime<Utc>>> LockedRow<I> {
    /// With instants as everyone reads them.
    pub fn read(self) -> LockedRow {
        LockedRow {
            id: self.id,
            epoch: self.epoch,
            state: self.state,
            failures: self.failures,
            losses: self.losses,
            max_attempts: self.max_attempts,
            backoff_initial_ms: self.backoff_initial_ms,
            backoff_max_ms: self.backoff_max_ms,
            on_lost: self.on_lost,
            attempt: self.attempt,
            cancel_requested: self.cancel_requested,
            cause: self.cause,
            exit_code: self.exit_code,
            session_id: self.session_id,
            queue: self.queue,
            worker: self.worker,
            traceparent: self.traceparent,
            tracestate: self.tracestate,
            attempt_trace_id: self.attempt_trace_id,
            attempt_span_id: self.attempt_span_id,
            scheduled_at: self.scheduled_at.into(),
            picked_at: self.picked_at.map(Into::into),
            started_at: self.started_at.map(Into::into),
            now: self.now.into(),
        }
    }
}

impl LockedRow {
    /// The current or last attempt.
    pub fn attempt_ref(&self) -> AttemptRef {
        AttemptRef { task: self.id.into(), epoch: self.epoch }
    }

    /// The attempt as it stands, at the beginning of a step. Never fails: this is only told, and what of it cannot be
    /// read must not keep an attempt from its end.
    pub(super) fn progress(&self) -> Progress {
        Progress {
            attempt: self.attempt_ref(),
            number: u32::try_from(self.attempt).unwrap_or_default(),
            queue: self.queue.parse().unwrap_or_default(),
            worker: self.worker.clone(),
            trace: position(
                &self.traceparent,
                &self.tracestate,
                self.attempt_trace_id.as_deref().zip(self.attempt_span_id.as_deref()),
            ),
            scheduled_at: self.scheduled_at,
            picked_at: self.picked_at.unwrap_or(self.now),
            started_at: self.started_at,
            starts: false,
            end: None,
        }
    }

    /// The instant of something that happened `ago`, as `start` and `finish` anchor it.
    pub(super) fn instant(&self, ago: Duration) -> DateTime<Utc> {
        self.now - TimeDelta::microseconds(to_micros(ago))
    }

    fn standing(&self) -> Result<Standing> {
        Ok(Standing {
            failures: count(self.failures)?,
            losses: count(self.losses)?,
            cancel_requested: self.cancel_requested,
            policy: policy(self.max_attempts, self.backoff_initial_ms, self.backoff_max_ms, self.on_lost)?,
        })
    }
}

/// An attempt's own position in its trace, if what is stored of it can be read.
fn position(traceparent: &str, tracestate: &str, ids: Option<(&str, &str)>) -> Option<TraceContext> {
    let (trace_id, span_id) = ids?;
    let submission = trace(traceparent, tracestate).ok()?;
    Some(TraceContext { trace_id: hex(trace_id).ok()?, span_id: hex(span_id).ok()?, ..submission })
}

/// A row of `complete`: an attempt that succeeded, as it ended.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct CompletedRow {
    pub id: Uuid,
    pub epoch: i64,
    pub attempt: i32,
    pub queue: String,
    pub worker: Option<String>,
    pub traceparent: String,
    pub tracestate: String,
    pub attempt_trace_id: Option<String>,
    pub attempt_span_id: Option<String>,
    pub scheduled_at: DateTime<Utc>,
    pub picked_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: DateTime<Utc>,
    /// Whether its start was not known before.
    pub starts: bool,
}

impl CompletedRow {
    /// The attempt.
    pub fn attempt_ref(&self) -> AttemptRef {
        AttemptRef { task: self.id.into(), epoch: self.epoch }
    }
}

impl From<CompletedRow> for Progress {
    fn from(row: CompletedRow) -> Self {
        let ids = row.attempt_trace_id.as_deref().zip(row.attempt_span_id.as_deref());
        Self {
            attempt: row.attempt_ref(),
            number: u32::try_from(row.attempt).unwrap_or_default(),
            queue: row.queue.parse().unwrap_or_default(),
            trace: position(&row.traceparent, &row.tracestate, ids),
            worker: row.worker,
            scheduled_at: row.scheduled_at,
            picked_at: row.picked_at,
            started_at: row.started_at,
            starts: row.starts && row.started_at.is_some(),
            end: Some(ProgressEnd { at: row.finished_at, cause: None, next: TaskState::Completed }),
        }
    }
}

/// An attempt of a locked, held task, and what becomes of it.
#[derive(Debug)]
pub struct Ending {
    /// The attempt.
    pub attempt: AttemptRef,
    /// The task's state from now on.
    pub next: TaskState,
    /// Why.
    pub verdict: Verdict,
    /// How long ago it ended.
    pub ago: Duration,
    /// How long it ran, if it started.
    pub ran: Option<Duration>,
}

/// Where an attempt stands among those that are lost with it, from 0 to 1: as good as by chance, and elsewhere
/// each time, so that no task meets one that takes workers down again and again.
fn spread(row: &LockedRow) -> f64 {
    let (high, low) = row.id.as_u64_pair();
    let mixed = (high ^ low.rotate_left(32) ^ row.epoch.unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let top = u32::try_from(mixed >> 32).unwrap_or(u32::MAX);
    f64::from(top) / f64::from(u32::MAX)
}

impl Ending {
    /// Applies the rules of `core` to a locked row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the row cannot be read, or its task is not held.
    pub fn decide(row: &LockedRow, ended: Ended<'_>, jitter: f64) -> Result<Self> {
        let verdict = row.standing()?.verdict(ended, jitter);
        let state = task_state(row.state)?;
        let next = state
            .after(verdict.event)
            .ok_or_else(|| StoreError::corrupt(format!("{state} after {:?}", verdict.event)))?;
        Ok(Self { attempt: row.attempt_ref(), next, verdict, ago: Duration::ZERO, ran: None })
    }

    /// Applies the rules of `core` to locked rows whose sessions are gone, all of a session at once; says what it makes of
    /// each.
    ///
    /// # Errors
    /// As [`Ending::decide`].
    pub fn lose(rows: &[LockedRow]) -> Result<(Vec<Self>, Vec<Progress>)> {
        let mut last_chances: HashMap<Option<Uuid>, u32> = HashMap::new();
        for row in rows {
            *last_chances.entry(row.session_id).or_default() +=
                u32::from(row.standing()?.is_on_last_chance());
        }
        let lose = |row: &LockedRow| {
            let in_company = last_chances[&row.session_id] > 1;
            let ending = Self::decide(row, Ended::Lost { in_company }, spread(row))?;
            let progress = ending.progress(row);
            Ok((ending, progress))
        };
        rows.iter().map(lose).collect()
    }

    /// What the ending makes of its attempt, by the rules of `finish`.
    pub fn progress(&self, row: &LockedRow) -> Progress {
        let mut progress = row.progress();
        if progress.started_at.is_none()
            && let Some(ran) = self.ran
        {
            progress.started_at = Some(progress.picked_at.max(row.instant(self.ago.saturating_add(ran))));
            progress.starts = true;
        }
        let began = progress.started_at.unwrap_or(progress.picked_at);
        let at = progress.picked_at.max(began).max(row.instant(self.ago));
        progress.end = Some(ProgressEnd { at, cause: self.verdict.outcome.cause, next: self.next });
        progress
    }

    /// Whether the attempt is kept as a row of its own, since another one will follow.
    pub fn is_superseded(&self) -> bool {
        self.verdict.event == Event::Retry
    }
}

/// What happened to tasks, so that the right hints are raised after the commit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changed {
    /// Some are due again.
    pub due: bool,
    /// Some have ended.
    pub done: bool,
}

impl Changed {
    /// What `endings` change.
    pub fn by(endings: &[Ending]) -> Self {
        Self {
            due: endings.iter().any(Ending::is_superseded),
            done: endings.iter().any(|ending| ending.next.is_terminal()),
        }
    }
}

/// An ending as `finish` takes it.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct EndingRow {
    pub id: Uuid,
    pub epoch: i64,
    pub state: i16,
    pub due_in_us: i64,
    pub failures: i32,
    pub losses: i32,
    pub ago_us: i64,
    pub ran_us: Option<i64>,
    pub cause: Option<i16>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub error: Option<String>,
    pub max_rss_bytes: Option<i64>,
    pub cpu_user_us: Option<i64>,
    pub cpu_system_us: Option<i64>,
}

impl From<&Ending> for EndingRow {
    fn from(ending: &Ending) -> Self {
        let Verdict { due_in, failures, losses, outcome, .. } = &ending.verdict;
        Self {
            id: ending.attempt.task.as_uuid(),
            epoch: ending.attempt.epoch,
            state: ending.next.code(),
            due_in_us: i64::try_from(due_in.as_micros()).unwrap_or(i64::MAX),
            failures: to_int(*failures),
            losses: to_int(*losses),
            ago_us: to_micros(ending.ago),
            ran_us: ending.ran.map(to_micros),
            cause: outcome.cause.map(|cause| cause.code()),
            // A success always has an exit code: that is how a row shows that its attempt ended.
            exit_code: outcome.exit_code.or(outcome.cause.is_none().then_some(0)),
            signal: outcome.signal,
            // Text in a database has no NUL.
            error: outcome.error.as_deref().map(|error| error.replace('\0', "\u{fffd}")),
            max_rss_bytes: outcome.usage.and_then(|usage| usage.max_rss_bytes).map(to_bigint),
            cpu_user_us: outcome.usage.map(|usage| to_micros(usage.cpu_user)),
            cpu_system_us: outcome.usage.map(|usage| to_micros(usage.cpu_system)),
        }
    }
}
