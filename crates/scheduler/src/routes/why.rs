//! Answers why a task stands as it does, and where its traces are: `GET /v1/tasks/{id}/why` and `…/trace`.

use axum::Json;
use axum::extract::State;
use distrack_core::TaskId;
use distrack_core::why::Facts;

use crate::app::{App, no_such_task};
use crate::auth::Reach;
use crate::problem::Problem;
use crate::query::{Params, PathTask};
use crate::resource::trace::{Jaeger, TraceResource};
use crate::resource::why::WhyResource;

/// Says why a task stands as it does: what it waits for, what it is doing, or what happened to it.
///
/// From the database alone, at the same cost whatever the backlog. What cannot be known from there is not said.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/why", tag = "tasks", operation_id = "get_why",
    params(("id" = uuid::Uuid, Path, description = "The task's id")),
    responses((status = 200, description = "Why", body = WhyResource)),
)]
pub(crate) async fn why(
    State(app): State<App>,
    reach: Reach,
    PathTask(id): PathTask,
    params: Params,
) -> Result<Json<WhyResource>, Problem> {
    params.finish()?;
    Ok(Json(WhyResource::from(&facts(&app, id, &reach).await?)))
}

/// Shows where a task's traces are, and each phase that it went through.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/trace", tag = "tasks", operation_id = "get_trace",
    params(("id" = uuid::Uuid, Path, description = "The task's id")),
    responses((status = 200, description = "Its traces and phases", body = TraceResource)),
)]
pub(crate) async fn trace(
    State(app): State<App>,
    reach: Reach,
    PathTask(id): PathTask,
    params: Params,
) -> Result<Json<TraceResource>, Problem> {
    params.finish()?;
    let jaeger = Jaeger(app.settings.jaeger_url.as_deref());
    Ok(Json(TraceResource::new(&facts(&app, id, &reach).await?, jaeger)))
}

async fn facts(app: &App, id: TaskId, reach: &Reach) -> Result<Facts, Problem> {
    let facts = app.ask(app.store.explain(id)).await?.filter(|facts| reach.covers(&facts.task.queue));
    facts.ok_or_else(|| no_such_task(id))
}
