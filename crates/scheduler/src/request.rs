//! What a client asks for. Only the form is read here; every limit is checked by `NewTask::parse`.

use std::collections::BTreeMap;

use distrack_core::{Executor, OnLost, OnOutputLimit, Secret, TaskDraft, secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::duration::Span;
use crate::object::{self, Object};
use crate::resource::schema;
use crate::stamp::Stamp;

/// The most tasks of one batch.
pub(crate) const MAX_BATCH: usize = 10_000;

/// A task to be scheduled. Give `command` or `argv`; everything else has a default.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"command": "echo hello", "delay_seconds": 5}))]
pub(crate) struct TaskRequest {
    /// A line for `/bin/sh -c`: 1 byte to 64 KiB without NUL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 65536, example = "echo hello")]
    command: Option<String>,
    /// A program and its arguments, run without a shell: 1 to 1,024 items, 64 KiB in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 1024)]
    argv: Option<Vec<String>>,
    /// Seconds from now, 0 to 10 years; fractions are honoured to the millisecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 315576000, example = 5)]
    delay_seconds: Option<f64>,
    /// The instant at which to run, instead of `delay_seconds`; one that has passed means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<Stamp>,
    /// The latest instant at which the task may start; it becomes `expired` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Stamp>,
    /// The stream that the task waits in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", default = "default")]
    queue: Option<String>,
    /// Higher first, −100 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -100, maximum = 100, default = 0)]
    priority: Option<i32>,
    /// Variables added to the clean environment: at most 128, 64 KiB in all. Values are never shown again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "object::of_text")]
    env: BTreeMap<String, String>,
    /// The same, for secrets: nothing shows or logs a value, also not this API. No name may be in `env` too.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        serialize_with = "secret::exposed::serialize",
        deserialize_with = "object::of_secrets"
    )]
    #[schema(value_type = BTreeMap<String, String>, write_only)]
    env_secret: BTreeMap<String, Secret>,
    /// The directory to run in, an absolute path on the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    /// How long an attempt may run, 1 ms to 30 days; 1 hour unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Span>,
    /// How many attempts may end by themselves without success, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100, default = 1)]
    max_attempts: Option<u32>,
    /// The wait between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BackoffRequest>)]
    backoff: Option<Object<BackoffRequest>>,
    /// What becomes of the task when its worker is lost: `retry` runs it at least once, `fail` at most once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::asked_on_lost)]
    on_lost: Option<OnLost>,
    /// What becomes of a command that prints more than the worker keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::asked_on_output_limit)]
    on_output_limit: Option<OnOutputLimit>,
    /// What runs it; `noop` completes at once and measures the engine alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::asked_executor)]
    executor: Option<Executor>,
    /// Marks to list by: at most 32, of 63 and 256 characters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "object::of_text")]
    labels: BTreeMap<String, String>,
    /// Labels that the worker must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "object::of_text")]
    requires: BTreeMap<String, String>,
}

/// Bounds of the wait between attempts, which doubles from one to the next and is drawn at random below its bound.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackoffRequest {
    /// The bound of the first wait; 1 second unless given, or `max` if that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initial: Option<Span>,
    /// The bound of every wait; 5 minutes unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<Span>,
}

/// Tasks that are accepted all or none.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"tasks": [{"command": "echo one"}, {"command": "echo two", "delay_seconds": 1.5}]}))]
pub(crate) struct BatchRequest {
    /// 1 to 10,000 tasks.
    #[schema(min_items = 1, max_items = 10000, value_type = Vec<TaskRequest>)]
    pub(crate) tasks: Vec<Object<TaskRequest>>,
}

impl From<TaskRequest> for TaskDraft {
    fn from(request: TaskRequest) -> Self {
        let backoff = request.backoff.as_ref().map(|Object(backoff)| backoff);
        Self {
            backoff_initial: backoff.and_then(|backoff| backoff.initial).map(|Span(wait)| wait),
            backoff_max: backoff.and_then(|backoff| backoff.max).map(|Span(wait)| wait),
            command: request.command,
            argv: request.argv,
            delay_seconds: request.delay_seconds,
            scheduled_at: request.scheduled_at.map(|Stamp(at)| at),
            expires_at: request.expires_at.map(|Stamp(at)| at),
            queue: request.queue,
            priority: request.priority,
            env: request.env,
            env_secret: request.env_secret,
            cwd: request.cwd,
            timeout: request.timeout.map(|Span(limit)| limit),
            max_attempts: request.max_attempts,
            on_lost: request.on_lost,
            on_output_limit: request.on_output_limit,
            executor: request.executor,
            labels: request.labels,
            requires: request.requires,
            retry_of: None,
        }
    }
}
