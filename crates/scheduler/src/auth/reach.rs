//! Whose tasks a caller may see and touch: those of its queues, as if there were no others.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use distrack_core::{NewTask, QueueName, Task, TaskId};
use distrack_store::IdempotencyKey;
use sha2::{Digest, Sha256};

use crate::app::no_such_task;
use crate::problem::{Code, Problem};

/// The queues that a caller may see and touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach(Option<Arc<[QueueName]>>);

impl Reach {
    /// Every queue.
    pub(crate) fn all() -> Self {
        Self(None)
    }

    /// These queues; `None` for every one.
    pub(crate) fn of(queues: Option<Vec<QueueName>>) -> Self {
        Self(queues.map(|mut queues| {
            queues.sort();
            queues.dedup();
            queues.into()
        }))
    }

    /// Whether a queue is within reach.
    pub(crate) fn covers(&self, queue: &QueueName) -> bool {
        self.0.as_ref().is_none_or(|queues| queues.contains(queue))
    }

    /// The queues, if they are limited.
    pub(crate) fn queues(&self) -> Option<Vec<QueueName>> {
        self.0.as_deref().map(<[QueueName]>::to_vec)
    }

    /// Whether there may be tasks beyond.
    pub(crate) fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    /// A task within reach; one beyond does not exist for the caller.
    pub(crate) fn task(&self, id: TaskId, task: Option<Task>) -> Result<Task, Problem> {
        task.filter(|task| self.covers(&task.queue)).ok_or_else(|| no_such_task(id))
    }

    /// Refuses a task that would be beyond.
    pub(crate) fn permit(&self, task: &NewTask) -> Result<(), Problem> {
        if self.covers(&task.queue) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, format!("the token is not for the queue {}", task.queue)))
    }

    /// A key of the callers with this reach alone: others may use the same one without knowing, and none is
    /// answered with a task that it must not see. No client can send it: it begins with a line feed.
    pub(crate) fn key(&self, key: IdempotencyKey) -> IdempotencyKey {
        let Some(queues) = &self.0 else { return key };
        let mut hash = Sha256::new();
        for queue in queues.iter() {
            hash.update(queue.as_str());
            hash.update([0]);
        }
        let ours: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        IdempotencyKey { key: format!("\n{ours}\n{}", key.key), ..key }
    }
}

impl<S: Sync> FromRequestParts<S> for Reach {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let reach = parts.extensions.get::<Self>().cloned();
        reach.ok_or_else(|| Problem::internal("a request was not authorized"))
    }
}
