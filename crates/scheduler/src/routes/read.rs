//! Answers how one task stands: `GET /v1/tasks/{id}`, `GET /status`, its older name, and its attempts.

use axum::Json;
use axum::extract::State;

use crate::app::{App, no_such_task};
use crate::auth::Reach;
use crate::problem::Problem;
use crate::query::{Params, PathTask, task_id};
use crate::resource::attempt::{AttemptList, AttemptResource};
use crate::resource::task::TaskResource;
use crate::wait::Wait;

/// Shows a task.
#[utoipa::path(
    get, path = "/v1/tasks/{id}", tag = "tasks", operation_id = "get_task",
    params(
        ("id" = uuid::Uuid, Path, description = "The task's id"),
        ("wait" = Option<String>, Query, description = "Answer when the task has ended, after at most this long: 0 to 60 s", example = "10s"),
    ),
    responses((status = 200, description = "The task", body = TaskResource)),
)]
pub(crate) async fn task(
    State(app): State<App>,
    reach: Reach,
    PathTask(id): PathTask,
    mut params: Params,
) -> Result<Json<TaskResource>, Problem> {
    let wait = Wait::take(&mut params)?;
    params.finish()?;
    let task = app.task(id, &reach).await?;
    Ok(Json(wait.end_of(&app, task).await.into()))
}

/// Shows a task, by the older route.
#[utoipa::path(
    get, path = "/status", tag = "tasks", operation_id = "status",
    params(
        ("task_id" = uuid::Uuid, Query, description = "The task's id"),
        ("wait" = Option<String>, Query, description = "Answer when the task has ended, after at most this long: 0 to 60 s", example = "10s"),
    ),
    responses((status = 200, description = "The task", body = TaskResource)),
)]
pub(crate) async fn status(
    State(app): State<App>,
    reach: Reach,
    mut params: Params,
) -> Result<Json<TaskResource>, Problem> {
    let id = params.take("task_id")?.ok_or_else(|| Problem::field("task_id", "is missing"))?;
    let id = task_id(&id)?;
    let wait = Wait::take(&mut params)?;
    params.finish()?;
    let task = app.task(id, &reach).await?;
    Ok(Json(wait.end_of(&app, task).await.into()))
}

/// Lists a task's attempts, oldest first.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/attempts", tag = "tasks", operation_id = "list_attempts",
    params(("id" = uuid::Uuid, Path, description = "The task's id")),
    responses((status = 200, description = "Its attempts", body = AttemptList)),
)]
pub(crate) async fn attempts(
    State(app): State<App>,
    reach: Reach,
    PathTask(id): PathTask,
    params: Params,
) -> Result<Json<AttemptList>, Problem> {
    params.finish()?;
    if reach.is_limited() {
        app.task(id, &reach).await?;
    }
    let attempts = app.ask(app.store.attempts(id)).await?.ok_or_else(|| no_such_task(id))?;
    Ok(Json(AttemptList { attempts: attempts.into_iter().map(AttemptResource::from).collect() }))
}
