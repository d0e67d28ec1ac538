//! Answers how the fleet stands: `GET /v1/workers` and `GET /v1/queues`.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::problem::Problem;
use crate::query::Params;
use crate::resource::fleet::{QueueList, QueueResource, WorkerList, WorkerResource};

/// Lists workers that are there, and those lost lately.
#[utoipa::path(
    get, path = "/v1/workers", tag = "fleet", operation_id = "list_workers",
    responses((status = 200, description = "The workers", body = WorkerList)),
)]
pub(crate) async fn workers(State(app): State<App>, params: Params) -> Result<Json<WorkerList>, Problem> {
    params.finish()?;
    let workers = app.ask(app.store.workers()).await?;
    Ok(Json(WorkerList { workers: workers.into_iter().map(WorkerResource::from).collect() }))
}

/// Lists queues with tasks that have not ended.
#[utoipa::path(
    get, path = "/v1/queues", tag = "fleet", operation_id = "list_queues",
    responses((status = 200, description = "The queues", body = QueueList)),
)]
pub(crate) async fn queues(State(app): State<App>, params: Params) -> Result<Json<QueueList>, Problem> {
    params.finish()?;
    let queues = app.ask(app.store.queue_snapshot()).await?;
    Ok(Json(QueueList { queues: queues.into_iter().map(QueueResource::from).collect() }))
}
