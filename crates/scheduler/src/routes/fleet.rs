//! Answers how the fleet stands: `GET /v1/workers` and `GET /v1/queues`.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::auth::Reach;
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
///
/// A token that is limited to queues sees these only.
#[utoipa::path(
    get, path = "/v1/queues", tag = "fleet", operation_id = "list_queues",
    responses((status = 200, description = "The queues", body = QueueList)),
)]
pub(crate) async fn queues(
    State(app): State<App>,
    reach: Reach,
    params: Params,
) -> Result<Json<QueueList>, Problem> {
    params.finish()?;
    let queues = app.ask(app.store.queue_snapshot()).await?;
    let queues = queues.into_iter().filter(|queue| reach.covers(&queue.queue));
    Ok(Json(QueueList { queues: queues.map(QueueResource::from).collect() }))
}
