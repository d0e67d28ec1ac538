//! Why a task stands as it does, as the API shows it.

use std::collections::BTreeMap;

use distrack_core::why::{Facts, MOST_AHEAD, Reason, explain};
use distrack_core::{TaskId, TaskState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::resource::schema;
use crate::stamp::Stamp;

/// Why a task stands as it does, from the database alone, at one instant.
#[derive(Serialize, ToSchema)]
#[schema(as = Why)]
pub(crate) struct WhyResource {
    /// The task.
    #[schema(value_type = Uuid)]
    task_id: TaskId,
    #[schema(schema_with = schema::state)]
    state: TaskState,
    /// The instant that this is true of.
    at: Stamp,
    /// The whole in one sentence, whose subject is the task.
    summary: String,
    /// While it is not due: it starts no earlier. When it will start is not known.
    not_before: Option<Stamp>,
    /// Each reason, the one that matters most first.
    reasons: Vec<ReasonResource>,
}

/// A reason, with its numbers: those that do not belong to it are absent.
#[derive(Serialize, ToSchema)]
#[schema(as = Reason)]
pub(crate) struct ReasonResource {
    #[schema(schema_with = schema::reason)]
    code: &'static str,
    /// For a person.
    text: String,
    /// What would change it, for a person; null when nothing is to be changed.
    change: Option<String>,
    /// The duration that it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// The instant that it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Stamp>,
    /// Tasks that are before it in its queue, at most 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<u32>,
    /// Whether there are more tasks than `tasks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
    /// Workers that it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<u32>,
    /// Slots that it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<u32>,
    /// The attempt that it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// The worker that it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    /// Labels that no worker has.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    requires: BTreeMap<String, String>,
}

impl From<&Facts> for WhyResource {
    fn from(facts: &Facts) -> Self {
        let why = explain(facts);
        Self {
            task_id: facts.task.id,
            state: facts.task.state,
            at: facts.now.into(),
            summary: why.summary,
            not_before: why.not_before.map(Stamp),
            reasons: why.reasons.into_iter().map(ReasonResource::from).collect(),
        }
    }
}

impl From<Reason> for ReasonResource {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code.as_str(),
            text: reason.text,
            change: reason.change,
            seconds: reason.lasts.map(|lasts| lasts.as_secs_f64()),
            at: reason.at.map(Stamp),
            tasks: reason.tasks.map(|tasks| tasks.min(MOST_AHEAD)),
            more: reason.tasks.map(|tasks| tasks > MOST_AHEAD),
            workers: reason.workers,
            slots: reason.slots,
            attempt: reason.attempt,
            worker: reason.worker,
            requires: reason.requires,
        }
    }
}
