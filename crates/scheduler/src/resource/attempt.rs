//! A task's attempts as the API shows them.

use distrack_core::{Attempt, Cause};
use serde::Serialize;
use utoipa::ToSchema;

use crate::resource::schema;
use crate::resource::task::UsageResource;
use crate::stamp::Stamp;

/// Every attempt of a task, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptList {
    /// The attempts.
    pub(crate) attempts: Vec<AttemptResource>,
}

/// One execution of a task. A number can occur twice: an attempt that was given back does not use its up.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptResource {
    /// Its number, from 1.
    attempt: u32,
    /// The claim that began it; rises with each.
    epoch: i64,
    /// The name of its worker.
    worker: Option<String>,
    /// When it was claimed.
    picked_at: Option<Stamp>,
    /// When its command started.
    started_at: Option<Stamp>,
    /// When it ended; null while it is held.
    finished_at: Option<Stamp>,
    /// Whether it ended with success; null while it is held.
    succeeded: Option<bool>,
    /// The exit code, when the command ended by itself.
    exit_code: Option<i32>,
    /// The signal that ended the command.
    signal: Option<i32>,
    #[schema(schema_with = schema::attempt_cause)]
    cause: Option<Cause>,
    /// What went wrong, for a person.
    error: Option<String>,
    /// What it used.
    usage: Option<UsageResource>,
    /// Its trace.
    trace_id: Option<String>,
    /// Its span.
    span_id: Option<String>,
}

impl From<Attempt> for AttemptResource {
    fn from(attempt: Attempt) -> Self {
        let succeeded = attempt.outcome.as_ref().map(distrack_core::Outcome::is_success);
        let outcome = attempt.outcome.unwrap_or_default();
        Self {
            attempt: attempt.attempt,
            epoch: attempt.epoch,
            worker: attempt.worker,
            picked_at: attempt.picked_at.map(Stamp),
            started_at: attempt.started_at.map(Stamp),
            finished_at: attempt.finished_at.map(Stamp),
            succeeded,
            exit_code: outcome.exit_code,
            signal: outcome.signal,
            cause: outcome.cause,
            error: outcome.error,
            usage: outcome.usage.map(UsageResource::from),
            trace_id: attempt.trace_id.map(|id| id.to_string()),
            span_id: attempt.span_id.map(|id| id.to_string()),
        }
    }
}
