//! Changes what was asked for: cancels a task, or repeats one that ended without success.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use distrack_core::{Due, NewTask, Task, TaskId, TaskState, TraceContext};
use distrack_store::{AuditAction, CancelAnswer};

use crate::app::{App, no_such_task};
use crate::audit;
use crate::auth::Reach;
use crate::caller::Caller;
use crate::idempotency;
use crate::intake::Origin;
use crate::metrics::Source;
use crate::problem::{Code, Problem};
use crate::query::{Params, PathTask};
use crate::request_trace::RequestTrace;
use crate::resource::cancelled::{CancelAnswered, CancelledTask};
use crate::resource::task::TaskResource;
use crate::routes::submit;

/// Cancels a task.
///
/// A task that waits is cancelled at once. One that a worker holds is stopped there, first with SIGTERM, and
/// is cancelled when the worker says so; it may still complete if it was faster. If the task cannot be read
/// after the cancel, the answer has no more of it than `task_id`, `links`, and `state` if that is known.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/cancel", tag = "tasks", operation_id = "cancel_task",
    params(("id" = uuid::Uuid, Path, description = "The task's id")),
    responses(
        (status = 200, description = "The task is cancelled", body = CancelAnswered),
        (status = 202, description = "A worker holds the task and will stop it", body = CancelAnswered),
    ),
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    reach: Reach,
    caller: Caller,
    trace: RequestTrace,
    PathTask(id): PathTask,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    if reach.is_limited() {
        app.task(id, &reach).await?;
    }
    let note = audit::of_cancel(&caller, &trace, id);
    let answer = app.ask(app.store.cancel_by(id, Some(note))).await?;
    let status = match answer {
        CancelAnswer::Cancelled => StatusCode::OK,
        CancelAnswer::Requested => StatusCode::ACCEPTED,
        CancelAnswer::Ended => return Err(ended(&app.task(id, &reach).await?)),
        CancelAnswer::NotFound => return Err(no_such_task(id)),
    };
    tracing::info!(task_id = %id, status = status.as_u16(), "cancel accepted");
    // The cancel stands, whether or not the task can be read again.
    let task = app.task(id, &reach).await;
    if answer == CancelAnswer::Cancelled {
        app.instruments.cancelled(task.as_ref().ok().map(|task| task.queue.as_str()));
    }
    let answer = match task {
        Ok(task) => CancelAnswered::Task(Box::new(task.into())),
        Err(_) => CancelAnswered::Known(CancelledTask::new(id, answer)),
    };
    Ok((status, Json(answer)).into_response())
}

fn ended(task: &Task) -> Problem {
    Problem::new(Code::TaskEnded, format!("task {} is {} and stays so", task.id, task.state))
}

/// Repeats a task that failed, was cancelled or expired.
///
/// A new task with the same command and settings is made, due now and without `expires_at`; `retry_of` names
/// the first one, which does not change.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/retry", tag = "tasks", operation_id = "retry_task",
    params(
        ("id" = uuid::Uuid, Path, description = "The task's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
    ),
    responses(
        (status = 201, description = "The new task", body = TaskResource),
        (status = 200, description = "The new task of the same request, sent before under the same key", body = TaskResource),
    ),
)]
pub(crate) async fn retry(
    State(app): State<App>,
    reach: Reach,
    caller: Caller,
    trace: RequestTrace,
    PathTask(id): PathTask,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish()?;
    let key = idempotency::of(&headers, "retry", &id)?.map(|key| reach.key(key));
    let task = app.task(id, &reach).await?;
    match task.state {
        TaskState::Failed | TaskState::Cancelled | TaskState::Expired => {}
        TaskState::Pending | TaskState::Dispatched | TaskState::Running | TaskState::Completed => {
            return Err(Problem::new(Code::TaskNotRetryable, format!("task {id} is {}", task.state)));
        }
    }
    let again = again(task, trace.of_task(&app.traces, 1));
    let note = Some(audit::of_task(AuditAction::Retry, &caller, &trace, &again));
    let accepted = submit::store(&app, again, key, Origin { source: Source::Retry, trace, note }).await?;
    Ok(accepted.answer(StatusCode::CREATED))
}

fn again(task: Task, trace: TraceContext) -> NewTask {
    NewTask {
        id: TaskId::new(),
        spec: task.spec,
        queue: task.queue,
        priority: task.priority,
        due: Due::After(Duration::ZERO),
        expires_at: None,
        policy: task.policy,
        labels: task.labels,
        requires: task.requires,
        trace,
        retry_of: Some(task.id),
    }
}
