//! The answer to a cancel: the task, or what is known when it cannot be read again.

use distrack_core::{TaskId, TaskState};
use distrack_store::CancelAnswer;
use serde::Serialize;
use utoipa::ToSchema;

use crate::resource::schema;
use crate::resource::task::{Links, TaskResource};

/// The answer to a cancel that was accepted.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum CancelAnswered {
    /// The task.
    Task(Box<TaskResource>),
    /// What is known of it.
    Known(CancelledTask),
}

/// What is known of a task that a cancel reached and that cannot be read right now.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelledTask {
    /// Its identity.
    #[schema(value_type = Uuid)]
    task_id: TaskId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::cancelled)]
    state: Option<TaskState>,
    /// Where to go from here.
    links: Links,
}

impl CancelledTask {
    /// The task `id`, whose cancel was answered with `answer`.
    pub(crate) fn new(id: TaskId, answer: CancelAnswer) -> Self {
        let state = (answer == CancelAnswer::Cancelled).then_some(TaskState::Cancelled);
        Self { task_id: id, state, links: Links::of(id) }
    }
}
